"""What every record can do: validate, compare, and give its JSON Schema and its Arrow schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

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
    only_with: Literal["", "tools", "dimensions"] = ""


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
    def arrow_schema(cls, *, tools: bool = False, dimensions: bool = False) -> pa.Schema:
        """Give the Arrow schema of the record's stored rows, derived from its fields.

        It has the record's fields in their order. A column is nullable where the field may be
        ``None``, save ``id`` and ``prompt_id``, which the pipeline gives to every row it stores.
        What few data sets have becomes a column only on request, so that all others stay plain.

        Args:
            tools: messages carry ``name``, ``tool_call_id`` and ``tool_calls``.
            dimensions: pairs carry their scores per dimension.

        Example:
            >>> from prefdata.schemas import UnpairedPreference
            >>> UnpairedPreference.arrow_schema().field("label")
            pyarrow.Field<label: bool not null>
        """
        from prefdata.schemas.arrow import schema_of

        wanted = {"": True, "tools": tools, "dimensions": dimensions}
        return schema_of(cls, [option for option, on in wanted.items() if on])
