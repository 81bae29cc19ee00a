"""What follows from a judge's agreement with people: whether it may go on, what its vote weighs."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import NamedTuple

import polars as pl

from prefdata.errors import InputError
from prefdata.judge.agreement import Against, Agreement, Figures, agreement
from prefdata.judge.statistics import Share


def jury_weights(found: Agreement) -> dict[str, float]:
    """Give what the vote of each judge is worth, by how often it was right.

    Args:
        found: the judges' agreement with people.

    Returns:
        Judge to the log-odds of its accuracy, drawn towards a half where it decided little: the
        weights with which a jury of independent judges is right most often. A judge that is right
        no more often than a coin weighs nothing.

    Source:
        Nitzan and Paroush (1982), Optimal decision rules in uncertain dichotomous choice
        situations; Laplace's rule of succession for the accuracy.

    Example:
        >>> from prefdata.judge.verdicts import VERDICTS
        >>> rows = [
        ...     (n, who, 1 if right else -1, False, None, None)
        ...     for n in range(18)
        ...     for who, right in [("anna", True), ("good", n > 1), ("coin", n % 2)]
        ... ]
        >>> found = agreement(pl.DataFrame(rows, VERDICTS, orient="row"), people=["anna"])
        >>> {name: round(weight, 2) for name, weight in jury_weights(found).items()}
        {'coin': 0.0, 'good': 1.73}
    """
    shares = {each.annotator: each.accuracy for each in found.judges}
    odds = {name: (share.hits + 1) / (share.of - share.hits + 1) for name, share in shares.items()}
    return {name: max(0.0, math.log(ratio)) for name, ratio in odds.items()}


class Calibration(NamedTuple):
    """Whether a judge agrees with people well enough to be trusted.

    Attributes:
        figures: how the judge compares with the people.
        ceiling: how often a person agrees with the other people; may hold nothing.
        threshold: the accuracy that is asked for, ties left out.
        reached: the judge's accuracy is not below it.
        proven: the lower end of its interval is not below it either: by chance alone a worse judge
            would get there in one of forty such samples.
        said: the same in a sentence, with coverage.
    """

    figures: Figures
    ceiling: Share
    threshold: float
    reached: bool
    proven: bool
    said: str


def calibrate(
    verdicts: pl.DataFrame,
    *,
    judge: str,
    people: Collection[str],
    threshold: float,
    against: Against = "each",
) -> Calibration:
    """Hold a judge against a threshold on a sample that people have labelled.

    Args:
        verdicts: of the judge and the people, the columns of
            `prefdata.judge.verdicts.VERDICTS`; `from_comparisons` of that module makes them of
            records. Give each order that the judge was asked in as a verdict of its own (a flip is
            then seen as one), and a failed call as a verdict that is null.
        judge: the judge's name among the annotators.
        people: the names of the people.
        threshold: the least accuracy, from 0 to 1, ties left out.
        against: what the judge is held against.

    Returns:
        The figures and the decision. Stop where ``reached`` is false; where ``proven`` is false,
        say so, as ``said`` does: the sample is too small for more.

    Raises:
        InputError: the judge has no verdict, or none on a comparison that people decided.

    Example:
        >>> from prefdata.judge.verdicts import from_comparisons
        >>> from prefdata.schemas import Comparison, Verdict
        >>> sample = [
        ...     Comparison(
        ...         prompt=f"{n} + 1?",
        ...         response_a=str(n + 1),
        ...         response_b=str(n),
        ...         verdicts=[
        ...             Verdict(winner="a", annotator="anna"),
        ...             Verdict(winner="b" if n == 7 else "a", annotator="gpt"),
        ...         ],
        ...     )
        ...     for n in range(30)
        ... ]
        >>> found = calibrate(from_comparisons(sample), judge="gpt", people=["anna"], threshold=0.8)
        >>> found.reached, found.proven
        (True, True)
        >>> print(found.said)
        gpt agrees with people in 96.7 % (29 of 30; 83.3 to 99.4 %) of what it decided, which is
        100.0 % of the sample; 80 % is asked for
    """
    found = agreement(verdicts, people=people, against=against, categories=False)
    figures = next((each for each in found.annotators if each.annotator == judge), None)
    if figures is None or not figures.accuracy.of:
        raise InputError(
            f"{judge} decided no comparison that people decided too",
            hint="Give more labelled comparisons, or look at the judge's replies.",
        )
    share, asked = figures.accuracy, f"{100 * threshold:g} % is asked for"
    reached, proven = (share.value or 0) >= threshold, share.low >= threshold
    if reached and not proven:
        asked += ", which so few comparisons cannot prove"
    covered = f"{100 * (figures.coverage.value or 0):.1f} %"
    said = (
        f"{judge} agrees with people in {share} of what it decided, which is {covered} of the "
        f"sample; {asked}"
    )
    return Calibration(figures, found.ceiling, threshold, reached, proven, said)
