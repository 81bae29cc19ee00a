"""Comparisons: two responses to one prompt, and which of them won."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from shlex import quote

import polars as pl

from prefdata.formats.base import Format, Match, ReadOptions
from prefdata.formats.generic import pick
from prefdata.formats.generic.answers import flag_rows, parse_answers
from prefdata.formats.generic.column_names import plain, sided
from prefdata.formats.numbers import countable, is_missing, number
from prefdata.formats.questions import Question
from prefdata.formats.sample import Sample
from prefdata.formats.value_key import value_key
from prefdata.formats.winner_values import (
    NONE,
    WINNER_HINT,
    parse_winner,
    resolve_winners,
)
from prefdata.records import reasons
from prefdata.records.frames import conform

FIELDS = (
    "prompt",
    "system",
    "history",
    "response_a",
    "response_b",
    "winner",
    "annotator",
    "model_a",
    "model_b",
    "source",
    "strength",
    "votes",
    "agreement",
)
NUMBERS = FIELDS[-3:]
"""Fields that only ``--map`` or a description fills: the name of a column does not say enough."""

ONE_HOT = re.compile(
    r"(?:winner|is|won|win|preferred)_?(?:model_?)?(?P<side>a|b|1|2|tie)(?:_(?:wins|won|is_better))?"
)
SIGNED = {"negative", "positive"}


def match_comparisons(sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits where exactly two responses and a winner stand in a row."""
    if not pick.only_allowed(read_options, FIELDS):
        return None
    sides = _sides(sample, read_options)
    if not sides:
        return None
    (first, second), columns = sides
    used = {name for names in columns.values() for name in names}
    if flags := _one_hot(sample, read_options):
        columns |= flags
    else:
        columns |= pick.fields(sample, read_options, ("winner",), used)
    if not {"winner", "winner_a"} & set(columns):
        return None
    used = {name for names in columns.values() for name in names}
    models = sided([name for name in sample.names if name not in used], "model")
    if len(models) == 2:
        columns |= {f"model_{s}": (name,) for s, name in zip("ab", models.values(), strict=True)}
    columns |= {
        name: read_options.columns[name]
        for name in ("model_a", "model_b", *NUMBERS)
        if name in read_options.columns
    }
    columns = {field: names for field, names in columns.items() if names}
    used |= {name for names in columns.values() for name in names}
    columns |= pick.prompt(sample, read_options, used)
    used |= {name for names in columns.values() for name in names}
    columns |= pick.fields(sample, read_options, ("annotator", "source"), used)
    shapes = pick.shapes(
        sample, columns, ("prompt", "system", "history", "response_a", "response_b")
    )
    self_contained = pick.holds_prompt(
        shapes, (columns["response_a"][0], columns["response_b"][0]), sample
    )
    if "prompt" not in columns and not self_contained:
        return None
    values, question = _values(sample, read_options, columns, (first, second))
    evidence = pick.evidence(
        columns, "prompt", "response_a", "response_b", "winner", "winner_a", "annotator"
    )
    return Match(
        "comparisons",
        85,
        columns,
        shapes,
        evidence,
        values=values,
        questions=(Question(question, columns["winner"]),) if question else (),
        polarity=polarity(values),
    )


def _sides(
    sample: Sample, read_options: ReadOptions
) -> tuple[tuple[str, str], pick.Columns] | None:
    mapped = {
        name: read_options.columns[name]
        for name in ("response_a", "response_b")
        if name in read_options.columns
    }
    if len(mapped) == 2:
        return ("a", "b"), dict(mapped)
    columns = sided(sample.names, "response")
    if len(columns) != 2:
        return None
    first, second = columns
    return (first, second), {"response_a": (columns[first],), "response_b": (columns[second],)}


def _one_hot(sample: Sample, read_options: ReadOptions) -> pick.Columns:
    """Columns of 0 and 1, one for each outcome, as in winner_model_a, winner_tie."""
    if "winner" in read_options.columns:
        return {}
    sides = {"1": "a", "2": "b"}
    columns: pick.Columns = {
        f"winner_{sides.get(outcome['side'], outcome['side'])}": (name,)
        for name in sample.names
        if (outcome := ONE_HOT.fullmatch(plain(name)))
        and {value_key(value) for value in sample.values(name)} <= {"0", "1", "true", "false"}
    }
    return columns if {"winner_a", "winner_b"} <= set(columns) else {}


