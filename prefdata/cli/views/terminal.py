"""Reports as a person likes to read them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prefdata.records.reasons import FLIP

if TYPE_CHECKING:
    from prefdata.conversion.convert import ConvertReport
    from prefdata.conversion.inspect import Inspection
    from prefdata.judging.client.cost_estimate import Estimate
    from prefdata.judging.report import JudgeReport

LONGEST = 280


def many(count: int, thing: str) -> str:
    """So many things, in words.

    Example:
        >>> many(1, "pair"), many(2000, "unpaired preference")
        ('1 pair', '2,000 unpaired preferences')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def show_conversion(report: ConvertReport, console: Console) -> None:
    """Print what was recognised and why, the account, one example, and what to do next."""
    for source in report.sources[:10]:
        console.print(
            Text.assemble(
                (source.name, "bold"),
                f": {many(source.rows, 'row')} read as {source.format}",
                f", gave {source.gave:,}" if len(report.sources) > 1 else "",
            )
        )
        console.print(Padding(_reasons(source.why, source.polarity), (0, 2)))
    if len(report.sources) > 10:
        console.print(f"… and {len(report.sources) - 10} more sources")
    console.print()
    console.print(_account(report.outcomes, report.rows_read))
    what = many(report.rows, "pair" if report.kind == "pairs" else "unpaired preference")
    splits = ", ".join(f"{name} {each['rows']:,}" for name, each in report.splits.items())
    console.print(
        f"\n{what} ({splits}); no {report.split_by} in two splits. {report.seconds:.1f} s"
    )
    show_standings(report.dimensions, console)
    show_overlap(report, console)
    console.print()
    console.print(_example(report.example))
    console.print()
    if report.rows_rejected:
        console.print(f"Rejected rows, with line and remedy: {report.output}/rejects")
    console.print(f"Next: pref train {shlex.quote(report.output)} --model tiny")


MOST_OVERLAPS = 5


def show_overlap(report: ConvertReport, console: Console) -> None:
    """Say what sources have in common, those with the most prompts first."""
    if report.overlap is None:
        console.print(Text("too many sources to look for what they have in common", style="dim"))
        return
    found = sorted(report.overlap, key=lambda each: -each.prompts)
    for each in found[:MOST_OVERLAPS]:
        common = f"{many(each.prompts, 'prompt')} in common"
        text = f"{' and '.join(each.sources)}: {common}, {each.pairs:,} the same in both, "
        style = "yellow" if each.contradictions else ""
        console.print(Text(f"{text}{each.contradictions:,} contradict each other", style=style))
    if len(found) > MOST_OVERLAPS:
        console.print(
            f"… and {len(found) - MOST_OVERLAPS} more that have prompts in common, in --json"
        )


def show_standings(dimensions: Mapping[str, Mapping[str, int]], console: Console) -> None:
    """Say on which dimensions some chosen responses have the lower score."""
    for name, found in dimensions.items():
        if found["lower"]:
            some = f"{found['lower']:,} of {many(sum(found.values()), 'pair')}"
            console.print(Text(f"chosen scores lower on {name} in {some}", style="yellow"))


def _reasons(why: tuple[str, ...], polarity: str) -> Text:
    return Text("; ".join([*why, polarity]), style="dim")


def _account(outcomes: Mapping[str, Mapping[str, int]], rows: int) -> Table:
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("rows", justify="right", footer=f"{rows:,}")
    table.add_column("became", footer="read")
    table.add_column("because")
    for outcome in ("kept", "merged", "left over", "rejected"):
        for reason, count in outcomes.get(outcome, {}).items():
            style = "red" if outcome == "rejected" else ""
            table.add_row(f"{count:,}", outcome, reason if reason != outcome else "", style=style)
    return table


def _example(example: Mapping[str, object]) -> Group:
    """One row in words, with its scores."""
    if not example:
        return Group(Text("No pair can be made of these rows.", style="yellow"))
    lines: list[RenderableType] = [Text("To this prompt", style="bold")]
    lines.append(_turns(example["prompt"]))
    if "completion" in example:
        good = "was good" if example["label"] else "was not good"
        return Group(
            *lines, Text("this response " + good, style="bold"), _turns(example["completion"])
        )
    lines += [_side("this response is better", example, "chosen"), _turns(example["chosen"])]
    lines += [_side("than this one", example, "rejected"), _turns(example["rejected"])]
    return Group(*lines)


def _side(said: str, example: Mapping[str, object], side: str) -> Text:
    notes = (
        [f"score {example[f'score_{side}']:g}"] if example.get(f"score_{side}") is not None else []
    )
    notes += [str(example[f"model_{side}"])] if example.get(f"model_{side}") else []
    return Text.assemble((said, "bold"), f" ({', '.join(notes)})" if notes else "")


def _turns(messages: object) -> Padding:
    messages = cast("list[dict[str, str]]", messages)
    alone = len(messages) == 1
    text = "\n".join(
        turn["content"] if alone else f"{turn['role']}: {turn['content']}" for turn in messages
    ).strip()
    shown = text if len(text) <= LONGEST else text[:LONGEST].rstrip() + " …"
    return Padding(Text(shown), (0, 2))


