"""CSV: everything that the data set holds, for spreadsheets and for any other program.

A column of messages is bare text where every row is one turn, and JSON in each cell otherwise, so
that one column is read in one way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from prefdata.exporting.base import SIDES, CellKind, Facts, Job, Made, Row, Target, Turn
from prefdata.formats.transcript import is_transcript

MESSAGES = ("prompt", *SIDES)


def bare(column: str, turns: list[Turn]) -> bool:
    """Whether messages can stand as bare text that is read back as the same messages.

    Example:
        >>> bare("prompt", [{"role": "user", "content": "Hi"}])
        True
        >>> bare("prompt", [{"role": "user", "content": "User: Hi"}])
        False
    """
    speaker = "user" if column == "prompt" else "assistant"
    (first, *more) = turns
    text = first["content"]
    return (
        not more
        and first["role"] == speaker
        and not first.get("tool_calls")
        and text.lstrip()[:1] not in ("[", "{")
        and not is_transcript(text)
    )


def _row(row: Row, facts: Facts) -> Made:
    cells = cast("Mapping[str, object]", row)
    return {name: _cell(name, cells.get(name), facts) for name in facts.columns}


def _cell(name: str, value: object, facts: Facts) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, list):
        return value
    if name in facts.texts:
        return value[0]["content"]
    return json.dumps(value, ensure_ascii=False)


def _columns(facts: Facts) -> Mapping[str, CellKind]:
    return dict.fromkeys(facts.columns, "text")


def _notes(job: Job) -> list[str]:
    cells = [name for name in job.facts.columns if name in MESSAGES and name not in job.facts.texts]
    return [f"{', '.join(cells)}: JSON in each cell"] if cells else []


CSV = Target(
    name="csv",
    summary="CSV: all columns; messages as text, or as JSON where there are several",
    views=("pairs", "unpaired"),
    suffix=".csv",
    carries=("*",),
    row=_row,
    columns=_columns,
    stanza=lambda _job: {},
    following=lambda job: f"pref inspect {job.at('data/train.csv')}",
    notes=_notes,
)
