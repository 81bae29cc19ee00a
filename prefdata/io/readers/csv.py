"""Rows from CSV and TSV, however they were exported.

A piece of the file is parsed at once by Polars, which is strict about quotes. Only when it refuses,
or a row is short, is the piece read again record by record, so that one bad row costs that row.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np
import polars as pl

from prefdata.errors import InputError
from prefdata.io.readers.chunks import (
    CHUNK_BYTES,
    Chunk,
    Offset,
    Piece,
    UnreadableRow,
    add_row_numbers,
    concat_chunks,
    refuse_duplicate_columns,
)
from prefdata.io.readers.encoding import Decoder, byte_positions, count_byte, fill
from prefdata.io.readers.header_rows import header_fault, with_questions, without_headers
from prefdata.records import reasons

DELIMITERS = ",\t;|"
NEWLINE, RETURN, QUOTE = b'\n\r"'
LONGEST_CELL = 64 << 20
MOST_LINES = 100_000
HEADER_BYTES = 1 << 20
SAME_WIDTH = 0.9
"""Share of rows with fewer cells than the header from which on a row has no more."""
ESCAPED = re.compile("[\udc80-\udcff]")
EXCEL = re.compile(r'"?sep=([,\t;|])"?\r?\n')
"""A first line that names the delimiter to Excel."""

OPENING = (
    "\N{LEFT DOUBLE QUOTATION MARK}\N{DOUBLE LOW-9 QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}"
)
"""Quotes with which word processors begin a text."""

CLOSING = (
    "\N{RIGHT DOUBLE QUOTATION MARK}\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
)

UNCLOSED = (reasons.BAD_QUOTES, "the quote is not closed")


class Header(NamedTuple):
    """The header of a delimited file.

    Attributes:
        names: the columns.
        delimiter: what stands between cells.
        lines: how many lines it takes.
        width: how many cells a row has where the header has more; 0 where it has not.
    """

    names: list[str]
    delimiter: str
    lines: int
    width: int = 0

    @property
    def columns(self) -> list[str]:
        """The columns of which rows have cells."""
        return self.names[: self.width or None]


def read_header(head: str, name: str) -> Header:
    """Read the header record.

    Args:
        head: the beginning of the file.
        name: the file, for messages.

    Raises:
        InputError: two columns have the same name, or there is nothing but line breaks.

    Example:
        >>> read_header("prompt;response;stars\\nHi;Hello;5\\n", "ratings.csv")
        Header(names=['prompt', 'response', 'stars'], delimiter=';', lines=1, width=0)
    """
    if "\n" not in head and head.strip().count("\r") > 0:
        raise InputError(
            f"{name} ends its lines with carriage returns alone",
            hint="Write it with line feeds, as in: tr '\\r' '\\n' < old.csv > new.csv",
        )
    skipped = len(head) - len(head.lstrip("\r\n"))
    declared = EXCEL.match(head, skipped)
    skipped = declared.end() if declared else skipped
    first = head[skipped:].split("\n", 1)[0]
    bare = "".join(first.split('"')[::2])
    delimiter = declared[1] if declared else max(DELIMITERS, key=bare.count)
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(head[skipped:], newline=""), delimiter=delimiter)
    cells = enumerate(next(reader, []), 1)
    names = [cell.strip("\ufeff ") or f"column {number}" for number, cell in cells]
    if not names:
        raise InputError(f"{name} is empty", hint="Check the export that made it.")
    refuse_duplicate_columns(names, name)
    _refuse_curly_quotes(names, name)
    return Header(names, delimiter, reader.line_num + head[:skipped].count("\n"))


def _refuse_curly_quotes(names: list[str], name: str) -> None:
    """Refuse a file whose cells stand in the quotes of a word processor."""
    if all(each[0] in OPENING and each[-1] in CLOSING for each in names):
        raise InputError(
            f"{name} has its cells in the quotes {names[0][0]} and {names[0][-1]}, "
            "which quote nothing in CSV",
            hint="Put straight quotes in their place, as in: sed 's/[“”]/\"/g' old.csv > new.csv",
        )


class Part(NamedTuple):
    """Records of a delimited file.

    Attributes:
        data: their bytes, in UTF-8.
        header: the header of the file.
        columns: the columns to read.
        above: lines of the header, where it is just above them.
        offset: where they begin in the file.
    """

    data: bytes
    header: Header
    columns: list[str]
    above: int
    offset: int

    @property
    def is_closed(self) -> bool:
        """Whether no record can go on after the end, however bad the cells of a row may be."""
        data = self.data
        if len(data) > LONGEST_CELL:
            return False
        if b"\r" in data and count_byte(data, RETURN) != data.count(b"\r\n"):
            return False
        return _quoted_well(data, self.header.delimiter)


def csv_pieces(
    stream: BinaryIO, decoder: Decoder, columns: list[str], name: str, width: int = 0
) -> Iterator[Piece]:
    """Cut a delimited file into pieces of whole records, to be parsed into frames of text columns.

    Where quotes do not show where records end, a piece is parsed at once: its last record may go on
    in the next one.

    Args:
        stream: the bytes of the file, header included.
        decoder: turns them into UTF-8.
        columns: the columns to read.
        name: the file, for messages.
        width: how many cells a row has, where the header has more.
    """
    header: Header | None = None
    rest, above, offset, last = b"", 0, 0, False
    buffer = bytearray(CHUNK_BYTES)
    while not last:
        text, size, skipped = _read_text(stream, decoder, buffer, first=header is None and not rest)
        last, offset = not size, offset + skipped
        if header is None:
            data = rest + text[:size]
            if not last and len(data) < HEADER_BYTES and not _cut(data.lstrip(b"\r\n")):
                rest = data
                continue
            header = read_header(data[:HEADER_BYTES].decode(errors="replace"), name)
            header = header._replace(width=width)
            below = (
                data.split(b"\n", header.lines)[-1] if data.count(b"\n") >= header.lines else b""
            )
            above = header.lines
            offset += len(data) - len(below)
            rest, text, size = b"", below, len(below)
        cut = size if last else _cut(text, size, count_byte(rest, QUOTE))
        view = memoryview(text)
        whole, rest = (
            (b"".join([rest, view[:cut]]), bytes(view[cut:size]))
            if cut or last
            else (b"", rest + view[:size])
        )
        if not whole:
            continue
        part = Part(whole, header, columns, above, offset)
        used, above = len(whole), 0
        if part.is_closed:
            yield partial(_parse, part, decoder)
        else:
            chunk, used = _slow(part, decoder, last=last)
            rest = whole[used:] + rest
            yield partial(_identity, chunk)
        offset += used


def _identity(chunk: Chunk) -> Chunk:
    return chunk


def _parse(part: Part, decoder: Decoder) -> Chunk:
    """Parse a part that is closed; a record of very many lines is parsed by itself."""
    if fast := _fast(part):
        return fast
    chunk, used = _slow(part, decoder, last=False)
    if used == len(part.data):
        return chunk
    if not used:
        return _slow(part, decoder, last=True)[0]
    rest = part._replace(data=part.data[used:], above=0, offset=part.offset + used)
    return concat_chunks([chunk, _parse(rest, decoder).shifted(Offset().after(chunk))])


def _read_text(
    stream: BinaryIO, decoder: Decoder, buffer: bytearray, *, first: bool
) -> tuple[bytes | bytearray, int, int]:
    """The next text of a file in UTF-8: a buffer, the length of the text in it, the bytes skipped.

    A length of 0 is the end. UTF-8 goes through one buffer: fresh memory costs more than reading.
    """
    if not decoder.is_utf8:
        text = b""
        while not text and (piece := stream.read(CHUNK_BYTES)):
            text = decoder.feed(piece)
        text = text or decoder.finish()
        return text, len(text), 0
    size = fill(stream, memoryview(buffer))
    if not first:
        return buffer, size, 0
    text = decoder.without_bom(bytes(memoryview(buffer)[:size]))
    return text, len(text), size - len(text)


def _cut(data: bytes | bytearray, size: int | None = None, before: int = 0) -> int:
    """The end of the last whole record: a line break after an even number of quotes.

    Where no line break is, since a quote is not closed, the last line break; 0 where there is none.

    Args:
        data: the text is at its beginning.
        size: the length of the text; all of it by default.
        before: quotes before it.
    """
    end = cut = data.rfind(b"\n", 0, len(data) if size is None else size)
    before += count_byte(memoryview(data)[: cut + 1], QUOTE)
    while cut >= 0:
        if before % 2 == 0:
            return cut + 1
        earlier = data.rfind(b"\n", 0, cut)
        before -= data.count(b'"', earlier + 1, cut)
        cut = earlier
    return end + 1


def _fast(part: Part) -> Chunk | None:
    """The whole piece at once, or None where a record in it needs a closer look."""
    data, header = part.data, part.header
    names, line = header.columns, part.above + 1
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            separator=header.delimiter,
            empty_string_is_null=False,
            extra_columns="raise",
        )
    except (pl.exceptions.PolarsError, ValueError):
        return None
    if not frame.height or _has_short_row(frame, data, header):
        return None
    breaks = count_byte(data, NEWLINE)
    ends = breaks + (not data.endswith(b"\n"))
    lines: pl.Series | int = line
    if ends != frame.height:
        height = frame.select(
            pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True)) + 1
        ).to_series()
        if height.sum() != ends:
            return None
        lines = height.cum_sum().shift(1, fill_value=0) + line
    frame = frame.with_columns(pl.lit("").alias(each) for each in header.names[len(names) :])
    chunk = Chunk(
        add_row_numbers(_columns(frame, part.columns), 0, lines),
        lambda position: _as_json(frame.row(position, named=True)),
        lines=part.above + breaks,
    )
    return without_headers(chunk, frame, is_first=bool(part.above))


def _columns(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Some columns of a frame; Polars would take a name such as ``*`` for a pattern."""
    return pl.DataFrame([frame.get_column(name) for name in names])


