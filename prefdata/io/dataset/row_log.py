"""The account of every row on disk: ``rows/`` says what became of each, ``rejects/`` why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from prefdata.io.dataset.dataset_writer import (
    REJECTS,
    ROWS,
    number_shards,
    write_parquet,
)
from prefdata.records.reasons import REMEDIES

FLUSH = 1 << 18


class RowLog:
    """Collects ledger entries and rejects, and writes them in pieces.

    Args:
        folder: the data set directory that is being made.
        names: the name of each source, by its number.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        self.names = list(names)
        self.held: dict[str, list[pl.DataFrame]] = {"rows": [], "rejects": []}
        self.written = {"rows": 0, "rejects": 0}
        for name in self.held:
            (folder / name).mkdir()

    def add(self, ledger: pl.DataFrame, rejects: pl.DataFrame) -> None:
        """Take entries and rejects, with ``source`` as a number."""
        for name, frame in (("rows", ledger), ("rejects", rejects)):
            if frame.height:
                self.held[name].append(frame)
            if sum(each.height for each in self.held[name]) >= FLUSH:
                self._flush(name)

    def close(self) -> None:
        """Write the rest; a folder with nothing in it gets an empty file, which can be read."""
        for name in self.held:
            if self.held[name] or not self.written[name]:
                self._flush(name)
            number_shards(self.folder / name, name)

    def _flush(self, name: str) -> None:
        schema = ROWS if name == "rows" else REJECTS
        frame = pl.concat(self.held[name]) if self.held[name] else _empty(schema)
        if self.held[name]:
            called = pl.Series("source", self.names).gather(frame["source"])
            frame = frame.with_columns(called)
        if name == "rejects" and frame.height:
            remedy = pl.col("reason").replace_strict(REMEDIES, default="", return_dtype=pl.String)
            frame = frame.with_columns(remedy.alias("remedy"))
        write_parquet(
            frame, self.folder / name / f"{name}-{self.written[name]:06d}.parquet", schema
        )
        self.held[name] = []
        self.written[name] += 1


def _empty(schema: pa.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema.empty_table())
