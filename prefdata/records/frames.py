"""What a record is as a row of a frame: its columns, their types, and texts as messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Literal

import polars as pl

Kind = Literal["ratings", "comparisons", "unpaired"]

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))

CALLS = pl.List(
    pl.Struct(
        {
            "id": pl.String,
            "type": pl.String,
            "function": pl.Struct({"name": pl.String, "arguments": pl.String}),
        }
    )
)
"""The calls of one message; arguments are a JSON object as text."""

EXTENSIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "reasoning_content": pl.String,
    "tool_calls": CALLS,
    "tool_call_id": pl.String,
    "name": pl.String,
}
"""What extended messages have beyond role and content."""

EXTENDED_MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String, **EXTENSIONS}))
"""Messages of sources in which some think, call tools, answer a call, or have a name."""

TEMPLATE = ("tools", "chat_template_kwargs")
"""What a record passes to the chat template beside its messages, as JSON text."""

WIDTHS = (pl.String(), MESSAGES, EXTENDED_MESSAGES)
"""The types of a column of messages, each of which can be written as those behind it."""

SIDES = pl.List(pl.Struct({"dimension": pl.String, "a": pl.Float64, "b": pl.Float64}))
"""What each side scored on each dimension."""

SCORES = pl.List(pl.Struct({"dimension": pl.String, "score": pl.Float64}))
"""What one response scored on each dimension."""

PLACE: dict[str, pl.DataType | type[pl.DataType]] = {
    "row": pl.UInt64,
    "line": pl.UInt64,
    "item": pl.UInt32,
    "reason": pl.String,
    "field": pl.String,
    "detail": pl.String,
}

COLUMNS: dict[Kind, dict[str, pl.DataType | type[pl.DataType]]] = {
    "ratings": {
        "prompt": MESSAGES,
        "response": MESSAGES,
        "score": pl.Float64,
        "dimensions": SCORES,
        "annotator": pl.String,
        "model": pl.String,
        "dimension": pl.String,
        "list": pl.String,
        "origin": pl.String,
    },
    "comparisons": {
        "prompt": MESSAGES,
        "a": MESSAGES,
        "b": MESSAGES,
        "winner": pl.Int8,
        "both_bad": pl.Boolean,
        "strength": pl.Float64,
        "score_a": pl.Float64,
        "score_b": pl.Float64,
        "votes": pl.Int64,
        "agreement": pl.Float64,
        "dimensions": SIDES,
        "annotator": pl.String,
        "model_a": pl.String,
        "model_b": pl.String,
        "origin": pl.String,
    },
    "unpaired": {
        "prompt": MESSAGES,
        "response": MESSAGES,
        "label": pl.Boolean,
        "weight": pl.Float64,
        "origin": pl.String,
    },
}
"""The columns of each kind of record. ``winner`` is 1 for a, -1 for b, 0 for a tie; of a tie,
``both_bad`` says that neither answer is good.

A column of messages may also be text, where each row is one turn: of the user in ``prompt``, of
the assistant elsewhere. It is the same data, at a third of the cost; `as_messages` turns it
into messages.
"""


def speaker(column: str) -> str:
    """The role of a column of messages whose rows are bare texts.

    Example:
        >>> speaker("prompt"), speaker("chosen")
        ('user', 'assistant')
    """
    return "user" if column == "prompt" else "assistant"


def as_messages(column: pl.Series) -> pl.Series:
    """Turn a column of single turns into messages; a column of messages stays as it is.

    Example:
        >>> as_messages(pl.Series("chosen", ["4"])).to_list()
        [[{'role': 'assistant', 'content': '4'}]]
    """
    if column.dtype != pl.String:
        return column
    text, role = pl.col(column.name), pl.lit(speaker(column.name))
    turn = pl.concat_list(pl.struct(role.alias("role"), text.alias("content")))
    return (
        column.to_frame()
        .select(pl.when(text.is_not_null()).then(turn).alias(column.name))
        .to_series()
    )


def widened(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Write a column of messages as a type of `WIDTHS` that is as wide or wider.

    Example:
        >>> column = widened(pl.Series("chosen", ["4"]), EXTENDED_MESSAGES)
        >>> column.to_list()[0][0]["tool_calls"] is None
        True
    """
    if column.dtype == dtype:
        return column
    column = as_messages(column)
    if column.dtype == dtype:
        return column
    turn = pl.element().struct
    fields = [turn.field(name) for name in ("role", "content")]
    fields += [pl.lit(None, dtype).alias(name) for name, dtype in EXTENSIONS.items()]
    extended = pl.col(column.name).list.eval(pl.struct(fields))
    return column.to_frame().select(extended.cast(EXTENDED_MESSAGES)).to_series()


