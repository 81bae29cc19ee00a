"""What a row passes to the chat template beside its messages: its tools, and other arguments.

They stand in a column of their own, or where the description of a format says, in whatever format
the rest of the row is. Records carry them as JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import polars as pl

from prefdata.formats.base import RAW, Match, ReadOptions
from prefdata.formats.closed_list import is_filled
from prefdata.formats.generic.column_names import plain
from prefdata.formats.message import without_nulls
from prefdata.formats.sample import Sample
from prefdata.formats.spec.paths import parse_path, value_at
from prefdata.formats.text_shapes import parse_cell
from prefdata.records import reasons
from prefdata.records.frames import TEMPLATE


def with_template(match: Match, sample: Sample, read_options: ReadOptions) -> Match:
    """A match that says where tools and template arguments stand, if they do.

    A column that the match reads as something else is left to it.

    Example:
        >>> match = Match("pairs", 90, {"chosen": ("chosen",)})
        >>> with_template(match, Sample(["chosen", "Tools"], []), ReadOptions()).template
        {'tools': 'Tools'}
    """
    free = {plain(name): name for name in sample.names if name not in match.source_columns}
    places: dict[str, str] = {}
    for name in TEMPLATE:
        if name in read_options.columns:
            if columns := read_options.columns[name]:
                places[name] = f'"{columns[0]}"'
        elif name in match.template:
            places[name] = match.template[name]
        elif name in free:
            places[name] = free[name]
    columns_read = {name: (parse_path(path).column,) for name, path in places.items()}
    return replace(match, template=places, columns={**match.columns, **columns_read})


class _Value(NamedTuple):
    """A value as JSON text, None where there is none; or why it cannot be read."""

    text: str | None
    problem: str = ""


def add_template(
    records: pl.DataFrame, frame: pl.DataFrame, match: Match, names: Iterable[str]
) -> pl.DataFrame:
    """Add the tools and template arguments of each record's row; refuse what cannot be read.

    Args:
        records: with the ``row`` that each comes from, ``reason``, ``field`` and ``detail``.
        frame: the raw columns of the same rows.
        match: says where they stand.
        names: those of `prefdata.records.frames.TEMPLATE` that some source of the run has.
    """
    places = frame["row"].search_sorted(records["row"])
    for name in names:
        if name not in match.template:
            records = records.with_columns(pl.lit(None, pl.String).alias(name))
            continue
        path = parse_path(match.template[name])
        values = _values(frame[RAW + path.column], match.template[name], name)
        texts = pl.Series(name, [value.text for value in values], pl.String)
        problems = pl.Series("@problem", [value.problem or None for value in values], pl.String)
        records = records.with_columns(texts.gather(places), problems.gather(places))
        new = pl.col("reason").is_null() & pl.col("@problem").is_not_null()
        records = records.with_columns(
            pl.when(new).then(pl.lit(path.column)).otherwise("field").alias("field"),
            pl.when(new).then("@problem").otherwise("detail").alias("detail"),
            pl.when(new).then(pl.lit(reasons.TOOLS)).otherwise("reason").alias("reason"),
        ).drop("@problem")
    return records


def _values(column: pl.Series, place: str, name: str) -> list[_Value]:
    """The values of a column; equal texts, as tools are in most rows, are parsed once."""
    path = parse_path(place)
    if column.dtype != pl.String:
        cells = (without_nulls(cell) for cell in column.to_list())
        return [_value(value_at({path.column: cell}, path), name) for cell in cells]
    by_text = {
        text: _value(value_at({path.column: _opened(text)}, path), name)
        for text in column.unique().to_list()
    }
    return [by_text[text] for text in column.to_list()]


def _opened(value: object) -> object:
    """What a text holds as JSON or Python, also where it holds that as a text once more."""
    if not isinstance(value, str):
        return value
    content = parse_cell(value)
    return _opened(content) if isinstance(content, str) else value if content is None else content


def _value(value: object, name: str) -> _Value:
    value = _opened(value)
    if value in ([], {}) or not (isinstance(value, list | Mapping) or is_filled(value)):
        return _Value(None)
    if name == "tools":
        tools = [_opened(tool) for tool in value] if isinstance(value, list) else [value]
        if not all(isinstance(tool, Mapping) for tool in tools):
            return _Value(None, _expected("a list of tools as objects", name))
        return _Value(json.dumps(tools, ensure_ascii=False))
    if not isinstance(value, Mapping):
        return _Value(None, _expected("an object of arguments", name))
    return _Value(json.dumps(value, ensure_ascii=False))


def _expected(what: str, name: str) -> str:
    return f"expected {what}; --map {name}= leaves the column out"
