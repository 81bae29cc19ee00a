"""A column of prompts or responses, in any of the usual shapes, to a column of messages."""

from __future__ import annotations

import json
from typing import NamedTuple

import polars as pl

from prefdata.formats.base import Shape
from prefdata.formats.text_shapes import CONTENT, SPEAKER, parse_cell
from prefdata.formats.transcript import Turns, parse_transcript
from prefdata.records import reasons
from prefdata.records.frames import MESSAGES

ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "customer": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
NOT_BLANK = r"\S"

NUL = "\x00"
TOOL_KEYS = ("tool_calls", "tool_call_id", "function_call")
TOOL_BLOCKS = {"tools", "tool_call", "tool_calls", "tool_use", "tool_result", "function_call"}


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
    if column.dtype == pl.String and shape == "text":
        return _text(column, role)
    if isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.Struct):
        fields = dict(column.dtype.inner.to_schema())
        if set(TOOL_KEYS) & set(fields):
            return _by_row(column, shape, role)
        content = next((name for name in CONTENT if name in fields), "")
        speaker = next((name for name in SPEAKER if name in fields), "")
        if fields.get(content) == pl.String and fields.get(speaker) == pl.String:
            return _messages(column, speaker, content)
    return _by_row(column, shape, role)


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


def _by_row(column: pl.Series, shape: Shape, role: str) -> ParsedMessages:
    """Parse row by row what no column expression can: about 5 µs a short conversation."""
    parsed = [_value(value, shape, role) for value in column]
    messages = [turns or None for turns, _, _ in parsed]
    return ParsedMessages(
        pl.Series(messages, dtype=MESSAGES),
        pl.Series([reason or None for _, reason, _ in parsed], dtype=pl.String),
        pl.Series([detail or None for _, _, detail in parsed], dtype=pl.String),
    )


def _value(value: object, shape: Shape, role: str) -> tuple[Turns, str, str]:
    if isinstance(value, str) and shape == "json":
        value = json.loads(value)
    if isinstance(value, str) and shape == "cell":
        if not value.strip():
            return [], reasons.EMPTY, ""
        content = parse_cell(value)
        if content is None and value.lstrip()[:1] in "[{":
            return [], reasons.BROKEN_JSON, "in a cell"
        value = value if content is None else content
    if isinstance(value, str) and shape == "transcript":
        return _transcript(value, role)
    messages, reason, detail = from_value(value, role)
    if not reason and any(NUL in turn["content"] for turn in messages):
        return [], reasons.BAD_TEXT, "a NUL"
    return messages, reason, detail


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
        return _message(value, role)
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
        item_messages, reason, detail = from_value(item, speaker, exchange=isinstance(item, list))
        if reason:
            return [], reason, detail or f"turn {index + 1}"
        messages.extend(item_messages)
    return messages, "", ""


def _message(value: dict[str, object], role: str) -> tuple[Turns, str, str]:
    if any(value.get(key) for key in TOOL_KEYS):
        return [], reasons.TOOLS, ""
    speaker = next((value[key] for key in SPEAKER if value.get(key) is not None), role)
    content = next((value[key] for key in CONTENT if value.get(key) is not None), None)
    if isinstance(content, list):
        kinds = {str(b["type"]) for b in content if isinstance(b, dict) and b.get("type")}
        if kinds & TOOL_BLOCKS:
            return [], reasons.TOOLS, ""
        if kinds - {"text"}:
            return [], reasons.NOT_TEXT, f"found {', '.join(sorted(kinds - {'text'}))}"
        content = "".join(_block(block) for block in content)
    usual_role = ROLES.get(str(speaker).lower())
    if usual_role is None:
        return [], reasons.BAD_TURNS, f"unknown role {speaker!r}"
    if content is None:
        return [], reasons.MISSING, "content"
    if not isinstance(content, str):
        return [], reasons.WRONG_TYPE, "content is not text"
    return [{"role": usual_role, "content": content}], "", ""


def _block(block: object) -> str:
    if isinstance(block, dict):
        return str(next((block[key] for key in ("text", "value", "content") if block.get(key)), ""))
    return str(block)
