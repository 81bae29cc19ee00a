"""CSV: everything that the data set holds, for spreadsheets and for any other program.

A column of messages is bare text where every row is one turn, and JSON in each cell otherwise, so
that one column is read in one way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from prefdata.exporting.base import (
    MESSAGES,
    ColumnKind,
    DatasetFacts,
    DatasetRow,
    ExportedData,
    Target,
    TargetRow,
)

FORMULA = "a text that a spreadsheet takes for a formula"
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")


def _row(row: DatasetRow, facts: DatasetFacts) -> TargetRow:
    cells = cast("Mapping[str, object]", row)
    return {name: _cell(name, cells.get(name), facts) for name in facts.columns}


def _cell(name: str, value: object, facts: DatasetFacts) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, list):
        return value
    if name in facts.texts:
        return value[0]["content"]
    return json.dumps(value, ensure_ascii=False)


def _columns(facts: DatasetFacts) -> Mapping[str, ColumnKind]:
    return dict.fromkeys(facts.columns, "text")


def _notes(data: ExportedData) -> list[str]:
    cells = [
        name for name in data.facts.columns if name in MESSAGES and name not in data.facts.texts
    ]
    notes = [f"{', '.join(cells)}: JSON in each cell"] if cells else []
    if rows := data.features.get(FORMULA, 0):
        many = "1 row has a text" if rows == 1 else f"{rows:,} rows have texts"
        notes.append(
            f"{many} that a spreadsheet takes for a formula, as they begin with =, +, - or @: "
            "they are written as they are; import the columns as text"
        )
    return notes


def _features(row: DatasetRow) -> list[str]:
    """Whether a spreadsheet would run what stands in a cell."""
    cells = cast("Mapping[str, object]", row)
    values = [value for each in cells.values() for value in _texts(each)]
    return [FORMULA] if any(value.startswith(FORMULA_BEGINS) for value in values) else []


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(value[0]["content"])] if isinstance(value, list) and len(value) == 1 else []


CSV = Target(
    name="csv",
    order=11,
    help="all columns",
    summary="CSV: all columns; messages as text, or as JSON where there are several",
    views=("pairs", "unpaired"),
    suffix=".csv",
    carries=("*",),
    row=_row,
    columns=_columns,
    stanza=lambda _job: {},
    next_step=lambda data: f"pref inspect {data.shell_path('data/train.csv')}",
    features=_features,
    notes=_notes,
)
