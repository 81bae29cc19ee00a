"""Pairs: a chosen and a rejected response, with the prompt beside them or inside both."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import polars as pl

from prefdata.formats.base import Format, Match, ReadOptions
from prefdata.formats.generic import pick
from prefdata.formats.generic.answers import flag_rows, parse_answers
from prefdata.formats.numbers import countable, number
from prefdata.formats.sample import Sample
from prefdata.formats.text_shapes import parse_cell
from prefdata.records import reasons
from prefdata.records.frames import SIDES, conform

EXTRAS = (
    "score_chosen",
    "score_rejected",
    "margin",
    "votes",
    "agreement",
    "model_chosen",
    "model_rejected",
    "annotator",
    "source",
)
FIELDS = ("prompt", "system", "history", "chosen", "rejected", *EXTRAS)
DIMENSIONS = "dimensions"
"""The column that a data set directory has for scores by dimension."""


def match_pairs(sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits where there is a chosen and a rejected column, and a prompt beside or inside them."""
    if not pick.only_allowed(read_options, FIELDS):
        return None
    columns = pick.fields(sample, read_options, ("chosen", "rejected", *EXTRAS))
    if not {"chosen", "rejected"} <= set(columns):
        return None
    has_dimensions = _has_dimensions(sample)
    if has_dimensions:
        columns["dimensions"] = (DIMENSIONS,)
    used = [name for names in columns.values() for name in names]
    columns |= pick.prompt(sample, read_options, used)
    shapes = pick.shapes(sample, columns, ("prompt", "system", "history", "chosen", "rejected"))
    self_contained = pick.holds_prompt(
        shapes, (columns["chosen"][0], columns["rejected"][0]), sample
    )
    if "prompt" not in columns and not self_contained:
        return None
    evidence = pick.evidence(columns, "chosen", "rejected", "prompt")
    if "prompt" not in columns:
        evidence = (*evidence, "the prompt is what both conversations begin with")
    return Match(
        "pairs",
        90,
        columns,
        shapes,
        evidence,
        polarity="the chosen column holds the better response",
        json_columns=frozenset([DIMENSIONS] if has_dimensions and not sample.text_only else []),
    )


def _has_dimensions(sample: Sample) -> bool:
    """Whether pairs carry scores by dimension, as a data set directory has them."""
    lists = [_parse_dimensions(value) for value in sample.values(DIMENSIONS)]
    return bool(lists) and all(lists)


def _parse_dimensions(value: object) -> list[dict[str, object]] | None:
    """Parse the scores of a pair by dimension; None where it is something else."""
    scores = parse_cell(value) if isinstance(value, str) else value
    if not isinstance(scores, list):
        return None
    valid = all(
        isinstance(each, dict) and isinstance(each.get("dimension"), str) for each in scores
    )
    return scores if valid else None


def build_pairs(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Comparisons that the chosen response won."""
    frame = parse_answers(
        frame, match, {"a": match.column("chosen"), "b": match.column("rejected")}
    )
    numbers = {
        "score_chosen": "score_a",
        "score_rejected": "score_b",
        "margin": "strength",
        "votes": "votes",
        "agreement": "agreement",
    }
    texts = {
        "model_chosen": "model_a",
        "model_rejected": "model_b",
        "annotator": "annotator",
        "source": "origin",
    }
    for field, name in numbers.items():
        if column := match.column(field):
            frame = frame.with_columns(number(frame[column]).alias(name))
    frame = _flag_impossible(frame, match)
    if column := match.column("dimensions"):
        frame = _with_dimensions(frame, column)
    for field, name in texts.items():
        if column := match.column(field):
            frame = frame.with_columns(pl.col(column).cast(pl.String).alias(name))
    frame = frame.with_columns(pl.lit(1, pl.Int8).alias("winner"))
    if {"score_a", "score_b"} <= set(frame.columns):
        better, worse = pl.col("score_a"), pl.col("score_b")
        frame = flag_rows(
            frame, better < worse, reasons.SCORES_DISAGREE, match.column("score_chosen")
        )
        frame = flag_rows(frame, better == worse, reasons.TIE, match.column("score_chosen"))
    return conform(frame, "comparisons")


def _with_dimensions(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Add the scores of both responses on each dimension; the chosen one is a."""
    scores = [_parse_dimensions(value) for value in frame[column]]
    sides = [
        None
        if each is None
        else [
            {"dimension": d["dimension"], "a": _scored(d, "chosen"), "b": _scored(d, "rejected")}
            for d in each
        ]
        for each in scores
    ]
    frame = frame.with_columns(pl.Series("dimensions", sides, SIDES))
    odd = pl.col(column).is_not_null() & pl.col("dimensions").is_null()
    return flag_rows(frame, odd, reasons.WRONG_TYPE, column, pl.lit("expected scores by dimension"))


def _scored(scores: Mapping[str, object], side: str) -> float | None:
    """The score of one side; None where it is no number."""
    value = scores.get(side)
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def _flag_impossible(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Refuse rows whose votes, agreement or margin are out of range."""
    votes, share, margin = pl.col("votes"), pl.col("agreement"), pl.col("strength")
    countable_votes = countable(votes)
    checks = {
        "votes": (~countable_votes, reasons.WRONG_TYPE, "expected a count of votes, 1 or more"),
        "agreement": (
            ~share.is_between(0, 1),
            reasons.WRONG_TYPE,
            "expected a share of votes, 0 to 1",
        ),
        "margin": (margin < 0, reasons.SCORES_DISAGREE, "the margin is negative"),
    }
    for field, (bad, reason, detail) in checks.items():
        if column := match.column(field):
            frame = flag_rows(frame, bad, reason, column, pl.lit(detail))
    if column := match.column("votes"):
        frame = frame.with_columns(pl.when(countable_votes).then(votes).alias("votes"))
    if column := match.column("margin"):
        frame = flag_rows(frame, margin == 0, reasons.TIE, column)
    return frame


PAIRS = Format(
    name="pairs",
    kind="comparisons",
    summary="one row per pair: a prompt, the chosen and the rejected response",
    fields=FIELDS,
    polarity="the chosen column holds the better response",
    example={"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "5"},
    match=match_pairs,
    build=build_pairs,
)
