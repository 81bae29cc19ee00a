"""Options that are ``auto``: computed from the data set, before anything heavy is loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from pydantic import JsonValue

from prefdata.errors import RecipeError
from prefdata.io.dataset.dataset_reader import DatasetDirectory
from prefdata.training.config.losses import number
from prefdata.training.config.recipe import Recipe
from prefdata.training.config.trl_options import AUTO


def fill_auto_options(recipe: Recipe, dataset: DatasetDirectory) -> Recipe:
    """The recipe with every ``auto`` among its options replaced by a number.

    Args:
        recipe: with its defaults filled in.
        dataset: the data set that it trains on.

    Raises:
        RecipeError: the number cannot be computed from the data.
    """
    values: dict[str, JsonValue] = {}
    if recipe.options.get("label_smoothing") == AUTO:
        values["label_smoothing"] = round(flip_rate(_votes(dataset)), 4)
    weights = [recipe.options.get(f"{side}_weight") for side in ("desirable", "undesirable")]
    if weights == [AUTO, AUTO]:
        raise RecipeError(
            "desirable_weight and undesirable_weight are both auto; only their ratio is measured",
            hint="Set one of them to a number, such as 1.0.",
        )
    if AUTO in weights:
        good, bad = _classes(dataset)
        ratio = bad / good if weights[0] == AUTO else good / bad
        side, other = (0, 1) if weights[0] == AUTO else (1, 0)
        name = f"{('desirable', 'undesirable')[side]}_weight"
        values[name] = round(number(weights[other], 1.0) * ratio, 4)
    return recipe.model_copy(update={"options": {**recipe.options, **values}})


def flip_rate(votes: Sequence[tuple[int, float]]) -> float:
    """How likely a label is wrong, from how often annotators of one pair contradict each other.

    Two annotators who err independently with probability p contradict each other with probability
    2p(1 - p), which gives p; and the label, the majority of n, is wrong where most of them err.

    Args:
        votes: per pair, how many annotators it rests on, and the share that prefers the chosen
            answer.

    Raises:
        RecipeError: no pair rests on two annotators.

    Example:
        >>> round(flip_rate([(2, 1.0), (2, 1.0), (2, 1.0), (2, 0.5)]), 3)
        0.146
    """
    several = [(n, share) for n, share in votes if n > 1]
    if not several:
        raise RecipeError(
            "label_smoothing is auto, and no pair of the train split has two votes to compare",
            hint="Set label_smoothing to a number, such as 0.1.",
        )
    contradicted = fmean(2 * share * (1 - share) * n / (n - 1) for n, share in several)
    error = (1 - math.sqrt(max(0.0, 1 - 2 * contradicted))) / 2
    wrong = {n: _majority_errs(n, error) for n in {n for n, _ in votes}}
    return min(0.49, fmean(wrong[n] for n, _ in votes))


def _majority_errs(n: int, error: float) -> float:
    """The chance that more than half of n annotators err; a tie counts one half."""
    chances = [math.comb(n, k) * error**k * (1 - error) ** (n - k) for k in range(n + 1)]
    return sum(c * (1 if 2 * k > n else 0.5 if 2 * k == n else 0) for k, c in enumerate(chances))


def _votes(dataset: DatasetDirectory) -> list[tuple[int, float]]:
    """Per pair of the train split, its votes and agreement; one vote where they are missing."""
    columns = [_column(dataset, name) for name in ("votes", "agreement")]
    return [
        (int(number(votes, 1)), number(share, 1.0)) for votes, share in zip(*columns, strict=True)
    ]


def _classes(dataset: DatasetDirectory) -> tuple[int, int]:
    """How many answers of the train split are good, and how many bad; pairs have one of each."""
    if dataset.kind == "pairs":
        return 1, 1
    labels = list(_column(dataset, "label"))
    good = sum(bool(label) for label in labels)
    return good, len(labels) - good


def _column(dataset: DatasetDirectory, name: str) -> Iterator[JsonValue]:
    import pyarrow.parquet as pq

    for file in dataset.files["train"]:
        with pq.ParquetFile(file) as parquet:
            if name not in parquet.schema_arrow.names:
                yield from [None] * parquet.metadata.num_rows
                continue
            for batch in parquet.iter_batches(columns=[name]):
                yield from batch.column(0).to_pylist()
