"""Recognising a source by its description: its columns are there, and hold what that says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from prefdata.formats.base import Match, ReadOptions, Shape
from prefdata.formats.sample import Sample
from prefdata.formats.spec.paths import FieldPath, parse_path, placeholders, value_at
from prefdata.formats.spec.spec import GENERIC_FORMATS, HOT, FormatSpec, InvalidRow, RawRow
from prefdata.formats.text_shapes import open_cell, shape_of

SPEC_SCORE = 100
"""The score of a described format before its columns are counted: above every generic format."""


def required_columns(spec: FormatSpec) -> tuple[str, ...]:
    """The columns without which a source is not recognised."""
    columns = [parse_path(each).column for each in spec.needs]
    if not spec.is_prepared:
        for group in GENERIC_FORMATS[spec.kind].needs:
            field = next((name for name in group if name in spec.fields), "response")
            location = spec.fields[field]
            paths = spec.paths[field]
            columns += [p.column for p in (paths[:1] if isinstance(location, Mapping) else paths)]
        columns += [path.column for name in HOT for path in spec.paths.get(name, ())]
    return tuple(dict.fromkeys(columns))


def match_spec(spec: FormatSpec, sample: Sample, read_options: ReadOptions) -> Match | None:
    """Match a source that has the columns of a description, with what it says in them."""
    needs = required_columns(spec)
    mapped = any(read_options.columns.values()) or read_options.winner or read_options.label
    if mapped or not set(needs) <= set(sample.names):
        return None
    set_name = _set_name(sample.origin, spec.sets) if spec.by_name else ""
    if spec.by_name and not (set_name or spec.file or read_options.format == spec.name):
        return None
    cells, rows = open_cells(spec, sample)
    for path in map(parse_path, spec.needs):
        if all(value_at(row, path) is None for row in rows):
            return None
    if spec.accepts and not spec.accepts(rows):
        return None
    columns = {f: c for f, c in _columns(spec, sample).items() if f not in read_options.columns}
    dimensions = _dimensions(spec, sample.names)
    return Match(
        spec.name,
        SPEC_SCORE + len(needs),
        columns,
        _shapes(spec, columns, sample, rows),
        (f"it has {', '.join(needs)}", *((f"its name holds {set_name}",) if set_name else ())),
        values=spec.values,
        polarity=spec.polarity,
        ranked=bool(spec.order)
        or ("rank" in columns and any(path.each for path in spec.paths["response"])),
        multi_prompt=spec.multi_prompt,
        needs_all_rows=bool(spec.prepare_all),
        json_columns=_json_columns(spec, columns, sample),
        json_cells=cells,
        dimensions=_weights(spec, dimensions, read_options),
        template={
            name: path
            for name, path in spec.template.items()
            if parse_path(path).column in sample.names
        },
        settled=not spec.file,
    )


def _json_columns(
    spec: FormatSpec, columns: Mapping[str, tuple[str, ...]], sample: Sample
) -> frozenset[str]:
    """The columns to read as JSON text: all, where rows are read one by one; CSV cells are text."""
    if sample.text_only or not is_read_by_row(spec):
        return frozenset()
    return frozenset(name for names in columns.values() for name in names)


def _weights(spec: FormatSpec, names: Sequence[str], read_options: ReadOptions) -> dict[str, float]:
    """The weight of each dimension: as the user chose, or as the description says."""
    chosen = [read_options.dimension] if read_options.dimension else read_options.deciding
    if set(chosen) & set(names):
        return {name: float(name in chosen) for name in names}
    return {name: spec.dimensions.get(name, 0.0) for name in names}


def _set_name(origin: str, sets: Sequence[str]) -> str:
    """The data set whose name a source's name holds, however its slash is written, or ``""``."""
    place = _plain(origin)
    return next((name for name in sets if _plain(name) in place), "")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def open_cells(spec: FormatSpec, sample: Sample) -> tuple[frozenset[str], list[RawRow]]:
    """The columns of a sample whose cells hold lists or objects, and its rows with these parsed."""
    cells = _cells(sample, spec.lists)
    return cells, [
        {n: open_cell(v) if n in cells else v for n, v in row.items()} for row in sample.rows
    ]


