"""Comparisons: swapped, and turned into pairs."""

from __future__ import annotations

import pytest
from hypothesis import given

from prefdata.errors import InputError
from prefdata.schemas import Comparison, SideScores, Ties, Verdict, Winner
from tests.schemas.strategies import comparisons


def comparison(*winners: Winner) -> Comparison:
    return Comparison.model_validate(
        {
            "prompt": "Capital of France?",
            "response_a": "Paris.",
            "response_b": "Rome.",
            "model_a": "good",
            "model_b": "bad",
            "verdicts": [Verdict(winner=winner) for winner in winners],
        }
    )


@given(comparisons)
def test_swapping_twice_changes_nothing(compared: Comparison) -> None:
    """Swapping is its own inverse."""
    assert compared.swapped().swapped() == compared


@given(comparisons)
def test_the_pair_does_not_depend_on_the_order_of_the_responses(compared: Comparison) -> None:
    """Polarity follows the verdicts, never the position."""
    assert compared.to_pair(ties="drop") == compared.swapped().to_pair(ties="drop")


def test_swapping_moves_all_that_belongs_to_a_side() -> None:
    """Response, model, winner and scores go along."""
    scores = [SideScores(a=5, b=1)]
    verdict = Verdict(winner="a", strength=2, scores=scores, evidence="A is right.")
    swapped = comparison().model_copy(update={"verdicts": [verdict]}).swapped()
    assert (swapped.response_a[0].content, swapped.model_a) == ("Rome.", "bad")
    assert swapped.verdicts == [
        Verdict(winner="b", strength=2, scores=[SideScores(a=1, b=5)], evidence="A is right.")
    ]


@pytest.mark.parametrize(
    ("winners", "winner"),
    [
        (["a"], "a"),
        (["a", "a", "b"], "a"),
        (["b", "b", "tie"], "b"),
        (["a", "none", "none"], "a"),
        (["a", "b"], "tie"),
        (["a", "tie"], "tie"),
        (["a", "b", "tie", "tie"], "tie"),
        (["none"], "none"),
        ([], "none"),
    ],
)
def test_the_winner_is_what_most_verdicts_say(winners: list[Winner], winner: Winner) -> None:
    """More verdicts than any other outcome decide; a verdict of none counts for nothing."""
    assert comparison(*winners).winner == winner


def test_a_pair_says_how_many_voted_and_agreed() -> None:
    """Two of three prefer a; the fourth gave no verdict."""
    pair = comparison("a", "a", "tie", "none").to_pair(ties="error")
    assert pair is not None
    assert pair.chosen[0].content == "Paris."
    assert (pair.model_chosen, pair.model_rejected) == ("good", "bad")
    assert pair.votes == 3
    assert pair.agreement == pytest.approx(2 / 3)


def test_the_margin_is_the_difference_of_the_scores() -> None:
    """Scores of the winner stand with chosen, whichever side it was."""
    verdict = Verdict(winner="b", strength=1, scores=[SideScores(a=2, b=5)])
    pair = comparison().model_copy(update={"verdicts": [verdict]}).to_pair(ties="error")
    assert pair is not None
    assert (pair.score_chosen, pair.score_rejected, pair.margin) == (5, 2, 3)


def test_without_scores_the_margin_is_the_strength() -> None:
    """A vote for the other side counts against it."""
    verdicts = [Verdict(winner="b", strength=s) for s in (3, 2)]
    verdicts.append(Verdict(winner="a", strength=2))
    pair = comparison().model_copy(update={"verdicts": verdicts}).to_pair(ties="error")
    assert pair is not None
    assert (pair.score_chosen, pair.margin) == (None, 1)


@pytest.mark.parametrize(
    ("winners", "message"),
    [
        (["a", "b"], "no pair can be made: the verdicts are tied"),
        (["none"], "no pair can be made: there is no verdict"),
    ],
)
def test_a_tie_never_becomes_a_pair(winners: list[Winner], message: str) -> None:
    """It gives nothing, or stops with a reason and a remedy, as the caller says."""
    assert comparison(*winners).to_pair(ties="drop") is None
    with pytest.raises(InputError) as caught:
        comparison(*winners).to_pair(ties="error")
    assert str(caught.value) == message
    assert caught.value.hint == "Leave it out with ties='drop'."


@pytest.mark.parametrize("ties", ["drop", "error"])
def test_two_responses_that_are_the_same_are_tied(ties: Ties) -> None:
    """Whatever the verdicts say, there is nothing to learn."""
    same = comparison("a")
    same = same.model_copy(update={"response_b": same.response_a})
    if ties == "drop":
        assert same.to_pair(ties=ties) is None
    else:
        with pytest.raises(InputError, match="both responses are the same"):
            same.to_pair(ties=ties)
