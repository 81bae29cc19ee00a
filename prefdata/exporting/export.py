"""An export as one call: a data set directory in, the same data for another trainer out."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from prefdata._version import __version__
from prefdata.errors import InputError, UsageError
from prefdata.exporting import Facts, Job, Target, named, reader, view_of
from prefdata.exporting.accounting import Account
from prefdata.exporting.base import Row
from prefdata.exporting.checks import seen_in
from prefdata.exporting.facts import best, mixed
from prefdata.exporting.facts import unpaired as unpaired_rows
from prefdata.exporting.report import ExportReport
from prefdata.exporting.writers import Nowhere, Writer, opened
from prefdata.io.dataset.atomic_dir import ExistingOutput, refuse_existing, replacing
from prefdata.io.dataset.dataset_reader import DatasetDirectory, open_dataset

MARK = "export.json"
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
    progress: Callable[[str, int, int], None] | None = None,
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
        progress: is called now and then.

    Returns:
        What was written, what was not, and why.

    Raises:
        UnknownNameError: there is no such target.
        UsageError: the target cannot take this data set, or the output may not be written.
        InputError: no row can be carried, or the whole is beyond the target's limits.

    Example:
        >>> export("pairs", "llama-factory", "for-llama-factory")  # doctest: +SKIP
    """
    begun, chosen = time.monotonic(), named(target)
    dataset, folder = open_dataset(Path(source)), Path(output).absolute()
    view = view_of(chosen, dataset.kind, unpaired=unpaired)
    if plain and not chosen.plain:
        raise UsageError(f"{target} takes no plain text", hint="Leave --plain out.")
    _refuse_inside(dataset, folder)
    existing = refuse_existing(Path(output), force=force, marker=MARK)
    files = [file for split in dataset.files.values() for file in split]
    names = tuple(reader.columns(files).names)
    filled = reader.filled(files)
    facts = Facts(
        view=view,
        columns=names,
        plain=plain,
        margins=filled["margin"] > 0,
        texts=reader.bare_columns(files) if chosen.suffix == ".csv" else frozenset(),
    )
    run = Run(chosen, dataset, facts, folder, seed, progress or (lambda *_: None))
    with _working(folder, existing, dry_run=dry_run) as work:
        account, job = run.write(work, dry_run=dry_run)
        report = replace(
            _report(run, account, job, filled),
            source=str(source),
            output=str(output),
            dry_run=dry_run,
            seconds=round(time.monotonic() - begun, 2),
        )
        if not dry_run:
            _write_about(work, run, job, report)
    return report


def _refuse_inside(dataset: DatasetDirectory, folder: Path) -> None:
    source = dataset.path.resolve()
    if source == folder.resolve() or source in folder.resolve().parents:
        raise UsageError(
            f"{folder} lies in the data set directory itself", hint="Name another output."
        )


def _working(
    folder: Path, existing: ExistingOutput, *, dry_run: bool
) -> AbstractContextManager[Path]:
    return _forgotten() if dry_run else replacing(folder, existing)


@contextmanager
def _forgotten() -> Iterator[Path]:
    """A folder for what only a dry run needs."""
    try:
        with tempfile.TemporaryDirectory(prefix="prefdata-export-") as held:
            folder = Path(held) / "new"
            folder.mkdir()
            yield folder
    except OSError as error:
        raise InputError(
            f"the rows could not be kept in a temporary folder: {error.strerror or error}",
            hint="Free some space, or name a folder that has some in the variable TMPDIR.",
        ) from error


