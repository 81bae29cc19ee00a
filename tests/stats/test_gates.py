"""Gates: what can be written, what is refused, and what comes of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.errors import UnknownNameError, UsageError
from prefdata.stats.gates import ConditionResult, check_gate, parse_gate
from prefdata.stats.intervals import Estimate
from prefdata.training.evaluation.metrics import METRICS


def single(value: float) -> Estimate:
    """An estimate from one row, which gives no interval."""
    return Estimate(value, -math.inf, math.inf, 1)


ESTIMATES = {
    "accuracy": Estimate(0.7, 0.6, 0.8, 90),
    "win_rate": Estimate(0.55, 0.5, 0.6, 40),
    "kl": single(21.0),
}


def checked(gate: str) -> list[ConditionResult]:
    return check_gate(parse_gate(gate, METRICS), ESTIMATES, METRICS)


def outcomes(gate: str) -> list[bool]:
    return [each.met for each in checked(gate)]


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("accuracy>=0.65 and win_rate>=0.55 and kl<=20", [True, True, False]),
        ("accuracy >= 65%", [True]),
        ("accuracy>0.7", [False]),
        ("accuracy<.7 AND kl < 2.2e1", [False, True]),
        ("accuracy.low>=0.6 and accuracy.high<0.8", [True, False]),
        ("kl.high<=1000", [False]),
        ("kl>-1", [True]),
    ],
)
def test_a_gate_holds_figures_against_bounds(gate: str, expected: list[bool]) -> None:
    """With ends of intervals too; an end that is not there meets nothing."""
    assert outcomes(gate) == expected


def test_what_came_of_a_gate_is_told() -> None:
    """The condition, the value, and the rows that it rests on."""
    results = checked("accuracy.low>=0.65 and kl.low<=9")
    assert [str(each) for each in results] == [
        "accuracy.low>=0.65: missed, accuracy is 0.6 on 90 rows",
        "kl.low<=9: missed, kl is not known on 1 rows",
    ]
    assert results[0].to_dict() == {
        "condition": "accuracy.low>=0.65",
        "figure": "accuracy",
        "value": 0.6,
        "n": 90,
        "met": False,
    }


@pytest.mark.parametrize(
    "gate",
    [
        *("", "accuracy", "accuracy>=", "accuracy=0.5", "accuracy==0.5", "0.5<=accuracy"),
        *("accuracy>=0.5 or kl<=2", "accuracy>=0.5,kl<=2", "accuracy>=x", "accuracy>=0.5 and"),
        *("__import__('os').system('true')", "accuracy>=(1)", "accuracy>=1;kl<=2"),
    ],
)
def test_what_is_no_condition_is_refused(gate: str) -> None:
    """With an example of what one is; nothing is ever run."""
    with pytest.raises(UsageError, match="is not a condition") as caught:
        parse_gate(gate, METRICS)
    assert "accuracy>=0.65 and kl<=20" in caught.value.hint


def test_an_unknown_figure_is_answered_with_near_ones() -> None:
    """Before anything is measured."""
    with pytest.raises(UnknownNameError) as caught:
        parse_gate("acuracy>=0.5", METRICS)
    assert str(caught.value) == "unknown figure 'acuracy' in --gate"
    assert caught.value.hint.startswith("Did you mean 'accuracy'")


def test_a_figure_that_was_not_measured_says_how_to_get_it() -> None:
    """A gate on it is not simply missed."""
    with pytest.raises(UsageError) as caught:
        checked("reward_accuracy>=0.5")
    assert str(caught.value) == (
        "--gate: there is no reward_accuracy here (there is accuracy, win_rate, kl)"
    )
    assert caught.value.hint == "Name the model that it started from, with --reference."


def test_with_several_sets_a_plain_name_holds_for_each() -> None:
    """And a name with the set in front for that one."""
    estimates = {"a/accuracy": single(0.9), "b/accuracy": single(0.4)}
    both = check_gate(parse_gate("accuracy>=0.5", METRICS), estimates, METRICS)
    assert [(each.figure, each.met) for each in both] == [
        ("a/accuracy", True),
        ("b/accuracy", False),
    ]
    [one] = check_gate(parse_gate("a/accuracy>=0.5", METRICS), estimates, METRICS)
    assert one.met


@given(
    name=st.sampled_from(sorted(METRICS)),
    operator=st.sampled_from([">=", "<=", ">", "<"]),
    bound=st.floats(-1e6, 1e6),
    value=st.floats(allow_nan=True, allow_infinity=True),
)
def test_any_condition_says_what_python_would(
    name: str, operator: str, bound: float, value: float
) -> None:
    """Except that what is no number meets nothing."""
    conditions = parse_gate(f"{name} {operator} {bound!r}", METRICS)
    [result] = check_gate(conditions, {name: single(value)}, METRICS)
    expected = {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}
    assert result.met == (expected[operator] and math.isfinite(value))
