"""What sources have in common: prompts, the same pairs, and pairs that contradict each other."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from prefdata.transforms import make_pairs, strategies
from prefdata.transforms.options import Options

PLACE = ("prompt_id", "source")

AT_ONCE = 2_000_000
"""Meetings of two sources over one prompt or pair that are in memory at a time."""


class Common(NamedTuple):
    """What two sources have in common.

    Attributes:
        prompts: prompts that both have.
        pairs: pairs, or labelled answers, that each of them gives by itself.
        contradictions: pairs that the other gives the other way round.
    """

    prompts: int = 0
    pairs: int = 0
    contradictions: int = 0

    def plus(self, other: Common) -> Common:
        """What is in either."""
        return Common(*(a + b for a, b in zip(self, other, strict=True)))


Overlap = dict[tuple[int, int], Common]
"""Two sources, the one that was named first in the first place, and what they have in common."""


def of_pairs(ratings: pl.DataFrame, comparisons: pl.DataFrame, options: Options) -> Overlap:
    """What sources have in common among the records of some prompts.

    Args:
        ratings: as in `prefdata.transforms.make_pairs.pairs`.
        comparisons: the same.
        options: how pairs are made of each source by itself.
    """
    shared = _shared(pl.concat([ratings.select(PLACE), comparisons.select(PLACE)]))
    if not shared.height:
        return {}
    apart = shared.with_row_index("apart").cast({"apart": pl.UInt128})
    if options.strategy == "best-random":
        ratings = ratings.with_columns(strategies.chance(options.seed))
    ratings = ratings.join(apart, on=PLACE, maintain_order="left").with_columns(
        pl.when(pl.col("scope") == pl.col("prompt_id"))
        .then("apart")
        .otherwise("scope")
        .alias("scope")
    )
    comparisons = comparisons.join(apart, on=PLACE, maintain_order="left")
    found = make_pairs.preferences(_as_prompts(ratings), _as_prompts(comparisons), options)
    first = pl.col("chosen_id") < pl.col("rejected_id")
    said = found.rename({"prompt_id": "apart"}).select(
        "apart",
        pl.when(first).then("chosen_id").otherwise("rejected_id").alias("low"),
        pl.when(first).then("rejected_id").otherwise("chosen_id").alias("high"),
        first.alias("side"),
    )
    return _counted(shared, said.join(apart, on="apart"), ["prompt_id", "low", "high"])


def _as_prompts(records: pl.DataFrame) -> pl.DataFrame:
    """Let the prompt of each source be one by itself, so that all are settled in one go."""
    return records.with_columns(pl.col("apart").alias("prompt_id")).drop("apart")


def of_labels(records: pl.DataFrame) -> Overlap:
    """The same of labelled answers, each with what most labels of a source say of it.

    Args:
        records: as in `prefdata.transforms.make_unpaired.unpaired`.
    """
    shared = _shared(records.select("prompt_id", "source"))
    if not shared.height:
        return {}
    key = ["source", "prompt_id", "response_id"]
    good = pl.col("label").mean()
    said = records.group_by(key).agg(pl.when(good != 0.5).then(good > 0.5).alias("side"))
    return _counted(shared, said.drop_nulls("side"), ["prompt_id", "response_id"])


def _shared(places: pl.DataFrame) -> pl.DataFrame:
    """Each prompt that several sources have, with each of them."""
    once = places.unique()
    return once.filter(pl.col("prompt_id").is_duplicated())


def _counted(shared: pl.DataFrame, said: pl.DataFrame, key: list[str]) -> Overlap:
    two = _met(shared, ["prompt_id"], pl.len().alias("prompts"))
    found = {(one, other): Common(count) for one, other, count in two.rows()}
    same = pl.col("side") == pl.col("side_right")
    both = _met(said, key, same.sum().alias("pairs"), (~same).sum().alias("contradictions"))
    for one, other, pairs, contradictions in both.rows():
        found[one, other] = found[one, other].plus(Common(0, pairs, contradictions))
    return found


def _met(frame: pl.DataFrame, key: list[str], *counts: pl.Expr) -> pl.DataFrame:
    """Count, for each two sources, what both have; a part of the keys at a time.

    Where all sources have the same keys, the meetings are as many as their rows and the sources
    multiplied.
    """
    meetings = int((frame.group_by(key).len()["len"].cast(pl.UInt64) ** 2).sum())
    part = pl.struct(key).hash() % (meetings // AT_ONCE + 1)
    two = ["source", "source_right"]
    found = [
        each.join(each, on=key)
        .filter(pl.col("source") < pl.col("source_right"))
        .group_by(two)
        .agg(*counts)
        for each in frame.with_columns(part.alias("part")).partition_by("part", include_key=False)
    ]
    return pl.concat(found).group_by(two).sum() if found else pl.DataFrame()
