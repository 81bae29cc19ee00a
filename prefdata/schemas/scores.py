"""Scores of two responses on one dimension: overall, helpfulness, accuracy and so on."""

from __future__ import annotations

from typing import Annotated, Protocol, TypeVar

from pydantic import AfterValidator

from prefdata.schemas.record import Record


class SideScores(Record):
    """What both responses of a comparison scored on one dimension; more is better."""

    dimension: str = "overall"
    a: float
    b: float


class DimensionScores(Record):
    """What both responses of a pair scored on one dimension; more is better."""

    dimension: str
    chosen: float | None = None
    rejected: float | None = None


class _Scored(Protocol):
    @property
    def dimension(self) -> str: ...


Scored = TypeVar("Scored", bound=_Scored)


def _once(scores: list[Scored] | None) -> list[Scored] | None:
    names = [score.dimension for score in scores or ()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"the dimension {twice!r} stands twice")
    return scores


Once = AfterValidator(_once)
"""For a list of scores: no dimension stands twice."""

SideScoresList = Annotated[list[SideScores] | None, Once]
DimensionScoresList = Annotated[list[DimensionScores] | None, Once]
