"""Unpaired preferences: labels of the same response merged, and resolved where they contradict."""

from __future__ import annotations

import polars as pl

from prefdata.records import reasons
from prefdata.records.ids import hexed, joined_ids
from prefdata.transforms.make_pairs import PairResult
from prefdata.transforms.options import Options
from prefdata.transforms.row_outcomes import entries
from prefdata.transforms.split import in_test

KEY = ["prompt_id", "response_id"]
"""What labels are on."""


def unpaired(records: pl.DataFrame, options: Options) -> PairResult:
    """Merge labels of the same response, and resolve those that contradict each other.

    Args:
        records: ``label``, ``weight``, ``origin``, the ids of the texts, and their place.
        options: how conflicts are resolved, and the split.
    """
    records = records.with_row_index("at")
    told = _resolved(records, options.conflicts)
    rows, named = _identified(records, _merged(told, records["weight"]), options)
    told = told.join(named, on=[*KEY, "won"], how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("at") == pl.col("first"))
        .then(pl.lit(reasons.KEPT))
        .when(pl.col("label") == pl.col("won"))
        .then(pl.lit(reasons.DUPLICATE))
        .when(pl.col("first").is_not_null())
        .then(pl.lit(reasons.OUTVOTED))
        .otherwise(pl.lit(reasons.CONFLICT))
    )
    told = told.with_columns(reason.alias("reason"))
    ledger = entries(records.with_columns(told["reason"], told["pair"]), rated=False)
    return PairResult(rows, ledger)


def _resolved(records: pl.DataFrame, conflicts: str) -> pl.DataFrame:
    """Each label with the one that ``won`` for its response; null where none did."""
    light = records.select(*KEY, "at", "label")
    if conflicts == "keep":
        return light.with_columns(pl.col("label").alias("won"))
    good = pl.col("label").sum()
    counted = light.group_by(KEY).agg(good.alias("good"), (pl.len() - good).alias("bad"))
    good, bad = pl.col("good"), pl.col("bad")
    given_up = (good == bad) | ((conflicts == "drop") & (good > 0) & (bad > 0))
    counted = counted.select(*KEY, pl.when(~given_up).then(good > bad).alias("won"))
    return light.join(counted, on=KEY, how="left", maintain_order="left")


def _merged(told: pl.DataFrame, weights: pl.Series) -> pl.DataFrame:
    """One row for each response and the label that won: its ``first`` record, its mean weight."""
    agreed = told.with_columns(weights).filter(pl.col("label") == pl.col("won"))
    # Sorted, so that the mean is the same in whatever order the rows came.
    grouped = agreed.sort("weight", "at").group_by(*KEY, "won", maintain_order=True)
    return grouped.agg(pl.col("at").min().alias("first"), pl.col("weight").mean())


def _identified(
    records: pl.DataFrame, merged: pl.DataFrame, options: Options
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of the data set, and the id of each beside its key and its first record."""
    whole = records[merged["first"]].with_columns(merged["won"].alias("label"), merged["weight"])
    whole = whole.with_columns(pl.col("label").cast(pl.UInt128).alias("label_id"))
    whole = joined_ids(whole, [*KEY, "label_id"], "id")
    group = "group_id" if "group_id" in whole.columns else "prompt_id"
    test = in_test(hexed(whole[group]), options.test_size, options.seed)
    named = whole.select(
        *KEY,
        pl.col("label").alias("won"),
        pl.col("at").alias("first"),
        hexed(whole["id"]).alias("pair"),
    )
    rows = whole.select(
        hexed(whole["id"]),
        hexed(whole["prompt_id"]),
        "label",
        "weight",
        pl.col("origin").alias("source"),
        pl.col("source").alias("from_source"),
        test.alias("test"),
        whole[group].alias("group_id"),
        pl.col("source").alias("of_source"),
        pl.col("row").alias("of_row"),
        pl.col("item").alias("of_item"),
    )
    return rows.sort("prompt_id", "id"), named
