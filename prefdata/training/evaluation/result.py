"""The result of an evaluation: metrics, rows and answers, as tables and as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import JsonValue

from prefdata.io.dataset.atomic_dir import ExistingOutput, refuse_existing, replacing
from prefdata.stats.gates import Condition, ConditionResult, check_gate
from prefdata.stats.intervals import Estimate
from prefdata.training.config.methods import Measure
from prefdata.training.evaluation.generate import GeneratedAnswer, write_generations
from prefdata.training.evaluation.metrics import METRICS, ExampleResult, write_rows

if TYPE_CHECKING:
    from rich.table import Table

METRICS_FILE, ROWS_FILE, ANSWERS_FILE = "eval.json", "eval_rows.parquet", "generations.jsonl"


@dataclass(frozen=True)
class DatasetResult:
    """How a model does on one data set.

    Args:
        name: of the data set, as the keys of the metrics have it.
        data: its directory.
        split: ``test``, or where there is none ``validation``, or else ``train``.
        left_out: rows that cannot be compared at the model's max_length.
        estimates: the metrics; see `prefdata.training.evaluation.metrics.compute_metrics`.
        slices: the metrics by source, margin and length, as
            `prefdata.training.evaluation.metrics.slice_metrics` has them.
    """

    name: str
    data: str
    split: str
    left_out: int
    estimates: dict[str, Estimate] = field(default_factory=dict)
    slices: dict[str, dict[str, dict[str, Estimate]]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, JsonValue]:
        """The result as plain values that JSON can hold, one key per metric.

        Example:
            >>> DatasetResult("d", "d", "test", 0).to_dict()["split"]
            'test'
        """
        head: dict[str, JsonValue] = {
            "data": self.data,
            "split": self.split,
            "left_out": self.left_out,
        }
        by: dict[str, JsonValue] = {
            name: {value: _to_dict(estimates) for value, estimates in values.items()}
            for name, values in self.slices.items()
        }
        return {**head, **_to_dict(self.estimates), **({"by": by} if by else {})}


@dataclass(frozen=True)
class EvaluationResult:
    """How a model does on held-out data.

    Args:
        model: the model's folder or name.
        reference: what the rewards and the divergence are measured against; None without one.
        beta: the scale of the implicit rewards.
        measure: what a reward is: ``implicit``, ``likelihood``, ``mean_likelihood`` or ``reward``.
        datasets: one entry per data set.
        rows: what was measured of each row.
        others: metrics that belong to no data set: ``win_rate``, and ``sampled_kl``: the divergence
            at the model's own answers.
        generations: the answers of reference and model to the same prompts.
    """

    model: str
    reference: str | None
    beta: float
    measure: Measure
    datasets: tuple[DatasetResult, ...]
    rows: tuple[ExampleResult, ...] = ()
    others: Mapping[str, Estimate] = field(default_factory=dict)
    generations: tuple[GeneratedAnswer, ...] = ()

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Every metric by name, with the data set in front where there are several.

        Example:
            >>> EvaluationResult("m", None, 0.1, "implicit", ()).estimates
            {}
        """
        several = len(self.datasets) > 1
        return {
            f"{dataset.name}/{name}" if several else name: estimate
            for dataset in self.datasets
            for name, estimate in dataset.estimates.items()
        } | dict(self.others)

    def with_win_rate(self, rate: Estimate) -> EvaluationResult:
        """The same result with a win rate of judged comparisons beside it.

        Example:
            >>> result = EvaluationResult("m", None, 0.1, "implicit", ())
            >>> result.with_win_rate(Estimate(0.6, 0.5, 0.7, 90)).estimates["win_rate"].value
            0.6
        """
        return replace(self, others={**self.others, "win_rate": rate})

    def to_dict(self) -> dict[str, JsonValue]:
        """The result as plain values that JSON can hold, one key per metric.

        Example:
            >>> EvaluationResult("m", None, 0.1, "implicit", ()).to_dict()["model"]
            'm'
        """
        head: dict[str, JsonValue] = {
            "model": self.model,
            "reference": self.reference,
            "beta": self.beta,
            "measure": self.measure,
        }
        if len(self.datasets) == 1:
            return {**head, **self.datasets[0].to_dict(), **_to_dict(self.others)}
        sets: dict[str, JsonValue] = {one.name: one.to_dict() for one in self.datasets}
        return {**head, **_to_dict(self.estimates), "sets": sets}

    def table(self) -> Table:
        """The metrics as a Rich table.

        Example:
            >>> EvaluationResult("m", None, 0.1, "implicit", ()).table().row_count
            0
        """
        from rich.table import Table

        where = ", ".join(f"the {one.split} split of {one.data}" for one in self.datasets)
        table = Table(title=f"{self.model} on {where}", title_justify="left")
        for column in ("metric", "value", "95 % interval", "rows"):
            table.add_column(column, justify="left" if column == "metric" else "right")
        for name, estimate in self.estimates.items():
            table.add_row(name, *_cells(estimate))
        return table

    def slice_table(self) -> Table | None:
        """The first accuracy of every slice, as a Rich table; None where rows do not differ.

        Example:
            >>> EvaluationResult("m", None, 0.1, "implicit", ()).slice_table()
        """
        from rich.table import Table

        table = Table(title="by slice", title_justify="left")
        for column in ("slice", "metric", "value", "95 % interval", "rows"):
            table.add_column(column, justify="left" if column in ("slice", "metric") else "right")
        several = len(self.datasets) > 1
        for dataset in self.datasets:
            for name, values in dataset.slices.items():
                for value, estimates in values.items():
                    metric = next((m for m in SLICE_METRICS if m in estimates), None)
                    if metric:
                        title = f"{dataset.name}/{name}" if several else name
                        table.add_row(f"{title}: {value}", metric, *_cells(estimates[metric]))
        return table if table.row_count else None


