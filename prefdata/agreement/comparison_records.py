"""Verdicts of `Comparison` records, as `pref judge` stores them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa

from prefdata.io.readers.sources import Source
from prefdata.records import reasons
from prefdata.schemas import Comparison

RECORD_COLUMNS = ("prompt", "response_a", "response_b", "verdicts")
MORE_COLUMNS = ("id", "model_a", "model_b")
"""Columns that records may have besides `RECORD_COLUMNS`."""

WINNERS = {"a": 1, "b": -1, "tie": 0}
CALLS = pl.Schema([(name, pl.String()) for name in ("comparison", "judge", "order", "call_winner")])


def record_verdicts(frame: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """Verdicts of `Comparison` records, one a row.

    The calls say which response was shown first: each of them is a verdict of its own, in place of
    the one that stands for all. Of other verdicts it is not known.

    Args:
        frame: the records.
        calls: the columns of `CALLS`.
    """
    names = {"response_a": "a", "response_b": "b"}
    absent = [name for name in MORE_COLUMNS if name not in frame.columns]
    frame = (
        frame.rename(names)
        .with_columns(pl.lit(None).alias(name) for name in absent)
        .explode("verdicts")
    )
    verdict = pl.col("verdicts").struct
    verdicts = frame.with_columns(
        pl.col("id").cast(pl.String).alias("record"),
        verdict.field("winner").alias("side"),
        verdict.field("annotator"),
        verdict.field("annotator_kind").alias("kind"),
    ).drop("id")
    calls = calls.rename({"comparison": "record", "judge": "annotator"})
    verdicts = verdicts.join(calls, on=["record", "annotator"], how="left", maintain_order="left")
    verdicts = verdicts.with_columns(pl.coalesce("call_winner", "side").alias("side"))
    empty = pl.any_horizontal(pl.col("prompt", "a", "b").list.len().fill_null(0) == 0)
    none = pl.col("side").is_null() | (pl.col("side") == "none")
    return _in_order_shown(verdicts).with_columns(
        pl.col("side").replace_strict(WINNERS, default=None, return_dtype=pl.Int8).alias("winner"),
        pl.when(empty)
        .then(pl.lit(reasons.EMPTY))
        .when(none)
        .then(pl.lit(reasons.NO_WINNER))
        .when(~pl.col("side").is_in(list(WINNERS)))
        .then(pl.lit(reasons.UNKNOWN_WINNER))
        .alias("reason"),
        pl.col("order").is_not_null().alias("as_shown"),
    )


def _in_order_shown(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Put the response that was shown first in the first place."""
    swapped = (pl.col("order") == "ba").fill_null(value=False)
    sides = (("a", "b"), ("model_a", "model_b"))
    turned = [
        pl.when(swapped).then(there).otherwise(here).alias(here)
        for pair in sides
        for here, there in (pair, pair[::-1])
    ]
    other = pl.col("side").replace({"a": "b", "b": "a"})
    side = pl.when(swapped).then(other).otherwise("side").alias("side")
    return verdicts.with_columns(*turned, side)


def read_calls(source: Source) -> pl.DataFrame:
    """The winner of each call of a judge, where the data set directory of a source has its calls.

    Of several rounds the last counts.

    Returns:
        The columns of `CALLS`.
    """
    folder = Path(source.name).parent.parent / "calls"
    files = (
        sorted(folder.glob("*.parquet")) if Path(source.name).parent.name == "comparisons" else []
    )
    frames = [pl.scan_parquet(path, glob=False) for path in files]
    columns = {"comparison", "judge", "order", "winner", "round"}
    parts = [
        each.select(*sorted(columns)).rename({"winner": "call_winner"}).collect()
        for each in frames
        if columns <= set(each.collect_schema())
    ]
    if not parts:
        return pl.DataFrame(schema=CALLS)
    calls = pl.concat(parts)
    last = pl.col("round") == pl.col("round").max().over("comparison", "judge")
    return calls.filter(last).select(list(CALLS)).cast(CALLS)


def record_types() -> list[pa.Field]:
    """The columns of `Comparison` records that are read here, typed as their schema has them."""
    schema = Comparison.arrow_schema()
    verdict = schema.field("verdicts").type.value_type
    fields = pa.struct([verdict.field(name) for name in ("winner", "annotator", "annotator_kind")])
    texts = [schema.field(name) for name in ("prompt", "response_a", "response_b")]
    return [*texts, pa.field("verdicts", pa.list_(fields))]
