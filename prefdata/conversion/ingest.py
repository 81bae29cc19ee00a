"""The first half of a conversion: rows of every source to stored records, or to the rejects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import polars as pl

from prefdata.conversion.conversation_groups import ConversationGroups
from prefdata.conversion.kept_columns import add_kept_columns
from prefdata.conversion.scales import Scales
from prefdata.conversion.source_splits import SplitCounts, count_splits, row_splits
from prefdata.conversion.survey import (
    UnrepresentedRowError,
    code_values,
    filled_late,
    late_rows,
    raw_column,
    row_at,
    unseen_codes,
    watched_field,
)
from prefdata.formats import Detection, Sample
from prefdata.formats.base import RAW, Match, build_records
from prefdata.formats.cell_notes import closer_look, plain_columns
from prefdata.formats.claim_tally import Claim, ClaimTally
from prefdata.formats.claims import ClaimAccount
from prefdata.formats.closed_list import filled, other_system, refused_columns
from prefdata.formats.columns import ColumnAccount, may_be_read
from prefdata.formats.repeated_prompts import Repeats, without_prompts
from prefdata.formats.template import add_template
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.readers.chunks import PARSERS, Chunk, Offset, Piece, collect_chunks
from prefdata.io.readers.json_keys import KnownKeys
from prefdata.io.readers.json_types import passed_on_field
from prefdata.io.readers.reader import parse_pieces, read_pieces
from prefdata.io.readers.sources import Source
from prefdata.io.store.record_store import IDS, RecordStore
from prefdata.records import reasons
from prefdata.records.frames import TEMPLATE
from prefdata.records.ids import content_ids, conversation_ids, scoped
from prefdata.records.notes import Notes
from prefdata.transforms.accounting import Account
from prefdata.transforms.filter_columns import with_measures
from prefdata.transforms.row_outcomes import REJECTS, as_outcomes, best_by_row
from prefdata.transforms.split import SPLIT

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
    "scale",
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
        template: what some source passes to the chat template, of `TEMPLATE`.
        needs: what filters need to know of the texts of pairs.
        ignore: columns that the user leaves out.
        split_column: the column that may say which split a row is in, or ``""``.
        split_name: the split that the name of the source says, or ``""``.
        with_splits: whether records have the ``split`` that a column says.
    """

    source: Source
    sample: Sample
    detection: Detection
    dimension: str = ""
    grouped: bool = False
    keep: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    template: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def carried(self) -> tuple[str, ...]:
        """The text columns that records have besides those of their kind."""
        return (*self.template, *self.keep)

    @cached_property
    def columns(self) -> ColumnAccount:
        """What becomes of its columns, of the rows of the sample and of those that are read."""
        detection = self.detection
        account = ColumnAccount(
            detection.format, detection.match, self.sample.names, self.keep, self.ignore
        )
        account.add_rows(self.sample.rows)
        return account

    @cached_property
    def known_keys(self) -> KnownKeys:
        """The keys of the rows of the sample."""
        ignore = set(self.ignore)
        return KnownKeys(self.sample.rows, lambda name: name not in ignore and may_be_read(name))

    @cached_property
    def values(self) -> Mapping[str, Collection[str]]:
        """What the sample has in each column of codes."""
        return code_values(self.sample, self.detection.match.coded_columns)

    @cached_property
    def unseen(self) -> Mapping[str, Sequence[float]]:
        """The codes for a missing score that the sample does not have, by column."""
        return unseen_codes(self.sample, self.detection.match)

    @cached_property
    def claims(self) -> ClaimAccount:
        """How far its columns agree that say the same."""
        return ClaimAccount(self.sample, self.detection.match)

    split_column: str = ""
    split_name: str = ""
    with_splits: bool = False

    @property
    def more_columns(self) -> list[str]:
        """The columns that are read beside those of the format, each once."""
        match = self.detection.match
        names = dict.fromkeys([*self.carried_columns, *match.looked_at])
        return [name for name in names if name not in match.source_columns]

    @property
    def carried_columns(self) -> list[str]:
        """The columns of which any value is as good as any other, each once."""
        names = dict.fromkeys([*self.keep.values(), self.split_column])
        return [name for name in names if name and name not in self.detection.match.source_columns]

    @property
    def encoded_columns(self) -> frozenset[str]:
        """The columns that are read as the JSON text of each value."""
        match = self.detection.match
        names = match.json_columns | set(self.more_columns if match.needs_all_rows else ())
        if self.source.kind in ("json", "jsonl"):
            names |= {name for field in TEMPLATE for name in match.columns.get(field, ())}
        return names

    @property
    def rated_by_row(self) -> bool:
        """Whether each row is a rating that names its own dimension."""
        rated = self.detection.format.kind == "ratings"
        return rated and not self.detection.match.dimensions


