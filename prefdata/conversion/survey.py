"""Looking at all rows of a source for what the first ones do not show.

What a code means rests on all values of its column. A source is recognised by its first rows; the
others are checked as they are read, and the first that holds something new has the whole source
looked at, its format detected again, and the run begun anew. The result is the same wherever the
row stands.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from prefdata.formats.base import RAW
from prefdata.formats.sample import Sample
from prefdata.formats.value_key import value_key
from prefdata.io.readers.reader import parse_pieces, read_pieces
from prefdata.io.readers.sources import Source
from prefdata.records.frames import as_json

MOST_VALUES = 1000
"""Distinct values up to which a column holds codes; with more it holds texts or measures."""


class UnrepresentedRowError(Exception):
    """A row holds something that no row of the sample has.

    Args:
        number: the number of its source.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def code_values(sample: Sample, columns: Collection[str]) -> dict[str, frozenset[str]]:
    """The values that a sample has in columns of codes, as `value_key` writes them.

    Columns with too many values to be codes are left out.
    """
    values = {name: frozenset(sample.tally(name)) for name in columns}
    return {name: keys for name, keys in values.items() if len(keys) <= MOST_VALUES}


def late_rows(
    frame: pl.DataFrame, values: Mapping[str, Collection[str]], encoded: Collection[str]
) -> list[dict[str, object]]:
    """A row for each value of a column of codes that no row of the sample has.

    Args:
        frame: the raw columns of a piece.
        values: what the sample has in each column of codes.
        encoded: columns that were read as JSON text.
    """
    places: list[int] = []
    for name, there in values.items():
        column = raw_column(frame, name)
        if column.dtype.is_nested():
            column = as_json(column)
        distinct = column.unique(maintain_order=True).drop_nulls()
        new = [value for value in distinct if value_key(value) not in there]
        places += [int((column == value).arg_max() or 0) for value in new[:MOST_VALUES]]
    return [row_at(frame, place, encoded) for place in dict.fromkeys(places)]


def row_at(frame: pl.DataFrame, place: int, encoded: Collection[str]) -> dict[str, object]:
    """A row of a piece as a sample has it."""
    row = frame.drop("row", "line").row(place, named=True)
    return {
        name.removeprefix(RAW): json.loads(value) if name in encoded and value else value
        for name, value in row.items()
    }


def survey(
    source: Source,
    sample: Sample,
    columns: Sequence[str],
    codes: Collection[str],
    encoding: str = "",
) -> Sample:
    """Look at all rows of a source for the values of its columns of codes.

    Args:
        source: the file.
        sample: its first rows.
        columns: the columns that are read.
        codes: those of them that hold codes.
        encoding: its encoding, if it is named.

    Returns:
        The sample with a row for each value that it did not have, and with the counts of all.
    """
    values = {name: set(keys) for name, keys in code_values(sample, codes).items()}
    counts: dict[str, Counter[str]] = {name: Counter() for name in values}
    rows: list[dict[str, object]] = []
    raw = [name for name in columns if name in sample.mixed]
    pieces = read_pieces(source, sample, list(columns), set(codes), encoding, raw=raw)
    for chunk in parse_pieces(pieces):
        new = late_rows(chunk.frame, values, raw)
        rows += [*chunk.late_rows, *new]
        for name, counter in counts.items():
            column = raw_column(chunk.frame, name).drop_nulls()
            column = as_json(column) if column.dtype.is_nested() else column
            for value, count in column.value_counts().iter_rows():
                counter[value_key(value)] += count
        for row in new:
            for name, keys in values.items():
                if row.get(name) is not None:
                    keys.add(value_key(row[name]))
    return sample.with_rows(rows, {name: dict(c.most_common()) for name, c in counts.items()})


def raw_column(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column of the source, by the name that it has there."""
    return frame[RAW + name if RAW + name in frame.columns else name]
