"""Column types for JSON: inferred from a sample, then checked on every row."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import pyarrow as pa

from prefdata.formats.message import EXTENSION_KEYS, MEDIA_KEYS, is_extended
from prefdata.io.readers.chunks import AS_JSON, LENIENT, PASSED_ON, describe_type
from prefdata.records import reasons

LARGEST = 2**63
EXACT = 2**53
"""Up to here a float holds every whole number exactly."""
MESSAGE_KEYS = ("role", "content", "from", "value", "text", "type")
NESTED_KEYS = (*MESSAGE_KEYS, *EXTENSION_KEYS, *MEDIA_KEYS)


def infer_field(name: str, values: Iterable[object], *, scalar: bool) -> pa.Field:
    """Infer the type of a column from sample values.

    Args:
        name: the column.
        values: its values in the sample; nulls are ignored.
        scalar: whether a number may stand for text in it (scores, winners, labels).
    """
    values = [value for value in values if value is not None]
    if not scalar and any(map(is_extended, values)):
        return json_field(name)
    values = [_prune(value) for value in values]
    kinds = {type(value) for value in values}
    if scalar and len(kinds) > 1 and kinds <= {str, int, float, bool} and kinds != {int, float}:
        return pa.field(name, pa.string(), metadata=LENIENT)
    if not scalar:
        values = _without_slips(values)
    try:
        kind = _without_null(pa.infer_type(values)) if values else pa.string()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return json_field(name)
    several = not scalar or pa.types.is_nested(kind) or bool(kinds & {list, dict})
    if several and not all(_fits(value, kind) for value in values):
        return json_field(name)
    return pa.field(name, kind, metadata=LENIENT if scalar and pa.types.is_string(kind) else None)


def number_field(name: str, values: Iterable[object]) -> pa.Field:
    """The type of a column of scores or ranks: a list among them is the slip of one row."""
    numbers = [value for value in values if not isinstance(value, list | dict)]
    return infer_field(name, numbers or values, scalar=True)


def passed_on_field(name: str, values: Iterable[object]) -> pa.Field:
    """The type of a column that is only passed on: the fastest that fits the sample."""
    kinds = {type(value) for value in values if value is not None}
    plain = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    kind = plain.get(next(iter(kinds)), pa.string()) if len(kinds) == 1 else pa.string()
    return pa.field(name, kind, metadata=PASSED_ON)


def to_text(value: object) -> str | None:
    """A value as text: numbers in their shortest form, lists and objects as JSON.

    Bytes that are no text become base64.

    Example:
        >>> [to_text(value) for value in ("a", 5.0, 0.25, True, ["x"], None)]
        ['a', '5', '0.25', 'true', '["x"]', None]
    """
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, Decimal | bytes):
        value = _plain(value)
    text = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_plain)
    )
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: object) -> str:
    """A value that JSON cannot hold, as text."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def json_field(name: str) -> pa.Field:
    """A column that is read as the JSON text of each value, whatever it holds."""
    return pa.field(name, pa.string(), metadata=AS_JSON)


def _without_slips(values: list[object]) -> list[object]:
    """Leave out numbers where there is anything else: they are refused, and change no other row."""
    return [value for value in values if not isinstance(value, int | float)] or values


def is_mixed(values: Iterable[object]) -> bool:
    """Whether no one type holds all values; a number among texts is a slip, not a type.

    Example:
        >>> is_mixed(["Hi", [{"role": "user", "content": "Hi"}]]), is_mixed(["Hi", 5])
        (True, False)
    """
    return bool(infer_field("", values, scalar=False).metadata == AS_JSON)


def _prune(value: object) -> object:
    """Keep only the message keys of objects."""
    if isinstance(value, list):
        return [_prune(item) for item in value]
    if isinstance(value, dict):
        return {key: _prune(item) for key, item in value.items() if key in MESSAGE_KEYS}
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


