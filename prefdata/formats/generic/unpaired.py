"""Unpaired preferences: one response and whether it was good, as KTO trains on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from prefdata.formats.base import Format, Match, ReadOptions
from prefdata.formats.generic import pick
from prefdata.formats.generic.answers import flag_rows, parse_answers
from prefdata.formats.numbers import number
from prefdata.formats.questions import Question
from prefdata.formats.sample import Sample
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
    "-1",
}


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
    values, question = resolve_labels(sample.values(columns["label"][0]), read_options.label)
    return Match(
        "unpaired",
        72 if _for_kto(sample, columns) else 65,
        columns,
        shapes,
        pick.evidence(columns, "prompt", "completion", "label"),
        values=values,
        questions=(Question(question, columns["label"]),) if question else (),
        polarity="a label of true means that the response was good",
    )


def _for_kto(sample: Sample, columns: pick.Columns) -> bool:
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


def resolve_labels(
    labels: Iterable[object], declared: Mapping[str, bool]
) -> tuple[dict[str, str], str]:
    """The meaning of each value of a label column, from a sample of values.

    Args:
        labels: labels of the sample.
        declared: what the user declared; it overrides everything.

    Returns:
        Value to ``"true"`` or ``"false"``; and a question where the values can be read in two ways.

    Example:
        >>> resolve_labels([1, 0, 1], {})[0]
        {'1': 'true', '0': 'false'}
    """
    words = {value_key(value) for value in labels}
    if declared:
        return {value_key(value): str(good).lower() for value, good in declared.items()}, ""
    good, bad = words & (GOOD | {"1"}), words & (BAD | {"0"})
    if words <= good | bad:
        return {**dict.fromkeys(sorted(good), "true"), **dict.fromkeys(sorted(bad), "false")}, ""
    if (not good and not bad) or words & {"2", "3"}:
        examples = ", ".join(sorted(words)[:5])
        return (
            {},
            (
                f"label holds {examples}: which is good? say so with --label, "
                f"as in --label true={max(words)},false={min(words)}"
            ),
        )
    return {**dict.fromkeys(sorted(good), "true"), **dict.fromkeys(sorted(bad), "false")}, ""


def build_unpaired(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """One labelled response per row."""
    column = match.column("label")
    frame = parse_answers(frame, match, {"response": match.column("completion")})
    words = pl.Series(
        "word", [None if v is None else value_key(v) for v in frame[column]], pl.String
    )
    meanings = {word: sense == "true" for word, sense in match.values.items()}
    meanings = meanings or {
        **dict.fromkeys((*GOOD, "1"), True),
        **dict.fromkeys((*BAD, "0"), False),
    }
    frame = frame.with_columns(
        words, words.replace_strict(meanings, default=None, return_dtype=pl.Boolean).alias("label")
    )
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
