"""Filling the fields of a generic format from the rows of a source, as its description says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import polars as pl

from prefdata.formats.base import RAW, Match, Shape
from prefdata.formats.generic.winners import winner_meaning
from prefdata.formats.numbers import number_of
from prefdata.formats.spec.match import is_composite, is_read_by_row, prepare_rows
from prefdata.formats.spec.paths import (
    FieldPath,
    fill_placeholders,
    parse_path,
    placeholders,
    value_at,
)
from prefdata.formats.spec.spec import GENERIC_FORMATS, FormatSpec, InvalidRow, RawRow
from prefdata.formats.text_shapes import SPEAKER, open_cell
from prefdata.formats.value_key import value_key
from prefdata.records import reasons
from prefdata.records.frames import SCORES, SIDES, concatenated, conform

MEASURE = "measure:"
"""Stands before the name of a dimension while its score is read."""

WHOLE = "field:"
"""Stands before the name of a field that is no path while its values are read."""

SIDE_SCORES = {"a": (1.0, 0.0), "b": (0.0, 1.0), "tie": (0.5, 0.5)}


def build_from_spec(spec: FormatSpec, frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Fill the generic format's fields, and let that format build the records."""
    generic = GENERIC_FORMATS[spec.kind].format
    if not is_read_by_row(spec):
        return generic.build(frame, match)
    names = {field: _labels(spec, field) for field in match.columns}
    inner = replace(match, columns=names, plain=frozenset())
    records = [
        each
        for index, row in enumerate(prepare_rows(spec, list(_rows(frame, match))))
        for each in _records(spec, index, row, match)
    ]
    valid = [each for each in records if not each.invalid]
    fields, shapes = _frame(spec, frame, valid, names, match.shapes)
    if spec.order:
        places = [-e.item if spec.order == "worst-first" else e.item for e in valid]
        fields = fields.with_columns(pl.Series(WHOLE + "place", places, dtype=pl.Int64))
        names["rank"] = (WHOLE + "place",)
    result = generic.build(fields, replace(inner, columns=names, shapes=shapes))
    if invalid := [each for each in records if each.invalid]:
        result = concatenated([result, conform(_refusals(frame, invalid), generic.kind)])
    result = result.with_columns(pl.col("field").str.strip_prefix(WHOLE))
    return result.sort("row", "item", maintain_order=True)


def _labels(spec: FormatSpec, field: str) -> tuple[str, ...]:
    """The names of a field's columns while records are built: its paths."""
    if is_composite(spec.fields[field]):
        return (WHOLE + field,)
    return tuple(RAW + path.text for path in spec.paths[field])


def _rows(frame: pl.DataFrame, match: Match) -> Iterator[RawRow]:
    """The raw columns as rows of plain values."""
    names = [name.removeprefix(RAW) for name in match.source_columns]
    columns = [
        _values(
            frame[RAW + name], encoded=name in match.json_columns, cells=name in match.json_cells
        )
        for name in names
    ]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _values(column: pl.Series, *, encoded: bool, cells: bool) -> list[object]:
    if encoded:
        return [None if text is None else json.loads(text) for text in column]
    return [open_cell(value) for value in column.to_list()] if cells else column.to_list()


class SpecRecord(NamedTuple):
    """One record of a row.

    Attributes:
        row_index: the place of the row in its frame.
        item: the number of the record in its row.
        values: label of a column to its value.
        invalid: why the record cannot be used, if it cannot.
    """

    row_index: int
    item: int
    values: Mapping[str, object]
    invalid: InvalidRow | None = None


def _records(
    spec: FormatSpec, row_index: int, row: RawRow | InvalidRow, match: Match
) -> list[SpecRecord]:
    """The records of a row; where there are none, one that says why."""
    if isinstance(row, InvalidRow):
        return [SpecRecord(row_index, 0, {}, row)]
    try:
        row_values, lists = _field_values(spec, row, match)
        count = _count(lists)
    except InvalidRow as invalid:
        return [SpecRecord(row_index, 0, {}, invalid)]
    items = [{**row_values, **{n: values[k] for n, values in lists.items()}} for k in range(count)]
    if match.dimensions and spec.record_kind == "ratings":
        items = [_with_mean_score(values, match.dimensions) for values in items]
    return [
        SpecRecord(row_index, item, values, _first_invalid(values))
        for item, values in enumerate(items)
    ]


