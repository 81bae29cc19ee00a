"""The statistics against figures that were published or can be checked by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.errors import InputError
from prefdata.stats.agreement_coefficients import cohen_kappa, krippendorff_alpha
from prefdata.stats.intervals import Estimate, auc, mean, share, share_of_wins, wilson
from prefdata.stats.regression import logistic


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_those_of_newcombe(hits: int, of: int, low: float, high: float) -> None:
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, table I."""
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_an_interval_holds_its_share(hits: int, misses: int) -> None:
    """Also at none and at all, and it stays between 0 and 1."""
    low, high = wilson(hits, hits + misses)
    value = hits / (hits + misses) if hits + misses else 0.5
    assert 0 <= low <= value + 1e-12
    assert value - 1e-12 <= high <= 1


def test_votes_on_few_comparisons_make_a_wide_interval() -> None:
    """Ten people who say the same of ten comparisons are not a hundred comparisons."""
    wide, narrow = share(90, 100, units=10), share(90, 100)
    assert wide.value == narrow.value
    assert wide.low < narrow.low
    assert (wide.low, wide.high) == wilson(9, 10)


def test_the_area_under_the_curve_is_the_share_of_ordered_pairs() -> None:
    """Counted by hand."""
    assert auc([3.0, 2.0], [1.0, 2.0]).value == pytest.approx(3.5 / 4)


def test_intervals_are_the_known_ones() -> None:
    """Wilson's for 8 of 10, the normal one for a mean, and none for a single row."""
    eight_of_ten = share_of_wins([1.0] * 8 + [-1.0] * 2)
    assert eight_of_ten.interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert eight_of_ten.interval == pytest.approx(wilson(8, 10), abs=1e-7)
    assert share_of_wins([0.1, 0.0]).value == 0.75
    assert mean([1.0, 2.0, 3.0]).interval == pytest.approx((0.8684, 3.1316), abs=1e-4)
    assert mean([1.0]).interval is None


def test_an_estimate_comes_back_from_json() -> None:
    """With an interval, and without one."""
    for estimate in (mean([1.0, 3.0]), mean([1.0])):
        assert Estimate.from_dict(json.loads(json.dumps(estimate.to_dict()))) == estimate


def test_kappa_of_three_categories_by_hand() -> None:
    """Seen 14 of 20; by chance (8*9 + 8*7 + 4*4) / 400 = 0.36: (0.7 - 0.36) / 0.64."""
    table = [[7, 1, 0], [1, 5, 2], [1, 1, 2]]
    assert cohen_kappa(table) == pytest.approx((14 / 20 - 0.36) / (1 - 0.36))


@pytest.mark.parametrize("table", [[[5, 5], [0, 0]], [[5, 0], [5, 0]], [[0, 0], [0, 0]]])
def test_kappa_says_nothing_of_who_always_says_the_same(table: list[list[int]]) -> None:
    """Zero would read as: no better than chance, which nobody knows."""
    assert cohen_kappa(table) is None


def test_alpha_is_that_of_krippendorff() -> None:
    """Krippendorff (2011), section C: four observers, twelve units, missing data; nominal 0.743."""
    observers = (
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    )
    units = zip(*(line.split() for line in observers), strict=True)
    counts = [[unit.count(value) for value in "12345"] for unit in units]
    assert krippendorff_alpha(counts) == pytest.approx(0.743, abs=5e-4)


@pytest.mark.parametrize("counts", [[[1, 0], [0, 1]], [[2, 0], [3, 0]]])
def test_alpha_needs_two_verdicts_and_two_categories(counts: list[list[int]]) -> None:
    """There is no agreement to speak of otherwise."""
    assert krippendorff_alpha(counts) is None


def test_a_regression_finds_the_log_odds_of_its_groups() -> None:
    """One column per group: each coefficient is the log-odds of the group's own outcomes."""
    columns = [[1, 0]] * 10 + [[0, 1]] * 10
    outcomes = [1.0] * 8 + [0.0] * 2 + [1.0] * 3 + [0.0] * 7
    fit = logistic(columns, outcomes)
    assert fit.coefficients == pytest.approx([math.log(8 / 2), math.log(3 / 7)])
    assert np.diag(fit.covariance) == pytest.approx([1 / 8 + 1 / 2, 1 / 3 + 1 / 7])


def test_weights_count_rows() -> None:
    """A row of weight three is three rows; half an outcome is half a win."""
    once = logistic([[1], [1]], [1, 0], [3, 1])
    assert once.coefficients == pytest.approx([math.log(3)])
    assert logistic([[1]], [0.75]).coefficients == pytest.approx([math.log(3)])


def test_outcomes_that_are_all_the_same_settle_nothing() -> None:
    """Without a prior; with one they do."""
    with pytest.raises(InputError, match="one side always wins"):
        logistic([[1], [1]], [1, 1])
    assert 0 < logistic([[1], [1]], [1, 1], ridge=0.1).coefficients[0] < 5
