"""Frames by bucket of prompts, for a run that processes one bucket after the other.

A bucket is a range of prompt ids: all rows of a prompt are in one, and buckets in their order are
the prompts in theirs, however many buckets there are.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from prefdata.io.store.frame_store import FrameStore, MemoryBudget, memory_size
from prefdata.records.frames import concatenated

BUCKET_BYTES = 96 << 20
MOST_BUCKETS = 1024


class BucketStore:
    """Frames by name and bucket of prompts.

    Args:
        folder: for what does not fit in memory.
        size: the expected bytes, which decide the number of buckets.
        budget: the memory that may be used.
    """

    def __init__(self, folder: Path, size: int, budget: MemoryBudget | None = None) -> None:
        self.frames = FrameStore(folder, budget)
        self.bits = min(MOST_BUCKETS, max(1, size // BUCKET_BYTES)).bit_length() - 1

    def __len__(self) -> int:
        return 1 << self.bits

    def put(self, name: str, frame: pl.DataFrame) -> None:
        """Add rows, each to the bucket of its ``prompt_id``."""
        frame = _compact(frame)
        if not self.bits:
            self.put_bucket(name, 0, frame)
            return
        high = pl.col("prompt_id") // (1 << 64)
        bucket = (high // (1 << (64 - self.bits))).cast(pl.UInt16).alias("@")
        parts = frame.with_columns(bucket).partition_by("@", include_key=False, as_dict=True)
        for key, part in parts.items():
            self.put_bucket(name, int(str(key[0])), part)

    def put_bucket(self, name: str, bucket: int, part: pl.DataFrame) -> None:
        """Add rows to a bucket."""
        self.frames.put((name, bucket), part)

    def get(self, name: str, bucket: int) -> pl.DataFrame | None:
        """All rows of a bucket in the order they were added, or None where there are none."""
        frames = list(self.frames.get((name, bucket)))
        return concatenated(frames) if frames else None

    def require(self, name: str, bucket: int) -> pl.DataFrame:
        """All rows of a bucket that must have some of that name."""
        frame = self.get(name, bucket)
        if frame is None:
            raise LookupError(f"bucket {bucket} has no {name}")
        return frame

    def drop(self, name: str, bucket: int) -> None:
        """Remove rows."""
        self.frames.drop((name, bucket))


def _compact(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without the texts of other rows, where these are most of its memory.

    Rows that were selected from many keep the texts of all in memory until they are copied.
    """
    texts = [each for each in frame if each.dtype == pl.String or each.dtype.is_nested()]
    if not texts:
        return frame
    table = pl.DataFrame(texts).to_arrow(compat_level=pl.CompatLevel.newest())
    if table.get_total_buffer_size() <= 2 * memory_size(pl.DataFrame(texts)):
        return frame
    oldest = pl.CompatLevel.oldest()  # keeps texts in one buffer
    return frame.with_columns(
        pl.Series(each.name, each.to_arrow(compat_level=oldest)) for each in texts
    )
