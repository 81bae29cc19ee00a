"""Frames that are taken up again later: in memory while there is room, on disk behind that."""

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
"""Bytes that all frames of a run take in memory at most; what comes then goes to disk."""


class MemoryBudget:
    """What is left of the memory that frames may take.

    Args:
        size: how much there is, in bytes; by default `MEMORY`.

    Example:
        >>> budget = MemoryBudget(10)
        >>> budget.took(8), budget.took(8)
        (True, False)
    """

    def __init__(self, size: int | None = None) -> None:
        self.left = MEMORY if size is None else size
        self.lock = Lock()

    def took(self, size: int) -> bool:
        """Take some of it, if there is enough."""
        with self.lock:
            fits = size <= self.left
            self.left -= size if fits else 0
        return fits

    def gave(self, size: int) -> None:
        """Give it back."""
        with self.lock:
            self.left += size


class Held(NamedTuple):
    """A frame that waits.

    Attributes:
        frame: the frame, or the file that it is in, without the columns that hold nothing.
        schema: all of its columns.
        size: the bytes that it takes in memory.
    """

    frame: pl.DataFrame | Path
    schema: pl.Schema
    size: int


class FrameStore:
    """Holds frames by key, which several threads may put and get.

    Args:
        folder: where the files go; it is made now.
        budget: the memory that may be used.
    """

    def __init__(self, folder: Path, budget: MemoryBudget | None = None) -> None:
        self.folder = folder
        self.budget = budget or MemoryBudget()
        self.held: defaultdict[Hashable, list[Held]] = defaultdict(list)
        self.numbers = count()
        folder.mkdir()

    def put(self, key: Hashable, frame: pl.DataFrame) -> None:
        """Add a frame behind those that have the key."""
        said = [each for each in frame if each.null_count() < frame.height]
        full = frame.select(said) if said else frame
        size = size_of(full)
        if self.budget.took(size):
            self.held[key].append(Held(full, frame.schema, size))
            return
        path = self.folder / f"{next(self.numbers):08d}.arrow"
        full.write_ipc(path, compression="uncompressed")
        self.held[key].append(Held(path, frame.schema, 0))

    def get(self, key: Hashable) -> Iterator[pl.DataFrame]:
        """The frames that have the key, in the order they came, each read when its turn comes."""
        return map(_read, self.held.get(key, ()))

    def drop(self, key: Hashable) -> None:
        """Take the frames that have the key off the shelf."""
        for each in self.held.pop(key, ()):
            if isinstance(each.frame, Path):
                each.frame.unlink()
            self.budget.gave(each.size)


def size_of(frame: pl.DataFrame) -> int:
    """The bytes that a frame takes in memory, if it shares none; Polars leaves out views of texts.

    Example:
        >>> size_of(pl.DataFrame({"text": ["four", None]}))
        36
    """
    return int(frame.estimated_size()) + VIEW * sum(_texts(column) for column in frame)


def _texts(column: pl.Series) -> int:
    """How many texts a column has, those in its lists included."""
    if isinstance(column.dtype, pl.List):
        count, held = int(column.list.len().sum()), column.dtype.inner
    else:
        count, held = len(column), column.dtype
    fields = [one.dtype for one in held.fields] if isinstance(held, pl.Struct) else [held]
    return count * fields.count(pl.String())


def _read(held: Held) -> pl.DataFrame:
    frame = held.frame
    if isinstance(frame, Path):
        frame = pl.scan_ipc(frame, glob=False).collect()
    empty = {name: dtype for name, dtype in held.schema.items() if name not in frame.columns}
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in empty.items()]
    return frame.with_columns(missing).select(held.schema.names()) if missing else frame
