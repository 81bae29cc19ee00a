"""The same two responses more than once: merged where verdicts agree, else resolved."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from prefdata.errors import InputError
from prefdata.formats import ReadOptions
from prefdata.transforms.options import Conflicts
from tests.roundtrip import judged, labelled, make, pair, rated

OTHER = pair("good", "bad", "another prompt")
SIGNED = ReadOptions(winner={"negative": "a", "positive": "b", "0": "tie"})


def test_duplicates_become_one_pair_with_the_votes_of_all(tmp_path: Path) -> None:
    """Three rows say the same: one pair with three votes; the later rows name it."""
    made = make(tmp_path, [pair("x", "y"), pair("x", "y"), pair("x", "y")])
    assert (made.only["votes"], made.only["agreement"]) == (3, 1.0)
    assert made.became(1) == [("kept", "kept")]
    assert made.became(2) == made.became(3) == [("merged", "duplicate of a pair")]
    assert {e["pair"] for e in made.ledger} == {made.only["id"]}


@pytest.mark.parametrize(
    "same",
    [
        pair(" x\n", "y", "  Q  "),
        pair("x", "y\t", "Q\r\n"),
        pair("x", "y\u00a0", "\u3000Q"),
    ],
)
def test_outer_white_space_does_not_tell_texts_apart(
    tmp_path: Path, same: dict[str, object]
) -> None:
    """White space at either end is an accident of the export."""
    assert make(tmp_path, [pair("x", "y"), same]).only["votes"] == 2


def test_line_breaks_and_accents_are_the_same_in_every_spelling(tmp_path: Path) -> None:
    """CRLF is LF, and é is é whether it is one code point or two."""
    one = pair("a\nb", unicodedata.normalize("NFC", "café"))
    two = pair("a\r\nb", unicodedata.normalize("NFD", "café"))
    assert make(tmp_path, [one, two]).only["votes"] == 2


@pytest.mark.parametrize("other", ["if x:\n  y", "if x:\n\n    y", "IF x:\n    y", "if x:\n    y."])
def test_inner_white_space_has_meaning(tmp_path: Path, other: str) -> None:
    """Code with another indentation is another text."""
    assert len(make(tmp_path, [pair("if x:\n    y", "z"), pair(other, "z")]).rows) == 2


def test_text_is_kept_as_it_was(tmp_path: Path) -> None:
    """Normal forms are for comparing; the data set holds what the first row wrote."""
    assert make(tmp_path, [pair(" x\r\n", "y"), pair("x", "y")]).only["chosen"] == " x\r\n"


def test_text_and_messages_are_the_same(tmp_path: Path) -> None:
    """A prompt as text in one file and as messages in another is one prompt."""
    messages = {
        "prompt": [{"role": "user", "content": "Q"}],
        "chosen": [{"role": "assistant", "content": "x"}],
        "rejected": [{"role": "assistant", "content": "y"}],
    }
    assert make(tmp_path, [pair("x", "y")], [messages]).only["votes"] == 2


def test_given_votes_add_up_and_agreement_is_their_mean(tmp_path: Path) -> None:
    """Four votes with agreement 1 and two with 0.5: six votes, five of them for the chosen one."""
    rows = [pair("x", "y", votes=4, agreement=1.0), pair("x", "y", votes=2, agreement=0.5)]
    found = make(tmp_path, rows).only
    assert found["votes"] == 6
    assert found["agreement"] == pytest.approx(5 / 6)


def test_shares_add_up_to_the_same_in_any_order(tmp_path: Path) -> None:
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in the last digit; the pair does not."""
    rows = [pair("x", "y", votes=1, agreement=share) for share in (0.1, 0.2, 0.3)]
    one, two = make(tmp_path / "one", rows), make(tmp_path / "two", rows[::-1])
    assert one.only["agreement"] == two.only["agreement"]


def test_agreement_that_is_not_given_is_not_made_up(tmp_path: Path) -> None:
    """Five votes without a word on agreement: unknown, also where another row is merged into it."""
    assert make(tmp_path, [pair("x", "y", votes=5)]).only["agreement"] is None
    rows = [pair("x", "y", votes=5), pair("x", "y", votes=1, agreement=1.0)]
    found = make(tmp_path, rows).only
    assert (found["votes"], found["agreement"]) == (6, None)


