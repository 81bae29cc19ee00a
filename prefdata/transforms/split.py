"""Train, validation and test by prompt or by conversation: the sources' own splits, or new ones.

New ones are decided by a hash of the content, so that each prompt stays where it was when data is
added. Where the sources say which split a row is in, a prompt that stands in several of them stays
in the most held-out one, and its other rows are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl
import polars_hash as plh

from prefdata.records import reasons
from prefdata.records.ids import hexed
from prefdata.records.splits import SPLITS
from prefdata.transforms.row_outcomes import as_outcomes

if TYPE_CHECKING:
    from prefdata.transforms.options import Options

SPLIT = pl.Enum(SPLITS)
"""The type of a column that says which split a row is in."""


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


def splits_of(rows: pl.DataFrame, group: str, options: Options) -> pl.Series:
    """The split of each row of the data set: its ``split`` where it has one, else a new one.

    Args:
        rows: with the id of the prompt or conversation.
        group: the column of this id.
        options: the share of the test split, and the seed.
    """
    if "split" in rows.columns:
        return rows["split"]
    test = in_test(hexed(rows[group]), options.test_share, options.seed)
    names = pl.Series(["train", "test"], dtype=SPLIT)
    return names.gather(test.cast(pl.UInt32)).alias("split")


def by_split(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each split."""
    return {name: rows.filter(pl.col("split") == name) for name in SPLITS}


def most_held_out(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The most held-out split of each prompt: ``prompt_id`` and ``last``, its number.

    Args:
        frames: all records of these prompts, each with its ``split``.
    """
    splits = pl.concat(frame.select("prompt_id", "split") for frame in frames)
    return splits.group_by("prompt_id").agg(pl.col("split").to_physical().max().alias("last"))


def hold_out(
    records: pl.DataFrame, ends: pl.DataFrame, *, rated: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out the records of a prompt, or conversation, that a more held-out split has too.

    Args:
        records: each with its ``split``.
        ends: the most held-out split of each prompt, or of conversations, as `most_held_out` has
            them; those that are not listed are in one split.
        rated: whether the records are ratings.

    Returns:
        The records that stay, and the account of the others.
    """
    key, split = ends.columns[0], pl.col("split").to_physical()
    last = records.select(key).join(ends, on=key, how="left", maintain_order="left")["last"]
    stays = records.select(split.eq(last) | last.is_null()).to_series()
    left = records.filter(~stays).with_columns(
        pl.lit(reasons.HELD_OUT).alias("reason"), pl.lit(None, pl.String).alias("pair")
    )
    return records.filter(stays), as_outcomes(left, rated=rated)
