"""What became of every row: written, merged with another, left over, or refused with the reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from prefdata.errors import PrefdataError
from prefdata.exporting.base import DatasetRow, Refusal
from prefdata.exporting.checks import REMEDIES
from prefdata.exporting.writers import json_line


class ExportAccount:
    """Counts rows, and writes down the refused ones.

    Args:
        rejects: the file for them, made when the first one comes; None to count only.

    Attributes:
        rows_read: rows of the data set.
        items: rows of what the target takes: as many, or two for each pair that is taken apart.
        rows_written: of these, rows in the files.
        merged: the same as another row, by reason.
        left_over: sound, but not needed, by reason.
        refused: what the target cannot hold, by reason.
    """

    def __init__(self, rejects: Path | None) -> None:
        self.rejects = rejects
        self.file: BinaryIO | None = None
        self.rows_read = self.items = self.rows_written = 0
        self.merged: Counter[str] = Counter()
        self.left_over: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.file:
            self.file.close()

    def refuse(self, row: DatasetRow, split: str, refusal: Refusal) -> None:
        """Count a row that the target cannot hold, and write it down with the remedy."""
        self.refused[refusal.reason] += 1
        if self.rejects is None:
            return
        self.file = self.file or self.rejects.open("wb")
        entry = {
            "split": split,
            "id": row.get("id"),
            "reason": refusal.reason,
            "detail": refusal.detail,
            "remedy": REMEDIES[refusal.reason],
            "row": row,
        }
        self.file.write(json_line(entry))

    def check(self) -> None:
        """Check that every row is counted once.

        Raises:
            PrefdataError: the sum does not hold.
        """
        others = sum(map(Counter.total, (self.merged, self.left_over, self.refused)))
        if self.items != self.rows_written + others:
            raise PrefdataError(
                f"{self.items:,} rows became {self.rows_written:,} written and {others:,} others; "
                "nothing was written",
                hint="This is a defect of prefdata: please report it.",
            )
