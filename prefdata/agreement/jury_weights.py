"""What a judge's vote weighs, by its agreement with people."""

from __future__ import annotations

import math

from prefdata.agreement.agreement import Agreement


def jury_weights(figures: Agreement) -> dict[str, float]:
    """What the vote of each judge weighs, by how often it was right.

    Args:
        figures: the judges' agreement with people.

    Returns:
        Judge to the log-odds of its accuracy, drawn towards a half where it decided little: the
        weights with which a jury of independent judges is right most often. A judge that is right
        no more often than a coin weighs nothing.

    Source:
        Nitzan and Paroush (1982), Optimal decision rules in uncertain dichotomous choice
        situations; Laplace's rule of succession for the accuracy.

    Example:
        >>> import polars as pl
        >>> from prefdata.agreement.agreement import measure_agreement
        >>> from prefdata.agreement.verdict_frame import VERDICTS
        >>> rows = [
        ...     (n, who, 1 if right else -1, False, None, None)
        ...     for n in range(18)
        ...     for who, right in [("anna", True), ("good", n > 1), ("coin", n % 2)]
        ... ]
        >>> figures = measure_agreement(pl.DataFrame(rows, VERDICTS, orient="row"), people=["anna"])
        >>> {name: round(weight, 2) for name, weight in jury_weights(figures).items()}
        {'coin': 0.0, 'good': 1.73}
    """
    right = {each.annotator: (each.accuracy.hits or 0, each.accuracy.n) for each in figures.judges}
    odds = {name: (hits + 1) / (n - hits + 1) for name, (hits, n) in right.items()}
    return {name: max(0.0, math.log(ratio)) for name, ratio in odds.items()}
