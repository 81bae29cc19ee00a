"""The result of a sweep: its runs, the best of them, a table and a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue

from prefdata.training.run.report_page import chart, html_table, page

if TYPE_CHECKING:
    from rich.table import Table

Metric = Literal["accuracy", "margin", "loss"]

PAGE = "sweep.html"
LOGGED: Mapping[str, str] = {
    "accuracy": "rewards/accuracies",
    "margin": "rewards/margins",
    "loss": "loss",
}
"""The name of each metric in the logs of a run."""


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Args:
        name: of its folder.
        settings: the value of each key of the sweep.
        before: metrics of the starting model.
        after: metrics of the trained model, on the held-out rows.
    """

    name: str
    settings: dict[str, str]
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Args:
        output: its folder, with one model per run.
        data: the data set directory of the first run.
        metric: decides which run is the best.
        runs: in the order of the grid.
    """

    output: str
    data: str
    metric: Metric
    runs: tuple[SweepRun, ...]

    @property
    def best(self) -> SweepRun:
        """The run with the highest metric, or the lowest loss; of equal ones the first."""
        sign = 1 if self.metric == "loss" else -1
        return min(self.runs, key=lambda run: sign * run.after[LOGGED[self.metric]])

    @property
    def tied(self) -> int:
        """How many runs are as good as the best."""
        key = LOGGED[self.metric]
        return sum(run.after[key] == self.best.after[key] for run in self.runs)

    def to_dict(self) -> dict[str, JsonValue]:
        """The sweep as plain values that JSON can hold."""
        runs: list[JsonValue] = [
            {
                "name": run.name,
                "output": str(Path(self.output) / run.name),
                "settings": dict(run.settings),
                "before": dict(run.before),
                "after": dict(run.after),
            }
            for run in self.runs
        ]
        return {
            "output": self.output,
            "metric": self.metric,
            "best": self.best.name,
            "tied": self.tied,
            "runs": runs,
        }

    def table(self) -> Table:
        """A row per run, as a Rich table; the best has a star."""
        from rich.table import Table

        head, rows = self._rows()
        table = Table(title=f"sweep, best by held-out {self.metric}", title_justify="left")
        for column in head:
            table.add_column(column, justify="right")
        for row in rows:
            table.add_row(*row)
        return table

    def next_step(self) -> str:
        """The command to run next."""
        return f"pref eval {Path(self.output) / self.best.name} --data {self.data}"

    def write_page(self) -> None:
        """Write sweep.html: the table, and a chart of the metric over every numeric key."""
        body = f"<p>Best by held-out {self.metric}: <b>{self.best.name}</b></p>"
        charts = "".join(self._chart(key) for key in self.runs[0].settings)
        body += f'{html_table(*self._rows())}<h2>Curves</h2><div class="charts">{charts}</div>'
        (Path(self.output) / PAGE).write_text(page(Path(self.output).name, body), encoding="utf-8")

    def _rows(self) -> tuple[list[str], list[list[str]]]:
        keys, metrics = list(self.runs[0].settings), list(self.runs[0].after)
        rows = [
            [
                "★" if run is self.best else "",
                *run.settings.values(),
                *(f"{run.after[name]:.4f}" for name in metrics),
            ]
            for run in self.runs
        ]
        return ["", *keys, *metrics], rows

    def _chart(self, key: str) -> str:
        """The metric over one key, a line per combination of the others; nothing for words."""
        series: dict[str, list[tuple[float, float]]] = {}
        for run in self.runs:
            others = {name: value for name, value in run.settings.items() if name != key}
            line = ", ".join(f"{name}={value}" for name, value in others.items()) or self.metric
            try:
                point = float(run.settings[key]), run.after[LOGGED[self.metric]]
            except ValueError:
                return ""
            series.setdefault(line, []).append(point)
        ordered = {name: sorted(points) for name, points in series.items()}
        return chart(f"{self.metric} by {key}", ordered, x_label=key)