def scalar_columns(match: Match) -> set[str]:
    """The columns of a source in which a number may stand for text, or text for a number."""
    return {name for field in SCALARS for name in match.columns.get(field, ())}


def read_records(
    each: DetectedSource, number: int, encoding: str, *, ids: bool = True
) -> Iterator[tuple[Chunk, pl.DataFrame]]:
    """Read a source as records with their ids, piece by piece.

    Args:
        each: the source.
        number: its number in this run.
        encoding: its encoding, if it is named.
        ids: whether to add the ids of the texts, and to look for what the sample does not have;
            not where a source is read again.

    Yields:
        Each chunk as it was read, and its records; ``reason`` is null where a record is sound.
    """
    match, format = each.detection.match, each.detection.format
    scalars = scalar_columns(match)
    carried, more, raw = each.carried_columns, each.more_columns, each.encoded_columns
    coded = {*match.columns.get("winner", ()), *match.columns.get("label", ())}
    clear_empty = [
        n for n in (*match.source_columns, *more) if n not in coded or "" not in match.values
    ]
    pieces = read_pieces(
        each.source,
        each.sample,
        [*match.source_columns, *more],
        scalars,
        encoding,
        raw=raw,
        fields=[
            *(passed_on_field(name, each.sample.values(name)) for name in carried),
            *(watched_field(each.sample, name) for name in more if name not in carried),
        ],
        copy=match.needs_all_rows,
        known_keys=each.known_keys if ids else None,
    )
    if match.needs_all_rows:
        whole = collect_chunks(parse_pieces(pieces), each.source.name)
        pieces = iter([lambda: whole])

    refused = refused_columns(match.watched)

    def build(chunk: Chunk) -> tuple[Chunk, pl.DataFrame, Mapping[Claim, ClaimTally]]:
        frame = _empty_as_null(chunk.frame, clear_empty) if each.sample.text_only else chunk.frame
        looked_at = replace(match, plain=plain_columns(frame, match, again=not ids))
        records = build_records(format, frame, looked_at).with_columns(pl.col("item").fill_null(0))
        chunk, records = _check_texts(chunk, frame, records, looked_at, each.sample, notes=ids)
        if each.template:
            records = add_template(records, frame, match, each.template)
        chunk = _with_late_rows(chunk, records, each) if ids else chunk
        records = _refuse_filled(records, frame, refused)
        records = _by_dimension(records, each.dimension) if each.rated_by_row else records
        records = add_kept_columns(records, frame, each.keep, raw) if each.keep else records
        if not ids:
            return chunk, records, {}
        records = _with_splits(records, frame, each) if each.with_splits else records
        return chunk, _with_ids(records, each, number), each.claims.tally(frame)

    for chunk, records, tallies in _in_parallel(build, pieces):
        each.columns.add_rows(chunk.odd_rows)
        if each.claims.add(tallies):
            chunk.late_rows = [*chunk.late_rows, {}]
        yield chunk, records


