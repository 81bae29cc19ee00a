"""Paths into nested rows, and the records that they fill."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefdata.errors import UnknownNameError
from prefdata.formats import ReadOptions
from prefdata.formats.spec.paths import fill_placeholders, parse_path, placeholders, value_at
from tests.roundtrip import Converted, Row, converted, jsonl

NESTED = """
kind: comparisons
fields:
  prompt: "{info.title}: {info.post}"
  response_a: summaries[0].text
  response_b: summaries[1].text
  winner: choice
values: {0: a, 1: b}
"""
LISTS = """
kind: ratings
fields:
  prompt: question
  response: answers[].text
  score: answers[].stars
  model: models[]
optional: [model]
"""


def read(folder: Path, layout: str, rows: Sequence[Row]) -> Converted:
    (folder / "mine.yaml").write_text(layout, encoding="utf-8")
    return converted(jsonl(folder / "rows.jsonl", rows), format=str(folder / "mine.yaml"))


def summary(number: int, choice: object = 0, **info: object) -> dict[str, object]:
    texts = [{"text": "good"}, {"text": "bad"}]
    return {
        "info": {"title": "T", "post": f"post {number}", **info},
        "summaries": texts if choice == 0 else texts[::-1],
        "choice": choice,
    }


def answered(*stars: object, **more: object) -> dict[str, object]:
    answers = [{"text": f"{value} stars", "stars": value} for value in stars]
    return {"question": "One?", "answers": answers, **more}


@pytest.mark.parametrize("text", ["", ".", "a.", ".a[]b]", "a[", "a[-1]", "a[1", "a{b}", "[]"])
def test_what_is_no_path_is_refused(text: str) -> None:
    """With how a path is written."""
    with pytest.raises(ValueError, match="is no path; write it as in info"):
        parse_path(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", {"b": [{"c": 1}, {"c": 2}]}),
        ("a.b[1].c", 2),
        ("a.b[].c", [1, 2]),
        ("a.b[2].c", None),
        ("a.b.c", None),
        ("a.x.y", None),
        ("a.b[].x", [None, None]),
        ("a[]", None),
        ("none.b", None),
        ("a b", "spaces"),
        ("Rationale For-Rating", "hyphens"),
    ],
)
def test_a_path_gives_what_stands_there_or_nothing(path: str, value: object) -> None:
    """It never raises: what is not there is missing."""
    row = {
        "a": {"b": [{"c": 1}, {"c": 2}]},
        "a b": "spaces",
        "Rationale For-Rating": "hyphens",
        "none": None,
    }
    assert value_at(row, parse_path(path)) == value


def test_a_column_with_a_dot_in_its_name_can_be_taken_whole() -> None:
    """In quotes, with steps behind it or without; a quote elsewhere is a letter as others are."""
    assert parse_path('"info.post"') == ("info.post", "info.post", ())
    assert parse_path('"a[0].b"[1].c')[1:] == ("a[0].b", (1, "c"))
    assert parse_path('5" tape').column == '5" tape'
    assert parse_path("info.post").steps == ("post",)


def test_braces_in_the_data_are_no_template() -> None:
    """Values are filled in once."""
    assert placeholders("{a} {b.c[0]}") == ["a", "b.c[0]"]
    assert fill_placeholders("{a}{b}", {"a": "{b}", "b": "{a}"}) == "{b}{a}"


def test_lists_of_different_lengths_are_refused_with_both_lengths(tmp_path: Path) -> None:
    """No answer gets the score of another."""
    rows = [answered(5, 1, models=["north", "south"]), answered(5, 1, models=["north"])]
    outcome = read(tmp_path, LISTS, rows)
    assert outcome.refused[0][1:] == (
        "models[]",
        "wrong type",
        "2 in answers[].text, 1 in models[]",
    )


def test_an_optional_list_may_be_missing(tmp_path: Path) -> None:
    """A row without models has answers all the same."""
    rows = [answered(5, 1, models=["north", "south"]), {**answered(4, 2), "question": "Two?"}]
    outcome = read(tmp_path, LISTS, rows)
    assert outcome.pairs == {("One?", "5 stars", "1 stars"), ("Two?", "4 stars", "2 stars")}
    assert {row["model_chosen"] for row in outcome.rows} == {"north", None}


def test_an_empty_list_and_one_that_is_no_list_are_refused(tmp_path: Path) -> None:
    """Each with what was expected."""
    odd: list[Row] = [{"question": "Q", "answers": "x"}, {"question": "Q"}]
    outcome = read(tmp_path, LISTS, [answered(5, 1), answered(), *odd])
    assert [each[1:] for each in outcome.refused] == [
        ("answers[].text", "fewer than two responses", "the list is empty"),
        ("answers[].text", "field is missing", "expected a list"),
        ("answers[].text", "field is missing", "expected a list"),
    ]


def test_items_that_are_no_objects_give_missing_values(tmp_path: Path) -> None:
    """The other items of the row are used."""
    row = answered(5, 1)
    row["answers"] = [*row["answers"], "x", None]  # type: ignore[misc]
    outcome = read(tmp_path, LISTS, [row])
    assert outcome.pairs == {("One?", "5 stars", "1 stars")}


def test_a_score_that_is_no_number_is_refused_alone(tmp_path: Path) -> None:
    """N/A is no score of -1, and true none of 1."""
    outcome = read(tmp_path, LISTS, [answered(5, "N/A", "4", None, True, [3])])
    assert outcome.pairs == {("One?", "5 stars", "4 stars")}


def test_a_template_takes_text_and_numbers_and_refuses_the_rest(tmp_path: Path) -> None:
    """What is not there leaves a gap; a list in a sentence is a mistake."""
    rows = [
        summary(1),
        summary(2, 1, title=7),
        summary(3, title=None),
        summary(4, title=["x"]),
        {**summary(5), "info": {}},
    ]
    outcome = read(tmp_path, NESTED, rows)
    assert {prompt for prompt, _, _ in outcome.pairs} == {"T: post 1", "7: post 2", ": post 3"}
    assert all(pair[1:] == ("good", "bad") for pair in outcome.pairs)
    assert [each[1:] for each in outcome.refused] == [
        ("info.title", "wrong type", "expected text"),
        ("prompt", "field is missing", ""),
    ]


def test_objects_in_the_cells_of_a_csv_file_are_gone_into(tmp_path: Path) -> None:
    """The same ids as from JSON; a cell that is cut off is named."""
    rows = [summary(1), summary(2, 1)]
    plain = read(tmp_path, NESTED, rows)
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow([json.dumps(row["info"]), str(row["summaries"]), row["choice"]])
        writer.writerow([json.dumps(rows[0]["info"]), '[{"text": "go', 0])
        writer.writerow(['{"title": ', str(rows[0]["summaries"]), 0])
    cells = converted(tmp_path / "rows.csv", format=str(tmp_path / "mine.yaml"))
    assert cells.ids == plain.ids
    assert [each[1:] for each in cells.refused] == [
        ("summaries", "not valid JSON", "in a cell"),
        ("info", "not valid JSON", "in a cell"),
    ]


@pytest.mark.parametrize("layout", ["nested", "lists"])
def test_nested_columns_of_parquet_give_the_ids_of_json(layout: str, tmp_path: Path) -> None:
    """Structures and lists of structures, with nulls inside."""
    rows: list[dict[str, object]]
    if layout == "nested":
        rows = [summary(1), summary(2, 1), summary(3, title=None), {**summary(4), "info": None}]
    else:
        rows = [answered(5, 1, models=["n", "s"]), {**answered(4, None, 2), "question": "Two?"}]
    plain = read(tmp_path, NESTED if layout == "nested" else LISTS, rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    pq.write_table(table, tmp_path / "rows.parquet")
    columns = converted(tmp_path / "rows.parquet", format=str(tmp_path / "mine.yaml"))
    assert columns.ids == plain.ids
    assert columns.refused == plain.refused


def test_roles_of_ones_own_are_renamed(tmp_path: Path) -> None:
    """Wherever messages stand."""
    layout = """
