"""Evaluation on held-out data, per example: accuracy, rewards, divergence, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import tee
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from prefdata.errors import InputError, UsageError
from prefdata.io.directory import DatasetDirectory, open_dataset
from prefdata.train import processes
from prefdata.train.estimates import Estimate
from prefdata.train.evalrows import EvalRow, figures, slices
from prefdata.train.generation import Generated, Prompting, answered, check_prompts, read_prompts
from prefdata.train.losses import beta_of
from prefdata.train.methods import Measure, find_method
from prefdata.train.plan import adapter_base, check_model, is_adapter, require_train
from prefdata.train.recipe import TINY, Recipe, load_recipe

if TYPE_CHECKING:
    import torch
    from rich.table import Table
    from transformers import PreTrainedTokenizerBase

    from prefdata.train.encoding import Encoded

Say = Callable[[str], None]
Dtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class EvaluatedSet:
    """How a model does on one data set.

    Args:
        name: of the data set, as the keys of the figures have it.
        data: its directory.
        split: ``test``, or ``train`` where there is no test split.
        left_out: rows that cannot be compared at the model's max_length.
        estimates: the figures; see `prefdata.train.evalrows.figures`.
        slices: the figures by source, margin and length; see `prefdata.train.evalrows.slices`.
    """

    name: str
    data: str
    split: str
    left_out: int
    estimates: dict[str, Estimate] = field(default_factory=dict)
    slices: dict[str, dict[str, dict[str, Estimate]]] = field(default_factory=dict)

    def as_json(self) -> dict[str, JsonValue]:
        """The set as JSON values, one key per figure.

        Example:
            >>> EvaluatedSet("d", "d", "test", 0).as_json()["split"]
            'test'
        """
        head: dict[str, JsonValue] = {
            "data": self.data,
            "split": self.split,
            "left_out": self.left_out,
        }
        by: dict[str, JsonValue] = {
            name: {kind: _as_json(found) for kind, found in kinds.items()}
            for name, kinds in self.slices.items()
        }
        return {**head, **_as_json(self.estimates), **({"by": by} if by else {})}


@dataclass(frozen=True)
class Evaluation:
    """How a model does on held-out data.

    Args:
        model: the model's folder or name.
        reference: what the rewards and the divergence are measured against; None without one.
        beta: the scale of the implicit rewards.
        measure: what a reward is: ``implicit``, ``likelihood``, ``mean_likelihood`` or ``reward``.
        sets: one entry per data set.
        rows: what was measured of each row.
        others: figures that belong to no data set: ``win_rate``, and ``sampled_kl``: the divergence
            at the model's own answers.
        generations: the answers of reference and model to the same prompts.
    """

    model: str
    reference: str | None
    beta: float
    measure: Measure
    sets: tuple[EvaluatedSet, ...]
    rows: tuple[EvalRow, ...] = ()
    others: Mapping[str, Estimate] = field(default_factory=dict)
    generations: tuple[Generated, ...] = ()

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Every figure by name, with the data set in front where there are several.

        Example:
            >>> Evaluation("m", None, 0.1, "implicit", ()).estimates
            {}
        """
        several = len(self.sets) > 1
        return {
            f"{one.name}/{name}" if several else name: estimate
            for one in self.sets
            for name, estimate in one.estimates.items()
        } | dict(self.others)

    def with_win_rate(self, rate: Estimate) -> Evaluation:
        """The same evaluation with a win rate of judged comparisons beside it.

        Example:
            >>> found = Evaluation("m", None, 0.1, "implicit", ())
            >>> found.with_win_rate(Estimate(0.6, (0.5, 0.7), 90)).estimates["win_rate"].value
            0.6
        """
        return replace(self, others={**self.others, "win_rate": rate})

    def as_json(self) -> dict[str, JsonValue]:
        """The evaluation as JSON values, one key per figure.

        Example:
            >>> Evaluation("m", None, 0.1, "implicit", ()).as_json()["model"]
            'm'
        """
        head: dict[str, JsonValue] = {
            "model": self.model,
            "reference": self.reference,
            "beta": self.beta,
            "measure": self.measure,
        }
        if len(self.sets) == 1:
            return {**head, **self.sets[0].as_json(), **_as_json(self.others)}
        sets: dict[str, JsonValue] = {one.name: one.as_json() for one in self.sets}
        return {**head, **_as_json(self.estimates), "sets": sets}

    def table(self) -> Table:
        """The figures as a Rich table, slices below.

        Example:
            >>> Evaluation("m", None, 0.1, "implicit", ()).table().row_count
            0
        """
        from rich.table import Table

        where = ", ".join(f"the {one.split} split of {one.data}" for one in self.sets)
        table = Table(title=f"{self.model} on {where}", title_justify="left")
        for column in ("metric", "value", "95 % interval", "rows"):
            table.add_column(column, justify="left" if column == "metric" else "right")
        for name, estimate in self.estimates.items():
            table.add_row(name, *_cells(estimate))
        return table

    def slice_table(self) -> Table | None:
        """The first accuracy of every slice, as a Rich table; None where rows do not differ.

        Example:
            >>> Evaluation("m", None, 0.1, "implicit", ()).slice_table()
        """
        from rich.table import Table

        table = Table(title="by slice", title_justify="left")
        for column in ("slice", "metric", "value", "95 % interval", "rows"):
            table.add_column(column, justify="left" if column in ("slice", "metric") else "right")
        several = len(self.sets) > 1
        for one in self.sets:
            for name, kinds in one.slices.items():
                for kind, found in kinds.items():
                    metric = next((m for m in SLICED if m in found), None)
                    if metric:
                        where = f"{one.name}/{name}" if several else name
                        table.add_row(f"{where}: {kind}", metric, *_cells(found[metric]))
        return table if table.row_count else None


