"""Pairs: a chosen and a rejected response, with the prompt beside them or inside both."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import polars as pl

from prefdata.formats.base import Format, Match, ReadOptions
from prefdata.formats.conversation import cell
from prefdata.formats.generic import pick
from prefdata.formats.generic.answers import answers, flagged
from prefdata.formats.numbers import countable, number
from prefdata.formats.sample import Sample
from prefdata.records import reasons
from prefdata.records.frames import SIDES, finished

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


def match(sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits where a chosen and a rejected column stand, and a prompt can be had."""
    if not pick.only_known(read_options, FIELDS):
        return None
    columns = pick.fields(sample, read_options, ("chosen", "rejected", *EXTRAS))
    if not {"chosen", "rejected"} <= set(columns):
        return None
    listed = _dimensions(sample)
    if listed:
        columns["dimensions"] = (DIMENSIONS,)
    taken = [name for names in columns.values() for name in names]
    columns |= pick.prompt(sample, read_options, taken)
    shapes = pick.shapes(sample, columns, ("prompt", "system", "history", "chosen", "rejected"))
    whole = pick.holds_prompt(shapes, (columns["chosen"][0], columns["rejected"][0]), sample)
    if "prompt" not in columns and not whole:
        return None
    why = pick.said(columns, "chosen", "rejected", "prompt")
    if "prompt" not in columns:
        why = (*why, "the prompt is what both conversations begin with")
    return Match(
        "pairs",
        90,
        columns,
        shapes,
        why,
        polarity="the chosen column holds the better response",
        raw=frozenset([DIMENSIONS] if listed and not sample.text_only else []),
    )


def _dimensions(sample: Sample) -> bool:
    """Whether pairs carry scores by dimension, as a data set directory has them."""
    held = [_listed(value) for value in sample.values(DIMENSIONS)]
    return bool(held) and all(held)


def _listed(value: object) -> list[dict[str, object]] | None:
    """The scores of a pair by dimension; None where it is something else."""
    found = cell(value) if isinstance(value, str) else value
    if not isinstance(found, list):
        return None
    whole = all(isinstance(each, dict) and isinstance(each.get("dimension"), str) for each in found)
    return found if whole else None


def build(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Comparisons that the chosen response won."""
    frame = answers(frame, match, {"a": match.column("chosen"), "b": match.column("rejected")})
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
    frame = _plausible(frame, match)
    if column := match.column("dimensions"):
        frame = _by_dimension(frame, column)
    for field, name in texts.items():
        if column := match.column(field):
            frame = frame.with_columns(pl.col(column).cast(pl.String).alias(name))
    frame = frame.with_columns(pl.lit(1, pl.Int8).alias("winner"))
    if {"score_a", "score_b"} <= set(frame.columns):
        better, worse = pl.col("score_a"), pl.col("score_b")
        frame = flagged(
            frame, better < worse, reasons.SCORES_DISAGREE, match.column("score_chosen")
        )
        frame = flagged(frame, better == worse, reasons.TIE, match.column("score_chosen"))
    return finished(frame, "comparisons")


def _by_dimension(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Read what both responses scored on each dimension; the chosen one is a."""
    held = [_listed(value) for value in frame[column]]
    sides = [
        None
        if each is None
        else [
            {"dimension": d["dimension"], "a": _scored(d, "chosen"), "b": _scored(d, "rejected")}
            for d in each
        ]
        for each in held
    ]
    frame = frame.with_columns(pl.Series("dimensions", sides, SIDES))
    odd = pl.col(column).is_not_null() & pl.col("dimensions").is_null()
    return flagged(frame, odd, reasons.WRONG_TYPE, column, pl.lit("expected scores by dimension"))


def _scored(scores: Mapping[str, object], side: str) -> float | None:
    """The score of one side; None where it is no number."""
    value = scores.get(side)
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def _plausible(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Refuse rows whose votes, agreement or margin cannot be what they are called."""
    votes, share, margin = pl.col("votes"), pl.col("agreement"), pl.col("strength")
    whole = countable(votes)
    checks = {
        "votes": (~whole, reasons.WRONG_TYPE, "expected a count of votes, 1 or more"),
        "agreement": (
            ~share.is_between(0, 1),
            reasons.WRONG_TYPE,
            "expected a share of votes, 0 to 1",
        ),
        "margin": (margin < 0, reasons.SCORES_DISAGREE, "the margin is negative"),
    }
    for field, (bad, reason, detail) in checks.items():
        if column := match.column(field):
            frame = flagged(frame, bad, reason, column, pl.lit(detail))
    if column := match.column("votes"):
        frame = frame.with_columns(pl.when(whole).then(votes).alias("votes"))
    if column := match.column("margin"):
        frame = flagged(frame, margin == 0, reasons.TIE, column)
    return frame


PAIRS = Format(
    name="pairs",
    kind="comparisons",
    summary="one row per pair: a prompt, the chosen and the rejected response",
    fields=FIELDS,
    polarity="the chosen column holds the better response",
    example={"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "5"},
    match=match,
    build=build,
)
