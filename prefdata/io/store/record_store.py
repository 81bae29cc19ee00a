"""What a conversion needs again: records by bucket of prompts, decisions by range of rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from prefdata.io.store.bucket_store import BucketStore
from prefdata.io.store.frame_store import FrameStore, MemoryBudget
from prefdata.records.frames import COLUMNS, MESSAGES, PLACE, Kind, concatenated, extensions
from prefdata.transforms.filter_columns import measured_schema
from prefdata.transforms.split import SPLIT

IDS: dict[Kind, dict[str, str]] = {
    "ratings": {"prompt": "prompt_id", "response": "response_id"},
    "comparisons": {"prompt": "prompt_id", "a": "a_id", "b": "b_id"},
    "unpaired": {"prompt": "prompt_id", "response": "response_id"},
}
"""The id column of each text column, by kind of record."""

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
"""The stored columns of each kind of record: its own, its place, its ids.

The ``scope`` of a rating says which others it is compared with: all ratings of its prompt, or only
those of its ranked list.
"""

GROUP = {"group_id": pl.UInt128()}
"""The id of a conversation, where the split goes by them."""

PIECES = 6
"""Pieces of a source that are stored together: many small frames cost more than their rows."""


class RecordStore:
    """Records by kind and bucket: added within a ``with`` block, fetched after it.

    Args:
        folder: for what does not fit in memory.
        size: the expected bytes, which decide the number of buckets.
        texts: whether texts are stored, or only what decides.
        grouped: whether records have a ``group_id``.
        with_splits: whether records have a ``split``.
        keep: text columns that records have besides those of their kind.
        needs: what filters need to know of the texts.

    Attributes:
        extensions: what records have so far that only some data sets have.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        *,
        texts: bool = True,
        grouped: bool = False,
        with_splits: bool = False,
        keep: Collection[str] = (),
        needs: Collection[str] = (),
    ) -> None:
        self.folder = folder
        self.texts = texts
        self.more = [(name, pl.String()) for name in keep if texts]
        self.needs = needs
        self.grouped = grouped
        self.with_splits = with_splits
        self.budget = MemoryBudget()
        self.buckets = BucketStore(folder, size, self.budget)
        self.waiting: dict[Kind, list[pl.DataFrame]] = defaultdict(list)
        self.extensions: set[str] = set()
        self.writer = ThreadPoolExecutor(1)
        self.writing: Future[None] | None = None

    def put(self, kind: Kind, frame: pl.DataFrame) -> None:
        """Add records with the columns of `SCHEMAS`, each to the bucket of its ``prompt_id``.

        They are written in the background; a failure to write is raised by a later call.
        """
        if not frame.height:
            return
        self.extensions |= extensions(frame)
        self.waiting[kind].append(frame.select(list(self._schema(kind))))
        if len(self.waiting[kind]) == PIECES:
            self._flush(kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Store what still waits; after an error, nothing more."""
        with self.writer:
            if error is None:
                for each in list(self.waiting):
                    self._flush(each)
                self._wait()

    def _flush(self, kind: Kind) -> None:
        self._wait()
        whole = concatenated(self.waiting.pop(kind))
        self.writing = self.writer.submit(self.buckets.put, kind, whole)

    def _wait(self) -> None:
        if self.writing:
            self.writing.result()

    def _schema(self, kind: Kind) -> pl.Schema:
        columns = SCHEMAS[kind].items()
        stored = [(name, dtype) for name, dtype in columns if self.texts or dtype != MESSAGES]
        grouped = GROUP.items() if self.grouped else ()
        splits = [("split", SPLIT)] if self.with_splits else []
        measured = measured_schema(kind, self.needs).items()
        return pl.Schema([*stored, *grouped, *splits, *self.more, *measured])

    def get(self, kind: Kind, bucket: int, *, drop: bool = True) -> pl.DataFrame:
        """All records of a kind in a bucket, in the order they were added.

        Args:
            kind: which records.
            bucket: its number.
            drop: whether to remove them from the store.
        """
        frame = self.buckets.get(kind, bucket)
        if drop:
            self.buckets.drop(kind, bucket)
        return pl.DataFrame(schema=self._schema(kind)) if frame is None else frame


SPAN = 1 << 18
"""Rows of a source in one range."""


class DecisionStore:
    """Decisions on rows, by range of rows, fetched in the order of the source.

    Args:
        folder: for what does not fit in memory.
        budget: the memory that may be used.
    """

    def __init__(self, folder: Path, budget: MemoryBudget) -> None:
        self.frames = FrameStore(folder, budget)
        self.turns: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        self.current: tuple[int, int] | None = None
        self.frame = pl.DataFrame()

    def put(self, frame: pl.DataFrame, turn: int) -> None:
        """Add decisions, which several threads may do at once.

        Args:
            frame: with ``of_source`` and ``of_row``, which identify the row.
            turn: a number that no other frame has; of one row, lower ones come first.
        """
        spans = frame.with_columns((pl.col("of_row") // SPAN).alias("span"))
        for key, part in spans.partition_by("of_source", "span", as_dict=True).items():
            number, span = (int(str(value)) for value in key)
            self.frames.put((number, span, turn), part.drop("span"))
            self.turns[number, span].append(turn)

    def get(self, number: int, first: int, end: int) -> pl.DataFrame:
        """The decisions on rows from ``first`` to below ``end``, in the order of the rows."""
        spans = range(first // SPAN, max(first, end - 1) // SPAN + 1)
        parts = [self._span(number, span) for span in spans]
        frame = pl.concat([part for part in parts if part.width] or parts)
        if not frame.width:
            return frame
        start, stop = frame["of_row"].search_sorted(pl.Series([first, end]), side="left")
        return frame.slice(start, stop - start)

    def _span(self, number: int, span: int) -> pl.DataFrame:
        if self.current != (number, span):
            turns = sorted(self.turns[number, span])
            parts = [part for turn in turns for part in self.frames.get((number, span, turn))]
            self.frame = (
                pl.concat(parts).sort("of_row", maintain_order=True) if parts else pl.DataFrame()
            )
            self.current = number, span
        return self.frame
