"""How far the scores of each annotator go with those of the others on the same responses."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import NamedTuple

import polars as pl

AGAINST = -0.5
"""The correlation from which on downwards scores run against those of the others."""

ENOUGH = 8
"""Shared responses from which on a correlation says something."""

SLACK = 0.1
"""How much nearer to zero than the lowest correlation those are that are told beside it."""


class RaterSums(NamedTuple):
    """Sums over the responses that an annotator and others rated; x is theirs, y the others' mean.

    Attributes:
        n: how many responses.
        x: the sum of x.
        y: the sum of y.
        xx: the sum of the squares of x.
        yy: the sum of the squares of y.
        xy: the sum of the products.
    """

    n: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0

    def plus(self, other: RaterSums) -> RaterSums:
        """The sums over two sets of responses."""
        n, *sums = (one + two for one, two in zip(self, other, strict=True))
        return RaterSums(int(n), *sums)

    @property
    def correlation(self) -> float | None:
        """The correlation of an annotator with the others; None where either is always the same.

        Example:
            >>> RaterSums(2, 6, 6, 26, 26, 10).correlation
            -1.0
        """
        spread = (self.n * self.xx - self.x**2) * (self.n * self.yy - self.y**2)
        if spread <= 1e-9:
            return None
        return (self.n * self.xy - self.x * self.y) / sqrt(spread)


def rater_sums(ratings: pl.DataFrame) -> dict[tuple[int, str], RaterSums]:
    """The sums of each source and annotator over the responses that others rated too.

    Args:
        ratings: ``source``, ``scope``, ``response_id``, ``annotator`` and ``score``.
    """
    if ratings["annotator"].null_count() == ratings.height:
        return {}
    key = ("scope", "response_id")
    both = pl.col("scope") ^ pl.col("response_id")
    several = ratings.select("source", *key, "annotator", "score").filter(both.is_duplicated())
    if not several.height:
        return {}
    scores = several.lazy().drop_nulls().unique([*key, "annotator"], keep="first")
    total, count = pl.col("score").sum().over(key), pl.len().over(key)
    y = (total - pl.col("score")) / (count - 1)
    shared = scores.with_columns(y.alias("y"), count.alias("raters")).filter(pl.col("raters") > 1)
    x = pl.col("score")
    sums = shared.group_by("source", "annotator").agg(
        pl.len().alias("n"),
        x.sum().alias("x"),
        pl.col("y").sum(),
        (x * x).sum().alias("xx"),
        (pl.col("y") ** 2).sum().alias("yy"),
        (x * pl.col("y")).sum().alias("xy"),
    )
    return {
        (source, annotator): RaterSums(*numbers)
        for source, annotator, *numbers in sums.collect().iter_rows()
    }


def opposed_raters(
    sums: Mapping[tuple[int, str], RaterSums],
) -> dict[tuple[int, str], tuple[float, int]]:
    """The annotators whose scores run against the others', by source.

    One who is inverted draws the mean of the others down too; only the lowest are told.

    Returns:
        Source and annotator to the correlation, and over how many responses it is.
    """
    correlations = {
        who: (correlation, each.n)
        for who, each in sums.items()
        if each.n >= ENOUGH and (correlation := each.correlation) is not None
    }
    against = {who: each for who, each in correlations.items() if each[0] <= AGAINST}
    lowest = {
        source: min(each[0] for (of, _), each in against.items() if of == source)
        for source, _ in against
    }
    return {who: each for who, each in sorted(against.items()) if each[0] <= lowest[who[0]] + SLACK}
