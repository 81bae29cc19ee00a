"""What `pref inspect` prints of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prefdata.cli.views.sources import show_column_uses, show_notes
from prefdata.cli.views.terminal import (
    LONGEST,
    account_table,
    count_of,
    example_view,
    show_dimensions,
)

if TYPE_CHECKING:
    from prefdata.conversion.inspect import Inspection, Problem


def show_inspection(inspection: Inspection, console: Console) -> None:
    """Print what a source is, why, how it would be read, and what is wrong with it."""
    console.print(
        Text.assemble((inspection.name, "bold"), f" is {inspection.format} ({inspection.kind})")
    )
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("because", "; ".join(inspection.why))
    table.add_row("better", inspection.polarity)
    for field, names in inspection.columns.items():
        table.add_row(field, " + ".join(names))
    table.add_row("split by", inspection.split_by)
    if inspection.own_splits:
        table.add_row("its own split", f"by {inspection.own_splits}")
    table.add_row("runner-up", inspection.runner_up or "none")
    for name, missing in inspection.near.items():
        table.add_row("not quite", f"{name}, which also has {', '.join(missing)}")
    console.print(Padding(table, (0, 2)))
    show_column_uses([each for each in inspection.column_uses if each.status != "read"], console)
    console.print(f"\nOf the first {count_of(inspection.rows, 'row')}:")
    console.print(Padding(account_table(inspection.outcomes, inspection.rows), (0, 2)))
    for each in inspection.problems[:8]:
        console.print(_problem(each, by_row=inspection.shares_lines), style="yellow")
    show_notes(inspection.notes, console)
    show_dimensions(inspection.dimensions, console)
    console.print()
    console.print(example_view(inspection.example))


def _problem(problem: Problem, *, by_row: bool) -> str:
    """What is wrong with some rows, and where: by number where several stand on one line."""
    places = problem.numbers if by_row else problem.lines
    numbers = ", ".join(map(str, places)) + (", …" if problem.rows > len(places) else "")
    where = f"{problem.field}: " if problem.field else ""
    what = ("row" if by_row else "line") + ("s" if problem.rows > 1 else "")
    detail = f", {problem.detail[:LONGEST]}" if problem.detail else ""
    return f"  {where}{problem.reason}{detail} ({what} {numbers})"
