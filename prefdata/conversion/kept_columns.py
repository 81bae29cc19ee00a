"""Columns of the sources that are passed on: every row of the data set has them as text.

A kept column is named ``keep_`` and its name in the source, so that it is never taken for one that
a trainer knows. Lists and objects are JSON, numbers have their shortest form, and all rows have the
same type whatever the source has.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

import polars as pl

from prefdata.errors import UnknownNameError
from prefdata.formats.base import RAW
from prefdata.formats.conversation import JSON_TEXT
from prefdata.io.readers.json_types import to_text

PREFIX = "keep_"


def kept_name(column: str) -> str:
    """The name of a kept column.

    Example:
        >>> kept_name("lang"), kept_name("keep_lang")
        ('keep_lang', 'keep_lang')
    """
    return PREFIX + column.removeprefix(PREFIX)


def choose_columns(patterns: Sequence[str], names: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """The columns of each source that are kept.

    Args:
        patterns: names of columns, which may hold ``*`` and ``?``.
        names: the columns of each source.

    Returns:
        For each source, kept column to the source's column, or to ``""`` where it has none.

    Raises:
        UnknownNameError: a pattern matches no column of any source.

    Example:
        >>> choose_columns(["lang", "id*"], [["lang", "id"], ["id"]])
        [{'keep_lang': 'lang', 'keep_id': 'id'}, {'keep_lang': '', 'keep_id': 'id'}]
        >>> choose_columns(["*lang"], [["lang", "keep_lang"]])
        [{'keep_lang': 'lang', 'keep_keep_lang': 'keep_lang'}]
    """
    every = list(dict.fromkeys(name for columns in names for name in columns))
    chosen: dict[str, None] = {}
    for pattern in patterns:
        matches = [name for name in every if name == pattern or fnmatchcase(name, pattern)]
        if not matches:
            raise UnknownNameError("column", pattern, every, where="--keep")
        chosen |= dict.fromkeys(matches)
    kept_names = _kept_names(chosen)
    by_source = []
    for columns in names:
        present = {kept: name for name, kept in kept_names.items() if name in columns}
        by_source.append({kept: present.get(kept, "") for kept in kept_names.values()})
    return by_source


def _kept_names(columns: Collection[str]) -> dict[str, str]:
    """The name of each kept column; of two that would have the same, one gets another prefix."""
    names: dict[str, str] = {}
    for column in columns:
        beside = column.startswith(PREFIX) and column.removeprefix(PREFIX) in columns
        names[column] = PREFIX + column if beside else kept_name(column)
    return names


def add_kept_columns(
    records: pl.DataFrame, frame: pl.DataFrame, keep: Mapping[str, str], raw: Collection[str]
) -> pl.DataFrame:
    """Add the kept columns to records.

    Args:
        records: with the ``row`` that each comes from.
        frame: the raw columns of the same rows.
        keep: kept column to the source's column, as from `choose_columns`.
        raw: columns that were read as JSON text.
    """
    places = frame["row"].search_sorted(records["row"])
    columns = []
    for name, column in keep.items():
        if column:
            texts = _texts(frame[RAW + column], encoded=column in raw)
            columns.append(texts.gather(places).alias(name))
        else:
            columns.append(pl.Series(name, [None], pl.String).new_from_index(0, records.height))
    return records.with_columns(columns)


def _texts(column: pl.Series, *, encoded: bool) -> pl.Series:
    if column.dtype == JSON_TEXT:
        column, encoded = column.struct.field("json"), True
    if column.dtype == pl.String and not encoded:
        return column
    if column.dtype == pl.Duration:
        return column.dt.to_string("iso")
    if column.dtype.is_integer() or column.dtype.is_temporal():
        return column.cast(pl.String)
    values = column.to_list()
    if encoded:
        values = [None if text is None else json.loads(text) for text in values]
    return pl.Series([to_text(value) for value in values], dtype=pl.String)
