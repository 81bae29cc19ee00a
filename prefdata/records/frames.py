"""What a record is as a row of a frame: its columns, their types, and texts as messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

import polars as pl

Kind = Literal["ratings", "comparisons", "unpaired"]


MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


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
"""The columns of each kind of record. ``winner`` is 1 for a, -1 for b, 0 for a tie.

A column of messages may also be text, where each row is one turn: of the user in ``prompt``, of
the assistant elsewhere. It is the same data, at a third of the cost; `as_messages` turns it
into messages.
"""


def speaker(column: str) -> str:
    """Who speaks where a column of messages is text.

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


def stacked(columns: Sequence[pl.Series]) -> pl.Series:
    """Put columns of messages end to end: as text where all are text, as messages otherwise."""
    columns = [column for column in columns if len(column)] or list(columns[:1])
    if len({column.dtype for column in columns}) > 1:
        columns = [as_messages(column) for column in columns]
    return pl.concat(columns)


def concatenated(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put frames of a kind together: as text where all are, as messages otherwise."""
    texts = [name for name, dtype in frames[0].schema.items() if dtype in (MESSAGES, pl.String)]
    mixed = [name for name in texts if len({frame.schema[name] for frame in frames}) > 1]
    return pl.concat([f.with_columns(as_messages(f[name]) for name in mixed) for f in frames])


NAMES = ("model", "model_a", "model_b", "origin")
"""Columns in which an empty cell, as CSV has it, is no name."""


def conform(frame: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Bring a built frame to the exact columns and types of its kind, absent ones as null."""
    wanted = {**PLACE, **COLUMNS[kind]}
    return frame.select(_typed(frame, name, dtype) for name, dtype in wanted.items())


def _typed(frame: pl.DataFrame, name: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, dtype).alias(name)
    turns = dtype == MESSAGES and frame.schema[name] == pl.String
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
