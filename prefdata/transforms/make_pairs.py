"""Pairs from the records of some prompts, with an account of every row.

All records of a prompt are together, so each bucket is paired by itself. Only ids are looked at
here: `prefdata.transforms.pair_texts` fetches the texts of the pairs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import polars as pl

from prefdata.records import reasons
from prefdata.records.ids import hexed, joined_ids
from prefdata.transforms import (
    aggregate,
    dimensions,
    filter_columns,
    filters,
    resolve_votes,
    strategies,
)
from prefdata.transforms.options import Options
from prefdata.transforms.pair_texts import text_index
from prefdata.transforms.row_outcomes import as_outcomes
from prefdata.transforms.split import splits_of

PLACE = ("source", "row", "line", "item")


class PairResult(NamedTuple):
    """The pairs, or labelled answers, of a bucket.

    Attributes:
        rows: the rows of the data set without their texts, in the order of their ids: ``split``
            says which split they go to, ``from_source`` which source they count for, ``of_source``,
            ``of_row`` and ``of_item`` which record has their texts.
        outcomes: the outcome of each record, with the columns of
            `prefdata.transforms.row_outcomes.ROW_OUTCOMES`.
    """

    rows: pl.DataFrame
    outcomes: pl.DataFrame


def make_pairs(ratings: pl.DataFrame, comparisons: pl.DataFrame, options: Options) -> PairResult:
    """Make pairs of ratings and comparisons, which may speak of the same responses.

    Args:
        ratings: records with ``prompt_id``, ``response_id``, ``source`` and their place.
        comparisons: records with ``prompt_id``, ``a_id``, ``b_id``, ``source`` and their place.
            They may have a ``refusal``, the reason why one of them gives no pair whatever its
            ``winner`` says, and a ``margin`` of their own, which goes before the difference of the
            scores. Both have the measures of their texts that filters need.
        options: how pairs are made.

    Returns:
        Rows with ``winner`` (1 where a was chosen), ``rated`` (whether they come from ratings), and
        ``index_a``, ``index_b``, the rows of the records that have the texts.
    """
    ratings = ratings.with_row_index()
    comparisons = comparisons.with_row_index()
    numbered = _number_ids(ratings, options)
    rated = _pair_ratings(ratings, numbered, options)
    verdicts, resolved, scores = _resolve(ratings, comparisons, rated, options)
    pairs = _with_first_verdict(verdicts, resolved.pairs)
    rows, ids = _with_ids(_with_groups(pairs, ratings, comparisons), comparisons, options)
    rows = rows.join(dimensions.as_lists(scores), on="first", how="left", maintain_order="left")
    outcomes = resolved.outcomes.join(ids, on="first", how="left", maintain_order="left")
    account = [_account_comparisons(comparisons, outcomes.head(comparisons.height))]
    if ratings.height:
        of_pairs = outcomes.slice(comparisons.height)
        account.append(_account_ratings(ratings, numbered, rated, of_pairs, options))
    return PairResult(rows.drop("first"), pl.concat(account))


def pair_ids(ratings: pl.DataFrame, comparisons: pl.DataFrame, options: Options) -> pl.DataFrame:
    """The pairs alone: ``prompt_id``, ``chosen_id`` and ``rejected_id``.

    Args:
        ratings: as in `make_pairs`.
        comparisons: as in `make_pairs`.
        options: how pairs are made.
    """
    ratings = ratings.with_row_index()
    comparisons = comparisons.with_row_index()
    rated = _pair_ratings(ratings, _number_ids(ratings, options), options)
    verdicts, resolved, _ = _resolve(ratings, comparisons, rated, options)
    pairs = _with_first_verdict(verdicts, resolved.pairs)
    return pairs.select("prompt_id", "chosen_id", "rejected_id")


class RatedPairs(NamedTuple):
    """The pairs that follow from ratings.

    Attributes:
        responses: the score of each response that is compared.
        pairs: the pairs, in their order.
        scores: the scores of each response by dimension.
    """

    responses: pl.DataFrame
    pairs: pl.DataFrame
    scores: pl.DataFrame


def _number_ids(ratings: pl.DataFrame, options: Options) -> pl.DataFrame:
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
        *("score", "annotator", "index", "dimensions"),
        dimensions.takes_part(options).alias("counts"),
    )


def _pair_ratings(ratings: pl.DataFrame, numbered: pl.DataFrame, options: Options) -> RatedPairs:
    """Score each response, and pair the responses by their scores."""
    scores = dimensions.scores_of_responses(numbered)
    by_dimension = dimensions.aggregate_scores(scores, options)
    if options.rule:
        by_annotator = dimensions.aggregate_scores(scores, options, "annotator")
        responses = dimensions.score_by_rule(by_dimension, options)
        ballots = dimensions.score_by_rule(by_annotator, options, "annotator")
    else:
        ballots = numbered.filter(pl.col("score").is_not_null())
        responses = aggregate.score_responses(ballots, options.aggregate)
    strategies.refuse_too_many(responses, options)
    if options.strategy == "best-random":
        if "chance" not in ratings.columns:
            ratings = ratings.with_columns(strategies.random_number(options.seed))
        responses = responses.with_columns(ratings["chance"].gather(responses["index"]))
    # Places in an order are no scores: their margin is checked where the scores are known.
    pairing = replace(options, min_margin=0.0) if options.lexicographic else options
    pairs = aggregate.with_agreement(strategies.pair_responses(responses, pairing), ballots)
    chosen, rejected = pairs["chosen_index"], pairs["rejected_index"]
    pairs = pairs.with_columns(
        ratings["prompt_id"].gather(chosen),
        ratings["origin"].gather(chosen),
        ratings["source"].gather(chosen).alias("from_source"),
        ratings["response_id"].gather(chosen).alias("chosen_id"),
        ratings["response_id"].gather(rejected).alias("rejected_id"),
        ratings["model"].gather(chosen).alias("chosen_model"),
        ratings["model"].gather(rejected).alias("rejected_model"),
        numbered["prompt"].gather(chosen),
    )
    pairs = pairs.sort("prompt", "chosen", "rejected", "chosen_index")
    return RatedPairs(responses, pairs, by_dimension)


def _resolve(
    ratings: pl.DataFrame, comparisons: pl.DataFrame, rated: RatedPairs, options: Options
) -> tuple[pl.DataFrame, resolve_votes.Resolved, pl.DataFrame]:
    """The verdicts of all records, what they resolve to, and the scores of both sides of a pair."""
    sides = _scores_of_sides(comparisons, rated)
    verdicts = dimensions.apply_rule(_as_verdicts(comparisons, rated.pairs), sides, options)
    resolved = resolve_votes.resolve(verdicts.filter(pl.col("refusal").is_null()), options)
    resolved = resolved.with_refused(verdicts.filter(pl.col("refusal").is_not_null()))
    scores = dimensions.scores_of_pairs(resolved.outcomes, verdicts, sides)
    if options.veto:
        resolved = resolved.without(dimensions.vetoed_pairs(scores, resolved.pairs, options))
    if options.filters:
        pairs = _with_first_verdict(verdicts, resolved.pairs)
        resolved = resolved.without(_filtered_pairs(pairs, ratings, comparisons, options))
    return verdicts, resolved, scores


def _filtered_pairs(
    pairs: pl.DataFrame, ratings: pl.DataFrame, comparisons: pl.DataFrame, options: Options
) -> pl.DataFrame:
    """The pairs that a filter refuses: ``first`` and ``refusal``."""
    needs = filters.needed_columns(options.filters)
    index = text_index(pairs, ratings.height, comparisons.height)
    columns = filter_columns.of_pairs(ratings, comparisons, index, needs)
    refusal = filter_columns.refusal(options.filters)
    return pairs.with_columns(columns).select("first", refusal).drop_nulls("refusal")


def _scores_of_sides(comparisons: pl.DataFrame, rated: RatedPairs) -> pl.DataFrame:
    """The scores by dimension of both sides of every verdict."""
    placed = rated.pairs.with_row_index("place", offset=comparisons.height)
    return pl.concat(
        [
            dimensions.scores_of_comparisons(comparisons.rename({"index": "place"})),
            dimensions.scores_of_rated_pairs(placed, rated.scores),
        ]
    )


def _as_verdicts(comparisons: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """Comparisons, and pairs from ratings, as verdicts of one form; ``place`` numbers them."""
    a_won = pl.col("winner") == 1
    from_comparisons = comparisons.select(
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
        _column_or_null(comparisons, "margin", pl.Float64()),
        _column_or_null(comparisons, "refusal", pl.String()),
        _column_or_null(comparisons, "both_bad", pl.Boolean()),
        pl.col("index").alias("index_a"),
        pl.col("index").alias("index_b"),
        pl.lit(value=False).alias("rated"),
    )
    from_ratings = rated.select(
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
        pl.lit(None, pl.Float64).alias("margin"),
        pl.lit(None, pl.String).alias("refusal"),
        pl.lit(None, pl.Boolean).alias("both_bad"),
        pl.col("chosen_index").alias("index_a"),
        pl.col("rejected_index").alias("index_b"),
        pl.lit(value=True).alias("rated"),
    )
    return pl.concat([from_comparisons, from_ratings]).with_row_index("place")


def _column_or_null(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name) if name in frame.columns else pl.lit(None)
    return column.cast(dtype).alias(name)


def _with_first_verdict(verdicts: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs with what their first verdict says of both sides."""
    names = ("chosen_score", "rejected_score", "margin", "votes", "agreement")
    first = verdicts.drop(names)[pairs["first"]]
    won = pl.col("winner") == 1
    return pl.concat([first, pairs], how="horizontal").with_columns(
        pl.when(won).then("a_id").otherwise("b_id").alias("chosen_id"),
        pl.when(won).then("b_id").otherwise("a_id").alias("rejected_id"),
    )


