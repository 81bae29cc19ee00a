"""Rows are told apart by their number in the source, also where they share a line."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from prefdata.cli.views.inspect import show_inspection
from prefdata.conversion.inspect import Inspection, inspect
from tests.roundtrip import Row, converted, jsonl, labelled, make, pair, rated

SAME = "both responses are the same"
GOOD = [pair("good", "bad", f"q{n}") for n in range(4)]
ROWS: list[Row] = [*GOOD[:2], pair("same", "same"), *GOOD[2:], pair("", "bad", "q9")]
"""The third and the sixth give no pair."""


def one_line(rows: list[Row]) -> str:
    return json.dumps(rows)


TEXTS = {
    "an array on one line": (one_line(ROWS), [1] * 6),
    "a compact array": (json.dumps(ROWS, separators=(",", ":")), [1] * 6),
    "a list in an object": (json.dumps({"data": ROWS}), [1] * 6),
    "an array on two lines": ("[\n" + one_line(ROWS)[1:], [2] * 6),
    "two rows a line": (
        "[" + ",\n".join(one_line(ROWS[n : n + 2])[1:-1] for n in (0, 2, 4)) + "]",
        [1, 1, 2, 2, 3, 3],
    ),
    "an array as people indent it": (
        json.dumps(ROWS, indent=1),
        [2 + 5 * n for n in range(6)],
    ),
}


@pytest.mark.parametrize("text", list(TEXTS))
def test_rows_of_an_array_have_their_numbers(tmp_path: Path, text: str) -> None:
    """In ``rows/`` and in ``rejects/``, from 1; the line stands beside it."""
    content, lines = TEXTS[text]
    path = tmp_path / "in.json"
    path.write_text(content, encoding="utf-8")
    made = converted(path, test_size=0.0)
    assert sorted((e["row"], e["line"]) for e in made.ledger) == list(enumerate(lines, 1))
    assert sorted((e["row"], e["line"]) for e in made.rejects) == [(3, lines[2]), (6, lines[5])]
    assert {e["row"]: e["reason"] for e in made.rejects}[3] == SAME


def test_rows_that_cannot_be_read_have_their_numbers(tmp_path: Path) -> None:
    """They count too, wherever they stand."""
    path = tmp_path / "in.json"
    path.write_text(json.dumps([GOOD[0], 5, GOOD[1], "text", GOOD[2]]), encoding="utf-8")
    made = converted(path, test_size=0.0)
    assert sorted(e["row"] for e in made.rejects) == [2, 4]
    assert sorted(e["row"] for e in made.ledger) == [1, 2, 3, 4, 5]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    """The number of a row and that of its line differ where lines are blank."""
    path = tmp_path / "in.jsonl"
    lines = ["", json.dumps(GOOD[0]), "", "broken", json.dumps(GOOD[1])]
    path.write_text("\n".join(lines), encoding="utf-8")
    made = converted(path, test_size=0.0)
    assert [(e["row"], e["line"]) for e in made.rejects] == [(2, 4)]
    assert sorted((e["row"], e["line"]) for e in made.ledger) == [(1, 2), (2, 4), (3, 5)]


def test_rows_of_a_table_have_their_numbers(tmp_path: Path) -> None:
    """Of Parquet the row is all there is; a cell of CSV may span lines."""
    pl.DataFrame(ROWS).write_parquet(tmp_path / "in.parquet")
    made = converted(tmp_path / "in.parquet", test_size=0.0)
    assert sorted(e["row"] for e in made.rejects) == [3, 6]
    path = tmp_path / "in.csv"
    path.write_text('prompt,chosen,rejected\n"a\nb",1,2\nq,3,3\n', encoding="utf-8")
    made = converted(path, tmp_path / "csv", test_size=0.0)
    assert [(e["row"], e["line"]) for e in made.rejects] == [(2, 4)]


def test_ratings_and_labels_have_their_numbers(tmp_path: Path) -> None:
    """Which are stored and written in another way than pairs."""
    ratings = [rated("good", 2), rated("bad", 1), rated("alone", 1, "other"), rated("x", "no")]
    made = make(tmp_path, [*ratings, *[rated(f"r{n}", n, "third") for n in range(3)]])
    assert sorted(e["row"] for e in made.ledger) == [1, 2, 3, 4, 5, 6, 7]
    assert {e["row"]: e["outcome"] for e in made.ledger}[3] == "left over"
    assert [e["row"] for e in made.rejects] == [4]
    labels = [labelled("a", True), labelled("", False), labelled("b", False)]
    assert [e["row"] for e in make(tmp_path / "labels", labels).rejects] == [2]


def test_each_source_counts_for_itself(tmp_path: Path) -> None:
    """A number is that of the row in its own source."""
    made = make(tmp_path, GOOD[:2], [pair("s", "s"), *GOOD[2:]])
    assert [(Path(e["source"]).name, e["row"]) for e in made.rejects] == [("1.jsonl", 1)]


def printed(inspection: Inspection) -> str:
    file = StringIO()
    show_inspection(inspection, Console(file=file, width=200))
    return file.getvalue()


def test_inspect_names_the_numbers_where_rows_share_a_line(tmp_path: Path) -> None:
    """And the lines elsewhere."""
    path = tmp_path / "in.json"
    path.write_text(one_line([*ROWS, pair("s", "s")]), encoding="utf-8")
    (shared,) = inspect(path)
    assert f"{SAME} (rows 3, 7)" in printed(shared)
    (apart,) = inspect(jsonl(tmp_path / "in.jsonl", ROWS))
    assert f"{SAME} (line 3)" in printed(apart)