def _with_late_rows(
    chunk: Chunk,
    records: pl.DataFrame,
    each: DetectedSource,
) -> Chunk:
    """A chunk with its rows that have what no row of the sample has."""
    match, frame, encoded = each.detection.match, chunk.frame, each.encoded_columns
    refused = refused_columns(match.watched)
    unrefused = [name for name in match.watched if name not in refused]
    late = [
        *late_rows(frame, each.values, each.unseen, encoded),
        *filled_late(frame, each.sample, unrefused, encoded),
        *_late_systems(records, frame, match, encoded),
    ]
    odd = [row for name in refused for row in _first_filled(frame, name)]
    if not late and not odd:
        return chunk
    return replace(chunk, late_rows=[*chunk.late_rows, *late], odd_rows=[*chunk.odd_rows, *odd])


def _late_systems(
    records: pl.DataFrame, frame: pl.DataFrame, match: Match, encoded: Collection[str]
) -> list[dict[str, object]]:
    """The first row whose system column says otherwise than a turn, where nobody was asked yet."""
    if not match.column("system") or match.settled_system:
        return []
    rows = records.filter(pl.col("reason") == reasons.OTHER_SYSTEM)["row"][:1]
    late = [row_at(frame, int(frame["row"].search_sorted(row)), encoded) for row in rows]
    return [row for row in late if other_system(row, match)]


def _first_filled(frame: pl.DataFrame, name: str) -> list[dict[str, object]]:
    """The first value of a column in a row in which it is filled."""
    column = frame[RAW + name]
    return [{name: value} for value in column.filter(filled(column))[:1].to_list()]


def _refuse_filled(
    records: pl.DataFrame, frame: pl.DataFrame, columns: Collection[str]
) -> pl.DataFrame:
    """Refuse the records of rows in which an image, a sound or the like is filled in."""
    for name in columns:
        rows = frame["row"].filter(filled(frame[RAW + name]))
        if not rows.len():
            continue
        new = pl.col("row").is_in(rows.implode()) & pl.col("reason").is_null()
        records = records.with_columns(
            pl.when(new).then(pl.lit(reasons.NOT_TEXT)).otherwise("reason").alias("reason"),
            pl.when(new).then(pl.lit(name)).otherwise("field").alias("field"),
        )
    return records


def _check_texts(
    chunk: Chunk,
    frame: pl.DataFrame,
    records: pl.DataFrame,
    match: Match,
    sample: Sample,
    *,
    notes: bool,
) -> tuple[Chunk, pl.DataFrame]:
    """What texts should not hold: counted in notes, refused, or taken off."""
    if not notes and not sample.repeats_prompt:
        return chunk, records
    records, repeats, new = without_prompts(records, match, strips=sample.repeats_prompt)
    if not notes:
        return chunk, records
    records, more = closer_look(frame, records, match)
    return replace(chunk, repeats=repeats, notes=(*chunk.notes, *new, *more)), records


def _empty_as_null(frame: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """A table with its empty cells as nulls, as in JSON."""
    names = [RAW + name for name in names]
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


def _with_splits(records: pl.DataFrame, frame: pl.DataFrame, each: DetectedSource) -> pl.DataFrame:
    """Records with the split that their row says; null where it says none."""
    if not each.split_column:
        return records.with_columns(pl.lit(None, SPLIT).alias("split"))
    encoded = each.split_column in each.encoded_columns
    splits = row_splits(raw_column(frame, each.split_column), encoded=encoded)
    return records.with_columns(splits.gather(frame["row"].search_sorted(records["row"])))


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
    repeats = Repeats()
    for chunk, records in read_records(each, number, encoding):
        late = [row for row in chunk.late_rows if row not in each.sample.rows]
        if late:
            raise UnrepresentedRowError(number, [row for row in late if row])
        account.count_read(number, chunk.rows)
        repeats += chunk.repeats
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
    if repeats.decide != each.sample.repeats_prompt:
        raise UnrepresentedRowError(number, repeats_prompt=repeats.decide)
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
