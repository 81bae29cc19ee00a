"""The statistics under agreement, rankings and win rates: intervals, kappa, alpha, regression."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefdata.errors import InputError

Numbers = NDArray[np.float64]

Z95 = NormalDist().inv_cdf(0.975)
"""Standard deviations on either side of a 95 % interval."""

MOST_STEPS = 100


class Share(NamedTuple):
    """How often something was so, with its 95 % interval.

    Attributes:
        hits: how often it was so; a tie may count half.
        of: out of how many.
        units: how many of them are independent, if not all: several votes on one comparison are
            one unit, which makes the interval as wide as it should be.

    Example:
        >>> share = Share(85, 100)
        >>> share.value, round(share.low, 3), round(share.high, 3)
        (0.85, 0.767, 0.907)
        >>> print(Share(0, 0))
        none
        >>> print(share)
        85.0 % (85 of 100; 76.7 to 90.7 %)
    """

    hits: float
    of: float
    units: int | None = None

    @property
    def value(self) -> float | None:
        """The share, or ``None`` where there was nothing to count."""
        return self.hits / self.of if self.of else None

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval; 0 where there was nothing to count."""
        return self._interval[0]

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval; 1 where there was nothing to count."""
        return self._interval[1]

    @property
    def _interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.of, units=self.units)

    def to_dict(self) -> dict[str, float | None]:
        """The share as plain values that JSON can hold."""
        ends = {"low": self.low, "high": self.high} if self.of else {"low": None, "high": None}
        return {"value": self.value, **ends, "hits": self.hits, "of": self.of}

    def __str__(self) -> str:
        if self.value is None:
            return "none"
        low, high = f"{100 * self.low:.1f}", f"{100 * self.high:.1f} %"
        return f"{100 * self.value:.1f} % ({self.hits:,g} of {self.of:,g}; {low} to {high})"


def wilson(
    hits: float, of: float, *, units: int | None = None, z: float = Z95
) -> tuple[float, float]:
    """Give the score interval of a share, which holds for small numbers and at 0 and 1 too.

    Args:
        hits: how often something was so.
        of: out of how many.
        units: how many of them are independent, if not all.
        z: its width in standard deviations; 95 % by default.

    Returns:
        The lower and the upper end; 0 and 1 where there was nothing to count.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Example:
        >>> low, high = wilson(9, 10)
        >>> round(low, 4), round(high, 4)
        (0.5958, 0.9821)
    """
    n = of if units is None else units
    if not of or not n:
        return 0.0, 1.0
    share = hits / of
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def cohen_kappa(table: ArrayLike) -> float | None:
    """Give the agreement of two annotators beyond what their habits would give by chance.

    Args:
        table: counts (categories, categories): row by what one said, column by what the other did.

    Returns:
        1 where they always agree, 0 where as often as by chance; ``None`` where either of them
        always said the same, since chance then explains everything.

    Source:
        Cohen (1960), A coefficient of agreement for nominal scales.

    Example:
        >>> round(cohen_kappa([[20, 5], [10, 15]]), 4)
        0.4
    """
    counts = np.asarray(table, np.float64)
    total = counts.sum()
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    if min(np.count_nonzero(rows), np.count_nonzero(columns)) < 2:
        return None
    seen = counts.trace() / total
    chance = float(rows @ columns) / total**2
    return float((seen - chance) / (1 - chance))


def krippendorff_alpha(counts: ArrayLike) -> float | None:
    """Give the reliability of any number of annotators, each of whom may have left units out.

    Args:
        counts: (units, categories): how many annotators put a unit into a category.

    Returns:
        1 where all agree, 0 where as often as by chance; ``None`` where no unit has two verdicts,
        or all verdicts are the same.

    Source:
        Krippendorff (2011), Computing Krippendorff's alpha-reliability; nominal data.

    Example:
        Two annotators on ten units, from section B of the source:

        >>> a = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
        >>> b = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
        >>> counts = [[(x, y).count(0), (x, y).count(1)] for x, y in zip(a, b, strict=True)]
        >>> round(krippendorff_alpha(counts), 3)
        0.095
    """
    table = np.asarray(counts, np.float64)
    table = table[table.sum(axis=1) > 1]
    votes = table.sum(axis=1)
    by_category = table.sum(axis=0)
    total = by_category.sum()
    if np.count_nonzero(by_category) < 2:
        return None
    seen = ((votes**2 - (table**2).sum(axis=1)) / (votes - 1)).sum()
    chance = (total**2 - (by_category**2).sum()) / (total - 1)
    return float(1 - seen / chance)


class Fit(NamedTuple):
    """Coefficients of a regression, and how certain they are.

    Attributes:
        coefficients: one per column (columns,), in log-odds.
        covariance: of the coefficients (columns, columns).
    """

    coefficients: Numbers
    covariance: Numbers


def logistic(
    columns: ArrayLike, outcomes: ArrayLike, weights: ArrayLike | None = None, *, ridge: float = 0.0
) -> Fit:
    """Fit a logistic regression by Newton's method; outcomes may lie between 0 and 1.

    Args:
        columns: (rows, columns); for an intercept, one of them holds ones.
        outcomes: (rows,), from 0 to 1; a tie is 0.5.
        weights: (rows,), how much each row counts; 1 by default.
        ridge: how strongly coefficients are held at 0: the precision of a normal prior.

    Raises:
        InputError: the rows do not settle the coefficients, as where one outcome alone was seen
            and there is no ridge.

    Source:
        McCullagh and Nelder (1989), Generalized linear models, section 2.5.

    Example:
        Three wins of four are odds of three to one:

        >>> fit = logistic([[1], [1], [1], [1]], [1, 1, 1, 0])
        >>> round(float(np.exp(fit.coefficients[0])), 6)
        3.0
    """
    x, y = np.asarray(columns, np.float64), np.asarray(outcomes, np.float64)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    beta = np.zeros(x.shape[1])
    held = ridge * np.eye(x.shape[1])
    for _ in range(MOST_STEPS):
        p = expit(x @ beta)
        slope = x.T @ (w * (y - p)) - ridge * beta
        bend = (x * (w * p * (1 - p))[:, None]).T @ x + held
        try:
            inverse = np.linalg.inv(bend)
        except np.linalg.LinAlgError:
            break
        step = inverse @ slope
        beta = beta + step / max(1.0, float(np.abs(step).max()) / 2)
        if np.abs(step).max() < 1e-10:
            return Fit(np.asarray(beta, np.float64), np.asarray(inverse, np.float64))
    raise InputError(
        "the outcomes do not settle the regression: in part of them, one side always wins",
        hint="Give more outcomes, or a prior.",
    )


def expit(log_odds: ArrayLike) -> Numbers:
    """Turn log-odds into probabilities, without overflow.

    Example:
        >>> expit([0.0, 800.0, -800.0]).tolist()
        [0.5, 1.0, 0.0]
    """
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(log_odds, np.float64) / 2)), np.float64)