def _with_groups(
    pairs: pl.DataFrame, ratings: pl.DataFrame, comparisons: pl.DataFrame
) -> pl.DataFrame:
    """Add the group of each prompt, for the split: the prompt itself, if records do not say.

    Where records say their split, all of a prompt are in one, and pairs get it.
    """
    more = [name for name in ("group_id", "split") if name in ratings.columns]
    if more:
        names = ("prompt_id", *more)
        groups = pl.concat([ratings.select(names), comparisons.select(names)]).unique("prompt_id")
        pairs = pairs.join(groups, on="prompt_id", how="left", maintain_order="left")
    return pairs if "group_id" in more else pairs.with_columns(group_id="prompt_id")


def _with_ids(
    pairs: pl.DataFrame, comparisons: pl.DataFrame, options: Options
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The pairs with their ids, in their order, and the id of each by its first verdict."""
    won = pl.col("winner") == 1
    pairs = pairs.with_columns(
        pl.when(won).then("model_a").otherwise("model_b").alias("model_chosen"),
        pl.when(won).then("model_b").otherwise("model_a").alias("model_rejected"),
    )
    pairs = joined_ids(pairs, ["prompt_id", "chosen_id", "rejected_id"], "id")
    split = splits_of(pairs, "group_id", options)
    pairs = pairs.with_columns(hexed(pairs["id"]), hexed(pairs["prompt_id"]))
    index = pl.when(~pl.col("rated")).then("index_a")
    rows = pairs.select(
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
        split,
        "group_id",
        index.alias("of_source"),
        index.alias("of_row"),
        index.alias("of_item"),
        "rated",
        "winner",
        "index_a",
        "index_b",
    )
    rows = rows.with_columns(
        comparisons["source"].gather(rows["of_source"]).alias("of_source"),
        comparisons["row"].gather(rows["of_row"]).alias("of_row"),
        comparisons["item"].gather(rows["of_item"]).alias("of_item"),
    )
    return rows.sort("prompt_id", "id"), pairs.select("first", pl.col("id").alias("pair"))


def _account_comparisons(comparisons: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """The outcome of each comparison."""
    return as_outcomes(
        comparisons.with_columns(outcomes["reason"], outcomes["pair"]),
        rated=False,
    )


def _account_ratings(
    ratings: pl.DataFrame,
    numbered: pl.DataFrame,
    rated: RatedPairs,
    outcomes: pl.DataFrame,
    options: Options,
) -> pl.DataFrame:
    """The outcome of each rating, from those of the pairs that ratings made."""
    pairs = rated.pairs.select("prompt", "chosen", "rejected").hstack(outcomes)
    reason = _reasons_of_ratings(numbered, rated, pairs, options)
    places = ratings.select(PLACE)[reason["index"]]
    return as_outcomes(
        pl.concat([places, reason.select("reason", "pair")], how="horizontal"), rated=True
    )


def _reasons_of_ratings(
    numbered: pl.DataFrame, rated: RatedPairs, pairs: pl.DataFrame, options: Options
) -> pl.DataFrame:
    """Each rating with the pairs that its response went into, or the reason why in none."""
    key, responses = ["prompt", "response"], rated.responses
    sides = pl.concat(
        pairs.select("prompt", pl.col(side).alias("response"), "pair", "reason")
        for side in ("chosen", "rejected")
    )
    used = pl.col("reason").is_in([reasons.KEPT, reasons.DUPLICATE])
    into = sides.filter(used).with_columns(pl.lit(reasons.KEPT).alias("reason"))
    unused = sides.filter(~used).unique(key, keep="first", maintain_order=True)
    unused = unused.join(into, on=key, how="anti", maintain_order="left")
    scopes = responses.group_by("scope").agg(
        pl.len().alias("n"), (pl.col("score").max() == pl.col("score").min()).alias("level")
    )
    paired = pl.col("prompt").is_in(sides["prompt"].unique().implode())
    light = numbered.filter("counts").select("index", "scope", *key, pl.lit(1).alias("compared"))
    if options.rule:
        compared = responses.select("scope", "response", pl.lit(1).alias("compared"))
        names = ["scope", "response"]
        light = light.drop("compared").join(compared, on=names, how="left", maintain_order="left")
    light = light.join(pl.concat([into, unused]), on=key, how="left", maintain_order="left")
    reason = (
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
        scopes = scopes.join(dimensions.differing_scopes(rated.scores), on="scope", how="left")
    else:
        scopes = scopes.with_columns(pl.lit(value=False).alias("differs"))
    light = light.join(scopes, on="scope", how="left", maintain_order="left")
    other = numbered.filter(~pl.col("counts"))
    none = pl.lit(None, pl.String).alias("pair")
    return pl.concat(
        [
            light.select("index", reason.alias("reason"), "pair"),
            other.select("index", pl.lit(reasons.OTHER_DIMENSION).alias("reason"), none),
        ]
    )
