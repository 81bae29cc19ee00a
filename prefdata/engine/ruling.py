"""From replies in the journal to what became of each comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, NamedTuple

import polars as pl

from prefdata.engine.job import Written
from prefdata.formats import reasons
from prefdata.judge import outcome
from prefdata.judge.injection import flags, texts_of
from prefdata.judge.journal import Journal
from prefdata.judge.outcome import Outcome, Said, combined, jury, oriented
from prefdata.judge.reply import Reply, read
from prefdata.judge.request import Case, Form, Order, conversation
from prefdata.judge.runner import Ask

OF_CAUSE = {
    outcome.FLIP: reasons.FLIP,
    outcome.DIVIDED: reasons.DIVIDED,
    outcome.NOT_ASKED: reasons.NOT_JUDGED,
}


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
        test_size: the share of prompts in the test split.
        seed: of the split.
    """

    flips: outcome.Flips = "drop"
    orders: int = 2
    veto: str = ""
    drop_flagged: bool = True
    weights: Mapping[str, float] = field(default_factory=dict)
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
) -> Iterator[list[tuple[Ask, Said, Reply | None]]]:
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


def _said(
    ask: Ask, replies: Sequence[Reply] | None, failed: str, form: Form
) -> tuple[Ask, Said, Reply | None]:
    if not replies:
        return ask, Said(ask.order, "none", failed), None
    fence, mode = form.fence(*ask), form.style.mode
    readings = [read(reply, mode, form.question, ask.case, fence) for reply in replies]
    best = next((n for n, each in enumerate(readings) if each.winner), len(readings) - 1)
    reply = replies[best]
    return ask, oriented(readings[best], ask.order, reply.margin), reply


@dataclass
class Collected:
    """What a run came to.

    Attributes:
        made: the pairs that were written.
        together: what all judges came to.
        alone: what each of them came to.
        flagged: comparisons with an answer that speaks to the judge.
        pending: comparisons that were not judged to the end.
    """

    made: Written = field(default_factory=Written)
    together: Counts = field(default_factory=Counts)
    alone: dict[str, Counts] = field(default_factory=dict)
    flagged: int = 0
    pending: int = 0


