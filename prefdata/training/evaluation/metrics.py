"""What was measured of each row of an evaluation, and the metrics over rows and slices."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from prefdata.stats.intervals import Estimate, auc, mean, mean_difference, share_of_wins

MAX_SOURCES = 20
"""Sources with a slice of their own; rarer ones are one slice together."""

_NEEDS_REFERENCE = "Name the model that it started from, with --reference."

METRICS = {
    **dict.fromkeys(("accuracy", "mean_accuracy", "margin"), "Use one that it gives."),
    **dict.fromkeys(("reward_accuracy", "reward_margin"), _NEEDS_REFERENCE),
    "length_accuracy": "Use one that it gives.",
    "kl": _NEEDS_REFERENCE,
    "win_rate": "Name what pref judge made of the generations, with --judged.",
    "sampled_kl": "Have the model answer prompts, with --prompts, and name a --reference.",
}
"""Name of every metric to what a user can do where an evaluation does not give it."""

REWARD_MODEL_METRICS = ("accuracy", "margin", "length_accuracy")
"""The metrics of a reward model."""


@dataclass(frozen=True)
class ExampleResult:
    """What was measured of one held-out row: a pair, or one labelled answer.

    Numbers of a pair stand under ``chosen`` and ``rejected``, those of a labelled answer under
    ``chosen`` alone, whatever its label.

    Args:
        set: name of the data set.
        row: its place in the split, from 0.
        id: of the row, where the data has ids.
        source: where the row comes from, where the data says so.
        label: whether the answer is good; None for a pair.
        data_margin: chosen score minus rejected score in the data, where it has them.
        chosen_logp: log-probability of the answer in nats, summed over its tokens; None for a
            reward model, as the other log-probabilities are.
        rejected_logp: the same of the rejected answer.
        chosen_reference_logp: the same under the reference, where there is one.
        rejected_reference_logp: the same of the rejected answer.
        chosen_tokens: tokens of the answer that were scored.
        rejected_tokens: the same of the rejected answer.
        chosen_length: tokens of the whole answer, cut or not.
        rejected_length: the same of the rejected answer.
        chosen_reward: the implicit reward, or the reward model's own; None without a reference.
        rejected_reward: the same of the rejected answer.
        kl: the model's divergence from the reference at the tokens of the answers, in nats per
            answer.
    """

    set: str
    row: int
    id: str | None
    source: str | None
    label: bool | None
    data_margin: float | None
    chosen_logp: float | None
    rejected_logp: float | None
    chosen_reference_logp: float | None
    rejected_reference_logp: float | None
    chosen_tokens: int
    rejected_tokens: int | None
    chosen_length: int
    rejected_length: int | None
    chosen_reward: float | None
    rejected_reward: float | None
    kl: float | None


def compute_metrics(rows: Sequence[ExampleResult]) -> dict[str, Estimate]:
    """The metrics of some rows; a metric that the rows do not allow is left out.

    ``accuracy`` is how often the chosen answer is the likelier one, or for a reward model has the
    higher reward, and ``margin`` by how much; ``mean_accuracy`` is the same per token.
    ``reward_accuracy`` and ``reward_margin`` are those of the implicit rewards. ``kl`` is the
    divergence from the reference. ``length_accuracy`` is what a judge would reach who always takes
    the longer answer. Of labelled answers, an accuracy is how often a good one is above a bad one.

    Args:
        rows: all pairs, or all labelled answers.

    Example:
        >>> compute_metrics([])
        {}
    """
    if not rows:
        return {}
    metrics = _unpaired_metrics(rows) if rows[0].label is not None else _pair_metrics(rows)
    divergences = [row.kl for row in rows if row.kl is not None]
    return metrics | ({"kl": mean(divergences)} if divergences else {})


def _pair_metrics(rows: Sequence[ExampleResult]) -> dict[str, Estimate]:
    metrics: dict[str, Estimate] = {}
    logps = _differences(rows, lambda row: (row.chosen_logp, row.rejected_logp))
    rewards = _differences(rows, lambda row: (row.chosen_reward, row.rejected_reward))
    lengths = _differences(rows, lambda row: (row.chosen_length, row.rejected_length))
    if logps:
        metrics = {
            "accuracy": share_of_wins(logps),
            "mean_accuracy": share_of_wins(_differences(rows, _logps_per_token)),
            "margin": mean(logps),
        }
    if rewards:
        prefix = "reward_" if logps else ""
        metrics |= {f"{prefix}accuracy": share_of_wins(rewards), f"{prefix}margin": mean(rewards)}
    return metrics | {"length_accuracy": share_of_wins(lengths)}


def _logps_per_token(row: ExampleResult) -> tuple[float | None, float | None]:
    if row.chosen_logp is None or row.rejected_logp is None or not row.rejected_tokens:
        return None, None
    return row.chosen_logp / row.chosen_tokens, row.rejected_logp / row.rejected_tokens


def _unpaired_metrics(rows: Sequence[ExampleResult]) -> dict[str, Estimate]:
    """By reward, as KTO learns it; likelihoods do not compare across prompts."""
    metrics: dict[str, Estimate] = {}
    prefix = "reward_" if rows[0].chosen_logp is not None else ""
    good, bad = (
        [r.chosen_reward for r in rows if r.label is label and r.chosen_reward is not None]
        for label in (True, False)
    )
    if good and bad:
        metrics = {
            f"{prefix}accuracy": auc(good, bad),
            f"{prefix}margin": mean_difference(good, bad),
        }
    good_lengths, bad_lengths = (
        [float(r.chosen_length) for r in rows if r.label is label] for label in (True, False)
    )
    if good_lengths and bad_lengths:
        metrics["length_accuracy"] = auc(good_lengths, bad_lengths)
    return metrics


def _differences(
    rows: Sequence[ExampleResult],
    sides: Callable[[ExampleResult], tuple[float | None, float | None]],
) -> list[float]:
    """Chosen minus rejected, of the rows that have both."""
    pairs = (sides(row) for row in rows)
    return [one - other for one, other in pairs if one is not None and other is not None]


def slice_metrics(rows: Sequence[ExampleResult]) -> dict[str, dict[str, dict[str, Estimate]]]:
    """The metrics by source, by margin in the data and by length, where rows differ in them.

    Args:
        rows: of one data set.

    Returns:
        By what the rows are sliced by, such as ``source``, and by its value, the metrics.

    Example:
        >>> slice_metrics([])
        {}
    """
    columns: dict[str, list[str | None]] = {
        "source": _without_rare([row.source for row in rows]),
        "data_margin": _quarters([row.data_margin for row in rows]),
        "longer": [_longer_side(row) for row in rows],
        "length": _quarters([max(r.chosen_length, r.rejected_length or 0) for r in rows]),
    }
    slices: dict[str, dict[str, dict[str, Estimate]]] = {}
    for name, column in columns.items():
        values = list(dict.fromkeys(value for value in column if value is not None))
        if len(values) > 1:
            slices[name] = {
                value: compute_metrics([r for r, v in zip(rows, column, strict=True) if v == value])
                for value in (
                    sorted(values) if name == "source" else _smallest_first(values, column, rows)
                )
            }
    return slices


def _smallest_first(
    values: Sequence[str], column: Sequence[str | None], rows: Sequence[ExampleResult]
) -> list[str]:
    """Slices of margins and lengths in order of their smallest row."""
    smallest = {
        value: min(
            (row.data_margin or 0.0, max(row.chosen_length, row.rejected_length or 0))
            for row, other in zip(rows, column, strict=True)
            if other == value
        )
        for value in values
    }
    by_length = all(" tokens" in value for value in values)
    return sorted(values, key=lambda value: smallest[value][1] if by_length else smallest[value])


def _longer_side(row: ExampleResult) -> str | None:
    if row.rejected_length is None:
        return None
    difference = row.chosen_length - row.rejected_length
    if difference == 0:
        return "equally long"
    return "chosen longer" if difference > 0 else "rejected longer"


def _without_rare(values: Sequence[str | None]) -> list[str | None]:
    """The values, all but the most frequent ones replaced by ``others``."""
    common = {value for value, _ in Counter(v for v in values if v).most_common(MAX_SOURCES)}
    return [value if value in common or value is None else "others" for value in values]


def _quarters(values: Sequence[float | None]) -> list[str | None]:
    """Each value's quarter of all values, named by its ends; up to four values name themselves."""
    numbers = sorted(value for value in values if value is not None)
    unit = " tokens" if all(isinstance(value, int) for value in numbers) else ""
    if len(set(numbers)) <= 4:
        return [None if value is None else f"{value:g}{unit}" for value in values]
    cuts = statistics.quantiles(numbers, n=4, method="inclusive")
    ends = [numbers[0], *cuts, numbers[-1]]

    def name(value: float) -> str:
        quarter = sum(value > cut for cut in cuts)
        return f"{ends[quarter]:.4g} to {ends[quarter + 1]:.4g}{unit}"

    return [None if value is None else name(value) for value in values]


def write_rows(rows: Sequence[ExampleResult], path: Path) -> None:
    """Write rows as Parquet, one column per field.

    Args:
        rows: of all data sets.
        path: of the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types: Mapping[str, pa.DataType] = {
        "str": pa.string(),
        "int": pa.int64(),
        "bool": pa.bool_(),
        "float": pa.float64(),
    }
    schema = pa.schema(
        [
            pa.field(f.name, types[str(f.type).removesuffix(" | None")])
            for f in fields(ExampleResult)
        ]
    )
    pq.write_table(pa.Table.from_pylist([vars(row) for row in rows], schema=schema), path)
