"""What a conversion gave, as plain values that a test can compare at a glance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from prefdata import convert
from prefdata.formats import Wishes
from prefdata.transforms.options import Options

Row = Mapping[str, object]


class Reject(NamedTuple):
    """A row of the rejects, without its raw text."""

    line: int
    field: str
    reason: str
    detail: str


class Outcome(NamedTuple):
    """What a conversion gave.

    Attributes:
        table: the data set, train and test together.
        rejects: what was refused, in the order of the lines.
        manifest: the account.
    """

    table: pa.Table
    rejects: list[Reject]
    manifest: dict[str, object]

    @property
    def rows(self) -> list[dict[str, object]]:
        """The rows of the data set, in the order of the ids."""
        return list(self.table.sort_by("id").to_pylist())

    @property
    def pairs(self) -> set[tuple[str, str, str]]:
        """Prompt, chosen and rejected of each pair, turns joined by a bar."""
        names = ("prompt", "chosen", "rejected")
        return {tuple(said(row[name]) for name in names) for row in self.rows}  # type: ignore[misc]

    @property
    def labels(self) -> set[tuple[str, str, object]]:
        """Prompt, completion and label of each unpaired preference."""
        return {(said(r["prompt"]), said(r["completion"]), r["label"]) for r in self.rows}

    @property
    def ids(self) -> list[str]:
        """The ids of all rows, in their order."""
        return sorted(self.table["id"].to_pylist())


def said(turns: object) -> str:
    """The texts of messages, joined by a bar."""
    assert isinstance(turns, list)
    return " | ".join(turn["content"] for turn in turns)


def read(output: Path) -> Outcome:
    """Read a data set directory, and hold its account."""
    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    tables = [pq.read_table(path) for path in sorted((output / "data").iterdir())]
    rejects = [
        row
        for path in sorted((output / "rejects").iterdir())
        for row in pq.read_table(path).to_pylist()
    ]
    assert manifest["rows_read"] == manifest["rows_used"] + manifest["rows_rejected"]
    assert len(rejects) == manifest["rows_rejected"]
    assert all(row["remedy"] and row["source"] for row in rejects)
    found = [Reject(r["line"], r["field"] or "", r["reason"], r["detail"] or "") for r in rejects]
    return Outcome(pa.concat_tables(tables), sorted(found), manifest)


def converted(
    source: Path | Sequence[Path],
    *,
    wishes: Wishes | None = None,
    options: Options | None = None,
    format: str = "",
    encoding: str = "",
) -> Outcome:
    """Convert files to a folder beside the first one, and read what came of it."""
    sources = [source] if isinstance(source, Path) else list(source)
    output = sources[0].parent / "out"
    convert(
        sources,
        output,
        wishes=wishes,
        options=options,
        format=format,
        encoding=encoding,
        force=output.exists(),
    )
    return read(output)


def jsonl(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as JSON, one to a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path
