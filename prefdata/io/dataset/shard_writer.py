"""Parquet files of a split, written side by side while the source is still being read."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from prefdata.io.dataset.dataset_writer import (
    ROW_GROUP,
    number_shards,
    parquet_writer,
    to_table,
)

PIECES = 6
"""Pieces of the source that go into one file, about a tenth of a gigabyte."""

FEW = 4096
"""Rows that are worth a row group; fewer are kept for the next piece."""


class ShardWriter:
    """Writes the pieces of a data set to files in their order, several files at once.

    The files are the same however many are written at once.

    Args:
        folder: the folder of the files.
        schema: the same for each of them.
        workers: how many files are written at once.
    """

    def __init__(self, folder: Path, schema: pa.Schema, workers: int) -> None:
        self.threads = [WriterThread(folder, schema) for _ in range(workers)]
        self.folder = folder
        self.pieces = 0

    def add(self, parts: dict[str, pl.DataFrame]) -> None:
        """Write a piece: the rows of each split. Waits where the files fall behind."""
        shard = self.pieces // PIECES
        self.threads[shard % len(self.threads)].add(parts, shard)
        self.pieces += 1

    def close(self, splits: tuple[str, ...]) -> None:
        """Finish all files and give them their final names."""
        for thread in self.threads:
            thread.close()
        for split in splits:
            number_shards(self.folder, split)

    def cancel(self) -> None:
        """Stop writing and drop what waits, so that the folder can be removed."""
        for thread in self.threads:
            thread.executor.shutdown(cancel_futures=True)


class WriterThread:
    """A thread that writes one file after the other for each split."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.folder, self.schema = folder, schema
        self.shard = 0
        self.executor = ThreadPoolExecutor(1)
        self.waiting: deque[Future[None]] = deque()
        self.pending: dict[str, list[pl.DataFrame]] = {}
        self.files: dict[str, pq.ParquetWriter] = {}

    def add(self, parts: dict[str, pl.DataFrame], shard: int) -> None:
        """Submit a piece to the thread; no more than a file's pieces wait for it."""
        while len(self.waiting) >= PIECES:
            self.waiting.popleft().result()
        self.waiting.append(self.executor.submit(self._write, parts, shard))

    def _write(self, parts: dict[str, pl.DataFrame], shard: int) -> None:
        if shard != self.shard:
            self._finish()
            self.shard = shard
        for split, part in parts.items():
            pending = self.pending.setdefault(split, [])
            pending.append(part)
            if sum(each.height for each in pending) >= FEW:
                self._flush(split)

    def _flush(self, split: str) -> None:
        rows = [part for part in self.pending.pop(split, []) if part.height]
        if not rows:
            return
        if split not in self.files:
            path = self.folder / f"{split}-{self.shard:06d}.parquet"
            self.files[split] = parquet_writer(path, self.schema)
        whole = pa.concat_tables([to_table(part, self.schema) for part in rows])
        self.files[split].write_table(whole, row_group_size=ROW_GROUP)

    def _finish(self) -> None:
        for split in list(self.pending):
            self._flush(split)
        for file in self.files.values():
            file.close()
        self.files.clear()

    def close(self) -> None:
        """Write what is left."""
        while self.waiting:
            self.waiting.popleft().result()
        self.executor.submit(self._finish).result()
        self.executor.shutdown()
