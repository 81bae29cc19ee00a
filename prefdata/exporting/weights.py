"""How much good and bad answers should count in KTO, by how many there are."""

from __future__ import annotations

import math

WIDEST = 4 / 3
"""Good answers may count in sum as much as the bad ones, up to a third more."""


def weights(good: int, bad: int) -> tuple[float, float]:
    """The weights of good and of bad answers, the rarer kind raised.

    The sums of the weights are to stand between 1 to 1 and 4 to 3 (KTO, section 4.2,
    https://arxiv.org/abs/2402.01306); inside that both weights are 1.

    Args:
        good: good answers in the train split.
        bad: bad ones.

    Example:
        >>> weights(100, 100), weights(50, 100), weights(300, 100), weights(5, 0)
        ((1.0, 1.0), (2.0, 1.0), (1.0, 3.0), (1.0, 1.0))
    """
    if not good or not bad or 1 <= good / bad <= WIDEST:
        return 1.0, 1.0
    if good < bad:
        return math.ceil(100 * bad / good) / 100, 1.0
    return 1.0, math.floor(100 * good / bad) / 100


def said(good: int, bad: int) -> list[str]:
    """The weights in words.

    Example:
        >>> said(50, 100)
        ['50 good and 100 bad answers to train on: weights 2 and 1']
    """
    if not good or not bad:
        only = "good" if good else "bad"
        return [
            f"all answers to train on are {only}: KTO learns from the difference, and needs both"
        ]
    one, other = weights(good, bad)
    return [f"{good:,} good and {bad:,} bad answers to train on: weights {one:g} and {other:g}"]
