"""From replies in the journal to what became of each comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal, NamedTuple

import polars as pl

from prefdata.judging.client.journal import Journal
from prefdata.judging.combine import combine_judges, combine_orders
from prefdata.judging.outcomes import FLIP, INJECTION, NOT_ASKED, TIE, VETO, A, B, Outcome, failed
from prefdata.judging.prompting.injection import flags, texts_of
from prefdata.judging.prompting.reply import Completion, JudgeReply, JudgeVerdict, parse_verdict
from prefdata.judging.prompting.request import (
    JudgeInput,
    JudgeRequest,
    Order,
    RequestBuilder,
    conversation,
)
from prefdata.judging.rank import DECIDED, Strategy
from prefdata.judging.totals import JudgeTotals, Label, VerdictCounts
from prefdata.schemas.verdicts import Winner
from prefdata.transforms.options import Options

Flips = Literal["tie", "drop", "ask-again"]
"""What to do where the verdict changes with the order."""


@dataclass
class Judge:
    """One judge as its replies are collected.

    Attributes:
        name: the model.
        builder: writes its requests.
    """

    name: str
    builder: RequestBuilder


@dataclass(frozen=True)
class VerdictPolicy:
    """What makes a verdict a pair.

    Attributes:
        flips: what to do where the verdict changes with the order.
        orders: the orders that each comparison is asked in, 1 or 2.
        veto: a criterion on which the winner must not be worse, or ``""``.
        drop_flagged: whether an answer that speaks to the judge may not win.
        weights: judge to the weight of its vote.
        strategy: of three or more responses to a prompt, which are paired: those that were
            compared, as the verdict has it (``"judged"``), or by their ranking.
        pairing: what becomes of the pairs: conflicts between judges, the least margin, the columns
            that are passed on, caps and shares of sources, the split. Its seed decides the draw of
            a tournament, too.
    """

    flips: Flips = "drop"
    orders: int = 2
    veto: str = ""
    drop_flagged: bool = True
    weights: Mapping[str, float] = field(default_factory=dict)
    strategy: Strategy = "judged"
    pairing: Options = field(default_factory=Options)


class JudgedPair(NamedTuple):
    """A pair that the verdicts on a comparison give.

    Attributes:
        winner: the chosen side.
        chosen: its mean score over criteria, orders and judges; None where it is not known, or
            where the scores contradict the verdict.
        rejected: that of the other side.
        margin: the mean log-probability of the winner less that of the other, where known.
        votes: judges that it rests on.
        agreement: the share of these that say the same.
        refusal: why it must not be a pair all the same.
    """

    winner: Winner
    chosen: float | None
    rejected: float | None
    margin: float | None
    votes: int
    agreement: float
    refusal: Outcome | None = None


class PairDecision(NamedTuple):
    """What became of a comparison.

    Attributes:
        outcome: how it ended; its reason says whether it gives a pair.
        detail: what else is to be said of the reason.
        pairs: the pair that it gives, or one for each side where conflicts are not resolved.
        verdicts: `prefdata.schemas.Verdict` records: one per label, and one per judge.
        flags: why a, and why b, is thought to speak to the judge.
        veto_scores: the mean scores of a and of b on the criterion with a veto.
    """

    outcome: Outcome
    detail: str
    pairs: Sequence[JudgedPair]
    verdicts: Sequence[Mapping[str, object]]
    flags: tuple[Sequence[str], Sequence[str]]
    veto_scores: tuple[float, float] | None

    @property
    def reason(self) -> str:
        """Why it gives no pair, one of `prefdata.records.reasons`; kept where it gives one."""
        return self.outcome.reason


class PartDecisions(NamedTuple):
    """What became of the comparisons of a part.

    Attributes:
        decisions: one per comparison.
        calls: the calls about all of them, as rows of ``calls/``.
        totals: how they ended.
    """

    decisions: list[PairDecision]
    calls: list[dict[str, object]]
    totals: JudgeTotals


def orders_of(comparison_id: str, orders: int) -> tuple[Order, ...]:
    """The orders that a comparison is asked in; of one, chance by its id says which.

    Example:
        >>> orders_of("0f", 2), orders_of("0f", 1), orders_of("10", 1)
        (('ab', 'ba'), ('ba',), ('ab',))
    """
    if orders == 2:
        return ("ab", "ba")
    return ("ba",) if int(comparison_id, 16) % 2 else ("ab",)


def judge_inputs(part: pl.DataFrame) -> list[JudgeInput]:
    """The comparisons of a part as a judge sees them."""
    tools = pl.col("tools_a") if "tools_a" in part.columns else pl.lit(None, pl.String)
    names = ("id", "prompt", "response_a", "response_b", "reference")
    rows = part.select(*names, tools.alias("tools")).iter_rows()
    return [
        JudgeInput(i, conversation(p, offered), conversation(a), conversation(b), reference or "")
        for i, p, a, b, reference, offered in rows
    ]


def collect_replies(
    comparisons: Sequence[JudgeInput],
    judge: Judge,
    journal: Journal,
    orders: int,
    rounds: Sequence[int],
) -> Iterator[list[JudgeReply]]:
    """The replies of a judge about each comparison, one for each order and round.

    Where there is none, the reply holds no completion, and its verdict says why.
    """
    requests = [
        [
            JudgeRequest(each, order, again)
            for again in rounds
            for order in orders_of(each.id, orders)
        ]
        for each in comparisons
    ]
    keys = [[judge.builder.key(request) for request in each] for each in requests]
    flat = [key for each in keys for key in each]
    completions = journal.completions(flat)
    failures = journal.failures([key for key in flat if key not in completions])
    for group, names in zip(requests, keys, strict=True):
        yield [
            _reply(request, completions.get(key, ()), failures.get(key), judge.builder)
            for request, key in zip(group, names, strict=True)
        ]


def _reply(
    request: JudgeRequest,
    completions: Sequence[Completion],
    failure: str | None,
    builder: RequestBuilder,
) -> JudgeReply:
    """The first completion that holds a verdict, or the last; why there is none, where none is."""
    reply = JudgeReply(request, JudgeVerdict(NOT_ASKED if failure is None else failed(failure)))
    for completion in completions:
        reply = JudgeReply(request, parse_verdict(completion, request, builder), completion)
        if reply.verdict.outcome.has_verdict:
            break
    return reply


def decide(
    part: pl.DataFrame, judges: Sequence[Judge], policy: VerdictPolicy, journal: Journal
) -> PartDecisions:
    """Decide each comparison of a part.

    Args:
        part: comparisons with their texts.
        judges: who was asked.
        policy: what makes a verdict a pair.
        journal: holds the replies.
    """
    comparisons = judge_inputs(part)
    labels = [_labels(rows, turned=t) for rows, t in part.select("labels", "turned").iter_rows()]
    marks = zip(*(_flags(part[f"response_{side}"]) for side in "ab"), strict=True)
    verdicts: list[dict[str, JudgeVerdict]] = [{} for _ in comparisons]
    calls: list[dict[str, object]] = []
    totals = JudgeTotals(by_judge={judge.name: VerdictCounts() for judge in judges})
    rounds = (0, 1) if policy.flips == "ask-again" else (0,)
    for judge in judges:
        counts = totals.by_judge[judge.name]
        by_comparison = collect_replies(comparisons, judge, journal, policy.orders, rounds)
        for number, replies in enumerate(by_comparison):
            verdicts[number][judge.name] = verdict = judge_verdict(replies, policy)
            calls += [_call(judge, each, each.completion) for each in replies if each.completion]
            counts.count(verdict.outcome, labels[number])
            counts.slots.update(_winning_slots(replies))
    decisions = [_decision(*each, policy) for each in zip(verdicts, labels, marks, strict=True)]
    for decision, by_judge, label in zip(decisions, verdicts, labels, strict=True):
        totals.jury.count(decision.outcome, label)
        totals.flagged += any(decision.flags)
        totals.pending += any(each.outcome == NOT_ASKED for each in by_judge.values())
    return PartDecisions(decisions, calls, totals)


def decided_frame(
    part: pl.DataFrame, decisions: Sequence[PairDecision], reasons: Sequence[str] = ()
) -> pl.DataFrame:
    """What a ranking must know of the comparisons of a part: the columns of `DECIDED`.

    Args:
        part: comparisons with their texts.
        decisions: what became of each.
        reasons: why each gave no pair in the end, where that is known.
    """
    rows = [
        (
            each.outcome.score,
            reason,
            *map(bool, each.flags),
            *(each.veto_scores or (None, None)),
        )
        for each, reason in zip(
            decisions, reasons or [each.reason for each in decisions], strict=True
        )
    ]
    names = ("score", "reason", "flagged_a", "flagged_b", "veto_a", "veto_b")
    frame = pl.DataFrame(rows, {name: DECIDED[name] for name in names}, orient="row")
    rest = [name for name in DECIDED if name not in names]
    return pl.concat([part.select(rest), frame], how="horizontal").cast(DECIDED)


def judge_verdict(replies: Sequence[JudgeReply], policy: VerdictPolicy) -> JudgeVerdict:
    """What one judge says of a comparison; a flip may be a tie, or what the next round says."""
    rounds: dict[int, list[JudgeReply]] = {}
    for reply in replies:
        rounds.setdefault(reply.request.again, []).append(reply)
    verdict = combine_orders(rounds[0])
    if verdict.outcome == FLIP and policy.flips == "ask-again":
        again = combine_orders(rounds[1])
        verdict = again if again.outcome != NOT_ASKED else verdict
    if verdict.outcome == FLIP and policy.flips == "tie":
        return verdict._replace(outcome=TIE)
    return verdict


def _winning_slots(replies: Sequence[JudgeReply]) -> Iterator[str]:
    """The slot that won, of each call with a winner."""
    for reply in replies:
        if reply.verdict.outcome.makes_pair:
            first = reply.verdict.outcome.winner == reply.request.order[0]
            yield "first" if first else "second"


def _labels(labels: Sequence[Label], *, turned: bool) -> list[Label]:
    """The verdicts that the rows themselves bring, in terms of the comparison's a and b."""
    other = {"a": "b", "b": "a"} if turned else {}
    return [{**each, "winner": other.get(each["winner"], each["winner"])} for each in labels]


