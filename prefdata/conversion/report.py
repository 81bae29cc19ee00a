"""What every run that writes a data set directory reports: sources, account, splits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from prefdata._version import __version__
from prefdata.conversion.detected_source import DetectedSource
from prefdata.conversion.plan import ConvertTotals
from prefdata.conversion.source_splits import KeptSplits
from prefdata.io.dataset.dataset_writer import SCHEMA_VERSION
from prefdata.records.column_use import ColumnUse
from prefdata.records.notes import Note, Notes
from prefdata.records.splits import SPLITS
from prefdata.report.card import card
from prefdata.transforms.accounting import Account


@dataclass(frozen=True)
class SourceReport:
    """What was read from one source.

    Attributes:
        name: its path, or ``stdin``.
        size: bytes on disk.
        sha256: the hash of these bytes.
        format: the name of its format.
        why: why it is read so, a phrase each.
        polarity: which value means better.
        rows: rows read.
        outcomes: rows by outcome and reason.
        gave: rows of the data set from it, by the source of their chosen response or, where several
            sources have the same, of the first of them; None where it is unknown.
        notes: what is worth knowing of its rows, those on the most rows first.
        column_uses: what became of each of its columns, and of each key of its messages.
    """

    name: str
    size: int
    sha256: str
    format: str
    why: tuple[str, ...]
    polarity: str
    rows: int
    outcomes: Mapping[str, Mapping[str, int]]
    gave: int | None = None
    notes: tuple[Note, ...] = ()
    column_uses: tuple[ColumnUse, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """The result of a run that writes a data set directory.

    Attributes:
        output: the data set directory.
        kind: ``"pairs"`` or ``"unpaired"``.
        sources: one report per source.
        rows_read: rows read in all.
        rows_used: of these, in a pair, merged with another row, or left over.
        rows_rejected: the others; they are in ``rejects/``.
        outcomes: rows by outcome and reason.
        split_by: what stays on one side of the split: a ``prompt`` or a ``conversation``.
        split_why: one line on the splits of the sources: whether they are kept, and by what they
            are known; empty where the sources have none, or the user asked for a new one.
        splits: rows, distinct prompts and, where the split goes by them, conversations by split.
        example: the first row of the data set.
        options: the options of the run.
        seconds: wall time.
    """

    output: str
    kind: str
    sources: tuple[SourceReport, ...]
    rows_read: int
    rows_used: int
    rows_rejected: int
    outcomes: Mapping[str, Mapping[str, int]]
    split_by: str
    split_why: str
    splits: Mapping[str, Mapping[str, int]]
    example: Mapping[str, object]
    options: Mapping[str, object]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows of the data set, all splits together."""
        return sum(split["rows"] for split in self.splits.values())

    def to_dict(self) -> dict[str, object]:
        """The report as plain values that JSON can hold."""
        return asdict(self)


class ReportFields(TypedDict):
    """The part of a report that follows from the account and from what was written."""

    rows_read: int
    rows_used: int
    rows_rejected: int
    outcomes: Mapping[str, Mapping[str, int]]
    split_by: str
    split_why: str
    splits: Mapping[str, Mapping[str, int]]
    example: Mapping[str, object]


def report_fields(account: Account, totals: ConvertTotals, *, grouped: bool) -> ReportFields:
    """The fields of a report that follow from the account and from what was written.

    Args:
        account: what became of every row.
        totals: what was written.
        grouped: whether the split goes by conversation.
    """
    outcomes = account.outcomes()
    rejected = sum(outcomes.get("rejected", {}).values())
    rows_read = account.rows_read.total()
    splits = {
        split: {"rows": totals.rows[split], "prompts": totals.prompts[split]}
        for split in SPLITS
        if totals.rows[split]
    }
    if grouped:
        splits = {s: {**n, "conversations": totals.conversations[s]} for s, n in splits.items()}
    return ReportFields(
        rows_read=rows_read,
        rows_used=rows_read - rejected,
        rows_rejected=rejected,
        outcomes=outcomes,
        split_by="conversation" if grouped else "prompt",
        split_why=totals.splits.why,
        splits=splits,
        example=totals.example,
    )


def source_reports(
    sources: Sequence[DetectedSource],
    hashes: Sequence[str],
    account: Account,
    notes: Sequence[Notes],
    splits: KeptSplits,
    *,
    by_source: Mapping[int, int] | None = None,
) -> tuple[SourceReport, ...]:
    """A report on each source.

    Args:
        sources: the sources.
        hashes: the SHA-256 of each.
        account: what became of their rows.
        notes: what is worth knowing of each.
        splits: whether rows keep the splits of the sources.
        by_source: rows of the data set by source, where each has one.
    """
    return tuple(
        SourceReport(
            name=each.source.name,
            size=each.source.local.stat().st_size,
            sha256=hashes[number],
            format=each.detection.format.name,
            why=each.detection.match.evidence,
            polarity=each.detection.match.polarity,
            rows=account.rows_read[number],
            outcomes=account.outcomes(number),
            gave=None if by_source is None else by_source.get(number, 0),
            notes=(*notes[number].sorted(), *each.claims.notes()),
            column_uses=each.columns.uses(_split_column(each, number, splits)),
        )
        for number, each in enumerate(sources)
    )


def _split_column(each: DetectedSource, number: int, splits: KeptSplits) -> str:
    """The column that says which split each row of a source is in, if that counts."""
    return each.split_column if splits.keeps and number not in splits.unread else ""


def write_manifest_and_card(folder: Path, report: RunReport) -> None:
    """Write the manifest and the card."""
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "program": "prefdata",
        "program_version": __version__,
        **report.to_dict(),
    }
    del manifest["output"]
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(manifest), encoding="utf-8")
