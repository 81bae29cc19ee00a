"""Filling the fields of a generic format from the rows of a source, as its layout says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import polars as pl

from prefdata.formats.base import RAW, Match, Shape
from prefdata.formats.conversation import SPEAKER
from prefdata.formats.generic.comparisons import meant
from prefdata.formats.numbers import number_of
from prefdata.formats.spec.match import by_row, composed, opened, prepared
from prefdata.formats.spec.paths import Path, filled, get, parse, slots
from prefdata.formats.spec.spec import GENERIC, FormatSpec, InvalidRow, RawRow
from prefdata.formats.winner_values import written
from prefdata.records import reasons
from prefdata.records.frames import SCORES, SIDES, concatenated, finished

MEASURE = "measure:"
"""Stands before the name of a dimension while its score is read."""

SIDE_SCORES = {"a": (1.0, 0.0), "b": (0.0, 1.0), "tie": (0.5, 0.5)}


def build(layout: FormatSpec, frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Fill the generic format's fields, and let that build the records."""
    generic = GENERIC[layout.kind].format
    if not by_row(layout):
        return generic.build(frame, match)
    names = {field: _labels(layout, field) for field in match.columns}
    inner = replace(match, columns=names)
    found = [
        each
        for at, row in enumerate(prepared(layout, list(_rows(frame, match))))
        for each in _records(layout, at, row, match)
    ]
    good = [each for each in found if not each.unfit]
    made, shapes = _frame(layout, frame, good, names, match.shapes)
    if layout.order:
        places = [-e.item if layout.order == "worst-first" else e.item for e in good]
        made = made.with_columns(pl.Series(RAW + "place", places, dtype=pl.Int64))
        names["rank"] = (RAW + "place",)
    built = generic.build(made, replace(inner, columns=names, shapes=shapes))
    if bad := [each for each in found if each.unfit]:
        built = concatenated([built, finished(_refusals(frame, bad), generic.kind)])
    return built.sort("row", "item", maintain_order=True)


def _labels(layout: FormatSpec, field: str) -> tuple[str, ...]:
    """What a field's columns are called while records are built: by their paths."""
    if composed(layout.fields[field]):
        return (RAW + field,)
    return tuple(RAW + path.text for path in layout.paths[field])


def _rows(frame: pl.DataFrame, match: Match) -> Iterator[RawRow]:
    """The raw columns as rows of plain values."""
    names = [name.removeprefix(RAW) for name in match.wanted]
    columns = [
        _values(frame[RAW + name], encoded=name in match.raw, cells=name in match.cells)
        for name in names
    ]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _values(column: pl.Series, *, encoded: bool, cells: bool) -> list[object]:
    if encoded:
        return [None if text is None else json.loads(text) for text in column]
    return [opened(value) for value in column.to_list()] if cells else column.to_list()


class Record(NamedTuple):
    """One record of a row.

    Attributes:
        at: the place of the row in its frame.
        item: which record of the row it is.
        values: label of a column to its value.
        unfit: why it is none.
    """

    at: int
    item: int
    values: Mapping[str, object]
    unfit: InvalidRow | None = None


def _records(layout: FormatSpec, at: int, made: RawRow | InvalidRow, match: Match) -> list[Record]:
    """The records of a row; one that says why, where there are none."""
    if isinstance(made, InvalidRow):
        return [Record(at, 0, {}, made)]
    try:
        whole, lists = _read(layout, made, match)
        count = _count(lists)
    except InvalidRow as unfit:
        return [Record(at, 0, {}, unfit)]
    each = [{**whole, **{n: values[k] for n, values in lists.items()}} for k in range(count)]
    if match.dimensions and layout.record_kind == "ratings":
        each = [_combined(values, match.dimensions) for values in each]
    return [Record(at, item, values, _refused(values)) for item, values in enumerate(each)]


def _refused(values: Mapping[str, object]) -> InvalidRow | None:
    """Why one record of a row cannot be used, where its row was prepared to say so."""
    return next((value for value in values.values() if isinstance(value, InvalidRow)), None)


