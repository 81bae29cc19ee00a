"""How often the answers of one model beat those of another, also at equal length."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from prefdata.errors import InputError
from prefdata.stats.intervals import Z95, Estimate, share
from prefdata.stats.regression import expit, logistic

PRIOR = 0.25
"""The precision of the coefficients' normal prior: two log-odds of standard deviation, which
matters only where there are few outcomes, or one side won nearly all."""


class LengthControlled(NamedTuple):
    """The win rate at equal length.

    Attributes:
        value: the probability that A wins where both answers are equally long.
        low: the lower end of its 95 % interval.
        high: the upper end.
        slope: what length is worth, in log-odds: above 0 where longer answers win more often.
    """

    value: float
    low: float
    high: float
    slope: float


class WinRate(NamedTuple):
    """How often A won over B.

    Attributes:
        rate: wins and half of the ties, of all that were decided or tied, with its interval.
        wins: comparisons that A won.
        ties: comparisons that neither won.
        losses: comparisons that B won.
        no_verdict: comparisons without a verdict, which count for neither.
        at_equal_length: the same with the effect of length taken out; ``None`` where lengths were
            not given, or never differ.
    """

    rate: Estimate
    wins: int
    ties: int
    losses: int
    no_verdict: int
    at_equal_length: LengthControlled | None

    @property
    def coverage(self) -> Estimate:
        """How many of the comparisons had a verdict."""
        with_verdict = self.wins + self.ties + self.losses
        return share(with_verdict, with_verdict + self.no_verdict)

    def to_dict(self) -> dict[str, object]:
        """The win rate as plain values that JSON can hold."""
        return {
            "win_rate": self.rate.to_dict(),
            "coverage": self.coverage.to_dict(),
            **{name: getattr(self, name) for name in ("wins", "ties", "losses", "no_verdict")},
            "at_equal_length": self.at_equal_length and self.at_equal_length._asdict(),
        }


def win_rate(
    outcomes: Sequence[float | None],
    *,
    lengths: Sequence[tuple[float, float]] | None = None,
    prompts: Sequence[Hashable] | None = None,
) -> WinRate:
    """Measure how often A beat B.

    Args:
        outcomes: one per comparison: 1 where A won, 0 where B did, 0.5 for a tie, ``None`` where
            there is no verdict. Other values are probabilities that A is better.
        lengths: how long the answers of A and of B are, in any one unit.
        prompts: to which prompt each comparison belongs, where a prompt has several: the interval
            then counts prompts, not comparisons.

    Raises:
        InputError: an outcome is not from 0 to 1, or the arguments differ in length.

    Source:
        Wilson (1927) for the interval, which is a little wide where there are ties. Dubois et al.
        (2024), Length-controlled AlpacaEval, for the length: a logistic regression on the tanh of
        the scaled difference, read off where the difference is 0.

    Example:
        >>> result = win_rate([1, 1, 0.5, 0, None])
        >>> print(result.rate, "-", result.no_verdict, "without verdict")
        62.5 % (2.5 of 4; 21.9 to 90.8 %) - 1 without verdict
    """
    _check(outcomes, lengths, prompts)
    decided = [place for place, outcome in enumerate(outcomes) if outcome is not None]
    scores = np.array([outcomes[place] for place in decided], np.float64)
    units = len({prompts[place] for place in decided}) if prompts is not None else None
    at_equal_length = None
    if lengths is not None:
        differences = [lengths[place][0] - lengths[place][1] for place in decided]
        at_equal_length = length_controlled(scores, differences)
    return WinRate(
        share(float(scores.sum()), len(scores), units=units),
        int((scores > 0.5).sum()),
        int((scores == 0.5).sum()),
        int((scores < 0.5).sum()),
        len(outcomes) - len(decided),
        at_equal_length,
    )


def _check(outcomes: Sequence[float | None], *others: Sequence[object] | None) -> None:
    wrong = [o for o in outcomes if o is not None and not 0 <= o <= 1]
    if wrong:
        raise InputError(
            f"an outcome is {wrong[0]:g}, and must be from 0 to 1",
            hint="Write 1 where the first won, 0 where the second did, 0.5 for a tie.",
        )
    for other in others:
        if other is not None and len(other) != len(outcomes):
            raise InputError(
                f"{len(outcomes):,} outcomes, but {len(other):,} lengths or prompts",
                hint="Give one for each outcome.",
            )


def length_controlled(
    scores: Sequence[float] | np.ndarray, differences: Sequence[float], *, prior: float = PRIOR
) -> LengthControlled | None:
    """Estimate how often A would win if its answers were as long as those of B.

    Args:
        scores: 1 where A won, 0 where B did, 0.5 for a tie.
        differences: by how much the answer of A is longer.
        prior: how strongly coefficients are held at even odds.

    Returns:
        ``None`` where there is nothing to learn from: no score, or no difference in length.

    Example:
        Long answers win four of five, short ones two of five: at equal length it is between them.

        >>> scores = [1, 1, 1, 1, 0] * 20 + [1, 1, 0, 0, 0] * 20
        >>> result = length_controlled(scores, [300] * 100 + [-300] * 100)
        >>> round(result.value, 2)
        0.62
    """
    longer = np.asarray(differences, np.float64)
    scale = float(np.sqrt(np.mean(longer**2))) if len(longer) else 0.0
    if not scale or len(set(differences)) < 2:
        return None
    x = np.column_stack([np.ones(len(longer)), np.tanh(longer / scale)])
    fit = logistic(x, scores, ridge=prior)
    middle, slope = (float(value) for value in fit.coefficients)
    half = Z95 * float(fit.covariance[0, 0]) ** 0.5
    low, value, high = expit([middle - half, middle, middle + half]).tolist()
    return LengthControlled(value, low, high, slope)
