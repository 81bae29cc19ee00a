"""Scores and ranks as numbers, however they are written."""

from __future__ import annotations

import polars as pl

LARGEST = 1e290
MOST_VOTES = 10**9
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")


def number(column: pl.Series) -> pl.Series:
    """Read a column as numbers; what is none, or too large to be added up, becomes null.

    Example:
        >>> number(pl.Series(["4", " 4.5", "4/5", "N/A", "nan", "1e308"])).to_list()
        [4.0, 4.5, None, None, None, None]
    """
    x = pl.col(column.name or "x")
    frame = (column if column.name else column.alias("x")).to_frame()
    if column.dtype.is_nested():
        return pl.Series(column.name, [None] * len(column), pl.Float64)
    text = x.str.strip_chars() if column.dtype == pl.String else x
    value = text.cast(pl.Float64, strict=False)
    return frame.select(pl.when(value.abs() <= LARGEST).then(value)).to_series()


def number_of(value: object) -> float | None:
    """Read one value as a number, as `number` reads a column of them.

    Example:
        >>> number_of("4.5"), number_of(["4.5"])
        (4.5, None)
    """
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) <= LARGEST else None


def is_missing(name: str) -> pl.Expr:
    """Whether a cell says that there is no value, as in ``N/A`` or an empty cell."""
    text = pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase()
    return pl.col(name).is_null() | text.is_in(MISSING)


def countable(votes: pl.Expr) -> pl.Expr:
    """Whether a number can be a count of votes: a whole number from 1 on."""
    return votes.is_between(1, MOST_VOTES) & (votes == votes.floor())
