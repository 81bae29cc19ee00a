"""Records on disk by bucket of prompts, so that memory is bounded whatever the size of the source.

A bucket is a range of prompt ids: all records of a prompt are in one, and buckets in their order
are the prompts in theirs, however many buckets there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from prefdata.formats.base import COLUMNS, MESSAGES, PLACE, Kind, concatenated

IDS: dict[Kind, dict[str, str]] = {
    "ratings": {"prompt": "prompt_id", "response": "response_id"},
    "comparisons": {"prompt": "prompt_id", "a": "a_id", "b": "b_id"},
    "unpaired": {"prompt": "prompt_id", "response": "response_id"},
}
"""The id that each text column of a kind gives."""

SCHEMAS: dict[Kind, pl.Schema] = {
    kind: pl.Schema(
        {
            "source": pl.UInt16,
            **{name: PLACE[name] for name in ("row", "line", "item")},
            **columns,
            **dict.fromkeys(IDS[kind].values(), pl.UInt128),
            **({"scope": pl.UInt128} if kind == "ratings" else {}),
        }
    )
    for kind, columns in COLUMNS.items()
}
"""What is stored of each kind of record: its columns, its place, its ids.

The ``scope`` of a rating says what it is compared with: the other ratings of its prompt, or only
those of the ranked list that it stands in.
"""

GROUP = {"group_id": pl.UInt128()}
"""What conversations are told apart by, where the split goes by them."""

BUCKET_BYTES = 96 << 20
MOST_BUCKETS = 1024
HELD = 6
"""Pieces of a source that are written together: many small files cost more than what they hold."""


class Spool:
    """Holds frames by kind and bucket; in a ``with`` block it takes them, behind it gives them.

    Args:
        folder: where to keep them.
        size: the bytes that are expected; decides the number of buckets.
        texts: whether texts are kept, or only what is decided by.
        grouped: whether records have a ``group_id``.
        keep: text columns that records have besides those of their kind.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        *,
        texts: bool = True,
        grouped: bool = False,
        keep: Collection[str] = (),
    ) -> None:
        self.folder = folder
        self.texts = texts
        self.more = [(name, pl.String()) for name in keep if texts]
        self.grouped = grouped
        self.bits = min(MOST_BUCKETS, max(1, size // BUCKET_BYTES)).bit_length() - 1
        self.files: dict[tuple[Kind, int], list[Path]] = defaultdict(list)
        self.held: dict[Kind, list[pl.DataFrame]] = defaultdict(list)
        self.writer = ThreadPoolExecutor(1)
        self.under_way: Future[None] | None = None
        folder.mkdir()

    @property
    def buckets(self) -> int:
        """How many buckets there are: a power of two."""
        return 1 << self.bits

    def put(self, kind: Kind, frame: pl.DataFrame) -> None:
        """Add records with the columns of `SCHEMAS`, each to the bucket of its ``prompt_id``.

        They are written while more are read; what could not be written is told by a later call.
        """
        if not frame.height:
            return
        self.held[kind].append(frame.select(list(self._schema(kind))))
        if len(self.held[kind]) == HELD:
            self._flush(kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Write what is still held, for no more records come; after an error, write no more."""
        with self.writer:
            if error is None:
                for each in list(self.held):
                    self._flush(each)
                self._wait()

    def _flush(self, kind: Kind) -> None:
        self._wait()
        self.under_way = self.writer.submit(self._write, kind, self.held.pop(kind))

    def _wait(self) -> None:
        if self.under_way:
            self.under_way.result()

    def _write(self, kind: Kind, held: list[pl.DataFrame]) -> None:
        for bucket, part in self._parts(concatenated(held)):
            files = self.files[kind, bucket]
            path = self.folder / f"{kind}-{bucket:04d}-{len(files):06d}.arrow"
            part.write_ipc(path, compression="uncompressed")
            files.append(path)

    def _schema(self, kind: Kind) -> pl.Schema:
        held = SCHEMAS[kind].items()
        kept = {name: dtype for name, dtype in held if self.texts or dtype != MESSAGES}
        return pl.Schema([*kept.items(), *(GROUP.items() if self.grouped else ()), *self.more])

    def _parts(self, frame: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
        if not self.bits:
            return [(0, frame)]
        high = pl.col("prompt_id") // (1 << 64)
        bucket = (high // (1 << (64 - self.bits))).cast(pl.UInt16).alias("bucket")
        parts = frame.with_columns(bucket).partition_by("bucket", include_key=False, as_dict=True)
        return [(int(str(key[0])), part) for key, part in parts.items()]

    def get(self, kind: Kind, bucket: int, *, again: bool = False) -> pl.DataFrame:
        """All records of a kind in a bucket, in the order they came.

        Args:
            kind: which records.
            bucket: its number.
            again: whether they will be asked for again; if not, they leave the disk.
        """
        files = self.files.get((kind, bucket), []) if again else self.files.pop((kind, bucket), [])
        if not files:
            return pl.DataFrame(schema=self._schema(kind))
        frame = concatenated([pl.scan_ipc(path, glob=False).collect() for path in files])
        for path in () if again else files:
            path.unlink()
        return frame


SPAN = 1 << 18
"""Rows of a source that a range holds."""


class Ranges:
    """Holds what was decided of rows, by range of rows, to be taken up in the order of the source.

    Args:
        folder: where to keep it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at: tuple[int, int] | None = None
        self.held = pl.DataFrame()
        folder.mkdir()

    def put(self, frame: pl.DataFrame, turn: int) -> None:
        """Add decisions, which several threads may do at once.

        Args:
            frame: ``of_source`` and ``of_row`` say of which row.
            turn: a number that no other frame has; of one row, lower ones come first.
        """
        spans = frame.with_columns((pl.col("of_row") // SPAN).alias("span"))
        for key, part in spans.partition_by("of_source", "span", as_dict=True).items():
            number, span = (int(str(value)) for value in key)
            path = self.folder / f"{number}-{span}-{turn:06d}.arrow"
            part.drop("span").write_ipc(path, compression="uncompressed")

    def get(self, number: int, first: int, end: int) -> pl.DataFrame:
        """The decisions of rows from ``first`` up to ``end``, in the order of the rows."""
        spans = range(first // SPAN, max(first, end - 1) // SPAN + 1)
        parts = [self._span(number, span) for span in spans]
        found = pl.concat([part for part in parts if part.width] or parts)
        if not found.width:
            return found
        begin, behind = found["of_row"].search_sorted(pl.Series([first, end]), side="left")
        return found.slice(begin, behind - begin)

    def _span(self, number: int, span: int) -> pl.DataFrame:
        if self.at != (number, span):
            files = sorted(self.folder.glob(f"{number}-{span}-*.arrow"))
            parts = [pl.scan_ipc(path, glob=False).collect() for path in files]
            self.held = (
                pl.concat(parts).sort("of_row", maintain_order=True) if parts else pl.DataFrame()
            )
            self.at = number, span
        return self.held
