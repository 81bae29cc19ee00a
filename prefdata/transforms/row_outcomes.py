"""What became of each row: kept, merged with another, left over, or rejected, and why."""

from __future__ import annotations

import polars as pl

from prefdata.records import reasons

OUTCOMES = ("rejected", "left over", "merged", "kept")
"""From worst to best: a row with several responses counts as the best that became of one."""

OUTCOME = pl.Enum(OUTCOMES)

ROW_OUTCOMES = pl.Schema(
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
"""Columns of the account: one entry per response or verdict of a row, and per pair it went into.

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

LEFT_OVER = (
    *(reasons.OUTVOTED, reasons.MIDDLE, reasons.TIED, reasons.ALONE),
    *(reasons.OTHER_DIMENSION, reasons.USER_TURN, reasons.SURPLUS, reasons.NO_PREFERENCE),
    reasons.HELD_OUT,
)
"""Reasons by which a row is left over, whatever kind of record it is."""

OUTCOME_OF_REASON = {
    reasons.KEPT: "kept",
    reasons.DUPLICATE: "merged",
    **dict.fromkeys(LEFT_OVER, "left over"),
}


def as_outcomes(frame: pl.DataFrame, *, rated: bool) -> pl.DataFrame:
    """Bring rows with ``reason`` and ``pair`` to the columns of `ROW_OUTCOMES`.

    Args:
        frame: ``source``, ``row``, ``line``, ``item``, ``reason``, ``pair``.
        rated: whether the rows are ratings, of which some are always left over; other rows without
            a pair are rejected.
    """
    other = "left over" if rated else "rejected"
    outcome = pl.col("reason").replace_strict(
        OUTCOME_OF_REASON, default=other, return_dtype=pl.String
    )
    item = pl.col("item").fill_null(0)
    return frame.with_columns(outcome.cast(OUTCOME).alias("outcome"), item).select(
        pl.col(name).cast(dtype) for name, dtype in ROW_OUTCOMES.items()
    )


def best_by_row(outcomes: pl.DataFrame) -> pl.DataFrame:
    """The best that became of each row, with its reason: one line per row of a source."""
    if not outcomes.height or outcomes.select(pl.struct("source", "row").is_unique().all()).item():
        return outcomes
    best = outcomes.sort(pl.col("outcome").to_physical(), descending=True, maintain_order=True)
    return best.unique(["source", "row"], keep="first", maintain_order=True)


def rejected_rows(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Rows that produced nothing, with ``source``, ``row``, ``line`` and ``reason``."""
    if not (outcomes["outcome"] == "rejected").any():
        outcomes = outcomes.clear()
    rows = best_by_row(outcomes).filter(pl.col("outcome") == "rejected")
    return rows.select("source", "row", "line", "reason")


def as_rejects(rows: pl.DataFrame, raw: pl.Series) -> pl.DataFrame:
    """Bring rejected rows to the columns of `REJECTS`, with the raw text of each."""
    empty = pl.lit("")
    rows = rows.with_columns(raw.alias("raw"), empty.alias("field"), empty.alias("detail"))
    return rows.select(REJECTS.names()).cast(REJECTS)
