"""How far annotators agree, people or models, never without how many comparisons that is of.

Each annotator is compared with people: with each of the *others* among them, or with what most of
them say. An annotator whose verdicts on one comparison differ, as those of a judge do that flip
with the order, has no verdict there: that costs coverage, not accuracy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from prefdata.agreement.verdict_frame import annotator_names
from prefdata.stats.agreement_coefficients import cohen_kappa, krippendorff_alpha
from prefdata.stats.intervals import Estimate, share

Against = Literal["each", "majority"]
"""``"each"``: every person's vote counts, as in the MT-Bench paper. ``"majority"``: a comparison
counts once, as most people see it, and not at all where they are split."""

LONGER_ANSWER = "the longer answer"
"""The name of the baseline that takes the longer answer."""

SIDES = {"first": 1, "tie": 0, "second": -1}


@dataclass(frozen=True)
class AnnotatorAgreement:
    """How one annotator compares with the people.

    Attributes:
        annotator: who.
        person: whether they are one of the people.
        verdicts: how many verdicts they gave, those without a winner too.
        accuracy: ties left out: how often they chose what the people chose, where both chose.
        coverage: ties left out: of the comparisons that they saw and in which the people chose, how
            many they chose in. A tie, a flip and no verdict are not covered.
        accuracy_with_ties: the same where a tie is an answer like the others.
        coverage_with_ties: of the comparisons that they saw, how many they gave one verdict on.
        kappa: Cohen's, over first, second and tie; ``None`` where either is always the same.
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
        verdicts: how many there are on them.
        people: those with whom the others are compared.
        peers: whether no one is known to be a person, and all are compared with each other.
        against: whether with each of the people or with most of them.
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
    annotators: tuple[AnnotatorAgreement, ...]
    ceiling: Estimate
    ceiling_with_ties: Estimate
    longer_baseline: AnnotatorAgreement | None
    alpha: float | None
    alpha_people: float | None
    categories: Mapping[str, Agreement] = field(default_factory=dict)

    @property
    def judges(self) -> tuple[AnnotatorAgreement, ...]:
        """Those who are compared with the people; all, where no one is known to be a person."""
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


def measure_agreement(
    verdicts: pl.DataFrame,
    *,
    people: Collection[str] = (),
    against: Against = "each",
    categories: bool = True,
) -> Agreement:
    """Measure how far annotators agree.

    Args:
        verdicts: the columns of `prefdata.agreement.verdict_frame.VERDICTS`.
        people: the annotators who are people; where there are none, each annotator is compared with
            the others.
        against: with whom one annotator is compared.
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
        >>> result = measure_agreement(frame, people=["anna", "bert"])
        >>> print(result.judges[0].accuracy)
        62.5 % (5 of 8; 21.9 to 90.8 %)
        >>> print(result.ceiling)
        75.0 % (3 of 4; 30.1 to 95.4 %)
    """
    reference = set(people) or set(annotator_names(verdicts))
    choices = _choices(verdicts)
    compared = _with_reference(choices, reference, against)
    of_reference = pl.col("annotator").is_in(sorted(reference))
    ceiling, ceiling_with_ties = _ceiling(compared.filter(of_reference), twice=against == "each")
    return Agreement(
        comparisons=verdicts["comparison"].n_unique(),
        verdicts=verdicts.height,
        people=tuple(sorted(reference & set(annotator_names(verdicts)))),
        peers=not people,
        against=against,
        annotators=_annotators(verdicts, choices, compared, reference),
        ceiling=ceiling,
        ceiling_with_ties=ceiling_with_ties,
        longer_baseline=_longer_baseline(choices, reference, against),
        alpha=_alpha(choices),
        alpha_people=_alpha(choices.filter(of_reference)),
        categories={
            name: measure_agreement(part, people=people, against=against, categories=False)
            for name, part in (_by_category(verdicts) if categories else ())
        },
    )


def _annotators(
    verdicts: pl.DataFrame,
    choices: pl.DataFrame,
    compared: pl.DataFrame,
    reference: Collection[str],
) -> tuple[AnnotatorAgreement, ...]:
    """The figures of each annotator: judges first, and of these the one with most verdicts."""
    places = {row["annotator"]: row for row in _places(verdicts).iter_rows(named=True)}
    flips = {row["annotator"]: row for row in _flips(choices).iter_rows(named=True)}
    figures = [
        _figures(row, places[row["annotator"]], flips[row["annotator"]], reference)
        for row in compared.group_by("annotator").agg(SUMS).iter_rows(named=True)
    ]
    return tuple(sorted(figures, key=lambda each: (each.person, -each.verdicts, each.annotator)))


