"""Several ratings of one response: one score, and how far the annotators agree."""

from __future__ import annotations

import pytest

from prefdata.transforms.options import Aggregate
from tests.roundtrip import rated
from tests.transforms.from_records import paired


@pytest.mark.parametrize(
    ("aggregate", "score"),
    [("mean", 3.0), ("median", 2.0), ("majority", 1.0)],
)
def test_ratings_become_one_score(aggregate: Aggregate, score: float) -> None:
    """Ratings 1, 1, 2, 4, 7 have the mean 3, the median 2, and 1 is given most often."""
    rows = [*(rated("good", value) for value in (7, 1, 2, 1, 4)), rated("bad", 0)]
    found = paired(rows, aggregate=aggregate).only
    assert (found["chosen"], found["score_chosen"]) == ("good", score)
    assert (found["score_rejected"], found["margin"]) == (0.0, score)


def test_of_two_scores_given_equally_often_the_lower_counts() -> None:
    """A majority that is none is read to the response's disadvantage, whatever the order."""
    rows = [rated("x", 5), rated("x", 3), rated("y", 3), rated("z", 1)]
    assert paired(rows, aggregate="majority", strategy="all").answers == [
        ("x", "z"),
        ("y", "z"),
    ]


def test_annotators_who_rated_both_are_counted() -> None:
    """Anna and Ben rated both and only Anna prefers x; Cleo rated x alone and has no say in it."""
    rows = [
        rated("x", 5, annotator="anna"),
        rated("y", 1, annotator="anna"),
        rated("x", 3, annotator="ben"),
        rated("y", 4, annotator="ben"),
        rated("x", 5, annotator="cleo"),
    ]
    found = paired(rows).only
    assert (found["chosen"], found["votes"], found["agreement"]) == ("x", 2, 0.5)


def test_an_equal_rating_is_no_agreement() -> None:
    """Ben rated both 4: he does not prefer the chosen one."""
    rows = [
        rated("x", 5, annotator="anna"),
        rated("y", 1, annotator="anna"),
        rated("x", 4, annotator="ben"),
        rated("y", 4, annotator="ben"),
    ]
    found = paired(rows).only
    assert (found["votes"], found["agreement"]) == (2, 0.5)


def test_agreement_is_unknown_where_nobody_rated_both() -> None:
    """Anna rated one, Ben the other: the pair stands, and nobody knows whether they agree."""
    rows = [rated("x", 5, annotator="anna"), rated("y", 1, annotator="ben")]
    found = paired(rows).only
    assert (found["chosen"], found["votes"], found["agreement"]) == ("x", 1, None)


def test_anonymous_repeats_are_one_voter() -> None:
    """One was rated 5 and 1, the other 2, by nobody in particular: one voter, half in agreement."""
    found = paired([rated("x", 5), rated("x", 1), rated("y", 2)]).only
    assert (found["chosen"], found["score_chosen"]) == ("x", 3.0)
    assert (found["votes"], found["agreement"]) == (1, 0.5)


def test_the_mean_of_decimal_scores_is_the_decimal_mean() -> None:
    """0.1, 0.2 and 0.3 have the mean 0.2, as 0.2 has: equal scores, no pair of rounding noise."""
    rows = [rated("x", 0.1), rated("x", 0.2), rated("x", 0.3), rated("y", 0.2)]
    other = [rated("good", 2, "other"), rated("bad", 1, "other")]
    made = paired([*rows, *other])
    assert made.answers == [("good", "bad")]
    assert made.became(1) == [("left over", "all scores are equal")]


def test_one_score_stays_as_it_was_written() -> None:
    """Only an aggregated score is rounded."""
    score = 0.12345678901234566
    assert paired([rated("x", score), rated("y", 0)]).only["score_chosen"] == score


def test_model_and_source_are_those_of_the_first_rating() -> None:
    """Two files rate x: the pair names the file and the model that came first."""
    first = [rated("x", 4, model="m1"), rated("y", 1, model="m2")]
    found = paired(first, [rated("x", 5, model="m3")]).only
    assert (found["model_chosen"], found["model_rejected"]) == ("m1", "m2")
    assert (found["source"], found["score_chosen"]) == ("0.jsonl", 4.5)
