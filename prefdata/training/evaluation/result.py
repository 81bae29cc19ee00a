"""What an evaluation found: the figures of each data set, and the tables that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import JsonValue

from prefdata.stats.intervals import Estimate
from prefdata.training.config.methods import Measure
from prefdata.training.evaluation.generate import Generated
from prefdata.training.evaluation.metrics import EvalRow

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class EvaluatedSet:
    """How a model does on one data set.

    Args:
        name: of the data set, as the keys of the figures have it.
        data: its directory.
        split: ``test``, or ``train`` where there is no test split.
        left_out: rows that cannot be compared at the model's max_length.
        estimates: the figures; see `prefdata.training.evaluation.metrics.figures`.
        slices: the figures by source, margin and length, as
            `prefdata.training.evaluation.metrics.slices` has them.
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
            >>> found.with_win_rate(Estimate(0.6, 0.5, 0.7, 90)).estimates["win_rate"].value
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
    return {name: estimate.to_dict() for name, estimate in found.items()}
