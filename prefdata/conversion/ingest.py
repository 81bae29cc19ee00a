"""The first half of a conversion: rows of every source to stored records, or to the rejects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import polars as pl

from prefdata.conversion.kept_columns import add_kept_columns
from prefdata.conversion.survey import UnrepresentedRowError, code_values, late_rows
from prefdata.formats import Detection, Sample
from prefdata.formats.base import build_records
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.readers.chunks import PARSERS, Chunk, Offset, Piece, collect_chunks
from prefdata.io.readers.json_types import passed_on_field
from prefdata.io.readers.reader import parse_pieces, read_pieces
from prefdata.io.readers.sources import Source
from prefdata.io.store.record_store import IDS, RecordStore
from prefdata.records import reasons
from prefdata.records.ids import content_ids, conversation_ids, scoped
from prefdata.records.notes import Notes
from prefdata.transforms.accounting import Account
from prefdata.transforms.filter_columns import with_measures
from prefdata.transforms.row_outcomes import REJECTS, as_outcomes, best_by_row

Result = TypeVar("Result")

SCALARS = (
    "score",
    "rank",
    "winner",
    "winner_a",
    "winner_b",
    "winner_tie",
    "label",
    "scores",
    "ranks",
    "annotator",
    "model",
    "model_a",
    "model_b",
    "model_chosen",
    "model_rejected",
    "dimension",
    "source",
    "score_chosen",
    "score_rejected",
    "margin",
    "strength",
    "list",
    "votes",
    "agreement",
    "weight",
)
"""Fields in which a number may stand for text, or text for a number."""


@dataclass(frozen=True)
class DetectedSource:
    """A source, its first rows, its format, and how it is read.

    Attributes:
        source: the file.
        sample: its first rows.
        detection: its format.
        dimension: where rows name their dimension, the one that counts; ``""`` for all.
        grouped: whether records have the id of their conversation.
        keep: kept column to the column of the source, or to ``""`` where it has none.
        needs: what filters need to know of the texts of pairs.
    """

    source: Source
    sample: Sample
    detection: Detection
    dimension: str = ""
    grouped: bool = False
    keep: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def rated_by_row(self) -> bool:
        """Whether each row is a rating that names its own dimension."""
        rated = self.detection.format.kind == "ratings"
        return rated and not self.detection.match.dimensions


def read_records(
    each: DetectedSource, number: int, encoding: str, *, ids: bool = True
) -> Iterator[tuple[Chunk, pl.DataFrame]]:
    """Read a source as records with their ids, piece by piece.

    Args:
        each: the source.
        number: its number in this run.
        encoding: its encoding, if it is named.
        ids: whether to add the ids of the texts.

    Yields:
        Each chunk as it was read, and its records; ``reason`` is null where a record is sound.
    """
    match, format = each.detection.match, each.detection.format
    scalars = {name for f in SCALARS for name in match.columns.get(f, ())}
    more = [name for name in each.keep.values() if name and name not in match.source_columns]
    raw = match.json_columns | set(more) if match.needs_all_rows else match.json_columns
    coded = {*match.columns.get("winner", ()), *match.columns.get("label", ())}
    clear_empty = [
        n for n in (*match.source_columns, *more) if n not in coded or "" not in match.values
    ]
    pieces = read_pieces(
        each.source,
        each.sample,
        [*match.source_columns, *dict.fromkeys(more)],
        scalars,
        encoding,
        raw=raw,
        fields=[passed_on_field(name, each.sample.values(name)) for name in more],
        copy=match.needs_all_rows,
    )
    if match.needs_all_rows:
        whole = collect_chunks(parse_pieces(pieces), each.source.name)
        pieces = iter([lambda: whole])

    codes = code_values(each.sample, match.coded_columns)

    def build(chunk: Chunk) -> tuple[Chunk, pl.DataFrame]:
        late = late_rows(chunk.frame, codes, raw)
        chunk = replace(chunk, late_rows=[*chunk.late_rows, *late]) if late else chunk
        frame = _empty_as_null(chunk.frame, clear_empty) if each.sample.text_only else chunk.frame
        records = build_records(format, frame, match).with_columns(pl.col("item").fill_null(0))
        records = _by_dimension(records, each.dimension) if each.rated_by_row else records
        records = add_kept_columns(records, frame, each.keep, raw) if each.keep else records
        return chunk, _with_ids(records, each, number) if ids else records

    yield from _in_parallel(build, pieces)


def _empty_as_null(frame: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """A table with its empty cells as nulls, as in JSON."""
    shortest = frame.select(pl.col(name).str.len_bytes().min() for name in names).row(0)
    empty = [name for name, size in zip(names, shortest, strict=True) if size == 0]
    return frame.with_columns(
        pl.when(pl.col(name).str.len_bytes() > 0).then(name).alias(name) for name in empty
    )


def _in_parallel(work: Callable[[Chunk], Result], pieces: Iterator[Piece]) -> Iterator[Result]:
    """Results in order, while several pieces are processed and the next one is read.

    Errors are raised in that order too: of several, the first.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(PARSERS) as parsers:
        waiting: deque[Future[Result]] = deque()
        offset: Future[Offset] = Future()
        offset.set_result(Offset())
        upcoming = reader.submit(next, pieces, None)
        while upcoming.exception() is None and (piece := upcoming.result()) is not None:
            upcoming = reader.submit(next, pieces, None)
            following: Future[Offset] = Future()
            waiting.append(parsers.submit(_parse_and_work, work, piece, offset, following))
            offset = following
            if len(waiting) > PARSERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        upcoming.result()  # raises what ended the reading, if not the source's end


