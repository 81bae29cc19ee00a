"""How records become pairs: the choices a user has, with their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Literal, get_args

from prefdata.errors import UnknownNameError, UsageError
from prefdata.transforms.filters import with_thresholds

Pairing = Literal["best-worst", "best-rest", "adjacent", "all"]
"""Which responses of a ranking are paired."""

Strategy = Literal[Pairing, "best-random"]
Aggregate = Literal["mean", "median", "majority"]
Conflicts = Literal["majority", "drop", "keep"]
SplitBy = Literal["", "prompt", "conversation"]
SplitChoice = Literal["", "keep", "anew"]

PAIRINGS: tuple[Pairing, ...] = get_args(Pairing)
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
CONFLICTS: tuple[Conflicts, ...] = get_args(Conflicts)
SPLITS_BY: tuple[SplitBy, ...] = get_args(SplitBy)
SPLIT_CHOICES: tuple[SplitChoice, ...] = get_args(SplitChoice)

DEFAULT_TEST_SIZE = 0.1

ALL = ("all",)
"""Stands for every dimension that both responses have."""

RULES = ("weights", "lexicographic", "pareto")
"""The options that let several dimensions decide; one of them at a time."""


@dataclass(frozen=True)
class Options:
    """How records become pairs.

    The strategy chooses pairs by score alone. What ``min_margin``, ``pareto`` or ``veto`` then
    refuses is not made up for by another pair of the same prompt: with ``best-worst`` the prompt
    gives none, and ``all`` is the strategy that leaves every pair which stands.

    Attributes:
        strategy: which responses to one prompt are paired.
        aggregate: how several ratings of one response become one score.
        conflicts: what to do where verdicts on the same two responses point both rules.
        min_margin: the least difference in score, on the scale of the source.
        test_size: the share of prompts in the test split of a new split, from 0 to below 1; None
            for a tenth. A share asks for a new split.
        seed: enters wherever chance is involved: the split, and ``best-random``.
        weights: dimension to its weight: the weighted mean decides. A negative weight makes less
            of it better.
        lexicographic: the first of these dimensions that differs decides.
        pareto: better on one of these dimensions and worse on none; `ALL` means every dimension
            that both responses have.
        veto: no pair whose chosen response is worse on one of these dimensions.
        split: whether rows ``keep`` the split that the sources say they are in, or are split
            ``anew``; by default they keep it where all of them have one.
        split_by: what stays on one side of the split: all rows of a ``prompt``, or of a
            ``conversation`` (all prompts that begin with the same user turn); by default what the
            formats of the sources say.
        keep: columns of the source, or patterns of their names, that every row gets as text.
        caps: source, or a pattern of names, to the most rows that it gives.
        mix: source, or a pattern of names, to its share of the rows.
        filters: the filters that refuse pairs, or labelled answers, each with its threshold, or
            None for the filter's own; see `prefdata.transforms.filters.FILTERS`.

    Raises:
        UnknownNameError: there is no such strategy, aggregate, choice of conflicts or filter.
        UsageError: a value is out of range.

    Example:
        >>> Options(min_margin=1.0).strategy
        'best-worst'
    """

    strategy: Strategy = "best-worst"
    aggregate: Aggregate = "mean"
    conflicts: Conflicts = "majority"
    min_margin: float = 0.0
    test_size: float | None = None
    seed: int = 0
    weights: Mapping[str, float] = field(default_factory=dict)
    lexicographic: tuple[str, ...] = ()
    pareto: tuple[str, ...] = ()
    veto: tuple[str, ...] = ()
    split: SplitChoice = ""
    split_by: SplitBy = ""
    keep: tuple[str, ...] = ()
    caps: Mapping[str, int] = field(default_factory=dict)
    mix: Mapping[str, float] = field(default_factory=dict)
    filters: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, choices in (
            ("strategy", STRATEGIES),
            ("aggregate", AGGREGATES),
            ("conflicts", CONFLICTS),
            ("split", SPLIT_CHOICES),
            ("split_by", SPLITS_BY),
        ):
            if getattr(self, name) not in choices:
                raise UnknownNameError(name, getattr(self, name), choices, where="the options")
        if not 0 <= self.test_share < 1:
            raise UsageError(
                f"the test size is {self.test_share:g}; expected a share from 0 to below 1",
                hint="--test-size 0.1 keeps one prompt in ten for the test split.",
            )
        if self.split == "keep" and self.test_size is not None:
            raise UsageError(
                "--test-size asks for a new split, --split keep for that of the sources",
                hint="Leave one of them out.",
            )
        if not self.min_margin >= 0:
            raise UsageError(
                f"the least margin is {self.min_margin:g}; expected 0 or more",
                hint="A margin is the chosen score minus the rejected score.",
            )

        self._check_rule()
        self._check_parts()
        with_thresholds(self.filters)

    def _check_parts(self) -> None:
        for name, cap in self.caps.items():
            if not (isfinite(cap) and cap >= 0 and cap == int(cap)):
                raise UsageError(
                    f"the cap of {name} is {cap:g}; expected a number of rows, 0 or more",
                    hint="Write it as in --cap 'helpsteer*.jsonl=5000'.",
                )
        for name, share in self.mix.items():
            if not (isfinite(share) and share > 0):
                raise UsageError(
                    f"the share of {name} is {share:g}; expected a number above 0",
                    hint="Write it as in --mix a.jsonl=0.7,b.jsonl=0.3; leave out what gives none.",
                )

    def _check_rule(self) -> None:
        rules = [name for name in RULES if getattr(self, name)]
        if len(rules) > 1:
            raise UsageError(
                f"{' and '.join(f'--{name}' for name in rules)} cannot both decide which is better",
                hint="Choose one of them; --veto goes with each.",
            )
        for name, weight in self.weights.items():
            if not isfinite(weight) or not weight:
                raise UsageError(
                    f"the weight of {name} is {weight:g}; expected a number other than 0",
                    hint="Leave a dimension out that shall not count; a negative weight makes less "
                    "of it better.",
                )
        for option in ("lexicographic", "pareto", "veto"):
            names: tuple[str, ...] = getattr(self, option)
            if twice := next((name for name in names if names.count(name) > 1), ""):
                raise UsageError(
                    f"--{option} names {twice} twice", hint="Name each dimension once."
                )

    def to_dict(self) -> dict[str, object]:
        """The options as plain values; ``filters`` with their thresholds, where there are any."""
        values = {**asdict(self), "test_size": self.test_share}
        filters = with_thresholds(values.pop("filters"))
        return {**values, **({"filters": filters} if filters else {})}

    @property
    def test_share(self) -> float:
        """The share of prompts in the test split of a new split."""
        return DEFAULT_TEST_SIZE if self.test_size is None else self.test_size

    @property
    def rule(self) -> str:
        """The option by which dimensions decide; ``""`` where the source says what is better."""
        return next((name for name in RULES if getattr(self, name)), "")

    @property
    def rule_dimensions(self) -> list[str]:
        """The dimensions that the rule names; none where it takes all or there is none."""
        return [name for name in getattr(self, self.rule, ()) if self.pareto != ALL]

    @property
    def all_dimensions(self) -> list[str]:
        """The dimensions of the rule and of the veto, each once."""
        return list(dict.fromkeys([*self.rule_dimensions, *self.veto]))

    @property
    def least_margin(self) -> float:
        """The least margin as it is compared: 4.1 - 3.9, a trace less than 0.2, counts as 0.2."""
        return self.min_margin * (1 - 1e-9)
