"""Rated responses, and the pair of the best and the worst."""

from __future__ import annotations

import pytest
from hypothesis import given

from prefdata.errors import InputError
from prefdata.schemas import RatedResponses
from tests.schemas.strategies import rated


def answers(**scores: list[float]) -> RatedResponses:
    return RatedResponses.model_validate(
        {
            "prompt": "Capital of France?",
            "responses": [
                {"content": text, "model": f"m-{text}", "ratings": [{"value": v} for v in values]}
                for text, values in scores.items()
            ],
        }
    )


def test_best_and_worst_become_the_pair() -> None:
    """Ratings of one response are averaged; the middle one is left out."""
    pair = answers(Rome=[2], Paris=[5, 4], Berlin=[1]).to_pair(ties="error")
    assert pair is not None
    assert (pair.chosen[0].content, pair.rejected[0].content) == ("Paris", "Berlin")
    assert (pair.score_chosen, pair.score_rejected, pair.margin) == (4.5, 1, 3.5)
    assert (pair.model_chosen, pair.model_rejected) == ("m-Paris", "m-Berlin")


def test_of_equals_the_first_is_taken() -> None:
    """The same input gives the same pair."""
    pair = answers(Paris=[5], Lyon=[5], Rome=[1], Oslo=[1]).to_pair(ties="error")
    assert pair is not None
    assert (pair.chosen[0].content, pair.rejected[0].content) == ("Paris", "Rome")


def test_a_response_without_a_rating_is_not_the_worst() -> None:
    """Unknown is not zero."""
    pair = answers(Paris=[5], Rome=[3], Oslo=[]).to_pair(ties="error")
    assert pair is not None
    assert pair.rejected[0].content == "Rome"


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"Paris": [3], "Rome": [3]}, "no pair can be made: all scores are 3"),
        ({"Paris": [3]}, "no pair can be made: fewer than two responses are rated on 'overall'"),
    ],
)
def test_without_a_preference_there_is_no_pair(
    scores: dict[str, list[float]], message: str
) -> None:
    """It gives nothing, or stops, as the caller says."""
    assert answers(**scores).to_pair(ties="drop") is None
    with pytest.raises(InputError) as caught:
        answers(**scores).to_pair(ties="error")
    assert str(caught.value) == message


@given(rated)
def test_chosen_always_scored_more_than_rejected(record: RatedResponses) -> None:
    """Polarity holds for every input."""
    pair = record.to_pair(ties="drop")
    if pair is not None:
        assert pair.score_chosen is not None
        assert pair.score_rejected is not None
        assert pair.score_chosen > pair.score_rejected
