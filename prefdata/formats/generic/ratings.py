"""Ratings: responses with scores or ranks, one to a row or several to a row."""

from __future__ import annotations

from dataclasses import replace
from json import dumps

import polars as pl

from prefdata.formats.base import RAW, Format, Match, ReadOptions, Shape
from prefdata.formats.generic import pick
from prefdata.formats.generic.answers import flag_rows, parse_answers
from prefdata.formats.generic.column_names import lookup, plural, sided
from prefdata.formats.generic.measures import (
    code_questions,
    may_hold_codes,
    measured_columns,
    order_column,
    order_questions,
    scale_column,
)
from prefdata.formats.numbers import is_missing, number
from prefdata.formats.questions import Question
from prefdata.formats.sample import Sample
from prefdata.formats.text_shapes import parse_cell
from prefdata.records import reasons
from prefdata.records.frames import concatenated, conform

BETTER = "a higher score is better"
FIRST_BEST = "rank 1 is best"
LONG = (
    "prompt",
    "system",
    "history",
    "response",
    "score",
    "rank",
    "annotator",
    "model",
    "dimension",
    "list",
    "source",
)
WIDE = ("prompt", "system", "history", "response", "score", "rank", "model", "annotator", "source")
LISTS = (
    "prompt",
    "system",
    "history",
    "responses",
    "scores",
    "ranks",
    "ranked",
    "models",
    "annotator",
    "source",
)
TEXTS = ("prompt", "system", "history", "response")


def _measure(
    sample: Sample, read_options: ReadOptions, used: set[str]
) -> tuple[str, str, tuple[Question, ...]]:
    """The field that orders responses, its column, and a question if its direction is unclear."""
    for field in ("rank", "score"):
        if read_options.columns.get(field):
            return field, read_options.columns[field][0], ()
    free = [name for name in sample.names if name not in used]
    for field in ("score", "rank"):
        if column := lookup(free, field):
            return field, column, ()
    if column := lookup(free, "unclear"):
        return "score", column, (_which(column),)
    return "", "", ()


def _which(column: str) -> Question:
    lines = (f"--map score={column}", f"--map rank={column}")
    text = (
        f"{column!r} may be a score or a rank: say {lines[0]} if a high number is good, "
        f"or {lines[1]} if 1 is best"
    )
    return Question(text, (column,), lines=lines)


def _polarity(columns: dict[str, tuple[str, ...]]) -> str:
    return FIRST_BEST if {"rank", "ranks", "ranked"} & set(columns) else BETTER


