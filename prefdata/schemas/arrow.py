"""From the fields of a record to an Arrow schema: the one place that knows both."""

from __future__ import annotations

import types
from collections.abc import Collection
from typing import TYPE_CHECKING, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from prefdata.schemas.base import Stored

if TYPE_CHECKING:
    import pyarrow as pa


def schema_of(record: type[BaseModel], options: Collection[str]) -> pa.Schema:
    """Derive the schema of a record's rows.

    Args:
        record: the record.
        options: which fields to store of those marked ``Stored(only_with=…)``; ``""`` is the rest.

    Example:
        >>> from prefdata.schemas import Rating
        >>> schema_of(Rating, [""]).names
        ['dimension', 'value', 'annotator']
    """
    import pyarrow as pa

    fields = _stored(record, options).items()
    return pa.schema(
        [pa.field(name, _type(info.annotation, options), _nullable(info)) for name, info in fields]
    )


def _stored(record: type[BaseModel], options: Collection[str]) -> dict[str, FieldInfo]:
    fields = record.model_fields.items()
    return {name: info for name, info in fields if _mark(info).only_with in options}


def _mark(info: FieldInfo) -> Stored:
    return next((mark for mark in info.metadata if isinstance(mark, Stored)), Stored())


def _nullable(info: FieldInfo) -> bool:
    return not _mark(info).always and types.NoneType in get_args(info.annotation)


def _type(annotation: object, options: Collection[str]) -> pa.DataType:
    """Map a field's type; inside a list all is nullable, as Polars and `datasets` have it."""
    import pyarrow as pa

    plain = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    inner = [part for part in get_args(annotation) if part is not types.NoneType]
    if get_origin(annotation) in (Union, types.UnionType):
        return _type(inner[0], options)
    if get_origin(annotation) is Literal:
        return plain[type(inner[0])]
    if get_origin(annotation) is list:
        return pa.list_(_type(inner[0], options))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = _stored(annotation, options).items()
        return pa.struct([(name, _type(info.annotation, options)) for name, info in fields])
    return next(kind for known, kind in plain.items() if known is annotation)
