"""How a judged comparison can end: one entry for each way, from which everything else follows.

An entry says how a judge names the outcome, what the verdict record holds, whether it makes a pair,
what it is worth in a ranking, and the reason and the remedy that a row gets which gave no pair. The
menu of a request, the parser, the counts of the report, the rankings and the rejects read it here;
the text of the prompt alone is written by hand.
"""

from __future__ import annotations

from typing import NamedTuple

from prefdata.records import reasons
from prefdata.schemas.verdicts import Winner
from prefdata.transforms import filters


class Outcome(NamedTuple):
    """One way in which a comparison can end.

    Attributes:
        name: what reports count it as; also the cause in the records, unless it is the winner.
        winner: the winner of the verdict record; ``"none"`` where there is no verdict.
        score: what it is worth to response a, from 0 to 1; None where it says nothing.
        reason: why it gives no pair, or `prefdata.records.reasons.KEPT` where it gives one.
        remedy: what to do about it, where the table of reasons does not know the reason.
        slot: the name under which a prompt file declares the judge's word for it; ``""`` where a
            judge cannot say it.
        word: the judge's word for it in the built-in prompt.
        retry: whether the same request, sent again, may end better.
    """

    name: str
    winner: Winner = "none"
    score: float | None = None
    reason: str = reasons.NO_WINNER
    remedy: str = ""
    slot: str = ""
    word: str = ""
    retry: bool = False

    @property
    def makes_pair(self) -> bool:
        """Whether one of the two responses is chosen, and the other rejected."""
        return self.reason == reasons.KEPT

    @property
    def has_verdict(self) -> bool:
        """Whether it is a verdict: a, b or some kind of tie."""
        return self.winner != "none"

    @property
    def cause(self) -> str:
        """What the records hold as its cause; ``""`` where the winner says it all."""
        return "" if self.name == self.winner else self.name

    @property
    def detail(self) -> str:
        """What a rejected row says beside the reason: the cause, where it says more."""
        return self.cause if self.reason == reasons.NO_WINNER else ""

    def swapped(self) -> Outcome:
        """The outcome for the responses in the other order.

        Example:
            >>> A.swapped().name, TIE.swapped().name
            ('b', 'tie')
        """
        return {A: B, B: A}.get(self, self)


A = Outcome("a", "a", 1.0, reasons.KEPT, slot="first", word="1")
B = Outcome("b", "b", 0.0, reasons.KEPT, slot="second", word="2")
TIE = Outcome("tie", "tie", 0.5, reasons.TIE, slot="tie", word="tie")

FLIP = Outcome(reasons.FLIP, reason=reasons.FLIP)
DIVIDED = Outcome(reasons.DIVIDED, reason=reasons.DIVIDED)
VETO = Outcome(reasons.VETO, reason=reasons.VETO)
INJECTION = Outcome(reasons.INJECTION, reason=reasons.INJECTION)
NOT_ASKED = Outcome("it was not asked", reason=reasons.NOT_JUDGED)

EMPTY = Outcome("the reply is empty", retry=True)
CUT = Outcome("the reply was cut off by its length limit")
REFUSED = Outcome("the judge refused")
FILTERED = Outcome("the provider filtered the reply")
NOT_JSON = Outcome("the reply is not one JSON object", retry=True)
WRONG_SHAPE = Outcome("the reply has the wrong shape", retry=True)
OFF_MENU = Outcome("the verdict is not one of those on offer", retry=True)
BOTH_ANSWERS = Outcome("the reply names both answers", retry=True)
NO_LINE = Outcome("the last line holds no verdict", retry=True)
QUOTED = Outcome("the verdict stands in the material itself", retry=True)

OUTCOMES: dict[str, Outcome] = {
    each.name: each
    for each in (
        *(A, B, TIE, FLIP, DIVIDED, VETO, INJECTION, NOT_ASKED, EMPTY, CUT, REFUSED, FILTERED),
        *(NOT_JSON, WRONG_SHAPE, OFF_MENU, BOTH_ANSWERS, NO_LINE, QUOTED),
    )
}
"""Every outcome but failed requests, by its name."""

BY_SLOT = {each.slot: each for each in OUTCOMES.values() if each.slot}
"""The outcomes that a judge can say, by the name under which a prompt file declares the word."""

MENU = {slot: each.word for slot, each in BY_SLOT.items()}
"""The words of the built-in prompt, by the same name."""


def remedies() -> dict[str, str]:
    """The remedy of every reason that a row of a judging run can have."""
    own = {each.reason: each.remedy for each in OUTCOMES.values() if each.remedy}
    return {**filters.remedies(), **own}


def makes_pair(name: str) -> bool:
    """Whether the outcome of a name makes a pair; that of a failed request does not."""
    return name in OUTCOMES and OUTCOMES[name].makes_pair


def is_verdict(name: str) -> bool:
    """Whether the outcome of a name is a verdict; that of a failed request is none."""
    return name in OUTCOMES and OUTCOMES[name].has_verdict


def failed(message: str) -> Outcome:
    """The outcome of a request that failed: no verdict, for the reason in the message.

    Example:
        >>> failed("no connection to http://localhost:8000/v1").detail
        'no connection to http://localhost:8000/v1'
    """
    return Outcome(message)
