"""Comparisons, with a winner written in every way that people write it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from prefdata.errors import UsageError
from prefdata.formats import ReadOptions
from tests.roundtrip import Converted, Reject, Row, converted, jsonl, judged, make


def voted(
    folder: Path, winners: Sequence[object], read_options: ReadOptions | None = None
) -> Converted:
    """One row per winner: to question i, a said ``a i`` and b said ``b i``."""
    rows = [
        {"prompt": f"{i}?", "response_a": f"a {i}", "response_b": f"b {i}", "winner": winner}
        for i, winner in enumerate(winners)
    ]
    return converted(jsonl(folder / "votes.jsonl", rows), read_options=read_options)


def test_two_bad_answers_are_a_tie_with_a_reason_of_its_own(tmp_path: Path) -> None:
    """Neither answer is good: no pair, and the rejects say so."""
    bad = ["tie (bothbad)", "both_bad", "Both are bad", "both answers are wrong"]
    outcome = voted(tmp_path, ["a", *bad])
    assert outcome.pairs == {("0?", "a 0", "b 0")}
    assert outcome.refused == [
        Reject(i, "", "both answers are bad", "") for i in range(2, len(bad) + 2)
    ]


def question(folder: Path, winners: Sequence[object]) -> str:
    """What is asked about winners that can be read in two ways."""
    with pytest.raises(UsageError) as error:
        voted(folder, winners)
    assert str(error.value).endswith("looks like comparisons, but can be read in two ways")
    return error.value.hint


FIRST = [
    *("a", "A", " a ", '"a"', "model_a", "Model A", "response_a", "Response 1", "response_1"),
    *("output_a", "assistant_a", "Assistant A", "option 1", "left", "first", "the first", "1st"),
    *("[[A]]", "a-is-better", "a-is-slightly-better", "a is better", "A is much better", "A>B"),
    *("[[A>>B]]", "a wins", "response_a_better"),
]
SECOND = [
    *("b", "B", " b ", '"b"', "model_b", "Model B", "response_b", "Response 2", "response_2"),
    *("output_b", "assistant_b", "Assistant B", "option 2", "right", "second", "the second", "2nd"),
    *("[[B]]", "b-is-better", "b-is-slightly-better", "b is better", "B is much better", "A<B"),
    *("[[A<<B]]", "b wins", "response_b_better"),
]
TIES = [
    *("tie", "Tie", "tie (inconsistent)", "same", "equal", "draw", "both_good", "A≈B", "A ~ B"),
    *("neither", "both", "C", "[[C]]", "A=B", "[[A=B]]", "no preference", "about the same"),
]


def test_every_spelling_of_the_first_prefers_the_first(tmp_path: Path) -> None:
    """The response that the word names is chosen."""
    outcome = voted(tmp_path, FIRST)
    assert outcome.pairs == {(f"{i}?", f"a {i}", f"b {i}") for i in range(len(FIRST))}


def test_every_spelling_of_the_second_prefers_the_second(tmp_path: Path) -> None:
    """The mirror image."""
    outcome = voted(tmp_path, SECOND)
    assert outcome.pairs == {(f"{i}?", f"b {i}", f"a {i}") for i in range(len(SECOND))}


def test_no_spelling_of_a_tie_becomes_a_pair(tmp_path: Path) -> None:
    """Each tie is in the rejects, and the one decided row is the only pair."""
    outcome = voted(tmp_path, ["a", *TIES])
    assert outcome.pairs == {("0?", "a 0", "b 0")}
    assert outcome.refused == [Reject(i, "", "tie", "") for i in range(2, len(TIES) + 2)]


def test_no_verdict_is_neither_a_tie_nor_a_winner(tmp_path: Path) -> None:
    """Empty, null and N/A say that nobody decided."""
    outcome = voted(tmp_path, ["a", "", None, "N/A", "none"])
    assert outcome.pairs == {("0?", "a 0", "b 0")}
    assert [reject[:3] for reject in outcome.refused] == [
        (line, "winner", "no verdict") for line in (2, 3, 4, 5)
    ]


def test_an_unknown_word_among_known_ones_is_refused(tmp_path: Path) -> None:
    """It is not taken for a tie, nor for either side."""
    outcome = voted(tmp_path, ["a", "b", "perhaps"])
    assert len(outcome.pairs) == 2
    assert outcome.refused == [
        Reject(3, "winner", "winner is not one of the known words", "found perhaps")
    ]


@pytest.mark.parametrize("winners", [[1, 2], ["1", "2"], [1.0, 2.0], ["1", "2", "tie"]])
def test_one_and_two_are_the_first_and_the_second(
    winners: Sequence[object], tmp_path: Path
) -> None:
    """Nothing else can be meant once both are seen."""
    outcome = voted(tmp_path, winners)
    assert outcome.pairs == {("0?", "a 0", "b 0"), ("1?", "b 1", "a 1")}
    assert outcome.refused == [Reject(3, "", "tie", "")] * (len(winners) - 2)


SETTLE = "say so with --winner 'a=?,b=?,tie=?,none=?' (none= is for what carries no preference)"
THIRD = f"which means that the first is better, which the second, which a tie? {SETTLE}"
ASKED: dict[str, tuple[Sequence[object], str]] = {
    "0 and 1": ([0, 1], f"which means that the first is better, which the second? {SETTLE}"),
    "only 1": ([1, 1], f"is it the first or the second that is better there? {SETTLE}"),
    "only 2": ([2, 2], f"is it the first or the second that is better there? {SETTLE}"),
    "0, 1, 2": ([0, 1, 2], THIRD),
    "1, 2, 3": ([1, 2, 3], THIRD),
    "signed": (
        [-2, 0, 1],
        (
            f"is a negative number for the first or for the second? {SETTLE}"
            "; negative and positive stand for all numbers below and above 0"
        ),
    ),
    "four numbers": ([1, 3, 4, 7], f"what do the numbers mean? {SETTLE}"),
    "unknown words": (["one is better", "two is better"], f"what does it mean? {SETTLE}"),
}


@pytest.mark.parametrize(("winners", "hint"), ASKED.values(), ids=ASKED)
def test_what_can_be_read_in_two_ways_is_asked(
    winners: Sequence[object], hint: str, tmp_path: Path
) -> None:
    """Each value is there with its count and a row; the option to copy holds no polarity."""
    text = question(tmp_path, winners)
    assert text.endswith(hint)
    for value in set(winners):
        count = winners.count(value)
        row = f'"winner": {json.dumps(value)}'
        assert f"{value} ({count} row{'s' if count > 1 else ''}, such as " in text
        assert row in text
    assert not (tmp_path / "out").exists()


SETTLED: dict[str, tuple[Sequence[object], dict[str, str], str]] = {
    "0 is the first": ([0, 1], {"0": "a", "1": "b"}, "ab"),
    "1 is the first": ([0, 1], {"1": "a", "0": "b"}, "ba"),
    "1 of one": ([1, 1], {"1": "a", "2": "b"}, "aa"),
    "0 ties": ([0, 1, 2], {"1": "a", "2": "b", "0": "tie"}, "-ab"),
    "3 ties": ([1, 2, 3], {"1": "a", "2": "b", "3": "tie"}, "ab-"),
    "negative is the first": ([-3, 0, 1], {"negative": "a", "positive": "b", "0": "tie"}, "a-b"),
    "negative is the second": ([-3, 0, 1], {"negative": "b", "positive": "a", "0": "tie"}, "b-a"),
    "words": (["top", "bottom"], {"top": "a", "bottom": "b"}, "ab"),
}


@pytest.mark.parametrize(("winners", "meanings", "sides"), SETTLED.values(), ids=SETTLED)
def test_the_option_settles_it(
    winners: Sequence[object], meanings: dict[str, str], sides: str, tmp_path: Path
) -> None:
    """What the user declared goes before everything else."""
    outcome = voted(tmp_path, winners, ReadOptions(winner=meanings))
    assert outcome.pairs == {
        (f"{i}?", f"{side} {i}", f"{'b' if side == 'a' else 'a'} {i}")
        for i, side in enumerate(sides)
        if side != "-"
    }


def test_signed_strength_is_the_margin(tmp_path: Path) -> None:
    """A strength of -3 for the first is a margin of 3."""
    read_options = ReadOptions(winner={"negative": "a", "positive": "b", "0": "tie"})
    outcome = voted(tmp_path, [-3, 1], read_options)
    assert {row["margin"] for row in outcome.rows} == {3.0, 1.0}


def test_graded_words_give_the_margin(tmp_path: Path) -> None:
    """Slightly, better and much are 1, 2 and 3."""
    outcome = voted(tmp_path, ["a-is-slightly-better", "b-is-better", "a-is-much-better"])
    margins = {str(row["prompt"]): row["margin"] for row in outcome.rows}
    assert margins == {"0?": 1.0, "1?": 2.0, "2?": 3.0}


NAMED: dict[str, tuple[Sequence[Row], set[tuple[str, str, str]]]] = {
    "0-based columns": (
        [
            {"prompt": "0?", "response_0": "4", "response_1": "5", "better_response_id": 0},
            {"prompt": "1?", "response_0": "5", "response_1": "4", "better_response_id": 1},
        ],
        {("0?", "4", "5"), ("1?", "4", "5")},
    ),
    "1-based columns": (
        [
            {"prompt": "0?", "response_1": "4", "response_2": "5", "better_response_id": 1},
            {"prompt": "1?", "response_1": "5", "response_2": "4", "better_response_id": 2},
        ],
        {("0?", "4", "5"), ("1?", "4", "5")},
    ),
    "a single 1, of columns that count from 0": (
        [{"prompt": "0?", "response_0": "5", "response_1": "4", "better_response_id": 1}],
        {("0?", "4", "5")},
    ),
    "column names, counted from 0": (
        [{"prompt": "0?", "response_0": "5", "response_1": "4", "winner": "response_1"}],
        {("0?", "4", "5")},
    ),
    "column names, counted from 1": (
        [{"prompt": "0?", "output_1": "4", "output_2": "5", "preference": "output_1"}],
        {("0?", "4", "5")},
    ),
    "the name of the model": (
        [
            {
                "prompt": "0?",
                "response_a": "5",
                "response_b": "4",
                "model_a": "small",
                "model_b": "Large",
                "winner": "large",
            }
        ],
        {("0?", "4", "5")},
    ),
    "arena conversations": (
        [
            {
                "model_a": "small",
                "model_b": "large",
                "winner": "model_b",
                "conversation_a": [
                    {"role": "user", "content": "0?"},
                    {"role": "assistant", "content": "5"},
                ],
                "conversation_b": [
                    {"role": "user", "content": "0?"},
                    {"role": "assistant", "content": "4"},
                ],
            }
        ],
        {("0?", "4", "5")},
    ),
}


@pytest.mark.parametrize(("rows", "pairs"), NAMED.values(), ids=NAMED)
def test_the_names_of_columns_and_models_say_which_is_which(
    rows: Sequence[Row], pairs: set[tuple[str, str, str]], tmp_path: Path
) -> None:
    """0 is the first of response_0 and response_1; 1 is the first of response_1 and response_2."""
    outcome = converted(jsonl(tmp_path / "votes.jsonl", rows))
    assert outcome.pairs == pairs


def test_one_and_two_are_asked_about_where_columns_count_from_zero(tmp_path: Path) -> None:
    """1 may be response_1, which is the second, or the first of two."""
    rows = [{"prompt": f"{n}?", "response_0": "x", "response_1": "y", "winner": n} for n in (1, 2)]
    with pytest.raises(UsageError) as error:
        converted(jsonl(tmp_path / "votes.jsonl", rows))
    which = "which means that the first is better, which the second?"
    assert error.value.hint.endswith(f"{which} {SETTLE}")


def test_a_model_against_itself_cannot_win_by_its_name(tmp_path: Path) -> None:
    """Which of the two answers was meant is not known."""
    row = {"prompt": "0?", "response_a": "4", "response_b": "5", "model_a": "m", "model_b": "n"}
    rows = [{**row, "winner": "m"}, {**row, "model_b": "m", "winner": "m", "prompt": "1?"}]
    outcome = converted(jsonl(tmp_path / "votes.jsonl", rows))
    assert outcome.pairs == {("0?", "4", "5")}
    assert outcome.refused == [
        Reject(2, "winner", "winner is not one of the known words", "found m")
    ]


def test_one_column_per_outcome(tmp_path: Path) -> None:
    """Exactly one of winner_model_a, winner_model_b and winner_tie must be 1."""
    outcomes = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0), (1, 1, 0)]
    rows = [
        {
            "prompt": f"{i}?",
            "response_a": f"a {i}",
            "response_b": f"b {i}",
            "winner_model_a": a,
            "winner_model_b": b,
            "winner_tie": tie,
        }
        for i, (a, b, tie) in enumerate(outcomes)
    ]
    outcome = converted(jsonl(tmp_path / "votes.jsonl", rows))
    assert outcome.pairs == {("0?", "a 0", "b 0"), ("1?", "b 1", "a 1")}
    column = "winner_model_a"
    assert outcome.refused == [
        Reject(3, "", "tie", ""),
        Reject(4, column, "no verdict", ""),
        Reject(5, column, "winner is not one of the known words", "more than one outcome is 1"),
    ]


@pytest.mark.parametrize("word", ["", "none", "n/a", "-"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_word_for_nothing_means_what_the_user_says(
    word: str, suffix: str, tmp_path: Path
) -> None:
    """Also the empty cell of a table; where the user says nothing it is no verdict."""
    names, winners = ("prompt", "response_a", "response_b", "winner"), ("left", word, "right")
    rows = [(f"{number}?", "one", "two", winner) for number, winner in enumerate(winners)]
    file = tmp_path / f"votes.{suffix}"
    if suffix == "csv":
        file.write_text("\n".join(map(",".join, (names, *rows))) + "\n", encoding="utf-8")
    else:
        jsonl(file, [dict(zip(names, row, strict=True)) for row in rows])
    sides = {"left": "a", "right": "b"}
    for meanings, reason in (({word: "tie"}, "tie"), ({}, "no verdict")):
        outcome = converted(file, read_options=ReadOptions(winner={**sides, **meanings}))
        assert [reject.reason for reject in outcome.refused] == [reason]


def test_a_row_of_which_nobody_decided_anything_names_the_reason(tmp_path: Path) -> None:
    """A file with nothing but empty verdicts is an error that counts them."""
    with pytest.raises(ValueError, match=r"none of the 2 rows of .* gave a pair: .*no verdict"):
        voted(tmp_path, ["none", ""])


def test_the_models_can_be_left_out(tmp_path: Path) -> None:
    """An empty mapping of a column that would be taken otherwise."""
    row = {"prompt": "2+2?", "response_a": "4", "response_b": "5", "winner": "model_a"}
    path = jsonl(tmp_path / "votes.jsonl", [{**row, "model_a": "x", "model_b": "y"}])
    (pair,) = converted(path, read_options=ReadOptions({"model_a": (), "model_b": ()})).rows
    assert (pair["model_chosen"], pair["model_rejected"]) == (None, None)


@pytest.mark.parametrize("odd", [2, -1, "3", 0.5])
def test_a_number_that_nobody_declared_is_no_winner(tmp_path: Path, odd: object) -> None:
    """Where 0 is the first and 1 the second, 2 is neither: it is not taken for the second."""
    outcome = voted(tmp_path, [0, 1, odd], ReadOptions(winner={"0": "a", "1": "b"}))
    assert outcome.pairs == {("0?", "a 0", "b 0"), ("1?", "b 1", "a 1")}
    text = "0.5" if odd == 0.5 else str(odd)
    assert outcome.refused == [
        Reject(3, "winner", "winner is not one of the known words", f"found {text}")
    ]


def test_strength_votes_and_agreement_can_be_mapped(tmp_path: Path) -> None:
    """They come out as margin, votes and agreement; what cannot be one is refused by name."""
    base = {"response_a": "a", "response_b": "b", "winner": "a", "by": 2, "n": 3, "share": 0.75}
    odd: list[Row] = [{}, {"by": "much"}, {"by": -1}, {"n": 0}, {"n": 1.5}, {"share": 2}]
    rows = [{"prompt": f"{n}?", **base, **each} for n, each in enumerate(odd)]
    columns = {
        "prompt": ("prompt",),
        "response_a": ("response_a",),
        "response_b": ("response_b",),
        "winner": ("winner",),
        "strength": ("by",),
        "votes": ("n",),
        "agreement": ("share",),
    }
    outcome = converted(
        jsonl(tmp_path / "votes.jsonl", rows), read_options=ReadOptions(columns=columns)
    )
    (row,) = outcome.rows
    assert (row["margin"], row["votes"], row["agreement"]) == (2.0, 3, 0.75)
    assert [(each.line, each.field, each.reason) for each in outcome.refused] == [
        (2, "by", "not a number"),
        (3, "by", "wrong type"),
        (4, "n", "wrong type"),
        (5, "n", "wrong type"),
        (6, "share", "wrong type"),
    ]


def test_a_winner_named_by_a_column_that_changes_sides_is_told_apart(tmp_path: Path) -> None:
    """A name is no side: where each row says who wrote which answer, the hint names the columns."""
    rows = [
        {**judged("4", "5", "Anna"), "writer_a": "Anna", "writer_b": "Bob"},
        {**judged("5", "4", "Anna", "again?"), "writer_a": "Bob", "writer_b": "Anna"},
    ]
    with pytest.raises(UsageError) as caught:
        make(tmp_path / "asked", rows)
    hint = "writer_a and writer_b hold these names; say --map model_a=writer_a,model_b=writer_b"
    assert caught.value.hint.startswith("winner holds anna (2 rows")
    assert caught.value.hint.endswith(hint)
    read_options = ReadOptions(columns={"model_a": ("writer_a",), "model_b": ("writer_b",)})
    assert make(tmp_path / "told", rows, read_options=read_options).answers == [
        ("4", "5"),
        ("4", "5"),
    ]


def test_a_winner_that_repeats_an_answer_is_told(tmp_path: Path) -> None:
    """No side can be given for each text."""
    with pytest.raises(UsageError) as caught:
        make(tmp_path, [judged("four", "five", "four"), judged("six", "two", "two", "else?")])
    assert caught.value.hint.endswith("it repeats the text of an answer; write a, b or tie instead")
