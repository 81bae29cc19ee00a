"""The second half of a conversion without ratings: the sources are read again, and written out.

All texts of a pair stand in one row of a source. So what to do with each row is decided by ids
alone, and the texts go straight from the source to Parquet, in the order of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from prefdata.conversion.ingest import read_records
from prefdata.conversion.pair_bucket import decided, ends, overlapping, records
from prefdata.conversion.plan import ConvertPlan, ConvertTotals, by_split
from prefdata.conversion.write_bucketed import WORKERS, in_order
from prefdata.errors import InputError
from prefdata.io.dataset.dataset_writer import first_row
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.dataset.shard_writer import ShardWriter
from prefdata.io.readers.chunks import Chunk
from prefdata.io.store.record_store import DecisionStore, RecordStore
from prefdata.records.frames import stacked
from prefdata.transforms.accounting import Account
from prefdata.transforms.make_pairs import PairResult
from prefdata.transforms.overlap import Overlap
from prefdata.transforms.row_outcomes import ROW_OUTCOMES, as_rejects, best_by_row, rejected_rows
from prefdata.transforms.split import SPLITS

MOST_ITEMS = 1 << 24
"""More records than one row can hold."""


def stream(
    folder: Path,
    job: ConvertPlan,
    result: ConvertTotals,
    *,
    store: RecordStore,
    row_log: RowLog,
    account: Account,
    progress: Callable[[int, int], None],
) -> None:
    """Write the data set's files.

    Args:
        folder: the data set directory that is being made.
        job: what to do; the sources are read a second time.
        result: is told what was written.
        store: holds the records without their texts.
        row_log: takes the account of every row.
        account: is told what became of each row.
        progress: is told how many rows are written, of how many.

    Raises:
        InputError: a source changed while it was read.
    """
    (folder / "data").mkdir()
    kept, gone = (DecisionStore(store.folder / name, store.budget) for name in ("kept", "gone"))
    job = replace(job, ends=ends(job, store, in_order))

    def work(number: int) -> tuple[PairResult, Overlap]:
        held = records(store, number)
        found = decided(job, held)
        kept.put(found.rows, number)
        gone.put(
            rejected_rows(found.outcomes).rename({"source": "of_source", "row": "of_row"}), number
        )
        return found, overlapping(job, held)

    for found, overlap in in_order(work, len(store.buckets)):
        row_log.add(found.outcomes, _none())
        account.settle(best_by_row(found.outcomes))
        result.count(found.rows)
        result.compare(overlap)
    shards = ShardWriter(folder / "data", job.schema, WORKERS)
    try:
        _write(shards, job, (kept, gone), row_log, account, result, progress)
        shards.close(SPLITS)
    except BaseException:
        shards.cancel()
        raise


def _write(
    shards: ShardWriter,
    job: ConvertPlan,
    decisions: tuple[DecisionStore, DecisionStore],
    row_log: RowLog,
    account: Account,
    result: ConvertTotals,
    progress: Callable[[int, int], None],
) -> None:
    """Read the sources again, and write what was decided to keep, and what to refuse."""
    kept, gone = decisions
    done, total = 0, account.rows_read.total()
    for number, each in enumerate(job.recognised):
        begun = done
        for piece, made in read_records(each, number, job.encoding, ids=False):
            first, end = done - begun, done - begun + piece.rows
            parts = _with_texts(kept.get(number, first, end), made, job.keep)
            shards.add(parts)
            row_log.add(_no_entries(), _refused(gone.get(number, first, end), piece))
            result.example = result.example or _example(parts, job.schema.names)
            done += piece.rows
            progress(done, total)
        if done - begun != account.rows_read[number]:
            raise InputError(
                f"{each.source.name} changed while it was read: it had "
                f"{account.rows_read[number]:,} rows, then {done - begun:,}",
                hint="Convert a copy of it, or wait until it is written.",
            )


def _with_texts(
    rows: pl.DataFrame, made: pl.DataFrame, keep: Collection[str]
) -> dict[str, pl.DataFrame]:
    """The rows of each split with their texts, from the records of one piece."""
    if not rows.height:
        return {}
    records = made.select(_place("row", "item"), pl.exclude("row", "item"))
    found = {}
    for split, part in by_split(rows).items():
        wanted = part.select(_place("of_row", "of_item")).to_series()
        places = records["place"].search_sorted(wanted)
        texts = {name: records[name].gather(places) for name in ("prompt", *keep)}
        if "label" in part.columns:
            texts["completion"] = records["response"].gather(places)
        else:
            both, swap = stacked([records["a"], records["b"]]), records.height
            other = part.select((pl.col("winner") != 1).cast(pl.UInt32) * swap).to_series()
            texts["chosen"] = both.gather(places + other)
            texts["rejected"] = both.gather(places + (swap - other))
        found[split] = part.with_columns(text.alias(name) for name, text in texts.items())
    return found


def _place(row: str, item: str) -> pl.Expr:
    """Which record it is, as one number that grows from record to record."""
    return (pl.col(row) * MOST_ITEMS + pl.col(item)).alias("place")


def _refused(gone: pl.DataFrame, piece: Chunk) -> pl.DataFrame:
    if not gone.height:
        return _none()
    places = piece.frame["row"].search_sorted(gone["of_row"])
    raw = pl.Series([piece.raw(int(at)) for at in places], dtype=pl.String)
    return as_rejects(gone.rename({"of_source": "source", "of_row": "row"}), raw)


def _example(parts: dict[str, pl.DataFrame], columns: Sequence[str]) -> dict[str, object]:
    return next((first_row(part, columns) for part in parts.values() if part.height), {})


def _none() -> pl.DataFrame:
    return as_rejects(rejected_rows(_no_entries()), pl.Series("raw", [], pl.String))


def _no_entries() -> pl.DataFrame:
    return pl.DataFrame(schema=ROW_OUTCOMES)
