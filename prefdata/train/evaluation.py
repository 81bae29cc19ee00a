"""Evaluation on held-out pairs, per example: accuracy, rewards, divergence, with intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from prefdata.errors import InputError, UsageError
from prefdata.io.directory import DatasetDirectory, open_dataset
from prefdata.train.plan import check_model, require_train
from prefdata.train.recipe import TINY, Recipe, load_recipe

if TYPE_CHECKING:
    from rich.table import Table

    from prefdata.train.scoring import Score

Z95 = 1.959964
"""The normal quantile of a 95 % interval."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Args:
        value: the estimate.
        interval: low and high end; None where one row cannot give one.
        n: rows that it rests on.
    """

    value: float
    interval: tuple[float, float] | None
    n: int


@dataclass(frozen=True)
class Evaluation:
    """How a model does on held-out pairs.

    Args:
        model: the model's folder or name.
        data: the data set directory.
        split: ``test``, or ``train`` where there is no test split.
        reference: what the rewards and the divergence are measured against; None without one.
        beta: the scale of the implicit rewards.
        left_out: rows that cannot be compared at the model's max_length.
        estimates: by name: ``accuracy`` (the chosen answer is the likelier one),
            ``reward_accuracy`` (it has the higher implicit reward), ``reward_margin``, and ``kl``:
            the divergence from the reference at the tokens of both answers, in nats per answer.
    """

    model: str
    data: str
    split: str
    reference: str | None
    beta: float
    left_out: int
    estimates: dict[str, Estimate] = field(default_factory=dict)

    def as_json(self) -> dict[str, JsonValue]:
        """The evaluation as JSON values, one key per estimate.

        Example:
            >>> Evaluation("m", "d", "test", None, 0.1, 0).as_json()["split"]
            'test'
        """
        head: dict[str, JsonValue] = asdict(self)
        del head["estimates"]
        for name, estimate in self.estimates.items():
            interval = None if estimate.interval is None else list[JsonValue](estimate.interval)
            head[name] = {"value": estimate.value, "interval": interval, "n": estimate.n}
        return head

    def table(self) -> Table:
        """The estimates as a Rich table.

        Example:
            >>> Evaluation("m", "d", "test", None, 0.1, 0).table().row_count
            0
        """
        from rich.table import Table

        table = Table(title=f"{self.model} on the {self.split} split", title_justify="left")
        for column in ("metric", "value", "95 % interval", "rows"):
            table.add_column(column, justify="left" if column == "metric" else "right")
        for name, estimate in self.estimates.items():
            low_high = estimate.interval
            shown = f"{low_high[0]:.3f} to {low_high[1]:.3f}" if low_high else "one row only"
            table.add_row(name, f"{estimate.value:.3f}", shown, f"{estimate.n:,}")
        return table


def evaluate(
    model: str,
    *,
    data: Path,
    reference: str | None = None,
    batch_size: int = 8,
    say: Callable[[str], None] = lambda _line: None,
) -> Evaluation:
    """Measure a model on the held-out pairs of a data set directory.

    Each pair is scored by itself, so that neither the batch size nor the order of the rows
    changes a figure. Beta and max_length come from the recipe saved with the model, if there is
    one.

    Args:
        model: a folder or a name on the hub.
        data: the data set directory.
        reference: the model that it started from; by default the one saved with it, or the one
            that its recipe names.
        batch_size: sequences per forward pass.
        say: gets a line of progress at a time.

    Raises:
        UsageError: a path is not what it should be.
        InputError: the data holds no pairs that can be compared.
        MissingExtraError: the extra ``train`` is not installed.

    Example:
        >>> evaluate("pairs-dpo", data=Path("pairs")).estimates["accuracy"]  # doctest: +SKIP
        Estimate(value=0.71, interval=(0.62, 0.79), n=120)
    """
    require_train("pref eval")
    dataset = open_dataset(data)
    if dataset.kind != "pairs":
        raise UsageError(
            f"{data} holds {dataset.kind} preferences, and pref eval compares pairs",
            hint="Evaluate on a data set of pairs.",
        )
    check_model(model)
    recipe = _saved_recipe(model)
    reference = reference or _saved_reference(model, recipe)
    if reference is not None:
        check_model(reference)
    say("loading torch and transformers")
    from prefdata.train.quiet import hushed

    with hushed():
        return _evaluate(model, dataset, reference, recipe, batch_size, say)


def wilson(wins: float, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927), sound for small n and near 0 and 1.

    Args:
        wins: how many of `n`; a tie counts one half.
        n: rows, at least 1.

    Example:
        >>> [round(end, 3) for end in wilson(8, 10)]
        [0.49, 0.943]
    """
    share, z = wins / n, Z95
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def share(wins: Sequence[float]) -> Estimate:
    """The mean of wins (1), ties (one half) and losses (0), with its Wilson interval.

    Example:
        >>> share([1.0, 0.0, 1.0, 1.0]).value
        0.75
    """
    return Estimate(statistics.fmean(wins), wilson(sum(wins), len(wins)), len(wins))