SLICED = ("reward_accuracy", "accuracy")
"""What a slice is shown by, the first that it has; JSON has all figures."""


def _cells(estimate: Estimate) -> tuple[str, str, str]:
    low_high = estimate.interval
    shown = f"{low_high[0]:.3f} to {low_high[1]:.3f}" if low_high else "one row only"
    return f"{estimate.value:.3f}", shown, f"{estimate.n:,}"


def _as_json(found: Mapping[str, Estimate]) -> dict[str, JsonValue]:
    return {name: estimate.as_json() for name, estimate in found.items()}


def evaluate(
    model: str,
    *,
    data: Path | Sequence[Path],
    reference: str | None = None,
    batch_size: int = 8,
    max_length: int | None = None,
    dtype: Dtype = "float32",
    prompting: Prompting | None = None,
    say: Say = lambda _line: None,
) -> Evaluation:
    """Measure a model on the held-out rows of data set directories.

    Each row is scored by itself, so that neither the batch size, nor the order of the rows, nor
    the number of processes changes a figure. What a reward is, beta and max_length come from the
    recipe saved with the model, if there is one.

    Args:
        model: a folder or a name on the hub: a language model, or a reward model.
        data: one data set directory, or several.
        reference: the model that it started from; by default the one saved with it, or the one
            that its recipe names.
        batch_size: sequences per forward pass.
        max_length: tokens of prompt and answer; by default that of the recipe.
        dtype: of the weights while they are measured. In less than float32, figures depend on the
            batch size by a rounding.
        prompting: have model and reference answer prompts as well.
        say: gets a line of progress at a time.

    Raises:
        UsageError: a path is not what it should be.
        InputError: the data holds no rows that can be compared.
        MissingExtraError: the extra ``train`` is not installed.

    Example:
        >>> evaluate("pairs-dpo", data=Path("pairs")).estimates["accuracy"]  # doctest: +SKIP
        Estimate(value=0.71, interval=(0.62, 0.79), n=120)
    """
    require_train("pref eval")
    paths = [data] if isinstance(data, Path) else list(data)
    datasets = dict(zip(_names(paths), map(open_dataset, paths), strict=True))
    check_model(model, max_length)
    recipe = saved_recipe(model)
    if max_length is not None:
        recipe = recipe.model_copy(update={"max_length": max_length})
    reference = reference or saved_reference(model, recipe)
    if reference is not None:
        check_model(reference)
    if prompting is not None:
        check_prompts(prompting.source)
    say("loading torch and transformers")
    from prefdata.train.quiet import hushed

    with hushed():
        bench = Bench.load(model, reference, recipe, batch_size, dtype)
        return bench.measured(datasets, prompting, say)


