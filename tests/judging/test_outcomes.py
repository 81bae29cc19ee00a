"""The table of outcomes: everything about one of them stands in one entry."""

from __future__ import annotations

import pytest

from prefdata.judging.outcomes import MENU, OUTCOMES, Outcome, failed, remedies


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=str)
def test_an_outcome_makes_a_pair_or_says_why_not_and_what_to_do(outcome: Outcome) -> None:
    """A verdict has a score in a ranking; what is none has a cause."""
    assert outcome.makes_pair == (outcome.winner in ("a", "b"))
    assert outcome.makes_pair or remedies()[outcome.reason]
    assert outcome.has_verdict == (outcome.score is not None)
    assert bool(outcome.cause) != (outcome.name == outcome.winner)
    assert outcome.swapped().swapped() == outcome


def test_judges_are_offered_what_the_table_offers() -> None:
    """In its order, by its words."""
    assert MENU == {"first": "1", "second": "2", "tie": "tie"}


def test_a_failed_request_is_no_verdict_and_its_message_is_the_cause() -> None:
    """It is told beside the reason."""
    outcome = failed("no connection")
    assert (outcome.reason, outcome.cause, outcome.detail) == (
        "no verdict",
        "no connection",
        "no connection",
    )
