"""Choosing the columns of a format's fields: as the user mapped them, else by their names."""

from __future__ import annotations

from collections.abc import Iterable

from prefdata.formats.base import ReadOptions, Shape
from prefdata.formats.generic.column_names import lookup, plain
from prefdata.formats.sample import Sample
from prefdata.formats.text_shapes import SPEAKER, shape_of
from prefdata.records.frames import TEMPLATE

Columns = dict[str, tuple[str, ...]]


def fields(
    sample: Sample, read_options: ReadOptions, names: Iterable[str], used: Iterable[str] = ()
) -> Columns:
    """Fill fields in their order, each column once.

    Args:
        sample: the source's first rows.
        read_options: the user's mapping, which goes before names.
        names: the fields to fill.
        used: columns that are already in use.

    Returns:
        Field to columns; a field that nothing fills is left out.
    """
    columns: Columns = {}
    reserved = set(used) | {name for names in read_options.columns.values() for name in names}
    for field in names:
        if field in read_options.columns:
            if read_options.columns[field]:
                columns[field] = read_options.columns[field]
            continue
        free = [name for name in sample.names if name not in reserved]
        if column := lookup(free, field):
            columns[field] = (column,)
            reserved.add(column)
    return columns


def prompt(sample: Sample, read_options: ReadOptions, used: Iterable[str]) -> Columns:
    """Fill ``prompt``, with ``system`` and ``history`` where the source has them.

    An ``instruction`` or ``question`` with an ``input`` beside it is one prompt of two parts.
    """
    columns = fields(sample, read_options, ("prompt", "system"), used)
    by_name = {plain(name): name for name in sample.names if name not in set(used)}
    if "prompt" in columns and "prompt" not in read_options.columns:
        first = columns["prompt"][0]
        extra = by_name.get("input", first)
        if plain(first) in ("instruction", "question", "prompt") and extra != first:
            columns["prompt"] = (first, extra)
    if "prompt" in columns and "history" in by_name and by_name["history"] not in columns["prompt"]:
        columns["history"] = (by_name["history"],)
    if "history" in read_options.columns:
        columns["history"] = read_options.columns["history"]
    return columns


def only_allowed(read_options: ReadOptions, allowed: Iterable[str]) -> bool:
    """Whether every field that the user mapped is a field of this format."""
    return set(read_options.columns) <= {*allowed, *TEMPLATE}


def shapes(sample: Sample, columns: Columns, text_fields: Iterable[str]) -> dict[str, Shape]:
    """The shape of the text in each column."""
    names = [name for field in text_fields for name in columns.get(field, ())]
    return {
        name: "json" if name in sample.mixed else shape_of(sample.values(name)) for name in names
    }


def holds_prompt(match_shapes: dict[str, Shape], names: Iterable[str], sample: Sample) -> bool:
    """Whether responses are whole conversations, which hold the prompt too."""
    for name in names:
        values = sample.values(name)
        several = any(_is_conversation(v) for v in values)
        if match_shapes.get(name) in ("transcript", "cell", "texts") or several:
            return True
    return False


def _is_conversation(value: object) -> bool:
    """Whether a value is a list of several messages, or lists of their roles and texts."""
    lists = [value] if isinstance(value, list) else []
    if isinstance(value, dict):
        lists = [value[key] for key in SPEAKER if isinstance(value.get(key), list)]
    return any(len(each) > 1 for each in lists)


def evidence(columns: Columns, *names: str) -> tuple[str, ...]:
    """The reasons of a match: which column fills which field.

    Example:
        >>> evidence({"prompt": ("prompt",), "score": ("stars",)}, "prompt", "score")
        ('it has prompt', 'score is in stars')
    """
    there = [name for name in names if name in columns]
    plainly = [name for name in there if columns[name] == (name,)]
    others = [f"{n} is in {' + '.join(columns[n])}" for n in there if n not in plainly]
    return (*((f"it has {', '.join(plainly)}",) if plainly else ()), *others)
