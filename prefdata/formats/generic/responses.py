"""Responses that nobody has rated or compared yet: what a judge is there for.

Not among the formats that are converted, since no pair can be made of them.
"""

from __future__ import annotations

import polars as pl

from prefdata.formats.base import Format, Match, ReadOptions
from prefdata.formats.generic import pick
from prefdata.formats.generic.answers import parse_answers
from prefdata.formats.generic.column_names import plural, sided
from prefdata.formats.generic.ratings import TEXTS, add_attributes, build_lists
from prefdata.formats.sample import Sample
from prefdata.records.frames import concatenated, conform

FIELDS = ("prompt", "system", "history", "response", "responses", "model", "models", "source")
NOBODY = "nobody has said which is better"


def match_responses(sample: Sample, read_options: ReadOptions) -> Match | None:
    """Fits responses side by side, in a list, or one to a row."""
    if not pick.only_allowed(
        read_options, (*FIELDS, "response_a", "response_b", "model_a", "model_b")
    ):
        return None
    columns = _responses(sample, read_options)
    if not {"response", "responses"} & set(columns):
        return None
    used = {name for names in columns.values() for name in names}
    columns |= pick.prompt(sample, read_options, used)
    used |= {name for names in columns.values() for name in names}
    columns |= pick.fields(sample, read_options, ("source",), used)
    texts = (*TEXTS, "responses")
    shapes = pick.shapes(sample, columns, texts)
    answered = (*columns.get("response", ()), *columns.get("responses", ()))
    if "prompt" not in columns and not pick.holds_prompt(shapes, answered, sample):
        return None
    evidence = pick.evidence(columns, "prompt", "response", "responses", "model", "models")
    return Match("responses", 10, columns, shapes, evidence, polarity=NOBODY)


def _responses(sample: Sample, read_options: ReadOptions) -> pick.Columns:
    """The columns of the responses, and of the models that gave them."""
    mapped = [read_options.columns.get(f"response_{side}", ()) for side in "ab"]
    if all(mapped):
        by = [name for side in "ab" for name in read_options.columns.get(f"model_{side}", ())]
        models_of = {"model": tuple(by)} if len(by) == 2 else {}
        return {"response": tuple(each[0] for each in mapped), **models_of}
    sides = sided(sample.names, "response")
    several = read_options.columns.get("response", ())
    if len(several) > 1 or (sides and not several):
        models = sided(sample.names, "model")
        there = bool(sides) and all(side in models for side in sides) and not several
        models_of = {"model": tuple(models[side] for side in sides)} if there else {}
        return {"response": several or tuple(sides.values()), **models_of}
    listed = read_options.columns.get("responses") or (plural(sample.names, "response"),)
    if listed[0]:
        model = read_options.columns.get("models") or (plural(sample.names, "model"),)
        return {"responses": listed, **({"models": model} if model[0] else {})}
    return pick.fields(sample, read_options, ("response", "model"))


def build_responses(frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """One response per row, side or entry, without a score."""
    if "responses" in match.columns:
        made = build_lists(frame, match)
        return made.with_columns(pl.lit(None, pl.Float64).alias("score"))
    responses, models = match.columns["response"], match.columns.get("model", ())
    sides = []
    for index, response in enumerate(responses):
        columns = {key: value for key, value in match.columns.items() if key != "model"}
        columns |= {"model": (models[index],)} if len(models) > index else {}
        side = add_attributes(
            parse_answers(frame, match, {"response": response}), Match("", 0, columns)
        )
        sides.append(conform(side.with_columns(pl.lit(index, pl.UInt32).alias("item")), "ratings"))
    return concatenated(sides)


RESPONSES = Format(
    name="responses",
    kind="ratings",
    summary="two or more responses to a prompt, side by side, in a list, or one to a row",
    fields=FIELDS,
    polarity=NOBODY,
    example={"prompt": "What is 2 + 2?", "responses": ["4", "5"]},
    match=match_responses,
    build=build_responses,
    multi_column=("prompt", "response", "model"),
)
