"""A data set directory as the trainer sees it, checked before torch is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from prefdata.errors import InputError, UsageError
from prefdata.records.splits import SPLITS

COLUMNS = {
    "pairs": ("prompt", "chosen", "rejected"),
    "unpaired": ("prompt", "completion", "label"),
}
"""The columns that training reads, per kind of data set."""

SCHEMA_VERSIONS = (1, 2)
"""The versions of data set directories that are read; the last is the one that is written."""

SHARD = re.compile(r".*-(?P<number>\d{5})-of-(?P<total>\d{5})\.parquet")
"""The name of a file of a split: its number, and how many files there are."""


@dataclass(frozen=True)
class DatasetDirectory:
    """A data set directory whose files and columns were checked.

    Args:
        path: the directory.
        kind: ``pairs`` or ``unpaired``.
        files: per split, ``train`` and perhaps ``validation`` and ``test``, its Parquet files.
        rows: per split, the number of its rows.
        manifest: the content of ``manifest.json``.

    Example:
        >>> DatasetDirectory(Path("pairs"), "pairs", {}, {"train": 90, "test": 10}, {}).rows["test"]
        10
    """

    path: Path
    kind: str
    files: dict[str, list[str]]
    rows: dict[str, int]
    manifest: dict[str, JsonValue]


def open_dataset(path: Path) -> DatasetDirectory:
    """Open a data set directory and check that its splits can be trained on.

    Args:
        path: the directory that ``pref convert -o`` wrote.

    Raises:
        UsageError: there is no such directory, or it is not a data set directory.
        InputError: it has no training rows, or lacks a column.
    """
    make = "Make one with: pref convert SOURCE -o pairs"
    if not path.is_dir():
        problem = "a file, expected a data set directory" if path.exists() else "no such data set"
        raise UsageError(f"{path}: {problem}", hint=make)
    manifest = _read_manifest(path, hint=make)
    kind = str(manifest.get("kind"))
    check_version(path / "manifest.json", manifest)
    if kind not in COLUMNS:
        raise UsageError(
            f"{path / 'manifest.json'}: kind {manifest.get('kind')!r}; expected pairs or unpaired",
            hint="Convert the source again with this version of prefdata.",
        )
    files = {s: _split_files(path, s) for s in SPLITS}
    files = {split: paths for split, paths in files.items() if paths}
    rows = {split: _count_rows(paths, COLUMNS[kind]) for split, paths in files.items()}
    if not rows.get("train"):
        raise InputError(
            f"{path}: the train split is empty",
            hint="See manifest.json and rejects/ for where the rows went.",
        )
    rows = {split: count for split, count in rows.items() if count}
    return DatasetDirectory(path, kind, {s: files[s] for s in rows}, rows, manifest)


def check_version(path: Path, manifest: Mapping[str, JsonValue]) -> None:
    """Refuse a data set directory of a version that is not read, a newer one by its number.

    Args:
        path: of the manifest, for the message.
        manifest: its content.

    Raises:
        UsageError: the version is not one of `SCHEMA_VERSIONS`.
    """
    version = manifest.get("schema_version")
    if version in SCHEMA_VERSIONS and not isinstance(version, bool):
        return
    newer = isinstance(version, int) and version > SCHEMA_VERSIONS[-1]
    raise UsageError(
        f"{path}: schema version {version!r}; expected "
        f"{SCHEMA_VERSIONS[0]} to {SCHEMA_VERSIONS[-1]}",
        hint="It was written by a newer prefdata: install that one."
        if newer
        else "Convert the source again with this version of prefdata.",
    )


def _read_manifest(path: Path, *, hint: str) -> dict[str, JsonValue]:
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"{path}: not a data set directory, there is no manifest.json in it", hint=hint
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path / 'manifest.json'}: {error}", hint=hint) from None
    return manifest if isinstance(manifest, dict) else {}


def _split_files(path: Path, split: str) -> list[str]:
    files = sorted((path / "data").glob(f"{split}-*.parquet"))
    shards = [match for file in files if (match := SHARD.fullmatch(file.name))]
    if len(shards) == len(files) and files:
        total = max(int(each["total"]) for each in shards)
        present = {int(each["number"]) for each in shards if int(each["total"]) == total}
        if missing := sorted(set(range(total)) - present):
            raise InputError(
                f"{path}: not all of the {total} files of the {split} split are there; the first "
                f"that is missing is data/{split}-{missing[0]:05d}-of-{total:05d}.parquet",
                hint="Copy the directory again, whole, or convert the source again.",
            )
    return [str(file) for file in files]


def _count_rows(files: Sequence[str], columns: Sequence[str]) -> int:
    """The rows of some files, from their footers; each must have the columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                rows += parquet.metadata.num_rows
                names = parquet.schema_arrow.names
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(
                f"{file}: not a Parquet file ({error})", hint="Convert the source again."
            ) from None
        missing = [column for column in columns if column not in names]
        if missing:
            raise InputError(
                f"{file}: no column {', '.join(map(repr, missing))}",
                hint=f"Expected {', '.join(columns)}; convert the source again.",
            )
    return rows
