"""An export as one call: a data set directory in, the same data for another trainer out."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from prefdata._version import __version__
from prefdata.errors import InputError, UsageError
from prefdata.exporting import reader
from prefdata.exporting.accounting import ExportAccount
from prefdata.exporting.base import DatasetFacts, DatasetRow, ExportedData, Target
from prefdata.exporting.checks import beyond_messages, common_features
from prefdata.exporting.registry import choose_view, find_target
from prefdata.exporting.report import ExportReport
from prefdata.exporting.views import best_answers, label_answers, shuffle_answers
from prefdata.exporting.writers import NullWriter, Writer, open_writer
from prefdata.io.dataset.atomic_dir import ExistingOutput, refuse_existing, replacing
from prefdata.io.dataset.dataset_reader import DatasetDirectory, open_dataset
from prefdata.records.frames import TEMPLATE
from prefdata.report.progress import Progress

MARKER = "export.json"
"""The file by which an export is known, and which holds its account."""

KEYS = ("id", "prompt_id", "label")
"""Columns that are no information of their own, and are not called lost."""


def export(
    source: str | Path,
    target: str,
    output: str | Path,
    *,
    plain: bool = False,
    unpaired: bool = False,
    seed: int = 0,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ExportReport:
    """Write a data set directory anew for another trainer or service.

    Args:
        source: a data set directory, as `convert` writes it.
        target: the name of the target, such as ``"llama-factory"``.
        output: the folder to write; it appears when all is done, or not at all.
        plain: write plain text instead of messages, where the target can take it.
        unpaired: write pairs as labelled answers, where the target can take them.
        seed: of the order of labelled answers.
        force: replace an export that exists.
        dry_run: check and count, and write nothing.
        progress: is called as ``progress(split, rows, 0)`` now and then.

    Returns:
        What was written, what was not, and why.

    Raises:
        UnknownNameError: there is no such target.
        UsageError: the target cannot take this data set, or the output may not be written.
        InputError: no row can be carried, or the whole is beyond the target's limits.
    """
    start, chosen = time.monotonic(), find_target(target)
    dataset, folder = open_dataset(Path(source)), Path(output).absolute()
    view = choose_view(chosen, dataset.kind, unpaired=unpaired)
    if plain and not chosen.plain:
        raise UsageError(f"{target} takes no plain text", hint="Leave --plain out.")
    _refuse_inside(dataset, folder)
    existing = refuse_existing(Path(output), force=force, marker=MARKER)
    files = [file for split in dataset.files.values() for file in split]
    schema = reader.read_schema(files)
    counts = reader.count_values(files)
    facts = DatasetFacts(
        view=view,
        columns=tuple(schema.names),
        plain=plain,
        margins=counts["margin"] > 0,
        texts=reader.text_columns(files) if chosen.suffix == ".csv" else frozenset(),
        extended=reader.is_extended(schema),
    )
    exporter = Exporter(chosen, dataset, facts, folder, seed, progress or (lambda *_: None))
    with _work_folder(folder, existing, dry_run=dry_run) as work:
        account, data = exporter.write(work, dry_run=dry_run)
        report = replace(
            _report(exporter, account, data, counts),
            source=str(source),
            output=str(output),
            dry_run=dry_run,
            seconds=round(time.monotonic() - start, 2),
        )
        if not dry_run:
            _write_about(work, exporter, data, report)
    return report


def _refuse_inside(dataset: DatasetDirectory, folder: Path) -> None:
    source = dataset.path.resolve()
    if source == folder.resolve() or source in folder.resolve().parents:
        raise UsageError(
            f"{folder} lies in the data set directory itself", hint="Name another output."
        )


def _work_folder(
    folder: Path, existing: ExistingOutput, *, dry_run: bool
) -> AbstractContextManager[Path]:
    return _temporary_folder() if dry_run else replacing(folder, existing)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder for what only a dry run needs."""
    try:
        with tempfile.TemporaryDirectory(prefix="prefdata-export-") as path:
            folder = Path(path) / "new"
            folder.mkdir()
            yield folder
    except OSError as error:
        raise InputError(
            f"the rows could not be kept in a temporary folder: {error.strerror or error}",
            hint="Free some space, or name a folder that has some in the variable TMPDIR.",
        ) from error


