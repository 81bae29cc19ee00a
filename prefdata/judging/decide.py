"""From replies in the journal to what became of each comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, NamedTuple

import polars as pl

from prefdata.judging.client.journal import Journal
from prefdata.judging.client.runner import Ask
from prefdata.judging.prompting import outcome
from prefdata.judging.prompting.injection import flags, texts_of
from prefdata.judging.prompting.outcome import Outcome, Said, combined, jury, oriented
from prefdata.judging.prompting.reply import Reply, read
from prefdata.judging.prompting.request import Case, Form, Order, conversation
from prefdata.judging.rank import SETTLED, Strategy
from prefdata.records import reasons

OF_CAUSE = {
    outcome.FLIP: reasons.FLIP,
    outcome.DIVIDED: reasons.DIVIDED,
    outcome.NOT_ASKED: reasons.NOT_JUDGED,
}

Label = Mapping[str, Any]
"""What a row itself said of a comparison."""

Heard = tuple[Ask, Said, Reply | None]
"""A case in one order and round, what was said, and the reply that it stands in."""


@dataclass
class Judge:
    """One judge as its replies are collected.

    Attributes:
        name: the model.
        form: how its requests are written.
    """

    name: str
    form: Form


@dataclass(frozen=True)
class Ruling:
    """What makes a verdict a pair.

    Attributes:
        flips: what to do where the verdict changes with the order.
        orders: the orders that each comparison is asked in, 1 or 2.
        veto: a criterion on which the winner must not be worse, or ``""``.
        drop_flagged: whether an answer that speaks to the judge may not win.
        weights: judge to the weight of its vote.
        strategy: of three or more responses to a prompt, which are paired: those that were
            compared, as the verdict has it (``"judged"``), or by their ranking.
        test_size: the share of prompts in the test split.
        seed: of the split, and of the draw of a tournament.
    """

    flips: outcome.Flips = "drop"
    orders: int = 2
    veto: str = ""
    drop_flagged: bool = True
    weights: Mapping[str, float] = field(default_factory=dict)
    strategy: Strategy = "judged"
    test_size: float = 0.1
    seed: int = 0


@dataclass
class Counts:
    """What a judge, or all of them together, came to.

    Attributes:
        outcomes: comparisons by a, b, tie, flip, or the cause of no verdict.
        slots: verdicts of single calls by the slot that won.
        agreed: comparisons where the verdict is that of the label.
        labelled: comparisons where both verdict and label prefer one side.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slots: Counter[str] = field(default_factory=Counter)
    agreed: int = 0
    labelled: int = 0

    def note(self, winner: str, cause: str, labels: Sequence[Label]) -> None:
        """Count a comparison."""
        self.outcomes[winner if winner != "none" else cause] += 1
        votes = Counter(each["winner"] for each in labels)
        if winner in ("a", "b") and votes["a"] != votes["b"]:
            self.labelled += 1
            self.agreed += votes[winner] > votes["b" if winner == "a" else "a"]

    def add(self, other: Counts) -> None:
        """Add what others came to."""
        self.outcomes += other.outcomes
        self.slots += other.slots
        self.agreed += other.agreed
        self.labelled += other.labelled


@dataclass
class Result:
    """What comparisons came to.

    Attributes:
        together: all judges together.
        alone: each of them.
        flagged: comparisons with an answer that speaks to the judge.
        pending: comparisons that were not judged to the end.
    """

    together: Counts = field(default_factory=Counts)
    alone: dict[str, Counts] = field(default_factory=dict)
    flagged: int = 0
    pending: int = 0

    def add(self, other: Result) -> None:
        """Add what others came to."""
        self.together.add(other.together)
        for name, counts in other.alone.items():
            self.alone.setdefault(name, Counts()).add(counts)
        self.flagged += other.flagged
        self.pending += other.pending


class Decision(NamedTuple):
    """What became of a comparison.

    Attributes:
        winner: a, b, a tie, or none.
        reason: why it gave no pair, one of `prefdata.records.reasons`; kept where it did.
        detail: what else is to be said of the reason.
        cause: why there is no winner.
        verdicts: one per label, and one per judge.
        chosen: the mean score of the winner over criteria, orders and judges, where known.
        rejected: that of the other.
        margin: the mean log-probability, where known, for the winner.
        votes: judges that gave a verdict.
        agreement: the share of these that say the same.
        marks: why a, and why b, is thought to speak to the judge.
        on_veto: the mean score of a, and of b, on the criterion that must not be lost.
    """

    winner: str
    reason: str
    detail: str = ""
    cause: str = ""
    verdicts: Sequence[Mapping[str, object]] = ()
    chosen: float | None = None
    rejected: float | None = None
    margin: float | None = None
    votes: int = 0
    agreement: float | None = None
    marks: tuple[Sequence[str], Sequence[str]] = ((), ())
    on_veto: tuple[float, float] | None = None