def _cells(sample: Sample, lists: Sequence[str]) -> frozenset[str]:
    """The columns of a CSV file that hold lists or objects: most of their filled cells do.

    An answer that happens to be JSON stays the text that it is.
    """
    if not sample.text_only:
        return frozenset()
    return frozenset(name for name in sample.names if name in lists or _mostly_nested(sample, name))


def _mostly_nested(sample: Sample, name: str) -> bool:
    values = [value for value in sample.values(name) if value != ""]
    return bool(values) and sum(open_cell(v) is not v for v in values) * 2 >= len(values)


def is_read_by_row(spec: FormatSpec) -> bool:
    """Whether rows are read one by one, at about 20 µs each; else columns are used as they are."""
    extra = spec.is_prepared or spec.roles or spec.middle or spec.order
    parts = any(is_composite(location) for location in spec.fields.values())
    return bool(extra) or parts or not all(p.plain for ps in spec.paths.values() for p in ps)


def is_composite(location: object) -> bool:
    """Whether a field is a template, or has a path per dimension."""
    return isinstance(location, Mapping) or (
        isinstance(location, str) and bool(placeholders(location))
    )


def _columns(spec: FormatSpec, sample: Sample) -> dict[str, tuple[str, ...]]:
    """The columns of each field, as far as the source has them."""
    names = set(sample.names)
    if spec.is_prepared:
        return dict.fromkeys(spec.fields, tuple(c for c in spec.columns if c in names))
    columns = {
        field: tuple(dict.fromkeys(p.column for p in paths if p.column in names))
        for field, paths in spec.paths.items()
    }
    return {field: each for field, each in columns.items() if each}


def _dimensions(spec: FormatSpec, names: Sequence[str]) -> list[str]:
    """The dimensions whose columns the source has."""
    locations = next((g for g in spec.fields.values() if isinstance(g, Mapping)), {})
    return [
        d for d, text in locations.items() if spec.is_prepared or parse_path(text).column in names
    ]


def _shapes(
    spec: FormatSpec, columns: Iterable[str], sample: Sample, rows: Iterable[RawRow]
) -> dict[str, Shape]:
    """How the text at each path is written, by the sample."""
    by_row = is_read_by_row(spec)
    prepared = prepare_rows(spec, list(rows)) if by_row else sample.rows
    sound_rows = [row for row in prepared if isinstance(row, Mapping)]
    shapes: dict[str, Shape] = {}
    for field in set(GENERIC_FORMATS[spec.kind].texts) & set(columns):
        if not is_composite(spec.fields[field]):
            for path in spec.paths[field]:
                values = [
                    value
                    for row in sound_rows
                    for value in _values_of(value_at(row, path), path)
                    if value is not None and not isinstance(value, InvalidRow)
                ]
                mixed = not by_row and path.text in sample.mixed
                shapes[path.text] = "json" if mixed else shape_of(values)
    return shapes


def _values_of(value: object, path: FieldPath) -> list[object]:
    if not path.each:
        return [value]
    return value if isinstance(value, list) else []


def prepare_rows(spec: FormatSpec, rows: Sequence[RawRow]) -> Sequence[RawRow | InvalidRow]:
    """The rows that the fields are read from: as they are, or as ``prepare`` returns them."""
    if spec.prepare_all:
        return spec.prepare_all(rows)
    return [_prepare_row(spec, row) for row in rows] if spec.prepare else rows


def _prepare_row(spec: FormatSpec, row: RawRow) -> RawRow | InvalidRow:
    try:
        return spec.prepare(row) if spec.prepare else row
    except InvalidRow as invalid:
        return invalid
