"""Several ratings of one response to one score, with what the annotators agreed on."""

from __future__ import annotations

import polars as pl

from prefdata.transforms.options import Aggregate

DIGITS = 12
"""Significant digits of an aggregated score: 0.1, 0.2 and 0.3 give 0.2, not a trace more."""


def responses(ratings: pl.LazyFrame, how: Aggregate) -> pl.LazyFrame:
    """Give each response of each prompt one score.

    Args:
        ratings: ``scope`` (what is compared with what: the prompt, or one ranked list),
            ``prompt_id``, ``response_id``, ``score``, ``model``, ``origin`` and ``at``, the place
            of each rating.
        how: ``mean``, ``median``, or ``majority`` (the commonest score; of several, the lowest).

    Returns:
        One row per response and scope, with ``score``, ``ratings`` (how many it has), and the
        ``model``, ``origin`` and ``at`` of its first rating. The order of the ratings does not
        matter.
    """
    score = pl.col("score")
    one = {"mean": score.mean(), "median": score.median(), "majority": score.mode().min()}[how]
    ordered = ratings.sort("score", "at")
    scored = ordered.group_by("scope", "response_id", maintain_order=True).agg(
        pl.col("prompt_id").first(),
        one.alias("score"),
        pl.len().alias("ratings"),
        pl.col("model", "origin").sort_by("at").first(),
        pl.col("at").min(),
    )
    rounded = pl.when(pl.col("ratings") > 1).then(score.round_sig_figs(DIGITS)).otherwise(score)
    return scored.with_columns(rounded.alias("score"))


def agreement(pairs: pl.LazyFrame, ratings: pl.LazyFrame) -> pl.LazyFrame:
    """Add to each pair how many annotators rated both responses, and how many of them agree.

    ``votes`` counts them. ``agreement`` is the share of their ratings that put the chosen response
    strictly higher; null where no annotator rated both. Ratings without an annotator are held
    against each other as if one person had given them.

    Args:
        pairs: ``scope``, ``chosen_id``, ``rejected_id``.
        ratings: ``scope``, ``response_id``, ``score``, ``annotator``.
    """
    given = ratings.select("scope", "response_id", "annotator", "score")
    key = ["scope", "chosen_id", "rejected_id"]
    both = (
        pairs.select(key)
        .join(given, left_on=["scope", "chosen_id"], right_on=["scope", "response_id"])
        .join(
            given,
            left_on=["scope", "rejected_id", "annotator"],
            right_on=["scope", "response_id", "annotator"],
            nulls_equal=True,
            suffix="_rejected",
        )
    )
    counted = both.group_by(key).agg(
        pl.col("annotator").n_unique().cast(pl.Int64).alias("votes"),
        (pl.col("score") > pl.col("score_rejected")).mean().alias("agreement"),
    )
    joined = pairs.join(counted, on=key, how="left")
    return joined.with_columns(pl.col("votes").fill_null(1))
