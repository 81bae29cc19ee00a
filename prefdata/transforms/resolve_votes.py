"""Verdicts on the same two responses: counted, merged, and resolved where they contradict."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from prefdata.records import reasons
from prefdata.transforms.options import Options

COMPARISON = ("prompt_id", "x_id", "y_id")


class Settled(NamedTuple):
    """What became of verdicts.

    Attributes:
        made: one row per pair: ``first`` (the place of its first verdict), scores, margin, votes
            and agreement.
        told: one row per verdict, by place: ``first`` names the pair that it went into or lost
            against, ``reason`` says which of the two, or why there is none.
    """

    made: pl.DataFrame
    told: pl.DataFrame


def settled(verdicts: pl.DataFrame, options: Options) -> Settled:
    """Make one pair of all verdicts that say the same of two responses, and resolve conflicts.

    Most verdicts are alone in what they compare; only the others have to be counted.

    Args:
        verdicts: ``place``, the ids of prompt and responses, ``winner``, ``strength``, scores,
            ``votes`` and ``agreement``.
        options: says what to do with conflicts, and the least margin.
    """
    compared = verdicts.select(pl.col("prompt_id") ^ pl.col("a_id") ^ pl.col("b_id")).to_series()
    if compared.n_unique() == verdicts.height:
        return _alone(verdicts, options)
    alone = compared.is_unique()
    one = _alone(verdicts.filter(alone), options)
    other = _counted(verdicts.filter(~alone), options)
    made, told = (pl.concat(parts, how="diagonal") for parts in zip(one, other, strict=True))
    return Settled(made, told.sort("place"))


def _alone(verdicts: pl.DataFrame, options: Options) -> Settled:
    """Verdicts each of which is the only one on its comparison."""
    speaks = pl.when(pl.col("strength") > 0).then("strength").alias("strength")
    why = pl.when(pl.col("winner") == 0).then(pl.lit(reasons.TIE)).otherwise(_too_small(options))
    given = verdicts.with_columns(speaks).with_columns(_margin()).with_columns(why.alias("reason"))
    kept = pl.col("reason").is_null()
    names = ("chosen_score", "rejected_score", "margin", "votes", "agreement")
    return Settled(
        given.filter(kept).select(pl.col("place").alias("first"), *names),
        given.select(
            "place",
            pl.when(kept).then("place").alias("first"),
            pl.col("reason").fill_null(reasons.KEPT),
        ),
    )


def _counted(verdicts: pl.DataFrame, options: Options) -> Settled:
    """Verdicts of which several may be on the same comparison."""
    verdicts = with_sides(verdicts)
    outcomes = resolved(verdicts, options)
    made = merged(verdicts, outcomes, options)
    told = _told(verdicts, outcomes, made)
    names = ("first", "chosen_score", "rejected_score", "margin", "votes", "agreement")
    return Settled(made.filter(pl.col("reason").is_null()).select(names), told)


def _margin() -> pl.Expr:
    difference = pl.col("chosen_score") - pl.col("rejected_score")
    return pl.coalesce(difference, "strength").alias("margin")


def _too_small(options: Options) -> pl.Expr:
    """Why a margin is not enough; null where it is."""
    if not options.min_margin > 0:
        return pl.lit(None, pl.String)
    small = pl.when(pl.col("margin") < options.least_margin).then(pl.lit(reasons.SMALL_MARGIN))
    return small.when(pl.col("margin").is_null()).then(pl.lit(reasons.NO_MARGIN))


def _told(verdicts: pl.DataFrame, outcomes: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """Of each verdict: the pair it went into or lost against, by the place of its first verdict."""
    key = list(COMPARISON)
    same = made.select(*key, "side", "first", pl.col("reason").alias("too_small"))
    other = made.filter(pl.col("reason").is_null()).group_by(key)
    small = made.filter(pl.col("reason").is_not_null()).group_by(key)
    lost = outcomes.filter(pl.col("side").is_null()).select(
        *key, pl.col("reason").alias("undecided")
    )
    told = verdicts.select(*key, "side", "place").join(same, on=[*key, "side"], how="left")
    told = told.join(other.agg(pl.col("first").min().alias("against")), on=key, how="left")
    told = told.join(small.agg(pl.col("reason").min().alias("dropped")), on=key, how="left")
    told = told.join(lost, on=key, how="left")
    into = pl.col("first").is_not_null() & pl.col("too_small").is_null()
    return told.select(
        "place",
        pl.when(into).then("first").otherwise("against").alias("first"),
        pl.when(into & (pl.col("place") == pl.col("first")))
        .then(pl.lit(reasons.KEPT))
        .when(into)
        .then(pl.lit(reasons.DUPLICATE))
        .when(pl.col("too_small").is_not_null())
        .then("too_small")
        .when(pl.col("against").is_not_null())
        .then(pl.lit(reasons.OUTVOTED))
        .when((pl.col("undecided") == reasons.TIE) & (pl.col("side") != 0))
        .then(pl.lit(reasons.CONFLICT))
        .otherwise(pl.coalesce("undecided", "dropped"))
        .alias("reason"),
    )


def with_sides(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Name the two responses of each verdict in one order, whichever stood first.

    Args:
        verdicts: ``a_id``, ``b_id`` and ``winner`` (1 for a, -1 for b, 0 for a tie).

    Returns:
        With ``x_id``, the smaller of the two ids, ``y_id``, and ``side``: ``winner`` seen from x.
    """
    swapped = pl.col("a_id") > pl.col("b_id")
    return verdicts.with_columns(
        pl.when(swapped).then("b_id").otherwise("a_id").alias("x_id"),
        pl.when(swapped).then("a_id").otherwise("b_id").alias("y_id"),
        pl.when(swapped).then(-pl.col("winner")).otherwise("winner").alias("side"),
    )


