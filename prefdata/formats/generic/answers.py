"""From raw columns to a prompt and its responses, as messages.

The prompt may stand in columns of its own, or be the beginning that all conversations share. Where
conversations repeat it, it is taken off message by message; where they do not share it, the row is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from prefdata.formats.base import Match
from prefdata.formats.conversation import (
    NOT_BLANK,
    NUL,
    ParsedMessages,
    has_messages,
    parse_messages,
    replace_at,
    text_reason,
)
from prefdata.formats.transcript import Turns
from prefdata.records import reasons
from prefdata.records.frames import EXTENDED_MESSAGES, MESSAGES, widened, widest
from prefdata.records.ids import content_ids

BY_NAME = (
    *("pairs", "comparisons", "unpaired", "responses"),
    *("ratings-long", "ratings-wide", "ratings-lists"),
)
"""Formats that are recognised by the names of their columns alone."""

PROBLEM = ("reason", "field", "detail")


def parse_answers(frame: pl.DataFrame, match: Match, responses: dict[str, str]) -> pl.DataFrame:
    """Add ``prompt`` and the responses as messages, and the reason where a row has none.

    Args:
        frame: the raw columns.
        match: says which columns make up the prompt.
        responses: the name of each response's result, and the raw column it stands in.

    Returns:
        The frame with ``prompt``, the responses, ``reason``, ``field`` and ``detail``.
    """
    frame = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in PROBLEM)
    if _single_turns(frame, match, responses):
        return _texts(frame, match, responses)
    parsed = {
        name: parse_messages(frame[column], match.shapes.get(column, "text"), "assistant")
        for name, column in responses.items()
    }
    frame = _with_prompt(frame, match, _self_contained([one.messages for one in parsed.values()]))
    for name, one in parsed.items():
        column = responses[name]
        frame = _keep_first_problem(frame.with_columns(one.messages.alias(f"@{name}")), one, column)
    frame = _of_one_type(frame, ["prompt", *(f"@{name}" for name in responses)])
    frame = _split(frame, responses, has_prompt=bool(match.column("prompt")))
    frame = _with_system(frame, match)
    return _flag_unusable(frame, responses, match.column("prompt"))


def _of_one_type(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Columns of messages as the widest of their types."""
    dtype = widest(frame.schema[name] for name in names)
    return frame.with_columns(widened(frame[name], dtype) for name in names)


def _single_turns(frame: pl.DataFrame, match: Match, responses: dict[str, str]) -> bool:
    """Whether prompt and responses are plain text, one turn each."""
    columns = [*match.columns.get("prompt", ()), *responses.values()]
    several = match.column("system") or match.column("history") or not match.column("prompt")
    return not several and all(
        frame.schema[name] == pl.String
        and match.shapes.get(name, "text") == "text"
        and (name in match.plain or not has_messages(frame[name], "user"))
        for name in columns
    )


def _texts(frame: pl.DataFrame, match: Match, responses: dict[str, str]) -> pl.DataFrame:
    """The fast way for single turns: columns stay text, and each is checked as a whole."""
    frame = frame.with_columns(
        _joined(match.columns["prompt"]).alias("prompt"),
        *(pl.col(column).alias(name) for name, column in responses.items()),
    )
    raw = {"prompt": match.columns["prompt"], **{n: (c,) for n, c in responses.items()}}
    for name, columns in raw.items():
        if match.plain.issuperset(columns):
            continue
        column = columns[0]
        reason_of = text_reason(pl.col(name))
        sound = pl.col(name).str.contains(NOT_BLANK) & ~pl.col(name).str.contains(NUL, literal=True)
        if not frame.select(sound.fill_null(value=False).all()).item():
            reason = frame.select(reason_of).to_series()
            none = pl.Series([None], dtype=pl.String).new_from_index(0, frame.height)
            frame = _keep_first_problem(frame, ParsedMessages(frame[name], reason, none), column)
    return frame


def _joined(columns: Sequence[str]) -> pl.Expr:
    """Several prompt columns as one text, empty ones left out."""
    if len(columns) == 1:
        return pl.col(columns[0])
    texts = [pl.col(name).str.strip_chars("\n").replace("", None) for name in columns]
    return pl.concat_str(texts, separator="\n", ignore_nulls=True)