@dataclass
class Bench:
    """A model and its reference, loaded and ready to be measured.

    Args:
        name: of the model.
        reference_name: of its reference, if there is one.
        model: the model.
        reference: its reference; None without one, and for a reward model.
        tokenizer: of the model.
        recipe: that the model was trained with, or the defaults.
        measure: what a reward is.
        batch_size: sequences per forward pass.
    """

    name: str
    reference_name: str | None
    model: torch.nn.Module
    reference: torch.nn.Module | None
    tokenizer: PreTrainedTokenizerBase
    recipe: Recipe
    measure: Measure
    batch_size: int

    @classmethod
    def load(
        cls, model: str, reference: str | None, recipe: Recipe, batch_size: int, dtype: Dtype
    ) -> Bench:
        """Load what is to be measured."""
        from prefdata.train.loading import is_reward_model, load_model, load_tokenizer

        rewards = is_reward_model(model)
        measure: Measure = "reward" if rewards else find_method(recipe.method).measure
        if measure == "loss" or (measure == "reward" and not rewards):
            measure = "implicit"
        reference = None if rewards else reference
        trust = recipe.trust_remote_code
        return cls(
            model,
            reference,
            load_model(model, reward=rewards, dtype=dtype, trust_remote_code=trust),
            load_model(reference, dtype=dtype, trust_remote_code=trust) if reference else None,
            load_tokenizer(model, trust_remote_code=trust),
            recipe,
            measure,
            batch_size,
        )

    @property
    def beta(self) -> float:
        """The scale of the implicit rewards."""
        return beta_of(self.recipe.options)

    def measured(
        self, datasets: Mapping[str, DatasetDirectory], prompting: Prompting | None, say: Say
    ) -> Evaluation:
        """Measure on every data set, and have prompts answered."""
        sets, rows = [], []
        for name, dataset in datasets.items():
            found, one = self._on(name, dataset, say)
            sets.append(one)
            rows += found
        made: list[Generated] = []
        if prompting is not None:
            made = self._answered(prompting, next(iter(datasets.values())), say)
        others = {}
        if any(one.kl is not None for one in made):
            from prefdata.train.estimates import mean

            others = {"sampled_kl": mean([one.kl for one in made if one.kl is not None])}
        return Evaluation(
            self.name,
            self.reference_name,
            self.beta,
            self.measure,
            tuple(sets),
            tuple(rows),
            others,
            tuple(made),
        )

    def _on(
        self, name: str, dataset: DatasetDirectory, say: Say
    ) -> tuple[list[EvalRow], EvaluatedSet]:
        from prefdata.train.preflight import encode, examine
        from prefdata.train.view import COMPLETIONS, load_view

        split = "test" if "test" in dataset.rows else "train"
        sides, length = COMPLETIONS[dataset.kind], self.recipe.max_length
        with TemporaryDirectory(prefix="prefdata-") as cache:
            rows = load_view(
                dataset,
                split,
                view=dataset.kind,
                chat=bool(self.tokenizer.chat_template),
                seed=self.recipe.seed,
                cache=Path(cache),
                extra=_extra(dataset.files[split]),
            )
            found = examine(rows, sides, self.tokenizer, length, drops_long=self._drops_long)
            lost = set(found.lost)
            say(f"{name}, {split} split: {len(rows):,} rows, {len(lost):,} left out")
            if len(lost) == len(rows):
                raise InputError(
                    f"{dataset.path}: no row of the {split} split can be compared within "
                    f"{length:,} tokens",
                    hint="Measure with a higher --max-length.",
                )
            kept = [position for position in range(len(rows)) if position not in lost]
            mine = kept[processes.rank() :: processes.count()]

            encoded = (encode(rows[position], sides, self.tokenizer) for position in mine)
            shown, scored = tee(encoded)
            measured = [
                self._row(name, position, rows[position], row, numbers)
                for position, row, numbers in zip(mine, shown, self._numbers(scored), strict=True)
            ]
        together = sorted(processes.gathered(measured), key=lambda row: row.row)
        one = EvaluatedSet(
            name, str(dataset.path), split, len(lost), figures(together), slices(together)
        )
        return together, one

    @property
    def _drops_long(self) -> bool:
        return self.measure == "reward"

    def _numbers(self, rows: Iterator[Encoded]) -> Iterator[list[Numbers]]:
        """Per row and completion, what model and reference make of it."""
        from prefdata.train.scoring import score, score_rewards

        how = {"max_length": self.recipe.max_length, "batch_size": self.batch_size}
        if self.measure == "reward":
            for values in score_rewards(rows, self.model, **how):
                yield [Numbers(reward=value) for value in values]
            return
        for scores in score(rows, self.model, reference=self.reference, **how):
            yield [
                Numbers(
                    logp=one.logp,
                    reference=one.reference,
                    kl=one.kl,
                    tokens=one.tokens,
                    reward=self._reward(one.logp, one.reference, one.tokens),
                )
                for one in scores
            ]

    def _reward(self, logp: float, reference: float | None, tokens: int) -> float | None:
        if self.measure == "likelihood":
            return self.beta * logp
        if self.measure == "mean_likelihood":
            return self.beta * logp / tokens
        return None if reference is None else self.beta * (logp - reference)

    def _row(
        self,
        name: str,
        position: int,
        asis: Mapping[str, Any],
        row: Encoded,
        numbers: Sequence[Numbers],
    ) -> EvalRow:
        chosen, rejected = numbers[0], numbers[1] if len(numbers) > 1 else Numbers()
        divergences = [one.kl for one in numbers if one.kl is not None]
        lengths = [len(ids) for ids in row.completions]
        return EvalRow(
            set=name,
            row=position,
            id=asis.get("id"),
            source=asis.get("source"),
            label=asis.get("label"),
            data_margin=asis.get("margin"),
            chosen_logp=chosen.logp,
            rejected_logp=rejected.logp,
            chosen_reference_logp=chosen.reference,
            rejected_reference_logp=rejected.reference,
            chosen_tokens=chosen.tokens or lengths[0],
            rejected_tokens=rejected.tokens or (lengths[1] if len(lengths) > 1 else None),
            chosen_length=lengths[0],
            rejected_length=lengths[1] if len(lengths) > 1 else None,
            chosen_reward=chosen.reward,
            rejected_reward=rejected.reward,
            kl=sum(divergences) / len(divergences) if divergences else None,
        )

    def _answered(
        self, prompting: Prompting, dataset: DatasetDirectory, say: Say
    ) -> list[Generated]:
        if self.measure == "reward":
            raise UsageError(
                f"{self.name} is a reward model: it gives no answers",
                hint="Leave --prompts and --generate out.",
            )
        prompts = read_prompts(prompting.source or dataset.path, most=prompting.most)
        say(f"answering {len(prompts):,} prompts, {prompting.answers} times each")
        return answered(
            prompts,
            self.model,
            self.reference,
            self.tokenizer,
            answers=prompting.answers,
            max_new_tokens=prompting.max_new_tokens,
            temperature=prompting.temperature,
            seed=prompting.seed,
            batch_size=self.batch_size,
        )


