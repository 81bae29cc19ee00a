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

from prefdata.exporting.base import CellKind, Made
from prefdata.io.dataset.dataset_writer import parquet_writer

BATCH = 2048
"""Rows that are written to Parquet at once."""


BREAKS = {"\u0085": rb"\u0085", "\u2028": rb"\u2028", "\u2029": rb"\u2029"}
"""Characters that JSON allows inside a line, and at which some readers break it all the same."""


def line(value: object) -> bytes:
    r"""A value as one line of JSON, for whatever takes lines apart.

    Example:
        >>> line({"text": "a\u2028b"})
        b'{"text":"a\\u2028b"}\n'
    """
    made = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    for character, escape in BREAKS.items():
        made = made.replace(character.encode(), escape)
    return made


class Writer(ABC):
    """Takes rows and writes them to a file."""

    @abstractmethod
    def write(self, row: Made) -> None:
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


class Nowhere(Writer):
    """Takes rows and writes nothing: for a dry run."""

    def write(self, row: Made) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines(Writer):
    """One JSON object to a line, in UTF-8."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def write(self, row: Made) -> None:
        """Write a row."""
        self.file.write(line(row))

    def close(self) -> None:
        """Write what is left."""
        self.file.close()


class Cells(Writer):
    """CSV as RFC 4180 has it: every cell with a delimiter, a quote or any line break is quoted."""

    def __init__(self, path: Path, columns: Mapping[str, CellKind]) -> None:
        self.file = path.open("w", encoding="utf-8", newline="")
        self.rows = csv.DictWriter(self.file, list(columns))
        self.rows.writeheader()

    def write(self, row: Made) -> None:
        """Write a row."""
        self.rows.writerow(row)

    def close(self) -> None:
        """Write what is left."""
        self.file.close()


class Parquet(Writer):
    """Parquet whose columns have the same types in every file."""

    def __init__(self, path: Path, columns: Mapping[str, CellKind], turns: pa.DataType) -> None:
        types = {"turns": turns, "text": pa.string(), "number": pa.float64(), "flag": pa.bool_()}
        self.schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        self.file: pq.ParquetWriter = parquet_writer(path, self.schema)
        self.held: list[Made] = []

    def write(self, row: Made) -> None:
        """Write a row, or keep it until there are enough."""
        self.held.append(row)
        if len(self.held) >= BATCH:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self.file.close()

    def _flush(self) -> None:
        self.file.write_table(pa.Table.from_pylist(self.held, self.schema))
        self.held = []


def opened(path: Path, columns: Mapping[str, CellKind], turns: pa.DataType) -> Writer:
    """A writer for a file, by its suffix.

    Args:
        path: the file.
        columns: its columns; JSON lines need none.
        turns: the type of a column of messages.
    """
    if path.suffix == ".csv":
        return Cells(path, columns)
    if path.suffix == ".parquet":
        return Parquet(path, columns, turns)
    return Lines(path)
