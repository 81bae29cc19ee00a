"""What an export did, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ExportReport:
    """What an export did.

    Attributes:
        source: the data set directory.
        output: the folder that was written.
        target: what it was written for.
        view: what the target takes: pairs, labelled answers or best answers.
        rows_read: rows of the data set.
        items: what became of them: as many, or two for each pair that is taken apart.
        written: rows in the files.
        merged: the same as another row, by reason.
        left_over: sound, but not needed, by reason.
        refused: what the target cannot hold, by reason; they lie in ``rejects.jsonl``.
        splits: rows written by split.
        files: the files of the export, in the output.
        lost: columns that the target does not take, with how many rows have a value there.
        seen: how many of the rows in the files have what some targets cannot use.
        notes: what else is to be known.
        next_step: what to run next.
        dry_run: whether nothing was written, and the counts are of what would be.
        seconds: wall time.
    """

    source: str
    output: str
    target: str
    view: str
    rows_read: int
    items: int
    written: int
    merged: Mapping[str, int]
    left_over: Mapping[str, int]
    refused: Mapping[str, int]
    splits: Mapping[str, int]
    files: tuple[str, ...]
    lost: Mapping[str, int]
    seen: Mapping[str, int]
    notes: tuple[str, ...]
    next_step: str
    dry_run: bool
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """The report as plain values that JSON can hold."""
        return asdict(self)
