"""How far annotators agree, people or models, never without how many comparisons that is of.

Each annotator is held against people: against each of the *others* among them, or against what most
of them say. An annotator who said different things of one comparison, as a
judge does whose verdict flips with the order, stands by none of them: that costs coverage, not
accuracy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from prefdata.agreement.verdict_frame import names
from prefdata.stats.agreement_coefficients import cohen_kappa, krippendorff_alpha
from prefdata.stats.intervals import Estimate, share

Against = Literal["each", "majority"]
"""``"each"``: every person's vote counts, as in the MT-Bench paper. ``"majority"``: a comparison
counts once, as most people see it, and not at all where they are split."""

THE_LONGER = "the longer answer"
"""The name of the baseline that takes the longer answer."""

SIDES = {"first": 1, "tie": 0, "second": -1}


@dataclass(frozen=True)
class Figures:
    """How one annotator compares with the people.

    Attributes:
        annotator: who.
        person: whether they are one of the people.
        verdicts: how many verdicts they gave, those without an answer too.
        accuracy: ties left out: how often they chose what the people chose, where both chose.
        coverage: ties left out: of the comparisons put to them in which the people chose, how many
            they chose in. A tie, a flip and no verdict are not covered.
        accuracy_with_ties: the same where a tie is an answer like the others.
        coverage_with_ties: of the comparisons put to them, how many they gave one answer to.
        kappa: Cohen's, over first, second and tie; ``None`` where one side always said the same.
        first_slot: of the verdicts that chose, how many chose what was shown first.
        flips: of the comparisons they saw in both orders, in how many the verdict changed.
        longer: of their choices between answers of different length, how many fell on the longer;
            of those in which people chose too, where there are any.
        longer_people: the same for the people, on the same comparisons.
    """

    annotator: str
    person: bool
    verdicts: int
    accuracy: Estimate
    coverage: Estimate
    accuracy_with_ties: Estimate
    coverage_with_ties: Estimate
    kappa: float | None
    first_slot: Estimate
    flips: Estimate
    longer: Estimate
    longer_people: Estimate

    def to_dict(self) -> dict[str, object]:
        """The figures as plain values that JSON can hold."""
        return {
            name: value.to_dict() if isinstance(value, Estimate) else value
            for name, value in vars(self).items()
        }


@dataclass(frozen=True)
class Agreement:
    """How far annotators agree.

    Attributes:
        comparisons: how many there are.
        verdicts: how many were given on them.
        people: whom the others are held against.
        peers: no one is known to be a person: all are held against each other.
        against: how.
        annotators: the figures of each, those first who are not people.
        ceiling: ties left out: how often a person agrees with the other people, which is as much
            as can be asked of a model.
        ceiling_with_ties: the same where a tie is an answer like the others.
        longer_baseline: the figures of always taking the longer answer; ``None`` without texts.
        alpha: Krippendorff's, over all annotators.
        alpha_people: Krippendorff's, over the people.
        categories: the same for each category.
    """

    comparisons: int
    verdicts: int
    people: tuple[str, ...]
    peers: bool
    against: Against
    annotators: tuple[Figures, ...]
    ceiling: Estimate
    ceiling_with_ties: Estimate
    longer_baseline: Figures | None
    alpha: float | None
    alpha_people: float | None
    categories: Mapping[str, Agreement] = field(default_factory=dict)

    @property
    def judges(self) -> tuple[Figures, ...]:
        """Those who are held against the people; all, where no one is known to be a person."""
        return tuple(each for each in self.annotators if self.peers or not each.person)

    def to_dict(self) -> dict[str, object]:
        """The agreement as plain values that JSON can hold."""
        baseline = self.longer_baseline
        return {
            "comparisons": self.comparisons,
            "verdicts": self.verdicts,
            "people": [] if self.peers else list(self.people),
            "against": self.against,
            "annotators": [each.to_dict() for each in self.annotators],
            "ceiling": self.ceiling.to_dict(),
            "ceiling_with_ties": self.ceiling_with_ties.to_dict(),
            "longer_baseline": baseline and baseline.to_dict(),
            "alpha": self.alpha,
            "alpha_people": self.alpha_people,
            "categories": {name: each.to_dict() for name, each in self.categories.items()},
        }


def agreement(
    verdicts: pl.DataFrame,
    *,
    people: Collection[str] = (),
    against: Against = "each",
    categories: bool = True,
) -> Agreement:
    """Measure how far annotators agree.

    Args:
        verdicts: the columns of `prefdata.agreement.verdict_frame.VERDICTS`.
        people: the annotators who are people; where there are none, each annotator is held against
            the others.
        against: what one annotator is held against.
        categories: whether to measure each category too.

    Example:
        >>> from prefdata.agreement.verdict_frame import VERDICTS
        >>> rows = [
        ...     (n, who, win)
        ...     for n, wins in enumerate(["aaa", "aab", "bbb", "abb"])
        ...     for who, win in zip(["anna", "bert", "judge"], wins)
        ... ]
        >>> frame = (
        ...     pl.DataFrame(rows, ["comparison", "annotator", "w"], orient="row")
        ...     .select(
        ...         "comparison",
        ...         "annotator",
        ...         winner=pl.col("w").replace_strict({"a": 1, "b": -1}),
        ...         swapped=False,
        ...         longer=None,
        ...         category=None,
        ...     )
        ...     .cast(VERDICTS)
        ... )
        >>> found = agreement(frame, people=["anna", "bert"])
        >>> print(found.judges[0].accuracy)
        62.5 % (5 of 8; 21.9 to 90.8 %)
        >>> print(found.ceiling)
        75.0 % (3 of 4; 30.1 to 95.4 %)
    """
    reference = set(people) or set(names(verdicts))
    own = stances(verdicts)
    held = _held_against(own, reference, against)
    of_reference = pl.col("annotator").is_in(sorted(reference))
    ceiling, with_ties = _ceiling(held.filter(of_reference), twice=against == "each")
    return Agreement(
        comparisons=verdicts["comparison"].n_unique(),
        verdicts=verdicts.height,
        people=tuple(sorted(reference & set(names(verdicts)))),
        peers=not people,
        against=against,
        annotators=_annotators(verdicts, own, held, reference),
        ceiling=ceiling,
        ceiling_with_ties=with_ties,
        longer_baseline=_longer_baseline(own, reference, against),
        alpha=_alpha(own),
        alpha_people=_alpha(own.filter(of_reference)),
        categories={
            name: agreement(part, people=people, against=against, categories=False)
            for name, part in (_by_category(verdicts) if categories else ())
        },
    )


def _annotators(
    verdicts: pl.DataFrame, own: pl.DataFrame, held: pl.DataFrame, reference: Collection[str]
) -> tuple[Figures, ...]:
    """The figures of each annotator: judges first, and of these the one with most verdicts."""
    cast = {row["annotator"]: row for row in _habits(verdicts).iter_rows(named=True)}
    flips = {row["annotator"]: row for row in _flips(own).iter_rows(named=True)}
    found = [
        _figures(row, cast[row["annotator"]], flips[row["annotator"]], reference)
        for row in held.group_by("annotator").agg(SUMS).iter_rows(named=True)
    ]
    return tuple(sorted(found, key=lambda f: (f.person, -f.verdicts, f.annotator)))


def _ceiling(people: pl.DataFrame, *, twice: bool) -> tuple[Estimate, Estimate]:
    """How often people agree with each other, without ties and with them.

    Args:
        people: what each of them said, with what the others did.
        twice: whether each two are counted from both sides.
    """
    sums, n = people.select(SUMS).row(0, named=True), 2 if twice else 1
    return (
        share(sums["right"] / n, sums["decided"] / n, units=sums["decided_on"]),
        share(sums["right_t"] / n, sums["decided_t"] / n, units=sums["decided_t_on"]),
    )


def _by_category(verdicts: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The verdicts of each category."""
    for name in sorted(verdicts["category"].drop_nulls().unique()):
        yield name, verdicts.filter(pl.col("category") == name)


