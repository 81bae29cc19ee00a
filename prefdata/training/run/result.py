"""The result of a training run: its numbers, and the table that shows them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class TrainingResult:
    """A finished run.

    Args:
        output: the folder of the model.
        model: what it started from.
        data: the data set directory.
        method: such as ``dpo``.
        lora: whether it was trained with LoRA; the saved model has it merged in.
        rows: rows per split that were used.
        lost: rows per split that `max_length` cost.
        cut: rows per split whose completion lost its end.
        steps: optimiser steps.
        seconds: wall time, loading included.
        split: the split that was evaluated: ``validation``, or where there is none ``test``, or
            else ``train``.
        measured: rows of that split that were evaluated.
        before: metrics of the starting model.
        after: metrics of the trained model.
    """

    output: str
    model: str
    data: str
    method: str
    lora: bool
    rows: dict[str, int]
    lost: dict[str, int]
    cut: dict[str, int]
    steps: int
    seconds: float
    split: str
    measured: int
    before: dict[str, float]
    after: dict[str, float]

    def to_dict(self) -> dict[str, JsonValue]:
        """The result as plain values that JSON can hold."""
        return dataclasses.asdict(self)

    def next_step(self) -> str:
        """The command that comes next."""
        return f"pref eval {self.output} --data {self.data}"

    def table(self) -> Table:
        """Before and after, as a Rich table."""
        from rich.table import Table

        evaluated = f"{self.measured:,} rows of the {self.split} split"
        if self.split == "train":
            evaluated += " (there is no test split)"
        table = Table(title=f"{self.method} on {evaluated}", title_justify="left")
        table.add_column("metric")
        table.add_column("before", justify="right")
        table.add_column("after", justify="right")
        for name, value in self.before.items():
            table.add_row(name, f"{value:.3f}", f"{self.after[name]:.3f}")
        return table
