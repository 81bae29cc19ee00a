"""The rows of a data set directory, a batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from prefdata.errors import InputError
from prefdata.exporting.base import SIDES, Row, Turn
from prefdata.exporting.csv import MESSAGES, bare

BATCH_BYTES = 16 << 20
"""Bytes of a batch, before it becomes Python objects."""

LARGEST_BATCH = 4096


def columns(files: Sequence[str]) -> pa.Schema:
    """The columns of a data set, from one of its files.

    Raises:
        InputError: there are no ids, which every data set directory has.
    """
    found = pq.read_schema(files[0]).remove_metadata()
    if missing := {"id", "prompt_id"} - set(found.names):
        raise InputError(
            f"{files[0]}: no column {', '.join(sorted(map(repr, missing)))}",
            hint="Convert the source again.",
        )
    return found


def size(files: Sequence[str]) -> int:
    """Bytes of the files, unpacked."""
    return sum(_unpacked(pq.read_metadata(file)) for file in files)


def _unpacked(footer: pq.FileMetaData) -> int:
    groups = range(footer.num_row_groups)
    return sum(footer.row_group(group).total_byte_size for group in groups)


def rows(files: Sequence[str]) -> Iterator[Row]:
    """The rows of files in their order.

    As Python objects they cost about 10 µs each where texts are short; in return a target is a
    function from row to row.
    """
    for file in files:
        tools = "tool_calls" in _turn_fields(pq.read_schema(file))
        for batch in _batches(file):
            for row in cast("list[Row]", batch.to_pylist()):
                yield _without_gaps(row) if tools else row


def filled(files: Sequence[str]) -> Counter[str]:
    """How many rows have a value, by column; columns of messages are left out."""
    found: Counter[str] = Counter()
    for file in files:
        names = [name for name in pq.read_schema(file).names if name not in MESSAGES]
        for batch in _batches(file, names):
            for name in names:
                found[name] += len(batch) - batch.column(name).null_count
    return found


def bare_columns(files: Sequence[str]) -> frozenset[str]:
    """The columns of messages that can stand as bare text in every row."""
    held = [name for name in columns(files).names if name in MESSAGES]
    for file in files:
        for batch in _batches(file, held):
            held = [
                name
                for name in held
                if all(bare(name, turns) for turns in batch.column(name).to_pylist())
            ]
    return frozenset(held)


def _batches(file: str, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of a size that does not grow with the file, however long its rows are."""
    try:
        with pq.ParquetFile(file) as opened:
            long = size([file]) // max(1, opened.metadata.num_rows)
            count = max(1, min(LARGEST_BATCH, BATCH_BYTES // max(1, long)))
            yield from opened.iter_batches(count, columns=None if names is None else list(names))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{file} is damaged: {str(error).splitlines()[0]}", hint="Convert the source again."
        ) from error


def _turn_fields(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema.field("prompt").type.value_type]


def _without_gaps(row: Row) -> Row:
    """A row whose turns have only the fields that are set, where columns for tools are there."""
    cells = cast("dict[str, object]", row)
    for name in ("prompt", *SIDES):
        if turns := cells.get(name):
            cells[name] = [_set_only(turn) for turn in cast("list[Turn]", turns)]
    return row


def _set_only(value: object) -> object:
    if isinstance(value, dict):
        return {key: _set_only(held) for key, held in value.items() if held is not None}
    if isinstance(value, list):
        return [_set_only(held) for held in value]
    return value
