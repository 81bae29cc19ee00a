"""Scores on several dimensions: which response is better by the rule, and the scores of both.

Scores lie in long frames, one row per dimension: ``dimension`` and ``score`` of a response, or
``dimension``, ``a`` and ``b`` of two. A rule looks at the dimensions that it names; a response that
lacks one of them is compared with none.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from prefdata.records import reasons
from prefdata.transforms.aggregate import DIGITS, summary
from prefdata.transforms.options import ALL, Options

RESPONSE = ("scope", "response")
SCORES = {"dimension": pl.String(), "chosen": pl.Float64(), "rejected": pl.Float64()}
PAIR = pl.List(pl.Struct(SCORES))
"""The scores of both responses of a pair, as they are stored."""

DECIMALS = 12
"""Weighted sums are rounded, so that sums which differ only by the order of additions are equal."""


def takes_part(options: Options) -> pl.Expr:
    """Whether a rating takes part in deciding which response is better, or should.

    A rating without dimensions should; one on other dimensions than those of the rule should not.
    """
    if not options.rule:
        return pl.col("score").is_not_null()
    if options.pareto == ALL:
        return pl.lit(value=True)
    names = pl.element().struct.field("dimension").is_in(options.rule_dimensions)
    listed = pl.col("dimensions").list
    return (listed.len() == 0) | listed.eval(names).list.any().fill_null(value=True)


def scores_of_responses(ratings: pl.DataFrame) -> pl.DataFrame:
    """The scores of responses on each dimension, one row each.

    Args:
        ratings: ``scope``, ``response``, ``annotator``, ``index`` and ``dimensions``.
    """
    listed = ratings.select(*RESPONSE, "annotator", "index", "dimensions").filter(
        pl.col("dimensions").list.len() > 0
    )
    return listed.explode("dimensions").unnest("dimensions")


def aggregate_scores(scores: pl.DataFrame, options: Options, *more: str) -> pl.DataFrame:
    """One score for each response and dimension: ``scope``, ``response``, ``dimension``, ``score``.

    Args:
        scores: those of `scores_of_responses`.
        options: how several ratings become one.
        more: what tells one set of scores from another, besides the response.
    """
    ordered = scores.sort("score", "index")
    return ordered.group_by(*RESPONSE, *more, "dimension", maintain_order=True).agg(
        summary(options.aggregate).round_sig_figs(DIGITS), pl.col("index").min()
    )


def score_by_rule(scores: pl.DataFrame, options: Options, *more: str) -> pl.DataFrame:
    """Give each response the one score that it is ranked by.

    That is the weighted mean; the place in the lexicographic order; or the plain mean, which is
    higher wherever a response is better on one dimension and worse on none.

    Args:
        scores: by dimension, as `aggregate_scores` returns them.
        options: the rule.
        more: what tells one set of scores from another, besides the response.

    Returns:
        ``scope``, ``response``, ``score`` and ``index``, without responses that lack a
            dimension.
    """
    key = [*RESPONSE, *more]
    if options.pareto == ALL:
        ordered = scores.sort("score")
        means = ordered.group_by(key, maintain_order=True).agg(
            pl.col("score").mean().round_sig_figs(DIGITS), pl.col("index").min()
        )
        return means.select(*key, "score", "index")
    names = options.rule_dimensions
    wide = scores.group_by(key).agg(
        *(_of_dimension(name, "score").alias(f"{number}") for number, name in enumerate(names)),
        pl.col("index").filter(pl.col("dimension").is_in(names)).min(),
    )
    wide = wide.drop_nulls([f"{number}" for number in range(len(names))])
    columns = [pl.col(f"{number}") for number in range(len(names))]
    if options.lexicographic:
        ranks = wide.select(columns).unique().sort(pl.all()).with_row_index("score")
        wide = wide.join(ranks, on=[f"{number}" for number in range(len(names))], how="left")
        return wide.select(*key, pl.col("score").cast(pl.Float64), "index")
    return wide.select(*key, weighted_mean(columns, options).alias("score"), "index")


def weighted_mean(columns: list[pl.Expr], options: Options) -> pl.Expr:
    """The weighted mean of the scores on the dimensions that decide; null where one is missing.

    Weights are divided by the sum of their sizes, so the result is on the scale of the source.
    """
    weights = list(options.weights.values()) or [1.0] * len(columns)
    total = sum(abs(weight) for weight in weights)
    parts = [column * (weight / total) for column, weight in zip(columns, weights, strict=True)]
    return pl.sum_horizontal(parts, ignore_nulls=False).round(DECIMALS).round_sig_figs(DIGITS)


def _of_dimension(name: str, column: str) -> pl.Expr:
    return pl.col(column).filter(pl.col("dimension") == name).first()


def scores_of_comparisons(comparisons: pl.DataFrame) -> pl.DataFrame:
    """The scores of both sides, one row per dimension: ``place``, ``dimension``, ``a``, ``b``.

    Args:
        comparisons: ``place`` and ``dimensions``.
    """
    listed = comparisons.select("place", "dimensions").filter(pl.col("dimensions").list.len() > 0)
    return listed.explode("dimensions").unnest("dimensions")


def scores_of_rated_pairs(pairs: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """The scores of both responses of rated pairs: ``place``, ``dimension``, ``a``, ``b``.

    Args:
        pairs: ``place``, ``scope``, ``chosen``, ``rejected``.
        scores: those of `aggregate_scores`.
    """
    none = pl.lit(None, pl.Float64)
    scores = scores.select(*RESPONSE, "dimension", "score")
    chosen = pairs.select("place", "scope", pl.col("chosen").alias("response"))
    rejected = pairs.select("place", "scope", pl.col("rejected").alias("response"))
    sides = pl.concat(
        [
            chosen.join(scores, on=RESPONSE).select(
                "place", "dimension", pl.col("score").alias("a"), none.alias("b")
            ),
            rejected.join(scores, on=RESPONSE).select(
                "place", "dimension", none.alias("a"), pl.col("score").alias("b")
            ),
        ]
    )
    return sides.group_by("place", "dimension").agg(pl.col("a").max(), pl.col("b").max())


def apply_rule(verdicts: pl.DataFrame, sides: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Let the rule decide every verdict.

    Args:
        verdicts: ``place``, ``rated``, ``winner``, ``strength``, ``margin``, ``agreement``, both
            scores, and ``refusal``, the reason why one does not count, else null.
        sides: the scores of both sides, by ``place``.
        options: the rule; without one nothing changes.

    Returns:
        The verdicts; those that the rule refuses with that reason as their ``refusal``. Those that
        come from ratings were made by the rule: they keep their winner.
    """
    if not options.rule:
        return verdicts
    by_rule = _compare_by_rule(sides, options) if options.pareto != ALL else _compare_all(sides)
    verdicts_by_rule = verdicts.join(by_rule, on="place", how="left", maintain_order="left")
    rated, winner_by_rule = pl.col("rated"), pl.col("winner_by_rule")
    winner = pl.when(rated).then("winner").otherwise(winner_by_rule.fill_null(0)).cast(pl.Int8)
    worse = rated & (pl.col("better") == 0)
    conflict = (pl.col("better") > 0) & (pl.col("worse") > 0)
    refusal = (
        pl.when(winner_by_rule.is_null())
        .then(pl.lit(reasons.MISSING_DIMENSION))
        .when(pl.lit(bool(options.pareto)) & (conflict | worse))
        .then(pl.lit(reasons.NOT_PARETO))
    )
    ahead = pl.when(winner == 1).then("score_a").otherwise("score_b")
    behind = pl.when(winner == 1).then("score_b").otherwise("score_a")
    own = rated & pl.lit(not options.lexicographic)
    turned = ~rated & (winner != pl.col("winner"))
    return verdicts_by_rule.with_columns(
        winner.alias("winner"),
        pl.coalesce("refusal", refusal).alias("refusal"),
        pl.when(own).then("chosen_score").otherwise(ahead).alias("chosen_score"),
        pl.when(own).then("rejected_score").otherwise(behind).alias("rejected_score"),
        pl.when(~turned).then("agreement").alias("agreement"),
        pl.lit(None, pl.Float64).alias("strength"),
        pl.lit(None, pl.Float64).alias("margin"),
    ).select(verdicts.columns)


