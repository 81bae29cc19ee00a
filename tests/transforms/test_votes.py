"""The same two responses more than once: merged where verdicts agree, else resolved."""

from __future__ import annotations

import unicodedata

import pytest

from prefdata.transforms.options import Conflicts
from tests.roundtrip import judged, labelled, pair, rated
from tests.transforms.from_records import paired

OTHER = pair("good", "bad", "another prompt")


def test_duplicates_become_one_pair_with_the_votes_of_all() -> None:
    """Three rows say the same: one pair with three votes; the later rows name it."""
    made = paired([pair("x", "y"), pair("x", "y"), pair("x", "y")])
    assert (made.only["votes"], made.only["agreement"]) == (3, 1.0)
    assert made.became(1) == [("kept", "kept")]
    assert made.became(2) == made.became(3) == [("merged", "duplicate of a pair")]
    assert {e["pair"] for e in made.outcomes} == {made.only["id"]}


@pytest.mark.parametrize(
    "same",
    [
        pair(" x\n", "y", "  Q  "),
        pair("x", "y\t", "Q\r\n"),
        pair("x", "y\u00a0", "\u3000Q"),
    ],
)
def test_outer_white_space_does_not_tell_texts_apart(same: dict[str, object]) -> None:
    """White space at either end is an accident of the export."""
    assert paired([pair("x", "y"), same]).only["votes"] == 2


def test_line_breaks_and_accents_are_the_same_in_every_spelling() -> None:
    """CRLF is LF, and é is é whether it is one code point or two."""
    one = pair("a\nb", unicodedata.normalize("NFC", "café"))
    two = pair("a\r\nb", unicodedata.normalize("NFD", "café"))
    assert paired([one, two]).only["votes"] == 2


@pytest.mark.parametrize("other", ["if x:\n  y", "if x:\n\n    y", "IF x:\n    y", "if x:\n    y."])
def test_inner_white_space_has_meaning(other: str) -> None:
    """Code with another indentation is another text."""
    assert len(paired([pair("if x:\n    y", "z"), pair(other, "z")]).rows) == 2


def test_text_is_kept_as_it_was() -> None:
    """Normal forms are for comparing; the data set holds what the first row wrote."""
    assert paired([pair(" x\r\n", "y"), pair("x", "y")]).only["chosen"] == " x\r\n"


def test_given_votes_add_up_and_agreement_is_their_mean() -> None:
    """Four votes with agreement 1 and two with 0.5: six votes, five of them for the chosen one."""
    rows = [pair("x", "y", votes=4, agreement=1.0), pair("x", "y", votes=2, agreement=0.5)]
    found = paired(rows).only
    assert found["votes"] == 6
    assert found["agreement"] == pytest.approx(5 / 6)