def _quoted_well(data: bytes, delimiter: str) -> bool:
    """Whether every quote opens a cell, closes one, or is one of a doubled pair inside.

    Polars accepts text after a closing quote, and would read two broken records as one.
    """
    view = np.frombuffer(data, np.uint8)
    quotes = byte_positions(data, QUOTE)
    if len(quotes) % 2:
        return False
    edge = ord(delimiter)
    before = view[quotes[::2] - 1]
    after = view.take(quotes[1::2] + 1, mode="clip")
    begins = (before == edge) | (before == NEWLINE) | (before == QUOTE)
    ends = (after == edge) | (after == NEWLINE) | (after == QUOTE) | (after == RETURN)
    # Before the first byte and after the last one there is no text.
    begins[:1] |= quotes[:1] == 0
    ends[-1:] |= quotes[-1:] == len(view) - 1
    return bool(begins.all() and ends.all())


def _has_short_row(frame: pl.DataFrame, data: bytes, header: Header) -> bool:
    """Whether cells are missing at the end of a row: Polars reads them as empty."""
    final = frame.get_column(header.columns[-1])
    if not (final.null_count() or (final == "").any()):
        return False
    inside = frame.select(pl.all().str.count_matches(header.delimiter, literal=True).sum())
    between = (frame.width - 1) * frame.height
    return bool(count_byte(data, ord(header.delimiter)) != between + sum(inside.row(0)))


