"""Train and test by prompt or by conversation.

A hash of its content decides, so that each stays where it was when data is added.
"""

from __future__ import annotations

import polars as pl
import polars_hash as plh

SPLITS = ("train", "test")


def in_test(ids: pl.Series, test_size: float, seed: int) -> pl.Series:
    """Whether each prompt, or conversation, belongs to the test split.

    Args:
        ids: theirs, as hexadecimal digits.
        test_size: the share of them in the test split.
        seed: another seed gives another split.

    Example:
        >>> in_test(pl.Series(["a" * 32, "b" * 32]), 0.2, 0).to_list()
        [True, False]
    """
    text = (
        ids.alias("id").to_frame().select(pl.format("{} {}", pl.lit(str(seed)), "id").alias("id"))
    )
    place = text.select(plh.col("id").nchash.xxh3_64().cast(pl.Float64) / 2.0**64)
    return place.to_series() < test_size
