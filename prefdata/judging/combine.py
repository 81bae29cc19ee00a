"""From replies to one outcome: both orders of one judge, then several judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prefdata.judging.outcomes import DIVIDED, FLIP, NOT_ASKED, Outcome
from prefdata.judging.prompting.reply import JudgeReply, JudgeVerdict

EVEN = 1e-9
"""Weights of votes that differ by no more are the same."""


def combine_orders(replies: Sequence[JudgeReply]) -> JudgeVerdict:
    """Combine what one judge replied about a comparison in each order it was shown in.

    A verdict stands only where all orders agree on it; where one of them gave none, there is none.

    Example:
        >>> from prefdata.judging.outcomes import A, B
        >>> from prefdata.judging.prompting.request import JudgeInput, JudgeRequest
        >>> comparison = JudgeInput("", "2+2?", "4", "5")
        >>> one = JudgeReply(JudgeRequest(comparison, "ab"), JudgeVerdict(A))
        >>> other = JudgeReply(JudgeRequest(comparison, "ba"), JudgeVerdict(B))
        >>> combine_orders([one, other]).outcome.name
        'the verdict changes with the order'
    """
    verdicts = [reply.verdict for reply in replies]
    margins = [each.margin for each in verdicts if each.margin is not None]
    margin = sum(margins) / len(verdicts) if margins and len(margins) == len(verdicts) else None
    reasoning = "\n\n".join(
        f"[{reply.request.order[0]} first] {reply.verdict.reasoning}"
        for reply in replies
        if reply.verdict.reasoning
    )
    outcomes = {each.outcome for each in verdicts}
    if not all(outcome.has_verdict for outcome in outcomes) or not outcomes:
        first = (each.outcome for each in verdicts if not each.outcome.has_verdict)
        return JudgeVerdict(next(first, NOT_ASKED), {}, margin, reasoning)
    outcome = outcomes.pop() if len(outcomes) == 1 else FLIP
    return JudgeVerdict(outcome, _mean([each.scores for each in verdicts]), margin, reasoning)


def _mean(scores: Sequence[Mapping[str, tuple[float, float]]]) -> dict[str, tuple[float, float]]:
    names = [name for name in scores[0] if all(name in each for each in scores)]
    n = len(scores)
    return {
        name: (sum(s[name][0] for s in scores) / n, sum(s[name][1] for s in scores) / n)
        for name in names
    }


def combine_judges(verdicts: Mapping[str, JudgeVerdict], weights: Mapping[str, float]) -> Outcome:
    """Decide by the votes of several judges; a judge without a verdict abstains.

    Args:
        verdicts: judge to what it says.
        weights: judge to the weight of its vote; 1 where it is not named.

    Returns:
        The outcome with more weight than any other. Chance breaks no tie: where nothing has more,
        the judges are divided.

    Example:
        >>> from prefdata.judging.outcomes import A, B
        >>> verdicts = {"x": JudgeVerdict(A), "y": JudgeVerdict(B)}
        >>> combine_judges(verdicts, {}).name
        'the judges are divided'
        >>> combine_judges(verdicts, {"x": 2.0}).name
        'a'
    """
    outcomes = {name: each.outcome for name, each in verdicts.items()}
    votes: dict[Outcome, float] = {}
    for name, outcome in outcomes.items():
        if outcome.has_verdict:
            votes[outcome] = votes.get(outcome, 0.0) + weights.get(name, 1.0)
    if not votes:
        other = (outcome for outcome in outcomes.values() if outcome != FLIP)
        return next(other, FLIP if outcomes else NOT_ASKED)
    most = max(votes.values())
    leading = [outcome for outcome, weight in votes.items() if weight >= most - EVEN]
    return leading[0] if len(leading) == 1 and most > 0 else DIVIDED
