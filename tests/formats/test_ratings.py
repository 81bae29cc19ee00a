"""Ratings: long, wide and in lists; scores and ranks; 4 is always the better answer than 5."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from prefdata.errors import InputError, UsageError
from prefdata.formats import ReadOptions
from tests.roundtrip import Reject, Row, converted, jsonl

ASKED = "What is 2 + 2?"
ONE = {(ASKED, "4", "5")}


def long(column: str, four: object, five: object) -> list[Row]:
    """Two answers, each on a row of its own, with a number in a column of that name."""
    return [
        {"prompt": ASKED, "response": "4", column: four},
        {"prompt": ASKED, "response": "5", column: five},
    ]


SHAPES: dict[str, Sequence[Row]] = {
    "long score": long("score", 5, 1),
    "long stars": long("stars", 5, 1),
    "long score as text": long("Rating", "5", " 1.5 "),
    "long score as text and number": long("score", "5", 1),
    "long rank": long("rank", 1, 2),
    "score beside rank": [
        {**row, "score": s} for row, s in zip(long("rank", 1, 2), (9, 3), strict=True)
    ],
    "wide letters": [
        {"prompt": ASKED, "response_a": "4", "score_a": 5, "response_b": "5", "score_b": 1}
    ],
    "wide numbers, score last": [
        {
            "prompt": ASKED,
            "response_1": "4",
            "response_1_score": 5,
            "response_2": "5",
            "response_2_score": 1,
        }
    ],
    "wide from 0": [
        {"prompt": ASKED, "answer_0": "4", "rating_0": 5, "answer_1": "5", "rating_1": 1}
    ],
    "wide ranks": [
        {"prompt": ASKED, "response_a": "4", "rank_a": 1, "response_b": "5", "rank_b": 2}
    ],
    "wide with three": [
        {
            "prompt": ASKED,
            "answer_1": "3",
            "score_1": 4,
            "answer_2": "4",
            "score_2": 5,
            "answer_3": "5",
            "score_3": 1,
        }
    ],
    "lists": [{"prompt": ASKED, "responses": ["3", "4", "5"], "scores": [4, 5, 1]}],
    "lists of ranks": [{"prompt": ASKED, "responses": ["3", "4", "5"], "ranks": [2, 1, 3]}],
    "lists with N/A": [{"prompt": ASKED, "responses": ["4", "3", "5"], "scores": ["5", "N/A", 1]}],
    "lists as JSON in a cell": [{"prompt": ASKED, "responses": '["4", "5"]', "scores": "[5, 1]"}],
    "lists as Python in a cell": [
        {"prompt": ASKED, "responses": "['4', '5']", "scores": "[5.0, 1]"}
    ],
    "lists of messages": [
        {
            "prompt": ASKED,
            "responses": [{"role": "assistant", "content": "4"}, {"content": "5"}],
            "scores": [5, 1],
        }
    ],
    "instruction and generations": [
        {"instruction": ASKED, "generations": ["4", "5"], "ratings": [5.0, 1.0]}
    ],
}


@pytest.mark.parametrize("rows", SHAPES.values(), ids=SHAPES)
def test_the_better_answer_is_chosen(rows: Sequence[Row], tmp_path: Path) -> None:
    """A high score is good, a low rank is good, and nothing else is assumed."""
    outcome = converted(jsonl(tmp_path / "ratings.jsonl", rows))
    assert outcome.pairs == ONE


@pytest.mark.parametrize("column", ["grade", "position", "level", "order", "mark"])
def test_a_number_that_may_be_a_score_or_a_rank_is_asked_about(column: str, tmp_path: Path) -> None:
    """The hint names both options, and each settles it."""
    source = jsonl(tmp_path / "ratings.jsonl", long(column, 1, 2))
    with pytest.raises(UsageError, match="looks like ratings-long, but can be read in two") as e:
        converted(source)
    assert e.value.hint == (
        f"{column!r} may be a score or a rank: say --map score={column} if a high number is good, "
        f"or --map rank={column} if 1 is best"
    )
    assert converted(source, read_options=ReadOptions(columns={"rank": (column,)})).pairs == ONE
    other = converted(source, read_options=ReadOptions(columns={"score": (column,)}))
    assert other.pairs == {(ASKED, "5", "4")}


SCORES: dict[str, tuple[object, Reject]] = {
    "N/A": ("N/A", Reject(3, "score", "field is missing", "found N/A")),
    "empty": ("", Reject(3, "score", "field is missing", "")),
    "null": (None, Reject(3, "score", "field is missing", "")),
    "a word": ("five", Reject(3, "score", "not a number", "found five")),
    "a fraction": ("4/5", Reject(3, "score", "not a number", "found 4/5")),
    "infinite": ("inf", Reject(3, "score", "not a number", "found inf")),
    "true": (True, Reject(3, "score", "not a number", "found true")),
    "a list": ([5], Reject(3, "score", "wrong type", "expected text, found a list")),
}


@pytest.mark.parametrize(("score", "reject"), SCORES.values(), ids=SCORES)
def test_a_score_that_is_none_refuses_its_row(
    score: object, reject: Reject, tmp_path: Path
) -> None:
    """It enters no mean, and changes no other row."""
    rows = [*long("score", "5", "1"), {"prompt": ASKED, "response": "6", "score": score}]
    outcome = converted(jsonl(tmp_path / "ratings.jsonl", rows))
    assert outcome.pairs == ONE
    assert outcome.refused == [reject]


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("odd", [[5], {"of": 5}])
def test_a_list_among_scores_is_the_slip_of_its_row(
    odd: object, place: int, tmp_path: Path
) -> None:
    """Wherever it stands, and beside words too."""
    rows: list[Row] = [*long("score", "5", "1"), {"prompt": ASKED, "response": "7", "score": "N/A"}]
    rows.insert(place, {"prompt": ASKED, "response": "6", "score": odd})
    outcome = converted(jsonl(tmp_path / "ratings.jsonl", rows))
    assert outcome.pairs == ONE
    assert {reject.reason for reject in outcome.refused} == {"wrong type", "field is missing"}


def test_scores_that_are_lists_are_no_scores(tmp_path: Path) -> None:
    """A column that holds nothing but lists is refused row by row, not with a traceback."""
    with pytest.raises(InputError, match=r"none of the 2 rows of .* gave a pair: .*not a number"):
        converted(jsonl(tmp_path / "ratings.jsonl", long("score", [5], [1])))


LISTS: dict[str, tuple[Row, Reject]] = {
    "fewer scores": (
        {"prompt": "x?", "responses": ["4", "5"], "scores": [5]},
        Reject(2, "scores", "wrong type", "2 responses, but 1 in scores"),
    ),
    "no scores": (
        {"prompt": "x?", "responses": ["4", "5"], "scores": None},
        Reject(2, "scores", "wrong type", "2 responses, but 0 in scores"),
    ),
    "one response": (
        {"prompt": "x?", "responses": ["4"], "scores": [5]},
        Reject(2, "responses", "fewer than two responses", ""),
    ),
    "text": (
        {"prompt": "x?", "responses": "4", "scores": [5]},
        Reject(2, "responses", "wrong type", ""),
    ),
}


@pytest.mark.parametrize(("row", "reject"), LISTS.values(), ids=LISTS)
def test_lists_that_do_not_match_refuse_their_row(row: Row, reject: Reject, tmp_path: Path) -> None:
    """A score is never given to another response than its own."""
    sound = {"prompt": ASKED, "responses": ["4", "5"], "scores": [5, 1]}
    outcome = converted(jsonl(tmp_path / "ratings.jsonl", [sound, row]))
    assert outcome.pairs == ONE
    (refused,) = outcome.refused
    assert refused[:3] == reject[:3]
    assert refused.detail == reject.detail or not reject.detail


def test_a_list_without_scores_is_ranked_when_the_user_says_so(tmp_path: Path) -> None:
    """With --map ranked=…, the first of the list is the best."""
    source = jsonl(tmp_path / "ratings.jsonl", [{"prompt": ASKED, "completions": ["4", "5"]}])
    assert (
        converted(source, read_options=ReadOptions(columns={"ranked": ("completions",)})).pairs
        == ONE
    )


def test_an_empty_answer_in_a_list_costs_only_itself(tmp_path: Path) -> None:
    """The other answers of the row make their pair."""
    row = {"prompt": ASKED, "responses": ["4", "", None, "5"], "scores": [5, 9, 9, 1]}
    outcome = converted(jsonl(tmp_path / "ratings.jsonl", [row]))
    assert outcome.pairs == ONE
    assert outcome.refused == []


def test_several_dimensions_are_asked_about(tmp_path: Path) -> None:
    """Ratings on two dimensions are not mixed unasked; --dimension says which counts."""
    rows = [
        *({**row, "dimension": "accuracy"} for row in long("score", 5, 1)),
        *({**row, "dimension": "brevity"} for row in long("score", 1, 5)),
    ]
    source = jsonl(tmp_path / "ratings.jsonl", rows)
    with pytest.raises(
        UsageError, match=r"has ratings on several dimensions: accuracy, brevity$"
    ) as e:
        converted(source)
    assert e.value.hint.startswith("Say what decides: one of them (--dimension accuracy), ")
    assert converted(source, read_options=ReadOptions(dimension="accuracy")).pairs == ONE
    assert converted(source, read_options=ReadOptions(dimension="brevity")).pairs == {
        (ASKED, "5", "4")
    }


def test_an_annotator_may_be_a_list(tmp_path: Path) -> None:
    """MT-Bench writes a judge as a list of model and prompt: it is one annotator all the same."""
    rows = [{**row, "judge": ["gpt-4", "pair"]} for row in long("score", 5, 1)]
    outcome = converted(jsonl(tmp_path / "ratings.jsonl", rows))
    assert outcome.pairs == ONE


def test_a_nested_list_in_one_cell_changes_no_other_row(tmp_path: Path) -> None:
    """Texts stay texts where another row of the same file holds messages or a broken list."""
    rows = [
        {"prompt": ASKED, "responses": '["4", "5"]', "scores": "[5, 1]"},
        {
            "prompt": "b?",
            "responses": '[{"role": "assistant", "content": "x"}, {"content": "y"}]',
            "scores": "[5, 1]",
        },
        {"prompt": "c?", "responses": "__import__('os')", "scores": "[5, 1]"},
        {"prompt": "d?", "responses": r'["\ud800", "5"]', "scores": "[5, 1]"},
    ]
    outcome = converted(jsonl(tmp_path / "ratings.jsonl", rows))
    assert outcome.pairs == {(ASKED, "4", "5"), ("b?", "x", "y")}
    refused = Reject(0, "responses", "wrong type", "expected a list")
    assert outcome.refused == [refused._replace(line=3), refused._replace(line=4)]


@pytest.mark.parametrize(
    ("column", "read_options"),
    [("list_id", ReadOptions()), ("by", ReadOptions(columns={"list": ("by",)}))],
)
def test_ranks_of_two_lists_do_not_mix(
    tmp_path: Path, column: str, read_options: ReadOptions
) -> None:
    """Rank 1 of one list is not above rank 2 of another, though the prompt is the same."""
    rows = [
        {**row, "response": answer, column: name}
        for name, answers in (("x", ("4", "5")), ("y", ("four", "five")))
        for row, answer in zip(long("rank", 1, 2), answers, strict=True)
    ]
    outcome = converted(jsonl(tmp_path / "ranks.jsonl", rows), read_options=read_options)
    assert outcome.pairs == {(ASKED, "4", "5"), (ASKED, "four", "five")}


@pytest.mark.parametrize("field", ["score", "annotator"])
def test_a_column_that_would_be_left_out_is_named(field: str, tmp_path: Path) -> None:
    """Scores of several people in columns of a row are not read as those of the first alone."""
    rows = [{**row, "anna": "5", "bob": "2"} for row in long("score", 5, 1)]
    read_options = ReadOptions(columns={field: ("anna", "bob")})
    refused = f"one column is read as {field}: bob would be left out"
    with pytest.raises(UsageError, match=refused):
        converted(jsonl(tmp_path / "in.jsonl", rows), read_options=read_options)
