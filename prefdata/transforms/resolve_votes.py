"""Verdicts on the same two responses: counted, merged, and resolved where they contradict."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from prefdata.records import reasons
from prefdata.transforms.options import Options

COMPARISON = ("prompt_id", "x_id", "y_id")


class Resolved(NamedTuple):
    """The pairs that verdicts resolve to.

    Attributes:
        pairs: one row per pair: ``first`` (the place of its first verdict), scores, margin, votes
            and agreement.
        outcomes: one row per verdict, by place: ``first`` names the pair that it went into or lost
            against, ``reason`` says which of the two, or why there is none.
    """

    pairs: pl.DataFrame
    outcomes: pl.DataFrame

    def with_refused(self, verdicts: pl.DataFrame) -> Resolved:
        """Add verdicts that give no pair: ``place``, and ``refusal``, the reason."""
        if not verdicts.height:
            return self
        first = pl.lit(None, self.outcomes.schema["first"]).alias("first")
        refused = verdicts.select("place", first, pl.col("refusal").alias("reason"))
        return self._replace(outcomes=pl.concat([self.outcomes, refused]).sort("place"))

    def without(self, refusals: pl.DataFrame) -> Resolved:
        """Leave out pairs: ``first``, and ``refusal``, the reason for each of their verdicts."""
        reason = pl.coalesce("refusal", "reason").alias("reason")
        refused = self.outcomes.join(refusals, on="first", how="left", maintain_order="left")
        return Resolved(
            self.pairs.join(refusals, on="first", how="anti", maintain_order="left"),
            refused.select("place", "first", reason),
        )


def resolve(verdicts: pl.DataFrame, options: Options) -> Resolved:
    """Make one pair of all verdicts that say the same of two responses, and resolve conflicts.

    Most verdicts are alone in what they compare; only the others have to be counted.

    Args:
        verdicts: ``place``, the ids of prompt and responses, ``winner``, ``strength``, scores,
            ``margin``, ``votes`` and ``agreement``.
        options: says what to do with conflicts, and the least margin.
    """
    compared = verdicts.select(pl.col("prompt_id") ^ pl.col("a_id") ^ pl.col("b_id")).to_series()
    if compared.n_unique() == verdicts.height:
        return _resolve_single(verdicts, options)
    alone = compared.is_unique()
    single = _resolve_single(verdicts.filter(alone), options)
    several = _resolve_several(verdicts.filter(~alone), options)
    pairs, outcomes = (
        pl.concat(parts, how="diagonal") for parts in zip(single, several, strict=True)
    )
    return Resolved(pairs, outcomes.sort("place"))


def _resolve_single(verdicts: pl.DataFrame, options: Options) -> Resolved:
    """Resolve verdicts each of which is the only one on its comparison."""
    positive = pl.when(pl.col("strength") > 0).then("strength").alias("strength")
    tie = pl.when(pl.col("winner") == 0).then(_tie_reason(verdicts))
    reason = tie.otherwise(_margin_refusal(options)).alias("reason")
    verdicts = verdicts.with_columns(positive).with_columns(_margin()).with_columns(reason)
    stands = pl.col("reason").is_null()
    names = ("chosen_score", "rejected_score", "margin", "votes", "agreement")
    return Resolved(
        verdicts.filter(stands).select(pl.col("place").alias("first"), *names),
        verdicts.select(
            "place",
            pl.when(stands).then("place").alias("first"),
            pl.col("reason").fill_null(reasons.KEPT),
        ),
    )


def _tie_reason(verdicts: pl.DataFrame) -> pl.Expr:
    """Why a tie gives no pair: some say of both answers that they are bad."""
    tie = pl.lit(reasons.TIE)
    if "both_bad" not in verdicts.columns:
        return tie
    return pl.when("both_bad").then(pl.lit(reasons.BOTH_BAD)).otherwise(tie)


def _resolve_several(verdicts: pl.DataFrame, options: Options) -> Resolved:
    """Resolve verdicts of which several may be on the same comparison."""
    verdicts = with_sides(verdicts)
    decisions = decide_comparisons(verdicts, options)
    pairs = merge_verdicts(verdicts, decisions, options)
    outcomes = _outcomes_of_verdicts(verdicts, decisions, pairs)
    names = ("first", "chosen_score", "rejected_score", "margin", "votes", "agreement")
    return Resolved(pairs.filter(pl.col("reason").is_null()).select(names), outcomes)


def _margin() -> pl.Expr:
    """The margin that records state, else that of the scores, else the strength of the verdict."""
    difference = pl.col("chosen_score") - pl.col("rejected_score")
    return pl.coalesce("margin", difference, "strength").alias("margin")


def _margin_refusal(options: Options) -> pl.Expr:
    """The reason to refuse a pair for its margin; null where the margin is enough."""
    if not options.min_margin > 0:
        return pl.lit(None, pl.String)
    small = pl.when(pl.col("margin") < options.least_margin).then(pl.lit(reasons.SMALL_MARGIN))
    return small.when(pl.col("margin").is_null()).then(pl.lit(reasons.NO_MARGIN))


def _outcomes_of_verdicts(
    verdicts: pl.DataFrame, decisions: pl.DataFrame, pairs: pl.DataFrame
) -> pl.DataFrame:
    """The pair that each verdict went into or lost against, by the place of its first verdict."""
    key = list(COMPARISON)
    same = pairs.select(*key, "side", "first", pl.col("reason").alias("too_small"))
    other = pairs.filter(pl.col("reason").is_null()).group_by(key)
    small = pairs.filter(pl.col("reason").is_not_null()).group_by(key)
    undecided = decisions.filter(pl.col("side").is_null()).select(
        *key, pl.col("reason").alias("undecided")
    )
    bad = ["both_bad"] if "both_bad" in verdicts.columns else []
    outcomes = verdicts.select(*key, "side", "place", *bad).join(
        same, on=[*key, "side"], how="left"
    )
    outcomes = outcomes.join(other.agg(pl.col("first").min().alias("against")), on=key, how="left")
    outcomes = outcomes.join(small.agg(pl.col("reason").min().alias("dropped")), on=key, how="left")
    outcomes = outcomes.join(undecided, on=key, how="left")
    into = pl.col("first").is_not_null() & pl.col("too_small").is_null()
    return outcomes.select(
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
        .when((pl.col("undecided") == reasons.TIE) & (pl.col("side") == 0))
        .then(_tie_reason(verdicts))
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


def decide_comparisons(verdicts: pl.DataFrame, options: Options) -> pl.DataFrame:
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
    majority = (
        pl.when((x > y) & (x > tie)).then(1).when((y > x) & (y > tie)).then(-1).otherwise(None)
    )
    side = pl.when(both).then(None).otherwise(majority) if options.conflicts == "drop" else majority
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


def merge_verdicts(
    verdicts: pl.DataFrame, decisions: pl.DataFrame, options: Options
) -> pl.DataFrame:
    """Make one pair of all verdicts that say the same of the same two responses.

    Args:
        verdicts: with their sides, in the order of their rows; ``strength`` is signed, positive
            where it speaks for the winner of the verdict.
        decisions: those of `decide_comparisons`.
        options: says the least margin.

    Returns:
        One row per pair: the key and ``side``, ``first`` (the place of the first verdict), scores,
        margin, votes, agreement; and ``reason`` where the margin is too small.
    """
    won = decisions.filter(pl.col("side").is_not_null()).select(*COMPARISON, "side", "cast")
    key = [*COMPARISON, "side"]
    # Sorted by all that is added up: sums of fractions depend on their order.
    sums = ("chosen_score", "rejected_score", "agreement", "votes", "margin", "place")
    alike = verdicts.join(won, on=key).sort(sums)
    pairs = alike.group_by(key, maintain_order=True).agg(
        pl.col("place").min().alias("first"),
        *_mean_scores(),
        pl.col("margin").mean(),
        pl.col("cast").first().alias("votes"),
        (pl.col("agreement") * pl.col("votes")).sum().alias("agreeing"),
        pl.col("agreement").first(),
        pl.col("agreement").has_nulls().alias("unknown"),
        ((pl.len() == 1) & (pl.col("cast") == pl.col("votes")).first()).alias("alone"),
    )
    share = pl.when(~pl.col("unknown")).then(pl.col("agreeing") / pl.col("votes"))
    agreement = pl.when("alone").then("agreement").otherwise(share).alias("agreement")
    pairs = pairs.with_columns(agreement).drop("agreeing", "alone", "unknown")
    pairs = pairs.join(_mean_strength(verdicts, won, options), on=key, how="left")
    refusal = _margin_refusal(options).alias("reason")
    return pairs.with_columns(_margin()).with_columns(refusal)


def _mean_scores() -> tuple[pl.Expr, pl.Expr]:
    """The mean scores of the verdicts that have both, so that the chosen one stays the higher."""
    chosen, rejected = pl.col("chosen_score"), pl.col("rejected_score")
    both = chosen.is_not_null() & rejected.is_not_null()
    rejected_only = pl.when(chosen.count() == 0).then(rejected.mean())
    return (
        pl.coalesce(chosen.filter(both).mean(), chosen.mean()),
        pl.coalesce(rejected.filter(both).mean(), rejected_only),
    )


def _mean_strength(verdicts: pl.DataFrame, won: pl.DataFrame, options: Options) -> pl.DataFrame:
    """The mean strength of the verdicts on a comparison, seen from the side that won.

    A tie counts as 0. The mean is left out where it speaks for the side that lost; of a conflict
    that is kept, each side has the strength of its own verdicts.
    """
    stated = pl.col("strength").is_not_null() | (pl.col("side") == 0)
    with_strength = verdicts.filter(stated).sort("strength")
    toward = pl.when(pl.col("side") == pl.col("won")).then(pl.col("strength"))
    signed = toward.when(pl.col("side") == 0).then(0.0).otherwise(-pl.col("strength"))
    with_winner = with_strength.join(
        won.rename({"side": "won"}).drop("cast"), on=COMPARISON, maintain_order="left"
    )
    if options.conflicts == "keep":
        with_winner = with_winner.filter(pl.col("side") == pl.col("won"))
    return (
        with_winner.group_by(*COMPARISON, "won", maintain_order=True)
        .agg(signed.mean().alias("strength"))
        .filter(pl.col("strength") > 0)
        .rename({"won": "side"})
    )