def _compare_by_rule(sides: pl.DataFrame, options: Options) -> pl.DataFrame:
    """The winner of each place by the rule, with the columns of `_with_winner`."""
    names = options.rule_dimensions
    numbers = range(len(names))
    wide = sides.group_by("place").agg(
        *(_of_dimension(name, "a").alias(f"a{number}") for number, name in enumerate(names)),
        *(_of_dimension(name, "b").alias(f"b{number}") for number, name in enumerate(names)),
    )
    pairs = [(pl.col(f"a{number}"), pl.col(f"b{number}")) for number in numbers]
    if options.lexicographic:
        differ = [pl.when(a != b) for a, b in pairs]
        score_a = pl.coalesce(*(d.then(a) for d, (a, _) in zip(differ, pairs, strict=True)), "a0")
        score_b = pl.coalesce(*(d.then(b) for d, (_, b) in zip(differ, pairs, strict=True)), "b0")
    else:
        score_a = weighted_mean([a for a, _ in pairs], options)
        score_b = weighted_mean([b for _, b in pairs], options)
    whole = pl.all_horizontal(a.is_not_null() & b.is_not_null() for a, b in pairs)
    wide = wide.with_columns(
        score_a.alias("score_a"),
        score_b.alias("score_b"),
        pl.sum_horizontal((a > b).cast(pl.Int32) for a, b in pairs).alias("better"),
        pl.sum_horizontal((a < b).cast(pl.Int32) for a, b in pairs).alias("worse"),
        whole.alias("whole"),
    )
    return _with_winner(wide)


