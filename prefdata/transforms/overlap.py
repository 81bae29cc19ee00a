"""Prompts that sources share, the pairs that they share, and those that contradict each other."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from prefdata.transforms import make_pairs, strategies
from prefdata.transforms.filter_columns import of_answers, refusal
from prefdata.transforms.filters import needed_columns
from prefdata.transforms.options import Options

PLACE = ("prompt_id", "source")

AT_ONCE = 2_000_000
"""Matches of two sources on one prompt or pair that are in memory at a time."""


class SharedCounts(NamedTuple):
    """What two sources have in common.

    Attributes:
        prompts: prompts that both have.
        pairs: pairs, or labelled answers, that each of them gives by itself.
        contradictions: pairs that the other gives the other way round.
    """

    prompts: int = 0
    pairs: int = 0
    contradictions: int = 0

    def plus(self, other: SharedCounts) -> SharedCounts:
        """The sum of both."""
        return SharedCounts(*(a + b for a, b in zip(self, other, strict=True)))


Overlap = dict[tuple[int, int], SharedCounts]
"""Two sources, in their order, and what they have in common."""


def pair_overlap(ratings: pl.DataFrame, comparisons: pl.DataFrame, options: Options) -> Overlap:
    """Count what sources have in common among the records of some prompts.

    Args:
        ratings: as in `prefdata.transforms.make_pairs.make_pairs`.
        comparisons: the same.
        options: how pairs are made of each source by itself.
    """
    shared = _shared_prompts(pl.concat([ratings.select(PLACE), comparisons.select(PLACE)]))
    if not shared.height:
        return {}
    separate = shared.with_row_index("separate_id").cast({"separate_id": pl.UInt128})
    if options.strategy == "best-random":
        ratings = ratings.with_columns(strategies.random_number(options.seed))
    ratings = ratings.join(separate, on=PLACE, maintain_order="left").with_columns(
        pl.when(pl.col("scope") == pl.col("prompt_id"))
        .then("separate_id")
        .otherwise("scope")
        .alias("scope")
    )
    comparisons = comparisons.join(separate, on=PLACE, maintain_order="left")
    pairs = make_pairs.pair_ids(_as_prompts(ratings), _as_prompts(comparisons), options)
    first = pl.col("chosen_id") < pl.col("rejected_id")
    sides = pairs.rename({"prompt_id": "separate_id"}).select(
        "separate_id",
        pl.when(first).then("chosen_id").otherwise("rejected_id").alias("low"),
        pl.when(first).then("rejected_id").otherwise("chosen_id").alias("high"),
        first.alias("side"),
    )
    sides = sides.join(separate, on="separate_id")
    return _count_overlap(shared, sides, ["prompt_id", "low", "high"])


def _as_prompts(records: pl.DataFrame) -> pl.DataFrame:
    """Make the prompt of each source a prompt of its own, so that all are paired in one go."""
    return records.with_columns(pl.col("separate_id").alias("prompt_id")).drop("separate_id")


def label_overlap(records: pl.DataFrame, options: Options) -> Overlap:
    """Count the same of labelled answers, each with the label that most rows of a source give it.

    Args:
        records: as in `prefdata.transforms.make_unpaired.make_unpaired`.
        options: which filters there are.
    """
    shared = _shared_prompts(records.select("prompt_id", "source"))
    if not shared.height:
        return {}
    if options.filters:
        records = records.with_columns(of_answers(needed_columns(options.filters)))
        records = records.filter(refusal(options.filters).is_null())
    key = ["source", "prompt_id", "response_id"]
    good = pl.col("label").mean()
    sides = records.group_by(key).agg(pl.when(good != 0.5).then(good > 0.5).alias("side"))
    return _count_overlap(shared, sides.drop_nulls("side"), ["prompt_id", "response_id"])


def _shared_prompts(places: pl.DataFrame) -> pl.DataFrame:
    """Each prompt that several sources have, with each of them."""
    once = places.unique()
    return once.filter(pl.col("prompt_id").is_duplicated())


def _count_overlap(shared: pl.DataFrame, sides: pl.DataFrame, key: list[str]) -> Overlap:
    prompts = _count_in_both(shared, ["prompt_id"], pl.len().alias("prompts"))
    overlap = {(one, other): SharedCounts(count) for one, other, count in prompts.rows()}
    same = pl.col("side") == pl.col("side_right")
    both = _count_in_both(
        sides, key, same.sum().alias("pairs"), (~same).sum().alias("contradictions")
    )
    for one, other, pairs, contradictions in both.rows():
        overlap[one, other] = overlap[one, other].plus(SharedCounts(0, pairs, contradictions))
    return overlap


def _count_in_both(frame: pl.DataFrame, key: list[str], *counts: pl.Expr) -> pl.DataFrame:
    """Count, for each two sources, what both have; a part of the keys at a time.

    Where all sources have the same keys, there are as many matches as rows times sources.
    """
    matches = int((frame.group_by(key).len()["len"].cast(pl.UInt64) ** 2).sum())
    part = pl.struct(key).hash() % (matches // AT_ONCE + 1)
    two = ["source", "source_right"]
    counted = [
        each.join(each, on=key)
        .filter(pl.col("source") < pl.col("source_right"))
        .group_by(two)
        .agg(*counts)
        for each in frame.with_columns(part.alias("part")).partition_by("part", include_key=False)
    ]
    return pl.concat(counted).group_by(two).sum() if counted else pl.DataFrame()
