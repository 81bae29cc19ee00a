"""Ids made of content: the same on every machine, in every run, whatever the order of the rows.

The id of messages is the XXH3-128 hash of their roles and normalised texts. Normalised means NFC,
``\\n`` for line breaks, no white space at either end; white space inside stays, since code has
meaning in it. What a message thinks and what it calls is part of it; the ids of calls and the names
of speakers are not.
"""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import polars_hash as plh
import pyarrow as pa

from prefdata.records.frames import EXTENDED_MESSAGES, TEMPLATE, extended_rows, speaker

TURN, PART = "\x1e", "\x1f"


MAY_COMPOSE = (
    r"[\p{M}\u{1161}-\u{1175}\u{11A8}-\u{11C2}\u{374}\u{37E}\u{387}\u{958}-\u{95F}\u{9DC}-\u{9DF}"
    r"\u{A33}-\u{A36}\u{A59}-\u{A5E}\u{B5C}\u{B5D}\u{F43}-\u{F69}\u{1F71}-\u{2001}"
    r"\u{2126}-\u{212B}\u{2329}\u{232A}\u{2ADC}\u{F900}-\u{FAD9}\u{FB1D}-\u{FB4E}"
    r"\u{1D15E}-\u{1D1C0}\u{2F800}-\u{2FA1D}]"
)
"""Every character that NFC can change, or join to the one before it, and some that it cannot."""

COMPOSING = 0xCC
"""The first byte of U+0300, the lowest of these characters, in UTF-8."""

VIEW, SHORT = 16, 12
"""Bytes of the view that Arrow has of a text, and of a text that stands in there itself."""


def content_ids(frame: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
    """Add the id of message columns to a frame, as 128-bit integers.

    Args:
        frame: holds the message columns.
        columns: message column to the name of the id column that it gives.
    """
    for name, id_name in columns.items():
        if frame.schema[name] == pl.String:
            normalised = _normal(frame[name])
            marked = pl.concat_str(pl.lit(speaker(name) + PART), name)
            text = normalised.to_frame().select(marked.alias(name))
        else:
            turn = pl.element().struct
            content = turn.field("content").map_batches(_normal, pl.String, is_elementwise=True)
            spoken = pl.concat_str(turn.field("role"), content, separator=PART)
            text = frame.select(pl.col(name).list.eval(spoken).list.join(TURN))
            if frame.schema[name] == EXTENDED_MESSAGES:
                text = _with_extensions(text.to_series(), frame[name]).to_frame()
        hashed = text.select(plh.col(name).nchash.xxh3_128().alias(id_name))
        frame = frame.with_columns(hashed.to_series())
    return frame


def _with_extensions(texts: pl.Series, messages: pl.Series) -> pl.Series:
    """The texts that are hashed, with what messages think and call behind them."""
    places = extended_rows(messages).arg_true()
    if places.is_empty():
        return texts
    more = [_extensions(turns) for turns in messages.gather(places).to_list()]
    whole = pl.Series([text or "" for text in texts.gather(places)]) + _normal(pl.Series(more))
    return texts.scatter(places, whole)


def _extensions(turns: list[dict[str, object]]) -> str:
    """What the turns of a conversation think and call; ``""`` where they do neither."""
    parts = []
    for place, turn in enumerate(turns):
        if turn["reasoning_content"]:
            parts.append(f"{place}{PART}thinks{PART}{str(turn['reasoning_content']).strip()}")
        calls = turn["tool_calls"] if isinstance(turn["tool_calls"], list) else []
        parts += [f"{place}{PART}calls{PART}{_call_text(call['function'])}" for call in calls]
    return TURN.join([TURN, *parts]) if parts else ""


def _call_text(function: dict[str, str]) -> str:
    """A call, however the JSON of its arguments is written."""
    try:
        arguments = json.loads(function["arguments"])
    except ValueError:
        arguments = function["arguments"]
    return json.dumps([function["name"], arguments], sort_keys=True, ensure_ascii=False)


def conversation_ids(prompts: pl.Series) -> pl.Series:
    """The id of the first user turn of each prompt, as 128-bit integers.

    All prompts of a session, a tree or a post begin with the same user turn. A prompt that is one
    user turn has its own id. Where no user speaks, the first turn counts.

    Example:
        >>> hi = {"role": "user", "content": "Hi"}
        >>> more = [hi, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "?"}]
        >>> conversation_ids(pl.Series([[hi], more])).n_unique()
        1
    """
    if prompts.dtype != pl.String:
        by_user = pl.element().struct.field("role") == "user"
        users = pl.col("prompt").list.eval(pl.element().filter(by_user)).list.head(1)
        first = pl.when(users.list.len() > 0).then(users).otherwise(pl.col("prompt").list.head(1))
        prompts = prompts.alias("prompt").to_frame().select(first).to_series()
    frame = prompts.alias("prompt").to_frame()
    return content_ids(frame, {"prompt": "group_id"})["group_id"]


def _normal(text: pl.Series) -> pl.Series:
    """Normalise texts; compose only the few that need it: looking is cheap, composing is not."""
    text = text.str.strip_chars()
    changes = text.str.contains("\r\n", literal=True).fill_null(value=False)
    suspect = pl.Series(_highest_bytes(text) >= COMPOSING)
    if suspect.any():
        looked_at = text.zip_with(suspect, text.clear(1).new_from_index(0, len(text)))
        changes |= looked_at.str.contains(MAY_COMPOSE).fill_null(value=False)
    if not changes.any():
        return text
    changed = text.filter(changes).str.replace_all("\r\n", "\n", literal=True).str.normalize("NFC")
    return text.scatter(changes.arg_true(), changed)


def _highest_bytes(text: pl.Series) -> np.ndarray:
    """The highest byte of each text, or a higher one, from Arrow's buffers without a copy.

    A view of 16 bytes holds a text of up to 12, or else says in which buffer it begins where.
    """
    array = text.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    _, views, *buffers = array.buffers()
    view_bytes = np.frombuffer(views or b"", np.uint8).reshape(-1, VIEW)[array.offset :][
        : len(array)
    ]
    highest: np.ndarray = view_bytes[:, VIEW - SHORT :].max(axis=1)
    sizes, _, numbers, starts = view_bytes.view(np.uint32).T.astype(np.int64)
    rows = np.flatnonzero(sizes > SHORT)
    rows = rows[np.lexsort((starts[rows], numbers[rows]))]
    bounds = np.searchsorted(numbers[rows], np.arange(len(buffers) + 1))
    for buffer, first, end in zip(buffers, bounds[:-1], bounds[1:], strict=True):
        if first < end:
            in_buffer = rows[first:end]
            begin = starts[in_buffer]
            maxima = np.maximum.reduceat(np.frombuffer(buffer, np.uint8), begin)
            maxima[:-1][begin[1:] < (begin + sizes[in_buffer])[:-1]] = (
                0xFF  # the next begins inside
            )
            highest[in_buffer] = maxima
    return highest


def hexed(ids: pl.Series) -> pl.Series:
    """Write 128-bit ids as 32 hexadecimal digits.

    Example:
        >>> hexed(pl.Series("id", [255], dtype=pl.UInt128))[0]
        '000000000000000000000000000000ff'
    """
    half = pl.col("x")
    split = (
        ids.alias("x")
        .to_frame()
        .select(
            (half // (1 << 64)).cast(pl.UInt64).alias("high"),
            (half % (1 << 64)).cast(pl.UInt64).alias("low"),
        )
    )
    both = np.empty((split.height, 2), dtype=">u8")
    both[:, 0], both[:, 1] = split["high"].to_numpy(), split["low"].to_numpy()
    digits = pa.py_buffer(both.tobytes().hex().encode())
    text = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), split.height, [None, digits])
    return pl.Series(ids.name, text.cast(pa.binary()).cast(pa.string()), pl.String)


