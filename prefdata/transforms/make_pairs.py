"""Which pairs the records of some prompts give, with an account of every row.

A prompt's records are always together, so each bucket is worked out by itself. Nothing here looks
at texts, only at their ids: `with_texts` fetches those of the pairs that were made.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

import polars as pl

from prefdata.records import reasons
from prefdata.records.frames import stacked
from prefdata.records.ids import hexed, joined_ids
from prefdata.transforms import aggregate, dimensions, resolve_votes, strategies
from prefdata.transforms.options import Options
from prefdata.transforms.row_outcomes import entries
from prefdata.transforms.split import in_test

PLACE = ("source", "row", "line", "item")


class PairResult(NamedTuple):
    """What a bucket gives.

    Attributes:
        rows: the rows of the data set without their texts, in the order of their ids: ``test`` says
            which split they go to, ``from_source`` which source they count for, ``of_source``,
            ``of_row`` and ``of_item`` which record has their texts.
        ledger: what became of each record, as in `prefdata.transforms.row_outcomes`.
    """

    rows: pl.DataFrame
    ledger: pl.DataFrame


def pairs(ratings: pl.DataFrame, comparisons: pl.DataFrame, options: Options) -> PairResult:
    """Make pairs of ratings and comparisons, which may speak of the same responses.

    Args:
        ratings: records with ``prompt_id``, ``response_id``, ``source`` and their place.
        comparisons: records with ``prompt_id``, ``a_id``, ``b_id``, ``source`` and their place.
        options: how.

    Returns:
        Rows with ``winner`` (1 where a was chosen), ``rated`` (whether they come from ratings), and
        ``at_a``, ``at_b``, the places in the records where the texts stand.
    """
    ratings = ratings.with_row_index("at")
    comparisons = comparisons.with_row_index("at")
    numbered = _numbered(ratings, options)
    rated = _rated(ratings, numbered, options)
    verdicts = _verdicts(comparisons, rated.pairs)
    sides = _sides(comparisons, rated)
    verdicts = dimensions.decided(verdicts, sides, options)
    made, told, scores = _settled(verdicts, sides, options)
    chosen = _chosen(verdicts, made)
    rows, named = _identified(_grouped(chosen, ratings, comparisons), comparisons, options)
    rows = rows.join(dimensions.listed(scores), on="first", how="left", maintain_order="left")
    told = told.join(named, on="first", how="left", maintain_order="left")
    of_comparisons = told.head(comparisons.height)
    ledger = entries(
        comparisons.with_columns(of_comparisons["reason"], of_comparisons["pair"]), rated=False
    )
    if ratings.height:
        said = rated.pairs.select("prompt", "chosen", "rejected")
        why = _left_over(numbered, rated, said.hstack(told.slice(comparisons.height)), options)
        of_ratings = entries(
            pl.concat(
                [ratings.select(PLACE)[why["at"]], why.select("reason", "pair")], how="horizontal"
            ),
            rated=True,
        )
        ledger = pl.concat([ledger, of_ratings])
    return PairResult(rows.drop("first"), ledger)


def preferences(ratings: pl.DataFrame, comparisons: pl.DataFrame, options: Options) -> pl.DataFrame:
    """The pairs alone: ``prompt_id``, ``chosen_id`` and ``rejected_id``.

    Args:
        ratings: as in `pairs`.
        comparisons: as in `pairs`.
        options: how.
    """
    ratings = ratings.with_row_index("at")
    comparisons = comparisons.with_row_index("at")
    rated = _rated(ratings, _numbered(ratings, options), options)
    sides = _sides(comparisons, rated)
    verdicts = dimensions.decided(_verdicts(comparisons, rated.pairs), sides, options)
    made, _, _ = _settled(verdicts, sides, options)
    return _chosen(verdicts, made).select("prompt_id", "chosen_id", "rejected_id")


def _chosen(verdicts: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """Pairs with what their first verdict says of both sides."""
    first = verdicts.drop("chosen_score", "rejected_score", "votes", "agreement")[made["first"]]
    won = pl.col("winner") == 1
    return pl.concat([first, made], how="horizontal").with_columns(
        pl.when(won).then("a_id").otherwise("b_id").alias("chosen_id"),
        pl.when(won).then("b_id").otherwise("a_id").alias("rejected_id"),
    )


def _settled(
    verdicts: pl.DataFrame, sides: pl.DataFrame, options: Options
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Settle the verdicts that count: the pairs, what became of each verdict, and their scores."""
    counts = pl.col("refusal").is_null()
    made, told = resolve_votes.settled(verdicts.filter(counts), options)
    refused = verdicts.filter(~counts)
    if refused.height:
        none = pl.lit(None, told.schema["first"]).alias("first")
        told = pl.concat(
            [told, refused.select("place", none, pl.col("refusal").alias("reason"))]
        ).sort("place")
    scores = dimensions.merged(told, verdicts, sides)
    if options.veto:
        gone = dimensions.vetoed(scores, made["first"], options)
        made = made.join(gone, on="first", how="anti", maintain_order="left")
        told = told.join(gone, on="first", how="left", maintain_order="left").select(
            "place", "first", pl.coalesce("refusal", "reason").alias("reason")
        )
    return made, told, scores


