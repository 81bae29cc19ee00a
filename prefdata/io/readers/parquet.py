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
from prefdata.formats.sample import Sample
from prefdata.io.readers.chunks import (
    CHUNK_BYTES,
    Chunk,
    Piece,
    add_row_numbers,
    refuse_duplicate_columns,
)
from prefdata.io.readers.sources import Source
from prefdata.records.frames import as_json

NOT_READ = (
    pa.types.is_decimal256,
    pa.types.is_interval,
    pa.types.is_run_end_encoded,
    pa.types.is_union,
)
"""Arrow types that Polars does not have."""


def columnar_pieces(
    source: Source, stream: BinaryIO, columns: list[str], raw: Collection[str] = ()
) -> Iterator[Piece]:
    """Read a Parquet or Arrow file in pieces; ``raw`` columns as the JSON text of each value.

    Raises:
        InputError: the file is damaged, or a column is of a type that is not read.
    """
    try:
        for batch in map(_json_as_text, _batches(source, stream, columns)):
            _refuse_types(batch.schema, source.name)
            yield partial(_parse, batch, [name for name in columns if name in raw], source.name)
    except DAMAGE as error:
        raise _damaged(source.name, error) from error


def _json_as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch whose columns of Arrow's type JSON, as `datasets` writes them, are text."""
    for place, field in enumerate(batch.schema):
        kind, column = field.type, batch.column(place)
        if isinstance(kind, pa.JsonType):
            column = column.cast(pa.string())
        elif pa.types.is_list(kind) and isinstance(kind.value_type, pa.JsonType):
            lists = column.cast(pa.list_(pa.string())).to_pylist()
            texts = [None if each is None else f"[{','.join(map(str, each))}]" for each in lists]
            column = pa.array(texts, pa.string())
        else:
            continue
        batch = batch.set_column(place, field.name, column)
    return batch


DAMAGE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError)
"""Errors of pyarrow on a file that it cannot read."""


def _damaged(name: str, error: Exception) -> InputError:
    why = str(error).splitlines()[0]
    if isinstance(error, pa.ArrowNotImplementedError):
        hint = "Write it again without the columns of that type, or with these as text."
        return InputError(f"{name} cannot be read: {why}", hint=hint)
    return InputError(f"{name} is damaged: {why}", hint="Copy or download it again.")


def _refuse_types(schema: pa.Schema, name: str) -> None:
    for field in schema:
        if any(is_one(field.type) for is_one in NOT_READ):
            raise InputError(
                f"{name}: the column {field.name!r} is of the type {field.type}, which is not read",
                hint="Leave it out, or cast it to text or numbers.",
            )


def _refuse_bytes(batch: pa.RecordBatch, name: str) -> None:
    """Check that texts are UTF-8, which neither pyarrow nor Polars does on conversion."""
    for column, values in zip(batch.schema.names, batch.columns, strict=True):
        try:
            values.validate(full=True)
        except pa.ArrowInvalid as error:
            raise InputError(
                f"{name} is damaged, in the column {column!r}: {str(error).splitlines()[0]}",
                hint="Write it again, with texts in UTF-8; or copy or download it again.",
            ) from error


def _parse(batch: pa.RecordBatch, raw: list[str], name: str) -> Chunk:
    _refuse_bytes(batch, name)
    frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
    frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    texts = frame.with_columns(as_json(frame[name]) for name in raw)
    return Chunk(add_row_numbers(texts, 0, 1), _raw(frame), lines=frame.height)


def _batches(source: Source, stream: BinaryIO, columns: list[str]) -> Iterator[pa.RecordBatch]:
    if source.kind == "parquet":
        file = pq.ParquetFile(stream)
        rows = max(1, file.metadata.num_rows)
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
        batch = max(256, min(1 << 17, CHUNK_BYTES * rows // max(1, size)))
        yield from file.iter_batches(batch_size=batch, columns=columns)
        return
    yield from (each.select(columns) for each in _arrow(stream)[1] if each.num_rows)


def _arrow(stream: BinaryIO) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema and batches of an Arrow file, or of a stream in one."""
    is_file = stream.read(6) == b"ARROW1"
    stream.seek(0)
    if not is_file:
        reader = pa.ipc.open_stream(stream)
        return reader.schema, iter(reader)
    file = pa.ipc.open_file(stream)
    return file.schema, map(file.get_batch, range(file.num_record_batches))


def _raw(frame: pl.DataFrame) -> Callable[[int], str]:
    return lambda position: json.dumps(
        frame.row(position, named=True), ensure_ascii=False, default=str
    )


def columnar_sample(source: Source, stream: BinaryIO, rows: int) -> Sample:
    """The columns of a Parquet or Arrow file, its first rows, and the names of its classes.

    Raises:
        InputError: the file is damaged or has no row.
    """
    try:
        if source.kind == "parquet":
            file = pq.ParquetFile(stream)
            schema = file.schema_arrow
            batches = file.iter_batches(batch_size=rows)
        else:
            schema, batches = _arrow(stream)
        names = schema.names
        refuse_duplicate_columns(names, source.name)
        batch = next((each for each in batches if each.num_rows), None)
    except DAMAGE as error:
        raise _damaged(source.name, error) from error
    if batch is None:
        raise InputError(f"{source.name} has no row", hint="Check the export that made it.")
    first = _json_as_text(batch.slice(0, rows))
    _refuse_bytes(first, source.name)
    return Sample(names, first.to_pylist(), class_names=_class_names(schema))


def _class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """The names that ``datasets`` writes beside a column of class labels, by the column."""
    try:
        stored = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = stored["info"]["features"]
        return {
            name: tuple(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