def _keep_first_problem(frame: pl.DataFrame, parsed: ParsedMessages, field: str) -> pl.DataFrame:
    """Keep the first problem of each row."""
    if parsed.reason.null_count() == frame.height:
        return frame
    new = parsed.reason.is_not_null() & frame["reason"].is_null()
    return frame.with_columns(
        pl.when(new).then(parsed.reason).otherwise(pl.col("reason")).alias("reason"),
        pl.when(new).then(pl.lit(field)).otherwise(pl.col("field")).alias("field"),
        pl.when(new).then(parsed.detail).otherwise(pl.col("detail")).alias("detail"),
    )


def flag_rows(
    frame: pl.DataFrame, bad: pl.Expr, reason: str, field: str, detail: pl.Expr | None = None
) -> pl.DataFrame:
    """Give a reason to the rows where ``bad`` is true and that have no reason yet."""
    new = frame.select((bad.fill_null(value=False) & pl.col("reason").is_null()).alias("new"))
    if not new["new"].any():
        return frame
    detail_text = pl.lit(None, pl.String) if detail is None else detail
    return (
        frame.with_columns(new)
        .with_columns(
            pl.when("new").then(pl.lit(field)).otherwise("field").alias("field"),
            pl.when("new").then(detail_text).otherwise("detail").alias("detail"),
            pl.when("new").then(pl.lit(reason)).otherwise("reason").alias("reason"),
        )
        .drop("new")
    )


def _self_contained(responses: Sequence[pl.Series]) -> pl.Series:
    """The rows in which all responses are whole conversations, which hold the prompt too."""
    sides = pl.DataFrame([turns.alias(str(place)) for place, turns in enumerate(responses)])
    first = (_role(name, 0) for name in sides.columns)
    return sides.select(
        pl.all_horizontal((role != "assistant").fill_null(value=False) for role in first)
    ).to_series()


def _with_prompt(frame: pl.DataFrame, match: Match, self_contained: pl.Series) -> pl.DataFrame:
    """Add the prompt from its own columns: the history, if any, and one or more texts.

    It may be left out where the responses are whole conversations.
    """
    columns = match.columns.get("prompt", ())
    if not columns:
        return frame.with_columns(pl.lit(None, MESSAGES).alias("prompt"))
    plain = all(
        frame.schema[name] == pl.String and match.shapes.get(name, "text") == "text"
        for name in columns
    )
    if len(columns) > 1 and plain:
        parts = {
            columns[0]: parse_messages(frame.select(_joined(columns)).to_series(), "text", "user")
        }
    else:
        parts = {
            name: parse_messages(frame[name], match.shapes.get(name, "text"), "user")
            for name in columns
        }
    if len(parts) > 1:
        parts = {name: _optional(parsed) for name, parsed in parts.items()}
    turns = pl.DataFrame([parsed.messages.alias(name) for name, parsed in parts.items()])
    if len(parts) > 1:
        turns = _as_one_turn(turns)
    if history := match.column("history"):
        before = _optional(
            parse_messages(frame[history], match.shapes.get(history, "text"), "user")
        )
        parts = {history: before, **parts}
        turns = turns.select(before.messages.alias("@history"), pl.all())
    turns = _of_one_type(turns, turns.columns)
    conversation = pl.concat_list(pl.all().fill_null(pl.lit([], turns.dtypes[0])))
    some = pl.any_horizontal(pl.all().is_not_null())
    frame = frame.with_columns(
        turns.select(pl.when(some).then(conversation).alias("prompt")).to_series()
    )
    for name, parsed in parts.items():
        frame = _keep_first_problem(frame, _optional(parsed, self_contained), name)
    return flag_rows(
        frame, pl.col("prompt").is_null() & ~self_contained, reasons.MISSING, columns[0]
    )


def _as_one_turn(turns: pl.DataFrame) -> pl.DataFrame:
    """Join bare texts of several columns into one turn, also where other rows have messages."""
    turns = _of_one_type(turns, turns.columns)
    first, *others = turns.columns
    bare = [(pl.col(n).list.len() == 1) & (_role(n, 0) == "user") for n in turns.columns]
    alone = pl.all_horizontal(one | one.is_null() for one in bare)
    some = pl.any_horizontal(pl.all().is_not_null())
    texts = [_text(name).str.strip_chars("\n") for name in turns.columns]
    joined = pl.concat_str(texts, separator="\n", ignore_nulls=True)
    turn = pl.concat_list(pl.struct(pl.lit("user").alias("role"), joined.alias("content")))
    one = widened(turns.select(turn.alias(first)).to_series(), turns.schema[first])
    return turns.select(
        pl.when(alone & some).then(one).otherwise(first).alias(first),
        *(pl.when(~alone).then(name).alias(name) for name in others),
    )


