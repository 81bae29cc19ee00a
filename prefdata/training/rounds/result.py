"""The result of the rounds of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class RoundsResult:
    """The result of the rounds of a plan.

    Args:
        output: the folder of models and state.
        model: the last accepted model, or what the first round starts from.
        rounds: the entries of state.json, by name.
        not_run: rounds that were not run, after a failure.
    """

    output: str
    model: str
    rounds: dict[str, dict[str, Any]]
    not_run: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every round was accepted."""
        accepted = all(entry["status"] == "accepted" for entry in self.rounds.values())
        return accepted and not self.not_run

    def to_dict(self) -> dict[str, JsonValue]:
        """The result as plain values that JSON can hold.

        Example:
            >>> RoundsResult("rounds", "tiny", {}).to_dict()["model"]
            'tiny'
        """
        return {
            "output": self.output,
            "model": self.model,
            "passed": self.passed,
            "rounds": dict(self.rounds),
            "left": list(self.not_run),
        }

    def table(self) -> Table:
        """A row per round, as a Rich table.

        Example:
            >>> RoundsResult("rounds", "tiny", {}).table().row_count
            0
        """
        from rich.table import Table

        table = Table(title=f"rounds in {self.output}", title_justify="left")
        for column in ("round", "status", "why"):
            table.add_column(column)
        for name, entry in self.rounds.items():
            table.add_row(name, str(entry["status"]), str(entry["why"]))
        for name in self.not_run:
            table.add_row(name, "not run", "an earlier round failed, and after_failure is stop")
        return table

    def next_step(self) -> str:
        """What to do next, for the last line of a run.

        Example:
            >>> RoundsResult("rounds", "tiny", {}).next_step()
            'the last good model is tiny'
        """
        return f"the last good model is {self.model}"