def _ceiling(people: pl.DataFrame, *, twice: bool) -> tuple[Estimate, Estimate]:
    """How often people agree with each other, without ties and with them.

    Args:
        people: the choices of each of them, with those of the others.
        twice: whether each two are counted from both sides.
    """
    sums, n = people.select(SUMS).row(0, named=True), 2 if twice else 1
    return (
        share(sums["right"] / n, sums["decided"] / n, units=sums["decided_units"]),
        share(
            sums["right_with_ties"] / n,
            sums["decided_with_ties"] / n,
            units=sums["decided_with_ties_units"],
        ),
    )


def _by_category(verdicts: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The verdicts of each category."""
    for name in sorted(verdicts["category"].drop_nulls().unique()):
        yield name, verdicts.filter(pl.col("category") == name)


def _choices(verdicts: pl.DataFrame) -> pl.DataFrame:
    """What each annotator chose: one row per comparison and annotator.

    Args:
        verdicts: the columns of `prefdata.agreement.verdict_frame.VERDICTS`.

    Returns:
        ``comparison``, ``annotator``, ``choice`` (as ``winner`` of `VERDICTS`; null where there is
        no verdict, or several that differ), ``longer``, ``both`` (there are verdicts in both
        orders) and ``flipped`` (which differ).
    """
    has_winner = pl.col("winner").is_not_null()
    both = pl.col("swapped").filter(has_winner).drop_nulls().n_unique() == 2
    same = pl.col("winner").n_unique() == 1
    differ = pl.col("winner").drop_nulls().n_unique() > 1
    return verdicts.group_by("comparison", "annotator").agg(
        pl.when(same).then(pl.col("winner").first()).alias("choice"),
        pl.col("longer").first(),
        both.alias("both"),
        (both & differ).alias("flipped"),
    )


def _with_reference(
    choices: pl.DataFrame, people: Collection[str], against: Against
) -> pl.DataFrame:
    """Add the votes of the others among the people: ``first``, ``tie`` and ``second``.

    Against the majority these are one vote, or none where the others are split or absent.
    """
    person = pl.col("annotator").is_in(sorted(people))
    votes = {
        name: (pl.col("choice") == side).fill_null(value=False) for name, side in SIDES.items()
    }
    counts = (
        choices.filter(person)
        .group_by("comparison")
        .agg(vote.sum().cast(pl.Int64).alias(name) for name, vote in votes.items())
    )
    compared = choices.join(counts, on="comparison", how="left").with_columns(
        (pl.col(name).fill_null(0) - (person & vote).cast(pl.Int64)).alias(name)
        for name, vote in votes.items()
    )
    if against == "each":
        return compared
    most = pl.max_horizontal(*SIDES)
    alone = pl.sum_horizontal((pl.col(name) == most).cast(pl.Int8) for name in SIDES) == 1
    return compared.with_columns(((pl.col(name) == most) & alone).cast(pl.Int64) for name in SIDES)


def _sums() -> list[pl.Expr]:
    """What is added up over an annotator's comparisons."""
    choice, longer = pl.col("choice"), pl.col("longer")
    first, tie, second = (pl.col(name) for name in SIDES)
    chose, answered = choice.is_in([1, -1]), choice.is_not_null()
    votes, votes_with_ties = first + second, first + tie + second
    same = pl.when(choice == 1).then(first).when(choice == -1).then(second)
    unequal = chose & longer.is_in([1, -1])
    both_chose = unequal & (votes > 0)
    for_longer = pl.when(longer == 1).then(first).otherwise(second)
    table = [
        pl.col(theirs).filter(choice == side).sum().alias(f"{mine}-{theirs}")
        for mine, side in SIDES.items()
        for theirs in SIDES
    ]
    return [
        votes.sum().alias("votes"),
        votes.filter(chose).sum().alias("decided"),
        same.sum().alias("right"),
        votes_with_ties.sum().alias("votes_with_ties"),
        votes_with_ties.filter(answered).sum().alias("decided_with_ties"),
        same.when(choice == 0).then(tie).sum().alias("right_with_ties"),
        *_units(
            votes=votes,
            decided=pl.when(chose).then(votes),
            votes_with_ties=votes_with_ties,
            decided_with_ties=pl.when(answered).then(votes_with_ties),
            people_votes=pl.when(both_chose).then(votes),
        ),
        unequal.sum().alias("unequal"),
        both_chose.sum().alias("both_chose"),
        (unequal & (choice == longer)).sum().alias("longer_of_unequal"),
        (both_chose & (choice == longer)).sum().alias("longer_of_both"),
        votes.filter(both_chose).sum().alias("people_votes"),
        for_longer.filter(both_chose).sum().alias("people_longer"),
        *table,
    ]


def _units(**votes: pl.Expr) -> list[pl.Expr]:
    """On how many comparisons the votes of each sum are."""
    units = {name: pl.col("comparison").filter(sums > 0).n_unique() for name, sums in votes.items()}
    return [count.alias(f"{name}_units") for name, count in units.items()]


SUMS = _sums()


def _places(verdicts: pl.DataFrame) -> pl.DataFrame:
    """How many verdicts each annotator gave, and how often for what was shown first."""
    chose = pl.col("winner").is_in([1, -1]) & pl.col("swapped").is_not_null()
    first = pl.col("winner") == pl.when("swapped").then(-1).otherwise(1)
    return verdicts.group_by("annotator").agg(
        pl.len().alias("verdicts"),
        (chose & first).sum().alias("first_slot"),
        chose.sum().alias("chose"),
    )


def _flips(choices: pl.DataFrame) -> pl.DataFrame:
    return choices.group_by("annotator").agg(pl.col("flipped").sum(), pl.col("both").sum())


def _figures(
    sums: Mapping[str, int],
    places: Mapping[str, int],
    flips: Mapping[str, int],
    people: Collection[str],
) -> AnnotatorAgreement:
    annotator = str(sums["annotator"])
    of_all = share(sums["longer_of_unequal"], sums["unequal"])
    return AnnotatorAgreement(
        annotator=annotator,
        person=annotator in people,
        verdicts=places["verdicts"],
        accuracy=share(sums["right"], sums["decided"], units=sums["decided_units"]),
        coverage=share(sums["decided"], sums["votes"], units=sums["votes_units"]),
        accuracy_with_ties=share(
            sums["right_with_ties"],
            sums["decided_with_ties"],
            units=sums["decided_with_ties_units"],
        ),
        coverage_with_ties=share(
            sums["decided_with_ties"],
            sums["votes_with_ties"],
            units=sums["votes_with_ties_units"],
        ),
        kappa=cohen_kappa([[sums[f"{mine}-{theirs}"] for theirs in SIDES] for mine in SIDES]),
        first_slot=share(places["first_slot"], places["chose"]),
        flips=share(flips["flipped"], flips["both"]),
        longer=share(sums["longer_of_both"], sums["both_chose"]) if sums["both_chose"] else of_all,
        longer_people=share(
            sums["people_longer"], sums["people_votes"], units=sums["people_votes_units"]
        ),
    )


def _longer_baseline(
    choices: pl.DataFrame, people: Collection[str], against: Against
) -> AnnotatorAgreement | None:
    """The figures of an annotator who takes the longer answer, and none where both are as long."""
    by_people = choices.filter(pl.col("annotator").is_in(sorted(people)))
    texts = by_people.filter(pl.col("longer").is_not_null())
    if not texts.height:
        return None
    length = pl.col("longer")
    longer = texts.unique("comparison", maintain_order=True).with_columns(
        pl.lit(LONGER_ANSWER).alias("annotator"), pl.when(length != 0).then(length).alias("choice")
    )
    compared = _with_reference(pl.concat([by_people, longer]), people, against)
    of_baseline = compared.filter(pl.col("annotator") == LONGER_ANSWER)
    places = {"verdicts": longer.height, "first_slot": 0, "chose": 0}
    sums = of_baseline.group_by("annotator").agg(SUMS).row(0, named=True)
    return _figures(sums, places, {"flipped": 0, "both": 0}, ())


def _alpha(choices: pl.DataFrame) -> float | None:
    votes = choices.group_by("comparison").agg(
        (pl.col("choice") == side).sum().alias(name) for name, side in SIDES.items()
    )
    return krippendorff_alpha(votes.select(list(SIDES)).sort(list(SIDES)).to_numpy())