@dataclass(frozen=True)
class Exporter:
    """Writes a data set for a target.

    Attributes:
        target: where the data goes.
        dataset: what is exported.
        facts: what is known of it beforehand.
        folder: where the export will stand.
        seed: of the order of labelled answers.
        progress: is called as ``progress(split, rows, 0)``.
    """

    target: Target
    dataset: DatasetDirectory
    facts: DatasetFacts
    folder: Path
    seed: int
    progress: Progress

    def write(self, work: Path, *, dry_run: bool) -> tuple[ExportAccount, ExportedData]:
        """Write the data files of all splits into a folder, and check the sum."""
        (work / "data").mkdir()
        features: Counter[str] = Counter()
        labels: Counter[bool] = Counter()
        rows: dict[str, int] = {}
        sizes: dict[str, int] = {}
        with ExportAccount(None if dry_run else work / "rejects.jsonl") as account:
            for split in self.dataset.rows:
                path = work / "data" / f"{split}{self.target.suffix}"
                before = account.rows_written
                with self._writer(path, dry_run=dry_run) as file:
                    for row in self._view(split, work.parent / f"spill-{split}", account):
                        file.write(self.target.row(row, self.facts))
                        account.rows_written += 1
                        features.update(self._features(row))
                        if split == "train" and "label" in row:
                            labels[row["label"]] += 1
                rows[split] = account.rows_written - before
                if path.exists():
                    sizes[split] = path.stat().st_size
                    if not rows[split]:
                        path.unlink()
        account.check()
        if not rows["train"]:
            raise self._no_rows(account)
        rows = {split: count for split, count in rows.items() if count}
        files = {split: self.folder / "data" / f"{split}{self.target.suffix}" for split in rows}
        data = ExportedData(
            self.folder, self.facts, files, rows, sizes, labels[True], labels[False], dict(features)
        )
        self.target.check_limits(data)
        return account, data

    def _writer(self, path: Path, *, dry_run: bool) -> Writer:
        if dry_run:
            return NullWriter()
        turns = reader.read_schema(self.dataset.files["train"]).field("prompt").type
        return open_writer(path, self.target.columns(self.facts), turns)

    def _view(self, split: str, buckets: Path, account: ExportAccount) -> Iterable[DatasetRow]:
        """The rows of a split as the target takes them, without those that it cannot hold."""
        files = self.dataset.files[split]
        rows = self._rows(files, split, account)
        if self.facts.view == "unpaired" and self.dataset.kind == "pairs":
            rows = label_answers(rows)
        rows = self._accepted(rows, split, account)
        size = reader.unpacked_size(files)
        if self.facts.view == "unpaired":
            return shuffle_answers(
                rows, seed=self.seed, folder=buckets, size=size, split=split, account=account
            )
        if self.facts.view == "answers":
            return best_answers(rows, folder=buckets, size=size, account=account)
        return rows

    def _rows(
        self, files: Sequence[str], split: str, account: ExportAccount
    ) -> Iterator[DatasetRow]:
        for count, row in enumerate(reader.read_rows(files), 1):
            account.rows_read += 1
            yield row
            if count % 1000 == 0:
                self.progress(split, count, 0)

    def _accepted(
        self, rows: Iterable[DatasetRow], split: str, account: ExportAccount
    ) -> Iterator[DatasetRow]:
        carries = () if self.facts.plain else self.target.carries
        for row in rows:
            account.items += 1
            if refusal := beyond_messages(row, carries) or self.target.refuse(row):
                account.refuse(row, split, refusal)
            else:
                yield row

    def _features(self, row: DatasetRow) -> list[str]:
        empty = "margin" in row and row["margin"] is None
        margin = ["no margin"] if self.facts.margins and empty else []
        return [*common_features(row), *margin, *self.target.features(row)]

    def _no_rows(self, account: ExportAccount) -> InputError:
        reasons = [f"{count:,} of {reason!r}" for reason, count in account.refused.most_common(4)]
        return InputError(
            f"{self.target.name} can hold none of the rows to train on: {', '.join(reasons)}",
            hint="Export to another target; nothing was written.",
        )


def _report(
    exporter: Exporter, account: ExportAccount, data: ExportedData, counts: Mapping[str, int]
) -> ExportReport:
    target = exporter.target
    carried = (*KEYS, *target.carries, *TEMPLATE)  # the last are carried, or the row is refused
    ignored = [] if "*" in target.carries else [n for n in counts if n not in carried]
    files = [f"data/{path.name}" for path in data.files.values()]
    rejects = ["rejects.jsonl"] if account.refused else []
    return ExportReport(
        source="",
        output="",
        target=target.name,
        view=exporter.facts.view,
        rows_read=account.rows_read,
        items=account.items,
        written=account.rows_written,
        merged=_sorted(account.merged),
        left_over=_sorted(account.left_over),
        refused=_sorted(account.refused),
        splits=data.rows,
        files=(*files, *target.stanza(data), *rejects, MARKER),
        lost={name: counts[name] for name in ignored if counts[name]},
        seen=data.features,
        notes=tuple(target.notes(data)),
        next_step=target.next_step(data),
        dry_run=False,
        seconds=0.0,
    )


def _sorted(by_reason: Counter[str]) -> dict[str, int]:
    return {reason: count for reason, count in by_reason.most_common() if count}


def _write_about(work: Path, exporter: Exporter, data: ExportedData, report: ExportReport) -> None:
    """Write the target's configuration, and the account."""
    for name, text in exporter.target.stanza(data).items():
        (work / name).write_text(text, encoding="utf-8")
    manifest = (exporter.dataset.path / "manifest.json").read_bytes()
    account = {
        "program": "prefdata",
        "program_version": __version__,
        **report.to_dict(),
        "source_manifest_sha256": hashlib.sha256(manifest).hexdigest(),
    }
    del account["output"], account["dry_run"]
    text = json.dumps(account, indent=2, ensure_ascii=False)
    (work / MARKER).write_text(text + "\n", encoding="utf-8")
