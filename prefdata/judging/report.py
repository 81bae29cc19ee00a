"""What a judging run did, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from prefdata.conversion.report import RunReport, SourceReport, report_fields
from prefdata.judging.ask import AskResult, JudgeConfig
from prefdata.judging.store import ComparisonStore
from prefdata.judging.client.journal import Spending
from prefdata.judging.decide import VerdictCounts, VerdictPolicy
from prefdata.judging.output import OutputTotals
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


class JudgeRun(NamedTuple):
    """What was asked for, and what came of it.

    Attributes:
        output: the data set directory.
        journal: the file of calls.
        config: how judges were asked.
        policy: what makes a verdict a pair.
        store: what was judged.
        replies: what asking came to.
        totals: what was written.
        spending: judge to what all its calls came to.
    """

    output: Path
    journal: Path
    config: JudgeConfig
    policy: VerdictPolicy
    store: ComparisonStore
    replies: AskResult
    totals: OutputTotals
    spending: Mapping[str, Spending]


def judge_report(run: JudgeRun, sources: tuple[SourceReport, ...], seconds: float) -> JudgeReport:
    """Put the figures of a run together.

    Args:
        run: the run.
        sources: one report per source.
        seconds: wall time.
    """
    store, replies, totals, spending = run.store, run.replies, run.totals, run.spending
    result = totals.result
    return JudgeReport(
        **report_fields(store.account, totals.pairs, grouped=store.grouped),
        output=str(run.output),
        kind="pairs",
        complete=not result.pending and not replies.stopped.why,
        stopped=replies.stopped.why,
        remedy=replies.stopped.remedy,
        sources=sources,
        comparisons=store.total,
        verdicts=dict(result.together.outcomes.most_common()),
        judges={
            name: _judge_fields(result.alone[name], store.total, replies, spending[name], name)
            for name in replies.tallies
        },
        labels={"compared": result.together.labelled, "agreed": result.together.agreed},
        flagged=result.flagged,
        rankings={"prompts": totals.ranked, "cycles": totals.cycles},
        calls=_call_fields(replies, spending),
        journal=str(run.journal),
        options=_options(run),
        seconds=round(seconds, 2),
    )


def _judge_fields(counts: VerdictCounts, total: int, replies: AskResult, spending: Spending, name: str) -> dict[str, object]:
    """The figures of one judge."""
    decided = counts.outcomes["a"] + counts.outcomes["b"]
    slots = sum(counts.slots.values())
    return {
        "verdicts": dict(counts.outcomes.most_common()),
        "coverage": decided / total if total else None,
        "flips": counts.outcomes[outcome.FLIP] / total if total else None,
        "first_slot": counts.slots["first"] / slots if slots else None,
        "labels": {"compared": counts.labelled, "agreed": counts.agreed},
        "understands": replies.styles[name],
        "spent": _spending_fields(spending),
    }


def _spending_fields(spending: Spending) -> dict[str, object]:
    return {
        "calls": spending.calls,
        "tokens": spending.usage._asdict(),
        "dollars": None if spending.unpriced else spending.cost,
        "unpriced_calls": spending.unpriced,
    }


def _call_fields(replies: AskResult, spending: Mapping[str, Spending]) -> dict[str, object]:
    counts = replies.counts.values()
    priced = all(not each.unpriced for each in spending.values())
    return {
        "asked": sum(each.replies for each in counts),
        "known": sum(each.known for each in counts),
        "failed": sum(sum(each.failed.values()) for each in counts),
        "pushed_back": sum(each.pushed_back for each in counts),
        "retried": sum(each.retried for each in counts),
        "abandoned": sum(each.abandoned for each in counts),
        "set_back": dict(sum((each.set_back for each in counts), Counter())),
        "paid": sum(each.calls for each in spending.values()),
        "dollars": sum(each.cost for each in spending.values()) if priced else None,
    }


def _options(run: JudgeRun) -> dict[str, object]:
    question = run.config.question
    return {
        "judges": list(run.replies.tallies),
        "prompt": question.prompt.name,
        "criteria": {each.name: each.definition for each in question.criteria},
        "reasoning": question.reasoning,
        "max_tokens": question.max_tokens,
        "max_cost": run.config.max_cost,
        "max_comparisons": run.store.most,
        **asdict(run.policy),
    }
