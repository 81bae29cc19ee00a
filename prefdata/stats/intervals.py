"""Estimates with their 95 % intervals: shares, means, and how well two groups are told apart."""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Self

from pydantic import JsonValue

Z95 = NormalDist().inv_cdf(0.975)
"""Standard deviations on either side of a 95 % interval."""

Z95_ROUNDED = 1.959964
"""The same to six decimals, as the intervals of an evaluation have it: `share_of_wins`, `mean`,
`mean_difference` and `auc`. Kept, since every digit of theirs is written to files."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: the estimate; ``None`` where there was nothing to count.
        low: the lower end; minus infinity where too few rows bound it.
        high: the upper end; infinity where too few rows bound it.
        n: how many rows, or votes, it rests on.
        hits: of a `share`, how many of them it is; a tie may count half.

    Example:
        >>> print(Estimate(0.5, 0.2, 0.8, 9))
        0.5 (0.2 to 0.8)
        >>> print(share(85, 100))
        85.0 % (85 of 100; 76.7 to 90.7 %)
    """

    value: float | None
    low: float
    high: float
    n: float
    hits: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or ``None`` where nothing bounds them.

        Example:
            >>> mean([1.0]).interval
        """
        return None if math.isinf(self.low) or self.value is None else (self.low, self.high)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gives of an estimate that is no `share`.

        Example:
            >>> Estimate.from_dict({"value": 0.5, "interval": [0.2, 0.8], "n": 9})
            Estimate(value=0.5, low=0.2, high=0.8, n=9, hits=None)
        """
        low, high = values["interval"] or (-math.inf, math.inf)
        return cls(values["value"], low, high, values["n"])

    def to_dict(self) -> dict[str, JsonValue]:
        """The estimate as plain values that JSON can hold; a share names its hits.

        Example:
            >>> Estimate(0.5, 0.2, 0.8, 9).to_dict()
            {'value': 0.5, 'interval': [0.2, 0.8], 'n': 9}
            >>> share(0, 0).to_dict()
            {'value': None, 'low': None, 'high': None, 'hits': 0, 'of': 0}
        """
        low, high = self.interval or (None, None)
        if self.hits is None:
            ends: JsonValue = None if low is None else [low, high]
            return {"value": self.value, "interval": ends, "n": self.n}
        return {"value": self.value, "low": low, "high": high, "hits": self.hits, "of": self.n}

    def __str__(self) -> str:
        if self.value is None:
            return "none"
        if self.hits is None:
            return f"{self.value:g} ({self.low:g} to {self.high:g})"
        low, high = f"{100 * self.low:.1f}", f"{100 * self.high:.1f} %"
        return f"{100 * self.value:.1f} % ({self.hits:,g} of {self.n:,g}; {low} to {high})"


def share(hits: float, n: float, *, units: int | None = None) -> Estimate:
    """How often something was so, with its Wilson interval.

    Args:
        hits: how often it was so; a tie may count half.
        n: out of how many.
        units: how many of them are independent, if not all: several votes on one comparison are
            one unit, which makes the interval as wide as it should be.

    Example:
        >>> estimate = share(85, 100)
        >>> estimate.value, round(estimate.low, 3), round(estimate.high, 3)
        (0.85, 0.767, 0.907)
        >>> print(share(0, 0))
        none
    """
    return Estimate(hits / n if n else None, *wilson(hits, n, units=units), n, hits)


def wilson(hits: float, n: float, *, units: int | None = None) -> tuple[float, float]:
    """The 95 % score interval of a share, which holds for small numbers and at 0 and 1 too.

    Args:
        hits: how often something was so.
        n: out of how many.
        units: how many of them are independent, if not all.

    Returns:
        The lower and the upper end; 0 and 1 where there was nothing to count.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Example:
        >>> low, high = wilson(9, 10)
        >>> round(low, 4), round(high, 4)
        (0.5958, 0.9821)
    """
    independent = n if units is None else units
    if not n or not independent:
        return 0.0, 1.0
    value, z = hits / n, Z95
    middle = (value + z * z / (2 * independent)) / (1 + z * z / independent)
    half = z / (1 + z * z / independent)
    half *= (value * (1 - value) / independent + z * z / (4 * independent * independent)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def share_of_wins(differences: Sequence[float]) -> Estimate:
    """How often a difference is above 0, a tie counting one half, with its Wilson interval.

    Args:
        differences: score of the one minus score of the other, at least one.

    Example:
        >>> share_of_wins([0.3, -0.1, 2.0, 0.0]).value
        0.625
    """
    wins = [1.0 if each > 0 else 0.5 if each == 0 else 0.0 for each in differences]
    return Estimate(statistics.fmean(wins), *_score_interval(sum(wins), len(wins)), len(wins))


def _score_interval(hits: float, n: int) -> tuple[float, float]:
    """What `wilson` gives, to seven digits.

    Apart only because evaluations that were written before have its last digits: the order of the
    operations differs, which changes the last bit of three intervals in five.
    """
    value, z = hits / n, Z95_ROUNDED
    middle = value + z * z / (2 * n)
    half = z * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def mean(values: Sequence[float]) -> Estimate:
    """The mean, with the normal interval from its standard error.

    Example:
        >>> mean([1.0, 3.0]).value
        2.0
    """
    value = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(value, -math.inf, math.inf, len(values))
    half = Z95_ROUNDED * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(value, value - half, value + half, len(values))


def mean_difference(good: Sequence[float], bad: Sequence[float]) -> Estimate:
    """By how much the mean of one group is above that of another, with Welch's standard error.

    Example:
        >>> mean_difference([2.0, 4.0], [1.0, 1.0]).value
        2.0
    """
    value, n = statistics.fmean(good) - statistics.fmean(bad), len(good) + len(bad)
    if min(len(good), len(bad)) < 2:
        return Estimate(value, -math.inf, math.inf, n)
    half = Z95_ROUNDED * math.sqrt(sum(statistics.variance(v) / len(v) for v in (good, bad)))
    return Estimate(value, value - half, value + half, n)


def auc(good: Sequence[float], bad: Sequence[float]) -> Estimate:
    """How often one of the good is above one of the bad, over all pairs of them.

    This is the area under the ROC curve; a tie counts one half.

    Source:
        Hanley and McNeil (1982), The meaning and use of the area under a ROC curve, for the
        interval.

    Example:
        >>> auc([3.0, 2.0], [1.0, 2.0]).value
        0.875
    """
    ordered = sorted(bad)
    above = sum(
        (bisect.bisect_left(ordered, each) + bisect.bisect_right(ordered, each)) / 2
        for each in good
    )
    area, n, m = above / (len(good) * len(bad)), len(good), len(bad)
    both, either = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n - 1) * (both - area**2) + (m - 1) * (either - area**2)
    half = Z95_ROUNDED * math.sqrt(max(0.0, variance) / (n * m))
    return Estimate(area, max(0.0, area - half), min(1.0, area + half), n + m)