def _compare_all(sides: pl.DataFrame) -> pl.DataFrame:
    """The winner of each place over the dimensions that both sides have."""
    both = sides.drop_nulls(["a", "b"]).sort("a", "b")
    a, b = pl.col("a"), pl.col("b")
    compared = both.group_by("place", maintain_order=True).agg(
        a.mean().round_sig_figs(DIGITS).alias("score_a"),
        b.mean().round_sig_figs(DIGITS).alias("score_b"),
        (a > b).sum().cast(pl.Int32).alias("better"),
        (a < b).sum().cast(pl.Int32).alias("worse"),
        pl.lit(value=True).alias("whole"),
    )
    return _with_winner(compared)


def _with_winner(places: pl.DataFrame) -> pl.DataFrame:
    """Add ``winner_by_rule``: 1 for a, -1 for b, 0 for a tie, null where a score is missing."""
    ahead = (pl.col("score_a") > pl.col("score_b")).cast(pl.Int8)
    behind = (pl.col("score_a") < pl.col("score_b")).cast(pl.Int8)
    winner = pl.when("whole").then(ahead - behind).alias("winner_by_rule")
    return places.select("place", winner, "score_a", "score_b", "better", "worse")


def scores_of_pairs(
    outcomes: pl.DataFrame, verdicts: pl.DataFrame, sides: pl.DataFrame
) -> pl.DataFrame:
    """The scores of both responses of each pair, over all verdicts that went into it.

    Args:
        outcomes: the outcome of each verdict: ``place``, ``first`` and ``reason``.
        verdicts: ``place`` and ``winner``.
        sides: the scores of both sides of the verdicts.

    Returns:
        ``first``, ``dimension``, ``chosen``, ``rejected``: means over the verdicts that have both.
    """
    if not sides.height:
        return pl.DataFrame(schema={"first": outcomes.schema["first"], **SCORES})
    into = outcomes.filter(pl.col("reason").is_in([reasons.KEPT, reasons.DUPLICATE]))
    winners = into.select("place", "first").join(verdicts.select("place", "winner"), on="place")
    a_won = pl.col("winner") == 1
    turned = sides.join(winners, on="place").select(
        "first",
        "dimension",
        pl.when(a_won).then("a").otherwise("b").alias("chosen"),
        pl.when(a_won).then("b").otherwise("a").alias("rejected"),
    )
    turned = turned.filter(pl.col("chosen").is_not_null() | pl.col("rejected").is_not_null())
    both = pl.col("chosen").is_not_null() & pl.col("rejected").is_not_null()
    ordered = turned.sort("chosen", "rejected", nulls_last=True)
    return ordered.group_by("first", "dimension", maintain_order=True).agg(
        pl.coalesce(pl.col(side).filter(both).mean(), pl.col(side).mean())
        .round_sig_figs(DIGITS)
        .alias(side)
        for side in ("chosen", "rejected")
    )


