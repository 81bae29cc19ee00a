"""Recognising a source: the format that fits best, the evidence, the runner-up, open questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats.base import Format, Match, ReadOptions
from prefdata.formats.claims import claim_questions, find_claims
from prefdata.formats.closed_list import closed_list_questions, watched
from prefdata.formats.no_match import NearMiss, near_misses, no_match_error
from prefdata.formats.questions import question_error
from prefdata.formats.registry import FORMATS, GENERIC, get_format
from prefdata.formats.sample import Sample
from prefdata.formats.template import with_template
from prefdata.records.frames import TEMPLATE


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


def recognise(
    sample: Sample,
    read_options: ReadOptions,
    *,
    name: str,
    format: str = "",
    others: Mapping[str, Format] | None = None,
) -> Detection:
    """Recognise a source by its first rows; what is open about it is in its match.

    Args:
        sample: the first rows.
        read_options: the user's options for reading it.
        name: the source, for messages.
        format: the one format to try; all of them if empty.
        others: formats beyond the registered ones, tried where none of those fits.

    Raises:
        UnknownNameError: the user named a column, field or format that does not exist.
        InputError: nothing fits.
    """
    sample = sample.without(read_options.ignore)
    _check_names_exist(sample, read_options, name)
    others = others or {}
    candidates = [others.get(format) or get_format(format)] if format else list(FORMATS.values())
    options = replace(read_options, format=format)
    matches = [match for each in candidates if (match := each.match(sample, options))]
    if not any(match.score for match in matches):
        matches = [m for each in others.values() if (m := each.match(sample, options))] or matches
    matches.sort(key=lambda each: -each.score)
    if not matches:
        raise no_match_error(sample, read_options, name, candidates[0] if format else None)
    best = matches[0]
    chosen = next(each for each in (*candidates, *others.values()) if each.name == best.format)
    if chosen.facts.refusal:
        raise InputError(f"{name} is {chosen.name}: {chosen.summary}", hint=chosen.facts.refusal)
    best = with_template(best, sample, read_options)
    best = _looked_through(best, sample, read_options, chosen)
    runner_up = matches[1] if len(matches) > 1 else None
    return Detection(chosen, best, runner_up, near_misses(sample) if not format else ())


def _looked_through(
    match: Match, sample: Sample, read_options: ReadOptions, format: Format
) -> Match:
    """A match that accounts for the columns which it does not read, and all that is to be asked."""
    by_name = format in GENERIC
    claims = find_claims(sample, match, read_options) if by_name else ()
    # The catalogue knows the columns of its examples, and says in its notes what is not read.
    left_out = () if by_name else tuple(format.example)
    questions = (
        *match.questions,
        *closed_list_questions(sample, match, read_options, mappable=by_name, left_out=left_out),
        *claim_questions(sample, match, claims),
    )
    return replace(
        match,
        questions=questions,
        watched=watched(sample, match),
        settled_system="system" in read_options.columns,
        claims=claims,
    )


def check_settled(detection: Detection, read_options: ReadOptions, name: str) -> None:
    """Check that nothing is open about a source, and that every option has an effect.

    Raises:
        QuestionError: it can be read in two ways.
        UsageError: an option would change nothing.
        UnknownNameError: it does not have the dimension that was chosen.
    """
    if detection.match.questions:
        raise question_error(name, detection.match.format, detection.match.questions)
    _check_options_used(read_options, detection.match, name)
    _check_columns_read(read_options, detection.match, detection.format, name)


def detect(sample: Sample, read_options: ReadOptions, *, name: str, format: str = "") -> Detection:
    """Recognise a source by its first rows, and ask what is open about it.

    Args:
        sample: the first rows.
        read_options: the user's options for reading it.
        name: the source, for messages.
        format: the one format to try; all of them if empty.

    Raises:
        UnknownNameError: the user named a column, field or format that does not exist.
        InputError: nothing fits.
        QuestionError: something fits, but can be read in two ways.
    """
    detection = recognise(sample, read_options, name=name, format=format)
    check_settled(detection, read_options, name)
    return detection


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


def _check_names_exist(sample: Sample, read_options: ReadOptions, name: str) -> None:
    fields = [*dict.fromkeys(field for each in GENERIC for field in each.fields), *TEMPLATE]
    for field, columns in read_options.columns.items():
        if field not in fields:
            raise UnknownNameError("field", field, fields, where="--map")
        for column in columns:
            if column in read_options.ignore:
                raise UsageError(
                    f"{column} is both read as {field} and left out",
                    hint="Name it in --map or in --ignore.",
                )
            if column not in sample.names:
                raise UnknownNameError("column", column, sample.names, where=name)
