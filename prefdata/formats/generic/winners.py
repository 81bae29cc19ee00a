"""From the columns of a source to who won: words, codes, a probability, a column per outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl

from prefdata.formats.base import Match
from prefdata.formats.generic.answers import flag_rows
from prefdata.formats.numbers import number
from prefdata.formats.value_key import value_key, value_keys
from prefdata.formats.verdict_words import NONE, OTHER, parse_winner
from prefdata.formats.winner_values import PROBABILITY, SIGNED, UNSURE
from prefdata.records import reasons

SIGNS = {"a": 1, "b": -1, "tie": 0, "both_bad": 0}
"""What stands in the column ``winner`` of a record."""

ON, OFF = frozenset({"1", "true"}), frozenset({"0", "false"})
"""What a column that stands for one outcome may hold."""


def winner_meaning(
    word: str, values: Mapping[str, str], *, zero_based: bool = False
) -> tuple[str, float | None] | None:
    """The meaning of a winner where values are declared: its side and strength.

    Args:
        word: the winner, as `value_key` has it.
        values: value to meaning; ``negative`` and ``positive`` stand for all numbers, and
            ``probability`` for those from 0 to 1.
        zero_based: whether the source counts its responses 0 and 1.

    Returns:
        The meaning, one of those of `parse_winner`, and the strength; None where it has none.

    Example:
        >>> (
        ...     winner_meaning("-2", {"negative": "a", "positive": "b"}),
        ...     winner_meaning("0.2", {"probability": "a"}),
        ...     winner_meaning("7", {"1": "a"}),
        ... )
        (('a', 2.0), ('b', None), None)
    """
    if word in values:
        meaning = parse_winner(word, zero_based=zero_based)
        return values[word], meaning[1] if meaning and meaning[0] == values[word] else None
    size = _size(word)
    if PROBABILITY in values and size is not None:
        return _more_likely(size, values[PROBABILITY])
    if SIGNED & set(values):
        if size:
            return values.get("negative" if size < 0 else "positive", "none"), abs(size)
        return None if size is None else ("tie", 0.0)
    if size is not None and any(_size(value) is not None for value in values):
        return None  # Numbers mean what was said of them, and no other number means anything.
    return parse_winner(word, zero_based=zero_based)


def _more_likely(share: float, side: str) -> tuple[str, None] | None:
    """Who wins by the probability that a side is better."""
    if not 0 <= share <= 1:
        return None
    return ("tie" if share == 0.5 else side if share > 0.5 else OTHER[side]), None


def _size(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def with_votes(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Each verdict of a list as a row of its own, numbered by ``item``; other rows stay."""
    votes = pl.Series(column, [_votes(text) for text in frame[column]], pl.List(pl.String))
    items = pl.int_ranges(pl.col(column).list.len()).cast(pl.List(pl.UInt32)).alias("item")
    return frame.with_columns(votes).with_columns(items).explode(column, "item")


def _votes(text: object) -> list[str | None]:
    """The verdicts in a cell; one that is null where there is none."""
    try:
        content = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        content = text
    return [*value_keys(content)] or [None] if isinstance(content, list) else [_text(content)]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def words_of(column: pl.Series) -> pl.Series:
    """A column as words, as `value_key` writes them; each distinct value is looked at once."""
    if column.dtype == pl.String or column.dtype.is_integer():
        distinct = column.unique().drop_nulls()
        words = pl.Series([value_key(value) for value in distinct], dtype=pl.String)
        return column.replace_strict(distinct, words, default=None).rename("word")
    return pl.Series("word", [None if v is None else value_key(v) for v in column], pl.String)


def with_winner(frame: pl.DataFrame, column: str, match: Match) -> pl.DataFrame:
    """Add winner and strength from one winner column; each distinct word is looked up once."""
    words = words_of(frame[column])
    if PROBABILITY in match.values:
        frame = _with_probability(frame.with_columns(words), column, match.values[PROBABILITY])
    else:
        frame = _with_meaning(frame, words, match)
    empty = pl.col("word").is_null() | pl.col("word").is_in(
        sorted(NONE - set(match.values)) + _words_meaning("none", words, match)
    )
    frame = flag_rows(frame, empty, reasons.NO_WINNER, column)
    unsure = pl.col("word").is_in(_words_meaning(UNSURE, words, match))
    frame = flag_rows(frame, unsure, reasons.NO_PREFERENCE, column)
    detail = pl.format("found {}", "word")
    return flag_rows(frame, pl.col("winner").is_null(), reasons.UNKNOWN_WINNER, column, detail)