def match_long(sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits where one response and one number stand in a row."""
    if not pick.only_allowed(read_options, LONG):
        return None
    columns = pick.fields(sample, read_options, ("response",))
    if "response" not in columns:
        return None
    prompts = pick.prompt(sample, read_options, columns["response"])
    used = {name for names in (*columns.values(), *prompts.values()) for name in names}
    measure, column, questions = _measure(sample, read_options, used)
    if not measure:
        return None
    used.add(column)
    columns |= prompts | {measure: (column,)}
    extra = ["annotator", "model", "dimension", "source"]
    if measure == "rank" or "list" in read_options.columns:
        extra.append("list")
    columns |= pick.fields(sample, read_options, extra, used)
    if scale := scale_column(sample, columns) if measure == "score" else "":
        columns["scale"] = (scale,)
    shapes = pick.shapes(sample, columns, TEXTS)
    if "prompt" not in columns and not pick.holds_prompt(shapes, columns["response"], sample):
        return None
    values = sample.values(column)
    if values and all(isinstance(value, bool) for value in values):
        return None
    evidence = pick.evidence(
        columns, "prompt", "response", measure, "annotator", "model", "dimension"
    )
    return _with_codes(
        Match(
            "ratings-long",
            70,
            columns,
            shapes,
            evidence,
            questions=questions,
            polarity=_polarity(columns),
        ),
        sample,
        read_options,
    )


def _with_codes(match: Match, sample: Sample, read_options: ReadOptions) -> Match:
    """A match with what is to be asked about its scores or ranks."""
    field, names = measured_columns(dict(match.columns), read_options)
    if not names:
        return match
    missing = read_options.missing or ()
    questions = code_questions(sample, field, names, missing)
    counted = names if not questions and may_hold_codes(sample, field, names) else ()
    return replace(match, questions=(*match.questions, *questions), counted=counted, measured=names)


def build_long(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """One rated response per row."""
    frame = parse_answers(frame, match, {"response": match.column("response")})
    frame = _with_score(
        frame, match.column("score") or match.column("rank"), down="rank" in match.columns
    )
    return conform(add_attributes(frame, match), "ratings")


def _with_score(frame: pl.DataFrame, column: str, *, down: bool) -> pl.DataFrame:
    value = number(frame[column]).alias("score")
    if value.null_count():
        none, missing = value.is_null(), frame.select(is_missing(column)).to_series()
        text = pl.col(column).cast(pl.String)
        detail = pl.when(text != "").then(pl.format("found {}", text))
        frame = flag_rows(frame, pl.lit(none & missing), reasons.MISSING, column, detail)
        frame = flag_rows(frame, pl.lit(none), reasons.NOT_A_NUMBER, column, detail)
    return frame.with_columns(0 - value if down else value)


def add_attributes(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Add annotator, model, dimension, list and origin of each rating, as text."""
    names = {
        "annotator": "annotator",
        "model": "model",
        "dimension": "dimension",
        "list": "list",
        "source": "origin",
    }
    labels = {new: match.column(field) for field, new in names.items() if match.column(field)}
    return frame.with_columns(pl.col(old).cast(pl.String).alias(new) for new, old in labels.items())


def match_wide(sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits where responses and their scores stand side by side, as in response_a and score_a."""
    if not pick.only_allowed(read_options, WIDE):
        return None
    responses = _mapped_sides(read_options, "response") or sided(sample.names, "response")
    ranked = not read_options.columns.get("score") and bool(
        read_options.columns.get("rank") or sided(sample.names, "rank")
    )
    measure = "rank" if ranked else "score"
    scores = _mapped_sides(read_options, measure) or sided(sample.names, measure)
    sides = [side for side in responses if side in scores]
    if len(sides) < 2 or len(sides) < len(responses):
        return None
    models = sided(sample.names, "model")
    columns = {
        "response": tuple(responses[s] for s in sides),
        measure: tuple(scores[s] for s in sides),
    }
    if all(side in models for side in sides):
        columns["model"] = tuple(models[s] for s in sides)
    used = {name for names in columns.values() for name in names}
    columns |= pick.prompt(sample, read_options, used)
    columns |= pick.fields(
        sample, read_options, ("annotator", "source"), used | set(columns.get("prompt", ()))
    )
    shapes = pick.shapes(sample, columns, TEXTS)
    if "prompt" not in columns and not pick.holds_prompt(shapes, columns["response"], sample):
        return None
    evidence = pick.evidence(columns, "prompt", "response", measure, "model")
    match = _side_by_side("ratings-wide", 80, columns, shapes, evidence)
    return _with_codes(match, sample, read_options)


def _side_by_side(
    name: str,
    score: int,
    columns: pick.Columns,
    shapes: dict[str, Shape],
    evidence: tuple[str, ...],
) -> Match:
    """A match of rows that hold several responses each."""
    polarity = _polarity(columns)
    return Match(
        name, score, columns, shapes, evidence, polarity=polarity, ranked=polarity == FIRST_BEST
    )


def _mapped_sides(read_options: ReadOptions, field: str) -> dict[str, str]:
    columns = read_options.columns.get(field, ())
    return {str(index): name for index, name in enumerate(columns)} if len(columns) > 1 else {}


def build_wide(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """One rated response per side of each row."""
    measure = "rank" if "rank" in match.columns else "score"
    models = match.columns.get("model", ())
    ratings = []
    for index, (response, score) in enumerate(
        zip(match.columns["response"], match.columns[measure], strict=True)
    ):
        side = parse_answers(frame, match, {"response": response})
        side = _with_score(side, score, down=measure == "rank")
        others = {key: value for key, value in match.columns.items() if key != "model"}
        side = add_attributes(
            side, Match("", 0, {**others, **({"model": (models[index],)} if models else {})})
        )
        ratings.append(
            conform(side.with_columns(pl.lit(index, pl.UInt32).alias("item")), "ratings")
        )
    return concatenated(ratings).sort("row", "item")


def match_lists(sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits where a list of responses stands beside a list of scores, or is itself ranked."""
    if not pick.only_allowed(read_options, LISTS):
        return None
    columns: pick.Columns = {}
    for field, single in (
        ("responses", "response"),
        ("scores", "score"),
        ("ranks", "rank"),
        ("models", "model"),
    ):
        mapped = read_options.columns.get(field, ())
        column = mapped[0] if mapped else plural(sample.names, single)
        if column and field not in columns:
            columns[field] = (column,)
    if read_options.columns.get("ranked"):
        columns = {"ranked": read_options.columns["ranked"]}
    elif "responses" not in columns:
        return None
    elif not {"scores", "ranks"} & set(columns):
        if not (order := order_column(sample)):
            return None
        columns["ranks"] = (order,)
    if "scores" in columns:
        columns.pop("ranks", None)
    used = {name for names in columns.values() for name in names}
    columns |= pick.prompt(sample, read_options, used)
    columns |= pick.fields(
        sample, read_options, ("annotator", "source"), used | set(columns.get("prompt", ()))
    )
    shapes = pick.shapes(sample, columns, ("prompt", "system", "history", "responses", "ranked"))
    evidence = pick.evidence(columns, "prompt", "responses", "scores", "ranks", "ranked")
    match = _side_by_side("ratings-lists", 75, columns, shapes, evidence)
    if questions := order_questions(sample, match.columns, read_options):
        return replace(match, questions=questions)
    return _with_codes(match, sample, read_options)


def build_lists(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """One rated response per entry of each row's lists."""
    listed, models = match.column("responses") or match.column("ranked"), match.column("models")
    measured = match.column("scores") or match.column("ranks")
    texts, shape = _responses(frame[listed])
    lists = {"@response": texts}
    lists["@measure"] = as_lists(frame[measured]) if measured else _places(lists["@response"])
    if models:
        lists["@model"] = as_lists(frame[models])
    frame = frame.with_columns(values.alias(name) for name, values in lists.items())
    length = pl.col("@response").list.len()
    frame = frame.with_columns(
        pl.lit(None, pl.String).alias(name) for name in ("reason", "field", "detail")
    )
    frame = flag_rows(
        frame, length.is_null(), reasons.WRONG_TYPE, listed, pl.lit("expected a list")
    )
    frame = flag_rows(frame, length < 2, reasons.ONE_RESPONSE, listed)
    for name, column in (("@measure", measured), ("@model", models)):
        if column:
            other = pl.col(name).list.len().fill_null(0)
            name_of = pl.lit(column.removeprefix(RAW))
            detail = pl.format("{} responses, but {} in {}", length, other, name_of)
            frame = flag_rows(frame, other != length, reasons.WRONG_TYPE, column, detail)
    bad, good = (
        frame.filter(pl.col("reason").is_not_null()),
        frame.filter(pl.col("reason").is_null()),
    )
    good = good.with_columns(pl.int_ranges(length.cast(pl.Int64)).alias("item"))
    good = good.explode("item", *lists)
    columns = {key: value for key, value in match.columns.items() if key != "models"}
    columns |= {"model": ("@model",)} if models else {}
    shapes = {**match.shapes, "@response": shape}
    inner = Match(match.format, 0, columns, shapes)
    good = parse_answers(good, inner, {"response": "@response"})
    down = "scores" not in match.columns
    good = add_attributes(_with_score(good, "@measure", down=down), inner)
    good = good.with_columns(
        pl.col("field").replace({"@response": listed, "@measure": measured or listed})
    )
    return concatenated([conform(good, "ratings"), conform(bad, "ratings")])


def _responses(column: pl.Series) -> tuple[pl.Series, Shape]:
    """Lists of responses, and their shape: text, or JSON where some response is nested.

    A text keeps its shape wherever it stands, so that one odd row changes no other.
    """
    if isinstance(column.dtype, pl.List):
        return column, "text"
    lists = _cells(column)
    if not any(isinstance(item, dict | list) for value in lists if value for item in value):
        return as_lists(column), "text"
    texts = [
        None
        if value is None
        else [None if item is None else dumps(item, ensure_ascii=False) for item in value]
        for value in lists
    ]
    return pl.Series(texts, dtype=pl.List(pl.String)), "json"


def as_lists(column: pl.Series) -> pl.Series:
    """Read cells that hold a list as JSON or Python text; what is no list becomes null."""
    if isinstance(column.dtype, pl.List):
        return column
    texts = [
        None if value is None else [None if item is None else str(item) for item in value]
        for value in _cells(column)
    ]
    return pl.Series(texts, dtype=pl.List(pl.String))


def _cells(column: pl.Series) -> list[list[object] | None]:
    values = [parse_cell(text) if isinstance(text, str) else None for text in column.to_list()]
    return [value if isinstance(value, list) else None for value in values]


def _places(column: pl.Series) -> pl.Series:
    """Ranks by place in the list: the first is the best."""
    ranks = pl.int_ranges(1, pl.col("x").list.len().cast(pl.Int64) + 1)
    return (
        column.alias("x")
        .to_frame()
        .select(pl.when(pl.col("x").is_not_null()).then(ranks))
        .to_series()
    )


LONG_FORMAT = Format(
    name="ratings-long",
    kind="ratings",
    summary="one row per response: a prompt, the response and its score or rank",
    fields=LONG,
    polarity=f"{BETTER}; {FIRST_BEST}",
    example={"prompt": "What is 2 + 2?", "response": "4", "score": 5},
    match=match_long,
    build=build_long,
)
WIDE_FORMAT = Format(
    name="ratings-wide",
    kind="ratings",
    summary="one row per prompt: response_a, score_a, response_b, score_b, …",
    fields=WIDE,
    polarity=f"{BETTER}; {FIRST_BEST}",
    example={
        "prompt": "What is 2 + 2?",
        "response_a": "4",
        "score_a": 5,
        "response_b": "5",
        "score_b": 1,
    },
    match=match_wide,
    build=build_wide,
    multi_column=("prompt", "response", "score", "rank", "model"),
)
LISTS_FORMAT = Format(
    name="ratings-lists",
    kind="ratings",
    summary="one row per prompt: a list of responses and a list of their scores or ranks",
    fields=LISTS,
    polarity=f"{BETTER}; {FIRST_BEST}",
    example={"prompt": "What is 2 + 2?", "responses": ["4", "5"], "scores": [5, 1]},
    match=match_lists,
    build=build_lists,
)
