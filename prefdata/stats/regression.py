"""Logistic regression, under rankings by strength and win rates at equal length."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefdata.errors import InputError

Floats = NDArray[np.float64]

MOST_STEPS = 100


class Fit(NamedTuple):
    """Coefficients of a regression, and how certain they are.

    Attributes:
        coefficients: one per column (columns,), in log-odds.
        covariance: of the coefficients (columns, columns).
    """

    coefficients: Floats
    covariance: Floats


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
    penalty = ridge * np.eye(x.shape[1])
    for _ in range(MOST_STEPS):
        p = expit(x @ beta)
        gradient = x.T @ (w * (y - p)) - ridge * beta
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x + penalty
        try:
            inverse = np.linalg.inv(hessian)
        except np.linalg.LinAlgError:
            break
        step = inverse @ gradient
        beta = beta + step / max(1.0, float(np.abs(step).max()) / 2)
        if np.abs(step).max() < 1e-10:
            return Fit(np.asarray(beta, np.float64), np.asarray(inverse, np.float64))
    raise InputError(
        "the outcomes do not settle the regression: in part of them, one side always wins",
        hint="Give more outcomes, or a prior.",
    )


def expit(log_odds: ArrayLike) -> Floats:
    """Turn log-odds into probabilities, without overflow.

    Example:
        >>> expit([0.0, 800.0, -800.0]).tolist()
        [0.5, 1.0, 0.0]
    """
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(log_odds, np.float64) / 2)), np.float64)
