"""The rows of an evaluation: what was measured of each, its figures, and its slices."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from prefdata.stats.intervals import Estimate, auc, mean, mean_difference, share_of_wins

MOST_SLICES = 20
"""Values of a slice that are shown by themselves; what is rarer is taken together."""

_NEEDS_REFERENCE = "Name the model that it started from, with --reference."

METRICS = {
    **dict.fromkeys(("accuracy", "mean_accuracy", "margin"), "Use one that it gives."),
    **dict.fromkeys(("reward_accuracy", "reward_margin"), _NEEDS_REFERENCE),
    "length_accuracy": "Use one that it gives.",
    "kl": _NEEDS_REFERENCE,
    "win_rate": "Name what pref judge made of the generations, with --judged.",
    "sampled_kl": "Have the model answer prompts, with --prompts, and name a --reference.",
}
"""Every figure that an evaluation can give, and what to do where it does not."""

REWARD_MODEL_METRICS = ("accuracy", "margin", "length_accuracy")
"""Those that it gives of a model that scores answers and writes none."""


@dataclass(frozen=True)
class EvalRow:
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


def figures(rows: Sequence[EvalRow]) -> dict[str, Estimate]:
    """The figures of some rows; those that cannot be had are not there.

    ``accuracy`` is how often the chosen answer is the likelier one, or for a reward model has the
    higher reward, and ``margin`` by how much; ``mean_accuracy`` is the same per token.
    ``reward_accuracy`` and ``reward_margin`` are those of the implicit rewards. ``kl`` is the
    divergence from the reference. ``length_accuracy`` is what a judge would reach who always takes
    the longer answer. Of labelled answers, an accuracy is how often a good one is above a bad one.

    Args:
        rows: all pairs, or all labelled answers.

    Example:
        >>> figures([])
        {}
    """
    if not rows:
        return {}
    found = _of_labelled(rows) if rows[0].label is not None else _of_pairs(rows)
    divergences = [row.kl for row in rows if row.kl is not None]
    return found | ({"kl": mean(divergences)} if divergences else {})


def _of_pairs(rows: Sequence[EvalRow]) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    logps = _gaps(rows, lambda row: (row.chosen_logp, row.rejected_logp))
    rewards = _gaps(rows, lambda row: (row.chosen_reward, row.rejected_reward))
    lengths = _gaps(rows, lambda row: (row.chosen_length, row.rejected_length))
    if logps:
        means = _gaps(rows, _per_token)
        found = {
            "accuracy": share_of_wins(logps),
            "mean_accuracy": share_of_wins(means),
            "margin": mean(logps),
        }
    if rewards:
        prefix = "reward_" if logps else ""
        found |= {f"{prefix}accuracy": share_of_wins(rewards), f"{prefix}margin": mean(rewards)}
    return found | {"length_accuracy": share_of_wins(lengths)}


def _per_token(row: EvalRow) -> tuple[float | None, float | None]:
    if row.chosen_logp is None or row.rejected_logp is None or not row.rejected_tokens:
        return None, None
    return row.chosen_logp / row.chosen_tokens, row.rejected_logp / row.rejected_tokens


def _of_labelled(rows: Sequence[EvalRow]) -> dict[str, Estimate]:
    """By reward, as KTO learns it; likelihoods do not compare across prompts."""
    found: dict[str, Estimate] = {}
    prefix = "reward_" if rows[0].chosen_logp is not None else ""
    good, bad = (
        [r.chosen_reward for r in rows if r.label is label and r.chosen_reward is not None]
        for label in (True, False)
    )
    if good and bad:
        found = {f"{prefix}accuracy": auc(good, bad), f"{prefix}margin": mean_difference(good, bad)}
    long, short = ([float(r.chosen_length) for r in rows if r.label is k] for k in (True, False))
    return found | ({"length_accuracy": auc(long, short)} if long and short else {})


def _gaps(
    rows: Sequence[EvalRow], sides: Callable[[EvalRow], tuple[float | None, float | None]]
) -> list[float]:
    """The differences between the two sides, of the rows that have both."""
    both = (sides(row) for row in rows)
    return [one - other for one, other in both if one is not None and other is not None]


def slices(rows: Sequence[EvalRow]) -> dict[str, dict[str, dict[str, Estimate]]]:
    """The figures by source, by margin in the data and by length, where rows differ in them.

    Args:
        rows: of one data set.

    Returns:
        By slicing, such as ``source``, and by value, the figures.

    Example:
        >>> slices([])
        {}
    """
    ways: dict[str, list[str | None]] = {
        "source": _rare_together([row.source for row in rows]),
        "data_margin": _in_quarters([row.data_margin for row in rows]),
        "longer": [_longer(row) for row in rows],
        "length": _in_quarters([max(r.chosen_length, r.rejected_length or 0) for r in rows]),
    }
    found: dict[str, dict[str, dict[str, Estimate]]] = {}
    for name, values in ways.items():
        kinds = list(dict.fromkeys(value for value in values if value is not None))
        if len(kinds) > 1:
            found[name] = {
                kind: figures([r for r, v in zip(rows, values, strict=True) if v == kind])
                for kind in (sorted(kinds) if name == "source" else _in_order(kinds, values, rows))
            }
    return found


def _in_order(
    kinds: Sequence[str], values: Sequence[str | None], rows: Sequence[EvalRow]
) -> list[str]:
    """Kinds of margins and lengths, the smallest first."""
    size = {
        kind: min(
            (row.data_margin or 0.0, max(row.chosen_length, row.rejected_length or 0))
            for row, value in zip(rows, values, strict=True)
            if value == kind
        )
        for kind in kinds
    }
    by_length = all(" tokens" in kind for kind in kinds)
    return sorted(kinds, key=lambda kind: size[kind][1] if by_length else size[kind])


def _longer(row: EvalRow) -> str | None:
    if row.rejected_length is None:
        return None
    gap = row.chosen_length - row.rejected_length
    return "chosen longer" if gap > 0 else "rejected longer" if gap < 0 else "equally long"


def _rare_together(values: Sequence[str | None]) -> list[str | None]:
    common = {value for value, _ in Counter(v for v in values if v).most_common(MOST_SLICES)}
    return [value if value in common or value is None else "others" for value in values]


def _in_quarters(values: Sequence[float | None]) -> list[str | None]:
    """Each value's quarter of all values, named by its ends; few values stand for themselves."""
    known = sorted(value for value in values if value is not None)
    unit = " tokens" if all(isinstance(value, int) for value in known) else ""
    distinct = sorted(set(known))
    if len(distinct) <= 4:
        return [None if value is None else f"{value:g}{unit}" for value in values]
    cuts = statistics.quantiles(known, n=4, method="inclusive")
    ends = [known[0], *cuts, known[-1]]

    def name(value: float) -> str:
        place = sum(value > cut for cut in cuts)
        return f"{ends[place]:.4g} to {ends[place + 1]:.4g}{unit}"

    return [None if value is None else name(value) for value in values]


def write_rows(rows: Sequence[EvalRow], path: Path) -> None:
    """Write rows as Parquet, one column per field.

    Args:
        rows: of all data sets.
        path: of the file.

    Example:
        >>> write_rows(rows, Path("eval_rows.parquet"))  # doctest: +SKIP
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: Mapping[str, pa.DataType] = {
        "str": pa.string(),
        "int": pa.int64(),
        "bool": pa.bool_(),
        "float": pa.float64(),
    }
    schema = pa.schema(
        [pa.field(f.name, kinds[str(f.type).removesuffix(" | None")]) for f in fields(EvalRow)]
    )
    pq.write_table(pa.Table.from_pylist([vars(row) for row in rows], schema=schema), path)
