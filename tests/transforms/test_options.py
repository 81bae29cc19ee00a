"""The choices that a user has, and what is no choice."""

from __future__ import annotations

import math

import pytest

from prefdata.errors import UnknownNameError, UsageError
from prefdata.transforms.options import Options


@pytest.mark.parametrize("size", [-0.1, 1, 2, math.nan, math.inf])
def test_a_test_size_is_a_share(size: float) -> None:
    """From 0 to below 1: a test split of everything leaves nothing to train on."""
    with pytest.raises(UsageError, match="expected a share from 0 to below 1"):
        Options(test_size=size)


@pytest.mark.parametrize("margin", [-1, math.nan])
def test_a_margin_is_not_negative(margin: float) -> None:
    """A margin is the chosen score minus the rejected score."""
    with pytest.raises(UsageError, match="expected 0 or more"):
        Options(min_margin=margin)


@pytest.mark.parametrize("field", ["strategy", "aggregate", "conflicts"])
def test_an_unknown_choice_is_refused(field: str) -> None:
    """From Python too, and with the choices that there are."""
    with pytest.raises(UnknownNameError, match=f"unknown {field} 'beest-worst'") as error:
        Options(**{field: "beest-worst"})  # type: ignore[arg-type]
    assert "Known: " in error.value.hint
