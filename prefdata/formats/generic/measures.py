"""What only the user can say of the numbers in a column of scores or ranks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from prefdata.formats.base import Match, ReadOptions
from prefdata.formats.generic import pick
from prefdata.formats.generic.column_names import plain
from prefdata.formats.numbers import number_of
from prefdata.formats.questions import Question, ValueCount
from prefdata.formats.sample import Sample
from prefdata.formats.sentinels import (
    codes_among,
    number_key,
    number_tally,
    numbers_in,
    possible_codes,
)
from prefdata.formats.text_shapes import parse_cell
from prefdata.formats.value_counts import listed, value_counts

RANKS = ("rank", "ranks")
MEASURES = ("score", "scores", *RANKS)


def measured_columns(
    columns: pick.Columns, read_options: ReadOptions
) -> tuple[str, tuple[str, ...]]:
    """The field of scores or ranks, and its columns, unless the user named them.

    Who names a column of scores with ``--map`` says that each number in it is one.
    """
    field = next((name for name in MEASURES if name in columns), "")
    if not field or read_options.columns.get(field):
        return field, ()
    return field, columns[field]


def number_columns(match: Match) -> list[str]:
    """The columns of which each cell is a score or a rank, and not a list of them."""
    names = [name for field in ("score", "rank") for name in match.columns.get(field, ())]
    return [name for name in names if name in match.measured]


def code_questions(
    sample: Sample, field: str, names: Sequence[str], missing: Collection[str]
) -> tuple[Question, ...]:
    """Ask about numbers that may say that there is no score, and about ranks below 1.

    Args:
        sample: the source.
        field: the field that the columns fill.
        names: the columns.
        missing: words that the user said stand for no value.
    """
    absent = {number_of(word) for word in missing}
    numbers = {n: k for name in names for n, k in number_tally(sample, name).items()}
    present = set(numbers) - absent
    codes = set(codes_among(present))
    if field in RANKS:
        codes |= {number for number in present if number == 0}
    if not codes:
        return ()
    values = value_counts(sample, names, [number_key(code) for code in sorted(codes)])
    rest = present - codes
    beside = f" beside {min(rest):g} to {max(rest):g}" if rest else ""
    words = ",".join(each.value for each in values)
    lines = (f"--missing={words}", f"--map {field}={'+'.join(names)}")
    what, better = ("rank", ", and 0 is the best") if field in RANKS else ("score", "")
    text = (
        f"{', '.join(names)} hold{'s' if len(names) == 1 else ''} {listed(values)}{beside}: say "
        f"{lines[0]} if that stands for no {what}, or {lines[1]} if it is one{better}"
    )
    return (Question(text, tuple(names), values, lines),)


def may_hold_codes(sample: Sample, field: str, names: Sequence[str]) -> bool:
    """Whether the rows that were not looked at decide if a column holds codes."""
    numbers = {number for name in names for number in number_tally(sample, name)}
    return bool(possible_codes(numbers)) and field not in RANKS


ORDERS = ("ranking", "rankings", "order", "ordering", "ranked_order")
"""Names of columns whose lists may hold ranks, or the numbers of the responses in their order."""

SCALES = ("score_scale", "rating_scale", "scale", "scale_max", "max_score", "score_max", "out_of")
"""Names of columns that say on which scale a score is."""


def scale_column(sample: Sample, columns: pick.Columns) -> str:
    """The column that says on which scale a score is, or ``""``."""
    used = {name for names in columns.values() for name in names}
    free = [name for name in sample.names if name not in used]
    return next((name for name in free if plain(name) in SCALES), "")


def order_column(sample: Sample) -> str:
    """A column of lists of numbers that say how responses are ranked, in one way or another."""
    named = [name for name in sample.names if plain(name) in ORDERS]
    return next((name for name in named if _lists(sample, name)), "")


def _lists(sample: Sample, name: str) -> bool:
    cells = (parse_cell(v) if isinstance(v, str) else v for v in sample.values(name))
    return any(isinstance(cell, list) and numbers_in(cell) for cell in cells)


def order_questions(
    sample: Sample, columns: Mapping[str, Sequence[str]], read_options: ReadOptions
) -> tuple[Question, ...]:
    """Ask whether a list holds the rank of each response, or the responses in their order."""
    names = columns.get("ranks", ())
    if not names or plain(names[0]) not in ORDERS or read_options.columns.get("ranks"):
        return ()
    (name,) = names
    row = next((row for row in sample.rows if row.get(name) is not None), {})
    example = value_counts(Sample(sample.names, [row]), [name], Sample([name], [row]).tally(name))
    line = f"--map ranks={name}"
    text = (
        f"{name} holds {row.get(name)}: if each number is the rank of the response at its place, "
        f"1 or 0 for the best, say {line}; if it names a response, the best first, write the ranks "
        "instead, or sort the responses and describe them in a YAML file with 'order: best-first'"
    )
    values = (ValueCount(str(row.get(name)), len(sample.values(name)), example[0].example),)
    return (Question(text, (name,), values, (line,)),)
