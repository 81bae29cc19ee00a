"""Unpaired preferences: labels of one response merged, and resolved where they contradict."""

from __future__ import annotations

import polars as pl

from prefdata.records import reasons
from prefdata.records.ids import hexed, joined_ids
from prefdata.transforms import filter_columns
from prefdata.transforms.filters import needed_columns
from prefdata.transforms.make_pairs import PairResult
from prefdata.transforms.options import Options
from prefdata.transforms.row_outcomes import as_outcomes
from prefdata.transforms.split import splits_of

KEY = ["prompt_id", "response_id"]
"""The columns that tell labelled answers apart."""


def make_unpaired(records: pl.DataFrame, options: Options) -> PairResult:
    """Merge labels of the same response, and resolve those that contradict each other.

    Args:
        records: ``label``, ``weight``, ``origin``, the ids of the texts, their place, and what
            filters need to know of the texts.
        options: how conflicts are resolved, which filters there are, and the split.
    """
    records = records.with_row_index()
    labels = _resolve(records, options.conflicts)
    merged = _merge(labels, records["weight"])
    if options.filters:
        refused = _filtered_answers(records, merged, options)
        merged = merged.join(refused, on=[*KEY, "won"], how="anti", maintain_order="left")
        labels = labels.join(refused, on=[*KEY, "won"], how="left", maintain_order="left")
    else:
        labels = labels.with_columns(pl.lit(None, pl.String).alias("refusal"))
    rows, ids = _with_ids(records, merged, options)
    labels = labels.join(ids, on=[*KEY, "won"], how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("refusal").is_not_null())
        .then("refusal")
        .when(pl.col("index") == pl.col("first"))
        .then(pl.lit(reasons.KEPT))
        .when(pl.col("label") == pl.col("won"))
        .then(pl.lit(reasons.DUPLICATE))
        .when(pl.col("first").is_not_null())
        .then(pl.lit(reasons.OUTVOTED))
        .otherwise(pl.lit(reasons.CONFLICT))
    )
    labels = labels.with_columns(reason.alias("reason"))
    outcomes = as_outcomes(records.with_columns(labels["reason"], labels["pair"]), rated=False)
    return PairResult(rows, outcomes)


def _resolve(records: pl.DataFrame, conflicts: str) -> pl.DataFrame:
    """Each label with the label that ``won`` for its response; null where none did."""
    light = records.select(*KEY, "index", "label")
    if conflicts == "keep":
        return light.with_columns(pl.col("label").alias("won"))
    good = pl.col("label").sum()
    counted = light.group_by(KEY).agg(good.alias("good"), (pl.len() - good).alias("bad"))
    good, bad = pl.col("good"), pl.col("bad")
    undecided = (good == bad) | ((conflicts == "drop") & (good > 0) & (bad > 0))
    counted = counted.select(*KEY, pl.when(~undecided).then(good > bad).alias("won"))
    return light.join(counted, on=KEY, how="left", maintain_order="left")


def _merge(labels: pl.DataFrame, weights: pl.Series) -> pl.DataFrame:
    """One row for each response and the label that won: its ``first`` record, its mean weight."""
    agreed = labels.with_columns(weights).filter(pl.col("label") == pl.col("won"))
    # Sorted, so that the mean is the same in whatever order the rows came.
    grouped = agreed.sort("weight", "index").group_by(*KEY, "won", maintain_order=True)
    return grouped.agg(pl.col("index").min().alias("first"), pl.col("weight").mean())


def _filtered_answers(
    records: pl.DataFrame, merged: pl.DataFrame, options: Options
) -> pl.DataFrame:
    """The answers that a filter refuses: `KEY`, ``won`` and ``refusal``."""
    first = records[merged["first"]]
    columns = filter_columns.of_answers(needed_columns(options.filters))
    refusal = first.with_columns(columns).select(filter_columns.refusal(options.filters))
    return merged.select(*KEY, "won").hstack(refusal).drop_nulls("refusal")


def _with_ids(
    records: pl.DataFrame, merged: pl.DataFrame, options: Options
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of the data set, and the id of each beside its key and its first record."""
    rows = records[merged["first"]].with_columns(merged["won"].alias("label"), merged["weight"])
    rows = rows.with_columns(pl.col("label").cast(pl.UInt128).alias("label_id"))
    rows = joined_ids(rows, [*KEY, "label_id"], "id")
    group = "group_id" if "group_id" in rows.columns else "prompt_id"
    split = splits_of(rows, group, options)
    ids = rows.select(
        *KEY,
        pl.col("label").alias("won"),
        pl.col("index").alias("first"),
        hexed(rows["id"]).alias("pair"),
    )
    rows = rows.select(
        hexed(rows["id"]),
        hexed(rows["prompt_id"]),
        "label",
        "weight",
        pl.col("origin").alias("source"),
        pl.col("source").alias("from_source"),
        split,
        rows[group].alias("group_id"),
        pl.col("source").alias("of_source"),
        pl.col("row").alias("of_row"),
        pl.col("item").alias("of_item"),
    )
    return rows.sort("prompt_id", "id"), ids
