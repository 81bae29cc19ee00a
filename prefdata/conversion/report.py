"""What every run that writes a data set directory reports: its sources, its account, its splits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from prefdata._version import __version__
from prefdata.conversion.ingest import DetectedSource
from prefdata.conversion.plan import ConvertTotals
from prefdata.io.dataset.dataset_writer import SCHEMA_VERSION
from prefdata.report.card import card
from prefdata.transforms.accounting import Account


@dataclass(frozen=True)
class SourceReport:
    """What was read from one source.

    Attributes:
        name: its path, or ``stdin``.
        size: bytes on disk.
        sha256: the hash of these bytes.
        format: what it was recognised as.
        why: what was seen, a phrase each.
        polarity: which value means better.
        rows: rows read.
        outcomes: rows by outcome and reason.
        gave: rows of the data set that it gave, by the source of their chosen response or, where
            several sources say the same, of the first of them; None where it is not known.
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


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What a run that writes a data set directory did.

    Attributes:
        output: the data set directory.
        kind: ``"pairs"`` or ``"unpaired"``.
        sources: one report per source.
        rows_read: rows read in all.
        rows_used: of these, in a pair, merged with another row, or left over.
        rows_rejected: the others; they lie in ``rejects/``.
        outcomes: rows by outcome and reason.
        split_by: what stays on one side of the split: a ``prompt`` or a ``conversation``.
        splits: rows, distinct prompts and, where the split goes by them, conversations by split.
        example: the first row of the data set.
        options: what was asked for.
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
    splits: Mapping[str, Mapping[str, int]]
    example: Mapping[str, object]


def report_fields(account: Account, made: ConvertTotals, *, grouped: bool) -> ReportFields:
    """Put together what the account and the files say.

    Args:
        account: what became of every row.
        made: what was written.
        grouped: whether the split goes by conversation.
    """
    outcomes = account.outcomes()
    rejected = sum(outcomes.get("rejected", {}).values())
    read = sum(account.rows_read.values())
    splits = {
        s: {"rows": made.rows[s], "prompts": made.prompts[s]} for s in made.rows if made.rows[s]
    }
    if grouped:
        splits = {s: {**n, "conversations": made.conversations[s]} for s, n in splits.items()}
    return ReportFields(
        rows_read=read,
        rows_used=read - rejected,
        rows_rejected=rejected,
        outcomes=outcomes,
        split_by="conversation" if grouped else "prompt",
        splits=splits,
        example=made.example,
    )


def source_reports(
    recognised: Sequence[DetectedSource],
    hashes: Sequence[str],
    account: Account,
    gave: Mapping[int, int] | None = None,
) -> tuple[SourceReport, ...]:
    """What was read from each source.

    Args:
        recognised: the sources.
        hashes: the SHA-256 of each.
        account: what became of their rows.
        gave: rows of the data set by source, where it is known.
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
            gave=None if gave is None else gave.get(number, 0),
        )
        for number, each in enumerate(recognised)
    )


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