@pytest.mark.parametrize("votes", [0, -3, 2.5, 1e12, 2**62])
def test_votes_that_are_none_are_refused(tmp_path: Path, votes: float) -> None:
    """A row whose votes are no count is refused, and costs nothing but itself."""
    made = make(tmp_path, [pair("x", "y", votes=votes), pair("x", "z", votes=1)])
    assert made.answers == [("x", "z")]
    assert [(r["line"], r["field"], r["detail"]) for r in made.rejects] == [
        (1, "votes", "expected a count of votes, 1 or more")
    ]


@pytest.mark.parametrize("share", [1.5, -0.1, 66])
def test_an_agreement_that_is_no_share_is_refused(tmp_path: Path, share: float) -> None:
    """Agreement is a share, from 0 to 1."""
    made = make(tmp_path, [pair("x", "y", agreement=share), pair("x", "z", agreement=1)])
    assert made.answers == [("x", "z")]
    assert made.rejects[0]["detail"] == "expected a share of votes, 0 to 1"


@pytest.mark.parametrize(
    ("conflicts", "pairs"),
    [("majority", [("x", "y")]), ("drop", []), ("keep", [("x", "y"), ("y", "x")])],
)
def test_conflicts(tmp_path: Path, conflicts: Conflicts, pairs: list[tuple[str, str]]) -> None:
    """Two say x, one says y: decided by majority, dropped, or kept both ways, as asked."""
    rows = [judged("x", "y", "a"), judged("y", "x", "b"), judged("x", "y", "b")]
    made = make(tmp_path, [*rows, judged("p", "q", "a")], conflicts=conflicts)
    assert made.answers == sorted([*pairs, ("p", "q")])


def test_the_majority_outvotes_and_both_sides_are_named(tmp_path: Path) -> None:
    """The row that lost is left over, and names the pair that it lost against."""
    rows = [judged("x", "y", "b"), judged("x", "y", "a"), judged("y", "x", "b")]
    made = make(tmp_path, rows)
    assert (made.only["chosen"], made.only["votes"]) == ("x", 3)
    assert made.only["agreement"] == pytest.approx(2 / 3)
    assert made.became(1) == [("left over", "outvoted")]
    assert made.became(2) == [("kept", "kept")]
    assert made.became(3) == [("merged", "duplicate of a pair")]
    assert {e["pair"] for e in made.ledger} == {made.only["id"]}


def test_an_even_conflict_gives_no_pair(tmp_path: Path) -> None:
    """One against one is no majority: both are refused, with the reason."""
    made = make(tmp_path, [pair("x", "y"), pair("y", "x"), OTHER])
    assert made.answers == [("good", "bad")]
    assert [r["reason"] for r in made.rejects] == ["verdicts contradict each other"] * 2


def test_conflicts_are_found_across_files(tmp_path: Path) -> None:
    """Two files that contradict each other are one conflict."""
    made = make(tmp_path, [pair("x", "y"), OTHER], [pair("y", "x")])
    assert made.answers == [("good", "bad")]
    assert made.became(1, "0.jsonl") == [("rejected", "verdicts contradict each other")]
    assert made.became(1, "1.jsonl") == [("rejected", "verdicts contradict each other")]


def test_ratings_and_comparisons_speak_of_the_same_pair(tmp_path: Path) -> None:
    """Ratings put x above y and a vote says the same: one pair with the scores and both votes."""
    made = make(tmp_path, [rated("x", 5), rated("y", 2)], [judged("y", "x", "b")])
    assert made.answers == [("x", "y")]
    assert (made.only["score_chosen"], made.only["margin"], made.only["votes"]) == (5.0, 3.0, 2)
    entries = [e for e in made.ledger if e["outcome"] in ("kept", "merged")]
    assert {e["pair"] for e in entries} == {made.only["id"]}
    assert len(entries) == 3


def test_ratings_and_comparisons_can_contradict_each_other(tmp_path: Path) -> None:
    """Ratings put x above y, two votes say y: y wins, and both ratings are left over."""
    votes = [judged("y", "x", "a"), judged("y", "x", "a")]
    made = make(tmp_path, [rated("x", 5), rated("y", 2)], votes)
    assert made.answers == [("y", "x")]
    assert (made.only["score_chosen"], made.only["votes"]) == (None, 3)
    assert made.became(1, "0.jsonl") == made.became(2, "0.jsonl") == [("left over", "outvoted")]