def _words_meaning(meaning: str, words: pl.Series, match: Match) -> list[str]:
    """The words of a column that have a meaning."""
    return [word for word, (side, _) in _meanings(words, match).items() if side == meaning]


def _meanings(words: pl.Series, match: Match) -> dict[str, tuple[str, float | None]]:
    zero_based = match.column("response_a").endswith("0")
    meanings = {
        word: winner_meaning(word, match.values, zero_based=zero_based)
        for word in words.unique().drop_nulls()
    }
    return {word: meaning for word, meaning in meanings.items() if meaning}


def _with_meaning(frame: pl.DataFrame, words: pl.Series, match: Match) -> pl.DataFrame:
    meanings = _meanings(words, match)
    sides = {word: SIGNS.get(side) for word, (side, _) in meanings.items()}
    strengths = {word: strength for word, (_, strength) in meanings.items()}
    bad = [word for word, (side, _) in meanings.items() if side == "both_bad"]
    frame = frame.with_columns(
        words,
        words.replace_strict(sides, default=None, return_dtype=pl.Int8).alias("winner"),
        words.replace_strict(strengths, default=None, return_dtype=pl.Float64).alias("strength"),
        *([words.is_in(bad).alias("both_bad")] if bad else []),
    )
    if not {"model_a", "model_b"} <= set(frame.columns):
        return frame
    lower = pl.col("model_a").str.to_lowercase(), pl.col("model_b").str.to_lowercase()
    by_name = (
        pl.when(lower[0] == lower[1])
        .then(None)
        .when(pl.col("word") == lower[0])
        .then(1)
        .when(pl.col("word") == lower[1])
        .then(-1)
    )
    return frame.with_columns(pl.coalesce("winner", by_name.cast(pl.Int8)).alias("winner"))


def _with_probability(frame: pl.DataFrame, column: str, side: str) -> pl.DataFrame:
    """The winner by the probability that a side is better, and the share that agrees with it."""
    share = number(frame[column]).alias("share")
    valid = pl.when(pl.col("share").is_between(0, 1)).then("share")
    sign = (valid - 0.5).sign().cast(pl.Int8) * SIGNS[side]
    agreement = pl.max_horizontal(valid, 1 - valid).round_sig_figs(12)
    return frame.with_columns(share).with_columns(
        sign.alias("winner"), agreement.alias("agreement")
    )


def with_flag_winner(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Add the winner from one column of 0 and 1 per outcome: exactly one of them must be 1."""
    columns = {
        side: match.column(f"winner_{side}")
        for side in ("a", "b", "tie")
        if match.column(f"winner_{side}")
    }
    words = {side: words_of(frame[column]) for side, column in columns.items()}
    frame = frame.with_columns(
        *(each.is_in(list(ON)).fill_null(value=False).alias(f"@{s}") for s, each in words.items()),
        *(each.fill_null("").alias(f"@{s} word") for s, each in words.items()),
    )
    taken = [*ON, *OFF, *NONE]
    for side, column in columns.items():
        word = pl.col(f"@{side} word")
        detail = pl.format("found {}, expected 0 or 1", word)
        frame = flag_rows(frame, ~word.is_in(taken), reasons.UNKNOWN_WINNER, column, detail)
    winner = pl.when("@a").then(1).when("@b").then(-1).otherwise(0).cast(pl.Int8)
    count = pl.sum_horizontal(pl.col(f"@{side}").cast(pl.Int8) for side in columns)
    frame = frame.with_columns(winner.alias("winner"), count.alias("@n"))
    several = pl.lit("more than one outcome is 1")
    first = columns["a"]
    frame = flag_rows(frame, pl.col("@n") > 1, reasons.UNKNOWN_WINNER, first, several)
    empty = pl.any_horizontal(pl.col(f"@{side} word").is_in(list(NONE)) for side in columns)
    nothing = (pl.col("@n") == 0) & (pl.lit("tie" in columns) | empty)
    return flag_rows(frame, nothing, reasons.NO_WINNER, first)
