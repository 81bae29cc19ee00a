"""What a judging run did: the report, the manifest, the card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from prefdata import __version__
from prefdata.engine.asking import Asked, Asking
from prefdata.engine.cases import Cases
from prefdata.engine.conversion import SourceReport
from prefdata.engine.ruling import Collected, Counts, Ruling
from prefdata.io.dataset import SCHEMA_VERSION
from prefdata.judge import outcome
from prefdata.judge.journal import Spent
from prefdata.report.card import card


@dataclass(frozen=True)
class JudgeReport:
    """What a judging run did.

    Attributes:
        output: the data set directory.
        kind: ``"pairs"``.
        complete: whether every comparison was judged to the end.
        stopped: why not, in a sentence; ``""`` if it was.
        sources: one report per source.
        rows_read: rows read in all.
        rows_used: of these, in a pair, merged with another row, or left over.
        rows_rejected: the others; they lie in ``rejects/``.
        outcomes: rows by outcome and reason.
        splits: rows and distinct prompts by split.
        comparisons: how many there were.
        verdicts: comparisons by a, b, tie, or the cause of no verdict, all judges together.
        judges: what each judge came to.
        labels: comparisons where verdict and label both prefer a side, and where it is the same.
        flagged: comparisons with an answer that speaks to the judge.
        calls: calls of this run, and what all calls in the journal came to.
        journal: the file of calls.
        example: the first pair.
        options: what was asked for.
        seconds: wall time.
    """

    output: str
    kind: str
    complete: bool
    stopped: str
    sources: tuple[SourceReport, ...]
    rows_read: int
    rows_used: int
    rows_rejected: int
    outcomes: Mapping[str, Mapping[str, int]]
    splits: Mapping[str, Mapping[str, int]]
    comparisons: int
    verdicts: Mapping[str, int]
    judges: Mapping[str, Mapping[str, object]]
    labels: Mapping[str, int]
    flagged: int
    calls: Mapping[str, object]
    journal: str
    example: Mapping[str, object]
    options: Mapping[str, object]
    seconds: float

    @property
    def rows(self) -> int:
        """Pairs, all splits together."""
        return sum(split["rows"] for split in self.splits.values())

    def to_dict(self) -> dict[str, object]:
        """The report as plain values that JSON can hold."""
        return asdict(self)


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
    made: Collected
    spent: Mapping[str, Spent]


def reported(job: Job, sources: tuple[SourceReport, ...], seconds: float) -> JudgeReport:
    """Put the figures of a run together.

    Args:
        job: the run.
        sources: one report per source.
        seconds: wall time.
    """
    cases, asked, made, spent = job.cases, job.asked, job.made, job.spent
    account, total = cases.account, cases.total
    outcomes = account.outcomes()
    rejected = sum(outcomes.get("rejected", {}).values())
    read = sum(account.read.values())
    rows = made.made
    return JudgeReport(
        output=str(job.output),
        kind="pairs",
        complete=not made.pending,
        stopped=asked.stopped,
        sources=sources,
        rows_read=read,
        rows_used=read - rejected,
        rows_rejected=rejected,
        outcomes=outcomes,
        splits={
            s: {"rows": rows.rows[s], "prompts": rows.prompts[s]} for s in rows.rows if rows.rows[s]
        },
        comparisons=total,
        verdicts=dict(made.together.outcomes.most_common()),
        judges={
            name: _judged(made.alone[name], total, asked, spent[name], name)
            for name in asked.tallies
        },
        labels={"compared": made.together.labelled, "agreed": made.together.agreed},
        flagged=made.flagged,
        calls=_calls(asked, spent),
        journal=str(job.journal),
        example=rows.example,
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
        **asdict(job.ruling),
    }


def write_about(folder: Path, report: JudgeReport) -> None:
    """Write the manifest and the card."""
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "program": "prefdata",
        "program_version": __version__,
        **report.to_dict(),
    }
    del manifest["output"]
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(manifest), encoding="utf-8")
