"""The Arrow schema of each record, and the record itself, say the same."""

from __future__ import annotations

import types
from typing import get_args

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.schemas import RECORDS, Message, PreferencePair, Record, UnpairedPreference
from tests.schemas.strategies import records

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def test_the_columns_of_stored_pairs() -> None:
    """This is the contract with everything that reads our data sets: it changes on purpose only."""
    assert PreferencePair.arrow_schema() == pa.schema(
        [
            required("id", pa.string()),
            required("prompt_id", pa.string()),
            required("prompt", MESSAGES),
            required("chosen", MESSAGES),
            required("rejected", MESSAGES),
            ("score_chosen", pa.float64()),
            ("score_rejected", pa.float64()),
            ("margin", pa.float64()),
            ("votes", pa.int64()),
            ("agreement", pa.float64()),
            ("model_chosen", pa.string()),
            ("model_rejected", pa.string()),
            ("source", pa.string()),
        ]
    )


def test_the_columns_of_stored_unpaired_preferences() -> None:
    """The contract for KTO data."""
    assert UnpairedPreference.arrow_schema() == pa.schema(
        [
            required("id", pa.string()),
            required("prompt_id", pa.string()),
            required("prompt", MESSAGES),
            required("completion", MESSAGES),
            required("label", pa.bool_()),
            ("weight", pa.float64()),
            ("source", pa.string()),
        ]
    )


@pytest.mark.parametrize("name", RECORDS)
def test_fields_and_columns_are_the_same(name: str) -> None:
    """Names and order agree, and a column is nullable where the field may be None, but for ids."""
    record = RECORDS[name]
    schema = record.arrow_schema(
        extended=True, tools=True, chat_template_kwargs=True, dimensions=True
    )
    assert schema.names == list(record.model_fields)
    for field, info in record.model_fields.items():
        optional = types.NoneType in get_args(info.annotation)
        assert schema.field(field).nullable is (optional and field not in ("id", "prompt_id"))


@pytest.mark.parametrize("name", RECORDS)
@given(data=st.data())
def test_a_record_comes_back_from_arrow_as_it_was(name: str, data: st.DataObject) -> None:
    """Types agree field by field: a record's dump fits the schema and validates again, equal."""
    record = data.draw(records[name])
    schema = RECORDS[name].arrow_schema(
        extended=True, tools=True, chat_template_kwargs=True, dimensions=True
    )
    table = pa.Table.from_pylist([record.model_dump()], schema=schema)
    table.validate(full=True)
    assert [RECORDS[name].model_validate(row) for row in table.to_pylist()] == [record]


def test_rare_fields_are_stored_on_request() -> None:
    """Data without tools and dimensions stays plain."""
    assert Message.arrow_schema().names == ["role", "content"]
    assert Message.arrow_schema(extended=True).names[2:] == [
        *("reasoning_content", "tool_calls", "tool_call_id", "name")
    ]
    extra = set(PreferencePair.arrow_schema(dimensions=True).names) - set(
        PreferencePair.arrow_schema().names
    )
    assert extra == {"dimensions"}


def test_every_record_is_a_record() -> None:
    """The registry holds classes that can give their schemas."""
    assert all(issubclass(record, Record) for record in RECORDS.values())