kind: pairs
fields: {prompt: talk, chosen: best, rejected: worst}
roles: {client: user, clerk: assistant}
"""
    row = {
        "talk": [{"role": "client", "content": "One?"}],
        "best": [{"role": "clerk", "content": "good"}],
        "worst": [{"role": "clerk", "content": "bad"}],
    }
    assert read(tmp_path, layout, [row]).pairs == {("One?", "good", "bad")}


def test_ranks_of_a_list_are_in_its_order(tmp_path: Path) -> None:
    """Best first, and worst first."""
    for order, pair in (("best-first", ("x", "z")), ("worst-first", ("z", "x"))):
        layout = f"kind: ratings\nfields: {{prompt: q, response: 'r[]'}}\norder: {order}\n"
        row = {"q": "One?", "r": ["x", "y", "z"]}
        assert read(tmp_path, layout, [row]).pairs == {("One?", *pair)}


def test_a_column_for_each_winner_must_be_there(tmp_path: Path) -> None:
    """A file without one of them is not of that format, and nothing is read from half of it."""
    layout = """
kind: comparisons
fields: {prompt: p, response_a: x, response_b: y, winner_a: i, winner_b: j}
"""
    row = {"p": "One?", "x": "good", "y": "bad", "i": 1, "j": 0}
    assert read(tmp_path, layout, [row]).pairs == {("One?", "good", "bad")}
    del row["j"]
    with pytest.raises(UnknownNameError, match="unknown column 'j'"):
        read(tmp_path, layout, [row])


def test_scores_on_dimensions_count_as_the_weights_say(tmp_path: Path) -> None:
    """One of them is the user's to choose."""
    layout = """
kind: ratings
fields: {prompt: p, response: r, score: {style: s, truth: t}}
dimensions: {truth: 1}
"""
    rows = [
        {"p": "One?", "r": "true", "s": 1, "t": 5},
        {"p": "One?", "r": "pretty", "s": 5, "t": 1},
    ]
    assert read(tmp_path, layout, rows).pairs == {("One?", "true", "pretty")}
    chosen = converted(
        tmp_path / "rows.jsonl",
        format=str(tmp_path / "mine.yaml"),
        read_options=ReadOptions(dimension="style"),
    )
    assert chosen.pairs == {("One?", "pretty", "true")}