def _values(
    sample: Sample, read_options: ReadOptions, columns: pick.Columns, sides: tuple[str, str]
) -> tuple[Mapping[str, str], str]:
    if "winner" not in columns:
        return {}, ""
    values_seen = [value for name in columns["winner"] for value in sample.values(name)]
    values, question = resolve_winners(values_seen, sides, read_options.winner)
    models = {
        value_key(value)
        for side in ("model_a", "model_b")
        if side in columns
        for value in sample.values(columns[side][0])
    }
    unknown = {value_key(value) for value in values_seen} - set(values) - NONE - models
    if (
        not question
        and not read_options.winner
        and unknown
        and len(unknown) == len({value_key(v) for v in values_seen} - NONE)
    ):
        examples = ", ".join(sorted(unknown)[:4])
        question = f"winner holds {examples}: " + (
            _how_to_name_sides(sample, columns, unknown)
            or f"which is the first, the second, a tie? {WINNER_HINT} {quote(f'a={min(unknown)}')}"
        )
    return values, question if unknown or question else ""


def _how_to_name_sides(sample: Sample, columns: pick.Columns, words: Collection[str]) -> str:
    """The remedy where the winner is named by other columns of its row, which may change sides."""
    winners = [(row, value_key(row.get(name))) for name in columns["winner"] for row in sample.rows]
    winners = [(row, word) for row, word in winners if word in words]
    sides = [column for side in "ab" for column in columns[f"response_{side}"]]
    if all(word in _words(row, sides) for row, word in winners):
        return "it repeats the text of an answer; write a, b or tie instead"
    used = {name for names in columns.values() for name in names}
    free = [name for name in sample.names if name not in used]
    for a, b in combinations(free, 2):
        if all(word in _words(row, (a, b)) for row, word in winners):
            mapping = quote(f"model_a={a},model_b={b}")
            return f"{a} and {b} hold these names; say --map {mapping}"
    return ""


def _words(row: Mapping[str, object], columns: Iterable[str]) -> set[str]:
    """The values of some columns of a row, as words."""
    return {value_key(row[name]) for name in columns if row.get(name) is not None}


def polarity(values: Mapping[str, str]) -> str:
    """What the values of a winner column mean, in words.

    Example:
        >>> polarity({"1": "a", "2": "b"})
        "'1': the first is better; '2': the second is better"
    """
    if not values:
        return "the winner column names the better response"
    meanings = {
        "a": "the first is better",
        "b": "the second is better",
        "tie": "a tie",
        "none": "no verdict",
    }
    return "; ".join(f"{value!r}: {meanings[side]}" for value, side in list(values.items())[:8])