class Ruled(NamedTuple):
    """What became of the comparisons of a part.

    Attributes:
        decisions: one per comparison.
        calls: the calls about all of them, as rows of ``calls/``.
        result: what they came to.
    """

    decisions: list[Decision]
    calls: list[dict[str, object]]
    result: Result


def orders_of(case_id: str, orders: int) -> tuple[Order, ...]:
    """The orders that a comparison is asked in; of one, chance by its id says which.

    Example:
        >>> orders_of("0f", 2), orders_of("0f", 1), orders_of("10", 1)
        (('ab', 'ba'), ('ba',), ('ab',))
    """
    if orders == 2:
        return ("ab", "ba")
    return ("ba",) if int(case_id, 16) % 2 else ("ab",)


def cases_of(part: pl.DataFrame) -> list[Case]:
    """The comparisons of a part as a judge sees them."""
    rows = part.select("id", "prompt", "response_a", "response_b", "reference").iter_rows()
    return [
        Case(i, conversation(p), conversation(a), conversation(b), reference or "")
        for i, p, a, b, reference in rows
    ]


def collected(
    cases: Sequence[Case],
    judge: Judge,
    journal: Journal,
    orders: int,
    rounds: Sequence[int],
) -> Iterator[list[Heard]]:
    """What a judge said of each case, in each order and round; no reply is no verdict."""
    asked = [
        [Ask(case, order, again) for again in rounds for order in orders_of(case.id, orders)]
        for case in cases
    ]
    made = [[judge.form.key(*ask) for ask in each] for each in asked]
    keys = [key for each in made for key in each]
    replies = journal.replies(keys)
    failed = journal.failures([key for key in keys if key not in replies])
    for asks, named in zip(asked, made, strict=True):
        yield [
            _said(ask, replies.get(key), failed.get(key, outcome.NOT_ASKED), judge.form)
            for ask, key in zip(asks, named, strict=True)
        ]


def _said(ask: Ask, replies: Sequence[Reply] | None, failed: str, form: Form) -> Heard:
    if not replies:
        return ask, Said(ask.order, "none", failed), None
    fence, mode = form.fence(*ask), form.style.mode
    readings = [read(reply, mode, form.question, ask.case, fence) for reply in replies]
    best = next((n for n, each in enumerate(readings) if each.winner), len(readings) - 1)
    reply = replies[best]
    return ask, oriented(readings[best], ask.order, reply.margin), reply


def decide(part: pl.DataFrame, judges: Sequence[Judge], ruling: Ruling, journal: Journal) -> Ruled:
    """Decide each comparison of a part.

    Args:
        part: comparisons with their texts.
        judges: who was asked.
        ruling: what makes a verdict a pair.
        journal: holds the replies.
    """
    cases = cases_of(part)
    labels = [_labels(said, turned=t) for said, t in part.select("said", "turned").iter_rows()]
    marks = zip(*(_marks(part[f"response_{side}"]) for side in "ab"), strict=True)
    outcomes: list[dict[str, Outcome]] = [{} for _ in cases]
    calls: list[dict[str, object]] = []
    result = Result(alone={judge.name: Counts() for judge in judges})
    rounds = (0, 1) if ruling.flips == "ask-again" else (0,)
    for judge in judges:
        counts = result.alone[judge.name]
        found = collected(cases, judge, journal, ruling.orders, rounds)
        for at, heard in enumerate(found):
            outcomes[at][judge.name] = said = outcome_of(heard, ruling)
            calls += [_call(judge, ask, each, reply) for ask, each, reply in heard if reply]
            counts.note(said.winner, said.cause, labels[at])
            counts.slots.update(_slots(heard))
    decisions = [
        _decision(by_judge, said, marked, ruling)
        for by_judge, said, marked in zip(outcomes, labels, marks, strict=True)
    ]
    for each, by_judge, label in zip(decisions, outcomes, labels, strict=True):
        result.together.note(each.winner, each.cause, label)
        result.flagged += any(each.marks)
        result.pending += any(one.cause == outcome.NOT_ASKED for one in by_judge.values())
    return Ruled(decisions, calls, result)


def settled(part: pl.DataFrame, decisions: Sequence[Decision]) -> pl.DataFrame:
    """What a ranking must know of the comparisons of a part: the columns of `SETTLED`."""
    rows = [
        (each.winner, each.reason, *map(bool, each.marks), *(each.on_veto or (None, None)))
        for each in decisions
    ]
    names = ("winner", "reason", "flagged_a", "flagged_b", "veto_a", "veto_b")
    told = pl.DataFrame(rows, {name: SETTLED[name] for name in names}, orient="row")
    rest = [name for name in SETTLED if name not in names]
    return pl.concat([part.select(rest), told], how="horizontal").cast(SETTLED)


def outcome_of(heard: Sequence[Heard], ruling: Ruling) -> Outcome:
    """What one judge says of a comparison; a flip may be a tie, or what the next round says."""
    rounds: dict[int, list[Said]] = {}
    for ask, each, _ in heard:
        rounds.setdefault(ask.again, []).append(each)
    found = combined(rounds[0])
    if found.cause == outcome.FLIP and ruling.flips == "ask-again":
        again = combined(rounds[1])
        found = again if again.cause != outcome.NOT_ASKED else found
    if found.cause == outcome.FLIP and ruling.flips == "tie":
        return found._replace(winner="tie", cause="")
    return found


