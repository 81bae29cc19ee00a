"""Estimates with their intervals: shares, means, and how well two groups are told apart."""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

Z95 = 1.959964
"""The normal quantile of a 95 % interval."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Args:
        value: the estimate.
        interval: low and high end; None where one row cannot give one.
        n: rows that it rests on.
    """

    value: float
    interval: tuple[float, float] | None
    n: int

    def as_json(self) -> dict[str, JsonValue]:
        """The estimate as JSON values.

        Example:
            >>> Estimate(0.5, (0.2, 0.8), 9).as_json()
            {'value': 0.5, 'interval': [0.2, 0.8], 'n': 9}
        """
        interval = None if self.interval is None else list[JsonValue](self.interval)
        return {"value": self.value, "interval": interval, "n": self.n}


def win(difference: float) -> float:
    """1 for a win, 0 for a loss, one half for a tie.

    Example:
        >>> win(0.3), win(0.0)
        (1.0, 0.5)
    """
    return 1.0 if difference > 0 else 0.5 if difference == 0 else 0.0


def wilson(wins: float, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927), sound for small n and near 0 and 1.

    Args:
        wins: how many of `n`; a tie counts one half.
        n: rows, at least 1.

    Example:
        >>> [round(end, 3) for end in wilson(8, 10)]
        [0.49, 0.943]
    """
    share, z = wins / n, Z95
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def share(wins: Sequence[float]) -> Estimate:
    """The mean of wins (1), ties (one half) and losses (0), with its Wilson interval.

    Example:
        >>> share([1.0, 0.0, 1.0, 1.0]).value
        0.75
    """
    return Estimate(statistics.fmean(wins), wilson(sum(wins), len(wins)), len(wins))


def mean(values: Sequence[float]) -> Estimate:
    """The mean, with the normal interval from its standard error.

    Example:
        >>> mean([1.0, 3.0]).value
        2.0
    """
    value = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(value, None, len(values))
    spread = Z95 * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(value, (value - spread, value + spread), len(values))


def difference(good: Sequence[float], bad: Sequence[float]) -> Estimate:
    """By how much the mean of one group is above that of another, with Welch's standard error.

    Example:
        >>> difference([2.0, 4.0], [1.0, 1.0]).value
        2.0
    """
    value, n = statistics.fmean(good) - statistics.fmean(bad), len(good) + len(bad)
    if min(len(good), len(bad)) < 2:
        return Estimate(value, None, n)
    spread = Z95 * math.sqrt(sum(statistics.variance(v) / len(v) for v in (good, bad)))
    return Estimate(value, (value - spread, value + spread), n)


def ranking(good: Sequence[float], bad: Sequence[float]) -> Estimate:
    """How often one of the good is above one of the bad, over all pairs of them (the ROC's area).

    Its interval is that of Hanley and McNeil (1982).

    Example:
        >>> ranking([3.0, 2.0], [1.0, 2.0]).value
        0.875
    """
    ordered = sorted(bad)
    above = sum(
        (bisect.bisect_left(ordered, one) + bisect.bisect_right(ordered, one)) / 2 for one in good
    )
    area, n, m = above / (len(good) * len(bad)), len(good), len(bad)
    both, either = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n - 1) * (both - area**2) + (m - 1) * (either - area**2)
    spread = Z95 * math.sqrt(max(0.0, variance) / (n * m))
    return Estimate(area, (max(0.0, area - spread), min(1.0, area + spread)), n + m)
