"""The data set directory: Parquet that loads anywhere, the account of every row, a card."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from prefdata.records.frames import (
    EXTENDED_MESSAGES,
    TEMPLATE,
    WIDTHS,
    as_messages,
    speaker,
    widened,
)
from prefdata.schemas import PreferencePair, UnpairedPreference

COMPRESSION: Final = "zstd"
COMPRESSION_LEVEL = 2
"""On real texts an eighth smaller than level 1; level 3 saves a twentieth more, but is slow."""

SCHEMA_VERSION = 2
"""Since 2 messages may have `prefdata.records.frames.EXTENSIONS`, and records `TEMPLATE`."""

ROW_GROUP = 1 << 15

REJECTS = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int64()),
        ("line", pa.int64()),
        ("field", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("remedy", pa.string()),
        ("raw", pa.string()),
    ]
)
ROWS = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int64()),
        ("line", pa.int64()),
        ("item", pa.int32()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("pair", pa.string()),
    ]
)
"""``row`` is the number of the row in its source, from 1, whether it can be read or not; ``line``
is the line that it begins on, from 1, which several rows of an array may share."""


def dataset_schema(
    kind: str,
    *,
    dimensions: bool = False,
    extensions: Collection[str] = (),
    keep: Sequence[str] = (),
) -> pa.Schema:
    """The columns of every file of a data set.

    Args:
        kind: ``"pairs"`` or ``"unpaired"``.
        dimensions: whether pairs carry their scores by dimension.
        extensions: what only some data sets have, as `prefdata.records.frames.extensions` names it.
        keep: text columns that follow the others.

    Example:
        >>> dataset_schema("unpaired", keep=["keep_lang"]).names[-1]
        'keep_lang'
    """
    record = UnpairedPreference if kind == "unpaired" else PreferencePair
    schema = record.arrow_schema(dimensions=dimensions, **schema_options(extensions))
    return pa.schema([*schema, *(pa.field(name, pa.string()) for name in keep)])


def schema_options(extensions: Collection[str]) -> dict[str, bool]:
    """The options of ``arrow_schema()`` for what `prefdata.records.frames.extensions` names.

    Example:
        >>> schema_options({"tools"})
        {'extended': False, 'tools': True, 'chat_template_kwargs': False}
    """
    return {name: name in extensions for name in ("extended", *TEMPLATE)}


def write_parquet(frame: pl.DataFrame, path: Path, schema: pa.Schema) -> None:
    """Write a frame as one file, with exactly the columns and types of a schema.

    Args:
        frame: has the columns of the schema, and perhaps others.
        path: the file.
        schema: the same for every file of a folder.
    """
    with parquet_writer(path, schema) as file:
        file.write_table(to_table(frame, schema), row_group_size=ROW_GROUP)


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a Parquet file with the compression and encodings of all files of a data set."""
    dictionaries = [name for name in schema.names if name in FEW_VALUES]
    dictionaries += [
        f"{name}.list.element.role"
        for name in schema.names
        if pa.types.is_list(schema.field(name).type)
        and pa.types.is_struct(schema.field(name).type.value_type)
    ]
    return pq.ParquetWriter(
        path,
        schema,
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=dictionaries,
        write_statistics=[
            name for name in schema.names if pa.types.is_primitive(schema.field(name).type)
        ],
    )


def to_table(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """The columns of a schema from a frame that has them, in their Arrow types."""
    return pa.table([_array(frame[each.name], each.type) for each in schema], schema=schema)


def _array(column: pl.Series, kind: pa.DataType) -> pa.Array:
    """A column as the type that is stored; a text becomes a list of one message."""
    if pa.types.is_list(kind) and column.dtype in WIDTHS and is_extended_type(kind):
        column = widened(column, EXTENDED_MESSAGES)
    array = column.to_arrow()
    if not pa.types.is_list(kind) or column.dtype != pl.String:
        return array.cast(kind)
    role = pa.repeat(speaker(column.name), len(array))
    turns = pa.StructArray.from_arrays(
        [role, array.cast(pa.string())], fields=list(kind.value_type)
    )
    return pa.ListArray.from_arrays(np.arange(len(array) + 1, dtype=np.int32), turns, type=kind)


def is_extended_type(kind: pa.DataType) -> bool:
    """Whether a stored column has `EXTENDED_MESSAGES`."""
    return pa.types.is_struct(kind.value_type) and "tool_calls" in [f.name for f in kind.value_type]


def first_row(frame: pl.DataFrame, columns: Sequence[str] = ()) -> dict[str, object]:
    """The first row of a frame as plain values, as it is stored: its texts as messages.

    Args:
        frame: rows with their texts.
        columns: the columns that are stored; by default those that every data set has.
    """
    texts = [
        name for name in ("prompt", "chosen", "rejected", "completion") if name in frame.columns
    ]
    row = frame.head(1).with_columns(as_messages(frame[name].head(1)) for name in texts)
    names = columns or dataset_schema("unpaired" if "label" in frame.columns else "pairs").names
    return row.select(names).row(0, named=True)


FEW_VALUES = (
    "source",
    "model_chosen",
    "model_rejected",
    "outcome",
    "reason",
    "field",
    "remedy",
    "detail",
)
"""Columns with few distinct values, for which a dictionary pays."""


def number_shards(folder: Path, prefix: str) -> None:
    """Name the files ``prefix-*.parquet`` in their order, as ``prefix-00000-of-00003.parquet``."""
    files = sorted(folder.glob(f"{prefix}-*.parquet"))
    for index, path in enumerate(files):
        path.rename(folder / f"{prefix}-{index:05d}-of-{len(files):05d}.parquet")