def mean(values: Sequence[float]) -> Estimate:
    """The mean, with the normal interval from its standard error.

    Example:
        >>> mean([1.0, 3.0]).value
        2.0
    """
    value = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(value, None, len(values))
    spread = Z95 * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(value, (value - spread, value + spread), len(values))


def estimates(scores: Sequence[Sequence[Score]], *, beta: float) -> dict[str, Estimate]:
    """The estimates from the scores of chosen and rejected completions, one pair per row.

    Args:
        scores: per row, the score of the chosen and of the rejected completion.
        beta: the scale of the implicit rewards.

    Example:
        >>> from prefdata.train.scoring import Score
        >>> estimates([[Score(-1.0), Score(-2.0)]], beta=0.1)["accuracy"].value
        1.0
    """
    found = {"accuracy": share([_win(good.logp - bad.logp) for good, bad in scores])}
    if any(one.reference is None for row in scores for one in row):
        return found
    margins = [good.reward(beta) - bad.reward(beta) for good, bad in scores]
    divergences = [sum(one.kl or 0.0 for one in row) / len(row) for row in scores]
    return found | {
        "reward_accuracy": share([_win(margin) for margin in margins]),
        "reward_margin": mean(margins),
        "kl": mean(divergences),
    }


def _evaluate(
    model: str,
    dataset: DatasetDirectory,
    reference: str | None,
    recipe: Recipe,
    batch_size: int,
    say: Callable[[str], None],
) -> Evaluation:
    import tempfile

    from prefdata.train.loading import load_model, load_tokenizer
    from prefdata.train.preflight import Encoded, encode, examine
    from prefdata.train.scoring import score
    from prefdata.train.view import COMPLETIONS, load_view

    tokenizer, sides = load_tokenizer(model), COMPLETIONS["pairs"]
    split = "test" if "test" in dataset.rows else "train"
    with tempfile.TemporaryDirectory(prefix="prefdata-") as cache:
        rows = load_view(
            dataset,
            split,
            view="pairs",
            chat=bool(tokenizer.chat_template),
            seed=recipe.seed,
            cache=Path(cache),
        )
        lost = set(examine(rows, sides, tokenizer, recipe.max_length).lost)
        say(f"{split}: {len(rows):,} rows, {len(lost):,} left out")
        if len(lost) == len(rows):
            raise InputError(
                f"{dataset.path}: no row of the {split} split can be compared within "
                f"{recipe.max_length:,} tokens",
                hint="Train with a higher --max-length.",
            )

        def kept() -> Iterator[Encoded]:
            for position, row in enumerate(rows):
                if position not in lost:
                    yield encode(row, sides, tokenizer)

        scores = list(
            score(
                kept(),
                load_model(model),
                reference=load_model(reference) if reference else None,
                max_length=recipe.max_length,
                batch_size=batch_size,
            )
        )
    beta = float(str(recipe.options.get("beta", 0.1)))
    found = estimates(scores, beta=beta)
    return Evaluation(model, str(dataset.path), split, reference, beta, len(lost), estimates=found)


def _win(difference: float) -> float:
    return 1.0 if difference > 0 else 0.5 if difference == 0 else 0.0


def _saved_recipe(model: str) -> Recipe:
    """The recipe that `pref train` saved with the model, or the defaults."""
    saved = Path(model).expanduser() / "recipe.yaml"
    return load_recipe(saved) if saved.is_file() else Recipe()


def _saved_reference(model: str, recipe: Recipe) -> str | None:
    saved = Path(model).expanduser() / "reference"
    if (saved / "config.json").is_file():
        return str(saved)
    return recipe.model if recipe.model not in ("", TINY) else None
