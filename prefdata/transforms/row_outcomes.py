"""What became of each row: kept, merged with another, left over, or rejected, and why."""

from __future__ import annotations

import polars as pl

from prefdata.records import reasons

OUTCOMES = ("rejected", "left over", "merged", "kept")
"""From worst to best: a row with several responses counts as the best that became of one."""

OUTCOME = pl.Enum(OUTCOMES)

LEDGER = pl.Schema(
    {
        "source": pl.UInt16(),
        "row": pl.UInt64(),
        "line": pl.UInt64(),
        "item": pl.UInt32(),
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
LEFT_OVER = (
    *(reasons.OUTVOTED, reasons.MIDDLE, reasons.TIED, reasons.ALONE),
    *(reasons.OTHER_DIMENSION, reasons.USER_TURN),
)


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


def lost(ledger: pl.DataFrame) -> pl.DataFrame:
    """Rows of which nothing became anything, with ``source``, ``row``, ``line`` and ``reason``."""
    if not (ledger["outcome"] == "rejected").any():
        ledger = ledger.clear()
    rows = by_row(ledger).filter(pl.col("outcome") == "rejected")
    return rows.select("source", "row", "line", "reason")


def refused(rows: pl.DataFrame, raw: pl.Series) -> pl.DataFrame:
    """Bring lost rows to the columns of `REJECTS`, with the text of each."""
    empty = pl.lit("")
    made = rows.with_columns(raw.alias("raw"), empty.alias("field"), empty.alias("detail"))
    return made.select(REJECTS.names()).cast(REJECTS)
