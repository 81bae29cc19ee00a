"""Rows of a delimited file that name or describe its columns, and are no data.

Survey tools put more than one row above the data: Qualtrics has the names, then the texts of the
questions, then ``{"ImportId":"QID1"}`` in every cell. Where such files were put end to end, all of
it stands in the middle too, or at least the names do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from prefdata.io.readers.chunks import Chunk, UnreadableRow
from prefdata.records import reasons

IMPORT_ID = '{"ImportId"'
REPEATED = "the header stands here again"
IMPORT_IDS = "the ids that Qualtrics gives its columns"
QUESTIONS = "the texts of the questions, as Qualtrics puts them below the header"


def is_header(cells: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a row repeats the header; one column alone may hold its own name.

    Example:
        >>> is_header(["Prompt", "chosen "], ["prompt", "chosen"]), is_header(["a"], ["a"])
        (True, False)
    """
    folded = [cell.strip("\ufeff ").casefold() for cell in cells]
    return len(names) > 1 and folded == [name.casefold() for name in names]


def are_import_ids(cells: Sequence[str]) -> bool:
    """Whether every cell that is filled holds an id of Qualtrics.

    Example:
        >>> are_import_ids(['{"ImportId":"QID1"}', ""]), are_import_ids(["Hi", ""])
        (True, False)
    """
    return any(cells) and all(_is_import_id(cell) for cell in cells if cell)


def _is_import_id(cell: str) -> bool:
    if not cell.startswith(IMPORT_ID):
        return False
    try:
        return isinstance(json.loads(cell), dict)
    except ValueError:
        return False


def header_fault(cells: Sequence[str], names: Sequence[str]) -> tuple[str, str] | None:
    """Why a row is no data: the reason and its detail; None where it may be."""
    if is_header(cells, names):
        return reasons.HEADER_ROW, REPEATED
    return (reasons.HEADER_ROW, IMPORT_IDS) if are_import_ids(cells) else None


def without_headers(chunk: Chunk, cells: pl.DataFrame, *, is_first: bool) -> Chunk:
    """A piece without the rows that are no data; they are in ``unreadable``.

    Args:
        chunk: the piece.
        cells: all columns of it, as text.
        is_first: whether the header of the file stands just above it.
    """
    first, name = pl.col(cells.columns[0]), cells.columns[0]
    spellings = {name, name.lower(), name.upper(), name.capitalize(), name.title()}
    looks = first.str.starts_with(IMPORT_ID) | first.str.starts_with("\ufeff")
    for each in sorted(spellings):
        looks |= first.str.starts_with(each)
    faults: dict[int, str] = {}
    for place in cells.select(looks.fill_null(value=False).arg_true()).to_series():
        if fault := header_fault([cell or "" for cell in cells.row(place)], cells.columns):
            faults[place] = fault[1]
    if not faults:
        return chunk
    faults = with_questions(faults, is_first=is_first)
    rows, lines = chunk.frame["row"], chunk.frame["line"]
    left_out = [
        UnreadableRow(
            int(rows[place]), int(lines[place]), "", reasons.HEADER_ROW, detail, chunk.raw(place)
        )
        for place, detail in faults.items()
    ]
    others = [place for place in range(chunk.frame.height) if place not in faults]
    return replace(
        chunk,
        frame=chunk.frame[others],
        raw=lambda position: chunk.raw(others[position]),
        unreadable=[*chunk.unreadable, *left_out],
    )


def with_questions(faults: dict[int, str], *, is_first: bool) -> dict[int, str]:
    """The rows that are no data, and the row of questions between a header and its ids."""
    for place in [place for place, detail in faults.items() if detail == IMPORT_IDS]:
        above = is_first if place == 1 else faults.get(place - 2) == REPEATED
        if place and above:
            faults.setdefault(place - 1, QUESTIONS)
    return dict(sorted(faults.items()))
