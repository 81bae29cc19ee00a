"""What `pref convert` prints: what was recognised and why, the account, an example."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from prefdata.cli.views.sources import show_sources
from prefdata.cli.views.terminal import (
    account_table,
    count_of,
    example_view,
    show_dimensions,
)

if TYPE_CHECKING:
    from prefdata.conversion.convert import ConvertReport


def show_conversion(report: ConvertReport, console: Console) -> None:
    """Print what was recognised and why, the account, one example, and what to do next."""
    show_sources(report.sources, console)
    console.print()
    console.print(account_table(report.outcomes, report.rows_read))
    what = count_of(report.rows, "pair" if report.kind == "pairs" else "unpaired preference")
    splits = ", ".join(f"{name} {each['rows']:,}" for name, each in report.splits.items())
    console.print(
        f"\n{what} ({splits}); no {report.split_by} in two splits. {report.seconds:.1f} s"
    )
    if report.split_why:
        console.print(Text(report.split_why))
    show_dimensions(report.dimensions, console)
    show_overlap(report, console)
    console.print()
    console.print(example_view(report.example))
    console.print()
    if report.rows_rejected:
        console.print(f"Rejected rows, with line and remedy: {report.output}/rejects")
    console.print(f"Next: pref train {shlex.quote(report.output)} --model tiny")


MOST_OVERLAPS = 5


def show_overlap(report: ConvertReport, console: Console) -> None:
    """Print what sources have in common, those with the most prompts first."""
    if report.overlap is None:
        console.print(Text("too many sources to look for what they have in common", style="dim"))
        return
    overlaps = sorted(report.overlap, key=lambda each: -each.prompts)
    for each in overlaps[:MOST_OVERLAPS]:
        common = f"{count_of(each.prompts, 'prompt')} in common"
        text = f"{' and '.join(each.sources)}: {common}, {each.pairs:,} the same in both, "
        style = "yellow" if each.contradictions else ""
        console.print(Text(f"{text}{each.contradictions:,} contradict each other", style=style))
    if len(overlaps) > MOST_OVERLAPS:
        console.print(
            f"… and {len(overlaps) - MOST_OVERLAPS} more that have prompts in common, in --json"
        )
