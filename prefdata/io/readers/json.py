"""Rows from JSON: one object per line, or an array, or an object that holds one list.

A piece of the file is parsed at once by pyarrow, which is strict about types, keys and escapes.
Only when it refuses is the piece read again line by line, so that one bad line costs that line.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import PurePath
from typing import BinaryIO, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.json as pj

from prefdata.errors import InputError
from prefdata.formats.conversation import JSON_TEXT
from prefdata.io.readers.chunks import (
    AS_JSON,
    CHUNK_BYTES,
    PARSERS,
    Chunk,
    Piece,
    UnreadableRow,
    add_row_numbers,
)
from prefdata.io.readers.encoding import Decoder, byte_positions, decode_array, fill, is_valid_utf8
from prefdata.io.readers.json_keys import KnownKeys
from prefdata.io.readers.json_types import (
    has_other_type,
    json_field,
    parse_row,
    row_fault,
    rows_to_table,
    with_extended,
)
from prefdata.records import reasons

NEWLINE, RETURN, OPENS, CLOSES = b"\n\r{}"
BORDER = re.compile(rb"\}[ \t\r]*\n[ \t\r]*\{")
NULL = re.compile(rb"\s*null")
"""A block that begins so ends the whole process inside pyarrow 26.0."""
MAY_EXTEND = re.compile(rb'"(?:tool_|function_call|reasoning|thinking"|redacted_|name")')
"""How keys and kinds of blocks begin that make a message more than a role and a text.