def stances(verdicts: pl.DataFrame) -> pl.DataFrame:
    """What each annotator stands by: one row per comparison and annotator.

    Args:
        verdicts: the columns of `prefdata.agreement.verdict_frame.VERDICTS`.

    Returns:
        ``comparison``, ``annotator``, ``said`` (as `VERDICTS` has it; null where there is no
        verdict, or several that differ), ``longer``, ``both`` (they gave verdicts in both orders)
        and ``flipped`` (which differ).
    """
    given = pl.col("winner").is_not_null()
    both = pl.col("swapped").filter(given).drop_nulls().n_unique() == 2
    same = pl.col("winner").n_unique() == 1
    differ = pl.col("winner").drop_nulls().n_unique() > 1
    return verdicts.group_by("comparison", "annotator").agg(
        pl.when(same).then(pl.col("winner").first()).alias("said"),
        pl.col("longer").first(),
        both.alias("both"),
        (both & differ).alias("flipped"),
    )


def _held_against(own: pl.DataFrame, people: Collection[str], against: Against) -> pl.DataFrame:
    """Add what the others among the people say: the votes ``first``, ``tie`` and ``second``.

    Against the majority these are one vote, or none where the others are split or absent.
    """
    person = pl.col("annotator").is_in(sorted(people))
    said = {name: (pl.col("said") == side).fill_null(value=False) for name, side in SIDES.items()}
    counts = (
        own.filter(person)
        .group_by("comparison")
        .agg(vote.sum().cast(pl.Int64).alias(name) for name, vote in said.items())
    )
    held = own.join(counts, on="comparison", how="left").with_columns(
        (pl.col(name).fill_null(0) - (person & vote).cast(pl.Int64)).alias(name)
        for name, vote in said.items()
    )
    if against == "each":
        return held
    most = pl.max_horizontal(*SIDES)
    alone = pl.sum_horizontal((pl.col(name) == most).cast(pl.Int8) for name in SIDES) == 1
    return held.with_columns(((pl.col(name) == most) & alone).cast(pl.Int64) for name in SIDES)