def build_comparisons(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Verdicts on two responses; several winner columns are several annotators."""
    frame = parse_answers(
        frame, match, {"a": match.column("response_a"), "b": match.column("response_b")}
    )
    names = {
        "annotator": "annotator",
        "model_a": "model_a",
        "model_b": "model_b",
        "source": "origin",
    }
    labels = {new: match.column(field) for field, new in names.items() if match.column(field)}
    frame = frame.with_columns(
        pl.col(old).cast(pl.String).alias(new) for new, old in labels.items()
    )
    if "winner_a" in match.columns:
        return conform(_with_strength(_with_flag_winner(frame, match), match), "comparisons")
    columns = match.columns["winner"]
    verdicts = []
    for item, column in enumerate(columns):
        each = _with_strength(_with_winner(frame, column, match), match)
        if len(columns) > 1:
            each = each.with_columns(pl.lit(column).alias("annotator"))
        before = pl.col("item") if "item" in frame.columns else pl.lit(0)
        place = (before * len(columns) + item).cast(pl.UInt32).alias("item")
        verdicts.append(conform(each.with_columns(place), "comparisons"))
    return pl.concat(verdicts).sort("row", "item") if len(verdicts) > 1 else verdicts[0]


def _with_winner(frame: pl.DataFrame, column: str, match: Match) -> pl.DataFrame:
    """Add winner and strength from one winner column; each distinct word is looked up once."""
    words = pl.Series(
        "word", [None if v is None else value_key(v) for v in frame[column]], pl.String
    )
    meanings: dict[str, tuple[str, float | None]] = {}
    zero_based = match.column("response_a").endswith("0")
    for word in words.unique().drop_nulls():
        if meaning := winner_meaning(word, match.values, zero_based=zero_based):
            meanings[word] = meaning
    sides = {word: {"a": 1, "b": -1, "tie": 0}.get(side) for word, (side, _) in meanings.items()}
    frame = frame.with_columns(
        words,
        words.replace_strict(sides, default=None, return_dtype=pl.Int8).alias("winner"),
        words.replace_strict(
            {w: s for w, (_, s) in meanings.items()}, default=None, return_dtype=pl.Float64
        ).alias("strength"),
    )
    if {"model_a", "model_b"} <= set(frame.columns):
        lower = pl.col("model_a").str.to_lowercase(), pl.col("model_b").str.to_lowercase()
        by_name = (
            pl.when(lower[0] == lower[1])
            .then(None)
            .when(pl.col("word") == lower[0])
            .then(1)
            .when(pl.col("word") == lower[1])
            .then(-1)
        )
        frame = frame.with_columns(pl.coalesce("winner", by_name.cast(pl.Int8)).alias("winner"))
    empty = pl.col("word").is_null() | pl.col("word").is_in(
        [w for w, (s, _) in meanings.items() if s == "none"]
    )
    empty |= pl.col("word").is_in(sorted(NONE - set(match.values)))
    frame = flag_rows(frame, empty, reasons.NO_WINNER, column)
    return flag_rows(
        frame,
        pl.col("winner").is_null(),
        reasons.UNKNOWN_WINNER,
        column,
        pl.format("found {}", "word"),
    )


def _with_strength(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Add the strength of a verdict, its number of votes and their agreement."""
    measures = {name: match.column(name) for name in NUMBERS if match.column(name)}
    frame = frame.with_columns(number(frame[column]).alias(n) for n, column in measures.items())
    strength, votes, share = (pl.col(name) for name in NUMBERS)
    checks = {
        "strength": (strength < 0, "expected 0 or more"),
        "votes": (~countable(votes), "expected a count of votes, 1 or more"),
        "agreement": (~share.is_between(0, 1), "expected a share of votes, 0 to 1"),
    }
    for name, column in measures.items():
        unread = pl.col(name).is_null() & ~is_missing(column)
        wrong_value = pl.format("found {}", pl.col(column).cast(pl.String))
        frame = flag_rows(frame, unread, reasons.NOT_A_NUMBER, column, wrong_value)
        bad, detail = checks[name]
        frame = flag_rows(frame, bad, reasons.WRONG_TYPE, column, pl.lit(detail))
    if "votes" in measures:
        frame = frame.with_columns(pl.when(countable(votes)).then(votes).alias("votes"))
    return frame


def winner_meaning(
    word: str, values: Mapping[str, str], *, zero_based: bool = False
) -> tuple[str, float | None] | None:
    """The meaning of a winner where values are declared: its side and strength.

    Args:
        word: the winner, as `value_key` has it.
        values: value to meaning; ``negative`` and ``positive`` stand for all numbers.
        zero_based: whether the source counts its responses 0 and 1.

    Returns:
        ``("a" | "b" | "tie" | "none", strength)``, or None where it means nothing.

    Example:
        >>> (
        ...     winner_meaning("-2", {"negative": "a", "positive": "b"}),
        ...     winner_meaning("7", {"1": "a"}),
        ... )
        (('a', 2.0), None)
    """
    if word in values:
        meaning = parse_winner(word, zero_based=zero_based)
        return values[word], meaning[1] if meaning and meaning[0] == values[word] else None
    size = _size(word)
    if SIGNED & set(values):
        if size:
            return values.get("negative" if size < 0 else "positive", "none"), abs(size)
        return None if size is None else ("tie", 0.0)
    if size is not None and any(_size(value) is not None for value in values):
        return None  # Numbers mean what was said of them, and no other number means anything.
    return parse_winner(word, zero_based=zero_based)


def _size(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _with_flag_winner(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Add the winner from one column of 0 and 1 per outcome: exactly one of them must be 1."""
    flags = {
        side: pl.Series(
            [value_key(v) in ("1", "true") for v in frame[match.column(f"winner_{side}")]]
        )
        for side in ("a", "b", "tie")
        if match.column(f"winner_{side}")
    }
    frame = frame.with_columns(values.alias(f"@{side}") for side, values in flags.items())
    count = pl.sum_horizontal(pl.col(f"@{side}").cast(pl.Int8) for side in flags)
    winner = pl.when("@a").then(1).when("@b").then(-1).otherwise(0).cast(pl.Int8).alias("winner")
    frame = flag_rows(
        frame.with_columns(winner, count.alias("@n")),
        pl.col("@n") > 1,
        reasons.UNKNOWN_WINNER,
        match.column("winner_a"),
        pl.lit("more than one outcome is 1"),
    )
    nothing = (pl.col("@n") == 0) if "tie" in flags else pl.lit(value=False)
    return flag_rows(frame, nothing, reasons.NO_WINNER, match.column("winner_a"))


COMPARISONS = Format(
    name="comparisons",
    kind="comparisons",
    summary="one row per verdict: a prompt, two responses and which one won",
    fields=FIELDS,
    polarity="the winner column names the better response",
    example={"prompt": "What is 2 + 2?", "response_a": "4", "response_b": "5", "winner": "a"},
    match=match_comparisons,
    build=build_comparisons,
    multi_column=("prompt", "winner"),
)