def _flags(texts: pl.Series) -> list[list[str]]:
    marks: list[list[str]] = flags(texts_of(texts)).to_list()
    return marks


def _decision(
    verdicts: Mapping[str, JudgeVerdict],
    labels: Sequence[Label],
    marks: tuple[Sequence[str], Sequence[str]],
    policy: VerdictPolicy,
) -> PairDecision:
    """Decide a comparison by what its judges say."""
    outcome = combine_judges(verdicts, policy.weights)
    records = [_label_record(each) for each in labels]
    records += [_verdict_record(name, each) for name, each in verdicts.items()]
    votes = [each for each in verdicts.values() if each.outcome.has_verdict]
    veto_scores = _scores_on(votes, policy.veto) if policy.veto else None
    pairs = []
    for winner, voters in _winners(outcome, votes, policy):
        side = 0 if winner == A else 1
        refusal = None
        if veto_scores and veto_scores[side] < veto_scores[1 - side]:
            refusal = VETO
        elif policy.drop_flagged and marks[side]:
            refusal = INJECTION
        pairs.append(_judged_pair(winner, voters)._replace(refusal=refusal))
    refusal = next((pair.refusal for pair in pairs if pair.winner == outcome.winner), None)
    detail = outcome.detail
    if refusal == INJECTION:
        detail = ", ".join(marks[0 if outcome == A else 1])
    return PairDecision(refusal or outcome, detail, pairs, records, marks, veto_scores)