def _first_invalid(values: Mapping[str, object]) -> InvalidRow | None:
    """What ``prepare`` put in the place of a value to refuse this one record."""
    return next((value for value in values.values() if isinstance(value, InvalidRow)), None)


def _field_values(
    spec: FormatSpec, row: RawRow, match: Match
) -> tuple[dict[str, object], dict[str, list[object]]]:
    """The values of the fields: those of the whole row, and one list for each path with ``[]``."""
    row_values: dict[str, object] = {}
    lists: dict[str, list[object]] = {}
    needed_fields = {name for group in GENERIC_FORMATS[spec.kind].needs for name in group}
    for field in match.columns:
        location, label = spec.fields[field], WHOLE + field
        if isinstance(location, str) and placeholders(location):
            row_values[label] = _template(location, row)
        elif isinstance(location, Mapping) and spec.kind == "comparisons":
            row_values |= _sides(spec, location, row, match)
        elif isinstance(location, Mapping):
            for name in match.dimensions:
                _store(
                    MEASURE + name,
                    parse_path(location[name]),
                    row,
                    (row_values, lists),
                    required=False,
                )
        else:
            for path in spec.paths[field]:
                _store(
                    RAW + path.text, path, row, (row_values, lists), required=field in needed_fields
                )
    if spec.roles:
        row_values = {
            name: _with_usual_roles(value, spec.roles) for name, value in row_values.items()
        }
        lists = {name: [_with_usual_roles(v, spec.roles) for v in vs] for name, vs in lists.items()}
    for label in _labels(spec, "winner") if spec.middle else ():
        if label in lists:
            lists[label] = [_from_middle(value, spec.middle) for value in lists[label]]
        else:
            row_values[label] = _from_middle(row_values.get(label), spec.middle)
    return row_values, lists


def _store(
    label: str,
    path: FieldPath,
    row: RawRow,
    into: tuple[dict[str, object], dict[str, list[object]]],
    *,
    required: bool,
) -> None:
    """Store a value with those of the whole row, or with the lists."""
    row_values, lists = into
    value = value_at(row, path)
    if required and value is None:
        _check_cell(row.get(path.column), path)
    if not path.each:
        row_values[label] = value
    elif isinstance(value, list):
        lists[label] = value
    elif required:
        raise InvalidRow(reasons.MISSING, path.text, "expected a list")


def _check_cell(cell: object, path: FieldPath) -> None:
    """Refuse a text that a path goes into: it is a cell that could not be parsed."""
    if path.steps and isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        raise InvalidRow(reasons.BROKEN_JSON, path.column, "in a cell")


def _count(lists: Mapping[str, list[object]]) -> int:
    """The number of records of a row: the length of its lists."""
    if not lists:
        return 1
    (first, items), *others = lists.items()
    for name, values in others:
        if len(values) != len(items):
            names = first.removeprefix(RAW), name.removeprefix(RAW)
            detail = f"{len(items)} in {names[0]}, {len(values)} in {names[1]}"
            raise InvalidRow(reasons.WRONG_TYPE, names[1], detail)
    if not items:
        raise InvalidRow(reasons.ONE_RESPONSE, first.removeprefix(RAW), "the list is empty")
    return len(items)


def _with_mean_score(
    values: Mapping[str, object], weights: Mapping[str, float]
) -> dict[str, object]:
    """Replace the scores by dimension with their weighted mean, over the dimensions there are."""
    others = {name: value for name, value in values.items() if not name.startswith(MEASURE)}
    numbers = {name: number_of(values.get(MEASURE + name)) for name in weights}
    scores = {name: value for name, value in numbers.items() if value is not None}
    total = sum(weights[name] for name in scores)
    mean = sum(weights[n] * v for n, v in scores.items()) / total if total else None
    listed = [{"dimension": name, "score": value} for name, value in scores.items()]
    return {**others, WHOLE + "score": mean, "dimensions": listed}


def _sides(
    spec: FormatSpec, paths: Mapping[str, str], row: RawRow, match: Match
) -> dict[str, object]:
    """The winner on the dimension with the largest weight, and the scores of both sides on all."""
    values = {name: value_at(row, parse_path(paths[name])) for name in match.dimensions}
    decisive = max(match.dimensions, key=lambda name: match.dimensions[name])
    sides = {name: _side(spec, value) for name, value in values.items() if value is not None}
    scores = [
        {"dimension": name, "a": SIDE_SCORES[side][0], "b": SIDE_SCORES[side][1]}
        for name, side in sides.items()
        if side in SIDE_SCORES
    ]
    return {WHOLE + "winner": values[decisive], "dimensions": scores}