def _slow(part: Part, decoder: Decoder, *, last: bool) -> tuple[Chunk, int]:
    """Record by record: about 2 µs a cell, paid only for pieces with a bad record.

    After a record that cannot be read, reading goes on at the next line, so that a quote that is
    never closed costs one line. Returns the chunk and the number of bytes used: a record that may
    go on in the next piece is left for it.
    """
    data, header = part.data, part.header
    if decoder.is_utf8:
        decoder.check(data, part.offset)
    row, line = 0, part.above + 1
    texts = _lines(data.decode("utf-8", "surrogateescape"))
    good: dict[int, tuple[dict[str, str], int]] = {}
    unreadable: list[UnreadableRow] = []
    headers: dict[int, str] = {}
    at = 0
    while at < len(texts):
        cells, height, fault = _record(texts, at, header)
        if fault == UNCLOSED and not last and sum(map(len, texts[at:])) < LONGEST_CELL:
            break
        if fault:
            height = height if fault[0] in (reasons.RAGGED, reasons.BAD_TEXT) else 1
            raw = "".join(texts[at : at + height]).rstrip("\r\n")
            unreadable.append(UnreadableRow(row, line + at, "", *fault, _printable(raw)))
        elif cells:
            good[row] = dict(zip(header.names, cells, strict=True)), line + at
            if why := header_fault(cells, header.names):
                headers[row] = why[1]
        row += bool(cells) or bool(fault)
        at += height
    for place, detail in with_questions(headers, is_first=bool(part.above)).items():
        if place in good:
            values, number = good.pop(place)
            why = reasons.HEADER_ROW, detail
            unreadable.append(UnreadableRow(place, number, "", *why, _as_json(values)))
    rows = [values for values, _ in good.values()]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(header.names, pl.String))
    numbers = pl.Series(list(good), dtype=pl.UInt64)
    lines = pl.Series([number for _, number in good.values()], dtype=pl.UInt64)
    used = len("".join(texts[:at]).encode("utf-8", "surrogateescape"))
    breaks = count_byte(memoryview(data)[:used], NEWLINE)
    return Chunk(
        add_row_numbers(_columns(frame, part.columns), numbers, lines),
        lambda i: _as_json(rows[i]),
        unreadable,
        lines=part.above + breaks,
    ), used


