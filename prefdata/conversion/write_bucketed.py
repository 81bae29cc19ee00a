"""The second half of a conversion with ratings: records on disk to pairs in Parquet.

The two texts of a pair may stand anywhere in the sources, so all texts lie on disk by bucket of
prompts, and each bucket is worked out by itself.
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

from prefdata.conversion.pair_bucket import decided, ends, overlapping, records
from prefdata.conversion.plan import ConvertPlan, ConvertTotals, by_split
from prefdata.io.dataset.dataset_writer import first_row, number_shards, write_parquet
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.store.record_store import RecordStore
from prefdata.transforms.accounting import Account
from prefdata.transforms.overlap import Overlap
from prefdata.transforms.pair_texts import with_texts
from prefdata.transforms.row_outcomes import as_rejects, best_by_row, rejected_rows
from prefdata.transforms.split import SPLITS

Result = TypeVar("Result")

WORKERS = min(4, os.cpu_count() or 1)


class Made(NamedTuple):
    """What a bucket gives: rows without texts, the account of its records, and what was refused."""

    rows: pl.DataFrame
    outcomes: pl.DataFrame
    rejects: pl.DataFrame
    overlap: Overlap
    example: dict[str, object]


def assemble(
    folder: Path,
    job: ConvertPlan,
    result: ConvertTotals,
    *,
    store: RecordStore,
    row_log: RowLog,
    account: Account,
    spread: frozenset[int],
    progress: Callable[[int, int], None],
) -> None:
    """Write the data set's files.

    Buckets are worked out and compressed side by side, and taken up in their order.

    Args:
        folder: the data set directory that is being made.
        job: what to do.
        result: is told what was written.
        store: holds the records with their texts.
        row_log: takes the account of every row.
        account: is told what became of each row.
        spread: the sources whose rows answer several prompts, and so lie in several buckets.
        progress: is told how many buckets are done, of how many.
    """
    (folder / "data").mkdir()
    job = replace(job, ends=ends(job, store, in_order))
    late: list[pl.DataFrame] = []

    def work(number: int) -> Made:
        return _made(number, folder / "data", store, job)

    for number, made in enumerate(in_order(work, len(store.buckets))):
        row_log.add(made.outcomes, made.rejects)
        here = pl.col("source").is_in(sorted(spread))
        account.settle(best_by_row(made.outcomes.filter(~here)))
        late.append(best_by_row(made.outcomes.filter(here)))
        result.count(made.rows)
        result.compare(made.overlap)
        result.example = result.example or made.example
        progress(number + 1, len(store.buckets))
    account.settle(best_by_row(pl.concat(late)))
    for split in SPLITS:
        number_shards(folder / "data", split)


def _made(number: int, folder: Path, store: RecordStore, job: ConvertPlan) -> Made:
    held = records(store, number)
    made = decided(job, held)
    example: dict[str, object] = {}
    for split, rows in by_split(made.rows).items():
        if rows.height:
            part = with_texts(rows, held.ratings, held.comparisons, job.keep)
            write_parquet(part, folder / f"{split}-{number:06d}.parquet", job.schema)
            example = example or first_row(part, job.schema.names)
    gone = rejected_rows(made.outcomes)
    said = held.comparisons.unique(["source", "row"], keep="first").select(
        "source",
        "row",
        pl.struct("prompt", "a", "b", "winner", "annotator").struct.json_encode().alias("raw"),
    )
    gone = gone.join(said, on=["source", "row"], how="left", maintain_order="left")
    rejects = as_rejects(gone.drop("raw"), gone["raw"])
    return Made(made.rows, made.outcomes, rejects, overlapping(job, held), example)


def in_order(work: Callable[[int], Result], count: int) -> Iterator[Result]:
    """Results in order, with no more at hand than there are workers."""
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque[Future[Result]] = deque()
        for number in range(count):
            waiting.append(pool.submit(work, number))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
