"""Two columns that say the same thing, and how often they agree."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

How = Literal["winner", "sign", "label", "label and score", "score", "rank"]


@dataclass(frozen=True)
class Claim:
    """A column that says what another one says that is read.

    Attributes:
        field: the field.
        column: the column that is read as this field.
        other: the column that claims to say the same.
        how: how the two are compared: as ``"winner"`` or ``"label"`` word by word; by the
            ``"sign"`` of a strength; a ``"label and score"`` by whether one score parts good from
            bad; a ``"score"`` or a ``"rank"`` by the order of the answers to one prompt.
        settled: whether the user said which counts.
    """

    field: str
    column: str
    other: str
    how: How
    settled: bool = False


@dataclass(frozen=True)
class ClaimTally:
    """How often two columns agree, over the rows that were looked at.

    Attributes:
        agree: rows in which both are filled and say the same.
        differ: rows in which they say different things.
        turned: rows in which the sign of a strength is the other way round.
        lowest_good: the lowest score of an answer that the label calls good.
        highest_bad: the highest score of one that it calls bad.
        example: a row in which they differ, cut short.
    """

    agree: int = 0
    differ: int = 0
    turned: int = 0
    lowest_good: float = inf
    highest_bad: float = -inf
    example: str = ""

    @property
    def differing(self) -> int:
        """How many rows differ, whichever sign a strength has for the first answer."""
        overlap = int(self.lowest_good < self.highest_bad)
        return self.differ + min(self.agree, self.turned) + overlap

    @property
    def rows(self) -> int:
        """How many rows were compared."""
        return self.agree + self.differ + self.turned

    def plus(self, other: ClaimTally) -> ClaimTally:
        """The tally of the rows of both."""
        return ClaimTally(
            self.agree + other.agree,
            self.differ + other.differ,
            self.turned + other.turned,
            min(self.lowest_good, other.lowest_good),
            max(self.highest_bad, other.highest_bad),
            self.example or other.example,
        )
