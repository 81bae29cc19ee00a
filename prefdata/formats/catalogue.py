"""The catalogue of formats in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import polars as pl

from prefdata.formats import FORMATS, Format, ReadOptions, Sample
from prefdata.formats.base import RAW, build_records
from prefdata.records.frames import as_json


def catalogue() -> str:
    """One line per format."""
    width = max(map(len, FORMATS))
    return "\n".join(f"{each.name:<{width}}  {each.summary}" for each in FORMATS.values())


def facts_of(format: Format) -> dict[str, object]:
    """A format and its facts, as plain values."""
    return {
        "name": format.name,
        "summary": format.summary,
        "records": format.kind,
        "fields": list(format.fields),
        "polarity": format.polarity,
        "example": dict(format.example),
        **asdict(format.facts),
    }


AND_NAME = "; and the name of the data set in the path"


def describe(format: Format) -> str:
    """A format with its fields, its polarity, an example row and how that is read.

    Example:
        >>> from prefdata.formats import get_format
        >>> print(describe(get_format("pairs")).splitlines()[0])
        pairs: one row per pair: a prompt, the chosen and the rejected response
    """
    facts = format.facts
    lines = {
        "needs": ", ".join(facts.needs) + (AND_NAME if facts.by_name else ""),
        "fields": ", ".join(format.fields),
        "better": "" if facts.refusal else format.polarity,
        "a tie": facts.ties,
        "no verdict": facts.absent,
        "weights": ", ".join(f"{name} ({weight:g})" for name, weight in facts.dimensions.items()),
        "split by": "" if facts.refusal else facts.group,
        "sets": ", ".join(facts.sets),
        "licence": facts.licence,
        "note": facts.notes,
        "refused": facts.refusal,
        "a row": json.dumps(format.example, ensure_ascii=False) if format.example else "",
        "gives": _example_records(format),
    }
    entries = [f"{name:<10}  {text}" for name, text in lines.items() if text]
    return "\n".join([f"{format.name}: {format.summary}", *entries])


def _example_records(format: Format) -> str:
    """The records that the example row becomes, in words."""
    row = dict(format.example)
    origin = next(iter(format.facts.sets), "")
    match = format.match(Sample(list(row), [row], origin=origin), ReadOptions()) if row else None
    if match is None:
        return ""
    frame = pl.DataFrame([{RAW + name: value for name, value in row.items()}]).with_columns(
        pl.lit(0, pl.UInt64).alias("row"), pl.lit(1, pl.UInt64).alias("line")
    )
    frame = frame.with_columns(
        as_json(frame[RAW + name]) for name in match.source_columns if name in match.json_columns
    )
    records = build_records(format, frame, match).drop(
        "row", "line", "item", "reason", "field", "detail"
    )
    return "; ".join(_in_words(each) for each in records.to_dicts())


NAMES = {"origin": "source", "strength": "margin"}
"""Fields of records that a data set calls otherwise."""


def _in_words(record: Mapping[str, object]) -> str:
    """A record by the names that its fields have in a data set.

    Example:
        >>> _in_words({"prompt": "2 + 2?", "a": "5", "b": "4", "winner": -1, "score_b": 1.0})
        "prompt '2 + 2?', rejected '5', chosen '4', score_chosen 1"
    """
    names = dict(NAMES)
    if winner := record.get("winner"):
        sides = ("a", "b") if winner == 1 else ("b", "a")
        for side, name in zip(sides, ("chosen", "rejected"), strict=True):
            names |= {f"{kind}_{side}": f"{kind}_{name}" for kind in ("model", "score")}
            names[side] = name
    if "label" in record:
        names["response"] = "completion"
    values = {
        name: value for name, value in record.items() if value is not None and name != "winner"
    }
    return ", ".join(
        _dimensions(value) if name == "dimensions" else f"{names.get(name, name)} {_plain(value)}"
        for name, value in values.items()
    )


def _plain(value: object) -> str:
    """A number as it is written, text in quotes, messages as their texts."""
    if isinstance(value, float):
        return f"{value + 0.0:g}"
    return repr(" ".join(turn["content"] for turn in value) if isinstance(value, list) else value)


def _dimensions(entries: object) -> str:
    """The scores on each dimension: one, or that of both sides."""
    scores = [list(each.values()) for each in entries] if isinstance(entries, list) else []
    return ", ".join(f"{name} {' to '.join(map(_plain, each))}" for name, *each in scores)
