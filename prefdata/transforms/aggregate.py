"""Several ratings of one response to one score, with what the annotators agreed on."""

from __future__ import annotations

import polars as pl

from prefdata.transforms.options import Aggregate

DIGITS = 12
"""Significant digits of an aggregated score: 0.1, 0.2 and 0.3 give 0.2, not a trace more."""


def score_responses(ratings: pl.DataFrame, aggregate: Aggregate) -> pl.DataFrame:
    """Give each response of each prompt one score.

    Args:
        ratings: ``scope`` (what is compared with what: the prompt, or one ranked list),
            ``response``, ``score``, and ``index``, the row of each rating.
        aggregate: ``mean``, ``median``, or ``majority`` (the commonest score; of several, the
            lowest).

    Returns:
        One row per response and scope, with ``score``, and ``index``, that of its first rating. The
        order of the ratings does not matter.
    """
    names = ["scope", "response", "score", "index"]
    both = pl.col("scope").cast(pl.UInt64) * (1 << 32) + pl.col("response")
    once = ratings.select(both.is_unique()).to_series()
    if once.all():
        return ratings.select(names)
    # Sorted by score: sums of fractions depend on their order.
    ordered = ratings.filter(~once).sort("score", "index")
    several = ordered.group_by("scope", "response", maintain_order=True).agg(
        summary(aggregate).round_sig_figs(DIGITS), pl.col("index").min()
    )
    return pl.concat([ratings.filter(once).select(names), several.select(names)])


def summary(aggregate: Aggregate) -> pl.Expr:
    """Several scores as one."""
    score = pl.col("score")
    summaries = {"mean": score.mean(), "median": score.median(), "majority": score.mode().min()}
    return summaries[aggregate]


def with_agreement(pairs: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Add to each pair how many annotators rated both responses, and how many of them agree.

    ``votes`` counts them. ``agreement`` is the share of their ratings that put the chosen response
    strictly higher; null where no annotator rated both. Ratings without an annotator are held
    against each other as if one person had given them.

    Args:
        pairs: ``scope``, ``chosen``, ``rejected``.
        ratings: ``scope``, ``response``, ``score``, ``annotator``.
    """
    scores = ratings.lazy().select("scope", "response", "annotator", "score")
    key = ["scope", "chosen", "rejected"]
    both = (
        pairs.lazy()
        .select(key)
        .join(scores, left_on=["scope", "chosen"], right_on=["scope", "response"])
        .join(
            scores,
            left_on=["scope", "rejected", "annotator"],
            right_on=["scope", "response", "annotator"],
            nulls_equal=True,
            suffix="_rejected",
        )
    )
    counted = both.group_by(key).agg(
        pl.col("annotator").n_unique().cast(pl.Int64).alias("votes"),
        (pl.col("score") > pl.col("score_rejected")).mean().alias("agreement"),
    )
    joined = pairs.join(counted.collect(), on=key, how="left", maintain_order="left")
    return joined.with_columns(pl.col("votes").fill_null(1))
