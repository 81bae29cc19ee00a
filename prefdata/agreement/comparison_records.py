"""Verdicts of `Comparison` records, as `pref judge` and `pref label` store them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa

from prefdata.io.readers.sources import Source
from prefdata.records import reasons
from prefdata.schemas import Comparison

RECORD = ("prompt", "response_a", "response_b", "verdicts")
SIDES = {"a": 1, "b": -1, "tie": 0}
CALLS = pl.Schema([(name, pl.String()) for name in ("comparison", "judge", "order", "heard")])


def record_verdicts(frame: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """Verdicts of `Comparison` records, one a row.

    Which response was shown first is told by the calls: each of them is a verdict of its own, in
    place of the one that stands for all. Of other verdicts it is not known.
    """
    names = {"response_a": "a", "response_b": "b"}
    absent = [name for name in ("id", "model_a", "model_b") if name not in frame.columns]
    frame = (
        frame.rename(names)
        .with_columns(pl.lit(None).alias(name) for name in absent)
        .explode("verdicts")
    )
    verdict = pl.col("verdicts").struct
    said = frame.with_columns(
        pl.col("id").cast(pl.String).alias("record"),
        verdict.field("winner").alias("said"),
        verdict.field("annotator"),
        verdict.field("annotator_kind").alias("kind"),
    ).drop("id")
    heard = calls.rename({"comparison": "record", "judge": "annotator"})
    said = said.join(heard, on=["record", "annotator"], how="left", maintain_order="left")
    said = _as_shown(said.with_columns(pl.coalesce("heard", "said").alias("said")))
    empty = pl.any_horizontal(pl.col("prompt", "a", "b").list.len().fill_null(0) == 0)
    none = pl.col("said").is_null() | (pl.col("said") == "none")
    return said.with_columns(
        pl.col("said").replace_strict(SIDES, default=None, return_dtype=pl.Int8).alias("winner"),
        pl.when(empty)
        .then(pl.lit(reasons.EMPTY))
        .when(none)
        .then(pl.lit(reasons.NO_WINNER))
        .when(~pl.col("said").is_in(list(SIDES)))
        .then(pl.lit(reasons.UNKNOWN_WINNER))
        .alias("reason"),
        pl.col("order").is_not_null().alias("placed"),
    )


def _as_shown(said: pl.DataFrame) -> pl.DataFrame:
    """Put what was shown first in the first place."""
    swapped = (pl.col("order") == "ba").fill_null(value=False)
    sides = (("a", "b"), ("model_a", "model_b"))
    turned = [
        pl.when(swapped).then(there).otherwise(here).alias(here)
        for pair in sides
        for here, there in (pair, pair[::-1])
    ]
    other = pl.col("said").replace({"a": "b", "b": "a"})
    return said.with_columns(*turned, pl.when(swapped).then(other).otherwise("said").alias("said"))


def calls_of(source: Source) -> pl.DataFrame:
    """What judges said in each order, where the data set directory of a source tells it.

    Of several rounds the last counts.
    """
    folder = Path(source.name).parent.parent / "calls"
    files = (
        sorted(folder.glob("*.parquet")) if Path(source.name).parent.name == "comparisons" else []
    )
    scanned = [pl.scan_parquet(path, glob=False) for path in files]
    wanted = {"comparison", "judge", "order", "winner", "round"}
    parts = [
        each.select(*sorted(wanted)).rename({"winner": "heard"}).collect()
        for each in scanned
        if wanted <= set(each.collect_schema())
    ]
    if not parts:
        return pl.DataFrame(schema=CALLS)
    calls = pl.concat(parts)
    last = pl.col("round") == pl.col("round").max().over("comparison", "judge")
    return calls.filter(last).select(list(CALLS)).cast(CALLS)


def record_types() -> list[pa.Field]:
    """What `Comparison` records hold that is read here, as their schema has it."""
    schema = Comparison.arrow_schema()
    verdict = schema.field("verdicts").type.value_type
    read = pa.struct([verdict.field(name) for name in ("winner", "annotator", "annotator_kind")])
    texts = [schema.field(name) for name in ("prompt", "response_a", "response_b")]
    return [*texts, pa.field("verdicts", pa.list_(read))]