def test_shares_add_up_to_the_same_in_any_order() -> None:
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in the last digit; the pair does not."""
    rows = [pair("x", "y", votes=1, agreement=share) for share in (0.1, 0.2, 0.3)]
    one, two = paired(rows), paired(rows[::-1])
    assert one.only["agreement"] == two.only["agreement"]


def test_agreement_that_is_not_given_is_not_made_up() -> None:
    """Five votes without a word on agreement: unknown, also where another row is merged into it."""
    assert paired([pair("x", "y", votes=5)]).only["agreement"] is None
    rows = [pair("x", "y", votes=5), pair("x", "y", votes=1, agreement=1.0)]
    found = paired(rows).only
    assert (found["votes"], found["agreement"]) == (6, None)


@pytest.mark.parametrize(
    ("conflicts", "pairs"),
    [("majority", [("x", "y")]), ("drop", []), ("keep", [("x", "y"), ("y", "x")])],
)
def test_conflicts(conflicts: Conflicts, pairs: list[tuple[str, str]]) -> None:
    """Two say x, one says y: decided by majority, dropped, or kept both ways, as asked."""
    rows = [judged("x", "y", "a"), judged("y", "x", "b"), judged("x", "y", "b")]
    made = paired([*rows, judged("p", "q", "a")], conflicts=conflicts)
    assert made.answers == sorted([*pairs, ("p", "q")])


def test_the_majority_outvotes_and_both_sides_are_named() -> None:
    """The row that lost is left over, and names the pair that it lost against."""
    rows = [judged("x", "y", "b"), judged("x", "y", "a"), judged("y", "x", "b")]
    made = paired(rows)
    assert (made.only["chosen"], made.only["votes"]) == ("x", 3)
    assert made.only["agreement"] == pytest.approx(2 / 3)
    assert made.became(1) == [("left over", "outvoted")]
    assert made.became(2) == [("kept", "kept")]
    assert made.became(3) == [("merged", "duplicate of a pair")]
    assert {e["pair"] for e in made.outcomes} == {made.only["id"]}


def test_an_even_conflict_gives_no_pair() -> None:
    """One against one is no majority: both are refused, with the reason."""
    made = paired([pair("x", "y"), pair("y", "x"), OTHER])
    assert made.answers == [("good", "bad")]
    for line in (1, 2):
        assert made.became(line) == [("rejected", "verdicts contradict each other")]


def test_conflicts_are_found_across_files() -> None:
    """Two files that contradict each other are one conflict."""
    made = paired([pair("x", "y"), OTHER], [pair("y", "x")])
    assert made.answers == [("good", "bad")]
    assert made.became(1, "0.jsonl") == [("rejected", "verdicts contradict each other")]
    assert made.became(1, "1.jsonl") == [("rejected", "verdicts contradict each other")]


def test_ratings_and_comparisons_speak_of_the_same_pair() -> None:
    """Ratings put x above y and a vote says the same: one pair with the scores and both votes."""
    made = paired([rated("x", 5), rated("y", 2)], [judged("y", "x", "b")])
    assert made.answers == [("x", "y")]
    assert (made.only["score_chosen"], made.only["margin"], made.only["votes"]) == (5.0, 3.0, 2)
    entries = [e for e in made.outcomes if e["outcome"] in ("kept", "merged")]
    assert {e["pair"] for e in entries} == {made.only["id"]}
    assert len(entries) == 3


def test_ratings_and_comparisons_can_contradict_each_other() -> None:
    """Ratings put x above y, two votes say y: y wins, and both ratings are left over."""
    votes = [judged("y", "x", "a"), judged("y", "x", "a")]
    made = paired([rated("x", 5), rated("y", 2)], votes)
    assert made.answers == [("y", "x")]
    assert (made.only["score_chosen"], made.only["votes"]) == (None, 3)
    assert made.became(1, "0.jsonl") == made.became(2, "0.jsonl") == [("left over", "outvoted")]


def test_a_tie_is_no_pair() -> None:
    """A tie is an outcome with a reason."""
    made = paired([judged("x", "y", "tie"), judged("p", "q", "a")])
    assert made.answers == [("p", "q")]
    assert made.became(1) == [("rejected", "tie")]


def test_one_vote_against_one_tie_is_undecided() -> None:
    """One annotator prefers x, one sees no difference: not more votes for x than against it."""
    rows = [judged("x", "y", "a"), judged("x", "y", "tie"), judged("p", "q", "a")]
    made = paired(rows)
    assert made.answers == [("p", "q")]
    assert made.became(1) == [("rejected", "verdicts contradict each other")]
    assert made.became(2) == [("rejected", "tie")]


def test_two_votes_outweigh_one_tie() -> None:
    """The tie counts as a vote that does not prefer the chosen one."""
    rows = [judged("x", "y", "a"), judged("x", "y", "tie"), judged("x", "y", "a")]
    found = paired(rows).only
    assert (found["chosen"], found["votes"]) == ("x", 3)
    assert found["agreement"] == pytest.approx(2 / 3)


def test_a_majority_of_ties_is_a_tie() -> None:
    """Ties lead: whatever the others say, there is no pair."""
    rows = [judged("x", "y", w) for w in ("a", "b", "tie", "tie")]
    made = paired([*rows, judged("p", "q", "a")])
    assert made.answers == [("p", "q")]
    assert made.became(3) == made.became(4) == [("rejected", "tie")]


def test_a_kept_conflict_gives_each_side_its_own_votes() -> None:
    """Two strong verdicts for x, a weak one for y: two pairs, each with what speaks for it."""
    rows = [judged("x", "y", -3), judged("x", "y", -2), judged("x", "y", 1), judged("x", "y", 0)]
    made = paired(rows, conflicts="keep")
    found = {row["chosen"]: (row["votes"], row["agreement"], row["margin"]) for row in made.rows}
    assert found == {"x": (2, 1.0, 2.5), "y": (1, 1.0, 1.0)}


def test_strength_becomes_the_margin() -> None:
    """-2 is two steps for the first, 1 is one step for the second."""
    rows = [judged("x", "y", -2), judged("p", "q", 1), judged("s", "t", 0)]
    made = paired(rows)
    assert {(r["chosen"], r["rejected"], r["margin"]) for r in made.rows} == {
        ("x", "y", 2.0),
        ("q", "p", 1.0),
    }


def test_strength_is_the_mean_of_all_verdicts_seen_from_the_winner() -> None:
    """3 and 2 for x, 1 for y and a tie: (3 + 2 - 1 + 0) / 4."""
    rows = [judged("x", "y", w) for w in (-3, -2, 1, 0)]
    assert paired(rows[1:]).rows == []
    rows = [judged("x", "y", -3), *rows]
    assert paired(rows).only["margin"] == pytest.approx(7 / 5)


def test_strength_that_speaks_for_the_loser_is_no_margin() -> None:
    """Two weak verdicts for x outvote a strong one for y: x is chosen, by an unknown margin."""
    rows = [judged("x", "y", -1), judged("x", "y", -1), judged("x", "y", 5)]
    made = paired(rows)
    assert (made.only["chosen"], made.only["margin"]) == ("x", None)


def test_every_verdict_on_a_pair_that_is_too_close_says_so() -> None:
    """Where the margin is too small, the outvoted and the ties have that reason too."""
    rows = [judged("x", "y", w) for w in (-1, -1, 1, 0)]
    rows = [judged("x", "y", -1), *rows, judged("p", "q", -5)]
    made = paired(rows, min_margin=2)
    assert made.answers == [("p", "q")]
    assert made.by_row["rejected"] == {"margin is too small": 5}


def test_min_margin_needs_a_margin() -> None:
    """Where there is neither score nor strength, the margin is unknown, and that is the reason."""
    made = paired([pair("x", "y"), pair("p", "q", margin=2)], min_margin=1)
    assert made.answers == [("p", "q")]
    assert made.became(1) == [("rejected", "margin is unknown")]


def test_scores_of_merged_rows_stay_in_order() -> None:
    """Scores of different rows are not set against each other."""
    rows = [
        pair("x", "y", score_chosen=2, score_rejected=None),
        pair("x", "y", score_chosen=None, score_rejected=3),
    ]
    found = paired(rows).only
    assert (found["score_chosen"], found["score_rejected"], found["margin"]) == (2.0, None, None)
    rows.append(pair("x", "y", score_chosen=5, score_rejected=4))
    found = paired(rows).only
    assert (found["score_chosen"], found["score_rejected"], found["margin"]) == (5.0, 4.0, 1.0)


def test_identical_responses_with_ratings_are_one_response() -> None:
    """Two models gave the same answer, rated 5 and 1: one response with the mean 3."""
    made = paired([rated("same", 5), rated("same ", 1), rated("other", 2)])
    assert (made.answers, made.only["score_chosen"]) == ([("same", "other")], 3.0)


def test_labels_that_repeat_are_merged() -> None:
    """The same answer, twice good: one row, with the mean of the weights, in either order."""
    rows = [labelled("x", True, weight=1.0), labelled(" x", True, weight=2.0)]
    for given in (rows, rows[::-1]):
        made = paired(given)
        assert (made.only["label"], made.only["weight"]) == (True, 1.5)
        assert made.became(2) == [("merged", "duplicate of a pair")]


@pytest.mark.parametrize(
    ("conflicts", "labels"), [("majority", [True]), ("drop", []), ("keep", [False, True])]
)
def test_labels_that_contradict_each_other(conflicts: Conflicts, labels: list[bool]) -> None:
    """Good, good and bad of one answer: by majority good, or dropped, or kept both ways."""
    rows = [labelled("x", True), labelled("x", False), labelled("x", True), labelled("y", True)]
    made = paired(rows, conflicts=conflicts)
    assert sorted(bool(r["label"]) for r in made.rows if r["completion"] == "x") == labels
    second = {
        "majority": ("left over", "outvoted"),
        "drop": ("rejected", "verdicts contradict each other"),
        "keep": ("kept", "kept"),
    }[conflicts]
    assert made.became(2) == [second]