def widest(dtypes: Iterable[pl.DataType]) -> pl.DataType:
    """The widest of some types of columns of messages."""
    return WIDTHS[max(map(WIDTHS.index, dtypes))]


def stacked(columns: Sequence[pl.Series]) -> pl.Series:
    """Put columns of messages end to end: as text where all are text, as messages otherwise."""
    columns = [column for column in columns if len(column)] or list(columns[:1])
    if len({column.dtype for column in columns}) > 1 and columns[0].dtype in WIDTHS:
        dtype = widest(column.dtype for column in columns)
        columns = [widened(column, dtype) for column in columns]
    return pl.concat(columns)


def concatenated(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put frames of a kind together: as text where all are, as messages otherwise."""
    texts = [name for name, dtype in frames[0].schema.items() if dtype in WIDTHS]
    dtypes = {name: {frame.schema[name] for frame in frames} for name in texts}
    mixed = {name: widest(kinds) for name, kinds in dtypes.items() if len(kinds) > 1}
    return pl.concat(
        [
            frame.with_columns(widened(frame[name], dtype) for name, dtype in mixed.items())
            for frame in frames
        ]
    )


def extensions(frame: pl.DataFrame) -> set[str]:
    """What a frame of records has that only some data sets have.

    Returns:
        ``"extended"`` where some message has more than a role and a text, and the names of
        `TEMPLATE` that some record has.

    Example:
        >>> sorted(extensions(pl.DataFrame({"prompt": ["Hi"], "tools": ["[]"]})))
        ['tools']
    """
    present = {n for n in TEMPLATE if n in frame.columns and frame[n].null_count() < frame.height}
    extended = any(extended_rows(column).any() for column in frame)
    return present | ({"extended"} if extended else set())


def extended_rows(column: pl.Series) -> pl.Series:
    """The rows in which some message has more than a role and a text.

    Example:
        >>> extended_rows(pl.Series("prompt", ["Hi"])).to_list()
        [False]
    """
    if column.dtype != EXTENDED_MESSAGES:
        return pl.Series([False]).new_from_index(0, len(column))
    turn = pl.element().struct
    more = pl.any_horizontal(turn.field(name).is_not_null() for name in EXTENSIONS)
    some = pl.col(column.name).list.eval(more).list.any().fill_null(value=False)
    return column.to_frame().select(some).to_series()


NAMES = ("model", "model_a", "model_b", "origin")
"""Columns in which an empty cell, as CSV has it, is no name."""


def conform(frame: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Give a frame the exact columns and types of its kind, absent columns as null."""
    schema = {**PLACE, **COLUMNS[kind]}
    return frame.select(_typed(frame, name, dtype) for name, dtype in schema.items())


def _typed(frame: pl.DataFrame, name: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, dtype).alias(name)
    turns = dtype == MESSAGES and frame.schema[name] in WIDTHS
    value = pl.col(name) if turns else pl.col(name).cast(dtype)
    return value.replace("", None) if name in NAMES else value


def as_json(column: pl.Series) -> pl.Series:
    """Write lists and objects as JSON.

    Example:
        >>> as_json(pl.Series("judge", [["gpt-4", "pair"], None])).to_list()
        ['["gpt-4", "pair"]', None]
    """
    texts = [
        None if value is None else json.dumps(value, ensure_ascii=False, default=str)
        for value in column.to_list()
    ]
    return pl.Series(column.name, texts, pl.String)
