"""The files of an export: JSON lines, CSV, or Parquet, a row at a time."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from prefdata.exporting.base import ColumnKind, TargetRow
from prefdata.io.dataset.dataset_writer import parquet_writer

BATCH = 2048
"""Rows that are written to Parquet at once."""


BREAKS = {"\u0085": rb"\u0085", "\u2028": rb"\u2028", "\u2029": rb"\u2029"}
"""Characters that JSON allows inside a line, and at which some readers break it all the same."""


def json_line(value: object) -> bytes:
    r"""A value as one line of JSON, for whatever takes lines apart.

    Example:
        >>> json_line({"text": "a\u2028b"})
        b'{"text":"a\\u2028b"}\n'
    """
    text = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    for character, escape in BREAKS.items():
        text = text.replace(character.encode(), escape)
    return text


class Writer(ABC):
    """Takes rows and writes them to a file."""

    @abstractmethod
    def write(self, row: TargetRow) -> None:
        """Write a row."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class NullWriter(Writer):
    """Takes rows and writes nothing: for a dry run."""

    def write(self, row: TargetRow) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class JsonlWriter(Writer):
    """One JSON object to a line, in UTF-8."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def write(self, row: TargetRow) -> None:
        """Write a row."""
        self.file.write(json_line(row))

    def close(self) -> None:
        """Write what is left."""
        self.file.close()


class CsvWriter(Writer):
    """CSV as RFC 4180 has it: every cell with a delimiter, a quote or any line break is quoted."""

    def __init__(self, path: Path, columns: Mapping[str, ColumnKind]) -> None:
        self.file = path.open("w", encoding="utf-8", newline="")
        self.rows = csv.DictWriter(self.file, list(columns))
        self.rows.writeheader()

    def write(self, row: TargetRow) -> None:
        """Write a row."""
        self.rows.writerow(row)

    def close(self) -> None:
        """Write what is left."""
        self.file.close()


STORAGE = {"json": pa.string(), "json turns": pa.list_(pa.string())}
"""How columns of JSON are built, and what they are in the file."""


class ParquetWriter(Writer):
    """Parquet whose columns have the same types in every file."""

    def __init__(self, path: Path, columns: Mapping[str, ColumnKind], turns: pa.DataType) -> None:
        types = {
            "turns": turns,
            "json turns": pa.list_(pa.json_()),
            "text": pa.string(),
            "json": pa.json_(),
            "number": pa.float64(),
            "flag": pa.bool_(),
        }
        self.schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        self.columns = columns
        self.file: pq.ParquetWriter = parquet_writer(path, self.schema)
        self.rows: list[TargetRow] = []

    def write(self, row: TargetRow) -> None:
        """Write a row, or keep it until there are enough."""
        self.rows.append(row)
        if len(self.rows) >= BATCH:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self.file.close()

    def _flush(self) -> None:
        arrays = [self._array(name) for name in self.schema.names]
        self.file.write_table(pa.table(arrays, schema=self.schema))
        self.rows = []

    def _array(self, name: str) -> pa.Array:
        values, kind = [row.get(name) for row in self.rows], self.schema.field(name).type
        storage = STORAGE.get(self.columns[name])
        return pa.array(values, kind) if storage is None else pa.array(values, storage).cast(kind)


def open_writer(path: Path, columns: Mapping[str, ColumnKind], turns: pa.DataType) -> Writer:
    """Open the writer for a file, by its suffix.

    Args:
        path: the file.
        columns: its columns; JSON lines need none.
        turns: the type of a column of messages.
    """
    if path.suffix == ".csv":
        return CsvWriter(path, columns)
    if path.suffix == ".parquet":
        return ParquetWriter(path, columns, turns)
    return JsonlWriter(path)
