"""Which responses to one prompt are paired. The rejected one is always strictly worse."""

from __future__ import annotations

import polars as pl
import polars_hash as plh

from prefdata.errors import UsageError
from prefdata.transforms.options import Options

SIDE = ("response_id", "score", "model", "at")
MOST = 1000
"""Responses to one prompt that ``all`` still pairs: half a million pairs, all with their texts."""


def refuse_too_many(responses: pl.DataFrame, options: Options) -> None:
    """Stop before the pairs of one prompt, whose number grows with the square, fill the memory.

    Raises:
        UsageError: ``all`` is asked for, and a prompt has more than `MOST` responses.
    """
    if options.strategy != "all" or not responses.height:
        return
    most = responses.group_by("scope").len()["len"].max()
    if isinstance(most, int) and most > MOST:
        raise UsageError(
            f"a prompt has {most:,} responses; strategy 'all' would make up to "
            f"{most * (most - 1) // 2:,} pairs of it (the limit is {MOST:,} responses)",
            hint="Choose --strategy best-rest or adjacent: they use every response too.",
        )


def pairs(responses: pl.LazyFrame, options: Options) -> pl.LazyFrame:
    """Pair the responses of each scope: those to one prompt, or in one ranked list.

    Responses with the same score are never paired. Where several are best, or several worst, the
    one with the smallest id stands for them, so that the order of the rows does not matter.

    Args:
        responses: one row per response: ``scope``, ``prompt_id``, ``response_id``, ``score``,
            ``model``, ``origin``, ``at``.
        options: says which strategy, and the least margin.

    Returns:
        ``scope``, ``prompt_id``, and of either side the id, score, model and place.
    """
    better = responses.select(
        "scope", "prompt_id", "origin", *(pl.col(name).alias(f"chosen_{name}") for name in SIDE)
    )
    worse = responses.select("scope", *(pl.col(name).alias(f"rejected_{name}") for name in SIDE))
    ranked = responses.sort("scope", "score", "response_id", descending=[False, True, False])
    if options.strategy == "adjacent":
        found = _adjacent(ranked)
    elif options.strategy == "all":
        found = better.join(worse, on="scope")
    else:
        others = (
            _extreme(worse, "rejected", best=False) if options.strategy == "best-worst" else worse
        )
        found = _extreme(better, "chosen", best=True).join(others, on="scope")
    difference = pl.col("chosen_score") - pl.col("rejected_score")
    found = found.filter(difference > 0, difference >= options.least_margin)
    if options.strategy == "best-random":
        found = _first(found.sort(_chance(options.seed)))
    return found.rename({"chosen_response_id": "chosen_id", "rejected_response_id": "rejected_id"})


def _extreme(side: pl.LazyFrame, name: str, *, best: bool) -> pl.LazyFrame:
    """The best, or worst, response of each scope; of several, the one with the smallest id."""
    score = pl.col(f"{name}_score")
    edge = side.group_by("scope").agg((score.max() if best else score.min()).alias("edge"))
    there = side.join(edge, on="scope").filter(score == pl.col("edge")).drop("edge")
    return _first(there.sort(f"{name}_response_id"))


def _first(found: pl.LazyFrame) -> pl.LazyFrame:
    return found.unique("scope", keep="first", maintain_order=True)


def _chance(seed: int) -> pl.Expr:
    text = pl.format(
        "{} {} {}", pl.lit(str(seed)), pl.col("prompt_id"), pl.col("rejected_response_id")
    )
    return plh.concat_str(text).nchash.xxh3_64()


def _adjacent(ranked: pl.LazyFrame) -> pl.LazyFrame:
    previous = [pl.col(name).shift(1).over("scope").alias(f"chosen_{name}") for name in SIDE]
    renamed = [pl.col(name).alias(f"rejected_{name}") for name in SIDE]
    return ranked.select("scope", "prompt_id", "origin", *previous, *renamed).drop_nulls(
        "chosen_response_id"
    )