def _sums() -> list[pl.Expr]:
    """What is added up over an annotator's comparisons."""
    chose = pl.col("said").is_in([1, -1])
    answered = pl.col("said").is_not_null()
    first, tie, second = (pl.col(name) for name in SIDES)
    same = pl.when(pl.col("said") == 1).then(first).when(pl.col("said") == -1).then(second)
    unequal = chose & pl.col("longer").is_in([1, -1])
    told = unequal & (first + second > 0)
    by_length = pl.when(pl.col("longer") == 1).then(first).otherwise(second)
    table = [
        pl.col(theirs).filter(pl.col("said") == side).sum().alias(f"{mine}-{theirs}")
        for mine, side in SIDES.items()
        for theirs in SIDES
    ]
    return [
        (first + second).sum().alias("asked"),
        (first + second).filter(chose).sum().alias("decided"),
        same.sum().alias("right"),
        (first + tie + second).sum().alias("asked_t"),
        (first + tie + second).filter(answered).sum().alias("decided_t"),
        same.when(pl.col("said") == 0).then(tie).sum().alias("right_t"),
        *_units(asked=first + second, decided=pl.when(chose).then(first + second)),
        *_units(
            asked_t=first + tie + second, decided_t=pl.when(answered).then(first + tie + second)
        ),
        *_units(longer_people=pl.when(told).then(first + second)),
        *(rows.sum().alias(name) for name, rows in (("unequal", unequal), ("told", told))),
        *(
            (rows & (pl.col("said") == pl.col("longer"))).sum().alias(name)
            for name, rows in (("longer_of_all", unequal), ("longer_own", told))
        ),
        (first + second).filter(told).sum().alias("told_people"),
        by_length.filter(told).sum().alias("longer_people"),
        *table,
    ]


def _units(**counted: pl.Expr) -> list[pl.Expr]:
    """How many comparisons stand behind a sum of votes."""
    on = {
        name: pl.col("comparison").filter(votes > 0).n_unique() for name, votes in counted.items()
    }
    return [units.alias(f"{name}_on") for name, units in on.items()]


SUMS = _sums()


def _habits(verdicts: pl.DataFrame) -> pl.DataFrame:
    """How many verdicts each annotator gave, and how often for what was shown first."""
    chose = pl.col("winner").is_in([1, -1]) & pl.col("swapped").is_not_null()
    first = pl.col("winner") == pl.when("swapped").then(-1).otherwise(1)
    return verdicts.group_by("annotator").agg(
        pl.len().alias("verdicts"),
        (chose & first).sum().alias("first_slot"),
        chose.sum().alias("placed"),
    )


def _flips(own: pl.DataFrame) -> pl.DataFrame:
    return own.group_by("annotator").agg(pl.col("flipped").sum(), pl.col("both").sum())


def _figures(
    sums: Mapping[str, int],
    habits: Mapping[str, int],
    flips: Mapping[str, int],
    people: Collection[str],
) -> Figures:
    who = str(sums["annotator"])
    alone = share(sums["longer_of_all"], sums["unequal"])
    return Figures(
        who,
        who in people,
        habits["verdicts"],
        share(sums["right"], sums["decided"], units=sums["decided_on"]),
        share(sums["decided"], sums["asked"], units=sums["asked_on"]),
        share(sums["right_t"], sums["decided_t"], units=sums["decided_t_on"]),
        share(sums["decided_t"], sums["asked_t"], units=sums["asked_t_on"]),
        cohen_kappa([[sums[f"{mine}-{theirs}"] for theirs in SIDES] for mine in SIDES]),
        share(habits["first_slot"], habits["placed"]),
        share(flips["flipped"], flips["both"]),
        alone if not sums["told"] else share(sums["longer_own"], sums["told"]),
        share(sums["longer_people"], sums["told_people"], units=sums["longer_people_on"]),
    )


def _longer_baseline(
    own: pl.DataFrame, people: Collection[str], against: Against
) -> Figures | None:
    """The figures of an annotator who takes the longer answer, and none where both are as long."""
    texts = own.filter(pl.col("longer").is_not_null() & pl.col("annotator").is_in(sorted(people)))
    if not texts.height:
        return None
    length = pl.col("longer")
    taken = texts.unique("comparison", maintain_order=True).with_columns(
        pl.lit(THE_LONGER).alias("annotator"), pl.when(length != 0).then(length).alias("said")
    )
    both = pl.concat([own.filter(pl.col("annotator").is_in(sorted(people))), taken])
    held = _held_against(both, people, against).filter(pl.col("annotator") == THE_LONGER)
    nothing = {"verdicts": taken.height, "first_slot": 0, "placed": 0, "flipped": 0, "both": 0}
    sums = held.group_by("annotator").agg(SUMS).row(0, named=True)
    return _figures(sums, nothing, nothing, ())


def _alpha(own: pl.DataFrame) -> float | None:
    votes = own.group_by("comparison").agg(
        (pl.col("said") == side).sum().alias(name) for name, side in SIDES.items()
    )
    return krippendorff_alpha(votes.select(list(SIDES)).sort(list(SIDES)).to_numpy())
