"""Recognising a source: the format that fits best, the evidence, the runner-up, open questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats.base import Format, Match, ReadOptions
from prefdata.formats.questions import question_error
from prefdata.formats.registry import FORMATS, GENERIC, get_format
from prefdata.formats.sample import Sample


class NearMiss(NamedTuple):
    """A format that would fit, but for a few columns that the source lacks."""

    format: str
    missing: tuple[str, ...]


class Detection(NamedTuple):
    """The format of a source, and how it would be read.

    Attributes:
        format: the format that fits best.
        match: how it would read the source.
        runner_up: the match that came second, if any.
        near_misses: formats that would fit better if the source had a few more columns.
    """

    format: Format
    match: Match
    runner_up: Match | None
    near_misses: tuple[NearMiss, ...] = ()


def detect(
    sample: Sample,
    read_options: ReadOptions,
    *,
    name: str,
    format: str = "",
    others: Mapping[str, Format] | None = None,
) -> Detection:
    """Recognise a source by its first rows.

    Args:
        sample: the first rows.
        read_options: the user's options for reading it.
        name: the source, for messages.
        format: the one format to try; all of them if empty.
        others: formats beyond the registered ones, tried where none of those fits.

    Raises:
        UnknownNameError: the user named a column, field or format that does not exist.
        InputError: nothing fits.
        QuestionError: something fits, but can be read in two ways.
    """
    _check_names_exist(sample, read_options, name)
    others = others or {}
    candidates = [others.get(format) or get_format(format)] if format else list(FORMATS.values())
    options = replace(read_options, format=format)
    matches = [match for each in candidates if (match := each.match(sample, options))]
    matches = matches or [m for each in others.values() if (m := each.match(sample, options))]
    matches.sort(key=lambda each: -each.score)
    if not matches:
        raise _no_match(sample, read_options, name, candidates[0] if format else None)
    best = matches[0]
    chosen = next(each for each in (*candidates, *others.values()) if each.name == best.format)
    if chosen.facts.refusal:
        raise InputError(f"{name} is {chosen.name}: {chosen.summary}", hint=chosen.facts.refusal)
    if best.questions:
        raise question_error(name, best.format, best.questions)
    _check_options_used(read_options, best, name)
    _check_columns_read(read_options, best, chosen, name)
    runner_up = matches[1] if len(matches) > 1 else None
    return Detection(chosen, best, runner_up, near_misses(sample) if not format else ())


def _check_options_used(read_options: ReadOptions, best: Match, name: str) -> None:
    """Every option that the user gave has an effect."""
    if read_options.dimension and best.dimensions and read_options.dimension not in best.dimensions:
        raise UnknownNameError("dimension", read_options.dimension, best.dimensions, where=name)
    if read_options.dimension and "dimensions" in best.columns:
        raise UsageError(
            f"{name} holds pairs with scores by dimension; --dimension chooses between ratings",
            hint="To let it decide which response is better, say "
            f"--weights {read_options.dimension}=1.",
        )
    if read_options.dimension and not best.dimensions and "dimension" not in best.columns:
        raise UsageError(
            f"{name} has no column of dimensions",
            hint="Leave --dimension out, or name the column, as in --map dimension=aspect.",
        )
    for option, choice in (("winner", read_options.winner), ("label", read_options.label)):
        if choice and option not in best.columns:
            raise UsageError(
                f"{name} has no column of {option}s: it is {best.format}",
                hint=f"Leave --{option} out, or name the column, as in --map {option}=choice.",
            )


def _check_columns_read(read_options: ReadOptions, best: Match, chosen: Format, name: str) -> None:
    """Every column that the user mapped is read."""
    for field, columns in read_options.columns.items():
        columns_read = best.columns.get(field, ())[: None if field in chosen.multi_column else 1]
        unread = [column for column in columns if column not in columns_read]
        if unread:
            raise UsageError(
                f"{name} is {chosen.name}, of which {'one' if columns_read else 'no'} column is "
                f"read as {field}: {', '.join(unread)} would be left out",
                hint="Leave it out. What several people said stands in a row for each, with a "
                "column that says whose it is.",
            )


MOST_MISSES = 2


def near_misses(sample: Sample) -> tuple[NearMiss, ...]:
    """Known formats of which the source has most columns, but not all.

    Example:
        >>> near_misses(Sample(["prompt", "response_1", "response_2"], []))[0]
        NearMiss(format='helpsteer2-preference', missing=('preference_strength',))
    """
    misses = []
    for each in FORMATS.values():
        missing = tuple(name for name in each.facts.needs if name not in sample.names)
        present = len(each.facts.needs) - len(missing)
        useless = each.facts.refusal or each.facts.by_name
        if missing and present >= 2 and present >= len(missing) and not useless:
            misses.append((present / len(each.facts.needs), present, NearMiss(each.name, missing)))
    misses.sort(key=lambda item: (-item[0], -item[1], item[2].format))
    return tuple(each for *_, each in misses[:MOST_MISSES])


def _check_names_exist(sample: Sample, read_options: ReadOptions, name: str) -> None:
    fields = list(dict.fromkeys(field for each in GENERIC for field in each.fields))
    for field, columns in read_options.columns.items():
        if field not in fields:
            raise UnknownNameError("field", field, fields, where="--map")
        for column in columns:
            if column not in sample.names:
                raise UnknownNameError("column", column, sample.names, where=name)


def _no_match(
    sample: Sample, read_options: ReadOptions, name: str, only: Format | None
) -> InputError:
    missing = [each for each in only.facts.needs if each not in sample.names] if only else []
    if only and missing:
        return InputError(
            f"{name} is not {only.name}: it has no column {', '.join(missing)}",
            hint=f"Its columns are {', '.join(sample.names[:12])}. Leave --format out to have it "
            "recognised, or describe it in a YAML file.",
        )
    column_names = ", ".join(sample.names[:12]) + (", …" if len(sample.names) > 12 else "")
    options = [n for n in ("winner", "label") if getattr(read_options, n)] + ["map"] * bool(
        read_options.columns
    )
    if only and only.facts.needs and options:
        return UsageError(
            f"the format {only.name} says itself what its columns and values mean",
            hint=f"Leave --{options[0]} out, or --format.",
        )
    if read_options.columns:
        return UsageError(
            f"no format has the fields {', '.join(read_options.columns)} and what else it needs "
            f"in {name} (columns: {column_names})",
            hint="'pref formats' lists the fields of each format.",
        )
    nearest = "".join(
        f"It is {n}, if {' and '.join(m)} were there. " for n, m in near_misses(sample)
    )
    return InputError(
        f"{name} is not of a known shape (columns: {column_names})",
        hint=nearest
        + "Say which column is which, as in --map prompt=question,response=answer,score=stars "
        "or --map prompt=q,response_a=x,response_b=y,winner=vote.",
    )