def _read(
    layout: FormatSpec, row: RawRow, match: Match
) -> tuple[dict[str, object], dict[str, list[object]]]:
    """What the fields hold: once for the row, and once for each item of its lists."""
    whole: dict[str, object] = {}
    lists: dict[str, list[object]] = {}
    needed = {name for group in GENERIC[layout.kind].needs for name in group}
    for field in match.columns:
        given, label = layout.fields[field], RAW + field
        if isinstance(given, str) and slots(given):
            whole[label] = _template(given, row)
        elif isinstance(given, Mapping) and layout.kind == "comparisons":
            whole |= _sides(layout, given, row, match)
        elif isinstance(given, Mapping):
            for name in match.dimensions:
                _put(MEASURE + name, parse(given[name]), row, (whole, lists), needed=False)
        else:
            for path in layout.paths[field]:
                _put(RAW + path.text, path, row, (whole, lists), needed=field in needed)
    if layout.roles:
        whole = {name: _renamed(value, layout.roles) for name, value in whole.items()}
        lists = {name: [_renamed(v, layout.roles) for v in vs] for name, vs in lists.items()}
    for label in _labels(layout, "winner") if layout.middle else ():
        if label in lists:
            lists[label] = [_from_middle(value, layout.middle) for value in lists[label]]
        else:
            whole[label] = _from_middle(whole.get(label), layout.middle)
    return whole, lists


def _put(
    label: str,
    path: Path,
    row: RawRow,
    into: tuple[dict[str, object], dict[str, list[object]]],
    *,
    needed: bool,
) -> None:
    """Put a value where it belongs: with the whole row, or with the lists."""
    whole, lists = into
    value = get(row, path)
    if needed and value is None:
        _check_cell(row.get(path.column), path)
    if not path.each:
        whole[label] = value
    elif isinstance(value, list):
        lists[label] = value
    elif needed:
        raise InvalidRow(reasons.MISSING, path.text, "expected a list")


def _check_cell(held: object, path: Path) -> None:
    """A text into which a path goes is a cell that could not be read."""
    if path.steps and isinstance(held, str) and held.lstrip()[:1] in ("[", "{"):
        raise InvalidRow(reasons.BROKEN_JSON, path.column, "in a cell")


def _count(lists: Mapping[str, list[object]]) -> int:
    """How many records a row has: as many as its lists are long."""
    if not lists:
        return 1
    (first, held), *others = lists.items()
    for name, values in others:
        if len(values) != len(held):
            shown = first.removeprefix(RAW), name.removeprefix(RAW)
            detail = f"{len(held)} in {shown[0]}, {len(values)} in {shown[1]}"
            raise InvalidRow(reasons.WRONG_TYPE, shown[1], detail)
    if not held:
        raise InvalidRow(reasons.ONE_RESPONSE, first.removeprefix(RAW), "the list is empty")
    return len(held)


def _combined(values: Mapping[str, object], weights: Mapping[str, float]) -> dict[str, object]:
    """One score out of those on each dimension: their weighted mean, over the dimensions it has."""
    kept = {name: value for name, value in values.items() if not name.startswith(MEASURE)}
    held = {name: number_of(values.get(MEASURE + name)) for name in weights}
    scores = {name: value for name, value in held.items() if value is not None}
    total = sum(weights[name] for name in scores)
    mean = sum(weights[n] * v for n, v in scores.items()) / total if total else None
    listed = [{"dimension": name, "score": value} for name, value in scores.items()]
    return {**kept, RAW + "score": mean, "dimensions": listed}


def _sides(
    layout: FormatSpec, given: Mapping[str, str], row: RawRow, match: Match
) -> dict[str, object]:
    """The winner on the dimension that counts, and what each side scored on all of them."""
    held = {name: get(row, parse(given[name])) for name in match.dimensions}
    chosen = max(match.dimensions, key=lambda name: match.dimensions[name])
    sides = {name: _side(layout, value) for name, value in held.items() if value is not None}
    scores = [
        {"dimension": name, "a": SIDE_SCORES[side][0], "b": SIDE_SCORES[side][1]}
        for name, side in sides.items()
        if side in SIDE_SCORES
    ]
    return {RAW + "winner": held[chosen], "dimensions": scores}


