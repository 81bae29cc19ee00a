"""The second half of a conversion with ratings: stored records to pairs in Parquet.

The two texts of a pair may be anywhere in the sources, so all texts are stored by bucket of
prompts, and each bucket is processed by itself.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import polars as pl

from prefdata.conversion.pair_bucket import (
    bucket_overlap,
    bucket_records,
    keep_splits,
    pair_kept,
    source_limits,
)
from prefdata.conversion.plan import ConvertPlan, ConvertTotals
from prefdata.io.dataset.dataset_writer import first_row, number_shards, write_parquet
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.store.record_store import RecordStore
from prefdata.records.splits import SPLITS
from prefdata.transforms.accounting import Account
from prefdata.transforms.overlap import Overlap
from prefdata.transforms.pair_texts import with_texts
from prefdata.transforms.raters import RaterSums, rater_sums
from prefdata.transforms.row_outcomes import as_rejects, best_by_row, rejected_rows
from prefdata.transforms.split import by_split

Result = TypeVar("Result")

WORKERS = min(4, os.cpu_count() or 1)


class BucketResult(NamedTuple):
    """Rows without texts, what became of the records, the rejects, and what the bucket shows."""

    rows: pl.DataFrame
    outcomes: pl.DataFrame
    rejects: pl.DataFrame
    overlap: Overlap
    raters: dict[tuple[int, str], RaterSums]
    example: dict[str, object]


def write_bucketed(
    folder: Path,
    plan: ConvertPlan,
    totals: ConvertTotals,
    *,
    store: RecordStore,
    row_log: RowLog,
    account: Account,
    progress: Callable[[int, int], None],
) -> None:
    """Write the data set's files.

    Buckets are processed and compressed in parallel, and counted in their order.

    Args:
        folder: the data set directory that is being written.
        plan: what to do.
        totals: counts what is written.
        store: the records with their texts.
        row_log: logs what becomes of every row.
        account: counts what becomes of every row.
        progress: called with the number of buckets that are done, and of all.
    """
    (folder / "data").mkdir()
    plan = replace(plan, limits=source_limits(plan, store, in_order))
    # Rows that answer several prompts are in several buckets: they are settled at the end.
    multi_prompt = pl.col("source").is_in(
        [number for number, each in enumerate(plan.sources) if each.detection.match.multi_prompt]
    )
    late: list[pl.DataFrame] = []

    def work(number: int) -> BucketResult:
        return _write_bucket(number, folder / "data", store, plan)

    for number, bucket in enumerate(in_order(work, len(store.buckets))):
        row_log.add(bucket.outcomes, bucket.rejects)
        account.settle(best_by_row(bucket.outcomes.filter(~multi_prompt)))
        late.append(best_by_row(bucket.outcomes.filter(multi_prompt)))
        totals.count(bucket.rows)
        totals.add_overlap(bucket.overlap)
        totals.add_raters(bucket.raters)
        totals.example = totals.example or bucket.example
        progress(number + 1, len(store.buckets))
    account.settle(best_by_row(pl.concat(late)))
    totals.note_raters([each.detection.match.column("annotator") for each in plan.sources])
    for split in SPLITS:
        number_shards(folder / "data", split)


def _write_bucket(number: int, folder: Path, store: RecordStore, plan: ConvertPlan) -> BucketResult:
    records = bucket_records(store, number)
    overlap = bucket_overlap(plan, records)
    records, left_out = keep_splits(plan, records)
    result = pair_kept(plan, records, left_out)
    example: dict[str, object] = {}
    for split, rows in by_split(result.rows).items():
        if rows.height:
            part = with_texts(rows, records.ratings, records.comparisons, plan.keep)
            write_parquet(part, folder / f"{split}-{number:06d}.parquet", plan.schema)
            example = example or first_row(part, plan.schema.names)
    rejected = rejected_rows(result.outcomes)
    raw = records.comparisons.unique(["source", "row"], keep="first").select(
        "source",
        "row",
        pl.struct("prompt", "a", "b", "winner", "annotator").struct.json_encode().alias("raw"),
    )
    rejected = rejected.join(raw, on=["source", "row"], how="left", maintain_order="left")
    rejects = as_rejects(rejected.drop("raw"), rejected["raw"])
    overlap = bucket_overlap(plan, records)
    raters = rater_sums(records.ratings)
    return BucketResult(result.rows, result.outcomes, rejects, overlap, raters, example)


def in_order(work: Callable[[int], Result], count: int) -> Iterator[Result]:
    """Results in order, with no more in memory than there are workers."""
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque[Future[Result]] = deque()
        for number in range(count):
            waiting.append(pool.submit(work, number))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
