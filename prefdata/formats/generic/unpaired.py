"""Unpaired preferences: one response and whether it was good, as KTO trains on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet

import polars as pl

from prefdata.formats.base import Format, Match, ReadOptions
from prefdata.formats.generic import pick
from prefdata.formats.generic.answers import flag_rows, parse_answers
from prefdata.formats.generic.winner_columns import Meanings
from prefdata.formats.generic.winners import words_of
from prefdata.formats.numbers import number, number_of
from prefdata.formats.questions import Question
from prefdata.formats.sample import Sample
from prefdata.formats.value_counts import listed, value_counts
from prefdata.formats.value_key import value_key
from prefdata.records import reasons
from prefdata.records.frames import conform

FIELDS = ("prompt", "system", "history", "completion", "label", "weight", "source")
GOOD = {
    "true",
    "good",
    "yes",
    "y",
    "up",
    "thumbs_up",
    "thumbs up",
    "👍",
    "like",
    "liked",
    "desirable",
    "positive",
    "chosen",
    "accepted",
    "+1",
}
BAD = {
    "false",
    "bad",
    "no",
    "n",
    "down",
    "thumbs_down",
    "thumbs down",
    "👎",
    "dislike",
    "disliked",
    "undesirable",
    "negative",
    "rejected",
}
CODES = {"1": "true", "0": "false"}
NUMBERS = {"-1", "0", "1"}
ANY_CODE = {**dict.fromkeys(GOOD, "true"), **dict.fromkeys(BAD, "false"), **CODES, "-1": "false"}
"""What labels mean where nobody said it."""

SETTLE = "--label 'true=?,false=?,none=?'"
"""The option that says what the values of a label column mean; the meanings are the user's."""

SAY = f"say so with {SETTLE} (none= is for what carries no preference)"


