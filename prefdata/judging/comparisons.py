"""Which responses are compared with which, and which rows a comparison comes from.

Two responses to one prompt are one comparison, however many rows hold them. Of the responses to a
prompt each two are compared, or, where that would be too many, those that a tournament draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from prefdata.errors import UsageError
from prefdata.io.store.bucket_store import BucketStore
from prefdata.records.frames import TEMPLATE, stacked
from prefdata.records.ids import hexed, joined_ids
from prefdata.transforms.resolve_votes import with_sides

PART = 1024
"""Comparisons whose texts are at hand at once."""

MAX_RESPONSES = 100
"""Responses to one prompt that are all compared with each other: 4,950 comparisons."""

MAX_IN_TOURNAMENT = 300
"""Responses to one prompt in a tournament: to rank so many takes a second a round."""

MIN_RANKED = 3
"""Responses to one prompt from which on they are ranked."""

KEY = ["prompt_id", "x_id", "y_id"]
POSITION = ["source", "row", "line", "item"]
REFERENCE = "reference"


class ComparisonCounts(NamedTuple):
    """How many comparisons a bucket gives.

    Attributes:
        ready: how many there are from the start.
        to_draw: how many more tournaments will draw.
    """

    ready: int
    to_draw: int


def initial_comparisons(
    buckets: BucketStore, bucket: int, max_comparisons: int | None
) -> ComparisonCounts:
    """Work out the comparisons of a bucket that are known from the start.

    Leaves ``all`` (one row per comparison: its id and where its texts stand) and ``responses``
    (one row per response that stands by itself, see `_responses`) in the bucket.

    Args:
        buckets: hold the records.
        bucket: which.
        max_comparisons: the most comparisons among the responses to one prompt; None for each two.

    Raises:
        UsageError: a prompt has too many responses.
    """
    comparisons, ratings = buckets.get("comparisons", bucket), buckets.get("ratings", bucket)
    frames, to_draw = [], 0
    if comparisons is not None:
        frames.append(_from_comparisons(comparisons, 0 if ratings is None else ratings.height))
    if ratings is not None:
        responses = _responses(ratings, max_comparisons)
        _refuse_too_many(responses, max_comparisons)
        buckets.put_bucket("responses", bucket, responses)
        frames.append(_from_responses(responses, _each_two(responses)))
        to_draw = responses.filter("in_tournament")["prompt_id"].n_unique() * (max_comparisons or 0)
    return ComparisonCounts(
        _merge_into_bucket(buckets, bucket, pl.concat(frames), 0) if frames else 0, to_draw
    )


def add_comparisons(buckets: BucketStore, bucket: int, pairs: pl.DataFrame) -> int:
    """Add comparisons that a tournament has drawn; returns how many there are.

    They stand in ``new`` too, until the next are added.

    Args:
        buckets: where.
        bucket: which.
        pairs: `KEY`, the ids of the responses.
    """
    buckets.drop("new", bucket)
    if not pairs.height:
        return 0
    frame = _from_responses(buckets.require("responses", bucket), pairs)
    return _merge_into_bucket(
        buckets, bucket, frame, buckets.require("all", bucket).height, new=True
    )


def _merge_into_bucket(
    buckets: BucketStore, bucket: int, frame: pl.DataFrame, offset: int, *, new: bool = False
) -> int:
    """Merge the rows of each comparison, and put it into the bucket."""
    merged = frame.group_by(KEY, maintain_order=True).agg(
        pl.exclude("labels", "ranked").first(),
        pl.col("ranked").all(),
        pl.col("labels").filter(pl.col("labels").is_not_null()),
    )
    merged = joined_ids(merged, KEY, "id")
    merged = merged.with_columns(
        hexed(merged["id"]), (pl.col("a_id") != pl.col("x_id")).alias("turned")
    ).with_row_index("comparison", offset=offset)
    for name in ("all", "new") if new else ("all",):
        buckets.put_bucket(name, bucket, merged)
    return merged.height


def _from_comparisons(comparisons: pl.DataFrame, offset: int) -> pl.DataFrame:
    """Each comparison with its label, if it has one: x is the response with the smaller id."""
    words = {1: "a", -1: "b", 0: "tie"}
    side = pl.col("side").replace_strict(words, default=None, return_dtype=pl.String)
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
        (at + offset).alias("at_prompt"),
        (at + offset).alias("at_a"),
        (at + offset + n).alias("at_b"),
        pl.when(pl.col("side").is_not_null()).then(label).alias("labels"),
        pl.lit(value=False).alias("ranked"),
    )


def _responses(ratings: pl.DataFrame, max_comparisons: int | None) -> pl.DataFrame:
    """Each response that stands by itself, once.

    Returns:
        ``prompt_id``, ``response_id``, ``score``, ``model``, ``origin``, ``reference``, ``at`` (the
        rating that has its text), ``group`` (the number of its prompt), ``number`` (its own among
        the responses to that prompt), ``n`` (how many these are), ``in_tournament`` (whether a
        tournament says which of them are compared).
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
        (
            n * (n - 1) // 2 > max_comparisons
            if max_comparisons is not None
            else pl.lit(value=False)
        ).alias("in_tournament"),
    )