def _side(spec: FormatSpec, value: object) -> str:
    """The side that a value names, ``""`` where it names none."""
    word = value_key(_from_middle(value, spec.middle) if spec.middle else value)
    meaning = winner_meaning(word, spec.values)
    return meaning[0] if meaning else ""


def _template(template: str, row: RawRow) -> str | None:
    """Fill a template; None where all its fields are empty."""
    parts = {text: value_at(row, parse_path(text)) for text in placeholders(template)}
    for text, value in parts.items():
        if value is None:
            _check_cell(row.get(parse_path(text).column), parse_path(text))
    wrong = next(
        (t for t, v in parts.items() if v is not None and not isinstance(v, str | int | float)), ""
    )
    if wrong:
        raise InvalidRow(reasons.WRONG_TYPE, wrong, "expected text")
    if all(value is None or value == "" for value in parts.values()):
        return None
    return fill_placeholders(template, {t: "" if v is None else str(v) for t, v in parts.items()})


def _with_usual_roles(value: object, roles: Mapping[str, str]) -> object:
    """Messages with the usual names of roles."""
    if isinstance(value, list):
        return [_with_usual_roles(item, roles) for item in value]
    if isinstance(value, dict):
        return {
            key: roles.get(name, name) if key in SPEAKER and isinstance(name, str) else name
            for key, name in value.items()
        }
    return value


def _from_middle(value: object, middle: float) -> object:
    try:
        return float(value) - middle  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value


def _frame(
    spec: FormatSpec,
    frame: pl.DataFrame,
    records: Sequence[SpecRecord],
    names: Mapping[str, tuple[str, ...]],
    shapes: Mapping[str, Shape],
) -> tuple[pl.DataFrame, dict[str, Shape]]:
    """The records as a frame with a column for each label, and the shape of the text in each."""
    texts = {label for f in GENERIC_FORMATS[spec.kind].texts for label in names.get(f, ())}
    labels = [label for each in names.values() for label in each]
    columns, shape_of_label = [], dict(shapes)
    for label in dict.fromkeys(labels):
        values = [each.values.get(label) for each in records]
        if label in texts:
            column, shape_of_label[label] = _texts(values, shapes.get(label, "text"))
        else:
            column = pl.Series([_scalar(value) for value in values], dtype=pl.String)
        columns.append(column.alias(label))
    if records and "dimensions" in records[0].values:
        listed = [each.values["dimensions"] for each in records]
        kind = SCORES if spec.record_kind == "ratings" else SIDES
        columns.append(pl.Series("dimensions", listed, dtype=kind))
    return _places(frame, records).hstack(columns), shape_of_label


def _places(frame: pl.DataFrame, records: Sequence[SpecRecord]) -> pl.DataFrame:
    row_indexes = pl.Series([each.row_index for each in records], dtype=pl.UInt32)
    items = pl.Series("item", [each.item for each in records], dtype=pl.UInt32)
    return frame.select("row", "line")[row_indexes].hstack([items])


def _texts(values: Sequence[object], shape: Shape) -> tuple[pl.Series, Shape]:
    """A column of texts, and its shape; where some value is no text, all are written as JSON."""
    plain = all(value is None or isinstance(value, str) for value in values)
    if plain or shape in ("transcript", "cell", "texts"):
        return pl.Series([_scalar(value) for value in values], dtype=pl.String), shape
    texts = [None if v is None else json.dumps(v, ensure_ascii=False) for v in values]
    return pl.Series(texts, dtype=pl.String), "json"


def _scalar(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _refusals(frame: pl.DataFrame, records: Sequence[SpecRecord]) -> pl.DataFrame:
    refusals = [each.invalid for each in records if each.invalid]
    fields = [RAW + each.field if each.field else None for each in refusals]
    return _places(frame, records).with_columns(
        pl.Series("reason", [each.reason for each in refusals], dtype=pl.String),
        pl.Series("field", fields, dtype=pl.String),
        pl.Series("detail", [each.detail or None for each in refusals], dtype=pl.String),
    )
