"""Which responses to one prompt are paired. The rejected one is always strictly worse."""

from __future__ import annotations

import polars as pl
import polars_hash as plh

from prefdata.errors import UsageError
from prefdata.transforms.options import Options

SIDE = ("response", "score", "index")
MOST = 1000
"""Responses to one prompt that ``all`` still pairs: half a million pairs, all with their texts."""


def refuse_too_many(responses: pl.DataFrame, options: Options) -> None:
    """Stop before the pairs of one prompt, whose number grows with the square, fill the memory.

    Raises:
        UsageError: the strategy is ``all``, and a prompt has more than `MOST` responses.
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


def pair_responses(responses: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Pair the responses of each scope: those to one prompt, or in one ranked list.

    Responses with the same score are never paired. Where several are best, or several worst, the
    one with the smallest id stands for them, so that the order of the rows does not matter.

    Args:
        responses: one row per response: ``scope``, ``response`` (its number in the order of the
            ids), ``score``, ``index``, and ``chance`` where the strategy needs it.
        options: says which strategy, and the least margin.

    Returns:
        ``scope``, and of either side, as in ``chosen`` and ``chosen_score``, the number of the
        response, its score and index.
    """
    better = responses.select("scope", *(pl.col(name).alias(f"chosen_{name}") for name in SIDE))
    random = ["chance"] if options.strategy == "best-random" else []
    worse = responses.select(
        "scope", *(pl.col(name).alias(f"rejected_{name}") for name in SIDE), *random
    )
    if options.strategy == "adjacent":
        pairs = _adjacent(responses)
    elif options.strategy == "all":
        pairs = better.join(worse, on="scope")
    else:
        others = (
            _extreme(worse, "rejected", best=False) if options.strategy == "best-worst" else worse
        )
        pairs = _extreme(better, "chosen", best=True).join(others, on="scope")
    difference = pl.col("chosen_score") - pl.col("rejected_score")
    pairs = pairs.filter(difference > 0, difference >= options.least_margin)
    if random:
        pairs = pairs.sort("chance").unique("scope", keep="first", maintain_order=True)
    return pairs.rename({"chosen_response": "chosen", "rejected_response": "rejected"})


def _extreme(side: pl.DataFrame, name: str, *, best: bool) -> pl.DataFrame:
    """The best, or worst, response of each scope; of several, the one with the smallest id."""
    score, response = pl.col(f"{name}_score"), pl.col(f"{name}_response")
    edge = score.max() if best else score.min()
    return side.filter(score == edge.over("scope")).filter(response == response.min().over("scope"))


def random_number(seed: int) -> pl.Expr:
    """A number for each response that looks random, made of ``prompt_id`` and ``response_id``."""
    text = pl.format("{} {} {}", pl.lit(str(seed)), pl.col("prompt_id"), pl.col("response_id"))
    return plh.concat_str(text).nchash.xxh3_64().alias("chance")


def _adjacent(responses: pl.DataFrame) -> pl.DataFrame:
    ranked = responses.sort("scope", "score", "response", descending=[False, True, False])
    previous = [pl.col(name).shift(1).over("scope").alias(f"chosen_{name}") for name in SIDE]
    renamed = [pl.col(name).alias(f"rejected_{name}") for name in SIDE]
    return ranked.select("scope", *previous, *renamed).drop_nulls("chosen_response")