def vetoed_pairs(scores: pl.DataFrame, pairs: pl.DataFrame, options: Options) -> pl.DataFrame:
    """The pairs that a veto refuses: ``first`` and ``refusal``.

    A pair is refused where its chosen response is worse on the dimension, and where one of the two
    has no score on it. Where the weight of a dimension is negative, more of it is worse.

    Args:
        scores: those of `scores_of_pairs`.
        pairs: ``first``, the place of the first verdict of each.
        options: the dimensions that have a veto.
    """
    names = list(dict.fromkeys(options.veto))
    with_veto = scores.filter(pl.col("dimension").is_in(names)).drop_nulls(["chosen", "rejected"])
    less = pl.col("dimension").is_in([n for n, weight in options.weights.items() if weight < 0])
    ahead, behind = pl.col("chosen"), pl.col("rejected")
    worse = pl.when(less).then(ahead > behind).otherwise(ahead < behind)
    checked = with_veto.group_by("first").agg(pl.len().alias("checked"), worse.any().alias("worse"))
    every = pairs.select("first").join(checked, on="first", how="left")
    refusal = (
        pl.when("worse")
        .then(pl.lit(reasons.VETOED))
        .when(pl.col("checked").fill_null(0) < len(names))
        .then(pl.lit(reasons.MISSING_DIMENSION))
    )
    return every.select("first", refusal.alias("refusal")).drop_nulls("refusal")


def as_lists(scores: pl.DataFrame) -> pl.DataFrame:
    """One list for each pair, as it is stored: ``first`` and ``dimensions``."""
    return (
        scores.sort("first", "dimension")
        .group_by("first", maintain_order=True)
        .agg(pl.struct("dimension", "chosen", "rejected").cast(PAIR.inner).alias("dimensions"))
    )


def differing_scopes(scores: pl.DataFrame) -> pl.DataFrame:
    """The scopes in which responses differ on a dimension: ``scope`` and ``differs``.

    Args:
        scores: those of `aggregate_scores`.
    """
    several = scores.group_by("scope", "dimension").agg((pl.col("score").n_unique() > 1).alias("n"))
    return several.group_by("scope").agg(pl.col("n").any().alias("differs"))


class WinLossCounts(NamedTuple):
    """In how many pairs the chosen response has the higher, the same and the lower score."""

    higher: int = 0
    equal: int = 0
    lower: int = 0

    def plus(self, other: WinLossCounts) -> WinLossCounts:
        """The pairs of both."""
        return WinLossCounts(*(a + b for a, b in zip(self, other, strict=True)))


def win_loss_counts(rows: pl.DataFrame) -> dict[str, WinLossCounts]:
    """Count, by dimension, in how many pairs the chosen response has the higher score.

    Pairs that lack a score on a dimension are not counted there.

    Args:
        rows: pairs, with ``dimensions``.
    """
    if rows["dimensions"].null_count() == rows.height:
        return {}
    scores = rows.select(pl.col("dimensions").explode()).unnest("dimensions")
    ahead, behind = pl.col("chosen"), pl.col("rejected")
    counted = (
        scores.drop_nulls()
        .group_by("dimension")
        .agg(
            (ahead > behind).sum().alias("higher"),
            (ahead == behind).sum().alias("equal"),
            (ahead < behind).sum().alias("lower"),
        )
    )
    return {str(name): WinLossCounts(*counts) for name, *counts in counted.sort("dimension").rows()}
