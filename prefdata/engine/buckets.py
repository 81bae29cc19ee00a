"""Frames on disk by bucket of prompts, for a run that works out one bucket after the other."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import polars as pl

from prefdata.formats.base import concatenated
from prefdata.io.spool import BUCKET_BYTES, MOST_BUCKETS


class Buckets:
    """Frames on disk by name and bucket of prompts.

    Args:
        folder: where to keep them.
        size: the bytes that are expected; decides the number of buckets.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.bits = min(MOST_BUCKETS, max(1, size // BUCKET_BYTES)).bit_length() - 1
        self.files: dict[tuple[str, int], list[Path]] = defaultdict(list)
        self.written = 0
        folder.mkdir()

    def __len__(self) -> int:
        return 1 << self.bits

    def put(self, name: str, frame: pl.DataFrame) -> None:
        """Add rows, each to the bucket of its ``prompt_id``."""
        bucket = (
            (pl.col("prompt_id") // (1 << (128 - self.bits))).cast(pl.UInt16)
            if self.bits
            else pl.lit(0, pl.UInt16)
        )
        parts = frame.with_columns(bucket.alias("@")).partition_by(
            "@", include_key=False, as_dict=True
        )
        for key, part in parts.items():
            self.put_in(name, int(str(key[0])), part)

    def put_in(self, name: str, bucket: int, part: pl.DataFrame) -> None:
        """Add rows to a bucket."""
        path = self.folder / f"{name}-{bucket:04d}-{self.written:08d}.arrow"
        part.write_ipc(path, compression="uncompressed")
        self.files[name, bucket].append(path)
        self.written += 1

    def get(self, name: str, bucket: int) -> pl.DataFrame | None:
        """All rows of a bucket in the order they came, or None where there are none."""
        files = self.files.get((name, bucket), [])
        return (
            concatenated([pl.scan_ipc(path, glob=False).collect() for path in files])
            if files
            else None
        )

    def held(self, name: str, bucket: int) -> pl.DataFrame:
        """All rows of a bucket that is known to have some of that name."""
        frame = self.get(name, bucket)
        if frame is None:
            raise LookupError(f"bucket {bucket} has no {name}")
        return frame

    def drop(self, name: str, bucket: int) -> None:
        """Take rows off the disk."""
        for path in self.files.pop((name, bucket), []):
            path.unlink()
