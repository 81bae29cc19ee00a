"""The catalogue of formats in words."""

from __future__ import annotations

import json
from dataclasses import asdict

import polars as pl

from prefdata.formats import FORMATS, Format, Sample, Wishes
from prefdata.formats.base import as_json, records


def catalogue() -> str:
    """One line per format."""
    width = max(map(len, FORMATS))
    return "\n".join(f"{each.name:<{width}}  {each.summary}" for each in FORMATS.values())


def facts(format: Format) -> dict[str, object]:
    """What is to be known of a format, as plain values."""
    return {
        "name": format.name,
        "summary": format.summary,
        "records": format.kind,
        "fields": list(format.fields),
        "polarity": format.polarity,
        "example": dict(format.example),
        **asdict(format.facts),
    }


AND_NAME = "; and the name of the set in that of the file or its folders"


def described(format: Format) -> str:
    """A format with its fields, its polarity, an example row and how that is read.

    Example:
        >>> from prefdata.formats import named
        >>> print(described(named("pairs")).splitlines()[0])
        pairs: one row per pair: a prompt, the chosen and the rejected response
    """
    facts = format.facts
    lines = {
        "needs": ", ".join(facts.needs) + (AND_NAME if facts.by_name else ""),
        "fields": ", ".join(format.fields),
        "better": "" if facts.refusal else format.polarity,
        "a tie": facts.ties,
        "no verdict": facts.absent,
        "counts": ", ".join(f"{name} ({weight:g})" for name, weight in facts.dimensions.items()),
        "split by": "" if facts.refusal else facts.group,
        "sets": ", ".join(facts.sets),
        "licence": facts.licence,
        "note": facts.notes,
        "refused": facts.refusal,
        "a row": json.dumps(format.example, ensure_ascii=False) if format.example else "",
        "is read": _read(format),
    }
    shown = [f"{name:<10}  {text}" for name, text in lines.items() if text]
    return "\n".join([f"{format.name}: {format.summary}", *shown])


def _read(format: Format) -> str:
    """The record that the example row becomes."""
    row = dict(format.example)
    origin = next(iter(format.facts.sets), "")
    match = format.match(Sample(list(row), [row], origin=origin), Wishes()) if row else None
    if match is None:
        return ""
    frame = pl.DataFrame([row]).with_columns(
        pl.lit(0, pl.UInt64).alias("row"), pl.lit(1, pl.UInt64).alias("line")
    )
    frame = frame.with_columns(as_json(frame[name]) for name in match.wanted if name in match.raw)
    made = records(format, frame, match).drop("row", "line", "item", "reason", "field", "detail")
    shown = [
        {name: _plain(value) for name, value in each.items() if value is not None}
        for each in made.to_dicts()
    ]
    return "; ".join(
        ", ".join(f"{name} {value!r}" for name, value in each.items()) for each in shown
    )


def _plain(value: object) -> object:
    if not isinstance(value, list):
        return value
    return " ".join(turn["content"] for turn in value) if "content" in value[0] else value
