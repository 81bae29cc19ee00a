"""The report of a judging run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, cast

from prefdata.conversion.report import RunReport, SourceReport, report_fields
from prefdata.judging.ask import AskResult, JudgeConfig
from prefdata.judging.client.journal import Spending
from prefdata.judging.comparison_store import ComparisonStore
from prefdata.judging.decide import VerdictPolicy
from prefdata.judging.outcomes import FLIP, is_verdict, makes_pair
from prefdata.judging.output import OutputTotals
from prefdata.judging.totals import VerdictCounts
from prefdata.transforms.options import Options, SplitBy


@dataclass(frozen=True, kw_only=True)
class JudgeReport(RunReport):
    """What a judging run did: what every run reports, and more.

    Attributes:
        complete: whether every comparison was judged to the end.
        stopped: why not, in a sentence; ``""`` if it was.
        remedy: what to do about it.
        comparisons: how many there were.
        verdicts: comparisons by a, b, tie, or the cause of no verdict, all judges together.
        judges: the verdicts, labels and costs of each judge.
        labels: comparisons where verdict and label both prefer a side, and where it is the same.
        flagged: comparisons with an answer that speaks to the judge.
        rankings: prompts whose responses were ranked, and those of them with a cycle.
        calls: calls of this run, and what all calls in the journal cost.
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
        """Comparisons with a verdict: a, b or some kind of tie."""
        return sum(n for name, n in self.verdicts.items() if is_verdict(name))


class JudgeRun(NamedTuple):
    """What was asked for, and what came of it.

    Attributes:
        output: the data set directory.
        journal: the file of calls.
        config: how judges were asked.
        policy: what makes a verdict a pair.
        store: what was judged.
        replies: what became of the requests.
        totals: what was written.
        spending: judge to what all its calls cost.
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
    judged, stopped = totals.judged, replies.stopped
    return JudgeReport(
        **report_fields(store.account, totals.pairs, grouped=store.grouped),
        output=str(run.output),
        kind="pairs",
        complete=not judged.pending and not stopped.message,
        stopped=stopped.message,
        remedy=stopped.remedy,
        sources=sources,
        comparisons=store.total,
        verdicts=dict(judged.jury.outcomes.most_common()),
        judges={
            name: {
                **_verdict_fields(judged.by_judge[name], store.total),
                "understands": replies.capabilities[name],
                "spent": _spending_fields(spending[name]),
            }
            for name in replies.counts
        },
        labels={"compared": judged.jury.labelled, "agreed": judged.jury.agreed},
        flagged=judged.flagged,
        rankings={"prompts": totals.ranked, "cycles": totals.cycles},
        calls=_call_fields(replies, spending),
        journal=str(run.journal),
        options=_options(run),
        seconds=round(seconds, 2),
    )


def _verdict_fields(counts: VerdictCounts, total: int) -> dict[str, object]:
    """How the comparisons of one judge ended."""
    decided = sum(n for name, n in counts.outcomes.items() if makes_pair(name))
    slots = sum(counts.slots.values())
    return {
        "verdicts": dict(counts.outcomes.most_common()),
        "coverage": decided / total if total else None,
        "flips": counts.outcomes[FLIP.name] / total if total else None,
        "first_slot": counts.slots["first"] / slots if slots else None,
        "labels": {"compared": counts.labelled, "agreed": counts.agreed},
    }


def _spending_fields(spending: Spending) -> dict[str, object]:
    return {
        "calls": spending.calls,
        "tokens": spending.usage._asdict(),
        "dollars": None if spending.unpriced_calls else spending.cost,
        "unpriced_calls": spending.unpriced_calls,
    }


def _call_fields(replies: AskResult, spending: Mapping[str, Spending]) -> dict[str, object]:
    counts = replies.counts.values()
    priced = all(not each.unpriced_calls for each in spending.values())
    return {
        "asked": sum(each.answered for each in counts),
        "known": sum(each.in_journal for each in counts),
        "failed": sum(sum(each.failed.values()) for each in counts),
        "pushed_back": sum(each.rate_limited for each in counts),
        "retried": sum(each.retries for each in counts),
        "abandoned": sum(each.orphaned for each in counts),
        "set_back": dict(sum((each.batch_failures for each in counts), Counter())),
        "paid": sum(each.calls for each in spending.values()),
        "dollars": sum(each.cost for each in spending.values()) if priced else None,
    }


def _options(run: JudgeRun) -> dict[str, object]:
    prompt = run.config.prompt
    policy = asdict(run.policy)
    del policy["pairing"]
    pairing = run.policy.pairing.to_dict()
    return {
        "judges": list(run.replies.counts),
        "prompt": prompt.template.name,
        "criteria": {each.name: each.definition for each in prompt.criteria},
        "reasoning": prompt.reasoning,
        "max_tokens": prompt.max_tokens,
        "max_cost": run.config.max_cost,
        "max_comparisons": run.store.max_comparisons,
        **policy,
        "test_size": pairing.pop("test_size"),
        "seed": pairing.pop("seed"),
        **_changed(pairing),
    }


def _changed(pairing: Mapping[str, object]) -> dict[str, object]:
    """The options of pairing that are not what they are by default."""
    defaults = Options(split_by=cast("SplitBy", pairing["split_by"])).to_dict()
    return {name: value for name, value in pairing.items() if value != defaults.get(name)}
