"""Answers that judges have compared: how often those of the model win."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefdata.agreement.before_after import before_after
from prefdata.stats.intervals import Estimate


def judged_win_rate(judged: Sequence[Path]) -> Estimate:
    """How often judges prefer the model's answers; a prompt with several counts once.

    Args:
        judged: what `pref judge` wrote of the answers of `pref eval`.

    Raises:
        InputError: there is no comparison of before and after.
    """
    rate = before_after(judged).rate
    return Estimate(rate.value, rate.low, rate.high, rate.n)
