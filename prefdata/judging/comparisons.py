"""Which responses are compared with which, and which rows a comparison comes from.

Two responses to one prompt are one comparison, however many rows hold them. Of the responses to a
prompt each two are compared, or, where that would be too many, those that a tournament draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from prefdata.errors import UsageError
from prefdata.io.store.bucket_store import BucketStore
from prefdata.records.frames import stacked
from prefdata.records.ids import hexed, joined_ids
from prefdata.transforms.resolve_votes import with_sides

PART = 1024
"""Comparisons whose texts are at hand at once."""

MOST = 100
"""Responses to one prompt that are all compared with each other: 4,950 comparisons."""

MOST_IN_TOURNAMENT = 300
"""Responses to one prompt in a tournament: to rank so many takes a second a round."""

RANKED = 3
"""Responses to one prompt from which on they are ranked."""

KEY = ["prompt_id", "x_id", "y_id"]
PLACE = ["source", "row", "line", "item"]
REFERENCE = "reference"


class Found(NamedTuple):
    """Comparisons of a bucket.

    Attributes:
        made: how many are known from the start.
        coming: how many more tournaments will draw.
    """

    made: int
    coming: int


def compare(buckets: BucketStore, bucket: int, most: int | None) -> Found:
    """Work out the comparisons of a bucket that are known from the start.

    Leaves ``cases`` (one row per comparison: its id and where its texts stand) and ``responses``
    (one row per response that stands by itself, see `_responses`) in the bucket.

    Args:
        buckets: hold the records.
        bucket: which.
        most: the most comparisons among the responses to one prompt; None for each two.

    Raises:
        UsageError: a prompt has too many responses.
    """
    comparisons, ratings = buckets.get("comparisons", bucket), buckets.get("ratings", bucket)
    made, coming = [], 0
    if comparisons is not None:
        made.append(_of_comparisons(comparisons, 0 if ratings is None else ratings.height))
    if ratings is not None:
        responses = _responses(ratings, most)
        _refuse_too_many(responses, most)
        buckets.put_bucket("responses", bucket, responses)
        made.append(_of_responses(responses, _each_two(responses)))
        coming = responses.filter("drawn")["prompt_id"].n_unique() * (most or 0)
    return Found(_put(buckets, bucket, pl.concat(made), 0) if made else 0, coming)


def add(buckets: BucketStore, bucket: int, two: pl.DataFrame) -> int:
    """Add comparisons that a tournament has drawn; gives how many there are.

    They stand in ``new`` too, until the next are added.

    Args:
        buckets: where.
        bucket: which.
        two: `KEY`, the ids of the responses.
    """
    buckets.drop("new", bucket)
    if not two.height:
        return 0
    made = _of_responses(buckets.require("responses", bucket), two)
    return _put(buckets, bucket, made, buckets.require("cases", bucket).height, new=True)


def _put(
    buckets: BucketStore, bucket: int, both: pl.DataFrame, before: int, *, new: bool = False
) -> int:
    """Merge what is said of the same comparison, and put it into the bucket."""
    one = both.group_by(KEY, maintain_order=True).agg(
        pl.exclude("said", "ranked").first(),
        pl.col("ranked").all(),
        pl.col("said").filter(pl.col("said").is_not_null()),
    )
    one = joined_ids(one, KEY, "id")
    one = one.with_columns(
        hexed(one["id"]), (pl.col("a_id") != pl.col("x_id")).alias("turned")
    ).with_row_index("case", offset=before)
    for name in ("cases", "new") if new else ("cases",):
        buckets.put_bucket(name, bucket, one)
    return one.height


def _of_comparisons(comparisons: pl.DataFrame, before: int) -> pl.DataFrame:
    """Each comparison, with what was said of it: a is the response with the smaller id."""
    said = {1: "a", -1: "b", 0: "tie"}
    side = pl.col("side").replace_strict(said, default=None, return_dtype=pl.String)
    label = pl.struct(winner=side, annotator="annotator", strength="strength")
    at = pl.int_range(pl.len(), dtype=pl.Int64)
    n = comparisons.height
    return with_sides(comparisons).select(
        *KEY,
        "a_id",
        "b_id",
        "model_a",
        "model_b",
        "origin",
        REFERENCE,
        (at + before).alias("at_prompt"),
        (at + before).alias("at_a"),
        (at + before + n).alias("at_b"),
        pl.when(pl.col("side").is_not_null()).then(label).alias("said"),
        pl.lit(value=False).alias("ranked"),
    )


def _responses(ratings: pl.DataFrame, most: int | None) -> pl.DataFrame:
    """Each response that stands by itself, once.

    Returns:
        ``prompt_id``, ``response_id``, ``score``, ``model``, ``origin``, ``reference``, ``at`` (the
        rating that has its text), ``group`` (the number of its prompt), ``number`` (its own among
        the responses to that prompt), ``n`` (how many these are), ``drawn`` (whether a tournament
        says which of them are compared).
    """
    distinct = (
        ratings.with_row_index("at")
        .group_by("prompt_id", "response_id", maintain_order=True)
        .agg(
            pl.col("score").mean(),
            pl.col("model", "origin", REFERENCE).drop_nulls().first(),
            pl.col("at").first().cast(pl.Int64),
        )
    )
    n = pl.len().over("prompt_id").cast(pl.Int64)
    return distinct.with_columns(
        (pl.col("prompt_id").rank("dense") - 1).cast(pl.UInt32).alias("group"),
        (pl.col("response_id").rank("ordinal").over("prompt_id") - 1)
        .cast(pl.UInt32)
        .alias("number"),
        n.alias("n"),
        (n * (n - 1) // 2 > most if most is not None else pl.lit(value=False)).alias("drawn"),
    )


def _refuse_too_many(responses: pl.DataFrame, most: int | None) -> None:
    """Refuse prompts with more responses than can be compared."""
    largest = responses["n"].max()
    n = largest if isinstance(largest, int) else 0
    if n > MOST_IN_TOURNAMENT:
        raise UsageError(
            f"a prompt has {n:,} responses; the limit, with a tournament, is "
            f"{MOST_IN_TOURNAMENT:,}",
            hint="Judge fewer responses of each prompt.",
        )
    if most is None and n > MOST:
        raise UsageError(
            f"a prompt has {n:,} responses; all pairs of them would be "
            f"{n * (n - 1) // 2:,} comparisons (the limit is {MOST} responses)",
            hint=f"Let a tournament choose, as with --max-comparisons {3 * n}.",
        )
    if most is not None and most < n - 1:
        raise UsageError(
            f"--max-comparisons {most:,} cannot rank the {n:,} responses of a prompt: "
            f"{n - 1:,} are needed",
            hint=f"Allow {n - 1:,} or more, or judge fewer responses of each prompt.",
        )


def _each_two(responses: pl.DataFrame) -> pl.DataFrame:
    """The ids of every two responses to a prompt, but for those that a tournament draws."""
    ids = responses.filter(~pl.col("drawn")).select("prompt_id", "response_id")
    both = ids.join(ids, on="prompt_id", suffix="_y", maintain_order="left")
    both = both.filter(pl.col("response_id") < pl.col("response_id_y"))
    return both.rename({"response_id": "x_id", "response_id_y": "y_id"})


def _of_responses(responses: pl.DataFrame, two: pl.DataFrame) -> pl.DataFrame:
    """Comparisons of two responses each, with what their scores say."""
    facts = responses.select(
        "prompt_id", "response_id", "score", "model", "origin", REFERENCE, "at", "n"
    )
    both = two
    for side in "xy":
        named = {name: f"{name}_{side}" for name in facts.columns[2:]}
        one = facts.rename({"response_id": f"{side}_id", **named})
        both = both.join(one, on=["prompt_id", f"{side}_id"], how="inner", maintain_order="left")
    difference = pl.col("score_x") - pl.col("score_y")
    winner = (
        (pl.when(difference > 0).then(pl.lit("a")).when(difference < 0).then(pl.lit("b")))
        .when(difference == 0)
        .then(pl.lit("tie"))
    )
    label = pl.struct(winner=winner, annotator=pl.lit(None, pl.String), strength=difference.abs())
    return both.select(
        *KEY,
        pl.col("x_id").alias("a_id"),
        pl.col("y_id").alias("b_id"),
        pl.col("model_x").alias("model_a"),
        pl.col("model_y").alias("model_b"),
        pl.col("origin_x").alias("origin"),
        pl.col(f"{REFERENCE}_x").alias(REFERENCE),
        pl.col("at_x").alias("at_prompt"),
        pl.col("at_x").alias("at_a"),
        pl.col("at_y").alias("at_b"),
        pl.when(difference.is_not_null()).then(label).alias("said"),
        (pl.col("n_x") >= RANKED).alias("ranked"),
    )


def links(buckets: BucketStore, bucket: int) -> pl.DataFrame | None:
    """Each record of a bucket with every comparison that it is in.

    Returns:
        `PLACE`, ``case`` (null where it is in none), ``rated``; of a rating also ``prompt_id``,
        ``response_id`` and ``n``, the number of responses to its prompt.
    """
    cases = buckets.get("cases", bucket)
    if cases is None:
        return None
    comparisons, ratings = buckets.get("comparisons", bucket), buckets.get("ratings", bucket)
    found = []
    if comparisons is not None:
        keyed = with_sides(comparisons).select(*PLACE, *KEY, pl.lit(value=False).alias("rated"))
        keyed = keyed.join(cases.select(*KEY, "case"), on=KEY, maintain_order="left")
        found.append(keyed.drop(KEY))
    if ratings is not None:
        found.append(_of_ratings(ratings, cases, buckets.require("responses", bucket)))
    return pl.concat(found, how="diagonal")


def _of_ratings(
    ratings: pl.DataFrame, cases: pl.DataFrame, responses: pl.DataFrame
) -> pl.DataFrame:
    """Each rating with every comparison that its response is in; null where it is in none."""
    on = ["prompt_id", "response_id"]
    sides = pl.concat(
        cases.select("prompt_id", pl.col(side).alias("response_id"), "case")
        for side in ("x_id", "y_id")
    )
    light = ratings.select(*PLACE, *on, pl.lit(value=True).alias("rated"))
    light = light.join(responses.select(*on, "n"), on=on, how="left", maintain_order="left")
    return light.join(sides, on=on, how="left", maintain_order="left")


def parts(buckets: BucketStore, bucket: int, which: str = "cases") -> Iterator[pl.DataFrame]:
    """The comparisons of a bucket with their texts, a part at a time.

    Args:
        buckets: hold them.
        bucket: which.
        which: ``"cases"`` for all of them, ``"new"`` for those that were added last.

    Yields:
        ``case``, ``id``, ``prompt_id``, ``a_id``, ``b_id``, ``turned`` (whether a is the second in
        the labels), ``ranked`` (whether both responses stand by themselves, among three or more),
        ``prompt``, ``response_a``, ``response_b``, ``reference``, ``model_a``, ``model_b``,
        ``origin``, ``said``.
    """
    cases = buckets.get(which, bucket)
    if cases is None:
        return
    comparisons, ratings = buckets.get("comparisons", bucket), buckets.get("ratings", bucket)
    prompts = [frame["prompt"] for frame in (ratings, comparisons) if frame is not None]
    texts = [] if ratings is None else [ratings["response"]]
    texts += [] if comparisons is None else [comparisons["a"], comparisons["b"]]
    prompt, response = stacked(prompts), stacked(texts)
    for part in cases.iter_slices(PART):
        yield part.drop(*KEY[1:], "at_prompt", "at_a", "at_b").with_columns(
            prompt.gather(part["at_prompt"]).alias("prompt"),
            response.gather(part["at_a"]).alias("response_a"),
            response.gather(part["at_b"]).alias("response_b"),
        )