def _refuse_too_many(responses: pl.DataFrame, max_comparisons: int | None) -> None:
    """Refuse prompts with more responses than can be compared."""
    largest = responses["n"].max()
    n = largest if isinstance(largest, int) else 0
    if n > MAX_IN_TOURNAMENT:
        raise UsageError(
            f"a prompt has {n:,} responses; the limit, with a tournament, is {MAX_IN_TOURNAMENT:,}",
            hint="Judge fewer responses of each prompt.",
        )
    if max_comparisons is None and n > MAX_RESPONSES:
        raise UsageError(
            f"a prompt has {n:,} responses; all pairs of them would be "
            f"{n * (n - 1) // 2:,} comparisons (the limit is {MAX_RESPONSES} responses)",
            hint=f"Let a tournament choose, as with --max-comparisons {3 * n}.",
        )
    if max_comparisons is not None and max_comparisons < n - 1:
        raise UsageError(
            f"--max-comparisons {max_comparisons:,} cannot rank the {n:,} responses of a prompt: "
            f"{n - 1:,} are needed",
            hint=f"Allow {n - 1:,} or more, or judge fewer responses of each prompt.",
        )


def _each_two(responses: pl.DataFrame) -> pl.DataFrame:
    """The ids of every two responses to a prompt, but for those that a tournament draws."""
    ids = responses.filter(~pl.col("in_tournament")).select("prompt_id", "response_id")
    pairs = ids.join(ids, on="prompt_id", suffix="_y", maintain_order="left")
    pairs = pairs.filter(pl.col("response_id") < pl.col("response_id_y"))
    return pairs.rename({"response_id": "x_id", "response_id_y": "y_id"})