def _numbered(ratings: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Ratings with ids as numbers in the order of the ids, which are quicker to work with.

    ``counts`` says whether a rating has a part in which response is better.
    """
    ranked = bool((ratings["scope"] != ratings["prompt_id"]).any())
    prompt, response, scope = (
        pl.col(name).rank("dense").cast(pl.UInt32) for name in ("prompt_id", "response_id", "scope")
    )
    return ratings.select(
        prompt.alias("prompt"),
        response.alias("response"),
        (scope if ranked else prompt).alias("scope"),
        *("score", "annotator", "at", "dimensions"),
        dimensions.counts(options).alias("counts"),
    )


class Rated(NamedTuple):
    """What follows from ratings.

    Attributes:
        responses: the score of each response that is compared.
        pairs: the pairs, in their order.
        each: the scores of each response by dimension.
    """

    responses: pl.DataFrame
    pairs: pl.DataFrame
    each: pl.DataFrame


def _rated(ratings: pl.DataFrame, numbered: pl.DataFrame, options: Options) -> Rated:
    """The score of each response, and the pairs that follow from the scores."""
    given = dimensions.of_responses(numbered)
    each = dimensions.aggregated(given, options)
    if options.rule:
        scored, ballots = _by_rule(given, each, options)
    else:
        ballots = numbered.filter(pl.col("score").is_not_null())
        scored = aggregate.responses(ballots, options.aggregate)
    strategies.refuse_too_many(scored, options)
    if options.strategy == "best-random":
        if "chance" not in ratings.columns:
            ratings = ratings.with_columns(strategies.chance(options.seed))
        scored = scored.with_columns(ratings["chance"].gather(scored["at"]))
    # Places in an order are no scores: their margin is looked at where the scores are known.
    how = replace(options, min_margin=0.0) if options.lexicographic else options
    found = aggregate.agreement(strategies.pairs(scored, how), ballots)
    chosen, rejected = found["chosen_at"], found["rejected_at"]
    found = found.with_columns(
        ratings["prompt_id"].gather(chosen),
        ratings["origin"].gather(chosen),
        ratings["source"].gather(chosen).alias("from_source"),
        ratings["response_id"].gather(chosen).alias("chosen_id"),
        ratings["response_id"].gather(rejected).alias("rejected_id"),
        ratings["model"].gather(chosen).alias("chosen_model"),
        ratings["model"].gather(rejected).alias("rejected_model"),
        numbered["prompt"].gather(chosen),
    )
    return Rated(scored, found.sort("prompt", "chosen", "rejected", "chosen_at"), each)


def _by_rule(
    given: pl.DataFrame, each: pl.DataFrame, options: Options
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The score of each response, and what each annotator's own scores give."""
    own = dimensions.aggregated(given, options, "annotator")
    return dimensions.scored(each, options), dimensions.scored(own, options, "annotator")


def _sides(comparisons: pl.DataFrame, rated: Rated) -> pl.DataFrame:
    """What both sides of every verdict scored by dimension."""
    placed = rated.pairs.with_row_index("place", offset=comparisons.height)
    return pl.concat(
        [
            dimensions.of_comparisons(comparisons.rename({"at": "place"})),
            dimensions.of_pairs(placed, rated.each),
        ]
    )


def _verdicts(comparisons: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """Comparisons, and pairs from ratings, as verdicts of one form; ``place`` numbers them."""
    a_won = pl.col("winner") == 1
    said = comparisons.select(
        "prompt_id",
        "a_id",
        "b_id",
        "winner",
        "strength",
        "model_a",
        "model_b",
        "origin",
        pl.col("source").alias("from_source"),
        pl.col("votes").fill_null(1),
        pl.when(pl.col("votes").is_null())
        .then(pl.coalesce("agreement", pl.lit(1.0)))
        .otherwise("agreement")
        .alias("agreement"),
        pl.when(a_won).then("score_a").otherwise("score_b").alias("chosen_score"),
        pl.when(a_won).then("score_b").otherwise("score_a").alias("rejected_score"),
        pl.col("at").alias("at_a"),
        pl.col("at").alias("at_b"),
        pl.lit(value=False).alias("rated"),
    )
    follows = rated.select(
        "prompt_id",
        pl.col("chosen_id").alias("a_id"),
        pl.col("rejected_id").alias("b_id"),
        pl.lit(1, pl.Int8).alias("winner"),
        pl.lit(None, pl.Float64).alias("strength"),
        pl.col("chosen_model").alias("model_a"),
        pl.col("rejected_model").alias("model_b"),
        "origin",
        "from_source",
        "votes",
        "agreement",
        "chosen_score",
        "rejected_score",
        pl.col("chosen_at").alias("at_a"),
        pl.col("rejected_at").alias("at_b"),
        pl.lit(value=True).alias("rated"),
    )
    return pl.concat([said, follows]).with_row_index("place")


def _identified(
    chosen: pl.DataFrame, comparisons: pl.DataFrame, options: Options
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The pairs with their ids, in their order, and the id of each by its first verdict."""
    won = pl.col("winner") == 1
    chosen = chosen.with_columns(
        pl.when(won).then("model_a").otherwise("model_b").alias("model_chosen"),
        pl.when(won).then("model_b").otherwise("model_a").alias("model_rejected"),
    )
    chosen = joined_ids(chosen, ["prompt_id", "chosen_id", "rejected_id"], "id")
    test = in_test(hexed(chosen["group_id"]), options.test_size, options.seed)
    chosen = chosen.with_columns(hexed(chosen["id"]), hexed(chosen["prompt_id"]))
    place = pl.when(~pl.col("rated")).then("at_a")
    rows = chosen.select(
        "first",
        "id",
        "prompt_id",
        pl.col("chosen_score").alias("score_chosen"),
        pl.col("rejected_score").alias("score_rejected"),
        "margin",
        "votes",
        "agreement",
        "model_chosen",
        "model_rejected",
        pl.col("origin").alias("source"),
        "from_source",
        test.alias("test"),
        "group_id",
        place.alias("of_source"),
        place.alias("of_row"),
        place.alias("of_item"),
        "rated",
        "winner",
        "at_a",
        "at_b",
    )
    rows = rows.with_columns(
        comparisons["source"].gather(rows["of_source"]).alias("of_source"),
        comparisons["row"].gather(rows["of_row"]).alias("of_row"),
        comparisons["item"].gather(rows["of_item"]).alias("of_item"),
    )
    return rows.sort("prompt_id", "id"), chosen.select("first", pl.col("id").alias("pair"))


def _grouped(
    chosen: pl.DataFrame, ratings: pl.DataFrame, comparisons: pl.DataFrame
) -> pl.DataFrame:
    """Add the group of each prompt, for the split: the prompt itself, if records do not say."""
    if "group_id" not in ratings.columns:
        return chosen.with_columns(pl.col("prompt_id").alias("group_id"))
    names = ("prompt_id", "group_id")
    known = pl.concat([ratings.select(names), comparisons.select(names)]).unique("prompt_id")
    return chosen.join(known, on="prompt_id", how="left", maintain_order="left")


def with_texts(
    rows: pl.DataFrame,
    ratings: pl.DataFrame,
    comparisons: pl.DataFrame,
    keep: Collection[str] = (),
) -> pl.DataFrame:
    """Fetch the texts of pairs from the records that they were made of.

    Args:
        rows: what `pairs` gave, or some of it.
        ratings: the ratings that it was given.
        comparisons: the comparisons that it was given.
        keep: columns of both that are taken along, of ratings from that of the chosen response.
    """
    prompts = stacked([ratings["prompt"], comparisons["prompt"]])
    responses = stacked([ratings["response"], comparisons["a"], comparisons["b"]])
    before, swap = ratings.height, comparisons.height
    rated, won = pl.col("rated"), pl.col("winner") == 1
    a = pl.when(rated).then("at_a").otherwise(pl.col("at_a") + before)
    b = pl.when(rated).then("at_b").otherwise(pl.col("at_b") + before + swap)
    places = rows.select(
        a.alias("prompt"),
        pl.when(won).then(a).otherwise(b).alias("chosen"),
        pl.when(won).then(b).otherwise(a).alias("rejected"),
    )
    return rows.with_columns(
        prompts.gather(places["prompt"]).alias("prompt"),
        responses.gather(places["chosen"]).alias("chosen"),
        responses.gather(places["rejected"]).alias("rejected"),
        *(
            pl.concat([ratings[name], comparisons[name]]).gather(places["prompt"]).alias(name)
            for name in keep
        ),
    )


def _left_over(
    numbered: pl.DataFrame, rated: Rated, told: pl.DataFrame, options: Options
) -> pl.DataFrame:
    """Each rating with the pairs that its response went into, or the reason why in none."""
    key, scored = ["prompt", "response"], rated.responses
    sides = pl.concat(
        told.select("prompt", pl.col(side).alias("response"), "pair", "reason")
        for side in ("chosen", "rejected")
    )
    went = pl.col("reason").is_in([reasons.KEPT, reasons.DUPLICATE])
    into = sides.filter(went).with_columns(pl.lit(reasons.KEPT).alias("reason"))
    lost = sides.filter(~went).unique(key, keep="first", maintain_order=True)
    lost = lost.join(into, on=key, how="anti", maintain_order="left")
    scopes = scored.group_by("scope").agg(
        pl.len().alias("n"), (pl.col("score").max() == pl.col("score").min()).alias("level")
    )
    paired = pl.col("prompt").is_in(sides["prompt"].unique().implode())
    light = numbered.filter("counts").select("at", "scope", *key, pl.lit(1).alias("compared"))
    if options.rule:
        compared = scored.select("scope", "response", pl.lit(1).alias("compared"))
        names = ["scope", "response"]
        light = light.drop("compared").join(compared, on=names, how="left", maintain_order="left")
    told_of = light.join(pl.concat([into, lost]), on=key, how="left", maintain_order="left")
    why = (
        pl.when(pl.col("reason").is_not_null())
        .then("reason")
        .when(pl.col("compared").is_null())
        .then(pl.lit(reasons.MISSING_DIMENSION))
        .when(pl.col("n") == 1)
        .then(pl.lit(reasons.ALONE))
        .when(pl.col("level") & pl.col("differs"))
        .then(pl.lit(reasons.NOT_PARETO))
        .when("level")
        .then(pl.lit(reasons.TIED))
        .when(~paired)
        .then(pl.lit(reasons.SMALL_MARGIN))
        .otherwise(pl.lit(reasons.MIDDLE))
    )
    if options.pareto:
        scopes = scopes.join(dimensions.differing(rated.each), on="scope", how="left")
    else:
        scopes = scopes.with_columns(pl.lit(value=False).alias("differs"))
    told_of = told_of.join(scopes, on="scope", how="left", maintain_order="left")
    told_of = told_of.select("at", why.alias("reason"), "pair")
    other = numbered.filter(~pl.col("counts"))
    none = pl.lit(None, pl.String).alias("pair")
    return pl.concat(
        [told_of, other.select("at", pl.lit(reasons.OTHER_DIMENSION).alias("reason"), none)]
    )
