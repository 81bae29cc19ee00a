"""What becomes of the records of one bucket: the same for both ways of writing a data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from prefdata.conversion.plan import ConvertPlan
from prefdata.io.store.record_store import RecordStore
from prefdata.transforms import make_pairs, make_unpaired, mixing, overlap
from prefdata.transforms.make_pairs import PairResult
from prefdata.transforms.overlap import Overlap


class Records(NamedTuple):
    """The records of one bucket."""

    ratings: pl.DataFrame
    comparisons: pl.DataFrame
    unpaired: pl.DataFrame


def records(store: RecordStore, number: int, *, drop: bool = True) -> Records:
    """Fetch the records of a bucket; ``drop`` removes them from the store."""
    return Records(
        store.get("ratings", number, drop=drop),
        store.get("comparisons", number, drop=drop),
        store.get("unpaired", number, drop=drop),
    )


def decided(job: ConvertPlan, held: Records) -> PairResult:
    """What the records of a bucket give, within the caps and shares that are known by now."""
    if job.kind == "unpaired":
        found = make_unpaired.make_unpaired(held.unpaired, job.options)
    else:
        found = make_pairs.make_pairs(held.ratings, held.comparisons, job.options)
    return mixing.apply_limits(found, job.ends, job.options.seed) if job.ends else found


def overlapping(job: ConvertPlan, held: Records) -> Overlap:
    """What the sources have in common in a bucket."""
    if not job.compares_sources:
        return {}
    if job.kind == "unpaired":
        return overlap.label_overlap(held.unpaired, job.options)
    return overlap.pair_overlap(held.ratings, held.comparisons, job.options)


def ends(
    job: ConvertPlan, store: RecordStore, in_order: Callable[..., Iterator[pl.DataFrame]]
) -> dict[int, int]:
    """Where the rows of each source end, by its cap or share; nothing is written yet.

    It holds 8 bytes for each row of the data set.
    """
    wanted = mixing.match_sources(job.options, job.names)
    if not (wanted.caps or wanted.mix):
        return {}

    def work(number: int) -> pl.DataFrame:
        rows = decided(job, records(store, number, drop=False)).rows
        return mixing.place_rows(rows, job.options.seed)

    places: dict[int, list[np.ndarray]] = defaultdict(list)
    for placed in in_order(work, len(store.buckets)):
        for (source,), part in placed.partition_by("from_source", as_dict=True).items():
            places[int(str(source))].append(part["place"].to_numpy())
    whole = {source: np.concatenate(found) for source, found in places.items()}
    return mixing.limits(whole, wanted, job.options)