def resolved(verdicts: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Decide each comparison by its votes.

    ``majority`` takes the outcome with more votes than either other, a tie among them; ``drop``
    gives up a comparison that has votes both ways; ``keep`` makes a pair of each direction, which
    rests on the votes for it.

    Args:
        verdicts: with their sides, and with ``votes``.
        options: says what to do with conflicts.

    Returns:
        One row per outcome of a comparison: its key, ``side`` (1 where x won, -1 where y won) and
        ``cast`` (the votes that it rests on), or a null ``side`` and the ``reason``.
    """
    ballots = pl.col("votes")
    counts = verdicts.group_by(COMPARISON).agg(
        ballots.filter(pl.col("side") == 1).sum().alias("x"),
        ballots.filter(pl.col("side") == -1).sum().alias("y"),
        ballots.filter(pl.col("side") == 0).sum().alias("tie"),
    )
    x, y, tie = pl.col("x"), pl.col("y"), pl.col("tie")
    both = (x > 0) & (y > 0)
    most = pl.when((x > y) & (x > tie)).then(1).when((y > x) & (y > tie)).then(-1).otherwise(None)
    side = pl.when(both).then(None).otherwise(most) if options.conflicts == "drop" else most
    even = both & ((x == y) & (x >= tie) | (options.conflicts == "drop"))
    decided = counts.select(
        *COMPARISON,
        side.cast(pl.Int8).alias("side"),
        (x + y + tie).alias("cast"),
        pl.when(even).then(pl.lit(reasons.CONFLICT)).otherwise(pl.lit(reasons.TIE)).alias("reason"),
        both.alias("both"),
        "x",
        "y",
    )
    if options.conflicts == "keep":
        ways = [
            decided.filter("both").with_columns(
                pl.lit(side, pl.Int8).alias("side"), pl.col(name).alias("cast")
            )
            for side, name in ((1, "x"), (-1, "y"))
        ]
        decided = pl.concat([decided.filter(~pl.col("both")), *ways])
    reason = pl.when(pl.col("side").is_null()).then("reason").alias("reason")
    return decided.with_columns(reason).drop("both", "x", "y")


def merged(verdicts: pl.DataFrame, outcomes: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Make one pair of all verdicts that say the same of the same two responses.

    Args:
        verdicts: with their sides, in the order of their rows; ``strength`` is signed, positive
            where it speaks for the winner of the verdict.
        outcomes: what `resolved` gave.
        options: says the least margin.

    Returns:
        One row per pair: the key and ``side``, ``first`` (the place of the first verdict), scores,
        margin, votes, agreement; and ``reason`` where the margin is too small.
    """
    won = outcomes.filter(pl.col("side").is_not_null()).select(*COMPARISON, "side", "cast")
    key = [*COMPARISON, "side"]
    # Sorted by all that is added up: sums of fractions depend on their order.
    sums = ("chosen_score", "rejected_score", "agreement", "votes", "place")
    alike = verdicts.join(won, on=key).sort(sums)
    made = alike.group_by(key, maintain_order=True).agg(
        pl.col("place").min().alias("first"),
        *_scores(),
        pl.col("cast").first().alias("votes"),
        (pl.col("agreement") * pl.col("votes")).sum().alias("agreeing"),
        pl.col("agreement").first(),
        pl.col("agreement").has_nulls().alias("unknown"),
        ((pl.len() == 1) & (pl.col("cast") == pl.col("votes")).first()).alias("alone"),
    )
    share = pl.when(~pl.col("unknown")).then(pl.col("agreeing") / pl.col("votes"))
    agreement = pl.when("alone").then("agreement").otherwise(share).alias("agreement")
    made = made.with_columns(agreement).drop("agreeing", "alone", "unknown")
    made = made.join(_strength(verdicts, won, options), on=key, how="left")
    return made.with_columns(_margin()).with_columns(_too_small(options).alias("reason"))


def _scores() -> tuple[pl.Expr, pl.Expr]:
    """The mean scores of the verdicts that have both, so that the chosen one stays the higher."""
    chosen, rejected = pl.col("chosen_score"), pl.col("rejected_score")
    both = chosen.is_not_null() & rejected.is_not_null()
    lone = pl.when(chosen.count() == 0).then(rejected.mean())
    return (
        pl.coalesce(chosen.filter(both).mean(), chosen.mean()),
        pl.coalesce(rejected.filter(both).mean(), lone),
    )


def _strength(verdicts: pl.DataFrame, won: pl.DataFrame, options: Options) -> pl.DataFrame:
    """The mean strength of the verdicts on a comparison, seen from the side that won.

    A tie counts as 0. The mean is left out where it speaks for the side that lost; of a conflict
    that is kept, each side has the strength of its own verdicts.
    """
    given = pl.col("strength").is_not_null() | (pl.col("side") == 0)
    strong = verdicts.filter(given).sort("strength")
    toward = pl.when(pl.col("side") == pl.col("won")).then(pl.col("strength"))
    signed = toward.when(pl.col("side") == 0).then(0.0).otherwise(-pl.col("strength"))
    both = strong.join(
        won.rename({"side": "won"}).drop("cast"), on=COMPARISON, maintain_order="left"
    )
    if options.conflicts == "keep":
        both = both.filter(pl.col("side") == pl.col("won"))
    return (
        both.group_by(*COMPARISON, "won", maintain_order=True)
        .agg(signed.mean().alias("strength"))
        .filter(pl.col("strength") > 0)
        .rename({"won": "side"})
    )
