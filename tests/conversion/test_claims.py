"""Two columns that say the same thing: asked about where they differ in any row, told where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from prefdata.errors import QuestionError
from tests.roundtrip import Row, judged, labelled, make, rated


def asked_in(folder: Path, rows: list[Row]) -> list[Any]:
    """The questions that a conversion asks."""
    with pytest.raises(QuestionError, match="two ways") as asked:
        make(folder, rows)
    return cast("list[Any]", asked.value.questions)


def votes(**columns: list[object]) -> list[Row]:
    """Comparisons with a winner, and one more column."""
    (name,) = set(columns) - {"winner"}
    both = zip(columns["winner"], columns[name], strict=True)
    return [judged("A", "B", w, f"Q{n}", **{name: v}) for n, (w, v) in enumerate(both)]


def scores(column: str, *rows: tuple[object, object]) -> list[Row]:
    """Answers to one prompt, with a score and one more column."""
    return [{**rated(f"A{n}", score), column: other} for n, (score, other) in enumerate(rows)]


def labels(column: str, *rows: tuple[object, object]) -> list[Row]:
    """Labelled answers with one more column."""
    return [
        {"prompt": "Q", "response": f"A{n}", "label": label, column: other}
        for n, (label, other) in enumerate(rows)
    ]


DIFFER: dict[str, tuple[list[Row], str]] = {
    "winner and human_label": (votes(winner=["a", "b"], human_label=["a", "a"]), "human_label"),
    "winner and a numbered vote": (votes(winner=["a", "b"], vote=["2", "1"]), "vote"),
    "winner and a tie": (votes(winner=["a", "b"], choice=["tie", "b"]), "choice"),
    "winner and a spoken verdict": (votes(winner=["a", "b"], verdict=["A", "A"]), "verdict"),
    "winner and 0 or 1": (votes(winner=["a", "b", "a"], label=[0, 1, 1]), "label"),
    "winner and strength": (
        votes(winner=["a", "b", "a"], preference_strength=[-2, 1, 2]),
        "preference_strength",
    ),
    "winner and margin": (votes(winner=["a", "a", "b"], margin=[3, -1, -2]), "margin"),
    "score and rank": (scores("rank", (1, 1), (5, 2)), "rank"),
    "score and ranking": (scores("ranking", (5, 1), (3, 3), (1, 2)), "ranking"),
    "score and rating": (scores("rating", (1, 5), (5, 1)), "rating"),
    "score and stars": (scores("stars", (1, "2"), (2, "3"), (3, "1")), "stars"),
    "score and helpfulness": (scores("helpfulness", (4, 1), (2, 3)), "helpfulness"),
    "label and liked": (labels("liked", (True, True), (False, True)), "liked"),
    "label and feedback": (labels("feedback", (True, "good"), (False, "good")), "feedback"),
    "label and score": (labels("score", (True, 1), (False, 5)), "score"),
    "label and rating": (labels("rating", (True, 4), (True, 2), (False, 3)), "rating"),
}
AGREE: dict[str, tuple[list[Row], str, int]] = {
    "winner": (votes(winner=["a", "b"], human_label=["A", "model b"]), "human_label", 2),
    "winner, partly filled": (votes(winner=["a", "b"], vote=["a", None]), "vote", 1),
    "0 and 1": (votes(winner=["a", "b"], label=[1, 0]), "label", 2),
    "first below": (votes(winner=["a", "b"], strength=[-2, 1]), "strength", 2),
    "first above": (votes(winner=["a", "b"], strength=[2, -1]), "strength", 2),
    "rank": (scores("rank", (5, 1), (3, 2), (3, 3), (1, 4)), "rank", 4),
    "another scale": (scores("rating", (5, 1.0), (3, 0.6), (1, 0.2)), "rating", 3),
    "ties of one": (scores("rating", (5, 2), (3, 2), (1, 2)), "rating", 3),
    "label": (labels("liked", (True, 1), (False, 0)), "liked", 2),
    "label and score": (labels("score", (True, 4), (False, 2), (True, 2)), "label", 3),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFER)
def test_columns_that_differ_are_asked_about(tmp_path: Path, case: str) -> None:
    """Each line settles it when it is copied, and the difference is told in one line."""
    rows, other = DIFFER[case]
    (question,) = asked_in(tmp_path / "asked", rows)
    assert other in question["columns"]
    for number, line in enumerate(question["lines"]):
        option, _, value = line.partition(" ")
        field, _, column = value.partition("=")
        settled: dict[str, Any] = (
            {"ignore": [value]} if option == "--ignore" else {"columns": {field: column}}
        )
        if column in ("preference_strength", "margin") or (column, other) == ("label", "label"):
            continue
        made = make(tmp_path / str(number), rows, **settled)
        notes = made.report.sources[0].notes
        assert [("differs" in note.text) for note in notes] == [True] * bool(column)


@pytest.mark.parametrize("case", AGREE)
def test_columns_that_agree_are_told_in_one_line(tmp_path: Path, case: str) -> None:
    """With the number of rows in which both are filled."""
    rows, other, count = AGREE[case]
    made = make(tmp_path, rows)
    (note,) = made.report.sources[0].notes
    assert (note.column, note.rows) == (other, count)
    assert note.text.endswith("agrees")


def test_what_kto_trainers_read_is_a_label(tmp_path: Path) -> None:
    """Beside a completion and its label a score only explains: the difference is told."""
    rows = [labelled("bad", label=True, score=1), labelled("good", label=False, score=5)]
    (note,) = make(tmp_path, rows).report.sources[0].notes
    assert "which is read as label, and differs" in note.text


NO_CLAIM: dict[str, list[Row]] = {
    "a category": votes(winner=["a", "b"], label=["coding", "maths"]),
    "a strength without a sign": votes(winner=["a", "b"], preference_strength=[2, 1]),
    "an empty column": votes(winner=["a", "b"], human_label=["", None]),
    "grades in words": scores("quality", (5, "high"), (1, "low")),
    "ranks of two prompts": [
        rated("A", 1, "Q1", rank=1), rated("B", 0, "Q1", rank=2),
        rated("A", 9, "Q2", rank=1), rated("B", 8, "Q2", rank=2),
    ],
    "ranks of two raters": [
        rated("A", 2, annotator="x", rank=1), rated("B", 1, annotator="x", rank=2),
        rated("A", 9, annotator="y", rank=1), rated("B", 8, annotator="y", rank=2),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", NO_CLAIM)
def test_other_columns_are_not_asked_about(tmp_path: Path, case: str) -> None:
    """A column claims something only if all its values are words or numbers of that kind."""
    assert make(tmp_path, NO_CLAIM[case]).rows


@pytest.mark.parametrize("place", [0, 2998])
def test_one_row_among_many_is_enough(tmp_path: Path, place: int) -> None:
    """Wherever it stands in a file that is longer than the sample, with the counts of all rows."""
    words = ["ab"[n % 2] for n in range(3000)]
    others = [*words]
    others[place] = "b"
    assert words[place] == "a"
    (question,) = asked_in(tmp_path, votes(winner=list(words), human_label=list(others)))
    assert "differ in 1 of 3,000 rows" in question["text"]
