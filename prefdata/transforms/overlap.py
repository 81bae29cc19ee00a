"""What sources have in common: prompts, the same pairs, and pairs that contradict each other."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from prefdata.transforms import bucket
from prefdata.transforms.options import Options


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
        ratings: as in `prefdata.transforms.bucket.pairs`.
        comparisons: the same.
        options: how pairs are made of each source by itself.
    """
    place = ("prompt_id", "source")
    shared = _shared(pl.concat([ratings.select(place), comparisons.select(place)]))
    if not shared.height:
        return {}
    prompts = shared["prompt_id"].unique().implode()
    said = []
    for source in shared["source"].unique().sort():
        mine = (pl.col("source") == source) & pl.col("prompt_id").is_in(prompts)
        found = bucket.preferences(ratings.filter(mine), comparisons.filter(mine), options)
        said.append(
            found.select(
                pl.lit(source, pl.UInt16).alias("source"),
                "prompt_id",
                pl.when(pl.col("chosen_id") < pl.col("rejected_id"))
                .then("chosen_id")
                .otherwise("rejected_id")
                .alias("low"),
                pl.when(pl.col("chosen_id") < pl.col("rejected_id"))
                .then("rejected_id")
                .otherwise("chosen_id")
                .alias("high"),
                (pl.col("chosen_id") < pl.col("rejected_id")).alias("side"),
            )
        )
    return _counted(shared, pl.concat(said), ["prompt_id", "low", "high"])


def of_labels(records: pl.DataFrame) -> Overlap:
    """The same of labelled answers, each with what most labels of a source say of it.

    Args:
        records: as in `prefdata.transforms.labels.unpaired`.
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
    found: Overlap = {}
    two = _joined(shared, ["prompt_id"])
    for one, other, count in two.group_by("source", "source_right").len().rows():
        found[one, other] = Common(count)
    both = _joined(said, key)
    same = pl.col("side") == pl.col("side_right")
    counts = both.group_by("source", "source_right").agg(
        same.sum().alias("pairs"), (~same).sum().alias("contradictions")
    )
    for one, other, pairs, contradictions in counts.rows():
        found[one, other] = found[one, other].plus(Common(0, pairs, contradictions))
    return found


def _joined(frame: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    return frame.join(frame, on=key).filter(pl.col("source") < pl.col("source_right"))
