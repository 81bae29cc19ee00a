"""The table of prices that comes along."""

from __future__ import annotations

import pytest

from prefdata.judging.client.prices import price_of, price_table


def test_every_price_makes_sense() -> None:
    """What was at hand costs no more than what is new, and that no more than a reply."""
    for name, price in price_table().items():
        assert 0 < price.cached <= price.input <= price.output, name


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-4o", (2.5, 10.0)),
        ("gpt-4o-2024-08-06", (2.5, 10.0)),
        ("gpt-4o-2024-05-13", (5.0, 15.0)),
        ("gpt-4-0613", (30.0, 60.0)),
        ("gpt-3.5-turbo-0125", (0.5, 1.5)),
        ("gpt-3.5-turbo-1106", (1.0, 2.0)),
    ],
)
def test_a_version_costs_what_its_model_does_unless_it_has_a_price_of_its_own(
    model: str, dollars: tuple[float, float]
) -> None:
    """Older versions of a model may cost twice as much."""
    price = price_of(model, price_table())
    assert price is not None
    assert (price.input, price.output) == dollars


def test_a_model_that_is_not_listed_has_no_price() -> None:
    """Not zero, and not that of its next of kin."""
    assert price_of("gpt-4o-audio-preview", price_table()) is None
    assert price_of("gpt-6", price_table()) is None
