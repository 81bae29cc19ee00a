"""The second half of a conversion without ratings: the sources are read again, and written out.

All texts of a pair are in one row of a source. So ids alone decide what becomes of each row, and
the texts go straight from the source to Parquet, in the order of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from prefdata.conversion.pair_bucket import (
    bucket_overlap,
    bucket_pairs,
    bucket_records,
    source_limits,
)
from prefdata.conversion.plan import ConvertPlan, ConvertTotals
from prefdata.conversion.read_records import read_records
from prefdata.conversion.write_bucketed import WORKERS, in_order
from prefdata.errors import InputError
from prefdata.io.dataset.dataset_writer import first_row
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.dataset.shard_writer import ShardWriter
from prefdata.io.readers.chunks import Chunk
from prefdata.io.store.record_store import DecisionStore, RecordStore
from prefdata.records.frames import stacked
from prefdata.records.splits import SPLITS
from prefdata.transforms.accounting import Account
from prefdata.transforms.make_pairs import PairResult
from prefdata.transforms.overlap import Overlap
from prefdata.transforms.row_outcomes import ROW_OUTCOMES, as_rejects, best_by_row, rejected_rows
from prefdata.transforms.split import by_split

MOST_ITEMS = 1 << 24
"""More records than one row can have."""


def write_streamed(
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

    Args:
        folder: the data set directory that is being written.
        plan: what to do; the sources are read a second time.
        totals: counts what is written.
        store: the records without their texts.
        row_log: logs what becomes of every row.
        account: counts what becomes of every row.
        progress: called with the number of rows that are written, and of all.

    Raises:
        InputError: a source changed while it was read.
    """
    (folder / "data").mkdir()
    pairs, rejects = (DecisionStore(store.folder / name, store.budget) for name in ("kept", "gone"))
    plan = replace(plan, limits=source_limits(plan, store, in_order))

    def work(number: int) -> tuple[PairResult, Overlap]:
        records = bucket_records(store, number)
        result = bucket_pairs(plan, records)
        pairs.put(result.rows, number)
        rejects.put(
            rejected_rows(result.outcomes).rename({"source": "of_source", "row": "of_row"}), number
        )
        return result, bucket_overlap(plan, records)

    for result, overlap in in_order(work, len(store.buckets)):
        row_log.add(result.outcomes, _no_rejects())
        account.settle(best_by_row(result.outcomes))
        totals.count(result.rows)
        totals.add_overlap(overlap)
    shards = ShardWriter(folder / "data", plan.schema, WORKERS)
    try:
        _write(shards, plan, (pairs, rejects), row_log, account, totals, progress)
        shards.close(SPLITS)
    except BaseException:
        shards.cancel()
        raise


def _write(
    shards: ShardWriter,
    plan: ConvertPlan,
    decisions: tuple[DecisionStore, DecisionStore],
    row_log: RowLog,
    account: Account,
    totals: ConvertTotals,
    progress: Callable[[int, int], None],
) -> None:
    """Read the sources again, and write the pairs and the rejects that were decided."""
    pairs, rejects = decisions
    done, total = 0, account.rows_read.total()
    for number, each in enumerate(plan.sources):
        before = done
        for chunk, records in read_records(each, number, plan.encoding, ids=False):
            first, end = done - before, done - before + chunk.rows
            parts = _with_texts(pairs.get(number, first, end), records, plan.keep)
            shards.add(parts)
            row_log.add(_no_entries(), _rejects(rejects.get(number, first, end), chunk))
            totals.example = totals.example or _example(parts, plan.schema.names)
            done += chunk.rows
            progress(done, total)
        if done - before != account.rows_read[number]:
            raise InputError(
                f"{each.source.name} changed while it was read: it had "
                f"{account.rows_read[number]:,} rows, then {done - before:,}",
                hint="Convert a copy of it, or wait until it is written.",
            )


def _with_texts(
    rows: pl.DataFrame, records: pl.DataFrame, keep: Collection[str]
) -> dict[str, pl.DataFrame]:
    """The rows of each split with their texts, from the records of one chunk."""
    if not rows.height:
        return {}
    records = records.select(_place("row", "item"), pl.exclude("row", "item"))
    parts = {}
    for split, part in by_split(rows).items():
        place = part.select(_place("of_row", "of_item")).to_series()
        places = records["place"].search_sorted(place)
        texts = {name: records[name].gather(places) for name in ("prompt", *keep)}
        if "label" in part.columns:
            texts["completion"] = records["response"].gather(places)
        else:
            both, swap = stacked([records["a"], records["b"]]), records.height
            other = part.select((pl.col("winner") != 1).cast(pl.UInt32) * swap).to_series()
            texts["chosen"] = both.gather(places + other)
            texts["rejected"] = both.gather(places + (swap - other))
        parts[split] = part.with_columns(text.alias(name) for name, text in texts.items())
    return parts


def _place(row: str, item: str) -> pl.Expr:
    """The row and item of a record as one number, which grows from record to record."""
    return (pl.col(row) * MOST_ITEMS + pl.col(item)).alias("place")


def _rejects(rows: pl.DataFrame, chunk: Chunk) -> pl.DataFrame:
    if not rows.height:
        return _no_rejects()
    places = chunk.frame["row"].search_sorted(rows["of_row"])
    raw = pl.Series([chunk.raw(int(place)) for place in places], dtype=pl.String)
    return as_rejects(rows.rename({"of_source": "source", "of_row": "row"}), raw)


def _example(parts: dict[str, pl.DataFrame], columns: Sequence[str]) -> dict[str, object]:
    return next((first_row(part, columns) for part in parts.values() if part.height), {})


def _no_rejects() -> pl.DataFrame:
    return as_rejects(rejected_rows(_no_entries()), pl.Series("raw", [], pl.String))


def _no_entries() -> pl.DataFrame:
    return pl.DataFrame(schema=ROW_OUTCOMES)
