"""The report of an export as a person likes to read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prefdata.exporting.registry import TARGETS

if TYPE_CHECKING:
    from prefdata.exporting.report import ExportReport

ITEMS = {"pairs": "pair", "unpaired": "labelled answer", "answers": "best answer"}


def show_export(report: ExportReport, console: Console) -> None:
    """Print what was written, what was not and why, and what to do next."""
    console.print(
        Text.assemble(
            (report.source, "bold"), f" for {report.target}: {TARGETS[report.target].summary}"
        )
    )
    console.print()
    console.print(account_table(report))
    splits = ", ".join(f"{name} {rows:,}" for name, rows in report.splits.items())
    verb = "would be written" if report.dry_run else "written"
    what = f"{ITEMS[report.view]}{'' if report.written == 1 else 's'}"
    console.print(f"\n{report.written:,} {what} {verb} ({splits}). {report.seconds:.1f} s\n")
    for line in _remarks(report):
        console.print(Padding(Text(line), (0, 2)))
    if report.dry_run:
        console.print(f"Next: the same without --dry-run, which writes {report.output}")
        return
    if report.refused:
        console.print(f"Refused rows, with reason and remedy: {report.output}/rejects.jsonl")
    console.print(f"Files: {', '.join(report.files)}")
    console.print(Text(f"Next: {report.next_step}"), soft_wrap=True)


def account_table(report: ExportReport) -> Table:
    """Every row: what it became, and why."""
    table = Table(box=None, pad_edge=False, show_footer=True)
    halves = report.items != report.rows_read
    read = f"answers, of {report.rows_read:,} pairs read" if halves else "read"
    table.add_column("answers" if halves else "rows", justify="right", footer=f"{report.items:,}")
    table.add_column("became", footer=read)
    table.add_column("because")
    table.add_row(f"{report.written:,}", "written", "")
    outcomes: dict[str, Mapping[str, int]] = {
        "merged": report.merged,
        "left over": report.left_over,
        "refused": report.refused,
    }
    for outcome, by_reason in outcomes.items():
        for reason, count in by_reason.items():
            style = "red" if outcome == "refused" else ""
            table.add_row(f"{count:,}", outcome, reason, style=style)
    return table


def _remarks(report: ExportReport) -> Iterator[str]:
    """What was lost, and what else is to be known."""
    by_count: dict[int, list[str]] = {}
    for name, rows in report.lost.items():
        by_count.setdefault(rows, []).append(name)
    for rows, names in sorted(by_count.items(), reverse=True):
        held = "all rows have" if rows == report.rows_read else f"{rows:,} rows have"
        held = "1 row has" if rows == 1 and report.rows_read > 1 else held
        yield f"not taken by {report.target}, though {held} it: {', '.join(names)}"
    yield from report.notes
