"""The pairs of one bucket: the same for both ways of writing a data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from prefdata.conversion.plan import ConvertPlan
from prefdata.io.store.record_store import RecordStore
from prefdata.transforms import make_pairs, make_unpaired, mixing, overlap
from prefdata.transforms.make_pairs import PairResult
from prefdata.transforms.overlap import Overlap
from prefdata.transforms.split import hold_out, most_held_out


class BucketRecords(NamedTuple):
    """The records of one bucket."""

    ratings: pl.DataFrame
    comparisons: pl.DataFrame
    unpaired: pl.DataFrame


def bucket_records(store: RecordStore, number: int, *, drop: bool = True) -> BucketRecords:
    """The records of a bucket; ``drop`` removes them from the store."""
    return BucketRecords(
        store.get("ratings", number, drop=drop),
        store.get("comparisons", number, drop=drop),
        store.get("unpaired", number, drop=drop),
    )


def bucket_pairs(plan: ConvertPlan, records: BucketRecords) -> PairResult:
    """The pairs, or labelled answers, of a bucket, within the limits that the plan has by now."""
    return pair_kept(plan, *keep_splits(plan, records))


def pair_kept(
    plan: ConvertPlan, records: BucketRecords, left_out: Sequence[pl.DataFrame]
) -> PairResult:
    """As `bucket_pairs`, of what `keep_splits` returns: the indices of rows count its records."""
    if plan.kind == "unpaired":
        result = make_unpaired.make_unpaired(records.unpaired, plan.options)
    else:
        result = make_pairs.make_pairs(records.ratings, records.comparisons, plan.options)
    if left_out:
        result = result._replace(outcomes=pl.concat([result.outcomes, *left_out]))
    return mixing.apply_limits(result, plan.limits, plan.options.seed) if plan.limits else result


def keep_splits(
    plan: ConvertPlan, records: BucketRecords
) -> tuple[BucketRecords, list[pl.DataFrame]]:
    """The records that stay in the split that their source says, and the account of the others.

    Where rows are split anew, all of them stay, and say no split.
    """
    if not plan.splits.keeps:
        return BucketRecords(*(each.drop("split", strict=False) for each in records)), []
    records = BucketRecords(*map(plan.splits.of_records, records))
    ends = most_held_out(records) if plan.groups is None else plan.groups
    parts = [hold_out(each, ends, rated=each is records.ratings) for each in records]
    left_out = [outcomes for _, outcomes in parts if outcomes.height]
    return BucketRecords(*(frame for frame, _ in parts)), left_out


def bucket_overlap(plan: ConvertPlan, records: BucketRecords) -> Overlap:
    """What the sources have in common in a bucket."""
    if not plan.compares_sources:
        return {}
    if plan.kind == "unpaired":
        return overlap.label_overlap(records.unpaired, plan.options)
    return overlap.pair_overlap(records.ratings, records.comparisons, plan.options)


def source_limits(
    plan: ConvertPlan, store: RecordStore, in_order: Callable[..., Iterator[pl.DataFrame]]
) -> dict[int, int]:
    """The place at which the rows of each source end, by its cap or share.

    Takes 8 bytes of memory for each row of the data set.
    """
    parts = mixing.match_sources(plan.options, plan.names)
    if not (parts.caps or parts.mix):
        return {}

    def work(number: int) -> pl.DataFrame:
        rows = bucket_pairs(plan, bucket_records(store, number, drop=False)).rows
        return mixing.place_rows(rows, plan.options.seed)

    places: dict[int, list[np.ndarray]] = defaultdict(list)
    for placed in in_order(work, len(store.buckets)):
        for (source,), part in placed.partition_by("from_source", as_dict=True).items():
            places[int(str(source))].append(part["place"].to_numpy())
    by_source = {source: np.concatenate(arrays) for source, arrays in places.items()}
    return mixing.limits(by_source, parts, plan.options)
