"""Codes among scores and ranks that say that there is none, such as -1, or a 0 among 3 to 5."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from prefdata.formats.numbers import number_of
from prefdata.formats.sample import Sample

CODES = (-1.0, 0.0, 99.0, 999.0, 9999.0, -99.0, -999.0, -9999.0)
"""Numbers that people write where they have none."""

LARGEST_WHOLE = 1e6
"""Whole numbers below it have a key of their own."""

OUTSIDE = 9.9
"""How many times larger than all scores a code such as 99 is."""


def number_key(number: float) -> str:
    """A score in brief, so that a column has few different ones; whole numbers are exact.

    Example:
        >>> number_key(-1.0), number_key(0.123), number_key(3.14159)
        ('-1', '0.1', '3.1')
    """
    if number.is_integer() and abs(number) < LARGEST_WHOLE:
        return f"{number:.0f}"
    return f"{number:.1g}" if abs(number) < 1 else f"{number:.2g}"


def numbers_in(values: Iterable[object]) -> list[float]:
    """The numbers among values; of lists those among their items."""
    flat = (item for value in values for item in (value if isinstance(value, list) else [value]))
    numbers = (number_of(item) for item in flat if not isinstance(item, bool))
    return [number for number in numbers if number is not None]


def number_tally(sample: Sample, column: str) -> dict[float, int]:
    """The numbers of a column, as `number_key` has them, and how many cells hold each."""
    if column in sample.counts:
        return {float(key): count for key, count in sample.counts[column].items()}
    keys = Counter(number_key(number) for number in numbers_in(sample.values(column)))
    return {float(key): count for key, count in keys.items()}


def possible_codes(numbers: Collection[float]) -> list[float]:
    """The codes among numbers that may stand for no number: more numbers never add to them.

    Example:
        >>> possible_codes([1, 2, 3, -1]), possible_codes([-2, 1, 2, -1])
        ([-1.0], [])
    """
    rest = set(numbers) - set(CODES)
    negative = any(number < 0 for number in rest)
    largest = max(rest, default=0.0)
    fits = {
        -1.0: not negative,
        0.0: not negative and not any(0 < number <= 1 for number in rest),
        **{code: largest * OUTSIDE <= code for code in (99.0, 999.0, 9999.0)},
        **dict.fromkeys((-99.0, -999.0, -9999.0), not negative),
    }
    return [code for code in CODES if code in numbers and fits[code]]


def codes_among(numbers: Collection[float]) -> list[float]:
    """The codes that stand alone outside the rest of some numbers.

    Example:
        >>> codes_among([0, 3, 4, 5]), codes_among([0, 1, 2, 3, 4, 5]), codes_among([-1, 0, 1])
        ([0.0], [], [])
    """
    codes = possible_codes(numbers)
    rest = sorted(set(numbers) - set(CODES))
    with_zero = sorted(set(rest) | ({0.0} & set(numbers)))
    enough = {
        -1.0: len(with_zero) > 1 and with_zero[-1] >= 2,
        0.0: len(rest) > 2 and rest[0] * 2 > rest[-1] - rest[0],
    }
    return [code for code in codes if enough.get(code, len(rest) > 1)]