def _winners(
    outcome: Outcome, votes: Sequence[JudgeVerdict], policy: VerdictPolicy
) -> list[tuple[Outcome, Sequence[JudgeVerdict]]]:
    """The outcomes that become pairs, each with the votes that it rests on.

    The jury's, with all votes; or both sides, each with its own votes, where judges contradict each
    other and conflicts are left to the maker of pairs.
    """
    sides = {side: [each for each in votes if each.outcome == side] for side in (A, B)}
    if policy.pairing.conflicts != "majority" and all(sides.values()):
        return list(sides.items())
    return [(outcome, votes)] if outcome.makes_pair else []


def _judged_pair(winner: Outcome, votes: Sequence[JudgeVerdict]) -> JudgedPair:
    """What the judges that gave a verdict scored, how sure they were, how many agree."""
    side = 0 if winner == A else 1
    means = [mean for mean in map(_overall, votes) if mean is not None]
    margins = [each.margin for each in votes if each.margin is not None]
    chosen = fmean(mean[side] for mean in means) if means else None
    rejected = fmean(mean[1 - side] for mean in means) if means else None
    if chosen is None or rejected is None or chosen < rejected:
        chosen = rejected = None
    return JudgedPair(
        winner.winner,
        chosen,
        rejected,
        fmean(margins) * (1 - 2 * side) if margins else None,
        len(votes),
        sum(each.outcome == winner for each in votes) / len(votes),
    )


def _scores_on(votes: Sequence[JudgeVerdict], criterion: str) -> tuple[float, float] | None:
    """The mean scores of a and b on a criterion, over all judges; None where none gave any."""
    scores = [each.scores[criterion] for each in votes if criterion in each.scores]
    return (fmean(a for a, _ in scores), fmean(b for _, b in scores)) if scores else None


def _overall(verdict: JudgeVerdict) -> tuple[float, float] | None:
    if not verdict.scores:
        return None
    a, b = zip(*verdict.scores.values(), strict=True)
    return fmean(a), fmean(b)


def _label_record(label: Label) -> dict[str, object]:
    """A verdict that came with the source."""
    empty = dict.fromkeys(("annotator_kind", "scores", "cause", "evidence"))
    strength = None if label["strength"] is None else abs(label["strength"])
    return {**empty, **label, "strength": strength}


def _verdict_record(judge: str, verdict: JudgeVerdict) -> dict[str, object]:
    scores = [{"dimension": name, "a": a, "b": b} for name, (a, b) in verdict.scores.items()]
    return {
        "winner": verdict.outcome.winner,
        "annotator": judge,
        "annotator_kind": "model",
        "strength": None if verdict.margin is None else abs(verdict.margin),
        "scores": scores or None,
        "cause": verdict.outcome.cause or None,
        "evidence": verdict.reasoning or None,
    }


def _call(judge: Judge, reply: JudgeReply, completion: Completion) -> dict[str, object]:
    """A reply as a row of ``calls/``."""
    (comparison, order, again), verdict = reply.request, reply.verdict
    return {
        "comparison": comparison.id,
        "judge": judge.name,
        "order": order,
        "round": again,
        "winner": verdict.outcome.winner,
        "cause": verdict.outcome.cause or None,
        "margin": verdict.margin,
        "model": completion.model,
        "fingerprint": completion.fingerprint,
        "prompt_tokens": completion.usage.prompt,
        "completion_tokens": completion.usage.completion,
        "cached_tokens": completion.usage.cached,
        "reasoning_tokens": completion.usage.reasoning,
        "reply": completion.refusal or completion.text,
    }
