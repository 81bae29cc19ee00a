"""What one annotator, a person or a model, said of one comparison."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prefdata.schemas.record import Record
from prefdata.schemas.scores import SideScoresList

Winner = Literal["a", "b", "tie", "none"]
"""The better response, or a tie; ``"none"`` where the annotator gave no verdict."""

AnnotatorKind = Literal["person", "model"]

OTHER_SIDE: dict[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie", "none": "none"}


class Verdict(Record):
    """One annotator's verdict on one comparison.

    Example:
        >>> Verdict(winner="a", annotator="anna", annotator_kind="person").swapped().winner
        'b'
    """

    winner: Winner
    annotator: str | None = None
    """A person's pseudonym or the name of a judge model."""
    annotator_kind: AnnotatorKind | None = None
    strength: float | None = Field(default=None, ge=0)
    """How much better the winner is, on the scale of the source; 0 is not at all."""
    scores: SideScoresList = None
    cause: str | None = None
    """Why there is no verdict, where the winner is ``"none"``."""
    evidence: str | None = None
    """What the annotator gave as the reason, word for word."""

    def swapped(self) -> Verdict:
        """Give the verdict for the responses in the other order; the evidence stays as it is."""
        scores = self.scores
        if scores is not None:
            scores = [s.model_copy(update={"a": s.b, "b": s.a}) for s in scores]
        return self.model_copy(update={"winner": OTHER_SIDE[self.winner], "scores": scores})

    def score_of(self, side: Literal["a", "b"], *, dimension: str = "overall") -> float | None:
        """Give the score of one side on a dimension, or ``None`` where there is none."""
        scores = [score for score in self.scores or () if score.dimension == dimension]
        return getattr(scores[0], side) if scores else None

    @property
    def signed_strength(self) -> float | None:
        """The strength as seen from response a: negative where b is better."""
        sign = {"a": 1, "b": -1, "tie": 0, "none": None}[self.winner]
        return None if sign is None or self.strength is None else sign * self.strength