def _slots(heard: Sequence[Heard]) -> Iterator[str]:
    """The slot that won, of each call with a winner."""
    for ask, each, _ in heard:
        if each.winner in ("a", "b"):
            yield "first" if each.winner == ask.order[0] else "second"


def _labels(said: Sequence[Label], *, turned: bool) -> list[Label]:
    """What the rows themselves said of a comparison, in terms of its a and b."""
    other = {"a": "b", "b": "a"} if turned else {}
    return [{**each, "winner": other.get(each["winner"], each["winner"])} for each in said]


def _marks(texts: pl.Series) -> list[list[str]]:
    found: list[list[str]] = flags(texts_of(texts)).to_list()
    return found


def _decision(
    by_judge: Mapping[str, Outcome],
    labels: Sequence[Label],
    marks: tuple[Sequence[str], Sequence[str]],
    ruling: Ruling,
) -> Decision:
    """Decide a comparison by what its judges say."""
    winner, cause = jury(by_judge, ruling.weights)
    verdicts = [_labelled(each) for each in labels]
    verdicts += [_verdict(name, each) for name, each in by_judge.items()]
    cast = [each for each in by_judge.values() if each.winner != "none"]
    on_veto = _scores_on(cast, ruling.veto) if ruling.veto else None
    known = Decision(winner, reasons.KEPT, verdicts=verdicts, marks=marks, on_veto=on_veto)
    if winner in ("none", "tie"):
        reason = reasons.TIE if winner == "tie" else OF_CAUSE.get(cause, reasons.NO_WINNER)
        return known._replace(reason=reason, detail=_detail(reason, cause), cause=cause)
    side = 0 if winner == "a" else 1
    found = _with_figures(known, cast, side)
    if on_veto and on_veto[side] < on_veto[1 - side]:
        return found._replace(winner="none", reason=reasons.VETO, cause=reasons.VETO)
    if ruling.drop_flagged and marks[side]:
        said, why = ", ".join(marks[side]), reasons.INJECTION
        return found._replace(winner="none", reason=why, detail=said, cause=why)
    return found


def _with_figures(decision: Decision, cast: Sequence[Outcome], side: int) -> Decision:
    """Add what the judges that gave a verdict scored, how sure they were, how many agree."""
    means = [mean for mean in map(_overall, cast) if mean is not None]
    margins = [each.margin for each in cast if each.margin is not None]
    return decision._replace(
        chosen=fmean(mean[side] for mean in means) if means else None,
        rejected=fmean(mean[1 - side] for mean in means) if means else None,
        margin=fmean(margins) * (1 - 2 * side) if margins else None,
        votes=len(cast),
        agreement=sum(each.winner == decision.winner for each in cast) / len(cast),
    )


def _detail(reason: str, cause: str) -> str:
    """The cause, where it says more than the reason."""
    return cause if reason == reasons.NO_WINNER else ""


def _scores_on(cast: Sequence[Outcome], criterion: str) -> tuple[float, float] | None:
    """The mean scores of a and b on a criterion, over all judges; None where none gave any."""
    scores = [each.scores[criterion] for each in cast if criterion in each.scores]
    return (fmean(a for a, _ in scores), fmean(b for _, b in scores)) if scores else None


def _overall(said: Outcome) -> tuple[float, float] | None:
    if not said.scores:
        return None
    a, b = zip(*said.scores.values(), strict=True)
    return fmean(a), fmean(b)


def _labelled(label: Label) -> dict[str, object]:
    """A verdict that came with the source."""
    empty = dict.fromkeys(("annotator_kind", "scores", "cause", "evidence"))
    return {
        **empty,
        **label,
        "strength": None if label["strength"] is None else abs(label["strength"]),
    }


def _verdict(judge: str, said: Outcome) -> dict[str, object]:
    scores = [{"dimension": name, "a": a, "b": b} for name, (a, b) in said.scores.items()]
    return {
        "winner": said.winner,
        "annotator": judge,
        "annotator_kind": "model",
        "strength": None if said.margin is None else abs(said.margin),
        "scores": scores or None,
        "cause": said.cause or None,
        "evidence": said.reasoning or None,
    }


def _call(judge: Judge, ask: Ask, said: Said, reply: Reply) -> dict[str, object]:
    return {
        "comparison": ask.case.id,
        "judge": judge.name,
        "order": ask.order,
        "round": ask.again,
        "winner": said.winner,
        "cause": said.cause or None,
        "margin": said.margin,
        "model": reply.model,
        "fingerprint": reply.fingerprint,
        "prompt_tokens": reply.usage.prompt,
        "completion_tokens": reply.usage.completion,
        "cached_tokens": reply.usage.cached,
        "reasoning_tokens": reply.usage.reasoning,
        "reply": reply.refusal or reply.text,
    }
