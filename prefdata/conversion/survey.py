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
from dataclasses import replace

import polars as pl
import pyarrow as pa

from prefdata.formats.base import RAW, Match
from prefdata.formats.claim_tally import ClaimTally
from prefdata.formats.claims import tally_claim
from prefdata.formats.closed_list import filled, is_filled
from prefdata.formats.columns import may_be_read
from prefdata.formats.generic.measures import number_columns
from prefdata.formats.numbers import number
from prefdata.formats.sample import Sample
from prefdata.formats.sentinels import CODES, number_key, number_tally, numbers_in, possible_codes
from prefdata.formats.value_key import value_keys
from prefdata.io.readers.chunks import AS_JSON, PASSED_ON, Chunk
from prefdata.io.readers.json_keys import KnownKeys
from prefdata.io.readers.json_types import infer_field, is_mixed, json_field, number_field
from prefdata.io.readers.reader import parse_pieces, read_pieces
from prefdata.io.readers.sources import Source
from prefdata.records.frames import as_json

MOST_VALUES = 500
"""Distinct values up to which a column holds codes; with more it holds texts or measures."""


def code_values(sample: Sample, columns: Collection[str]) -> dict[str, frozenset[str]]:
    """The values that a sample has in columns of codes, as `value_keys` writes them.

    Columns with too many values to be codes, or with codes inside of lists or objects, are left
    out.
    """
    plain = [n for n in columns if not any(isinstance(v, dict | list) for v in sample.values(n))]
    values = {name: frozenset(sample.tally(name)) for name in plain}
    return {name: keys for name, keys in values.items() if len(keys) <= MOST_VALUES}


def unseen_codes(sample: Sample, match: Match) -> dict[str, tuple[float, ...]]:
    """The codes for a missing score that a sample does not have, and that would raise a question.

    Of each column of scores or ranks.
    """
    ranked = bool({"rank", "ranks"} & set(match.columns))
    unseen = {}
    for name in match.measured:
        numbers = set(number_tally(sample, name))
        new = [code for code in CODES if code not in numbers]
        asked = [c for c in new if (ranked and c == 0) or c in possible_codes({*numbers, c})]
        unseen[name] = tuple(asked)
    return unseen


def late_rows(
    frame: pl.DataFrame,
    values: Mapping[str, Collection[str]],
    codes: Mapping[str, Sequence[float]],
    encoded: Collection[str],
) -> list[dict[str, object]]:
    """A row for each value of a column of codes that no row of the sample has.

    Args:
        frame: the raw columns of a piece.
        values: what the sample has in each column of codes.
        codes: what it does not have in each column of scores, of that which would be asked about.
        encoded: columns that were read as JSON text.
    """
    places = [
        place
        for name, there in values.items()
        for place in _new_values(raw_column(frame, name), there, encoded=name in encoded)
    ]
    places += [
        place for name, each in codes.items() for place in _codes(raw_column(frame, name), each)
    ]
    return [row_at(frame, place, encoded) for place in dict.fromkeys(places)]


def _new_values(column: pl.Series, there: Collection[str], *, encoded: bool) -> list[int]:
    """Where values stand that the sample does not have: the first place of each."""
    if column.dtype.is_nested():
        column, encoded = as_json(column), True
    distinct = column.unique(maintain_order=True).drop_nulls()
    new = [value for value in distinct if _keys(value, encoded=encoded) - set(there)]
    return [int((column == value).arg_max() or 0) for value in new[:MOST_VALUES]]


def _keys(value: object, *, encoded: bool) -> set[str]:
    return set(value_keys(json.loads(value) if encoded and isinstance(value, str) else value))


def _codes(column: pl.Series, codes: Sequence[float]) -> list[int]:
    """The first place of each of some numbers in a column of scores."""
    if not codes:
        return []
    flat = column.explode() if isinstance(column.dtype, pl.List) else column
    if flat.dtype != pl.String and not flat.dtype.is_numeric():
        return []
    if not number(flat).is_in(list(codes)).any():
        return []
    return [place for code in codes for place in _first(column, code)]


def _first(column: pl.Series, code: float) -> list[int]:
    """The first place of a number in a column of scores, if it is there."""
    values = column.to_list()
    place = next((place for place, v in enumerate(values) if code in numbers_in([v])), None)
    return [] if place is None else [place]


def row_at(frame: pl.DataFrame, place: int, encoded: Collection[str]) -> dict[str, object]:
    """A row of a piece as a sample has it."""
    row = frame.drop("row", "line").row(place, named=True)
    values = {name.removeprefix(RAW): value for name, value in row.items()}
    return {
        name: json.loads(value) if name in encoded and value else _as_written(value)
        for name, value in values.items()
    }


