"""How often one model beats another, by hand."""

from __future__ import annotations

import math

import pytest

from prefdata.errors import InputError
from prefdata.stats.win_rate import length_controlled, win_rate


def expit(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_ties_are_half_a_win_and_no_verdict_is_none() -> None:
    """It lowers the coverage, not the rate."""
    found = win_rate([1, 1, 0.5, 0.5, 0, None, None])
    assert (found.rate.hits, found.rate.n) == (3, 5)
    assert (found.wins, found.ties, found.losses, found.no_verdict) == (2, 2, 1, 2)
    assert found.coverage.value == pytest.approx(5 / 7)


def test_nothing_in_nothing_out() -> None:
    """No verdict at all is no win rate, not one of zero."""
    found = win_rate([None, None], lengths=[(1, 2), (3, 4)])
    assert found.rate.value is None
    assert found.at_equal_length is None
    assert found.to_dict()["win_rate"] == {
        "value": None,
        "low": None,
        "high": None,
        "hits": 0,
        "of": 0,
    }


def test_a_prompt_that_is_asked_often_counts_once_in_the_interval() -> None:
    """Forty outcomes on four prompts are as wide as four."""
    many = win_rate([1, 1, 1, 0] * 10, prompts=["a", "b", "c", "d"] * 10)
    assert many.rate.low == pytest.approx(win_rate([1, 1, 1, 0]).rate.low)


def test_swapping_the_models_mirrors_everything() -> None:
    """The win rate of B over A is what is left of one."""
    lengths: list[tuple[float, float]] = [(n * 37 % 101, n * 53 % 97) for n in range(300)]
    outcomes = [(1, 0, 0.5, 1, 1, 0, 1)[n % 7] for n in range(300)]
    one = win_rate(outcomes, lengths=lengths)
    other = win_rate([1 - each for each in outcomes], lengths=[(b, a) for a, b in lengths])
    assert one.rate.value == pytest.approx(1 - (other.rate.value or 0))
    assert one.at_equal_length is not None
    assert other.at_equal_length is not None
    assert one.at_equal_length.value == pytest.approx(1 - other.at_equal_length.value)
    assert one.at_equal_length.low == pytest.approx(1 - other.at_equal_length.high)
    assert one.at_equal_length.slope == pytest.approx(other.at_equal_length.slope)


def test_at_equal_length_by_hand() -> None:
    """Two lengths only: the log-odds at zero are the middle of those on either side."""
    scores = [1.0] * 90 + [0.0] * 10 + [1.0] * 60 + [0.0] * 40
    found = length_controlled(scores, [200] * 100 + [-200] * 100, prior=0)
    assert found is not None
    assert found.value == pytest.approx(expit((logit(0.9) + logit(0.6)) / 2))
    assert found.slope == pytest.approx((logit(0.9) - logit(0.6)) / 2 / math.tanh(1))
    error = math.sqrt((1 / 90 + 1 / 10 + 1 / 60 + 1 / 40) / 4)
    assert found.low == pytest.approx(expit(logit(found.value) - 1.959964 * error))


def test_a_model_that_only_writes_more_is_even_at_equal_length() -> None:
    """It wins three of four where it is longer, and loses three of four where it is shorter."""
    scores = [1.0, 1.0, 1.0, 0.0] * 30 + [0.0, 0.0, 0.0, 1.0] * 10
    found = win_rate(scores, lengths=[(500, 200)] * 120 + [(200, 500)] * 40)
    assert found.rate.value == pytest.approx(0.625)
    assert found.at_equal_length is not None
    assert found.at_equal_length.value == pytest.approx(0.5, abs=0.01)


def test_winning_all_stays_finite() -> None:
    """The interval says how much that is worth."""
    found = win_rate([1.0] * 20, lengths=[(90 + n, 100) for n in range(20)])
    assert found.at_equal_length is not None
    assert 0.7 < found.at_equal_length.low < found.at_equal_length.value < 1


@pytest.mark.parametrize("lengths", [[(5, 5)] * 4, [(9, 5)] * 4])
def test_lengths_that_never_differ_teach_nothing(lengths: list[tuple[float, float]]) -> None:
    """The effect of length cannot be told from that of the model."""
    assert win_rate([1, 1, 0, 0], lengths=lengths).at_equal_length is None


def test_what_is_no_outcome_is_refused() -> None:
    """In words, before anything is counted."""
    with pytest.raises(InputError, match="an outcome is 2, and must be from 0 to 1"):
        win_rate([1, 2])
    with pytest.raises(InputError, match="2 outcomes, but 1 lengths or prompts"):
        win_rate([1, 0], lengths=[(1, 2)])