def test_a_tie_is_no_pair(tmp_path: Path) -> None:
    """A tie is an outcome with a reason."""
    made = make(tmp_path, [judged("x", "y", "tie"), judged("p", "q", "a")])
    assert made.answers == [("p", "q")]
    assert made.became(1) == [("rejected", "tie")]


def test_one_vote_against_one_tie_is_undecided(tmp_path: Path) -> None:
    """One annotator prefers x, one sees no difference: not more votes for x than against it."""
    rows = [judged("x", "y", "a"), judged("x", "y", "tie"), judged("p", "q", "a")]
    made = make(tmp_path, rows)
    assert made.answers == [("p", "q")]
    assert made.became(1) == [("rejected", "verdicts contradict each other")]
    assert made.became(2) == [("rejected", "tie")]


def test_two_votes_outweigh_one_tie(tmp_path: Path) -> None:
    """The tie counts as a vote that does not prefer the chosen one."""
    rows = [judged("x", "y", "a"), judged("x", "y", "tie"), judged("x", "y", "a")]
    found = make(tmp_path, rows).only
    assert (found["chosen"], found["votes"]) == ("x", 3)
    assert found["agreement"] == pytest.approx(2 / 3)


def test_a_majority_of_ties_is_a_tie(tmp_path: Path) -> None:
    """Ties lead: whatever the others say, there is no pair."""
    rows = [judged("x", "y", w) for w in ("a", "b", "tie", "tie")]
    made = make(tmp_path, [*rows, judged("p", "q", "a")])
    assert made.answers == [("p", "q")]
    assert made.became(3) == made.became(4) == [("rejected", "tie")]


def test_a_kept_conflict_gives_each_side_its_own_votes(tmp_path: Path) -> None:
    """Two strong verdicts for x, a weak one for y: two pairs, each with what speaks for it."""
    rows = [judged("x", "y", -3), judged("x", "y", -2), judged("x", "y", 1), judged("x", "y", 0)]
    made = make(tmp_path, rows, read_options=SIGNED, conflicts="keep")
    found = {row["chosen"]: (row["votes"], row["agreement"], row["margin"]) for row in made.rows}
    assert found == {"x": (2, 1.0, 2.5), "y": (1, 1.0, 1.0)}


def test_strength_becomes_the_margin(tmp_path: Path) -> None:
    """-2 is two steps for the first, 1 is one step for the second."""
    rows = [judged("x", "y", -2), judged("p", "q", 1), judged("s", "t", 0)]
    made = make(tmp_path, rows, read_options=SIGNED)
    assert {(r["chosen"], r["rejected"], r["margin"]) for r in made.rows} == {
        ("x", "y", 2.0),
        ("q", "p", 1.0),
    }


def test_strength_is_the_mean_of_all_verdicts_seen_from_the_winner(tmp_path: Path) -> None:
    """3 and 2 for x, 1 for y and a tie: (3 + 2 - 1 + 0) / 4."""
    rows = [judged("x", "y", w) for w in (-3, -2, 1, 0)]
    with pytest.raises(InputError, match="verdicts contradict"):
        make(tmp_path, rows[1:], read_options=SIGNED)
    rows = [judged("x", "y", -3), *rows]
    assert make(tmp_path, rows, read_options=SIGNED).only["margin"] == pytest.approx(7 / 5)


def test_strength_that_speaks_for_the_loser_is_no_margin(tmp_path: Path) -> None:
    """Two weak verdicts for x outvote a strong one for y: x is chosen, by an unknown margin."""
    rows = [judged("x", "y", -1), judged("x", "y", -1), judged("x", "y", 5)]
    made = make(tmp_path, rows, read_options=SIGNED)
    assert (made.only["chosen"], made.only["margin"]) == ("x", None)


def test_every_verdict_on_a_pair_that_is_too_close_says_so(tmp_path: Path) -> None:
    """Where the margin is too small, the outvoted and the ties have that reason too."""
    rows = [judged("x", "y", w) for w in (-1, -1, 1, 0)]
    rows = [judged("x", "y", -1), *rows, judged("p", "q", -5)]
    made = make(tmp_path, rows, read_options=SIGNED, min_margin=2)
    assert made.answers == [("p", "q")]
    assert made.manifest["outcomes"]["rejected"] == {"margin is too small": 5}


