"""Columns of the sources that are passed on: each row of the data set gets them as text.

A kept column is called ``keep_`` and its name in the source, so that it is never taken for one that
a trainer knows. Lists and objects are JSON, numbers stand in their shortest form, and all rows have
the same type whatever the source holds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

import polars as pl

from prefdata.errors import UnknownNameError
from prefdata.io.readers.json_types import to_text

PREFIX = "keep_"


def called(column: str) -> str:
    """What a kept column is called.

    Example:
        >>> called("lang"), called("keep_lang")
        ('keep_lang', 'keep_lang')
    """
    return PREFIX + column.removeprefix(PREFIX)


def chosen(patterns: Sequence[str], names: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Which columns of each source are kept.

    Args:
        patterns: names of columns, which may hold ``*`` and ``?``.
        names: the columns of each source.

    Returns:
        Of each source, what every kept column is in it; ``""`` where it has none.

    Raises:
        UnknownNameError: a pattern fits no column of any source.

    Example:
        >>> chosen(["lang", "id*"], [["lang", "id"], ["id"]])
        [{'keep_lang': 'lang', 'keep_id': 'id'}, {'keep_lang': '', 'keep_id': 'id'}]
    """
    every = list(dict.fromkeys(name for held in names for name in held))
    wanted: dict[str, None] = {}
    for pattern in patterns:
        found = [name for name in every if name == pattern or fnmatchcase(name, pattern)]
        if not found:
            raise UnknownNameError("column", pattern, every, where="--keep")
        wanted |= dict.fromkeys(found)
    kept = list(dict.fromkeys(map(called, wanted)))
    made = []
    for held in names:
        of_source = {called(name): name for name in wanted if name in held}
        made.append({name: of_source.get(name, "") for name in kept})
    return made


def with_kept(
    made: pl.DataFrame, frame: pl.DataFrame, keep: Mapping[str, str], raw: Collection[str]
) -> pl.DataFrame:
    """Add the kept columns to records.

    Args:
        made: records, with the ``row`` that each comes from.
        frame: the raw columns of the same rows.
        keep: what each kept column is in the source.
        raw: columns that were read as JSON text.
    """
    places = frame["row"].search_sorted(made["row"])
    columns = []
    for name, column in keep.items():
        if column:
            texts = _texts(frame[column], encoded=column in raw)
            columns.append(texts.gather(places).alias(name))
        else:
            columns.append(pl.Series(name, [None], pl.String).new_from_index(0, made.height))
    return made.with_columns(columns)


def _texts(column: pl.Series, *, encoded: bool) -> pl.Series:
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
