"""The catalogue of formats in words."""

from __future__ import annotations

import json

import polars as pl

from prefdata.formats import FORMATS, Format, Sample, Wishes
from prefdata.formats.base import records


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
    }


def described(format: Format) -> str:
    """A format with its fields, its polarity, an example row and how that is read.

    Example:
        >>> from prefdata.formats import named
        >>> print(described(named("pairs")).splitlines()[0])
        pairs: one row per pair: a prompt, the chosen and the rejected response
    """
    return "\n".join(
        [
            f"{format.name}: {format.summary}",
            f"fields    {', '.join(format.fields)}",
            f"better    {format.polarity}",
            f"a row     {json.dumps(format.example, ensure_ascii=False)}",
            f"is read   {_read(format)}",
        ]
    )


def _read(format: Format) -> str:
    """The record that the example row becomes."""
    row = dict(format.example)
    match = format.match(Sample(list(row), [row]), Wishes())
    if match is None:
        return ""
    frame = pl.DataFrame([row]).with_columns(
        pl.lit(0, pl.UInt64).alias("row"), pl.lit(1, pl.UInt64).alias("line")
    )
    made = records(format, frame, match).drop("row", "line", "item", "reason", "field", "detail")
    shown = [
        {name: _plain(value) for name, value in each.items() if value is not None}
        for each in made.to_dicts()
    ]
    return "; ".join(
        ", ".join(f"{name} {value!r}" for name, value in each.items()) for each in shown
    )


def _plain(value: object) -> object:
    return " ".join(turn["content"] for turn in value) if isinstance(value, list) else value
