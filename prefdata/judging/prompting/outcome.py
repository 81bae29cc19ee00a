"""From readings to an outcome: both orders of one judge, then several judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from prefdata.judging.prompting.reply import Reading
from prefdata.judging.prompting.request import Order

Winner = Literal["a", "b", "tie", "none"]
Flips = Literal["tie", "drop", "ask-again"]

FLIP = "the verdict changes with the order"
DIVIDED = "the judges are divided"
NOT_ASKED = "it was not asked"

SIDES: dict[Order, dict[str, Winner]] = {
    "ab": {"first": "a", "second": "b", "tie": "tie"},
    "ba": {"first": "b", "second": "a", "tie": "tie"},
}


class Said(NamedTuple):
    """What one call said, in terms of the comparison's own a and b.

    Attributes:
        order: which response was shown first.
        winner: the better response, a tie, or ``"none"``.
        cause: why there is no verdict, or ``""``.
        scores: criterion to the scores of a and b.
        margin: log-probability of a less that of b, where known.
        reasoning: the judge's words.
    """

    order: Order
    winner: Winner
    cause: str = ""
    scores: Mapping[str, tuple[float, float]] = {}
    margin: float | None = None
    reasoning: str = ""


class Outcome(NamedTuple):
    """What one judge says of a comparison, over both orders.

    Attributes:
        winner: a, b, a tie, or ``"none"``.
        cause: why there is no verdict: `FLIP`, or that of a reply; ``""`` otherwise.
        scores: criterion to the mean scores of a and b.
        margin: the mean log-probability of a less that of b.
        reasoning: the judge's words, of each order.
    """

    winner: Winner
    cause: str = ""
    scores: Mapping[str, tuple[float, float]] = {}
    margin: float | None = None
    reasoning: str = ""


def oriented(reading: Reading, order: Order, margin: float | None) -> Said:
    """Turn first and second back into a and b.

    Example:
        >>> oriented(Reading("first"), "ba", 0.5)[:2]
        ('ba', 'b')
    """
    swap = order == "ba"
    scores = {name: (s[1], s[0]) if swap else s for name, s in reading.scores.items()}
    signed = None if margin is None else -margin if swap else margin
    winner = SIDES[order][reading.winner] if reading.winner else "none"
    return Said(order, winner, reading.cause, scores, signed, reading.reasoning)


def combined(said: Sequence[Said]) -> Outcome:
    """Combine what one judge said of a comparison in each order it was shown in.

    A verdict stands only where all orders agree on it; where one of them gave none, there is none.

    Example:
        >>> combined([Said("ab", "a"), Said("ba", "b")]).cause
        'the verdict changes with the order'
    """
    margins = [each.margin for each in said if each.margin is not None]
    margin = sum(margins) / len(said) if margins and len(margins) == len(said) else None
    reasoning = "\n\n".join(
        f"[{each.order[0]} first] {each.reasoning}" for each in said if each.reasoning
    )
    winners = {each.winner for each in said}
    if not said or "none" in winners:
        cause = next((each.cause for each in said if each.winner == "none"), NOT_ASKED)
        return Outcome("none", cause, {}, margin, reasoning)
    scores = _mean([each.scores for each in said])
    if len(winners) > 1:
        return Outcome("none", FLIP, scores, margin, reasoning)
    return Outcome(winners.pop(), "", scores, margin, reasoning)


def _mean(scores: Sequence[Mapping[str, tuple[float, float]]]) -> dict[str, tuple[float, float]]:
    names = [name for name in scores[0] if all(name in each for each in scores)]
    n = len(scores)
    return {
        name: (sum(s[name][0] for s in scores) / n, sum(s[name][1] for s in scores) / n)
        for name in names
    }


def jury(outcomes: Mapping[str, Outcome], weights: Mapping[str, float]) -> tuple[Winner, str]:
    """Decide by the votes of several judges; a judge without a verdict abstains.

    Args:
        outcomes: judge to what it says.
        weights: judge to the weight of its vote; 1 where it is not named.

    Returns:
        The outcome with more weight than either other, and the cause where there is none. Chance
        breaks no tie: where nothing has more, the judges are divided.

    Example:
        >>> jury({"x": Outcome("a"), "y": Outcome("b")}, {})
        ('none', 'the judges are divided')
        >>> jury({"x": Outcome("a"), "y": Outcome("b")}, {"x": 2.0})
        ('a', '')
    """
    cast = {name: each for name, each in outcomes.items() if each.winner != "none"}
    if not cast:
        causes = [each.cause for each in outcomes.values()]
        return "none", FLIP if causes and all(c == FLIP for c in causes) else _first_other(causes)
    votes: dict[Winner, float] = {}
    for name, each in cast.items():
        votes[each.winner] = votes.get(each.winner, 0.0) + weights.get(name, 1.0)
    most = max(votes.values())
    leading = [winner for winner, weight in votes.items() if weight >= most - 1e-9]
    return (leading[0], "") if len(leading) == 1 and most > 0 else ("none", DIVIDED)


def _first_other(causes: Sequence[str]) -> str:
    return next((cause for cause in causes if cause != FLIP), NOT_ASKED)