def _lines(text: str) -> list[str]:
    """The lines with their ends: only a line feed ends one, as everywhere in this module."""
    texts = [line + "\n" for line in text.split("\n")]
    texts[-1] = texts[-1][:-1]
    return texts if texts[-1] else texts[:-1]


def _each_line(text: str) -> Iterator[str]:
    """The same lines one by one, for those who need only the first of a long text."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _record(
    texts: list[str], at: int, header: Header
) -> tuple[list[str], int, tuple[str, str] | None]:
    """The record that begins at line ``at``: its cells, its height in lines, and its fault."""
    if not texts[at].strip():
        return [], 1, None
    ahead = (texts[i] for i in range(at, min(len(texts), at + MOST_LINES)))
    reader = csv.reader(ahead, delimiter=header.delimiter, strict=True)
    try:
        cells = next(reader, [])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return [], reader.line_num, UNCLOSED
        outside = "a carriage return outside quotes"
        detail = outside if "new-line character" in str(error) else str(error)
        return [], reader.line_num, (reasons.BAD_QUOTES, detail)
    if len(cells) not in (len(header.names), header.width):
        detail = f"expected {len(header.columns)} cells, found {len(cells)}"
        if curly := next((cell[0] for cell in cells if cell.startswith(tuple(OPENING))), ""):
            detail += f"; {curly} quotes nothing in CSV"
        return cells, reader.line_num, (reasons.RAGGED, detail)
    cells += [""] * (len(header.names) - len(cells))
    if byte := next((match[0] for cell in cells if (match := ESCAPED.search(cell))), ""):
        detail = f"byte 0x{ord(byte) - 0xDC00:02x} is not UTF-8"
        return cells, reader.line_num, (reasons.BAD_TEXT, detail)
    return cells, reader.line_num, None


def sample_rows(text: str, header: Header, limit: int) -> list[dict[str, object]]:
    """The first sound rows below the header.

    Args:
        text: the beginning of the file.
        header: its header.
        limit: the most rows to return.
    """
    rows: list[list[str]] = []
    headers: dict[int, str] = {}
    texts, at = _lines(text), header.lines
    while at < len(texts) and len(rows) < limit:
        cells, height, fault = _record(texts, at, header)
        if cells and not fault:
            if why := header_fault(cells, header.names):
                headers[len(rows)] = why[1]
            rows.append(cells)
        at += 1 if fault else height
    headers = with_questions(headers, is_first=True)
    sound = [cells for place, cells in enumerate(rows) if place not in headers]
    return [dict[str, object](zip(header.names, cells, strict=True)) for cells in sound]


def row_width(text: str, header: Header, limit: int) -> int:
    """How many cells nearly all of the first rows have, where the header has more; 0 otherwise.

    Args:
        text: the beginning of the file.
        header: its header.
        limit: the most rows to look at.

    Example:
        >>> text = "prompt,chosen,rejected,Approve\\nHi,Hello,No\\nBye,Ciao,What\\n"
        >>> row_width(text, read_header(text, "pairs.csv"), 1000)
        3
    """
    lines = islice(_each_line(text), header.lines, None)
    reader = csv.reader(lines, delimiter=header.delimiter)
    try:
        widths = Counter(len(cells) for cells in islice(reader, limit) if cells)
    except csv.Error:
        return 0
    width, count = next(iter(widths.most_common(1)), (0, 0))
    alike = count >= max(2, SAME_WIDTH * widths.total())
    return width if alike and 1 < width < len(header.names) else 0


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _as_json(row: dict[str, str]) -> str:
    return json.dumps(row, ensure_ascii=False)
