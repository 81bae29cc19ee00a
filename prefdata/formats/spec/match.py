"""Recognising a source by its layout: its columns are there, and hold what the layout says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from prefdata.formats.base import Match, ReadOptions, Shape
from prefdata.formats.conversation import cell, shape_of
from prefdata.formats.sample import Sample
from prefdata.formats.spec.paths import Path, get, parse, slots
from prefdata.formats.spec.spec import GENERIC, HOT, FormatSpec, InvalidRow, RawRow

KNOWN = 100
"""The score of a layout before its columns are counted: above every generic format."""


def required(layout: FormatSpec) -> tuple[str, ...]:
    """The columns without which a source is not recognised."""
    columns = [parse(each).column for each in layout.needs]
    if not layout.made:
        for group in GENERIC[layout.kind].needs:
            field = next((name for name in group if name in layout.fields), "response")
            given = layout.fields[field]
            paths = layout.paths[field]
            columns += [p.column for p in (paths[:1] if isinstance(given, Mapping) else paths)]
        columns += [path.column for name in HOT for path in layout.paths.get(name, ())]
    return tuple(dict.fromkeys(columns))


def match(layout: FormatSpec, sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits where the layout's columns are there, and what they hold is as it says."""
    needs = required(layout)
    described = any(read_options.columns.values()) or read_options.winner or read_options.label
    if described or not set(needs) <= set(sample.names):
        return None
    called = "" if layout.distinct else _named(sample.origin, layout.sets)
    if not (layout.distinct or called or read_options.format == layout.name):
        return None
    cells, rows = opened_rows(layout, sample)
    if not all(any(get(row, parse(each)) is not None for row in rows) for each in layout.needs):
        return None
    if layout.holds and not layout.holds(rows):
        return None
    columns = {f: c for f, c in _columns(layout, sample).items() if f not in read_options.columns}
    dimensions = _dimensions(layout, sample.names)
    return Match(
        layout.name,
        KNOWN + len(needs),
        columns,
        _shapes(layout, columns, sample, rows),
        (f"it has {', '.join(needs)}", *((f"its name holds {called}",) if called else ())),
        values=layout.values,
        polarity=layout.polarity,
        ranked=bool(layout.order)
        or ("rank" in columns and any(path.each for path in layout.paths["response"])),
        spread=layout.spread,
        whole=bool(layout.gather),
        raw=_raw(layout, columns, sample),
        cells=cells,
        dimensions=weights(layout, dimensions, read_options),
    )


def _raw(
    layout: FormatSpec, columns: Mapping[str, tuple[str, ...]], sample: Sample
) -> frozenset[str]:
    """The columns to read as JSON text: all, where rows are looked into; cells of CSV are text."""
    looked_into = by_row(layout) and not sample.text_only
    return frozenset(n for names in columns.values() for n in names) if looked_into else frozenset()


def weights(
    layout: FormatSpec, names: Sequence[str], read_options: ReadOptions
) -> dict[str, float]:
    """What each dimension counts: those that the user wants, or as the layout says."""
    wanted = [read_options.dimension] if read_options.dimension else read_options.deciding
    if set(wanted) & set(names):
        return {name: float(name in wanted) for name in names}
    return {name: layout.dimensions.get(name, 0.0) for name in names}


def _named(origin: str, sets: Sequence[str]) -> str:
    """The data set whose name a source's name holds, however its slash is written, or ``""``."""
    place = _plain(origin)
    return next((name for name in sets if _plain(name) in place), "")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def opened_rows(layout: FormatSpec, sample: Sample) -> tuple[frozenset[str], list[RawRow]]:
    """The columns of a sample that are cells of lists or objects, and its rows with these open."""
    cells = _cells(sample, layout.lists)
    return cells, [
        {n: opened(v) if n in cells else v for n, v in row.items()} for row in sample.rows
    ]


def _cells(sample: Sample, lists: Sequence[str]) -> frozenset[str]:
    """The columns of a CSV file that hold lists or objects: most of their filled cells do.

    An answer that happens to be JSON stays the text that it is.
    """
    if not sample.text_only:
        return frozenset()
    held = {name: [value for value in sample.values(name) if value != ""] for name in sample.names}
    return frozenset(
        name
        for name, values in held.items()
        if name in lists or (values and sum(opened(v) is not v for v in values) * 2 >= len(values))
    )


def opened(value: object) -> object:
    """A list or an object that stands in a cell as text; anything else as it is.

    Example:
        >>> opened('["4", "5"]'), opened("[sic]")
        (['4', '5'], '[sic]')
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    held = cell(value)
    return value if held is None else held


def by_row(layout: FormatSpec) -> bool:
    """Whether rows are looked into one by one: about 20 µs each; else columns are as they stand."""
    extra = layout.made or layout.roles or layout.middle or layout.order
    parts = any(composed(given) for given in layout.fields.values())
    return bool(extra) or parts or not all(p.plain for ps in layout.paths.values() for p in ps)


def composed(given: object) -> bool:
    """Whether a field is a template, or has a path per dimension."""
    return isinstance(given, Mapping) or (isinstance(given, str) and bool(slots(given)))


def _columns(layout: FormatSpec, sample: Sample) -> dict[str, tuple[str, ...]]:
    """The columns that each field is made of, those that are there."""
    names = set(sample.names)
    if layout.made:
        return dict.fromkeys(layout.fields, tuple(c for c in layout.columns if c in names))
    found = {
        field: tuple(dict.fromkeys(p.column for p in paths if p.column in names))
        for field, paths in layout.paths.items()
    }
    return {field: columns for field, columns in found.items() if columns}


def _dimensions(layout: FormatSpec, names: Sequence[str]) -> list[str]:
    """The dimensions whose columns are there."""
    given = next((g for g in layout.fields.values() if isinstance(g, Mapping)), {})
    return [d for d, text in given.items() if layout.made or parse(text).column in names]


def _shapes(
    layout: FormatSpec, columns: Iterable[str], sample: Sample, rows: Iterable[RawRow]
) -> dict[str, Shape]:
    """How the text at each path is written, by the sample.

    Where rows are looked into, their cells are open; else columns are read as they stand.
    """
    inside = by_row(layout)
    made = prepared(layout, list(rows)) if inside else sample.rows
    held = [row for row in made if isinstance(row, Mapping)]
    shapes: dict[str, Shape] = {}
    for field in set(GENERIC[layout.kind].texts) & set(columns):
        if not composed(layout.fields[field]):
            for path in layout.paths[field]:
                values = [
                    value
                    for row in held
                    for value in _each(get(row, path), path)
                    if value is not None and not isinstance(value, InvalidRow)
                ]
                mixed = not inside and path.text in sample.mixed
                shapes[path.text] = "json" if mixed else shape_of(values)
    return shapes


def _each(value: object, path: Path) -> list[object]:
    if not path.each:
        return [value]
    return value if isinstance(value, list) else []


def prepared(layout: FormatSpec, rows: Sequence[RawRow]) -> Sequence[RawRow | InvalidRow]:
    """The rows that the fields are read from."""
    if layout.gather:
        return layout.gather(rows)
    return [_prepared_one(layout, row) for row in rows] if layout.prepare else rows


def _prepared_one(layout: FormatSpec, row: RawRow) -> RawRow | InvalidRow:
    try:
        return layout.prepare(row) if layout.prepare else row
    except InvalidRow as unfit:
        return unfit
