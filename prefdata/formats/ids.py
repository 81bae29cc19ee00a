"""Ids made of content: the same on every machine, in every run, whatever the order of the rows.

The id of messages is the XXH3-128 hash of their roles and normalised texts. Normalised means NFC,
``\\n`` for line breaks, no white space at either end; white space inside stays, since code has meaning in it.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import polars_hash as plh
import pyarrow as pa

TURN, PART = "\x1e", "\x1f"


def content_ids(frame: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
    """Add the id of message columns to a frame, as 128-bit integers.

    Args:
        frame: holds the message columns.
        columns: message column to the name of the id column that it gives.
    """
    for name, made in columns.items():
        text = frame.select(_canonical(name).alias(made)).to_series()
        if text.is_not_null().any() and not bool((text.str.len_bytes() == text.str.len_chars()).all()):
            text = _composed(text)
        hashed = text.to_frame().select(plh.col(made).nchash.xxh3_128())  # type: ignore[attr-defined]
        frame = frame.with_columns(hashed.to_series().alias(made))
    return frame


def _canonical(name: str) -> pl.Expr:
    text = pl.element().struct.field("content").str.strip_chars()
    text = text.str.replace_all("\r\n", "\n", literal=True)
    turn = pl.concat_str(pl.element().struct.field("role"), pl.lit(PART), text)
    return pl.col(name).list.eval(turn).list.join(TURN)


def _composed(text: pl.Series) -> pl.Series:
    """NFC for the texts that are not ASCII; the others are it already, and it is costly."""
    name, odd = pl.col(text.name), pl.col(text.name).str.len_bytes() != pl.col(text.name).str.len_chars()
    return (
        text.to_frame()
        .select(pl.coalesce(pl.when(odd).then(name).str.normalize("NFC"), name))
        .to_series()
    )


def hexed(ids: pl.Series) -> pl.Series:
    """Write 128-bit ids as 32 hexadecimal digits.

    Example:
        >>> hexed(pl.Series("id", [255], dtype=pl.UInt128))[0]
        '000000000000000000000000000000ff'
    """
    half = pl.col("x")
    split = ids.alias("x").to_frame().select(
        (half // (1 << 64)).cast(pl.UInt64).alias("high"), (half % (1 << 64)).cast(pl.UInt64).alias("low")
    )
    both = np.empty((split.height, 2), dtype=">u8")
    both[:, 0], both[:, 1] = split["high"].to_numpy(), split["low"].to_numpy()
    digits = pa.py_buffer(both.tobytes().hex().encode())
    text = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), split.height, [None, digits])
    return pl.Series(ids.name, text.cast(pa.binary()).cast(pa.string()), pl.String)


def joined_ids(frame: pl.DataFrame, columns: list[str], name: str) -> pl.DataFrame:
    """Add an id made of other ids, in their order, as a 128-bit integer."""
    digits = pl.DataFrame([hexed(frame[column]) for column in columns])
    text = digits.select(pl.concat_str(pl.all(), separator=" ").alias(name))
    return frame.with_columns(text.select(plh.col(name).nchash.xxh3_128()).to_series())  # type: ignore[attr-defined]