def match_unpaired(sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits where one response and a label of two values stand in a row."""
    if not pick.only_allowed(read_options, FIELDS):
        return None
    columns = pick.fields(sample, read_options, ("label", "completion", "weight", "source"))
    if not {"label", "completion"} <= set(columns):
        columns = _boolean(sample, read_options)
    if not {"label", "completion"} <= set(columns):
        return None
    used = [name for names in columns.values() for name in names]
    columns |= pick.prompt(sample, read_options, used)
    shapes = pick.shapes(sample, columns, ("prompt", "system", "history", "completion"))
    if "prompt" not in columns and not pick.holds_prompt(shapes, columns["completion"], sample):
        return None
    meanings = label_meanings(sample, columns["label"][0], read_options.label)
    return Match(
        "unpaired",
        72 if is_for_kto(sample, columns) else 65,
        columns,
        shapes,
        pick.evidence(columns, "prompt", "completion", "label"),
        values=meanings.values,
        questions=meanings.questions,
        polarity="a label of true means that the response was good",
        counted=meanings.counted,
    )


def is_for_kto(sample: Sample, columns: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether its columns are those of KTO trainers: then a rating only explains the label."""
    usual_names = columns["completion"] == ("completion",) and columns["label"] == ("label",)
    labels = sample.values("label")
    if sample.text_only:
        return usual_names and {value_key(value) for value in labels} <= {"true", "false"}
    return usual_names and all(isinstance(value, bool) for value in labels)


def _boolean(sample: Sample, read_options: ReadOptions) -> pick.Columns:
    """A score column that holds only true and false is a label."""
    columns = pick.fields(sample, read_options, ("completion", "score"))
    values = sample.values(columns.get("score", ("",))[0])
    if not values or not all(isinstance(value, bool) for value in values):
        return {}
    return (
        {"label": columns["score"], "completion": columns.get("completion", ())}
        if "completion" in columns
        else {}
    )


def label_meanings(sample: Sample, column: str, declared: Mapping[str, bool | None]) -> Meanings:
    """What the values of a label column mean, and what only the user can say of them.

    Words without a meaning are asked about where they repeat, or where no word has any; one that
    stands alone among known ones is a reject of its row; so are all others where the user has said
    what is good and what is bad.
    """
    counts = sample.tally(column)
    words = set(counts) - {""}
    values = resolve_labels(words, declared, sample.class_names.get(column, ()))
    unknown = words - set(values)
    repeated = {word for word in unknown if counts[word] > 1}
    numbers = {word for word in unknown if number_of(word) is not None} if not declared else set()
    if {True, False} <= set(declared.values()) and unknown != words:
        return Meanings(values)
    asked = unknown if numbers or unknown == words else repeated
    if asked:
        asked = words if numbers else asked
        return Meanings(values, (_which_is_good(sample, column, asked),))
    return Meanings(values, counted=(column,) if unknown else ())


def _which_is_good(sample: Sample, column: str, words: Collection[str]) -> Question:
    values = value_counts(sample, [column], words)
    text = f"{column} holds {listed(values)}: which is good, which is bad? {SAY}"
    return Question(text, (column,), values, (SETTLE,))


def resolve_labels(
    words: AbstractSet[str],
    declared: Mapping[str, bool | None],
    class_names: Sequence[str] = (),
) -> dict[str, str]:
    """The meaning of each value of a label column that has one.

    Args:
        words: its values, as `value_key` writes them.
        declared: what the user declared; it overrides everything.
        class_names: the names that the file itself gives the numbers 0, 1, 2, …

    Returns:
        Value to ``"true"``, ``"false"`` or ``"none"``, which is no preference.

    Example:
        >>> resolve_labels({"1", "0"}, {})
        {'0': 'false', '1': 'true'}
        >>> resolve_labels({"1", "0"}, {}, ["good", "bad"])
        {'0': 'true', '1': 'false', '-1': 'none'}
    """
    if declared:
        said = {value_key(value): _meaning(good) for value, good in declared.items()}
        coded = any(number_of(word) is not None for word in said)
        rest = {} if coded else resolve_labels(words - set(said), {}, class_names)
        return {**{word: _sense(word) for word in words if _sense(word)}, **rest, **said}
    if class_names and words <= {"-1", *map(str, range(len(class_names)))}:
        named = {str(code): _sense(value_key(name)) for code, name in enumerate(class_names)}
        return {code: sense for code, sense in named.items() if sense} | {"-1": "none"}
    codes = CODES if words & NUMBERS <= {"0", "1"} else {"1": "true", "-1": "false"}
    codes = {} if words >= {"0", "-1"} else codes
    senses = {word: codes.get(word) or _sense(word) for word in sorted(words)}
    return {word: sense for word, sense in senses.items() if sense}


def _meaning(good: bool | None) -> str:
    return "none" if good is None else str(good).lower()


def _sense(word: str) -> str:
    return "true" if word in GOOD else "false" if word in BAD else ""


def build_unpaired(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """One labelled response per row."""
    column = match.column("label")
    frame = parse_answers(frame, match, {"response": match.column("completion")})
    words = words_of(frame[column])
    senses = match.values or ANY_CODE
    meanings = {word: sense == "true" for word, sense in senses.items() if sense != "none"}
    frame = frame.with_columns(
        words, words.replace_strict(meanings, default=None, return_dtype=pl.Boolean).alias("label")
    )
    unsure = pl.col("word").is_in([word for word, sense in senses.items() if sense == "none"])
    frame = flag_rows(frame, unsure, reasons.NO_PREFERENCE, column)
    missing = pl.col("word").is_null() | ((pl.col("word") == "") & pl.col("label").is_null())
    frame = flag_rows(frame, missing, reasons.MISSING, column)
    frame = flag_rows(
        frame,
        pl.col("label").is_null(),
        reasons.UNKNOWN_LABEL,
        column,
        pl.format("found {}", "word"),
    )
    if match.column("weight"):
        weight = match.column("weight")
        frame = frame.with_columns(number(frame[weight]).alias("weight"))
        detail = pl.lit("expected a weight of 0 or more")
        frame = flag_rows(frame, pl.col("weight") < 0, reasons.WRONG_TYPE, weight, detail)
    if match.column("source"):
        frame = frame.with_columns(pl.col(match.column("source")).cast(pl.String).alias("origin"))
    return conform(frame, "unpaired")


UNPAIRED = Format(
    name="unpaired",
    kind="unpaired",
    summary="one row per response: a prompt, the completion and a label, true or false",
    fields=FIELDS,
    polarity="a label of true means that the response was good",
    example={"prompt": "What is 2 + 2?", "completion": "4", "label": True},
    match=match_unpaired,
    build=build_unpaired,
)
