"""What every reader gives: a piece of a source as a frame, and the rows that could not be read."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from prefdata.errors import InputError
from prefdata.formats.base import RAW

CHUNK_BYTES = 16 << 20
"""How much of a source is held at once; memory is bounded by it, whatever the file's size."""

PARSERS = max(2, min(4, os.cpu_count() or 1))
"""Pieces of a source that are parsed at once."""

MOST_AT_ONCE = 256 << 20
"""The largest source, in bytes of the columns that are wanted, that is read in one piece.

Working on it takes some ten times as much memory.
"""

AS_JSON = {b"as": b"json"}
"""Marks a column whose values differ in type from row to row: read as the JSON text of each."""

LENIENT = {b"as": b"scalar"}
"""Marks a column where a number may stand for text, as in a score of 5 or "5"."""

KEPT = {b"as": b"kept"}
"""Marks a column that is only passed on: whatever it holds, it makes no row unreadable."""


class Unread(NamedTuple):
    """A row that could not be read.

    Attributes:
        row: its position among the rows of its source, from 0.
        line: the line it begins on, from 1; of a binary file, its row from 1.
        field: the column at fault, or ``""``.
        reason: one of `prefdata.records.reasons`.
        detail: what was found.
        raw: the row as it was.
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
        frame: the wanted columns, and ``row`` and ``line`` (both 64-bit) as in `Unread`.
        raw: gives the text of the row at a position of the frame.
        unread: the rows of this piece that could not be read.
        lines: by how many lines it moves what follows it on.
    """

    frame: pl.DataFrame
    raw: Callable[[int], str]
    unread: list[Unread] = field(default_factory=list)
    lines: int = 0

    @property
    def rows(self) -> int:
        """How many rows of the source this piece holds, read or not."""
        return self.frame.height + len(self.unread)

    def moved(self, before: Place) -> Chunk:
        """The piece, counted from the beginning of its source and not from its own."""
        frame = self.frame.with_columns(pl.col("row") + before.row, pl.col("line") + before.line)
        unread = [
            each._replace(row=each.row + before.row, line=each.line + before.line)
            for each in self.unread
        ]
        return replace(self, frame=frame, unread=unread)


class Place(NamedTuple):
    """How many rows and lines of a source stand before one of its pieces."""

    row: int = 0
    line: int = 0

    def behind(self, piece: Chunk) -> Place:
        """The place of what follows a piece that stands here."""
        return Place(self.row + piece.rows, self.line + piece.lines)


Piece = Callable[[], Chunk]
"""A piece that was cut off a source and is yet to be parsed, which any thread may do.

Rows of the piece count from 0, its lines from 1.
"""


def in_one_piece(pieces: Iterable[Chunk], name: str) -> Chunk:
    """Put the pieces of a source together, where its rows need each other.

    Raises:
        InputError: it is too large for that.
    """
    held: list[Chunk] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += int(piece.frame.estimated_size())
        if size > MOST_AT_ONCE:
            raise InputError(
                f"{name} has more than {MOST_AT_ONCE >> 20:,} MB of text; it must be read in one "
                "piece, since its rows are answers to each other",
                hint="Split it into files so that each conversation is whole in one of them, and "
                "name them all.",
            )
    return joined(held)


def joined(held: Sequence[Chunk]) -> Chunk:
    """Several pieces as one; their rows and lines stay as they are counted."""
    ends = list(accumulate(piece.frame.height for piece in held))

    def raw(at: int) -> str:
        number = bisect_right(ends, at)
        return held[number].raw(at - (ends[number - 1] if number else 0))

    return Chunk(
        pl.concat([piece.frame for piece in held]),
        raw,
        [each for piece in held for each in piece.unread],
        sum(piece.lines for piece in held),
    )


def numbered(frame: pl.DataFrame, rows: pl.Series | int, lines: pl.Series | int) -> pl.DataFrame:
    """Add ``row`` and ``line``: a series each, or the first of a run of consecutive numbers.

    Columns of the source that have these names are set apart with the prefix ``raw:``.

    Args:
        frame: the columns of the source.
        rows: of the frame's rows, their numbers in the piece, or the first.
        lines: the same of their lines.
    """
    frame = frame.rename({name: RAW + name for name in ("row", "line") if name in frame.columns})
    n = frame.height
    if isinstance(rows, int):
        rows = pl.int_range(rows, rows + n, dtype=pl.UInt64, eager=True)
    if isinstance(lines, int):
        lines = pl.int_range(lines, lines + n, dtype=pl.UInt64, eager=True)
    return frame.with_columns(
        rows.cast(pl.UInt64).alias("row"), lines.cast(pl.UInt64).alias("line")
    )


def describe(kind: pa.DataType) -> str:
    """Name an Arrow type in words a user knows.

    Example:
        >>> describe(pa.list_(pa.string()))
        'a list of text'
    """
    if pa.types.is_string(kind):
        return "text"
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return "a number"
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_list(kind):
        inner = describe(kind.value_type)
        return f"a list of {inner.removeprefix('an ').removeprefix('a ')}"
    return "an object"
