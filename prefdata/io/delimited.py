"""Rows from CSV and TSV, however they were exported.

A piece of the file is parsed at once by Polars, which is strict about quotes. Only when it refuses,
or a row is short, is the piece read again record by record, so that one bad row costs that row.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import polars as pl

from prefdata.errors import InputError
from prefdata.formats import reasons
from prefdata.io.chunks import CHUNK_BYTES, Chunk, Unread, numbered
from prefdata.io.text import Decoder

DELIMITERS = ",\t;|"
LONGEST_CELL = 64 << 20


class Header(NamedTuple):
    """The columns of a delimited file, and how its cells are told apart."""

    names: list[str]
    delimiter: str
    lines: int


def header(head: str, name: str) -> Header:
    """Read the header record.

    Args:
        head: the beginning of the file.
        name: the file, for messages.

    Raises:
        InputError: two columns have the same name, or there is no row below the header.

    Example:
        >>> header("prompt;response;stars\\nHi;Hello;5\\n", "ratings.csv")
        Header(names=['prompt', 'response', 'stars'], delimiter=';', lines=1)
    """
    first = head.lstrip("\r\n").split("\n", 1)[0]
    bare = "".join(first.split('"')[::2])
    delimiter = max(DELIMITERS, key=bare.count)
    skipped = len(head) - len(head.lstrip("\r\n"))
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(head[skipped:], newline=""), delimiter=delimiter)
    names = [cell.strip() for cell in next(reader)]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        shown = ", ".join(repr(n) for n in twice)
        raise InputError(
            f"{name} has two columns named {shown}", hint="Give every column a name of its own."
        )
    return Header(names, delimiter, reader.line_num + head[:skipped].count("\n"))


def csv_chunks(stream: BinaryIO, decoder: Decoder, wanted: list[str], name: str) -> Iterator[Chunk]:
    """Parse a delimited file into frames of text columns.

    Args:
        stream: the bytes of the file, header included.
        decoder: turns them into UTF-8.
        wanted: the columns to give.
        name: the file, for messages.
    """
    layout: Header | None = None
    rest, row, line, last = b"", 0, 1, False
    while not last:
        piece = stream.read(CHUNK_BYTES)
        last = not piece
        data = rest + (decoder.feed(piece) if piece else decoder.finish())
        if layout is None and data:
            layout = header(data[: 1 << 20].decode(errors="replace"), name)
            data = data.split(b"\n", layout.lines)[-1] if data.count(b"\n") >= layout.lines else b""
            line += layout.lines
        cut = len(data) if last else _cut(data)
        whole, rest = data[:cut], data[cut:]
        if not whole or layout is None:
            continue
        chunk, used = _fast(whole, layout, wanted, row, line), len(whole)
        if chunk is None:
            chunk, used = _slow(whole, layout, wanted, (row, line), last=last)
        rest = whole[used:] + rest
        row += chunk.frame.height + len(chunk.unread)
        line += whole.count(b"\n", 0, used)
        yield chunk


def _cut(data: bytes) -> int:
    """The end of the last whole record: a line break with an even number of quotes before it."""
    quotes, cut = data.count(b'"'), len(data)
    for _ in range(10_000):
        cut = data.rfind(b"\n", 0, cut)
        if cut < 0:
            return 0
        if (quotes - data.count(b'"', cut)) % 2 == 0:
            return cut + 1
    return data.rfind(b"\n") + 1


def _fast(data: bytes, layout: Header, wanted: list[str], row: int, line: int) -> Chunk | None:
    """The whole piece at once, or None where a record in it needs a closer look."""
    names = layout.names
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            separator=layout.delimiter,
            empty_string_is_null=False,
            extra_columns="raise",
        )
    except (pl.exceptions.PolarsError, ValueError):
        return None
    if not frame.height or frame.get_column(names[-1]).null_count():
        return None
    breaks = data.count(b"\n") + (not data.endswith(b"\n"))
    lines: pl.Series | int = line
    if breaks != frame.height:
        height = frame.select(
            pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True)) + 1
        ).to_series()
        if height.sum() != breaks:
            return None
        lines = height.cum_sum().shift(1, fill_value=0) + line
    return Chunk(
        numbered(frame.select(wanted), row, lines), lambda at: _as_json(frame.row(at, named=True))
    )


def _slow(
    data: bytes, layout: Header, wanted: list[str], start: tuple[int, int], *, last: bool
) -> tuple[Chunk, int]:
    """Record by record: about 2 µs a cell, paid only for pieces that hold a bad record.

    After a record that cannot be read, reading goes on at the next line, so that a quote that is
    never closed costs one line. Gives the chunk and the number of bytes used: a record that may go
    on in the next piece is left for it.
    """
    row, line = start
    texts = data.decode("utf-8", "replace").splitlines(keepends=True)
    good: list[dict[str, str]] = []
    places: list[tuple[int, int]] = []
    unread: list[Unread] = []
    at = 0
    while at < len(texts):
        cells, height, wrong = _record(texts, at, layout)
        raw = "".join(texts[at : at + height]).rstrip("\r\n")
        unclosed = wrong == (reasons.BAD_QUOTES, "the quote is not closed")
        if unclosed and not last and at and sum(map(len, texts[at:])) < LONGEST_CELL:
            break
        if wrong:
            first = texts[at].rstrip("\r\n")
            unread.append(Unread(row, line + at, "", *wrong, first if height > 1 else raw))
            height = 1
        elif cells:
            good.append(dict(zip(layout.names, cells, strict=True)))
            places.append((row, line + at))
        row += bool(cells) or bool(wrong)
        at += height
    frame = pl.DataFrame(good, schema=dict.fromkeys(layout.names, pl.String))
    rows = pl.Series([place[0] for place in places], dtype=pl.UInt64)
    lines = pl.Series([place[1] for place in places], dtype=pl.UInt64)
    chunk = Chunk(numbered(frame.select(wanted), rows, lines), lambda i: _as_json(good[i]), unread)
    return chunk, len("".join(texts[:at]).encode())


def _record(
    texts: list[str], at: int, layout: Header
) -> tuple[list[str], int, tuple[str, str] | None]:
    """One record from the line at ``at``: its cells, its height in lines, what is wrong with it."""
    reader = csv.reader(iter(texts[at : at + 100_000]), delimiter=layout.delimiter, strict=True)
    try:
        cells = next(reader, [])
    except csv.Error as error:
        open_quote = "unexpected end" in str(error)
        detail = "the quote is not closed" if open_quote else str(error)
        return [], reader.line_num, (reasons.BAD_QUOTES, detail)
    if cells and len(cells) != len(layout.names):
        detail = f"expected {len(layout.names)} cells, found {len(cells)}"
        return [], reader.line_num, (reasons.RAGGED, detail)
    return cells, max(1, reader.line_num), None


def _as_json(row: dict[str, str]) -> str:
    return json.dumps(row, ensure_ascii=False)
