"""From the rows of one source to records with their ids, piece by piece."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from prefdata.conversion.detected_source import DetectedSource, scalar_columns
from prefdata.conversion.in_parallel import in_parallel
from prefdata.conversion.kept_columns import add_kept_columns
from prefdata.conversion.source_splits import row_splits
from prefdata.conversion.survey import (
    filled_late,
    late_rows,
    raw_column,
    row_at,
    watched_field,
)
from prefdata.conversion.unrepresented import UnrepresentedRowError
from prefdata.formats import Sample
from prefdata.formats.base import RAW, Match, build_records
from prefdata.formats.cell_notes import closer_look, plain_columns
from prefdata.formats.claim_tally import Claim, ClaimTally
from prefdata.formats.closed_list import filled, other_system, refused_columns
from prefdata.formats.generic.measures import number_columns
from prefdata.formats.repeated_prompts import Repeats, without_prompts
from prefdata.formats.template import add_template
from prefdata.io.readers.chunks import Chunk, collect_chunks
from prefdata.io.readers.json_types import number_field, passed_on_field
from prefdata.io.readers.reader import parse_pieces, read_pieces
from prefdata.io.store.record_store import IDS
from prefdata.records import reasons
from prefdata.records.ids import content_ids, conversation_ids, scoped
from prefdata.transforms.filter_columns import with_measures
from prefdata.transforms.split import SPLIT


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
            *(number_field(name, each.sample.values(name)) for name in number_columns(match)),
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

    for chunk, records, tallies in in_parallel(build, pieces):
        each.columns.add_rows(chunk.odd_rows)
        if each.claims.add(tallies):
            chunk.late_rows = [*chunk.late_rows, {}]
        yield chunk, records


def read_represented(
    each: DetectedSource, number: int, encoding: str
) -> Iterator[tuple[Chunk, pl.DataFrame]]:
    """Read a source as `read_records` does, as long as its sample stands for what it holds.

    Raises:
        UnrepresentedRowError: the source is other than its sample shows.
    """
    repeats = Repeats()
    for chunk, records in read_records(each, number, encoding):
        late = [row for row in chunk.late_rows if row not in each.sample.rows]
        if late:
            raise UnrepresentedRowError(number, each, [row for row in late if row])
        repeats += chunk.repeats
        yield chunk, records
    if repeats.decide != each.sample.repeats_prompt:
        raise UnrepresentedRowError(number, each, repeats_prompt=repeats.decide)


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
