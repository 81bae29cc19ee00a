"""The preference pair and the unpaired preference."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from prefdata.schemas import PreferencePair, UnpairedPreference

PAIR = {"prompt": "2+2?", "chosen": "4", "rejected": "5"}


def test_a_pair_of_the_same_responses_is_refused() -> None:
    """Nothing can be learned from it."""
    with pytest.raises(ValidationError, match="chosen and rejected are the same"):
        PreferencePair.model_validate({**PAIR, "rejected": "4"})


def test_a_pair_becomes_what_trl_takes() -> None:
    """Conversational, with the prompt by itself and the scores left out."""
    assert PreferencePair.model_validate({**PAIR, "margin": 2}).to_trl() == {
        "prompt": [{"role": "user", "content": "2+2?"}],
        "chosen": [{"role": "assistant", "content": "4"}],
        "rejected": [{"role": "assistant", "content": "5"}],
    }


def test_an_unpaired_preference_becomes_what_trl_takes() -> None:
    """The label goes with the prompt and the completion."""
    row = UnpairedPreference.model_validate({"prompt": "2+2?", "completion": "5", "label": False})
    assert row.to_trl() == {
        "prompt": [{"role": "user", "content": "2+2?"}],
        "completion": [{"role": "assistant", "content": "5"}],
        "label": False,
    }


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("agreement", 1.2, "less than or equal to 1"),
        ("votes", 0, "greater than or equal to 1"),
        ("margin", float("nan"), "finite number"),
        ("marign", 1, "Extra inputs are not permitted"),
        ("dimensions", [{"dimension": "tone"}, {"dimension": "tone"}], "'tone' stands twice"),
    ],
)
def test_a_value_out_of_range_is_refused(field: str, value: object, message: str) -> None:
    """A mistyped field and a number that cannot be are errors, not data."""
    with pytest.raises(ValidationError, match=message):
        PreferencePair.model_validate({**PAIR, field: value})
