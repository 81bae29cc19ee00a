"""What a judging run did, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from prefdata.conversion.report import RunReport, SourceReport, report_fields
from prefdata.judging.ask import Asked, Asking
from prefdata.judging.cases import Cases
from prefdata.judging.client.journal import Spent
from prefdata.judging.decide import Counts, Ruling
from prefdata.judging.output import Made
from prefdata.judging.prompting import outcome
from prefdata.judging.rank import SCORES


@dataclass(frozen=True, kw_only=True)
class JudgeReport(RunReport):
    """What a judging run did: what every run reports, and more.

    Attributes:
        complete: whether every comparison was judged to the end.
        stopped: why not, in a sentence; ``""`` if it was.
        remedy: what to do about it.
        comparisons: how many there were.
        verdicts: comparisons by a, b, tie, or the cause of no verdict, all judges together.
        judges: what each judge came to.
        labels: comparisons where verdict and label both prefer a side, and where it is the same.
        flagged: comparisons with an answer that speaks to the judge.
        rankings: prompts whose responses were ranked, and those of them with a cycle.
        calls: calls of this run, and what all calls in the journal came to.
        journal: the file of calls.
    """

    complete: bool
    stopped: str
    remedy: str
    comparisons: int
    verdicts: Mapping[str, int]
    judges: Mapping[str, Mapping[str, object]]
    labels: Mapping[str, int]
    flagged: int
    rankings: Mapping[str, int]
    calls: Mapping[str, object]
    journal: str

    @property
    def judged(self) -> int:
        """Comparisons with a verdict: a, b or tie."""
        return sum(self.verdicts.get(each, 0) for each in SCORES)


class Job(NamedTuple):
    """What was asked for, and what came of it.

    Attributes:
        output: the data set directory.
        journal: the file of calls.
        asking: how judges were asked.
        ruling: what makes a verdict a pair.
        cases: what was judged.
        asked: what asking came to.
        made: what was written.
        spent: judge to what all its calls came to.
    """

    output: Path
    journal: Path
    asking: Asking
    ruling: Ruling
    cases: Cases
    asked: Asked
    made: Made
    spent: Mapping[str, Spent]


def reported(job: Job, sources: tuple[SourceReport, ...], seconds: float) -> JudgeReport:
    """Put the figures of a run together.

    Args:
        job: the run.
        sources: one report per source.
        seconds: wall time.
    """
    cases, asked, made, spent = job.cases, job.asked, job.made, job.spent
    result = made.result
    return JudgeReport(
        **report_fields(cases.account, made.pairs, grouped=cases.grouped),
        output=str(job.output),
        kind="pairs",
        complete=not result.pending and not asked.stopped.why,
        stopped=asked.stopped.why,
        remedy=asked.stopped.remedy,
        sources=sources,
        comparisons=cases.total,
        verdicts=dict(result.together.outcomes.most_common()),
        judges={
            name: _judged(result.alone[name], cases.total, asked, spent[name], name)
            for name in asked.tallies
        },
        labels={"compared": result.together.labelled, "agreed": result.together.agreed},
        flagged=result.flagged,
        rankings={"prompts": made.ranked, "cycles": made.cycles},
        calls=_calls(asked, spent),
        journal=str(job.journal),
        options=_options(job),
        seconds=round(seconds, 2),
    )


def _judged(counts: Counts, total: int, asked: Asked, spent: Spent, name: str) -> dict[str, object]:
    """The figures of one judge."""
    decided = counts.outcomes["a"] + counts.outcomes["b"]
    slots = sum(counts.slots.values())
    return {
        "verdicts": dict(counts.outcomes.most_common()),
        "coverage": decided / total if total else None,
        "flips": counts.outcomes[outcome.FLIP] / total if total else None,
        "first_slot": counts.slots["first"] / slots if slots else None,
        "labels": {"compared": counts.labelled, "agreed": counts.agreed},
        "understands": asked.styles[name],
        "spent": _money(spent),
    }


def _money(spent: Spent) -> dict[str, object]:
    return {
        "calls": spent.calls,
        "tokens": spent.usage._asdict(),
        "dollars": None if spent.unpriced else spent.cost,
        "unpriced_calls": spent.unpriced,
    }


def _calls(asked: Asked, spent: Mapping[str, Spent]) -> dict[str, object]:
    tallies = asked.tallies.values()
    priced = all(not each.unpriced for each in spent.values())
    return {
        "asked": sum(each.asked for each in tallies),
        "known": sum(each.known for each in tallies),
        "failed": sum(sum(each.failed.values()) for each in tallies),
        "pushed_back": sum(each.pushed_back for each in tallies),
        "retried": sum(each.retried for each in tallies),
        "abandoned": sum(each.abandoned for each in tallies),
        "set_back": dict(sum((each.set_back for each in tallies), Counter())),
        "paid": sum(each.calls for each in spent.values()),
        "dollars": sum(each.cost for each in spent.values()) if priced else None,
    }


def _options(job: Job) -> dict[str, object]:
    question = job.asking.question
    return {
        "judges": list(job.asked.tallies),
        "prompt": question.prompt.name,
        "criteria": {each.name: each.definition for each in question.criteria},
        "reasoning": question.reasoning,
        "max_tokens": question.max_tokens,
        "max_cost": job.asking.max_cost,
        "max_comparisons": job.cases.most,
        **asdict(job.ruling),
    }