def show_inspection(found: Inspection, console: Console) -> None:
    """Print what a source is, why, how it would be read, and what is wrong with it."""
    console.print(Text.assemble((found.name, "bold"), f" is {found.format} ({found.kind})"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("because", "; ".join(found.why))
    table.add_row("better", found.polarity)
    for field, names in found.columns.items():
        table.add_row(field, " + ".join(names))
    table.add_row("not used", ", ".join(found.unused) or "none")
    table.add_row("split by", found.split_by)
    table.add_row("runner-up", found.runner_up or "none")
    for name, missing in found.near.items():
        table.add_row("not quite", f"{name}, which also has {', '.join(missing)}")
    console.print(Padding(table, (0, 2)))
    console.print(f"\nOf the first {many(found.rows, 'row')}:")
    console.print(Padding(_account(found.outcomes, found.rows), (0, 2)))
    for each in found.problems[:8]:
        lines = ", ".join(map(str, each.lines)) + (", …" if each.rows > len(each.lines) else "")
        where = f"{each.field}: " if each.field else ""
        plural = "line" if each.rows == 1 else "lines"
        detail = f", {each.detail[:LONGEST]}" if each.detail else ""
        console.print(f"  {where}{each.reason}{detail} ({plural} {lines})", style="yellow")
    show_standings(found.dimensions, console)
    console.print()
    console.print(_example(found.example))


def show_judging(report: JudgeReport, console: Console) -> None:
    """Print what became of every row, what each judge said, what it cost, and what to do next."""
    console.print(_account(report.outcomes, report.rows_read))
    console.print()
    console.print(_judges(report))
    calls = report.calls
    console.print(
        f"\n{many(cast('int', calls['asked']), 'call')} in this run, "
        f"{calls['known']:,} known from the journal, {calls['failed']:,} failed; "
        f"{_dollars(calls['dollars'])} in all. {report.seconds:.1f} s"
    )
    compared = report.labels["compared"]
    if compared:
        share = report.labels["agreed"] / compared
        console.print(
            f"Verdict and label agree on {share:.1%} of the {many(compared, 'comparison')} "
            f"where both prefer a side ({compared / report.comparisons:.1%} of all)."
        )
    show_troubles(report, console)
    if report.rankings["prompts"]:
        console.print(
            f"The responses to {many(report.rankings['prompts'], 'prompt')} were ranked; prompts "
            f"where some beat each other in a circle: {report.rankings['cycles']:,}."
        )
    if report.flagged:
        found = many(report.flagged, "comparison")
        console.print(f"{found} with an answer that speaks to the judge.")
    splits = ", ".join(f"{name} {each['rows']:,}" for name, each in report.splits.items())
    console.print(f"{many(report.rows, 'pair')} ({splits or 'none'})\n")
    console.print(_example(report.example))
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
    """Say which batches came to nothing, and what a run that was killed may have paid for."""
    for why, requests in cast("dict[str, int]", report.calls["set_back"]).items():
        console.print(Text(f"{why}: {many(requests, 'request')} left open", style="yellow"))
    if report.calls["abandoned"]:
        console.print(
            f"A run that was killed was busy with {report.calls['abandoned']:,} of these calls; "
            "those that it had sent may be on the bill twice."
        )


def show_plan(found: Sequence[Estimate], console: Console) -> None:
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
    for each in found:
        for batch in (False, True):
            dollars = each.dollars(batch=batch) or (None, None, None)
            figures = (each.calls, each.known, each.prompt, each.completion)
            shown = ["", *[""] * 4] if batch else [each.judge, *(f"{n:,}" for n in figures)]
            table.add_row(*shown, *(_dollars(n) for n in dollars), "batch" if batch else "live")
    console.print(table)
    if found and found[0].example:
        console.print("\nOne request:\n")
        body = json.dumps(found[0].example, indent=2, ensure_ascii=False)
        console.print(Text(body.replace("\\n", "\n")))
    console.print("\nNothing was asked. Next: the same command without --dry-run")


def planned(found: Sequence[Estimate]) -> list[dict[str, object]]:
    """The same as plain values that JSON can hold."""
    return [
        {
            "judge": each.judge,
            "calls": each.calls,
            "known": each.known,
            "prompt_tokens": each.prompt,
            "completion_tokens": each.completion,
            "measured": each.measured,
            "dollars": each.dollars(),
            "dollars_batch": each.dollars(batch=True),
            "example": each.example,
        }
        for each in found
    ]


def _judges(report: JudgeReport) -> Table:
    """One line per judge: verdicts with coverage, flips, the first slot, and the price."""
    table = Table(box=None, pad_edge=False)
    for name in ("judge", "decided", "ties", "flips", "no verdict", "first slot", "labels", "cost"):
        table.add_column(name, justify="left" if name == "judge" else "right")
    for name, each in report.judges.items():
        found = cast("dict[str, int]", each["verdicts"])
        total = sum(found.values())
        decided, ties, flips = (
            found.get("a", 0) + found.get("b", 0),
            found.get("tie", 0),
            found.get(FLIP, 0),
        )
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
