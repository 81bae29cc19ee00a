"""What every record can do: validate, compare, give its JSON Schema and its Arrow schema."""

from __future__ import annotations

import types
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Stored:
    """How a field is stored, where that differs from how it is held in memory.

    Args:
        always: every stored row has it, though a record in memory may not have it yet.
        only_with: it is stored only where the data has it: the option of ``arrow_schema()``.
    """

    always: bool = False
    only_with: Literal["", "extended", "tools", "chat_template_kwargs", "dimensions"] = ""


def _summary_only(schema: JsonDict) -> None:
    """Leave what is for Python, such as examples, out of the published description."""
    schema["description"] = str(schema.get("description", "")).split("\n\n", maxsplit=1)[0]


class Record(BaseModel):
    """A value that cannot change, has no fields but its own, and no number that is not finite."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        json_schema_extra=_summary_only,
    )

    @classmethod
    def json_schema(cls) -> dict[str, object]:
        """Give the JSON Schema (draft 2020-12) of the record in its full form.

        Plain text where messages are expected is a convenience of Python only.

        Example:
            >>> from prefdata.schemas import Message
            >>> Message.json_schema()["required"]
            ['role', 'content']
        """
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **cls.model_json_schema(),
        }

    @classmethod
    def arrow_schema(
        cls,
        *,
        extended: bool = False,
        tools: bool = False,
        chat_template_kwargs: bool = False,
        dimensions: bool = False,
    ) -> pa.Schema:
        """Give the Arrow schema of the record's stored rows, derived from its fields.

        It has the record's fields in their order. A column is nullable where the field may be
        ``None``, save ``id`` and ``prompt_id``, which the pipeline gives to every row it stores.
        What few data sets have becomes a column only on request, so that all others stay plain.

        Args:
            extended: messages carry ``reasoning_content``, ``tool_calls``, ``tool_call_id`` and
                ``name``.
            tools: records carry the tools on offer.
            chat_template_kwargs: records carry arguments of the chat template.
            dimensions: pairs carry their scores per dimension.

        Example:
            >>> from prefdata.schemas import UnpairedPreference
            >>> UnpairedPreference.arrow_schema().field("label")
            pyarrow.Field<label: bool not null>
        """
        options = {
            "": True,
            "extended": extended,
            "tools": tools,
            "chat_template_kwargs": chat_template_kwargs,
            "dimensions": dimensions,
        }
        return _arrow_schema(cls, [option for option, on in options.items() if on])


def _arrow_schema(record: type[BaseModel], options: Collection[str]) -> pa.Schema:
    """Derive the schema of a record's rows.

    Args:
        record: the record.
        options: which fields to store of those marked ``Stored(only_with=…)``; ``""`` is the rest.
    """
    import pyarrow as pa

    fields = _stored_fields(record, options).items()
    return pa.schema(
        [
            pa.field(name, _arrow_type(info.annotation, options), _nullable(info))
            for name, info in fields
        ]
    )


def _stored_fields(record: type[BaseModel], options: Collection[str]) -> dict[str, FieldInfo]:
    fields = record.model_fields.items()
    return {name: info for name, info in fields if _mark(info).only_with in options}


def _mark(info: FieldInfo) -> Stored:
    return next((mark for mark in info.metadata if isinstance(mark, Stored)), Stored())


def _nullable(info: FieldInfo) -> bool:
    return not _mark(info).always and types.NoneType in get_args(info.annotation)


def _arrow_type(annotation: object, options: Collection[str]) -> pa.DataType:
    """Map a field's type; inside a list all is nullable, as Polars and `datasets` have it."""
    import pyarrow as pa

    plain = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    inner = [part for part in get_args(annotation) if part is not types.NoneType]
    if get_origin(annotation) in (Union, types.UnionType):
        return _arrow_type(inner[0], options)
    if get_origin(annotation) is Literal:
        return plain[type(inner[0])]
    if get_origin(annotation) is list:
        return pa.list_(_arrow_type(inner[0], options))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = _stored_fields(annotation, options).items()
        return pa.struct([(name, _arrow_type(info.annotation, options)) for name, info in fields])
    return next(kind for python_type, kind in plain.items() if python_type is annotation)
