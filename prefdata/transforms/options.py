"""How records become pairs: the choices a user has, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from prefdata.errors import UnknownNameError, UsageError

Strategy = Literal["best-worst", "best-rest", "best-random", "adjacent", "all"]
Aggregate = Literal["mean", "median", "majority"]
Conflicts = Literal["majority", "drop", "keep"]

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
CONFLICTS: tuple[Conflicts, ...] = get_args(Conflicts)


@dataclass(frozen=True)
class Options:
    """How records become pairs.

    Attributes:
        strategy: which responses to one prompt are paired.
        aggregate: how several ratings of one response become one score.
        conflicts: what to do where verdicts on the same two responses point both ways.
        min_margin: the least difference in score, on the scale of the source.
        test_size: the share of prompts in the test split, from 0 to below 1.
        seed: enters wherever chance is involved: the split, and ``best-random``.

    Raises:
        UnknownNameError: there is no such strategy, aggregate or way with conflicts.
        UsageError: a value is out of range.

    Example:
        >>> Options(min_margin=1.0).strategy
        'best-worst'
    """

    strategy: Strategy = "best-worst"
    aggregate: Aggregate = "mean"
    conflicts: Conflicts = "majority"
    min_margin: float = 0.0
    test_size: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for field, known in (
            ("strategy", STRATEGIES),
            ("aggregate", AGGREGATES),
            ("conflicts", CONFLICTS),
        ):
            if getattr(self, field) not in known:
                raise UnknownNameError(field, getattr(self, field), known, where="the options")
        if not 0 <= self.test_size < 1:
            raise UsageError(
                f"the test size is {self.test_size:g}; expected a share from 0 to below 1",
                hint="--test-size 0.1 keeps one prompt in ten for the test split.",
            )
        if not self.min_margin >= 0:
            raise UsageError(
                f"the least margin is {self.min_margin:g}; expected 0 or more",
                hint="A margin is the chosen score minus the rejected score.",
            )

    @property
    def least_margin(self) -> float:
        """The least margin as it is compared: 4.1 - 3.9, a trace less than 0.2, counts as 0.2."""
        return self.min_margin * (1 - 1e-9)
