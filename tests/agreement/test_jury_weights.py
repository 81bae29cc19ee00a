"""What a judge's vote weighs."""

from __future__ import annotations

import math

import pytest

from prefdata.agreement.agreement import measure_agreement
from prefdata.agreement.jury_weights import jury_weights
from tests.judging.cast import verdicts


def test_a_vote_weighs_the_log_odds_of_being_right() -> None:
    """Eight of ten are nine to three; a judge that is mostly wrong weighs nothing."""
    votes = {"anna": "a" * 10, "good": "a" * 8 + "bb", "bad": "a" + "b" * 9, "new": "tttttttttt"}
    weights = jury_weights(measure_agreement(verdicts(votes), people=["anna"]))
    assert weights == pytest.approx({"good": math.log(3), "bad": 0, "new": 0})
