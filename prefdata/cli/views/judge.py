"""What `pref judge` prints: the account, a table of judges, the plan of --dry-run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prefdata.cli.views.sources import show_sources
from prefdata.cli.views.terminal import account_table, count_of, example_view
from prefdata.judging.outcomes import FLIP, is_verdict, makes_pair

if TYPE_CHECKING:
    from prefdata.judging.client.cost_estimate import CostEstimate
    from prefdata.judging.report import JudgeReport


def show_judging(report: JudgeReport, console: Console) -> None:
    """Print what became of every row, what each judge said, what it cost, and what to do next."""
    show_sources(report.sources, console)
    console.print()
    console.print(account_table(report.outcomes, report.rows_read))
    console.print()
    console.print(_judges(report))
    calls = report.calls
    console.print(
        f"\n{count_of(cast('int', calls['asked']), 'call')} in this run, "
        f"{calls['known']:,} known from the journal, {calls['failed']:,} failed; "
        f"{_dollars(calls['dollars'])} in all. {report.seconds:.1f} s"
    )
    compared = report.labels["compared"]
    if compared:
        share = report.labels["agreed"] / compared
        console.print(
            f"Verdict and label agree on {share:.1%} of the {count_of(compared, 'comparison')} "
            f"where both prefer a side ({compared / report.comparisons:.1%} of all)."
        )
    show_troubles(report, console)
    if report.rankings["prompts"]:
        ranked = count_of(report.rankings["prompts"], "prompt")
        console.print(
            f"The responses to {ranked} were ranked; prompts "
            f"where some beat each other in a circle: {report.rankings['cycles']:,}."
        )
    if report.flagged:
        flagged = count_of(report.flagged, "comparison")
        console.print(f"{flagged} with an answer that speaks to the judge.")
    splits = ", ".join(f"{name} {each['rows']:,}" for name, each in report.splits.items())
    console.print(f"{count_of(report.rows, 'pair')} ({splits or 'none'})")
    if report.split_why:
        console.print(Text(report.split_why))
    console.print()
    console.print(example_view(report.example))
    console.print()
    if report.stopped:
        console.print(f"Stopped: {report.stopped}. Next: {report.remedy}")
    elif not report.complete:
        console.print("Next: run the same command again; it asks for what is missing.")
    elif not report.rows:
        console.print(f"Next: see what was said of each in {report.output}/comparisons")
    else:
        console.print(f"Next: pref train {shlex.quote(report.output)} --model tiny")


def show_troubles(report: JudgeReport, console: Console) -> None:
    """Print which batches failed, and what a run that was killed may have paid for."""
    for why, requests in cast("dict[str, int]", report.calls["set_back"]).items():
        console.print(Text(f"{why}: {count_of(requests, 'request')} left open", style="yellow"))
    if report.calls["abandoned"]:
        console.print(
            f"A run that was killed was busy with {report.calls['abandoned']:,} of these calls; "
            "those that it had sent may be on the bill twice."
        )


def show_plan(estimates: Sequence[CostEstimate], console: Console) -> None:
    """Print what judging would come to, and one full request."""
    table = Table(box=None, pad_edge=False)
    for name in (
        "judge",
        "calls",
        "known",
        "tokens in",
        "tokens out",
        "low",
        "expected",
        "high",
        "",
    ):
        table.add_column(name, justify="left" if name in ("judge", "") else "right")
    for each in estimates:
        for batch in (False, True):
            dollars = each.dollars(batch=batch) or (None, None, None)
            figures = (
                *(each.calls, each.in_journal),
                *(each.prompt_tokens, each.completion_tokens),
            )
            cells = ["", *[""] * 4] if batch else [each.judge, *(f"{n:,}" for n in figures)]
            table.add_row(*cells, *(_dollars(n) for n in dollars), "batch" if batch else "live")
    console.print(table)
    if estimates and estimates[0].example:
        console.print("\nOne request:\n")
        body = json.dumps(estimates[0].example, indent=2, ensure_ascii=False)
        console.print(Text(body.replace("\\n", "\n")))
    console.print("\nNothing was asked. Next: the same command without --dry-run")


def plans_to_dicts(estimates: Sequence[CostEstimate]) -> list[dict[str, object]]:
    """The plan as plain values that JSON can hold."""
    return [
        {
            "judge": each.judge,
            "calls": each.calls,
            "known": each.in_journal,
            "prompt_tokens": each.prompt_tokens,
            "completion_tokens": each.completion_tokens,
            "measured": each.is_measured,
            "dollars": each.dollars(),
            "dollars_batch": each.dollars(batch=True),
            "example": each.example,
        }
        for each in estimates
    ]


def _judges(report: JudgeReport) -> Table:
    """One line per judge: verdicts with coverage, flips, the first slot, and the price."""
    table = Table(box=None, pad_edge=False)
    for name in ("judge", "decided", "ties", "flips", "no verdict", "first slot", "labels", "cost"):
        table.add_column(name, justify="left" if name == "judge" else "right")
    for name, each in report.judges.items():
        verdicts = cast("dict[str, int]", each["verdicts"])
        total = sum(verdicts.values())
        decided = sum(n for outcome, n in verdicts.items() if makes_pair(outcome))
        ties = sum(n for outcome, n in verdicts.items() if is_verdict(outcome)) - decided
        flips = verdicts.get(FLIP.name, 0)
        labels = cast("dict[str, int]", each["labels"])
        spent = cast("dict[str, object]", each["spent"])
        table.add_row(
            name,
            f"{decided:,} ({decided / max(1, total):.1%})",
            f"{ties:,}",
            f"{flips:,}",
            f"{total - decided - ties - flips:,}",
            _share(each["first_slot"]),
            _share(labels["agreed"] / labels["compared"] if labels["compared"] else None),
            _dollars(spent["dollars"]),
        )
    return table


def _share(value: object) -> str:
    return "-" if value is None else f"{cast('float', value):.1%}"


def _dollars(value: object) -> str:
    if value is None:
        return "price unknown"
    dollars = cast("float", value)
    return f"{dollars:,.2f} $" if dollars >= 10 else f"{dollars:,.4f} $"
