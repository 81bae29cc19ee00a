"""A report of agreement as a person likes to read it."""

from __future__ import annotations

from shlex import join

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prefdata.agreement.agree import AgreeReport
from prefdata.agreement.agreement import Agreement, AnnotatorAgreement
from prefdata.agreement.verdict_source import VerdictSourceReport
from prefdata.cli.views.terminal import count_of
from prefdata.stats.intervals import Estimate

MOST_JUDGES = 20
MOST_PEOPLE = 8
MOST_REMARKS = 8
MOST_BY_CATEGORY = 3
FEW = 30
CEILING = "a person (ceiling)"
PEOPLE_FROM = {
    "you": "as you said",
    "the data": "as the data says",
    "their names": "by their names, --human says otherwise",
}
COLUMNS = (
    "accuracy: the same choice as people, ties left out; coverage: how much of what people decided "
    "was decided; longer: choices that fell on the longer answer (in brackets: people's)"
)
"""What the columns mean."""


def show_agreement(report: AgreeReport, console: Console) -> None:
    """Print what was read, the figures, what they can and cannot show, and what to do next."""
    figures = report.agreement
    for source in report.sources[:10]:
        console.print(_source(source))
    if len(report.sources) > 10:
        console.print(f"… and {len(report.sources) - 10} more sources")
    console.print()
    console.print(_summary(report))
    console.print()
    console.print(_table(figures))
    console.print(Padding(_alphas(figures), (1, 0)))
    if figures.categories:
        console.print(_by_category(figures))
        console.print()
    for line in report.remarks[:MOST_REMARKS]:
        console.print(Text(line, style="yellow"))
    if len(report.remarks) > MOST_REMARKS:
        console.print(f"… and {len(report.remarks) - MOST_REMARKS} more, in --json")
    console.print(Text(COLUMNS, style="dim"))
    console.print(f"Next: {_next(report)}")


def _source(source: VerdictSourceReport) -> Text:
    rows = count_of(source.rows, "row")
    text = Text.assemble((source.name, "bold"), f": {rows} read as {source.format}")
    outcomes = {"left out": source.left_out, "no verdict": source.no_verdict}
    for outcome, counts in outcomes.items():
        if counts:
            by_count = sorted(counts.items(), key=lambda item: -item[1])
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in by_count)
            text.append(f"; {outcome}: {reasons}", style="red")
    return text


def _summary(report: AgreeReport) -> str:
    figures = report.agreement
    verdicts = (
        f"{count_of(figures.verdicts, 'verdict')} on {count_of(figures.comparisons, 'comparison')}"
    )
    if figures.peers:
        return f"{verdicts}, each annotator held against the others"
    names = ", ".join(figures.people[:6]) + (", …" if len(figures.people) > 6 else "")
    reference = "each of them" if figures.against == "each" else "most of them"
    return (
        f"{verdicts}, held against {reference}: {len(figures.people):,} "
        f"{'person' if len(figures.people) == 1 else 'people'} "
        f"({names}; {PEOPLE_FROM[report.people_from]})"
    )


def _table(figures: Agreement) -> Table:
    """One row per annotator; a column that nobody fills is left out."""
    judges, people = figures.judges, [each for each in figures.annotators if each.person]
    if figures.peers:
        people = []
    rows = [(each.annotator, _cells(each), "bold") for each in judges[:MOST_JUDGES]]
    if figures.longer_baseline:
        baseline = figures.longer_baseline
        rows.append((baseline.annotator, _cells(baseline) | {"longer": ""}, ""))
    if figures.ceiling.n:
        rows.append((CEILING, _ceiling(figures), ""))
    rows += [(f"  {each.annotator}", _cells(each), "dim") for each in people[:MOST_PEOPLE]]
    columns = [name for name in rows[0][1] if any(cells.get(name) for _, cells, _ in rows)]
    table = Table(box=None, pad_edge=False)
    table.add_column("annotator", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for annotator, cells, style in rows:
        table.add_row(annotator, *(cells.get(name, "") for name in columns), style=style)
    more = len(judges[MOST_JUDGES:]) + len(people[MOST_PEOPLE:])
    if more:
        table.add_row(Text(f"  … {more:,} more, in --json", style="dim"))
    return table


def _cells(each: AnnotatorAgreement) -> dict[str, str]:
    """The row of an annotator, by column."""
    ties = f"{_percent(each.accuracy_with_ties)} @ {_percent(each.coverage_with_ties)}"
    people = f" ({_percent(each.longer_people)})" if each.longer_people.n else ""
    return {
        **_interval(each.accuracy),
        "coverage": _percent(each.coverage),
        "with ties": ties if each.accuracy_with_ties.n else "",
        "kappa": "" if each.kappa is None else f"{each.kappa:.2f}",
        "1st slot": _percent_or_count(each.first_slot),
        "flips": _percent_or_count(each.flips),
        "longer": _percent(each.longer) + people,
    }


def _ceiling(figures: Agreement) -> dict[str, str]:
    return {**_interval(figures.ceiling), "with ties": _percent(figures.ceiling_with_ties)}


def _interval(share: Estimate) -> dict[str, str]:
    if share.value is None:
        return {"accuracy": "none", "95 %": ""}
    return {"accuracy": _percent(share), "95 %": f"{100 * share.low:.1f} to {100 * share.high:.1f}"}


def _percent_or_count(share: Estimate) -> str:
    """A percentage, or the count where it is of few."""
    return _percent(share) if share.n >= FEW or not share.n else f"{share.hits:g} of {share.n:g}"


def _percent(share: Estimate) -> str:
    return "" if share.value is None else f"{100 * share.value:.1f}"


def _alphas(figures: Agreement) -> str:
    alphas = {"people": None if figures.peers else figures.alpha_people, "all": figures.alpha}
    parts = [f"{alpha:.3f} ({who})" for who, alpha in alphas.items() if alpha is not None]
    return f"Krippendorff's alpha: {', '.join(parts) or 'not defined'}"


def _by_category(figures: Agreement) -> Table:
    table = Table(box=None, pad_edge=False)
    judges = figures.judges[:MOST_BY_CATEGORY]
    table.add_column("category", overflow="fold")
    table.add_column("comparisons", justify="right")
    for each in judges:
        table.add_column(each.annotator, justify="right", overflow="fold")
    table.add_column(CEILING, justify="right")
    largest_first = sorted(figures.categories.items(), key=lambda item: -item[1].comparisons)
    for name, category in largest_first:
        by_name = {each.annotator: each for each in category.annotators}
        cells = [_accuracy_and_coverage(by_name.get(each.annotator)) for each in judges]
        table.add_row(name, f"{category.comparisons:,}", *cells, _percent(category.ceiling))
    return table


def _accuracy_and_coverage(each: AnnotatorAgreement | None) -> str:
    if each is None or each.accuracy.value is None:
        return "none"
    return f"{_percent(each.accuracy)} @ {_percent(each.coverage)}"


def _next(report: AgreeReport) -> str:
    names = join(report.source_names)
    if report.agreement.categories:
        return f"pref agree {names} --json, which has every figure of every category"
    if not report.agreement.peers and any(not each.person for each in report.agreement.annotators):
        return f"pref agree {names} --min-agreement 80%, to make a gate of it"
    return f"pref judge {names} -o judged, to add the verdicts of a model"