class Decision(NamedTuple):
    """What became of a comparison.

    Attributes:
        winner: a, b, a tie, or none.
        reason: why it gave no pair, one of `prefdata.formats.reasons`; kept where it did.
        detail: what else is to be said of the reason.
        cause: why there is no winner.
        verdicts: one per judge.
        chosen: the mean score of the winner over criteria, orders and judges, where known.
        rejected: that of the other.
        margin: the mean log-probability, where known, for the winner.
        votes: judges that gave a verdict.
        agreement: the share of these that say the same.
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


def decide(
    part: pl.DataFrame,
    judges: Sequence[Judge],
    ruling: Ruling,
    journal: Journal,
    done: Collected,
) -> tuple[list[Decision], list[dict[str, object]]]:
    """Decide each comparison of a part.

    Args:
        part: comparisons with their texts.
        judges: who was asked.
        ruling: what makes a verdict a pair.
        journal: holds the replies.
        done: counts what comes of it.

    Returns:
        What became of each, and the calls about all of them, as rows of ``calls/``.
    """
    cases = cases_of(part)
    labels = [_label(said, turned=t) for said, t in part.select("said", "turned").iter_rows()]
    marks = list(zip(*(_marks(part[f"response_{side}"]) for side in "ab"), strict=True))
    outcomes: list[dict[str, Outcome]] = [{} for _ in cases]
    calls: list[dict[str, object]] = []
    rounds = (0, 1) if ruling.flips == "ask-again" else (0,)
    for judge in judges:
        counts = done.alone[judge.name]
        found = collected(cases, judge, journal, ruling.orders, rounds)
        for at, said in enumerate(found):
            outcomes[at][judge.name] = settled = outcome_of(said, ruling)
            calls += [_call(judge, ask, each, reply) for ask, each, reply in said if reply]
            _count(counts, settled.winner, settled.cause, labels[at])
            for ask, each, _ in said:
                if each.winner in ("a", "b"):
                    counts.slots["first" if each.winner == ask.order[0] else "second"] += 1
    decisions = []
    for at, by_judge in enumerate(outcomes):
        decision = _decision(by_judge, labels[at], marks[at], ruling)
        _count(done.together, decision.winner, decision.cause, labels[at])
        done.flagged += bool(marks[at][0] or marks[at][1])
        pending = {outcome.NOT_ASKED}
        done.pending += any(each.cause in pending for each in by_judge.values())
        decisions.append(decision)
    return decisions, calls


def outcome_of(said: Sequence[tuple[Ask, Said, Reply | None]], ruling: Ruling) -> Outcome:
    """What one judge says of a comparison; a flip may be a tie, or what the next round says."""
    rounds: dict[int, list[Said]] = {}
    for ask, each, _ in said:
        rounds.setdefault(ask.again, []).append(each)
    found = combined(rounds[0])
    if found.cause == outcome.FLIP and ruling.flips == "ask-again":
        again = combined(rounds[1])
        found = again if again.cause != outcome.NOT_ASKED else found
    if found.cause == outcome.FLIP and ruling.flips == "tie":
        return found._replace(winner="tie", cause="")
    return found


def _label(said: Sequence[Mapping[str, Any]], *, turned: bool) -> list[dict[str, Any]]:
    """What the rows themselves said of a comparison, in terms of its a and b."""
    other = {"a": "b", "b": "a"} if turned else {}
    return [{**each, "winner": other.get(each["winner"], each["winner"])} for each in said]


def _marks(texts: pl.Series) -> list[list[str]]:
    found: list[list[str]] = flags(texts_of(texts)).to_list()
    return found


def _count(counts: Counts, winner: str, cause: str, labels: Sequence[Mapping[str, Any]]) -> None:
    counts.outcomes[winner if winner != "none" else cause] += 1
    votes = Counter(each["winner"] for each in labels)
    if winner in ("a", "b") and votes["a"] != votes["b"]:
        counts.labelled += 1
        counts.agreed += votes[winner] > votes["b" if winner == "a" else "a"]


def _decision(
    by_judge: Mapping[str, Outcome],
    labels: Sequence[Mapping[str, Any]],
    marks: tuple[list[str], list[str]],
    ruling: Ruling,
) -> Decision:
    winner, cause = jury(by_judge, ruling.weights)
    verdicts = [_labelled(each) for each in labels]
    verdicts += [_verdict(name, each) for name, each in by_judge.items()]
    if winner in ("none", "tie"):
        reason = reasons.TIE if winner == "tie" else OF_CAUSE.get(cause, reasons.NO_WINNER)
        return Decision(winner, reason, _detail(reason, cause), cause, verdicts)
    cast = [each for each in by_judge.values() if each.winner != "none"]
    side = 0 if winner == "a" else 1
    means = [_overall(each) for each in cast]
    both = [mean for mean in means if mean is not None]
    margins = [each.margin for each in cast if each.margin is not None]
    decision = Decision(
        winner,
        reasons.KEPT,
        "",
        "",
        verdicts,
        fmean(mean[side] for mean in both) if both else None,
        fmean(mean[1 - side] for mean in both) if both else None,
        fmean(margins) * (1 - 2 * side) if margins else None,
        len(cast),
        sum(each.winner == winner for each in cast) / len(cast),
    )
    if ruling.veto and _loses(cast, ruling.veto, side):
        return decision._replace(winner="none", reason=reasons.VETO, cause=reasons.VETO)
    if ruling.drop_flagged and marks[side]:
        said = ", ".join(marks[side])
        why = reasons.INJECTION
        return decision._replace(winner="none", reason=why, detail=said, cause=why)
    return decision


def _detail(reason: str, cause: str) -> str:
    """The cause, where it says more than the reason."""
    return cause if reason == reasons.NO_WINNER else ""


def _loses(cast: Sequence[Outcome], criterion: str, side: int) -> bool:
    """Whether the winner scores lower than the other on a criterion, over all judges."""
    scores = [each.scores[criterion] for each in cast if criterion in each.scores]
    return sum(s[side] - s[1 - side] for s in scores) < 0


def _overall(said: Outcome) -> tuple[float, float] | None:
    if not said.scores:
        return None
    a, b = zip(*said.scores.values(), strict=True)
    return fmean(a), fmean(b)


def _labelled(label: Mapping[str, Any]) -> dict[str, object]:
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
