"""What rows say of votes, margins and weights, and what is no vote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.roundtrip import judged, labelled, make, pair


def test_text_and_messages_are_the_same(tmp_path: Path) -> None:
    """A prompt as text in one file and as messages in another is one prompt."""
    messages = {
        "prompt": [{"role": "user", "content": "Q"}],
        "chosen": [{"role": "assistant", "content": "x"}],
        "rejected": [{"role": "assistant", "content": "y"}],
    }
    assert make(tmp_path, [pair("x", "y")], [messages]).only["votes"] == 2


@pytest.mark.parametrize("votes", [0, -3, 2.5, 1e12, 2**62])
def test_votes_that_are_none_are_refused(tmp_path: Path, votes: float) -> None:
    """A row whose votes are no count is refused, and costs nothing but itself."""
    made = make(tmp_path, [pair("x", "y", votes=votes), pair("x", "z", votes=1)])
    assert made.answers == [("x", "z")]
    assert [(r["line"], r["field"], r["detail"]) for r in made.rejects] == [
        (1, "votes", "expected a count of votes, 1 or more")
    ]


@pytest.mark.parametrize("share", [1.5, -0.1, 66])
def test_an_agreement_that_is_no_share_is_refused(tmp_path: Path, share: float) -> None:
    """Agreement is a share, from 0 to 1."""
    made = make(tmp_path, [pair("x", "y", agreement=share), pair("x", "z", agreement=1)])
    assert made.answers == [("x", "z")]
    assert made.rejects[0]["detail"] == "expected a share of votes, 0 to 1"


@pytest.mark.parametrize(
    ("margin", "reason"),
    [(0, "tie"), (-1, "the rejected response has the higher score")],
)
def test_a_margin_that_is_none_is_refused(tmp_path: Path, margin: int, reason: str) -> None:
    """The rejected response is strictly worse, or there is no pair."""
    made = make(tmp_path, [pair("x", "y", margin=margin), pair("p", "q", margin=1)])
    assert made.answers == [("p", "q")]
    assert [row["reason"] for row in made.rejects] == [reason]


def test_identical_responses_are_refused(tmp_path: Path) -> None:
    """Chosen and rejected that differ in nothing but outer white space teach nothing."""
    made = make(tmp_path, [pair("same", " same\n"), pair("p", "q")])
    assert made.answers == [("p", "q")]
    assert made.rejects[0]["reason"] == "both responses are the same"


def test_identical_responses_that_tie_are_a_tie(tmp_path: Path) -> None:
    """That two equal answers tie is as it should be."""
    made = make(tmp_path, [judged("same", "same", "tie"), judged("p", "q", "a")])
    assert made.rejects[0]["reason"] == "tie"


def test_a_negative_weight_is_refused(tmp_path: Path) -> None:
    """A weight is 0 or more."""
    made = make(tmp_path, [labelled("x", True, weight=-1), labelled("y", True, weight=0)])
    assert [row["completion"] for row in made.rows] == ["y"]
    assert made.rejects[0]["detail"] == "expected a weight of 0 or more"