def _text(name: str) -> pl.Expr:
    return pl.col(name).list.get(0, null_on_oob=True).struct.field("content")


def _with_system(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Put the system column before the prompt, unless that begins with a system turn.

    Where the two differ, a described format says that the turn counts; else the row is refused.
    """
    if not (column := match.column("system")):
        return frame
    parsed = _optional(parse_messages(frame[column], match.shapes.get(column, "text"), "system"))
    frame = frame.with_columns(parsed.messages.alias("@system"))
    frame = _keep_first_problem(_of_one_type(frame, ["prompt", "@system"]), parsed, column)
    absent = pl.col("@system").is_null() | (_role("prompt", 0) == "system").fill_null(value=False)
    if match.format in BY_NAME:
        turn, text = (
            pl.col(name).list.get(0, null_on_oob=True).struct.field("content").str.strip_chars()
            for name in ("prompt", "@system")
        )
        differs = (_role("prompt", 0) == "system") & (turn != text)
        frame = flag_rows(frame, differs, reasons.OTHER_SYSTEM, column)
    prompt = pl.when(absent).then("prompt").otherwise(pl.concat_list("@system", "prompt"))
    return frame.with_columns(prompt.alias("prompt")).drop("@system")


def _optional(parsed: ParsedMessages, where: pl.Series | None = None) -> ParsedMessages:
    """What may be left out: where it is empty or missing there is none, and that is no problem.

    Where something inside it is empty or missing, that stays a problem, and has a detail.

    Args:
        parsed: what was read.
        where: the rows in which it may be left out; all of them if None.
    """
    none = parsed.reason.is_in([reasons.EMPTY, reasons.MISSING]) & parsed.detail.is_null()
    none = none if where is None else none & where
    flags = pl.DataFrame(
        [
            parsed.messages.alias("m"),
            parsed.reason.alias("r"),
            none.fill_null(value=False).alias("n"),
        ]
    )
    messages, reason = flags.select(pl.when(~pl.col("n")).then(name) for name in ("m", "r"))
    return ParsedMessages(messages, reason, parsed.detail)


def _role(name: str, index: int) -> pl.Expr:
    return pl.col(name).list.get(index, null_on_oob=True).struct.field("role")


def _split(frame: pl.DataFrame, names: Mapping[str, str], *, has_prompt: bool) -> pl.DataFrame:
    """Split whole conversations into the beginning they share and the rest."""
    raw = [f"@{name}" for name in names]
    others = [name for name in frame.columns if name not in raw]
    bare = pl.all_horizontal((_role(name, 0) == "assistant").fill_null(value=True) for name in raw)
    self_contained = frame.select((~bare & pl.col("reason").is_null()).alias("x")).to_series()
    if not self_contained.any():
        if not has_prompt:
            frame = flag_rows(frame, pl.lit(value=True), reasons.MISSING, "prompt")
        return frame.rename(dict(zip(raw, names, strict=True)))
    frame = frame.with_columns(
        self_contained.alias("@whole"),
        *(
            pl.col(name).list.head(pl.col(name).list.len().cast(pl.Int64) - 1).alias(f"{name}+")
            for name in raw
        ),
    )
    frame = content_ids(frame, {f"{name}+": f"{name}#" for name in raw})
    ends = pl.all_horizontal(_role(name, -1) == "assistant" for name in raw)
    same = pl.all_horizontal(pl.col(f"{raw[0]}#") == pl.col(f"{name}#") for name in raw)
    plain = (pl.col("@whole") & ends & same).fill_null(value=False)
    odd = frame.select((pl.col("@whole") & ~plain).alias("x")).to_series()
    if has_prompt:
        frame = _flag_other_prompt(frame, plain, f"{raw[0]}+")
    frame = frame.with_columns(
        pl.when(plain).then(f"{raw[0]}+").otherwise("prompt").alias("prompt"),
        *(
            pl.when(plain).then(pl.col(name).list.tail(1)).otherwise(name).alias(short)
            for short, name in zip(names, raw, strict=True)
        ),
    )
    if not has_prompt:
        frame = flag_rows(frame, ~pl.col("@whole"), reasons.MISSING, "prompt")
    frame = _split_by_row(frame, names, odd) if odd.any() else frame
    return frame.select(*others, *names)


def _flag_other_prompt(frame: pl.DataFrame, plain: pl.Expr, context: str) -> pl.DataFrame:
    """The prompt's own column must be part of the conversation, or hold it."""
    prompt_texts = (
        pl.col("prompt").list.eval(pl.element().struct.field("content").str.strip_chars()).list
    )
    context_texts = (
        pl.col(context).list.eval(pl.element().struct.field("content").str.strip_chars()).list
    )
    alone, all_turns = prompt_texts.join("\n"), context_texts.join("\n")
    last = context_texts.get(-1, null_on_oob=True)
    fits = all_turns.str.contains(alone, literal=True) | alone.str.contains(last, literal=True)
    return flag_rows(
        frame,
        plain & ~fits,
        reasons.OTHER_PROMPT,
        "prompt",
        pl.lit("the prompt is not what the conversations begin with"),
    )


def _split_by_row(frame: pl.DataFrame, names: Mapping[str, str], odd: pl.Series) -> pl.DataFrame:
    """Split conversations that differ before their last turn: row by row, at 20 µs each."""
    places = odd.arg_true()
    rows = frame[places].select(f"@{name}" for name in names).rows()
    results = [_common_beginning(row) for row in rows]
    for index, name in enumerate(("prompt", *names)):
        values = pl.Series(
            [turns[index] if turns else None for turns, *_ in results],
            dtype=frame.schema[f"@{next(iter(names))}"],
        )
        frame = frame.with_columns(replace_at(frame[name], places, values))
    for index, name in enumerate(("reason", "detail"), 1):
        values = pl.Series([item[index] or None for item in results], dtype=pl.String)
        frame = frame.with_columns(replace_at(frame[name], places, values))
    columns = list(names.values())
    fields = [columns[item[3]] if item[1] else None for item in results]
    return frame.with_columns(
        replace_at(frame["field"], places, pl.Series(fields, dtype=pl.String))
    )


def _common_beginning(row: Sequence[Turns]) -> tuple[tuple[Turns, ...] | None, str, str, int]:
    """The longest beginning that all conversations share, and the rest of each.

    Where there is none: the reason, the detail, and which conversation is at fault.
    """
    for place, turns in enumerate(row):
        if not turns or turns[-1]["role"] != "assistant":
            return None, reasons.NO_ANSWER, "", place
    shortest = min(len(turns) for turns in row)
    same = next((i for i in range(shortest) if any(t[i] != row[0][i] for t in row)), shortest)
    rests = [turns[same:] for turns in row]
    if not all(rests):
        return None, reasons.OTHER_PROMPT, "one conversation is the beginning of the other", -1
    if any(turn["role"] not in ("assistant", "tool") for rest in rests for turn in rest):
        return None, reasons.OTHER_PROMPT, f"they differ from turn {same + 1} on", -1
    return (row[0][:same], *rests), "", "", 0


def _flag_unusable(
    frame: pl.DataFrame, responses: dict[str, str], prompt_column: str
) -> pl.DataFrame:
    """The checks that every record must pass, whatever its format."""
    prompt = prompt_column or "prompt"
    empty = pl.col("prompt").list.len() == 0
    question = pl.col("prompt").list.get(-1, null_on_oob=True).struct.field("content")
    empty |= ~question.str.contains(NOT_BLANK)
    frame = flag_rows(frame, empty | pl.col("prompt").is_null(), reasons.EMPTY, prompt)
    last = _role("prompt", -1)
    frame = _flag_no_user(frame, last, prompt)
    frame = flag_rows(frame, ~last.is_in(["user", "tool"]), reasons.ASSISTANT_PROMPT, prompt)
    for name, column in responses.items():
        spoken = (_role(name, 0) == "assistant") & _role(name, -1).is_in(["assistant", "tool"])
        frame = flag_rows(frame, ~spoken, reasons.NO_ANSWER, column)
        has_text = pl.col(name).list.eval(_says_something(frame.schema[name]))
        frame = flag_rows(
            frame, ~has_text.list.any() | pl.col(name).is_null(), reasons.EMPTY, column
        )
    return frame


def _says_something(dtype: pl.DataType) -> pl.Expr:
    """Whether a turn has a text, or calls a tool."""
    turn = pl.element().struct
    text = turn.field("content").str.contains(NOT_BLANK)
    return text | turn.field("tool_calls").is_not_null() if dtype == EXTENDED_MESSAGES else text


def _flag_no_user(frame: pl.DataFrame, last: pl.Expr, column: str) -> pl.DataFrame:
    """Refuse prompts that hold instructions only."""
    if not frame.select((last == "system").any()).item():
        return frame
    asks = pl.element().struct.field("role").is_in(["user", "tool"])
    none = (last == "system") & ~pl.col("prompt").list.eval(asks).list.any()
    return flag_rows(frame, none, reasons.NO_USER_TURN, column)
