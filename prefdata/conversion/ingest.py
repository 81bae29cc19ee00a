"""The first half of a conversion: rows of every source to stored records, or to the rejects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from prefdata.conversion.conversation_groups import ConversationGroups
from prefdata.conversion.detected_source import DetectedSource
from prefdata.conversion.read_records import read_represented
from prefdata.conversion.scales import Scales
from prefdata.conversion.source_splits import SplitCounts, count_splits
from prefdata.conversion.survey import raw_column
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.readers.chunks import Chunk
from prefdata.io.store.record_store import RecordStore
from prefdata.records.notes import Notes
from prefdata.transforms.accounting import Account
from prefdata.transforms.row_outcomes import REJECTS, as_outcomes, best_by_row


@dataclass
class SourceTotals:
    """What is to be known of a source beside its records, added up from its pieces.

    Attributes:
        groups: take the split of each conversation, where the split goes by them.
        notes: what is worth knowing of its rows.
        splits: what its rows say of their split.
    """

    groups: ConversationGroups | None = None
    notes: Notes = field(default_factory=Notes)
    splits: SplitCounts = field(default_factory=SplitCounts)

    def add(self, chunk: Chunk, each: DetectedSource) -> None:
        """Add a piece of the source."""
        self.notes.add(chunk.notes)
        if each.split_column:
            column = raw_column(chunk.frame, each.split_column)
            encoded = each.split_column in each.encoded_columns
            self.splits.update(count_splits(column, encoded=encoded))

    def add_groups(self, records: pl.DataFrame) -> None:
        """Add the conversations of sound records, and what their rows say of their split."""
        if self.groups:
            names = ("group_id", "source", "split")
            self.groups.put(records, [name for name in names if name in records.columns])


def ingest(
    each: DetectedSource,
    number: int,
    encoding: str,
    *,
    store: RecordStore,
    row_log: RowLog,
    account: Account,
    totals: SourceTotals,
    progress: Callable[[int], None],
    on_dimensions: Callable[[set[str]], None],
) -> set[str]:
    """Store the records of a source, and log the rows that give none.

    Args:
        each: the source.
        number: its number in this run.
        encoding: its encoding, if it is named.
        store: for the records.
        row_log: logs what becomes of every row.
        account: counts what becomes of every row.
        totals: takes what else is to be known of the source.
        progress: called with the number of rows of each chunk.
        on_dimensions: called after each chunk with the dimensions that have scores so far; may
            raise, so that the rest need not be read.

    Returns:
        The dimensions that it has scores on.

    Raises:
        UnrepresentedRowError: the source is other than its sample shows.
    """
    kind = each.detection.format.kind
    dimensions: set[str] = set(each.detection.match.dimensions)
    scales = Scales(each.detection.match)
    for chunk, records in read_represented(each, number, encoding):
        account.count_read(number, chunk.rows)
        totals.add(chunk, each)
        bad, good = (
            records.filter(pl.col("reason").is_not_null()),
            records.filter(pl.col("reason").is_null()),
        )
        scales.add(chunk.frame, good)
        dimensions |= dimension_names(good)
        on_dimensions(dimensions)
        store.put(kind, good)
        totals.add_groups(good)
        if bad.height or chunk.unreadable:
            reject_rows(chunk, bad, good, number, row_log, account)
        progress(chunk.rows)
    totals.notes.add(scales.notes())
    return dimensions


def dimension_names(records: pl.DataFrame) -> set[str]:
    """The dimensions that records have scores on."""
    if "dimensions" not in records.columns or records["dimensions"].null_count() == records.height:
        return set()
    names = records["dimensions"].explode().struct.field("dimension")
    return set(names.unique().drop_nulls())


def reject_rows(
    chunk: Chunk,
    bad: pl.DataFrame,
    good: pl.DataFrame,
    number: int,
    row_log: RowLog,
    account: Account,
) -> None:
    """Log bad rows as rejects; of a row with good records too, only its bad ones as entries."""
    whole = bad.join(good.select("row").unique(), on="row", how="anti", maintain_order="left")
    left_over = best_by_row(_entries(whole)).filter(pl.col("outcome") == "left over")
    account.settle(left_over)
    whole = whole.join(left_over, on="row", how="anti", maintain_order="left")
    first = whole.unique("row", keep="first", maintain_order=True)
    places = chunk.frame["row"].search_sorted(first["row"])
    refused = first.select("source", "row", "line", "field", "reason", "detail").with_columns(
        pl.Series("raw", [chunk.raw(int(place)) for place in places], pl.String)
    )
    unreadable = pl.DataFrame(
        [(number, *row) for row in chunk.unreadable], schema=REJECTS, orient="row"
    )
    refused = pl.concat(
        [
            refused.cast(REJECTS).select(list(REJECTS)),
            unreadable.cast(REJECTS).select(list(REJECTS)),
        ]
    )
    outcomes = pl.concat([_entries(bad), _entries(unreadable)])
    row_log.add(outcomes, refused)
    account.settle(refused.with_columns(pl.lit("rejected").alias("outcome")))


def _entries(rows: pl.DataFrame) -> pl.DataFrame:
    rows = rows.with_columns(pl.lit(None, pl.String).alias("pair"))
    if "item" not in rows.columns:
        rows = rows.with_columns(pl.lit(0, pl.UInt32).alias("item"))
    return as_outcomes(rows, rated=False)
