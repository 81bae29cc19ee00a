"""What is printed of sources: how each was read, what became of its columns, and notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from prefdata.cli.views.terminal import LONGEST, count_of

if TYPE_CHECKING:
    from prefdata.conversion.report import SourceReport
    from prefdata.records.column_use import ColumnUse
    from prefdata.records.notes import Note

MOST_SOURCES = 10


def show_sources(sources: Sequence[SourceReport], console: Console) -> None:
    """Print how each source was read, and what is worth knowing of it."""
    for source in sources[:MOST_SOURCES]:
        gave = "" if source.gave is None or len(sources) == 1 else f", gave {source.gave:,}"
        rows = f": {count_of(source.rows, 'row')} read as {source.format}"
        console.print(Text.assemble((source.name, "bold"), rows, gave))
        why = Text("; ".join([*source.why, source.polarity]), style="dim")
        console.print(Padding(why, (0, 2)))
        show_column_uses(source.column_uses, console)
        show_notes(source.notes, console)
    if len(sources) > MOST_SOURCES:
        console.print(f"… and {len(sources) - MOST_SOURCES} more sources")


MOST_USES = 12
LONGEST_USE = 40


def show_column_uses(uses: Sequence[ColumnUse], console: Console) -> None:
    """Print what became of the columns of a source: a line for each of read, ignored and so on."""
    by_status: dict[str, list[str]] = {}
    for use in uses:
        if use.status != "read" or use.name.split(".")[0].split("[")[0] == use.name:
            by_status.setdefault(use.status, []).append(_use(use))
    for status, names in by_status.items():
        more = f", … and {len(names) - MOST_USES} more, in --json"
        listed = ", ".join(names[:MOST_USES]) + (more if len(names) > MOST_USES else "")
        console.print(Padding(Text(f"{status}: {listed}", style="dim"), (0, 2)))


def _use(use: ColumnUse) -> str:
    if use.field and use.field != use.name:
        return f"{use.name} as {use.field}"
    example = use.example if len(use.example) <= LONGEST_USE else use.example[:LONGEST_USE] + " …"
    return f"{use.name} ({example!r})" if example else use.name


MOST_NOTES = 8


def show_notes(notes: Sequence[Note], console: Console) -> None:
    """Print what is worth knowing of the rows of a source, a line each."""
    for each in notes[:MOST_NOTES]:
        column = f"{each.column}: " if each.column else ""
        example = f", such as {each.example[:LONGEST]!r}" if each.example else ""
        line = f"{column}{each.text} ({count_of(each.rows, 'row')}{example})"
        console.print(Padding(Text(line, style="yellow"), (0, 2)))
    if len(notes) > MOST_NOTES:
        console.print(Padding(f"… and {len(notes) - MOST_NOTES} more notes, in --json", (0, 2)))
