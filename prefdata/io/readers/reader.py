"""One way to read any source: a sample to recognise it by, then its rows in pieces."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module

import pyarrow as pa

from prefdata.errors import InputError
from prefdata.formats.base import ReadOptions
from prefdata.formats.sample import SAMPLE_ROWS, Sample
from prefdata.io.readers import json_types
from prefdata.io.readers.chunks import Chunk, Offset, Piece
from prefdata.io.readers.csv import csv_pieces, read_header, row_width, sample_rows
from prefdata.io.readers.encoding import Decoder
from prefdata.io.readers.file_kind import WHAT_IS_READ
from prefdata.io.readers.json import array_blocks, json_pieces, line_blocks
from prefdata.io.readers.json_keys import KnownKeys
from prefdata.io.readers.missing import chunk_without, missing_words, row_without
from prefdata.io.readers.parquet import columnar_pieces, columnar_sample
from prefdata.io.readers.sources import Source, beside
from prefdata.records.notes import Note

SAMPLE_BYTES = 16 << 20


def read_sample(
    source: Source, encoding: str = "", read_options: ReadOptions | None = None
) -> Sample:
    """Read the first rows of a source.

    Args:
        source: the file.
        encoding: as in `prefdata.io.readers.encoding.Decoder`.
        read_options: say which words stand for no value.

    Raises:
        InputError: no row of the sample can be read.
    """
    _load_pandas()
    with beside(source.data_glob):
        sample, size = _sample(source, encoding)
    is_whole = size < SAMPLE_BYTES and len(sample.rows) < SAMPLE_ROWS
    words = missing_words(read_options or ReadOptions(), text_only=sample.text_only)
    rows = [row_without(row, words, text_only=sample.text_only) for row in sample.rows]
    sample = replace(sample, rows=rows if words else sample.rows, missing=words)
    return replace(sample, origin=source.name, is_whole=is_whole)


def _load_pandas() -> None:
    """Import here what pyarrow imports at its first look at Python values, if it is there.

    An interrupt while pyarrow does it is swallowed, or breaks something else later.
    """
    with suppress(ImportError):
        import_module("pandas")


def _sample(source: Source, encoding: str) -> tuple[Sample, int]:
    """A sample, and how many bytes of text it was taken from."""
    decoder = Decoder(source.name, encoding)
    with source.open() as stream:
        if source.kind in ("parquet", "arrow"):
            return columnar_sample(source, stream, SAMPLE_ROWS), 0
        if source.kind == "csv":
            data = decoder.feed(stream.read(SAMPLE_BYTES))
            return _csv_sample(data, source.name), len(data)
        if source.kind == "json":
            block = next(array_blocks(stream, decoder, source.name), None)
            data = bytes(block.data) if block else b""
            lines = data.split(b"\n")
        else:
            data = decoder.feed(stream.read(SAMPLE_BYTES))
            whole = len(data) < SAMPLE_BYTES
            lines = data.split(b"\n") if whole else (data + stream.readline()).split(b"\n")
    return _json_sample(lines, source.name), len(data)


def _json_sample(lines: list[bytes], name: str) -> Sample:
    rows: list[dict[str, object]] = []
    problem = "it holds no row"
    for number, line in enumerate(lines, 1):
        if len(rows) == SAMPLE_ROWS:
            break
        row, reason, detail = (
            json_types.parse_row(line.decode(errors="replace")) if line.strip() else (None, "", "")
        )
        if row is not None:
            rows.append(row)
        elif reason and not rows:
            problem = f"row {number}: {reason}, {detail}"
    if not rows:
        raise InputError(
            f"{name} has no row that can be read ({problem})",
            hint=WHAT_IS_READ,
        )
    names = list(dict.fromkeys(key for row in rows for key in row))
    sample = Sample(names, rows)
    mixed = frozenset(name for name in names if json_types.is_mixed(sample.values(name)))
    return replace(sample, mixed=mixed)


def _csv_sample(data: bytes, name: str) -> Sample:
    text = data.decode(errors="replace")
    header = read_header(text, name)
    header = header._replace(width=row_width(text, header, SAMPLE_ROWS))
    rows = sample_rows(text, header, SAMPLE_ROWS)
    if not rows:
        raise InputError(
            f"{name} has a header but no row that can be read",
            hint="The first line must name the columns; one row per line follows.",
        )
    return Sample(header.names, rows, text_only=True, width=header.width)


def read_pieces(
    source: Source,
    sample: Sample,
    columns: list[str],
    scalars: set[str],
    encoding: str = "",
    *,
    raw: Collection[str] = (),
    fields: Iterable[pa.Field] = (),
    copy: bool = False,
    known_keys: KnownKeys | None = None,
) -> Iterator[Piece]:
    """Cut a source into pieces, each of which can be parsed by itself.

    Args:
        source: the file.
        sample: its first rows, from which the column types are inferred.
        columns: the columns to read.
        scalars: those of them in which a number may stand for text.
        encoding: as in `prefdata.io.readers.encoding.Decoder`.
        raw: those of them that are given as the JSON text of each value; CSV has text anyway.
        fields: columns of JSON whose type is given, so that it need not be inferred.
        copy: give each piece memory of its own, as where all of them are kept at once: else a
            piece may lie in a buffer that the next ones use again.
        known_keys: the keys of the sample, where rows of JSON are looked at for others.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    pieces = _pieces(
        source, sample, columns, scalars, encoding, raw, fields, copy=copy, known_keys=known_keys
    )
    for piece in pieces:
        yield partial(_parse, piece, sample) if sample.missing or sample.width else piece


def _parse(piece: Piece, sample: Sample) -> Chunk:
    chunk = piece()
    if sample.width:
        absent = ", ".join(sample.names[sample.width :])
        note = Note(f"the rows are shorter than the header: no cell for {absent}", "", chunk.rows)
        chunk = replace(chunk, notes=(*chunk.notes, note))
    return chunk_without(chunk, sample.missing, text_only=sample.text_only)


def _pieces(
    source: Source,
    sample: Sample,
    columns: list[str],
    scalars: set[str],
    encoding: str,
    raw: Collection[str],
    fields: Iterable[pa.Field],
    *,
    copy: bool,
    known_keys: KnownKeys | None,
) -> Iterator[Piece]:
    """The pieces as they stand in the source."""
    decoder = Decoder(source.name, encoding)
    with source.open() as stream:
        if source.kind in ("parquet", "arrow"):
            yield from columnar_pieces(source, stream, columns, raw)
            return
        if source.kind == "csv":
            yield from csv_pieces(stream, decoder, columns, source.name, sample.width)
            return
        by_name = {field.name: field for field in fields}
        schema = pa.schema(
            [
                json_types.json_field(name)
                if name in raw
                else by_name.get(name)
                or json_types.infer_field(name, sample.values(name), scalar=name in scalars)
                for name in columns
            ]
        )
        blocks = (
            array_blocks(stream, decoder, source.name)
            if source.kind == "json"
            else line_blocks(stream, decoder)
        )
        if copy:
            blocks = (block._replace(data=bytes(block.data)) for block in blocks)
        yield from json_pieces(blocks, schema, decoder, known_keys)


def parse_pieces(pieces: Iterable[Piece]) -> Iterator[Chunk]:
    """Parse pieces one after the other.

    Args:
        pieces: those of one source, from its beginning.
    """
    offset = Offset()
    for parse in pieces:
        chunk = parse()
        yield chunk.shifted(offset)
        offset = offset.after(chunk)