def _side(layout: FormatSpec, value: object) -> str:
    """Which side a value names; `""` where it names none."""
    word = written(_from_middle(value, layout.middle) if layout.middle else value)
    found = meant(word, layout.values)
    return found[0] if found else ""


def _template(template: str, row: RawRow) -> str | None:
    """A text made of several fields; None where none of them is there."""
    held = {text: get(row, parse(text)) for text in slots(template)}
    for text, value in held.items():
        if value is None:
            _check_cell(row.get(parse(text).column), parse(text))
    odd = next(
        (t for t, v in held.items() if v is not None and not isinstance(v, str | int | float)), ""
    )
    if odd:
        raise InvalidRow(reasons.WRONG_TYPE, odd, "expected text")
    if all(value is None or value == "" for value in held.values()):
        return None
    return filled(template, {t: "" if v is None else str(v) for t, v in held.items()})


def _renamed(value: object, roles: Mapping[str, str]) -> object:
    """Messages with the usual names of roles."""
    if isinstance(value, list):
        return [_renamed(item, roles) for item in value]
    if isinstance(value, dict):
        return {
            key: roles.get(said, said) if key in SPEAKER and isinstance(said, str) else said
            for key, said in value.items()
        }
    return value


def _from_middle(value: object, middle: float) -> object:
    try:
        return float(value) - middle  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value


def _frame(
    layout: FormatSpec,
    frame: pl.DataFrame,
    found: Sequence[Record],
    names: Mapping[str, tuple[str, ...]],
    shapes: Mapping[str, Shape],
) -> tuple[pl.DataFrame, dict[str, Shape]]:
    """Records as a frame with a column for each label, and how the text in each is written."""
    texts = {label for f in GENERIC[layout.kind].texts for label in names.get(f, ())}
    labels = [label for each in names.values() for label in each]
    columns, written_as = [], dict(shapes)
    for label in dict.fromkeys(labels):
        values = [each.values.get(label) for each in found]
        if label in texts:
            column, written_as[label] = _texts(values, shapes.get(label, "text"))
        else:
            column = pl.Series([_scalar(value) for value in values], dtype=pl.String)
        columns.append(column.alias(label))
    if found and "dimensions" in found[0].values:
        listed = [each.values["dimensions"] for each in found]
        kind = SCORES if layout.record_kind == "ratings" else SIDES
        columns.append(pl.Series("dimensions", listed, dtype=kind))
    return _placed(frame, found).hstack(columns), written_as


def _placed(frame: pl.DataFrame, found: Sequence[Record]) -> pl.DataFrame:
    at = pl.Series([each.at for each in found], dtype=pl.UInt32)
    item = pl.Series("item", [each.item for each in found], dtype=pl.UInt32)
    return frame.select("row", "line")[at].hstack([item])


def _texts(values: Sequence[object], shape: Shape) -> tuple[pl.Series, Shape]:
    """Texts as they stand; values that are none as JSON, which any reader of messages takes."""
    plain = all(value is None or isinstance(value, str) for value in values)
    if plain or shape in ("transcript", "cell"):
        return pl.Series([_scalar(value) for value in values], dtype=pl.String), shape
    texts = [None if v is None else json.dumps(v, ensure_ascii=False) for v in values]
    return pl.Series(texts, dtype=pl.String), "json"


def _scalar(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _refusals(frame: pl.DataFrame, found: Sequence[Record]) -> pl.DataFrame:
    why = [each.unfit for each in found if each.unfit]
    return _placed(frame, found).with_columns(
        pl.Series("reason", [each.reason for each in why], dtype=pl.String),
        pl.Series("field", [each.field or None for each in why], dtype=pl.String),
        pl.Series("detail", [each.detail or None for each in why], dtype=pl.String),
    )
