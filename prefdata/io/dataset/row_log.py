"""The account of every row on disk: ``rows/`` says what became of each, ``rejects/`` why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from prefdata.io.dataset.dataset_writer import (
    REJECTS,
    ROWS,
    number_shards,
    write_parquet,
)
from prefdata.transforms.filters import remedies as reject_remedies

FLUSH = 1 << 18


class RowLog:
    """Writes what became of every row, and the rejects, in pieces.

    Args:
        folder: the data set directory that is being written.
        names: the name of each source, by its number.
        remedies: reason to what to do about it, for the rejects; by default those of all reasons
            and filters.
    """

    def __init__(
        self, folder: Path, names: Sequence[str], *, remedies: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self.remedies = folder, remedies or reject_remedies()
        self.names = list(names)
        self.pending: dict[str, list[pl.DataFrame]] = {"rows": [], "rejects": []}
        self.files = {"rows": 0, "rejects": 0}
        for name in self.pending:
            (folder / name).mkdir()

    def add(self, outcomes: pl.DataFrame, rejects: pl.DataFrame) -> None:
        """Add outcomes and rejects, with ``source`` as a number."""
        for name, frame in (("rows", outcomes), ("rejects", rejects)):
            if frame.height:
                self.pending[name].append(frame)
            if sum(each.height for each in self.pending[name]) >= FLUSH:
                self._flush(name)

    def close(self) -> None:
        """Write the rest; a folder without rows gets an empty file, which can be read."""
        for name in self.pending:
            if self.pending[name] or not self.files[name]:
                self._flush(name)
            number_shards(self.folder / name, name)

    def _flush(self, name: str) -> None:
        schema = ROWS if name == "rows" else REJECTS
        frame = pl.concat(self.pending[name]) if self.pending[name] else _empty(schema)
        if self.pending[name]:
            names = pl.Series("source", self.names).gather(frame["source"])
            frame = frame.with_columns(names, pl.col("row") + 1)
        if name == "rejects" and frame.height:
            remedy = pl.col("reason").replace_strict(
                self.remedies, default="", return_dtype=pl.String
            )
            frame = frame.with_columns(remedy.alias("remedy"))
        write_parquet(frame, self.folder / name / f"{name}-{self.files[name]:06d}.parquet", schema)
        self.pending[name] = []
        self.files[name] += 1


def _empty(schema: pa.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema.empty_table())
