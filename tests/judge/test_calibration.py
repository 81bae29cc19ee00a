"""Whether a judge may go on, and what its vote weighs."""

from __future__ import annotations

import math

import pytest

from prefdata.errors import InputError
from prefdata.judge.agreement import agreement
from prefdata.judge.calibration import calibrate, jury_weights
from prefdata.judge.verdicts import from_comparisons
from prefdata.schemas import Comparison, Verdict
from prefdata.schemas.verdicts import Winner
from tests.judge.cast import verdicts


def sample(right: int, wrong: int, missing: int = 0) -> list[Comparison]:
    """Labelled comparisons with verdicts of gpt."""
    winners: tuple[tuple[Winner, int], ...] = (("a", right), ("b", wrong), ("none", missing))
    said = [winner for winner, times in winners for _ in range(times)]
    return [
        Comparison(
            prompt=f"Question {number}",
            response_a="Yes.",
            response_b="No, or maybe.",
            verdicts=[
                Verdict(winner="a", annotator="anna"),
                Verdict(winner=winner, annotator="gpt"),
            ],
        )
        for number, winner in enumerate(said)
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "reached", "proven"),
    [(95, 5, True, True), (83, 17, True, False), (79, 21, False, False)],
)
def test_a_judge_is_held_to_a_threshold(
    right: int, wrong: int, *, reached: bool, proven: bool
) -> None:
    """Reached is about the figure, proven about the lower end of its interval."""
    made = from_comparisons(sample(right, wrong))
    found = calibrate(made, judge="gpt", people=["anna"], threshold=0.8)
    assert (found.reached, found.proven) == (reached, proven)


def test_a_calibration_says_what_it_rests_on() -> None:
    """Accuracy, interval, coverage, and that the sample is small."""
    made = from_comparisons(sample(17, 3, 5))
    found = calibrate(made, judge="gpt", people=["anna"], threshold=0.8)
    assert found.said == (
        "gpt agrees with people in 85.0 % (17 of 20; 64.0 to 94.8 %) of what it decided, which is "
        "80.0 % of the sample; 80 % is asked for, which so few comparisons cannot prove"
    )


@pytest.mark.parametrize("judge", ["gpt", "claude"])
def test_a_judge_without_verdicts_cannot_be_calibrated(judge: str) -> None:
    """Zero of zero is no accuracy."""
    with pytest.raises(InputError, match=f"{judge} decided no comparison"):
        calibrate(from_comparisons(sample(0, 0, 5)), judge=judge, people=["anna"], threshold=0.5)


def test_a_vote_weighs_the_log_odds_of_being_right() -> None:
    """Eight of ten are nine to three; a judge that is mostly wrong weighs nothing."""
    votes = {"anna": "a" * 10, "good": "a" * 8 + "bb", "bad": "a" + "b" * 9, "new": "tttttttttt"}
    weights = jury_weights(agreement(verdicts(votes), people=["anna"]))
    assert weights == pytest.approx({"good": math.log(3), "bad": 0, "new": 0})
