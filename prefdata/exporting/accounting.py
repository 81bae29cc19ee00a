"""What became of every row: written, merged with another, left over, or refused with the reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from prefdata.errors import PrefdataError
from prefdata.exporting.base import Refusal, Row
from prefdata.exporting.checks import REMEDIES
from prefdata.exporting.writers import line


class Account:
    """Counts rows, and writes down the refused ones.

    Args:
        rejects: the file for them, made when the first one comes; None to count only.

    Attributes:
        read: rows of the data set.
        items: rows of what the target takes: as many, or two for each pair that is taken apart.
        written: of these, rows in the files.
        merged: the same as another row, by reason.
        left: sound, but not needed, by reason.
        refused: what the target cannot hold, by reason.
    """

    def __init__(self, rejects: Path | None) -> None:
        self.rejects = rejects
        self.file: BinaryIO | None = None
        self.read = self.items = self.written = 0
        self.merged: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
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

    def refuse(self, row: Row, split: str, why: Refusal) -> None:
        """Count a row that the target cannot hold, and write it down with the remedy."""
        self.refused[why.reason] += 1
        if self.rejects is None:
            return
        self.file = self.file or self.rejects.open("wb")
        entry = {
            "split": split,
            "id": row.get("id"),
            "reason": why.reason,
            "detail": why.detail,
            "remedy": REMEDIES[why.reason],
            "row": row,
        }
        self.file.write(line(entry))

    def check(self) -> None:
        """Hold that every row ended somewhere.

        Raises:
            PrefdataError: the sum does not hold.
        """
        gone = sum(map(Counter.total, (self.merged, self.left, self.refused)))
        if self.items != self.written + gone:
            raise PrefdataError(
                f"{self.items:,} rows became {self.written:,} written and {gone:,} others; "
                "nothing was written",
                hint="This is a defect of prefdata: please report it.",
            )
