"""Column types for JSON: guessed from a sample, then held against every row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from prefdata.formats import reasons
from prefdata.formats.conversation import TOOL_KEYS
from prefdata.io.chunks import AS_JSON, LENIENT, describe

MESSAGE_KEYS = ("role", "content", "from", "value", "text", "type")


def column(name: str, values: Iterable[object], *, scalar: bool) -> pa.Field:
    """Choose the type of a column from sample values.

    Args:
        name: the column.
        values: what it holds in the sample; nulls are passed over.
        scalar: whether a number may stand for text in it (scores, winners, labels).
    """
    held = [_pruned(value) for value in values if value is not None]
    kinds = {type(value) for value in held}
    if scalar and len(kinds) > 1 and kinds <= {str, int, float, bool} and kinds != {int, float}:
        return pa.field(name, pa.string(), metadata=LENIENT)
    if not scalar:
        held = _without_slips(held)
    try:
        kind = _without_null(pa.infer_type(held)) if held else pa.string()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.field(name, pa.string(), metadata=AS_JSON)
    several = pa.types.is_nested(kind) or not scalar
    if several and not all(_fits(value, kind) for value in held):
        return pa.field(name, pa.string(), metadata=AS_JSON)
    return pa.field(name, kind, metadata=LENIENT if scalar and pa.types.is_string(kind) else None)


def _without_slips(held: list[object]) -> list[object]:
    """Leave out what is no text where nearly all is: it is refused, and changes no other row."""
    texts = [value for value in held if isinstance(value, str)]
    if len(texts) >= 0.9 * len(held):
        return list(texts)
    return [value for value in held if not isinstance(value, int | float)] or held


def is_mixed(values: Iterable[object]) -> bool:
    """Whether no one type holds all values; a number among texts is a slip, not a type.

    Example:
        >>> is_mixed(["Hi", [{"role": "user", "content": "Hi"}]]), is_mixed(["Hi", 5])
        (True, False)
    """
    return bool(column("", values, scalar=False).metadata == AS_JSON)


def _pruned(value: object) -> object:
    """Keep of message objects only what a message is made of."""
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if key in MESSAGE_KEYS}
    return value


def _without_null(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_integer(kind):
        return pa.float64()
    if pa.types.is_list(kind):
        return pa.list_(_without_null(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _without_null(f.type)) for f in kind])
    return kind


def parsed(line: str) -> tuple[dict[str, object] | None, str, str]:
    """Parse one row strictly: ``(row, "", "")``, or ``(None, reason, detail)``.

    Unlike a plain parser it also refuses a key that stands twice in one object.

    Example:
        >>> parsed('{"a": 1, "a": 2}')
        (None, 'a key stands twice', "'a'")
    """
    twice: list[str] = []

    def pairs(items: Sequence[tuple[str, object]]) -> dict[str, object]:
        made = dict(items)
        if len(made) < len(items):
            keys = [key for key, _ in items]
            twice.extend(key for key in made if keys.count(key) > 1)
        return made

    try:
        row = json.loads(line, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        return None, reasons.BROKEN_JSON, f"{error.msg} at column {error.colno}"
    except RecursionError:
        return None, reasons.BROKEN_JSON, "nested too deeply"
    if not isinstance(row, dict):
        return None, reasons.NOT_AN_OBJECT, f"found {type(row).__name__}"
    if twice:
        return None, reasons.DUPLICATE_KEY, repr(twice[0])
    return row, "", ""


def misfit(row: Mapping[str, object], schema: pa.Schema) -> tuple[str, str, str] | None:
    """Say which field of a row does not have its column's type: ``(field, reason, detail)``."""
    for column in schema:
        value = row.get(column.name)
        if value is None:
            continue
        if _has_tools(value):
            return column.name, reasons.TOOLS, ""
        if _lone_surrogate(value):
            return column.name, reasons.BAD_TEXT, "a lone surrogate"
        if column.metadata == AS_JSON:
            continue
        if column.metadata == LENIENT and isinstance(value, int | float):
            continue
        if not _fits(value, column.type):
            detail = f"expected {describe(column.type)}, found {_found(value)}"
            return column.name, reasons.WRONG_TYPE, detail
    return None


def _has_tools(value: object) -> bool:
    if isinstance(value, list):
        return any(_has_tools(item) for item in value)
    return isinstance(value, dict) and any(value.get(key) for key in TOOL_KEYS)


def _lone_surrogate(value: object) -> bool:
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, list):
        return any(_lone_surrogate(item) for item in value)
    return isinstance(value, dict) and any(_lone_surrogate(item) for item in value.values())


def _fits(value: object, kind: pa.DataType) -> bool:
    if value is None:
        return True
    if pa.types.is_string(kind):
        return isinstance(value, str)
    if pa.types.is_floating(kind):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if pa.types.is_boolean(kind):
        return isinstance(value, bool)
    if pa.types.is_list(kind):
        return isinstance(value, list) and all(_fits(item, kind.value_type) for item in value)
    return isinstance(value, dict) and all(_fits(value.get(f.name), f.type) for f in kind)


def _found(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "an object")


def table(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Make a table of rows that fit the schema."""
    return pa.table([_array(rows, column) for column in schema], schema=schema)


def _array(rows: Sequence[Mapping[str, object]], column: pa.Field) -> pa.Array:
    values = (row.get(column.name) for row in rows)
    if column.metadata == AS_JSON:
        values = (None if v is None else json.dumps(v, ensure_ascii=False) for v in values)
    elif column.metadata == LENIENT:
        values = (v if v is None or isinstance(v, str) else json.dumps(v) for v in values)
    return pa.array(list(values), column.type)
