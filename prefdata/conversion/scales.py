"""The scales on which scores are: per annotator, per dimension, and by a column that names them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from prefdata.conversion.survey import raw_column
from prefdata.formats.base import Match
from prefdata.records.notes import Note

MOST_RATERS = 10_000
"""Annotators whose scales are kept: with more, those who come later are left out."""

ENOUGH = 20
"""Scores from which on an annotator has shown how far their scale goes."""

WIDER = 1.8
"""How many times larger the largest score of one annotator is on another scale."""

MOST_NAMED = 3


@dataclass
class Scale:
    """What an annotator's scores have shown of their scale.

    Attributes:
        low: the smallest score.
        high: the largest score.
        rows: how many scores.
        fine: how many of them lie between 0 and 1 and are no half.
        broken: how many of them lie above 1 and are no whole number.
    """

    low: float
    high: float
    rows: int
    fine: int
    broken: int

    def plus(self, other: Scale) -> Scale:
        """The scale that two pieces show together."""
        return Scale(
            min(self.low, other.low),
            max(self.high, other.high),
            self.rows + other.rows,
            self.fine + other.fine,
            self.broken + other.broken,
        )

    @property
    def is_share(self) -> bool:
        """Whether it is one from 0 to 1."""
        return self.fine > 0 and self.low >= 0 and self.high <= 1

    def is_wider(self, other: Scale) -> bool:
        """Whether it is plainly another scale than that of ``other``, and a wider one."""
        if other.is_share:
            return self.high >= 2 and not self.fine
        shown = min(self.rows, other.rows) >= ENOUGH
        return shown and other.high > 1 and self.high >= WIDER * other.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


class Scales:
    """The scales of the scores of one source, from its pieces.

    Args:
        match: which columns hold the scores, the annotators and the scale.
    """

    def __init__(self, match: Match) -> None:
        self.match = match
        self._scales: dict[tuple[str, str], Scale] = {}
        self._named: Counter[str] = Counter()
        self._column = match.column("score") or match.column("scores")

    def add(self, frame: pl.DataFrame, records: pl.DataFrame) -> None:
        """Look at a piece: its raw columns, and the ratings in it."""
        if self.match.settled or not self._column:
            return
        if column := self.match.column("scale"):
            for value, count in raw_column(frame, column).drop_nulls().value_counts().iter_rows():
                self._named[f"{value:g}" if isinstance(value, float) else str(value)] += count
        score = pl.col("score")
        shown = (
            records.lazy()
            .group_by("dimension", "annotator")
            .agg(
                score.min().alias("low"),
                score.max().alias("high"),
                score.count().alias("rows"),
                ((score > 0) & (score < 1) & (score != 0.5)).sum().alias("fine"),
                ((score > 1) & (score != score.floor())).sum().alias("broken"),
            )
        )
        for dimension, annotator, *numbers in shown.collect().drop_nulls("low").iter_rows():
            key = dimension or "", annotator or ""
            scale = Scale(*numbers)
            there = self._scales.get(key)
            if there or len(self._scales) < MOST_RATERS:
                self._scales[key] = there.plus(scale) if there else scale

    def notes(self) -> tuple[Note, ...]:
        """What is worth knowing of the scales."""
        by_dimension: dict[str, dict[str, Scale]] = defaultdict(dict)
        for (dimension, annotator), scale in sorted(self._scales.items()):
            by_dimension[dimension][annotator] = scale
        notes = [note for each in by_dimension.values() for note in self._of_raters(each)]
        return (*notes, *self._of_column())

    def _of_column(self) -> Iterable[Note]:
        """A note where a column names several scales."""
        if len(self._named) > 1:
            listed = self._named.most_common()
            shown = ", ".join(f"{value} ({count:,})" for value, count in listed[:MOST_NAMED])
            column = self.match.column("scale")
            text = f"scores on different scales are compared as they are: {shown}"
            yield Note(text, column, sum(count for _, count in listed[1:]))

    def _of_raters(self, scales: dict[str, Scale]) -> Iterable[Note]:
        """A note where annotators rate on scales of their own, or one column holds two scales."""
        column = self._column
        narrow = [n for n, s in scales.items() if any(o.is_wider(s) for o in scales.values())]
        wide = [n for n, s in scales.items() if any(s.is_wider(scales[o]) for o in narrow)]
        if narrow and "" not in scales:
            text = (
                "annotators rate on different scales, and their scores are compared as they are: "
                f"{_named(narrow, scales)}; {_named(wide, scales)}"
            )
            yield Note(text, column, sum(scales[name].rows for name in narrow))
        if (scale := scales.get("")) and scale.fine and scale.high >= 2 and not scale.broken:
            text = (
                "scores from 0 to 1 stand beside whole numbers above 1, as if they were on two "
                f"scales: {scale}"
            )
            yield Note(text, column, scale.fine)


def _named(names: Sequence[str], scales: dict[str, Scale]) -> str:
    """Annotators with their scales, a few of them by name."""
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(f"{name} {scales[name]}" for name in names[:MOST_NAMED]) + more