@dataclass(frozen=True)
class Run:
    """An export under way.

    Attributes:
        target: where the data goes.
        dataset: what is exported.
        facts: what is known of it beforehand.
        folder: where the export will stand.
        seed: of the order of labelled answers.
        tell: is told the stage, how many rows are done, and of how many.
    """

    target: Target
    dataset: DatasetDirectory
    facts: Facts
    folder: Path
    seed: int
    tell: Callable[[str, int, int], None]

    def write(self, work: Path, *, dry_run: bool) -> tuple[Account, Job]:
        """Write the data files of all splits into a folder, and check the sum."""
        (work / "data").mkdir()
        seen: Counter[str] = Counter()
        labels: Counter[bool] = Counter()
        written: dict[str, int] = {}
        sizes: dict[str, int] = {}
        with Account(None if dry_run else work / "rejects.jsonl") as account:
            for split in self.dataset.rows:
                path = work / "data" / f"{split}{self.target.suffix}"
                before = account.written
                with self._writer(path, dry_run=dry_run) as file:
                    for row in self._view(split, work.parent / f"spill-{split}", account):
                        file.write(self.target.row(row, self.facts))
                        account.written += 1
                        seen.update(self._seen(row))
                        if split == "train" and "label" in row:
                            labels[row["label"]] += 1
                written[split] = account.written - before
                if path.exists():
                    sizes[split] = path.stat().st_size
                    if not written[split]:
                        path.unlink()
        account.check()
        if not written["train"]:
            raise self._nothing(account)
        files = {
            split: self.folder / "data" / f"{split}{self.target.suffix}"
            for split, count in written.items()
            if count
        }
        rows = {split: count for split, count in written.items() if count}
        job = Job(
            self.folder, self.facts, files, rows, sizes, labels[True], labels[False], dict(seen)
        )
        self.target.limits(job)
        return account, job

    def _writer(self, path: Path, *, dry_run: bool) -> Writer:
        if dry_run:
            return Nowhere()
        turns = reader.columns(self.dataset.files["train"]).field("prompt").type
        return opened(path, self.target.columns(self.facts), turns)

    def _view(self, split: str, spill: Path, account: Account) -> Iterable[Row]:
        """The rows of a split as the target takes them, without those that it cannot hold."""
        files = self.dataset.files[split]
        rows = self._read(files, split, account)
        if self.facts.view == "unpaired" and self.dataset.kind == "pairs":
            rows = unpaired_rows(rows)
        rows = self._carried(rows, split, account)
        size = reader.size(files)
        if self.facts.view == "unpaired":
            return mixed(
                rows, seed=self.seed, folder=spill, size=size, split=split, account=account
            )
        if self.facts.view == "answers":
            return best(rows, folder=spill, size=size, account=account)
        return rows

    def _read(self, files: Sequence[str], split: str, account: Account) -> Iterator[Row]:
        for count, row in enumerate(reader.rows(files), 1):
            account.read += 1
            yield row
            if count % 1000 == 0:
                self.tell(split, count, 0)

    def _carried(self, rows: Iterable[Row], split: str, account: Account) -> Iterator[Row]:
        for row in rows:
            account.items += 1
            if why := self.target.refuse(row):
                account.refuse(row, split, why)
            else:
                yield row

    def _seen(self, row: Row) -> list[str]:
        empty = "margin" in row and row["margin"] is None
        margin = ["no margin"] if self.facts.margins and empty else []
        return [*seen_in(row), *margin, *self.target.sees(row)]

    def _nothing(self, account: Account) -> InputError:
        why = [f"{count:,} of {reason!r}" for reason, count in account.refused.most_common(4)]
        return InputError(
            f"{self.target.name} can hold none of the rows to train on: {', '.join(why)}",
            hint="Export to another target; nothing was written.",
        )


def _report(run: Run, account: Account, job: Job, filled: Mapping[str, int]) -> ExportReport:
    takes = run.target.carries
    lost = {
        name: count
        for name, count in filled.items()
        if count and name not in (*KEYS, *takes) and "*" not in takes
    }
    made = [f"data/{path.name}" for path in job.files.values()]
    refused = ["rejects.jsonl"] if account.refused else []
    return ExportReport(
        source="",
        output="",
        target=run.target.name,
        view=run.facts.view,
        rows_read=account.read,
        items=account.items,
        written=account.written,
        merged=_counted(account.merged),
        left_over=_counted(account.left),
        refused=_counted(account.refused),
        splits=job.rows,
        files=(*made, *run.target.stanza(job), *refused, MARK),
        lost=lost,
        seen=job.seen,
        notes=tuple(run.target.notes(job)),
        next_step=run.target.following(job),
        dry_run=False,
        seconds=0.0,
    )


def _counted(by_reason: Counter[str]) -> dict[str, int]:
    return {reason: count for reason, count in by_reason.most_common() if count}


def _write_about(work: Path, run: Run, job: Job, report: ExportReport) -> None:
    """Write the target's configuration, and the account."""
    for name, text in run.target.stanza(job).items():
        (work / name).write_text(text, encoding="utf-8")
    manifest = (run.dataset.path / "manifest.json").read_bytes()
    mark = {
        "program": "prefdata",
        "program_version": __version__,
        **report.to_dict(),
        "source_manifest_sha256": hashlib.sha256(manifest).hexdigest(),
    }
    del mark["output"], mark["dry_run"]
    text = json.dumps(mark, indent=2, ensure_ascii=False)
    (work / MARK).write_text(text + "\n", encoding="utf-8")
