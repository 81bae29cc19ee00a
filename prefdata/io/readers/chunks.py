"""What every reader yields: a piece of a source as a frame, and the rows that cannot be read."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from prefdata.errors import InputError
from prefdata.formats.base import RAW
from prefdata.formats.repeated_prompts import Repeats
from prefdata.records.notes import Note

CHUNK_BYTES = 16 << 20
"""Bytes of a source that are in memory at once, whatever the file's size."""

PARSERS = max(2, min(4, os.cpu_count() or 1))
"""Pieces of a source that are parsed at once."""

MOST_AT_ONCE = 256 << 20
"""The largest source, in bytes of the columns that are read, that is read in one piece.

Working on it takes some ten times as much memory.
"""

AS_JSON = {b"as": b"json"}
"""Marks a column whose values differ in type from row to row: read as the JSON text of each."""

LENIENT = {b"as": b"scalar"}
"""Marks a column where a number may stand for text, as in a score of 5 or "5"."""

PASSED_ON = {b"as": b"kept"}
"""Marks a column that is only passed on: no value of it makes a row unreadable."""


class UnreadableRow(NamedTuple):
    """A row that cannot be read.

    Attributes:
        row: its position among the rows of its source, from 0.
        line: the line it begins on, from 1; of a binary file, its row from 1.
        field: the column at fault, or ``""``.
        reason: one of `prefdata.records.reasons`.
        detail: what is wrong with it, in words.
        raw: the row as it stands in the source.
    """

    row: int
    line: int
    field: str
    reason: str
    detail: str
    raw: str


@dataclass
class Chunk:
    """A piece of a source, parsed.

    Attributes:
        frame: the columns that are read, each with the prefix ``raw:``, and ``row`` and ``line``
            (both 64-bit) as in `UnreadableRow`.
        raw: returns the text of the row at a position of the frame.
        unreadable: the rows of this piece that cannot be read.
        lines: how many lines of the source it takes.
        notes: what is worth knowing of its rows.
        late_rows: rows with something that no row of the sample has, so that the format of the
            source must be looked at again: see `prefdata.conversion.survey`.
        odd_rows: rows with a key that no row of the sample has.
        repeats: how many of its records repeat their prompt in every answer.
    """

    frame: pl.DataFrame
    raw: Callable[[int], str]
    unreadable: list[UnreadableRow] = field(default_factory=list)
    lines: int = 0
    notes: tuple[Note, ...] = ()
    late_rows: Sequence[dict[str, object]] = ()
    odd_rows: Sequence[dict[str, object]] = ()
    repeats: Repeats = field(default_factory=Repeats)

    @property
    def rows(self) -> int:
        """How many rows of the source this piece has, readable or not."""
        return self.frame.height + len(self.unreadable)

    def shifted(self, offset: Offset) -> Chunk:
        """The piece with rows and lines that count from the beginning of its source."""
        frame = self.frame.with_columns(pl.col("row") + offset.row, pl.col("line") + offset.line)
        unreadable = [
            row._replace(row=row.row + offset.row, line=row.line + offset.line)
            for row in self.unreadable
        ]
        return replace(self, frame=frame, unreadable=unreadable)


class Offset(NamedTuple):
    """How many rows and lines of a source come before one of its pieces."""

    row: int = 0
    line: int = 0

    def after(self, chunk: Chunk) -> Offset:
        """The offset of the piece that follows one with this offset."""
        return Offset(self.row + chunk.rows, self.line + chunk.lines)


Piece = Callable[[], Chunk]
"""A piece of a source that is yet to be parsed, which any thread may do.

Rows of the piece count from 0, its lines from 1.
"""


def collect_chunks(chunks: Iterable[Chunk], name: str) -> Chunk:
    """All pieces of a source as one, for formats whose rows need each other.

    Raises:
        InputError: it is too large for that.
    """
    collected: list[Chunk] = []
    size = 0
    for chunk in chunks:
        collected.append(chunk)
        size += int(chunk.frame.estimated_size())
        if size > MOST_AT_ONCE:
            raise InputError(
                f"{name} has more than {MOST_AT_ONCE >> 20:,} MB of text; it must be read in one "
                "piece, since its rows are answers to each other",
                hint="Split it into files so that each conversation is whole in one of them, and "
                "name them all.",
            )
    return concat_chunks(collected)


def concat_chunks(chunks: Sequence[Chunk]) -> Chunk:
    """Several pieces as one; their rows and lines keep their numbers."""
    ends = list(accumulate(chunk.frame.height for chunk in chunks))

    def raw(position: int) -> str:
        number = bisect_right(ends, position)
        return chunks[number].raw(position - (ends[number - 1] if number else 0))

    return Chunk(
        pl.concat([chunk.frame for chunk in chunks]),
        raw,
        [row for chunk in chunks for row in chunk.unreadable],
        sum(chunk.lines for chunk in chunks),
        tuple(note for chunk in chunks for note in chunk.notes),
        [row for chunk in chunks for row in chunk.late_rows],
        [row for chunk in chunks for row in chunk.odd_rows],
    )


def add_row_numbers(
    frame: pl.DataFrame, rows: pl.Series | int, lines: pl.Series | int
) -> pl.DataFrame:
    """Add ``row`` and ``line``: a series each, or the first of consecutive numbers.

    The columns of the source get the prefix ``raw:``, so that none is taken for one of ours.

    Args:
        frame: the columns of the source.
        rows: the numbers of the frame's rows in the piece, or the first.
        lines: the same for their lines.
    """
    frame = frame.rename({name: RAW + name for name in frame.columns})
    height = frame.height
    if isinstance(rows, int):
        rows = pl.int_range(rows, rows + height, dtype=pl.UInt64, eager=True)
    if isinstance(lines, int):
        lines = pl.int_range(lines, lines + height, dtype=pl.UInt64, eager=True)
    return frame.with_columns(
        rows.cast(pl.UInt64).alias("row"), lines.cast(pl.UInt64).alias("line")
    )


def describe_type(kind: pa.DataType) -> str:
    """Name an Arrow type in words a user knows.

    Example:
        >>> describe_type(pa.list_(pa.string()))
        'a list of text'
    """
    if pa.types.is_string(kind):
        return "text"
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return "a number"
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_list(kind):
        inner = describe_type(kind.value_type)
        return f"a list of {inner.removeprefix('an ').removeprefix('a ')}"
    return "an object"


def refuse_duplicate_columns(names: Sequence[str], source: str) -> None:
    """Check that every column has a name of its own.

    Args:
        names: the names of its columns.
        source: the name of the file, for messages.

    Raises:
        InputError: two columns have the same name.

    Example:
        >>> refuse_duplicate_columns(["prompt", "chosen", "chosen"], "pairs.parquet")
        Traceback (most recent call last):
        prefdata.errors.InputError: pairs.parquet has two columns named 'chosen'
    """
    if duplicates := sorted(name for name, count in Counter(names).items() if count > 1):
        raise InputError(
            f"{source} has two columns named {', '.join(map(repr, duplicates))}",
            hint="Give every column a name of its own.",
        )
