"""Unpaired preferences: labels of the same response merged, and resolved where they contradict."""

from __future__ import annotations

import polars as pl

from prefdata.formats import reasons
from prefdata.formats.ids import hexed, joined_ids
from prefdata.transforms.bucket import Decided
from prefdata.transforms.ledger import entries
from prefdata.transforms.options import Options
from prefdata.transforms.split import in_test


def unpaired(records: pl.DataFrame, options: Options) -> Decided:
    """Merge labels of the same response, and resolve those that contradict each other.

    Args:
        records: ``label``, ``weight``, ``origin``, the ids of the texts, and their place.
        options: how conflicts are resolved, and the split.
    """
    records = records.with_row_index("at")
    key = ["prompt_id", "response_id"]
    good = pl.col("label").sum()
    counted = records.group_by(key).agg(good.alias("good"), (pl.len() - good).alias("bad"))
    good, bad = pl.col("good"), pl.col("bad")
    given_up = (good == bad) | ((options.conflicts == "drop") & (good > 0) & (bad > 0))
    counted = counted.select(*key, pl.when(~given_up).then(good > bad).alias("won"))
    light = records.select(*key, "at", "label").join(
        counted, on=key, how="left", maintain_order="left"
    )
    if options.conflicts == "keep":
        light = light.with_columns(pl.col("label").alias("won"))
    agrees = pl.col("label") == pl.col("won")
    light = light.with_columns(records["weight"]).sort("weight", "at")
    first = (
        light.filter(agrees)
        .group_by(*key, "won", maintain_order=True)
        .agg(pl.col("at").min().alias("first"), pl.col("weight").mean())
    )
    light = light.drop("weight").sort("at")
    light = light.join(first.drop("weight"), on=[*key, "won"], how="left", maintain_order="left")
    whole = records[first["first"]].with_columns(first["won"].alias("label"), first["weight"])
    whole = whole.with_columns(pl.col("label").cast(pl.UInt128).alias("label_id"))
    whole = joined_ids(whole, [*key, "label_id"], "id")
    group = "group_id" if "group_id" in whole.columns else "prompt_id"
    test = in_test(hexed(whole[group]), options.test_size, options.seed)
    whole = whole.with_columns(
        hexed(whole["id"]), hexed(whole["prompt_id"]), whole[group].alias("group_id")
    )
    rows = whole.select(
        "id",
        "prompt_id",
        "label",
        "weight",
        pl.col("origin").alias("source"),
        pl.col("source").alias("from_source"),
        test.alias("test"),
        "group_id",
        pl.col("source").alias("of_source"),
        pl.col("row").alias("of_row"),
        pl.col("item").alias("of_item"),
    ).sort("prompt_id", "id")
    named = whole.select(pl.col("at").alias("first"), pl.col("id").alias("pair"))
    told = light.join(named, on="first", how="left", maintain_order="left")
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
    return Decided(rows, ledger)
