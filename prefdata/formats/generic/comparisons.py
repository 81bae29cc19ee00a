"""Comparisons: two responses to one prompt, and which of them won."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from prefdata.formats.base import RAW, Format, Match, ReadOptions
from prefdata.formats.generic import pick
from prefdata.formats.generic.answers import flag_rows, parse_answers
from prefdata.formats.generic.column_names import sided
from prefdata.formats.generic.winner_columns import (
    holds_lists,
    winner_columns,
    winner_meanings,
)
from prefdata.formats.generic.winners import with_flag_winner, with_votes, with_winner
from prefdata.formats.numbers import countable, is_missing, number
from prefdata.formats.sample import Sample
from prefdata.formats.winner_values import PROBABILITY, UNSURE
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


def match_comparisons(sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits where exactly two responses and a winner stand in a row."""
    if not pick.only_allowed(read_options, FIELDS):
        return None
    responses = _sides(sample, read_options)
    if not responses:
        return None
    sides, columns = responses
    used = {name for names in columns.values() for name in names}
    verdicts = winner_columns(sample, read_options, used)
    if not verdicts:
        return None
    columns |= verdicts.columns
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
    for name in columns.get("winner", ()):
        if holds_lists(sample, name):
            shapes[name] = "nested"
    meanings = winner_meanings(sample, read_options, columns, sides, verdicts.side)
    asked = (verdicts.question,) if verdicts.question else meanings.questions
    evidence = pick.evidence(
        columns, "prompt", "response_a", "response_b", "winner", "winner_a", "annotator"
    )
    return Match(
        "comparisons",
        0 if verdicts.is_guess else 85,
        columns,
        shapes,
        evidence,
        values=meanings.values,
        questions=asked,
        polarity=polarity(meanings.values),
        counted=meanings.counted,
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
        "both_bad": "both are bad",
        "none": "no verdict",
        UNSURE: UNSURE,
    }
    if PROBABILITY in values:
        return f"above 0.5, {meanings[values[PROBABILITY]]}; below, the other"
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
        return conform(_with_strength(with_flag_winner(frame, match), match), "comparisons")
    columns = match.columns["winner"]
    if len(columns) == 1 and match.shapes.get(columns[0]) == "nested":
        frame = with_votes(frame, columns[0])
    verdicts = []
    for item, column in enumerate(columns):
        each = _with_strength(with_winner(frame, column, match), match)
        if len(columns) > 1:
            each = each.with_columns(pl.lit(column.removeprefix(RAW)).alias("annotator"))
        before = pl.col("item") if "item" in frame.columns else pl.lit(0)
        place = (before * len(columns) + item).cast(pl.UInt32).alias("item")
        verdicts.append(conform(each.with_columns(place), "comparisons"))
    return pl.concat(verdicts).sort("row", "item") if len(verdicts) > 1 else verdicts[0]


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