def joined_ids(frame: pl.DataFrame, columns: list[str], name: str) -> pl.DataFrame:
    """Add an id made of other ids, in their order, as a 128-bit integer."""
    digits = pl.DataFrame([hexed(frame[column]) for column in columns])
    text = digits.select(pl.concat_str(pl.all(), separator=" ").alias(name))
    return frame.with_columns(text.select(plh.col(name).nchash.xxh3_128()).to_series())


def _of_template(ratings: pl.DataFrame) -> pl.DataFrame:
    """Ratings with scopes in which all answers had the same tools and template arguments."""
    names = [name for name in TEMPLATE if name in ratings.columns]
    some = pl.any_horizontal(pl.col(name).is_not_null() for name in names) if names else None
    if some is None or not ratings.select(some.any()).item():
        return ratings
    texts = [pl.col(name).fill_null("") for name in names]
    text = pl.concat_str([hexed(ratings["scope"].fill_null(0)), *texts], separator=PART)
    hashed = ratings.select(text.alias("scope")).select(plh.col("scope").nchash.xxh3_128())
    return ratings.with_columns(pl.when(some).then(hashed.to_series()).otherwise("scope"))


def scoped(ratings: pl.DataFrame, *, ranked: bool) -> pl.DataFrame:
    """Add ``scope``, which says what each rating is compared with.

    Scores of one prompt with the same tools compare, wherever they stand. A rank says nothing
    outside its own list, so each row of ranks is a scope of its own, and so are the rows that name
    the same list.

    Args:
        ratings: ``prompt_id``, ``source``, ``row`` and ``list``.
        ranked: whether each row is a ranking.
    """
    place = pl.format("{} {}", "source", "row") if ranked else pl.lit(None, pl.String)
    if ratings["list"].null_count() < ratings.height:
        ratings = ratings.with_columns(hexed(ratings["prompt_id"].fill_null(0)).alias("scope"))
        place = pl.coalesce(pl.format("{} {} {}", "source", "scope", "list"), place)
    elif not ranked:
        return _of_template(ratings.with_columns(pl.col("prompt_id").alias("scope")))
    hashed = ratings.select(place.alias("scope")).select(plh.col("scope").nchash.xxh3_128())
    scope = pl.coalesce(hashed.to_series(), "prompt_id").alias("scope")
    return _of_template(ratings.with_columns(scope))