@dataclass(frozen=True)
class Numbers:
    """What model and reference make of one completion; what cannot be had is None.

    Args:
        logp: its log-probability in nats.
        reference: the same under the reference.
        kl: the divergence at its tokens, in nats.
        tokens: how many were scored.
        reward: its reward.
    """

    logp: float | None = None
    reference: float | None = None
    kl: float | None = None
    tokens: int | None = None
    reward: float | None = None


def saved_recipe(model: str) -> Recipe:
    """The recipe that `pref train` saved with the model, or the defaults.

    Example:
        >>> saved_recipe("no/such/model").method
        'dpo'
    """
    saved = Path(model).expanduser() / "recipe.yaml"
    return load_recipe(saved) if saved.is_file() else Recipe()


def saved_reference(model: str, recipe: Recipe) -> str | None:
    """What a model started from, where that is known: saved with it, or named by its recipe.

    Example:
        >>> saved_reference("no/such/model", Recipe(model="org/base"))
        'org/base'
    """
    folder = Path(model).expanduser()
    if (folder / "reference" / "config.json").is_file():
        return str(folder / "reference")
    named = recipe.reference or recipe.model
    if named in ("", TINY):
        return adapter_base(folder) or None if is_adapter(folder) else None
    return named


def _names(paths: Sequence[Path]) -> list[str]:
    """A short name for each data set, no two the same."""
    names: list[str] = []
    for path in paths:
        name, number = path.absolute().name, 2
        while name in names:
            name, number = f"{path.absolute().name}-{number}", number + 1
        names.append(name)
    return names


def _extra(files: Sequence[str]) -> list[str]:
    """What the figures are sliced by, of the columns that all files have."""
    import pyarrow.parquet as pq

    known = [set(pq.read_schema(file).names) for file in files]
    return [name for name in ("id", "source", "margin") if all(name in found for found in known)]
