"""A report of agreement as a person likes to read it."""

from __future__ import annotations

from shlex import join

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prefdata.agreement.agree import AgreeReport
from prefdata.agreement.agreement import Agreement, Figures
from prefdata.agreement.verdict_source import Voted
from prefdata.cli.views.terminal import count_of
from prefdata.stats.intervals import Estimate

MOST_JUDGES = 20
MOST_PEOPLE = 8
MOST_REMARKS = 8
MOST_BY_CATEGORY = 3
FEW = 30
CEILING = "a person (ceiling)"


def show_agreement(report: AgreeReport, console: Console) -> None:
    """Print what was read, the figures, what they can and cannot show, and what to do next."""
    found = report.agreement
    for source in report.sources[:10]:
        console.print(_read(source))
    if len(report.sources) > 10:
        console.print(f"… and {len(report.sources) - 10} more sources")
    console.print()
    console.print(_who(report))
    console.print()
    console.print(_table(found))
    console.print(Padding(_alphas(found), (1, 0)))
    if found.categories:
        console.print(_by_category(found))
        console.print()
    for line in report.remarks[:MOST_REMARKS]:
        console.print(Text(line, style="yellow"))
    if len(report.remarks) > MOST_REMARKS:
        console.print(f"… and {len(report.remarks) - MOST_REMARKS} more, in --json")
    console.print(Text(EXPLAINED, style="dim"))
    console.print(f"Next: {_next(report)}")


EXPLAINED = (
    "accuracy: the same choice as people, ties left out; coverage: how much of what people decided "
    "was decided; longer: choices that fell on the longer answer (in brackets: people's)"
)


def _read(source: Voted) -> Text:
    rows = count_of(source.rows, "row")
    text = Text.assemble((source.name, "bold"), f": {rows} read as {source.format}")
    told = {"left out": source.left_out, "no verdict": source.no_verdict}
    for what, counts in told.items():
        if counts:
            shown = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
            text.append(f"; {what}: {shown}", style="red")
    return text


def _who(report: AgreeReport) -> str:
    found = report.agreement
    what = f"{count_of(found.verdicts, 'verdict')} on {count_of(found.comparisons, 'comparison')}"
    if found.peers:
        return f"{what}, each annotator held against the others"
    shown = ", ".join(found.people[:6]) + (", …" if len(found.people) > 6 else "")
    how = "each of them" if found.against == "each" else "most of them"
    return (
        f"{what}, held against {how}: {len(found.people):,} "
        f"{'person' if len(found.people) == 1 else 'people'} ({shown}; {_told(report)})"
    )


def _told(report: AgreeReport) -> str:
    if report.told_by == "their names":
        return "by their names, --human says otherwise"
    return "as you said" if report.told_by == "you" else "as the data says"


def _table(found: Agreement) -> Table:
    """One row per annotator; a column that nobody fills is left out."""
    judges, people = found.judges, [each for each in found.annotators if each.person]
    if found.peers:
        people = []
    rows = [(each.annotator, _cells(each), "bold") for each in judges[:MOST_JUDGES]]
    if found.longer_baseline:
        base = found.longer_baseline
        rows.append((base.annotator, _cells(base) | {"longer": ""}, ""))
    if found.ceiling.n:
        rows.append((CEILING, _ceiling(found), ""))
    rows += [(f"  {each.annotator}", _cells(each), "dim") for each in people[:MOST_PEOPLE]]
    columns = [name for name in rows[0][1] if any(cells.get(name) for _, cells, _ in rows)]
    table = Table(box=None, pad_edge=False)
    table.add_column("annotator", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for who, cells, style in rows:
        table.add_row(who, *(cells.get(name, "") for name in columns), style=style)
    more = len(judges[MOST_JUDGES:]) + len(people[MOST_PEOPLE:])
    if more:
        table.add_row(Text(f"  … {more:,} more, in --json", style="dim"))
    return table


def _cells(each: Figures) -> dict[str, str]:
    """What a row shows, by column."""
    ties = f"{_percent(each.accuracy_with_ties)} @ {_percent(each.coverage_with_ties)}"
    people = f" ({_percent(each.longer_people)})" if each.longer_people.n else ""
    return {
        **_interval(each.accuracy),
        "coverage": _percent(each.coverage),
        "with ties": ties if each.accuracy_with_ties.n else "",
        "kappa": "" if each.kappa is None else f"{each.kappa:.2f}",
        "1st slot": _few(each.first_slot),
        "flips": _few(each.flips),
        "longer": _percent(each.longer) + people,
    }


def _ceiling(found: Agreement) -> dict[str, str]:
    return {**_interval(found.ceiling), "with ties": _percent(found.ceiling_with_ties)}


def _interval(share: Estimate) -> dict[str, str]:
    if share.value is None:
        return {"accuracy": "none", "95 %": ""}
    return {"accuracy": _percent(share), "95 %": f"{100 * share.low:.1f} to {100 * share.high:.1f}"}


def _few(share: Estimate) -> str:
    """A percentage, or the count where it is of few."""
    return _percent(share) if share.n >= FEW or not share.n else f"{share.hits:g} of {share.n:g}"


def _percent(share: Estimate) -> str:
    return "" if share.value is None else f"{100 * share.value:.1f}"


def _alphas(found: Agreement) -> str:
    parts = (
        [("all", found.alpha)]
        if found.peers
        else [
            ("people", found.alpha_people),
            ("all", found.alpha),
        ]
    )
    told = [f"{value:.3f} ({who})" for who, value in parts if value is not None]
    return f"Krippendorff's alpha: {', '.join(told) or 'not defined'}"


def _by_category(found: Agreement) -> Table:
    table = Table(box=None, pad_edge=False)
    shown = found.judges[:MOST_BY_CATEGORY]
    table.add_column("category", overflow="fold")
    table.add_column("comparisons", justify="right")
    for each in shown:
        table.add_column(each.annotator, justify="right", overflow="fold")
    table.add_column(CEILING, justify="right")
    ranked = sorted(found.categories.items(), key=lambda item: -item[1].comparisons)
    for name, inside in ranked:
        by_name = {each.annotator: each for each in inside.annotators}
        cells = [_covered(by_name.get(each.annotator)) for each in shown]
        table.add_row(name, f"{inside.comparisons:,}", *cells, _percent(inside.ceiling))
    return table


def _covered(each: Figures | None) -> str:
    if each is None or each.accuracy.value is None:
        return "none"
    return f"{_percent(each.accuracy)} @ {_percent(each.coverage)}"


def _next(report: AgreeReport) -> str:
    names = join(report.asked)
    if report.agreement.categories:
        return f"pref agree {names} --json, which has every figure of every category"
    if not report.agreement.peers and any(not each.person for each in report.agreement.annotators):
        return f"pref agree {names} --min-agreement 80%, to make a gate of it"
    return f"pref judge {names} -o judged, to add the verdicts of a model"
