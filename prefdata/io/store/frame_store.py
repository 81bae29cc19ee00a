"""Frames that are needed again later: in memory while there is room, then on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from itertools import count
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import polars as pl

from prefdata.records.ids import VIEW

MEMORY = 768 << 20
"""Bytes that all frames of a run take in memory at most; others go to disk."""


class MemoryBudget:
    """The memory that frames may still take.

    Args:
        size: of all of it, in bytes; by default `MEMORY`.

    Example:
        >>> budget = MemoryBudget(10)
        >>> budget.take(8), budget.take(8)
        (True, False)
    """

    def __init__(self, size: int | None = None) -> None:
        self.available = MEMORY if size is None else size
        self.lock = Lock()

    def take(self, size: int) -> bool:
        """Take some of it if there is enough; whether there was."""
        with self.lock:
            fits = size <= self.available
            self.available -= size if fits else 0
        return fits

    def give_back(self, size: int) -> None:
        """Give some of it back."""
        with self.lock:
            self.available += size


class StoredFrame(NamedTuple):
    """A frame in memory or on disk.

    Attributes:
        frame: the frame, or its file, without the columns that have only nulls.
        schema: all of its columns.
        size: the bytes that it takes in memory.
    """

    frame: pl.DataFrame | Path
    schema: pl.Schema
    size: int


class FrameStore:
    """Frames by key, which several threads may put and get.

    Args:
        folder: of the files; it is created.
        budget: the memory that may be used.
    """

    def __init__(self, folder: Path, budget: MemoryBudget | None = None) -> None:
        self.folder = folder
        self.budget = budget or MemoryBudget()
        self.frames: defaultdict[Hashable, list[StoredFrame]] = defaultdict(list)
        self.numbers = count()
        folder.mkdir()

    def put(self, key: Hashable, frame: pl.DataFrame) -> None:
        """Add a frame after those of the key."""
        columns = [each for each in frame if each.null_count() < frame.height]
        full = frame.select(columns) if columns else frame
        size = memory_size(full)
        if self.budget.take(size):
            self.frames[key].append(StoredFrame(full, frame.schema, size))
            return
        path = self.folder / f"{next(self.numbers):08d}.arrow"
        full.write_ipc(path, compression="uncompressed")
        self.frames[key].append(StoredFrame(path, frame.schema, 0))

    def get(self, key: Hashable) -> Iterator[pl.DataFrame]:
        """The frames of the key in the order they were added, each read when its turn comes."""
        return map(_load, self.frames.get(key, ()))

    def drop(self, key: Hashable) -> None:
        """Remove the frames of the key."""
        for each in self.frames.pop(key, ()):
            if isinstance(each.frame, Path):
                each.frame.unlink()
            self.budget.give_back(each.size)


def memory_size(frame: pl.DataFrame) -> int:
    """The bytes of a frame in memory, if it shares none; Polars does not count views of texts.

    Example:
        >>> memory_size(pl.DataFrame({"text": ["four", None]}))
        36
    """
    return int(frame.estimated_size()) + VIEW * sum(_texts(column) for column in frame)


def _texts(column: pl.Series) -> int:
    """The number of texts in a column, those in its lists included."""
    if isinstance(column.dtype, pl.List):
        count, dtype = int(column.list.len().sum()), column.dtype.inner
    else:
        count, dtype = len(column), column.dtype
    fields = [each.dtype for each in dtype.fields] if isinstance(dtype, pl.Struct) else [dtype]
    return count * fields.count(pl.String())


def _load(stored: StoredFrame) -> pl.DataFrame:
    frame = stored.frame
    if isinstance(frame, Path):
        frame = pl.scan_ipc(frame, glob=False).collect()
    empty = {name: dtype for name, dtype in stored.schema.items() if name not in frame.columns}
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in empty.items()]
    return frame.with_columns(missing).select(stored.schema.names()) if missing else frame
