"""What a conversion takes up again: records by bucket of prompts, decisions by range of rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from prefdata.io.store.bucket_store import Buckets
from prefdata.io.store.frame_store import FrameStore, MemoryBudget
from prefdata.records.frames import COLUMNS, MESSAGES, PLACE, Kind, concatenated

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

HELD = 6
"""Pieces of a source that are put away together: many small frames cost more than their rows."""


class RecordStore:
    """Holds frames by kind and bucket; in a ``with`` block it takes them, behind it gives them.

    Args:
        folder: where to keep what memory has no room for.
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
        self.budget = MemoryBudget()
        self.buckets = Buckets(folder, size, self.budget)
        self.waiting: dict[Kind, list[pl.DataFrame]] = defaultdict(list)
        self.writer = ThreadPoolExecutor(1)
        self.under_way: Future[None] | None = None

    def put(self, kind: Kind, frame: pl.DataFrame) -> None:
        """Add records with the columns of `SCHEMAS`, each to the bucket of its ``prompt_id``.

        They are put away while more are read; what could not be written is told by a later call.
        """
        if not frame.height:
            return
        self.waiting[kind].append(frame.select(list(self._schema(kind))))
        if len(self.waiting[kind]) == HELD:
            self._flush(kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Put away what still waits, for no more records come; after an error, no more."""
        with self.writer:
            if error is None:
                for each in list(self.waiting):
                    self._flush(each)
                self._wait()

    def _flush(self, kind: Kind) -> None:
        self._wait()
        whole = concatenated(self.waiting.pop(kind))
        self.under_way = self.writer.submit(self.buckets.put, kind, whole)

    def _wait(self) -> None:
        if self.under_way:
            self.under_way.result()

    def _schema(self, kind: Kind) -> pl.Schema:
        held = SCHEMAS[kind].items()
        kept = {name: dtype for name, dtype in held if self.texts or dtype != MESSAGES}
        return pl.Schema([*kept.items(), *(GROUP.items() if self.grouped else ()), *self.more])

    def get(self, kind: Kind, bucket: int, *, again: bool = False) -> pl.DataFrame:
        """All records of a kind in a bucket, in the order they came.

        Args:
            kind: which records.
            bucket: its number.
            again: whether they will be asked for again; if not, they are let go.
        """
        found = self.buckets.get(kind, bucket)
        if not again:
            self.buckets.drop(kind, bucket)
        return pl.DataFrame(schema=self._schema(kind)) if found is None else found


SPAN = 1 << 18
"""Rows of a source that a range holds."""


class DecisionStore:
    """Holds what was decided of rows, by range of rows, to be taken up in the order of the source.

    Args:
        folder: where to keep what memory has no room for.
        budget: the memory that may be used.
    """

    def __init__(self, folder: Path, budget: MemoryBudget) -> None:
        self.frames = FrameStore(folder, budget)
        self.turns: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        self.at: tuple[int, int] | None = None
        self.held = pl.DataFrame()

    def put(self, frame: pl.DataFrame, turn: int) -> None:
        """Add decisions, which several threads may do at once.

        Args:
            frame: ``of_source`` and ``of_row`` say of which row.
            turn: a number that no other frame has; of one row, lower ones come first.
        """
        spans = frame.with_columns((pl.col("of_row") // SPAN).alias("span"))
        for key, part in spans.partition_by("of_source", "span", as_dict=True).items():
            number, span = (int(str(value)) for value in key)
            self.frames.put((number, span, turn), part.drop("span"))
            self.turns[number, span].append(turn)

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
            turns = sorted(self.turns[number, span])
            parts = [part for turn in turns for part in self.frames.get((number, span, turn))]
            self.held = (
                pl.concat(parts).sort("of_row", maintain_order=True) if parts else pl.DataFrame()
            )
            self.at = number, span
        return self.held
