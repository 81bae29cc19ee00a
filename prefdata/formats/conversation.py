"""A column of prompts or responses, in any of the usual shapes, to a column of messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from prefdata.formats.base import Shape
from prefdata.formats.cell_messages import CELL_BEGINS, cell_messages, is_hh_transcript
from prefdata.formats.message import (
    CALL_ROLES,
    EXTENDED_BLOCKS,
    EXTENSION_KEYS,
    MEDIA_KEYS,
    UnreadableError,
    joined,
    message_turns,
    without_nulls,
)
from prefdata.formats.roles import ROLES
from prefdata.formats.text_shapes import CONTENT, SPEAKER, parse_cell, speak
from prefdata.formats.transcript import Turns, parse_transcript
from prefdata.records import reasons
from prefdata.records.frames import EXTENDED_MESSAGES, MESSAGES, widened

NOT_BLANK = r"\S"

NUL = "\x00"
JSON_TEXT = pl.Struct({"json": pl.String})
"""The type of a column of messages that are written as JSON in a part of a source only."""


PLAIN_FIELDS = ("role", "content")


class ParsedMessages(NamedTuple):
    """The messages of each row, or the reason and detail why there are none."""

    messages: pl.Series
    reason: pl.Series
    detail: pl.Series


def parse_messages(column: pl.Series, shape: Shape, role: str) -> ParsedMessages:
    """Turn a column into messages.

    Args:
        column: the raw values.
        shape: how they are written.
        role: who speaks where a value is bare text: ``"user"`` or ``"assistant"``.
    """
    if column.dtype == JSON_TEXT:
        return _by_row(column.struct.field("json"), "json", role)
    if column.dtype == pl.String and shape == "text":
        return _with_cells(_text(column, role), column, role)
    if isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.Struct):
        fields = dict(column.dtype.inner.to_schema())
        content = next((name for name in CONTENT if name in fields), "")
        speaker = next((name for name in SPEAKER if name in fields), "")
        plain = fields.get(content) == pl.String and fields.get(speaker) == pl.String
        if plain and not _is_extended(column, speaker, list(fields)):
            return _messages(column, speaker, content)
    return _by_row(column, shape, role)


def _is_extended(column: pl.Series, speaker: str, fields: list[str]) -> bool:
    """Whether some message of a column has more than a role and a text."""
    turns = column.explode(empty_as_null=False).struct
    for name in (*EXTENSION_KEYS, *MEDIA_KEYS):
        if name in fields and turns.field(name).null_count() < turns.field(name).len():
            return True
    kinds = turns.field("type").unique() if "type" in fields else pl.Series([], dtype=pl.String)
    roles = turns.field(speaker).unique().drop_nulls().str.to_lowercase()
    return bool({*kinds.to_list()} & {*EXTENDED_BLOCKS} or {*roles} & {*CALL_ROLES})


def _text(column: pl.Series, role: str) -> ParsedMessages:
    text = pl.col("x")
    parsed = (
        column.alias("x")
        .to_frame()
        .select(
            pl.when(text.is_not_null())
            .then(pl.concat_list(pl.struct(pl.lit(role).alias("role"), text.alias("content"))))
            .alias("messages"),
            text_reason(text).alias("reason"),
            pl.lit(None, pl.String).alias("detail"),
        )
    )
    return ParsedMessages(*parsed)


def has_messages(column: pl.Series, role: str) -> bool:
    """Whether some text of a column holds messages, or looks so."""
    picked = column.filter(column.str.contains(CELL_BEGINS))
    return any(_cell(text, role) is not None for text in picked)


def _with_cells(texts: ParsedMessages, column: pl.Series, role: str) -> ParsedMessages:
    """Put messages in the place of the texts that hold them."""
    places = column.str.contains(CELL_BEGINS).fill_null(value=False).arg_true().to_list()
    parsed = {at: turns for at in places if (turns := _cell(column[at], role)) is not None}
    if not parsed:
        return texts
    at = pl.Series(list(parsed), dtype=pl.UInt32)
    cells = _as_columns(list(parsed.values()))
    plain = widened(texts.messages, cells.messages.dtype)
    return ParsedMessages(
        replace_at(plain, at, cells.messages),
        replace_at(texts.reason, at, cells.reason),
        replace_at(texts.detail, at, cells.detail),
    )


def replace_at(column: pl.Series, places: pl.Series, values: pl.Series) -> pl.Series:
    """A column with other values at some places."""
    updates = pl.DataFrame({"at": places.cast(pl.UInt32), "new": values, "hit": True})
    frame = (
        column.to_frame("old")
        .with_row_index("at")
        .join(updates, on="at", how="left", maintain_order="left")
    )
    return frame.select(pl.when("hit").then("new").otherwise("old").alias(column.name)).to_series()


def _cell(text: str, role: str) -> tuple[Turns, str, str] | None:
    """The messages in a text, or why they cannot be read; None where it is plain text."""
    if is_hh_transcript(text) and role != "system":
        return _value(text, "transcript", role)
    content, broken = cell_messages(text)
    if broken:
        return [], reasons.BROKEN_JSON, "in a cell"
    return None if content is None else _value(content, "nested", role)


def text_reason(text: pl.Expr) -> pl.Expr:
    """The reason why a text cannot be used; null where it can."""
    return (
        pl.when(text.is_null())
        .then(pl.lit(reasons.MISSING))
        .when(~text.str.contains(NOT_BLANK))
        .then(pl.lit(reasons.EMPTY))
        .when(text.str.contains(NUL, literal=True))
        .then(pl.lit(reasons.BAD_TEXT))
    )


def _messages(column: pl.Series, speaker: str, content: str) -> ParsedMessages:
    content_of = pl.element().struct.field(content)
    usual_role = (
        pl.element().struct.field(speaker).str.to_lowercase().replace_strict(ROLES, default=None)
    )
    column = column.alias("x")
    messages = column.to_frame().select(
        pl.col("x")
        .list.eval(pl.struct(usual_role.alias("role"), content_of.alias("content")))
        .alias("messages"),
    )
    messages = _without_empty_system_turns(messages)
    role, text = (
        pl.col("messages").list.eval(pl.element().struct.field(name))
        for name in ("role", "content")
    )
    checked = messages.with_columns(
        pl.when(pl.col("messages").is_null())
        .then(pl.lit(reasons.MISSING))
        .when(pl.col("messages").list.len() == 0)
        .then(pl.lit(reasons.EMPTY))
        .when(role.list.eval(pl.element().is_null()).list.any())
        .then(pl.lit(reasons.BAD_TURNS))
        .when(text.list.eval(pl.element().is_null()).list.any())
        .then(pl.lit(reasons.MISSING))
        .when(text.list.eval(pl.element().str.contains(NUL, literal=True)).list.any())
        .then(pl.lit(reasons.BAD_TEXT))
        .alias("reason"),
        pl.lit(None, pl.String).alias("detail"),
    )
    return ParsedMessages(*checked.select("messages", "reason", "detail"))


def _without_empty_system_turns(messages: pl.DataFrame) -> pl.DataFrame:
    """Conversations without system turns that say nothing, where there are any."""
    turn = pl.element().struct
    empty = (turn.field("role") == "system") & ~turn.field("content").str.contains(NOT_BLANK)
    turns = messages["messages"].explode(empty_as_null=False).struct
    system = turns.field("content").filter(turns.field("role") == "system")
    if system.str.contains(NOT_BLANK).all():
        return messages
    spoken = pl.element().filter(~empty.fill_null(value=False))
    return messages.with_columns(pl.col("messages").list.eval(spoken))


def _by_row(column: pl.Series, shape: Shape, role: str) -> ParsedMessages:
    """Parse row by row what no column expression can: about 5 µs a short conversation."""
    typed = column.dtype.is_nested()
    values = map(without_nulls, column.to_list()) if typed else column
    return _as_columns([_value(value, shape, role) for value in values])


def _as_columns(parsed: Sequence[tuple[Turns, str, str]]) -> ParsedMessages:
    """Rows of turns, reason and detail as columns, of the type that the turns need."""
    messages = [turns or None for turns, _, _ in parsed]
    extended = any(len(turn) > len(PLAIN_FIELDS) for turns in messages for turn in turns or ())
    return ParsedMessages(
        pl.Series(messages, dtype=EXTENDED_MESSAGES if extended else MESSAGES),
        pl.Series([reason or None for _, reason, _ in parsed], dtype=pl.String),
        pl.Series([detail or None for _, _, detail in parsed], dtype=pl.String),
    )


def _value(value: object, shape: Shape, role: str) -> tuple[Turns, str, str]:
    if isinstance(value, str) and shape in ("json", "cell", "texts"):
        value = json.loads(value) if shape == "json" else value
        if isinstance(value, str) and (parsed := _cell(value, role)) is not None:
            return parsed
    if isinstance(value, str) and shape in ("cell", "texts"):
        content = parse_cell(value) if value.lstrip()[:1] in ("[", "{") else None
        if isinstance(content, list) and (shape == "texts" or not content or speak(content)):
            value = content
    if isinstance(value, str) and shape == "transcript":
        return _transcript(value, role)
    messages, reason, detail = from_value(value, role)
    if not reason and _has_nul(messages):
        return [], reasons.BAD_TEXT, "a NUL"
    return messages, reason, detail


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return NUL in value
    if isinstance(value, dict):
        return any(map(_has_nul, value.values()))
    return isinstance(value, list) and any(map(_has_nul, value))


def _transcript(text: str, role: str) -> tuple[Turns, str, str]:
    """Parse a transcript; in a prompt, a last marker with nothing behind it is dropped."""
    if not text.strip():
        return [], reasons.EMPTY, ""
    messages, reason, detail = parse_transcript(text)
    if (
        role == "user"
        and len(messages) > 1
        and messages[-1] == {"role": "assistant", "content": ""}
    ):
        messages = messages[:-1]
    return messages, reason, detail


def from_value(value: object, role: str, *, exchange: bool = False) -> tuple[Turns, str, str]:
    """Messages from a nested value: text, one message, a list of messages or of exchanges.

    An exchange is what the user said and what the assistant answered, as in ``[["Hi", "Hello"]]``.

    Example:
        >>> from_value([{"from": "human", "value": "Hi"}], "user")[0]
        [{'role': 'user', 'content': 'Hi'}]
        >>> from_value(True, "assistant")[1:]
        ('wrong type', 'expected text or messages, found true or false')
    """
    if isinstance(value, pl.Series):
        value = value.to_list()
    if value is None:
        return [], reasons.MISSING, ""
    if isinstance(value, str):
        return (
            ([{"role": role, "content": value}], "", "")
            if value.strip()
            else ([], reasons.EMPTY, "")
        )
    if isinstance(value, dict):
        return from_value([value], role)
    if not isinstance(value, list):
        word = "true or false" if isinstance(value, bool) else "a number"
        return [], reasons.WRONG_TYPE, f"expected text or messages, found {word}"
    if not value:
        return [], reasons.EMPTY, ""
    if not exchange and len(value) > 1 and all(isinstance(item, str) for item in value):
        return [], reasons.BAD_TURNS, f"found {len(value)} texts, and not who said which"
    messages: Turns = []
    for index, item in enumerate(value):
        speaker = role if len(value) == 1 else ("user", "assistant")[index % 2]
        turns, reason, detail = _item_turns(item, speaker)
        if reason:
            return [], reason, detail or f"turn {index + 1}"
        messages.extend(turns)
    messages = joined(messages)
    return (messages, "", "") if messages else ([], reasons.EMPTY, "")


def _item_turns(item: object, role: str) -> tuple[Turns, str, str]:
    """The turns of one item of a list, before parts of turns are joined."""
    if not isinstance(item, dict):
        return from_value(item, role, exchange=isinstance(item, list))
    try:
        return message_turns(item, role), "", ""
    except UnreadableError as error:
        return [], error.reason, error.detail