def _as_written(value: object) -> object:
    """A value of a typed column as JSON has it: whole numbers stand in columns of floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def survey(
    source: Source, sample: Sample, match: Match, scalars: Collection[str], encoding: str = ""
) -> Sample:
    """Look at all rows of a source for the values of its columns of codes, and for late columns.

    Args:
        source: the file.
        sample: its first rows.
        match: which columns are read, and which of them hold codes.
        scalars: those of them in which a number may stand for text.
        encoding: its encoding, if it is named.

    Returns:
        The sample with a row for each value or column that it did not have, and with the counts.
    """
    columns = [name for name in match.source_columns if name in sample.names]
    looked_at = [name for name in match.looked_at if name in sample.names and name not in columns]
    numbers = number_columns(match)
    in_json = {*match.json_columns, *sample.mixed} - {*numbers}
    raw = [name for name in columns if name in in_json]
    pieces = read_pieces(
        source,
        sample,
        [*columns, *looked_at],
        set(scalars),
        encoding,
        raw=raw,
        fields=[
            *(number_field(name, sample.values(name)) for name in numbers),
            *(watched_field(sample, name) for name in looked_at),
        ],
        known_keys=KnownKeys(sample.rows, may_be_read),
    )
    totals = SurveyTotals(sample, match, raw)
    for chunk in parse_pieces(pieces):
        totals.add(chunk)
    sample = totals.extended()
    if source.kind not in ("json", "jsonl"):
        return sample
    return replace(sample, mixed=frozenset(n for n in sample.names if is_mixed(sample.values(n))))


class SurveyTotals:
    """What all rows of a source have, added up from its pieces.

    Args:
        sample: the first rows.
        match: how they are read.
        raw: columns that are read as JSON text.
    """

    def __init__(self, sample: Sample, match: Match, raw: Collection[str]) -> None:
        self._sample, self._match, self._raw = sample, match, raw
        coded = code_values(sample, match.coded_columns)
        self._values = {name: set(keys) for name, keys in coded.items()}
        self._codes = {name: set(each) for name, each in unseen_codes(sample, match).items()}
        self._counts: dict[str, Counter[str]] = {
            name: Counter() for name in (*self._values, *self._codes)
        }
        self._rows: list[dict[str, object]] = []
        self._watched = [name for name in match.watched if name in sample.names]
        self._filled: Counter[str] = Counter()
        self._tallies = {claim: ClaimTally() for claim in match.claims}

    def add(self, chunk: Chunk) -> None:
        """Add the rows of a piece."""
        frame = chunk.frame
        listed = {name: tuple(each) for name, each in self._codes.items()}
        new = late_rows(frame, self._values, listed, self._raw)
        filled_rows = filled_late(frame, self._sample, self._watched, self._raw)
        self._rows += [*chunk.late_rows, *new, *filled_rows]
        for name in self._watched:
            self._filled[name] += int(filled(raw_column(frame, name)).sum())
        self._tallies = {
            claim: tally.plus(tally_claim(frame, claim, self._match))
            for claim, tally in self._tallies.items()
        }
        for name in self._values:
            _count(self._counts[name], raw_column(frame, name), encoded=name in self._raw)
        for name in self._codes:
            _count_numbers(self._counts[name], raw_column(frame, name))
        for row in new:
            self._represent(row)

    def _represent(self, row: Mapping[str, object]) -> None:
        """No longer look for what a row has."""
        for name, keys in self._values.items():
            keys.update(value_keys(row[name]) if row.get(name) is not None else ())
        for name, codes in self._codes.items():
            codes.difference_update(numbers_in([row.get(name)]))

    def extended(self) -> Sample:
        """The sample with what all rows have."""
        counts = {name: dict(c.most_common()) for name, c in self._counts.items()}
        filled_in = {name: self._filled[name] for name in self._watched}
        claims = {(claim.column, claim.other): tally for claim, tally in self._tallies.items()}
        return replace(self._sample.with_rows(self._rows, counts, filled_in), claims=claims)


def filled_late(
    frame: pl.DataFrame, sample: Sample, watched: Collection[str], encoded: Collection[str]
) -> list[dict[str, object]]:
    """The first row that is filled in each column in which no row of the sample is."""
    places = []
    for name in watched:
        if any(map(is_filled, sample.values(name))):
            continue
        place = filled(raw_column(frame, name)).arg_true()
        places += place.to_list()[:1]
    return [row_at(frame, place, encoded) for place in dict.fromkeys(places)]


def watched_field(sample: Sample, name: str) -> pa.Field:
    """The type of a column that is only looked at: no value of it makes a row unreadable."""
    values = sample.values(name)
    if any(isinstance(value, Mapping) for value in values):
        return json_field(name)
    field = infer_field(name, values, scalar=False)
    return field if field.metadata == AS_JSON else field.with_metadata(PASSED_ON)


def _count(counter: Counter[str], column: pl.Series, *, encoded: bool) -> None:
    """Count the values of a column of codes; of lists, their items."""
    if column.dtype.is_nested():
        column, encoded = as_json(column), True
    for value, count in column.drop_nulls().value_counts().iter_rows():
        for key in value_keys(json.loads(value) if encoded else value):
            counter[key] += count


def _count_numbers(counter: Counter[str], column: pl.Series) -> None:
    """Count the numbers in a column of scores, in brief."""
    for value, count in column.drop_nulls().value_counts().iter_rows():
        for each in numbers_in([value]):
            counter[number_key(each)] += count


def raw_column(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column of the source, by the name that it has there."""
    return frame[RAW + name]
