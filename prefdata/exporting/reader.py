"""The rows of a data set directory, a batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from prefdata.errors import InputError
from prefdata.exporting.base import MESSAGES, DatasetRow, Turn
from prefdata.formats.transcript import is_transcript
from prefdata.records.plain_text import is_plain

BATCH_BYTES = 16 << 20
"""Bytes of a batch, before it becomes Python objects."""

LARGEST_BATCH = 4096


def read_schema(files: Sequence[str]) -> pa.Schema:
    """The columns of a data set, from one of its files.

    Raises:
        InputError: there are no ids, which every data set directory has.
    """
    schema = pq.read_schema(files[0]).remove_metadata()
    if missing := {"id", "prompt_id"} - set(schema.names):
        raise InputError(
            f"{files[0]}: no column {', '.join(sorted(map(repr, missing)))}",
            hint="Convert the source again.",
        )
    return schema


def unpacked_size(files: Sequence[str]) -> int:
    """Bytes of the files, unpacked."""
    return sum(_unpacked_bytes(pq.read_metadata(file)) for file in files)


def _unpacked_bytes(footer: pq.FileMetaData) -> int:
    groups = range(footer.num_row_groups)
    return sum(footer.row_group(group).total_byte_size for group in groups)


def read_rows(files: Sequence[str]) -> Iterator[DatasetRow]:
    """The rows of files in their order.

    As Python objects they cost about 10 µs each where texts are short; in return a target is a
    function from row to row.
    """
    for file in files:
        extended = is_extended(pq.read_schema(file))
        for batch in _batches(file):
            for row in cast("list[DatasetRow]", batch.to_pylist()):
                yield _without_nulls(row) if extended else row


def count_values(files: Sequence[str]) -> Counter[str]:
    """How many rows have a value, by column; columns of messages are left out."""
    counts: Counter[str] = Counter()
    for file in files:
        names = [name for name in pq.read_schema(file).names if name not in MESSAGES]
        for batch in _batches(file, names):
            for name in names:
                counts[name] += len(batch) - batch.column(name).null_count
    return counts


def text_columns(files: Sequence[str]) -> frozenset[str]:
    """The columns of messages that can stand as bare text in every row."""
    names = [name for name in read_schema(files).names if name in MESSAGES]
    for file in files:
        for batch in _batches(file, names):
            names = [
                name
                for name in names
                if all(is_bare_text(name, turns) for turns in batch.column(name).to_pylist())
            ]
    return frozenset(names)


def is_bare_text(column: str, turns: list[Turn]) -> bool:
    """Whether messages can stand as bare text that is read back as the same messages.

    Example:
        >>> is_bare_text("prompt", [{"role": "user", "content": "Hi"}])
        True
        >>> is_bare_text("prompt", [{"role": "user", "content": "User: Hi"}])
        False
    """
    speaker = "user" if column == "prompt" else "assistant"
    (first, *more) = turns
    text = first["content"]
    return (
        not more
        and first["role"] == speaker
        and is_plain(cast("Mapping[str, object]", first))
        and text.lstrip()[:1] not in ("[", "{")
        and not is_transcript(text)
    )


def _batches(file: str, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of a size that does not grow with the file, however long its rows are."""
    try:
        with pq.ParquetFile(file) as parquet:
            row_size = unpacked_size([file]) // max(1, parquet.metadata.num_rows)
            count = max(1, min(LARGEST_BATCH, BATCH_BYTES // max(1, row_size)))
            yield from parquet.iter_batches(count, columns=None if names is None else list(names))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{file} is damaged: {str(error).splitlines()[0]}", hint="Convert the source again."
        ) from error


def is_extended(schema: pa.Schema) -> bool:
    """Whether the messages of a data set may have more than a role and a text."""
    return len(schema.field("prompt").type.value_type) > len(("role", "content"))


def _without_nulls(row: DatasetRow) -> DatasetRow:
    """A row whose turns have only the fields that are set, where columns for tools are there."""
    cells = cast("dict[str, object]", row)
    for name in MESSAGES:
        if turns := cells.get(name):
            cells[name] = [_set_only(turn) for turn in cast("list[Turn]", turns)]
    return row


def _set_only(value: object) -> object:
    if isinstance(value, dict):
        return {key: _set_only(cell) for key, cell in value.items() if cell is not None}
    if isinstance(value, list):
        return [_set_only(each) for each in value]
    return value
