"""What tokens cost, and what may still be spent.

An unknown price is unknown: never zero, never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from prefdata.errors import UsageError
from prefdata.judging.prompting.reply import Usage

MILLION = 1_000_000
BATCH = 0.5
"""What the batch service asks for a token, as a share of the usual price."""

DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})$")


class Price(NamedTuple):
    """Dollars per million tokens.

    Attributes:
        input: of the prompt.
        output: of the completion, hidden reasoning included.
        cached: of the part of the prompt that the server had at hand.
        batch: what the batch service asks, as a share of all three.
    """

    input: float
    output: float
    cached: float
    batch: float = BATCH

    def of(self, usage: Usage, *, batch: bool = False) -> float:
        """The dollars that a call costs.

        Example:
            >>> Price(2.0, 8.0, 0.5).of(Usage(prompt=1_000_000, completion=500_000, cached=400_000))
            5.4
        """
        fresh = usage.prompt - usage.cached
        cost = fresh * self.input + usage.cached * self.cached + usage.completion * self.output
        return cost * (self.batch if batch else 1.0) / MILLION


NO_COST = Price(0.0, 0.0, 0.0)
"""What a model in this process costs."""


def price_table(extra: Path | None = None) -> dict[str, Price]:
    """The prices by model: those that come along, and over them those of a file.

    Raises:
        UsageError: the file is not a table of prices.
    """
    text = files("prefdata.judging.client").joinpath("prices.json").read_text(encoding="utf-8")
    prices = _parse_prices(text, "prices.json")
    if extra is not None:
        try:
            prices |= _parse_prices(extra.read_text(encoding="utf-8"), str(extra))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the price table {extra} cannot be read", hint="Check --prices."
            ) from error
    return prices


def _parse_prices(text: str, name: str) -> dict[str, Price]:
    try:
        models = json.loads(text)["models"]
        prices = {model: _price(fields) for model, fields in models.items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{name} is not a table of prices: {error}",
            hint='Write {"models": {"NAME": {"input": 2.5, "output": 10.0}}}, '
            "in dollars per million tokens.",
        ) from error
    return prices


def _price(fields: Mapping[str, float]) -> Price:
    numbers = {name: float(value) for name, value in fields.items()}
    if any(not 0 <= value < MILLION for value in numbers.values()):
        raise ValueError("a price is below 0, or no number of dollars")
    return Price(**{"cached": numbers["input"], **numbers})


def price_of(model: str, prices: Mapping[str, Price], *, local: bool = False) -> Price | None:
    """The price of a model, by its name or by its name without a date; None if it is not known.

    Example:
        >>> prices = {"gpt-4o": Price(2.5, 10.0, 1.25)}
        >>> price_of("gpt-4o-2024-08-06", prices).input, price_of("my-own", prices)
        (2.5, None)
    """
    if local:
        return NO_COST
    return prices.get(model) or prices.get(DATED.sub("", model))


@dataclass
class Budget:
    """A limit on dollars that calls under way count against at their highest price.

    Attributes:
        limit: dollars; None for no limit.
        spent: dollars of the calls that have come to their end.
        reserved: the most that those under way can cost.

    Example:
        >>> budget = Budget(limit=1.0, spent=0.5)
        >>> budget.reserve(0.4), budget.reserve(0.2)
        (True, False)
        >>> budget.settle(0.4, actual=0.1)
        >>> budget.reserve(0.2)
        True
    """

    limit: float | None
    spent: float = 0.0
    reserved: float = 0.0

    def reserve(self, most: float) -> bool:
        """Set money aside for a call, if there is enough; a limit is never passed by a call."""
        if self.limit is not None and self.spent + self.reserved + most > self.limit:
            return False
        self.reserved += most
        return True

    def settle(self, most: float, *, actual: float) -> None:
        """A call has come to its end: what was set aside goes back, what it cost is spent."""
        self.reserved = max(0.0, self.reserved - most)
        self.spent += actual