SLICE_METRICS = ("reward_accuracy", "accuracy")
"""Of a slice, the first of these that it has is in the table; JSON has all."""


def _cells(estimate: Estimate) -> tuple[str, str, str]:
    ends = estimate.interval
    interval = f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else "one row only"
    return f"{estimate.value:.3f}", interval, f"{estimate.n:,}"


def _to_dict(estimates: Mapping[str, Estimate]) -> dict[str, JsonValue]:
    return {name: estimate.to_dict() for name, estimate in estimates.items()}


def build_report(
    result: EvaluationResult, conditions: Sequence[Condition] = ()
) -> tuple[dict[str, JsonValue], list[ConditionResult]]:
    """An evaluation with its gate, as plain values that JSON can hold.

    Args:
        result: of the evaluation.
        conditions: of the gate; none without one.

    Returns:
        The report, and each condition with whether it is met.

    Raises:
        UsageError: the gate asks for a metric that the evaluation does not give.

    Example:
        >>> build_report(EvaluationResult("m", None, 0.1, "implicit", ()))[1]
        []
    """
    checks = check_gate(conditions, result.estimates, METRICS)
    report = result.to_dict()
    if result.generations:
        report["generations"] = answer_lengths(result.generations)
    if conditions:
        report["gate"] = {
            "met": all(check.met for check in checks),
            "conditions": [check.to_dict() for check in checks],
        }
    return report, checks


def answer_lengths(answers: Sequence[GeneratedAnswer]) -> dict[str, JsonValue]:
    """Mean lengths of the answers in tokens, and how many end with the end token.

    Example:
        >>> answer_lengths([GeneratedAnswer([], "a", None, 4, None, True, None)])["after_tokens"]
        4.0
    """
    before = [one.before_tokens for one in answers if one.before_tokens is not None]
    return {
        "answers": len(answers),
        "after_tokens": fmean(one.after_tokens for one in answers),
        "before_tokens": fmean(before) if before else None,
        "ended": sum(one.ended for one in answers),
        "unchanged": sum(one.before == one.after for one in answers),
    }


def check_output(output: Path | None, *, force: bool) -> ExistingOutput | None:
    """Raise, before any work, where the folder of an evaluation cannot be written.

    Returns:
        The output as it is now, for `write_evaluation`.

    Raises:
        UsageError: it exists and may not be replaced.

    Example:
        >>> check_output(None, force=False)
    """
    return refuse_existing(output, force=force, marker=METRICS_FILE) if output else None


def write_evaluation(
    result: EvaluationResult,
    report: Mapping[str, JsonValue],
    output: Path,
    existing: ExistingOutput | None = None,
) -> None:
    """Write eval.json, eval_rows.parquet, and generations.jsonl where there are answers.

    Args:
        result: of the evaluation.
        report: of `build_report`.
        output: the folder.
        existing: what `check_output` returned; by default, the output as it is now.
    """
    with replacing(output, existing) as folder:
        (folder / METRICS_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        write_rows(result.rows, folder / ROWS_FILE)
        if result.generations:
            write_generations(result.generations, folder / ANSWERS_FILE)
