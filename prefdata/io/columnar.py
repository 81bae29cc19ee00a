"""Rows from Parquet and Arrow files, by row group and batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from prefdata.errors import InputError
from prefdata.formats.base import as_json
from prefdata.io.chunks import CHUNK_BYTES, Chunk, Piece, numbered
from prefdata.io.sources import Source


def columnar_pieces(
    source: Source, stream: BinaryIO, wanted: list[str], raw: Collection[str] = ()
) -> Iterator[Piece]:
    """Read a Parquet or Arrow file in pieces; ``raw`` columns as the JSON text of each value.

    Raises:
        InputError: the file is damaged.
    """
    try:
        for batch in _batches(source, stream, wanted):
            yield partial(_parsed, batch, [name for name in wanted if name in raw])
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{source.name} is damaged: {str(error).splitlines()[0]}",
            hint="Copy or download it again.",
        ) from error


def _parsed(batch: pa.RecordBatch, raw: list[str]) -> Chunk:
    frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
    frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    texts = frame.with_columns(as_json(frame[name]) for name in raw)
    return Chunk(numbered(texts, 0, 1), _raw(frame), lines=frame.height)


def _batches(source: Source, stream: BinaryIO, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    if source.kind == "parquet":
        file = pq.ParquetFile(stream)
        rows = max(1, file.metadata.num_rows)
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
        batch = max(256, min(1 << 17, CHUNK_BYTES * rows // max(1, size)))
        yield from file.iter_batches(batch_size=batch, columns=wanted)
        return
    if stream.read(6) == b"ARROW1":
        reader = pa.ipc.open_file(stream)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index).select(wanted)
        return
    stream.seek(0)
    for batch in pa.ipc.open_stream(stream):
        yield batch.select(wanted)


def _raw(frame: pl.DataFrame) -> Callable[[int], str]:
    return lambda at: json.dumps(frame.row(at, named=True), ensure_ascii=False, default=str)


def columnar_sample(
    source: Source, stream: BinaryIO, rows: int
) -> tuple[list[str], list[dict[str, object]]]:
    """The columns of a Parquet or Arrow file, and its first rows.

    Raises:
        InputError: the file is damaged or has no row.
    """
    try:
        if source.kind == "parquet":
            file = pq.ParquetFile(stream)
            names = file.schema_arrow.names
            batch = next(file.iter_batches(batch_size=rows), None)
        else:
            arrow_file = stream.read(6) == b"ARROW1"
            stream.seek(0)
            reader = pa.ipc.open_file(stream) if arrow_file else pa.ipc.open_stream(stream)
            names = reader.schema.names
            batch = reader.get_batch(0) if arrow_file and reader.num_record_batches else None
            batch = batch if arrow_file else next(iter(reader), None)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{source.name} is damaged: {str(error).splitlines()[0]}",
            hint="Copy or download it again.",
        ) from error
    if batch is None or not batch.num_rows:
        raise InputError(f"{source.name} has no row", hint="Check the export that made it.")
    return names, batch.slice(0, rows).to_pylist()