def _from_responses(responses: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Comparisons of two responses each, labelled by their scores."""
    facts = responses.select(
        "prompt_id", "response_id", "score", "model", "origin", REFERENCE, "at", "n"
    )
    joined = pairs
    for side in "xy":
        suffixed = {name: f"{name}_{side}" for name in facts.columns[2:]}
        side_facts = facts.rename({"response_id": f"{side}_id", **suffixed})
        joined = joined.join(
            side_facts, on=["prompt_id", f"{side}_id"], how="inner", maintain_order="left"
        )
    difference = pl.col("score_x") - pl.col("score_y")
    winner = (
        (pl.when(difference > 0).then(pl.lit("a")).when(difference < 0).then(pl.lit("b")))
        .when(difference == 0)
        .then(pl.lit("tie"))
    )
    label = pl.struct(winner=winner, annotator=pl.lit(None, pl.String), strength=difference.abs())
    return joined.select(
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
        pl.when(difference.is_not_null()).then(label).alias("labels"),
        (pl.col("n_x") >= MIN_RANKED).alias("ranked"),
    )


def records_with_comparisons(buckets: BucketStore, bucket: int) -> pl.DataFrame | None:
    """Each record of a bucket with every comparison that it is in.

    Returns:
        `POSITION`, ``comparison`` (null where it is in none), ``rated``; of a rating also
        ``prompt_id``, ``response_id`` and ``n``, the number of responses to its prompt.
    """
    compared = buckets.get("all", bucket)
    if compared is None:
        return None
    comparisons, ratings = buckets.get("comparisons", bucket), buckets.get("ratings", bucket)
    frames = []
    if comparisons is not None:
        positions = with_sides(comparisons).select(
            *POSITION, *KEY, pl.lit(value=False).alias("rated")
        )
        positions = positions.join(
            compared.select(*KEY, "comparison"), on=KEY, maintain_order="left"
        )
        frames.append(positions.drop(KEY))
    if ratings is not None:
        frames.append(_ratings_links(ratings, compared, buckets.require("responses", bucket)))
    return pl.concat(frames, how="diagonal")


def _ratings_links(
    ratings: pl.DataFrame, compared: pl.DataFrame, responses: pl.DataFrame
) -> pl.DataFrame:
    """Each rating with every comparison that its response is in; null where it is in none."""
    on = ["prompt_id", "response_id"]
    sides = pl.concat(
        compared.select("prompt_id", pl.col(side).alias("response_id"), "comparison")
        for side in ("x_id", "y_id")
    )
    positions = ratings.select(*POSITION, *on, pl.lit(value=True).alias("rated"))
    positions = positions.join(responses.select(*on, "n"), on=on, how="left", maintain_order="left")
    return positions.join(sides, on=on, how="left", maintain_order="left")


def parts(
    buckets: BucketStore, bucket: int, which: str = "all", keep: Sequence[str] = ()
) -> Iterator[pl.DataFrame]:
    """The comparisons of a bucket with their texts, a part at a time.

    Args:
        buckets: hold them.
        bucket: which.
        which: ``"all"`` for all of them, ``"new"`` for those that were added last.
        keep: the columns of the sources that are passed on.

    Yields:
        ``comparison``, ``id``, ``prompt_id``, ``a_id``, ``b_id``, ``turned`` (whether a is the
        second in the labels), ``ranked`` (whether both responses stand by themselves, among three
        or more), ``prompt``, ``response_a``, ``response_b``, ``reference``, ``model_a``,
        ``model_b``, ``origin``, ``labels``; and ``source``, what records pass to the chat
        template, and the columns of ``keep`` of both responses, with the endings ``_a`` and ``_b``.
    """
    compared = buckets.get(which, bucket)
    if compared is None:
        return
    comparisons, ratings = buckets.get("comparisons", bucket), buckets.get("ratings", bucket)

    def column(of_ratings: str, *of_comparisons: str) -> pl.Series:
        columns = [] if ratings is None else [ratings[of_ratings]]
        columns += [] if comparisons is None else [comparisons[name] for name in of_comparisons]
        return stacked(columns)

    prompt, response = column("prompt", "prompt"), column("response", "a", "b")
    schema = next(each for each in (comparisons, ratings) if each is not None).schema
    template = [name for name in TEMPLATE if name in schema]  # what the judge is shown
    others = {
        name: column(name, name, name) for name in dict.fromkeys(("source", *template, *keep))
    }
    for part in compared.iter_slices(PART):
        yield part.drop(*KEY[1:], "at_prompt", "at_a", "at_b").with_columns(
            prompt.gather(part["at_prompt"]).alias("prompt"),
            response.gather(part["at_a"]).alias("response_a"),
            response.gather(part["at_b"]).alias("response_b"),
            *(
                values.gather(part[f"at_{side}"]).alias(f"{name}_{side}")
                for name, values in others.items()
                for side in "ab"
            ),
        )