def _parse_and_work(
    work: Callable[[Chunk], Result],
    parse: Piece,
    offset: Future[Offset],
    following: Future[Offset],
) -> Result:
    """Parse a piece, wait for its offset, pass on the offset of the next one, and work on it."""
    try:
        chunk = parse()
        start = offset.result()
        following.set_result(start.after(chunk))
    except BaseException as error:
        following.set_exception(error)
        raise
    return work(chunk.shifted(start))


def _with_ids(records: pl.DataFrame, each: DetectedSource, number: int) -> pl.DataFrame:
    """Records with their ids and the number of their source."""
    kind = each.detection.format.kind
    if each.grouped:
        records = records.with_columns(conversation_ids(records["prompt"]))
    if each.needs:
        records = with_measures(records, kind, each.needs)
    records = content_ids(records, IDS[kind]).with_columns(
        pl.lit(number, pl.UInt16).alias("source"),
        pl.col("origin").fill_null(Path(each.source.name).name),
    )
    if kind == "ratings":
        return scoped(records, ranked=each.detection.match.ranked)
    return _refuse_identical(records) if kind == "comparisons" else records


def _refuse_identical(records: pl.DataFrame) -> pl.DataFrame:
    """Refuse pairs of one and the same response, unless they tie, as they should."""
    same = (pl.col("a_id") == pl.col("b_id")) & (pl.col("winner") != 0) & pl.col("reason").is_null()
    return records.with_columns(
        pl.when(same).then(pl.lit(reasons.IDENTICAL)).otherwise("reason").alias("reason")
    )


def _by_dimension(records: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """List the score of each rating under its dimension; only on the one that counts it stays."""
    if records["dimension"].null_count() == records.height and not dimension:
        return records
    sound = pl.col("dimension").is_not_null() & pl.col("reason").is_null()
    listed = pl.concat_list(pl.struct("dimension", "score"))
    records = records.with_columns(pl.when(sound).then(listed).alias("dimensions"))
    if not dimension:
        return records
    on_it = pl.col("dimension") == dimension
    return records.with_columns(pl.when(on_it).then("score").alias("score"))


def ingest(
    each: DetectedSource,
    number: int,
    encoding: str,
    *,
    store: RecordStore,
    row_log: RowLog,
    account: Account,
    notes: Notes,
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
        notes: what is worth knowing of the source.
        progress: called with the number of rows of each chunk.
        on_dimensions: called after each chunk with the dimensions that have scores so far; may
            raise, so that the rest need not be read.

    Returns:
        The dimensions that it has scores on.

    Raises:
        UnrepresentedRowError: a row has something that its sample does not have.
    """
    kind = each.detection.format.kind
    dimensions: set[str] = set(each.detection.match.dimensions)
    for chunk, records in read_records(each, number, encoding):
        if chunk.late_rows:
            raise UnrepresentedRowError(number)
        account.count_read(number, chunk.rows)
        notes.add(chunk.notes)
        bad, good = (
            records.filter(pl.col("reason").is_not_null()),
            records.filter(pl.col("reason").is_null()),
        )
        dimensions |= dimension_names(good)
        on_dimensions(dimensions)
        store.put(kind, good)
        if bad.height or chunk.unreadable:
            reject_rows(chunk, bad, good, number, row_log, account)
        progress(chunk.rows)
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
