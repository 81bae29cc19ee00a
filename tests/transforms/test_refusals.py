"""Comparisons that were refused before they come to be paired, and margins of their own."""

from __future__ import annotations

import pytest

from prefdata.records import reasons
from prefdata.transforms.make_pairs import pair_ids
from prefdata.transforms.options import ALL, Options
from tests.roundtrip import judged, rated
from tests.transforms.from_records import paired, records


@pytest.mark.parametrize("reason", [reasons.FLIP, reasons.TIE, reasons.NO_WINNER])
def test_a_refused_comparison_gives_no_pair(reason: str) -> None:
    """It is rejected with the reason that it brings, whatever its winner says."""
    rows = [judged("x", "y", "a", refusal=reason), judged("p", "q", "b")]
    made = paired(rows)
    assert made.answers == [("q", "p")]
    assert made.became(1) == [("rejected", reason)]
    assert made.became(2) == [("kept", "kept")]


def test_a_refused_comparison_has_no_vote() -> None:
    """One verdict stands, one is refused: the pair rests on one vote, and is no conflict."""
    rows = [judged("x", "y", "a"), judged("x", "y", "b", refusal=reasons.INJECTION)]
    made = paired(rows, conflicts="drop")
    assert (made.only["chosen"], made.only["votes"]) == ("x", 1)
    assert made.became(2) == [("rejected", reasons.INJECTION)]


def test_a_refusal_goes_before_that_of_a_rule() -> None:
    """Why it was refused before says more than that it has no scores."""
    rows = [judged("x", "y", "a", refusal=reasons.FLIP), judged("p", "q", "a")]
    made = paired(rows, pareto=ALL)
    assert made.became(1) == [("rejected", reasons.FLIP)]
    assert made.became(2) == [("rejected", reasons.MISSING_DIMENSION)]


def test_all_may_be_refused() -> None:
    """There is no pair, and each has its outcome."""
    made = paired([judged("x", "y", "tie", refusal=reasons.DIVIDED)])
    assert made.rows == []
    assert made.became(1) == [("rejected", reasons.DIVIDED)]


def test_a_refused_comparison_leaves_the_pair_of_ratings() -> None:
    """The two are not the same verdict."""
    ratings = [rated("x", 5), rated("y", 1)]
    made = paired(ratings, [judged("x", "y", "b", refusal=reasons.FLIP)])
    assert (made.answers, made.only["votes"]) == ([("x", "y")], 1)


def test_the_margin_of_a_comparison_goes_before_its_scores() -> None:
    """Log-odds of 0.7 are the margin, not the 3 between scores; the least margin looks at it."""
    row = judged("x", "y", "a", score_a=5.0, score_b=2.0, strength=1.0, margin=0.7)
    assert paired([row]).only["margin"] == 0.7
    assert paired([row], min_margin=1).became(1) == [("rejected", reasons.SMALL_MARGIN)]


def test_margins_of_several_verdicts_have_their_mean() -> None:
    """Of those that agree; one that lost has no say in it."""
    rows = [
        judged("x", "y", winner, margin=m) for winner, m in (("a", 1.0), ("a", 2.0), ("b", 9.0))
    ]
    assert paired(rows).only["margin"] == 1.5


def test_the_ids_of_pairs_are_those_of_the_pairs() -> None:
    """Where only the ids are asked for, refusals count too."""
    frames = records([judged("x", "y", "a", refusal=reasons.FLIP), judged("p", "q", "b")])
    ids = pair_ids(frames["ratings"], frames["comparisons"], Options())
    comparisons = frames["comparisons"]
    assert ids["chosen_id"].to_list() == comparisons["b_id"].to_list()[1:]
    assert ids["rejected_id"].to_list() == comparisons["a_id"].to_list()[1:]