One pattern with one beginning takes a fifth of the time that one search for each takes.
"""
EXTENDS = re.compile(rb'"(?:tool_|function_call|reasoning|thinking"|redacted_)')
NAMED = re.compile(
    rb'"name"\s*:\s*"[^"]*"\s*(?:,\s*"(?:role|content)"|\})|"role"\s*:\s*"\w*",\s*"name"'
)
"""A message with a name, in the usual orders of its keys."""
SLACK = 1 << 20
LONGEST_KEY = 40
MOST_KEYS = 6
RING = PARSERS + 3
"""Buffers in use at once: one is filled, one waits, one was yielded; the others are parsed."""


class Block(NamedTuple):
    """Whole rows as JSON lines.

    Attributes:
        data: the rows; may lie in a buffer that is used again a few blocks later.
        lines: the source line of each row, where they are not consecutive.
        offset: where it begins in the source.
    """

    data: bytes | memoryview
    lines: list[int] | None = None
    offset: int = 0


def line_blocks(stream: BinaryIO, decoder: Decoder) -> Iterator[Block]:
    """Cut a JSONL stream into blocks of whole lines.

    UTF-8 goes through a few buffers that are used again and again: fresh memory for every block
    costs as much as parsing it.
    """
    for data, offset in _utf8(stream, decoder) if decoder.is_utf8 else _recoded(stream, decoder):
        yield Block(data, offset=offset)


def _utf8(stream: BinaryIO, decoder: Decoder) -> Iterator[tuple[memoryview | bytes, int]]:
    ring = [memoryview(bytearray(CHUNK_BYTES + SLACK)) for _ in range(RING)]
    offset = 0
    for turn in itertools.count():
        buffer = ring[turn % RING]
        size = fill(stream, buffer[:CHUNK_BYTES])
        if not size:
            return
        tail = b"" if buffer[size - 1] == NEWLINE else stream.readline()
        data: memoryview | bytes
        if len(tail) <= SLACK:
            buffer[size : size + len(tail)] = tail
            data = buffer[: size + len(tail)]
        else:
            data = bytes(buffer[:size]) + tail
        skipped = 0 if turn else 3 - len(decoder.without_bom(bytes(data[:3]).ljust(3)))
        yield data[skipped:], offset + skipped
        offset += len(data)


def _recoded(stream: BinaryIO, decoder: Decoder) -> Iterator[tuple[bytes, int]]:
    rest = b""
    while piece := stream.read(CHUNK_BYTES):
        piece = rest + decoder.feed(piece)
        cut = piece.rfind(b"\n") + 1
        rest = piece[cut:]
        if cut:
            yield piece[:cut], 0
    if rest := rest + decoder.finish():
        yield rest, 0


def array_blocks(stream: BinaryIO, decoder: Decoder, name: str) -> Iterator[Block]:
    """Cut a JSON array, or the one list of a JSON object, into blocks of JSON lines.

    Raises:
        InputError: the file is not valid JSON, or holds no list, or several.
    """
    text = (decoder.feed(stream.read()) + decoder.finish()).decode("utf-8", "surrogateescape")
    at, line, lines, rows, size = _start(text, name), 1, [], [], 0
    previous, decode = 0, json.JSONDecoder(parse_int=str).raw_decode
    while (at := _blank(text, at)) < len(text) and text[at] != "]":
        try:
            _, end = decode(text, at)
        except json.JSONDecodeError as error:
            raise _broken(error, name) from error
        except RecursionError:
            raise _broken(json.JSONDecodeError("Nested too deeply", text, at), name) from None
        line, previous = line + text.count("\n", previous, at), at
        row = text[at:end].replace("\r", " ").replace("\n", " ").encode("utf-8", "surrogateescape")
        rows.append(row)
        lines.append(line)
        if (size := size + len(row)) > CHUNK_BYTES:
            yield Block(b"\n".join(rows) + b"\n", lines)
            lines, rows, size = [], [], 0
        at = _blank(text, end)
        if text[at : at + 1] not in (",", "]"):
            raise _broken(json.JSONDecodeError("Expecting ',' or ']'", text, at), name)
        at += text[at] == ","
    if at >= len(text):
        raise _broken(json.JSONDecodeError("The list is not closed", text, len(text) - 1), name)
    if text[_blank(text, 0)] == "[" and (more := _blank(text, at + 1)) < len(text):
        raise _broken(json.JSONDecodeError("Extra data", text, more), name)
    if rows:
        yield Block(b"\n".join(rows) + b"\n", lines)


def _broken(error: json.JSONDecodeError, name: str, lines: int = 0) -> InputError:
    """The error for a whole file; ``lines`` were skipped before the text that the error counts."""
    what = error.msg.removesuffix(" at")
    return InputError(
        f"{name} is not valid JSON: {what} at line {error.lineno + lines}, column {error.colno}",
        hint="Repair it there, or write one object per line: then a bad line costs only itself.",
    )


def _blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n\ufeff":
        at += 1
    return at


def _start(text: str, name: str) -> int:
    """The position after the bracket that opens the list of rows."""
    at = _blank(text, 0)
    if text[at] == "[":
        return at + 1
    decoder = json.JSONDecoder(parse_int=str)
    try:
        whole = decoder.decode(text[at:])
    except json.JSONDecodeError as error:
        lines = text.count("\n", 0, at)
        raise _broken(error, name, lines) from error
    except RecursionError:
        raise _broken(json.JSONDecodeError("Nested too deeply", text, at), name) from None
    lists = [k for k, v in whole.items() if isinstance(v, list)] if isinstance(whole, dict) else []
    if len(lists) != 1:
        keys = ", ".join(map(repr, lists)) or "none"
        raise _no_list(whole, keys, name)
    key = ""
    while key != lists[0]:
        key, at = decoder.raw_decode(text, _blank(text, at + 1))
        start = _blank(text, _blank(text, at) + 1)
        _, at = decoder.raw_decode(text, start)
        at = _blank(text, at)
    return start + 1


def _no_list(whole: object, lists: str, name: str) -> InputError:
    """The error for a file that is one value, and holds no list of rows or several."""
    if isinstance(whole, dict) and whole and lists == "none":
        if all(isinstance(value, dict) for value in whole.values()):
            return InputError(
                f"{name} is one JSON object with {len(whole):,} objects inside, each under a key",
                hint=f"If each is a row, write one to a line: jq -c '.[]' {name} > rows.jsonl",
            )
        keys = ", ".join(key[:LONGEST_KEY] for key in list(whole)[:MOST_KEYS])
        return InputError(
            f"{name} is one JSON object (keys {keys}); expected a list of rows",
            hint="If each file is a row, put them into one file, an object to a line: "
            f"jq -c . {PurePath(name).parent / '*.json'} > rows.jsonl",
        )
    return InputError(
        f"{name} is one JSON value; expected one list of rows inside, found {lists}",
        hint="Write the rows as an array, or one object per line.",
    )


def json_pieces(
    blocks: Iterator[Block],
    schema: pa.Schema,
    decoder: Decoder,
    known_keys: KnownKeys | None = None,
) -> Iterator[Piece]:
    """Blocks of JSON lines, to be parsed into frames with the columns of ``schema``.

    Rows with other keys than ``known_keys`` are in ``odd_rows`` of their chunk, and those whose
    columns can change how the source is read in its ``late_rows``.

    Parsing raises `InputError` where a byte is not UTF-8, and the user did not say that the file
    is.
    """
    for block in blocks:
        yield partial(_parse, block, schema, decoder, known_keys)


def _parse(
    block: Block, schema: pa.Schema, decoder: Decoder, known_keys: KnownKeys | None
) -> Chunk:
    breaks = byte_positions(block.data, NEWLINE)
    chunk = _fast(block, breaks, schema) or _slow(block, schema, decoder)
    chunk = replace(chunk, lines=0 if block.lines else len(breaks))
    odd = known_keys.odd_rows(block.data, breaks) if known_keys else []
    if not known_keys or not odd:
        return chunk
    late = [row for row in odd if known_keys.new_columns(row)]
    return replace(chunk, odd_rows=odd, late_rows=[*chunk.late_rows, *late])


def _fast(block: Block, breaks: np.ndarray, schema: pa.Schema) -> Chunk | None:
    """The whole block at once, or None where a row in it needs a closer look."""
    data = block.data
    nested = any(
        not pa.types.is_primitive(c.type) and not pa.types.is_string(c.type) for c in schema
    )
    if any(column.metadata == AS_JSON for column in schema) or NULL.match(data):
        return None
    if nested and _may_be_extended(data):
        return None
    options = pj.ParseOptions(
        explicit_schema=schema.remove_metadata(), unexpected_field_behavior="ignore"
    )
    one_block = pj.ReadOptions(block_size=len(data) + 1, use_threads=False)
    try:
        table = pj.read_json(pa.BufferReader(data), read_options=one_block, parse_options=options)
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(breaks) + (data[-1] != NEWLINE) or not _is_row_by_line(data, breaks):
        return None
    if not is_valid_utf8(data):  # in other columns too, as a bad row is shown whole
        return None
    columns = [_column(name, table[name]) for name in schema.names]
    valid = [column for column in columns if column is not None]
    if len(valid) < len(columns) or _has_empty_row(frame := pl.DataFrame(valid)):
        return None
    lines = pl.Series(block.lines) if block.lines else 1

    def raw(position: int) -> str:
        start = breaks[position - 1] + 1 if position else 0
        return bytes(data[start : next(iter(breaks[position : position + 1]), None)]).decode()

    return Chunk(add_row_numbers(frame, 0, lines), raw)


def _may_be_extended(data: bytes | memoryview) -> bool:
    """Whether a message may have more than a role and a text, by its keys."""
    match = MAY_EXTEND.search(data)
    if match is None:
        return False
    if match[0] != b'"name"':
        return True
    return bool(EXTENDS.search(data) or NAMED.search(data))


def _is_row_by_line(data: bytes | memoryview, breaks: np.ndarray) -> bool:
    """Whether every line break is between two objects, and not inside one or next to a blank line.

    Two objects on a line and a blank one elsewhere are as many rows as lines.
    """
    view = np.frombuffer(data, np.uint8)
    inner = breaks[: len(breaks) - (data[-1] == NEWLINE)]
    if not inner.size:
        return True
    before, after = view[inner - 1], view[inner + 1]
    before = np.where(before == RETURN, view[inner - 2], before)
    if inner[0] > 1 and ((before == CLOSES) & (after == OPENS)).all():
        return True
    return sum(1 for _ in BORDER.finditer(data)) == len(inner)


def _column(name: str, column: pa.ChunkedArray) -> pl.Series | None:
    """A parsed column; None where it has bytes that are not UTF-8."""
    if pa.types.is_string(column.type):
        chunks = [chunk.view(pa.binary()) for chunk in column.chunks]
        text = decode_array(pa.chunked_array(chunks, pa.binary()))
        return None if text is None else text.alias(name)
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return pl.Series(name, column)


def _has_empty_row(frame: pl.DataFrame) -> bool:
    """Whether a row has none of the columns, as where its line says null or is no object."""
    if not all(column.null_count() for column in frame):
        return False
    return bool(frame.select(pl.all_horizontal(pl.all().is_null()).any()).item())


def _slow(block: Block, schema: pa.Schema, decoder: Decoder) -> Chunk:
    """Line by line: about 10 µs a row, paid only for blocks with a bad line."""
    good: list[dict[str, object]] = []
    places: list[tuple[int, int, str]] = []
    unreadable: list[UnreadableRow] = []
    late: dict[tuple[str, type], dict[str, object]] = {}
    row, offset = 0, block.offset
    for index, data in enumerate(bytes(block.data).split(b"\n")):
        begin, offset = offset, offset + len(data) + 1
        if not data.strip():
            continue
        line = block.lines[index] if block.lines else index + 1
        text, bad = _text(data, begin, decoder)
        values, reason, detail = (None, reasons.BAD_TEXT, bad) if bad else parse_row(text)
        fault = row_fault(values, schema) if values is not None else ("", reason, detail)
        if values is None or fault:
            field, reason, detail = fault or ("", reason, detail)
            unreadable.append(UnreadableRow(row, line, field, reason, detail, _printable(text)))
            for name in _late_columns(values, schema):
                late.setdefault((name, type((values or {})[name])), values or {})
        else:
            good.append(values)
            places.append((row, line, text))
        row += 1
    extended = with_extended(good, schema)
    block_schema = pa.schema(json_field(c.name) if c.name in extended else c for c in schema)
    frame = pl.DataFrame(rows_to_table(good, block_schema))
    frame = frame.with_columns(
        pl.struct(json=name).cast(JSON_TEXT).alias(name) for name in extended
    )
    rows = pl.Series([place[0] for place in places], dtype=pl.UInt64)
    lines = pl.Series([place[1] for place in places], dtype=pl.UInt64)
    return Chunk(
        add_row_numbers(frame, rows, lines),
        lambda position: places[position][2],
        unreadable,
        late_rows=list(late.values()),
    )


def _late_columns(row: dict[str, object] | None, schema: pa.Schema) -> list[str]:
    """The columns in which a row has a type that no row of the sample has."""
    if row is None:
        return []
    return [each.name for each in schema if has_other_type(row.get(each.name), each)]


def _text(data: bytes, offset: int, decoder: Decoder) -> tuple[str, str]:
    """The text of a line, and what is wrong with its bytes.

    Surrogates are the fault of one line; any other byte that is not UTF-8, of the whole file.
    """
    try:
        return data.decode().removeprefix("\ufeff"), ""
    except UnicodeDecodeError as error:
        byte = data[error.start]
        surrogate = byte == 0xED and data[error.start + 1 : error.start + 2] >= b"\xa0"
        if not decoder.encoding and not surrogate:
            raise decoder.error_at(byte, offset + error.start) from error
        bad = f"byte 0x{byte:02x} at column {error.start + 1} is not UTF-8"
        return data.decode(errors="replace"), bad


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
