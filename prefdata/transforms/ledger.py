"""What became of each row: kept, merged with another, left over, or rejected, and why."""

from __future__ import annotations

import polars as pl

from prefdata.formats import reasons

OUTCOMES = ("rejected", "left over", "merged", "kept")
"""From worst to best: a row with several responses counts as the best that became of one."""

OUTCOME = pl.Enum(OUTCOMES)

LEDGER = pl.Schema(
    {
        "source": pl.UInt16(),
        "row": pl.UInt64(),
        "line": pl.UInt64(),
        "item": pl.UInt16(),
        "outcome": OUTCOME,
        "reason": pl.String(),
        "pair": pl.String(),
    }
)
"""One entry per response or verdict of a row, and per pair that it went into.

``pair`` is the id of the pair that the entry went into, was merged with, or lost against.
"""

REJECTS = pl.Schema(
    {
        "source": pl.UInt16(),
        "row": pl.UInt64(),
        "line": pl.UInt64(),
        "field": pl.String(),
        "reason": pl.String(),
        "detail": pl.String(),
        "raw": pl.String(),
    }
)

OF_REASON = {reasons.KEPT: "kept", reasons.DUPLICATE: "merged"}
LEFT_OVER = (reasons.OUTVOTED, reasons.MIDDLE, reasons.TIED, reasons.ALONE, reasons.OTHER_DIMENSION)


def entries(frame: pl.DataFrame, *, rated: bool) -> pl.DataFrame:
    """Bring rows with ``reason`` and ``pair`` to the columns of the ledger.

    Args:
        frame: ``source``, ``row``, ``line``, ``item``, ``reason``, ``pair``.
        rated: whether the rows are ratings, of which some are always left over; other rows without
            a pair are rejected.
    """
    other = "left over" if rated else "rejected"
    named = {**OF_REASON, **dict.fromkeys(LEFT_OVER, "left over")}
    outcome = pl.col("reason").replace_strict(named, default=other, return_dtype=pl.String)
    item = pl.col("item").fill_null(0)
    return frame.with_columns(outcome.cast(OUTCOME).alias("outcome"), item).select(
        pl.col(name).cast(dtype) for name, dtype in LEDGER.items()
    )


def by_row(ledger: pl.DataFrame) -> pl.DataFrame:
    """The best that became of each row, with its reason: one line per row of a source."""
    if not ledger.height or ledger.select(pl.struct("source", "row").is_unique().all()).item():
        return ledger
    best = ledger.sort(pl.col("outcome").to_physical(), descending=True, maintain_order=True)
    return best.unique(["source", "row"], keep="first", maintain_order=True)


def rejected(ledger: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Rows of which nothing became anything, with the record that was made of them as JSON.

    Args:
        ledger: entries in the order of ``records``.
        records: the records that the entries speak of.
    """
    lost = by_row(ledger).filter(pl.col("outcome") == "rejected").select("source", "row")
    if not lost.height:
        return pl.DataFrame(schema=REJECTS)
    shown = [
        name
        for name in records.columns
        if name in ("prompt", "a", "b", "response", "winner", "label", "annotator")
    ]
    said = records.with_columns(ledger["reason"].alias("reason")).join(
        lost, on=["source", "row"], how="semi"
    )
    said = said.unique(["source", "row"], keep="first", maintain_order=True)
    return said.select(
        "source",
        "row",
        "line",
        pl.lit("").alias("field"),
        "reason",
        pl.lit("").alias("detail"),
        pl.struct(shown).struct.json_encode().alias("raw"),
    ).cast(REJECTS)