def test_min_margin_needs_a_margin(tmp_path: Path) -> None:
    """Where there is neither score nor strength, the margin is unknown, and that is the reason."""
    made = make(tmp_path, [pair("x", "y"), pair("p", "q", margin=2)], min_margin=1)
    assert made.answers == [("p", "q")]
    assert made.became(1) == [("rejected", "margin is unknown")]


@pytest.mark.parametrize(
    ("margin", "reason"),
    [(0, "tie"), (-1, "the rejected response has the higher score")],
)
def test_a_margin_that_is_none_is_refused(tmp_path: Path, margin: int, reason: str) -> None:
    """The rejected response is strictly worse, or there is no pair."""
    made = make(tmp_path, [pair("x", "y", margin=margin), pair("p", "q", margin=1)])
    assert made.answers == [("p", "q")]
    assert [row["reason"] for row in made.rejects] == [reason]


def test_scores_of_merged_rows_stay_in_order(tmp_path: Path) -> None:
    """Scores of different rows are not set against each other."""
    rows = [
        pair("x", "y", score_chosen=2, score_rejected=None),
        pair("x", "y", score_chosen=None, score_rejected=3),
    ]
    found = make(tmp_path, rows).only
    assert (found["score_chosen"], found["score_rejected"], found["margin"]) == (2.0, None, None)
    rows.append(pair("x", "y", score_chosen=5, score_rejected=4))
    found = make(tmp_path, rows).only
    assert (found["score_chosen"], found["score_rejected"], found["margin"]) == (5.0, 4.0, 1.0)


def test_identical_responses_are_refused(tmp_path: Path) -> None:
    """Chosen and rejected that differ in nothing but outer white space teach nothing."""
    made = make(tmp_path, [pair("same", " same\n"), pair("p", "q")])
    assert made.answers == [("p", "q")]
    assert made.rejects[0]["reason"] == "both responses are the same"


def test_identical_responses_that_tie_are_a_tie(tmp_path: Path) -> None:
    """That two equal answers tie is as it should be."""
    made = make(tmp_path, [judged("same", "same", "tie"), judged("p", "q", "a")])
    assert made.rejects[0]["reason"] == "tie"


def test_identical_responses_with_ratings_are_one_response(tmp_path: Path) -> None:
    """Two models gave the same answer, rated 5 and 1: one response with the mean 3."""
    made = make(tmp_path, [rated("same", 5), rated("same ", 1), rated("other", 2)])
    assert (made.answers, made.only["score_chosen"]) == ([("same", "other")], 3.0)


def test_labels_that_repeat_are_merged(tmp_path: Path) -> None:
    """The same answer, twice good: one row, with the mean of the weights, in either order."""
    rows = [labelled("x", True, weight=1.0), labelled(" x", True, weight=2.0)]
    for given in (rows, rows[::-1]):
        made = make(tmp_path, given)
        assert (made.only["label"], made.only["weight"]) == (True, 1.5)
        assert made.became(2) == [("merged", "duplicate of a pair")]


@pytest.mark.parametrize(
    ("conflicts", "labels"), [("majority", [True]), ("drop", []), ("keep", [False, True])]
)
def test_labels_that_contradict_each_other(
    tmp_path: Path, conflicts: Conflicts, labels: list[bool]
) -> None:
    """Good, good and bad of one answer: by majority good, or dropped, or kept both ways."""
    rows = [labelled("x", True), labelled("x", False), labelled("x", True), labelled("y", True)]
    made = make(tmp_path, rows, conflicts=conflicts)
    assert sorted(bool(r["label"]) for r in made.rows if r["completion"] == "x") == labels
    second = {
        "majority": ("left over", "outvoted"),
        "drop": ("rejected", "verdicts contradict each other"),
        "keep": ("kept", "kept"),
    }[conflicts]
    assert made.became(2) == [second]


def test_a_negative_weight_is_refused(tmp_path: Path) -> None:
    """A weight is 0 or more."""
    made = make(tmp_path, [labelled("x", True, weight=-1), labelled("y", True, weight=0)])
    assert [row["completion"] for row in made.rows] == ["y"]
    assert made.rejects[0]["detail"] == "expected a weight of 0 or more"