def parse_row(line: str) -> tuple[dict[str, object] | None, str, str]:
    """Parse one row strictly: ``(row, "", "")``, or ``(None, reason, detail)``.

    Example:
        >>> parse_row("[1, 2]")
        (None, 'not a JSON object', 'found a list')
    """
    try:
        row = json.loads(line, object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        if line.startswith("\0"):
            return (
                None,
                reasons.BAD_TEXT,
                f"begins with {len(line) - len(line.lstrip(chr(0)))} NULs",
            )
        return None, reasons.BROKEN_JSON, f"{error.msg.removesuffix(' at')} at column {error.colno}"
    except RecursionError:
        return None, reasons.BROKEN_JSON, "nested too deeply"
    if not isinstance(row, dict):
        return None, reasons.NOT_AN_OBJECT, f"found {_type_name(row)}"
    return row, "", ""


class Ambiguous(dict[str, object]):
    """An object in which a key occurs twice."""

    duplicates: frozenset[str] = frozenset()


def _object(items: Sequence[tuple[str, object]]) -> dict[str, object]:
    value = dict(items)
    if len(value) == len(items):
        return value
    counts = Counter(key for key, _ in items)
    ambiguous = Ambiguous(value)
    ambiguous.duplicates = frozenset(key for key, count in counts.items() if count > 1)
    return ambiguous


def _integer(digits: str) -> float:
    """A whole number; as a float where it has more than 64 bits, which no column holds."""
    if len(digits) > len(str(-LARGEST)):
        return float(digits)
    value = int(digits)
    return value if -LARGEST <= value < LARGEST else float(digits)


def _duplicate(value: object, keys: Collection[str]) -> str:
    """One of these keys that occurs twice in an object, at any depth."""
    if isinstance(value, list):
        return next(filter(None, (_duplicate(item, keys) for item in value)), "")
    if not isinstance(value, dict):
        return ""
    if isinstance(value, Ambiguous) and (duplicates := value.duplicates & set(keys)):
        return min(duplicates)
    inner = (_duplicate(item, NESTED_KEYS) for key, item in value.items() if key in keys)
    return next(filter(None, inner), "")


def row_fault(row: Mapping[str, object], schema: pa.Schema) -> tuple[str, str, str] | None:
    """The first field of a row that cannot be read: ``(field, reason, detail)``, or None.

    A key that occurs twice is refused where it is read, as anywhere else in this package.
    """
    if duplicate := _duplicate(row, schema.names):
        return "", reasons.DUPLICATE_KEY, repr(duplicate)
    for column in schema:
        value = row.get(column.name)
        if value is None or column.metadata == PASSED_ON:
            continue
        if _lone_surrogate(value):
            return column.name, reasons.BAD_TEXT, "a lone surrogate"
        if column.metadata == AS_JSON:
            continue
        if column.metadata == LENIENT and isinstance(value, int | float):
            continue
        if holds_messages(column.type) and is_extended(value):
            continue
        if not _fits(value, column.type):
            detail = f"expected {describe_type(column.type)}, found {_type_name(value)}"
            return column.name, reasons.WRONG_TYPE, detail
    return None


def holds_messages(kind: pa.DataType) -> bool:
    """Whether a column holds a message, or a list of messages, in each row."""
    turn = kind.value_type if pa.types.is_list(kind) else kind
    return pa.types.is_struct(turn) and bool({"role", "from"} & {field.name for field in turn})


def with_extended(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> list[str]:
    """The columns of messages in which some has more than a role and a text."""
    typed = [c.name for c in schema if c.metadata != AS_JSON and holds_messages(c.type)]
    return [name for name in typed if any(is_extended(row.get(name)) for row in rows)]


def has_other_type(value: object, column: pa.Field) -> bool:
    """Whether a value is of a type that the sample does not have, so that the column is mixed.

    A number among texts is a slip, and no type of its own.

    Args:
        value: a value of the column.
        column: the type that was inferred from the sample.
    """
    if value is None or column.metadata in (AS_JSON, PASSED_ON):
        return False
    if column.metadata == LENIENT:
        return isinstance(value, list | dict) and not _fits(value, column.type)
    is_number = pa.types.is_floating(column.type)
    slips = isinstance(value, int | float) and not (is_number and isinstance(value, bool))
    return not slips and not _fits(value, column.type)


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


def _type_name(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    return "null" if value is None else names.get(type(value), "an object")


def rows_to_table(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Make a table of rows that fit the schema."""
    fields = [pa.field(c.name, pa.string()) if c.metadata == PASSED_ON else c for c in schema]
    return pa.table([_array(rows, column) for column in schema], schema=pa.schema(fields))


def _array(rows: Sequence[Mapping[str, object]], column: pa.Field) -> pa.Array:
    values = (row.get(column.name) for row in rows)
    if column.metadata == AS_JSON:
        values = (None if v is None else json.dumps(v, ensure_ascii=False) for v in values)
    elif column.metadata == LENIENT:
        values = (v if v is None or isinstance(v, str) else json.dumps(v) for v in values)
    elif column.metadata == PASSED_ON:
        return pa.array([to_text(value) for value in values], pa.string())
    return pa.array(list(values), column.type)
