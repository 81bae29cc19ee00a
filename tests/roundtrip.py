"""Rows in, a data set directory out, read back as plain values that a test compares at a glance."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, TypeVar, Unpack

import pyarrow.parquet as pq

from prefdata.conversion.convert import convert
from prefdata.formats import ReadOptions
from prefdata.transforms.options import Aggregate, Conflicts, Options, SplitBy, Strategy

Row = Mapping[str, object]
Read = dict[str, Any]
T = TypeVar("T")


class How(TypedDict, total=False):
    """Options of a conversion; see `Options`."""

    strategy: Strategy
    aggregate: Aggregate
    conflicts: Conflicts
    min_margin: float
    test_size: float
    seed: int
    weights: dict[str, float]
    lexicographic: tuple[str, ...]
    pareto: tuple[str, ...]
    veto: tuple[str, ...]
    split_by: SplitBy
    keep: tuple[str, ...]
    caps: dict[str, int]
    mix: dict[str, float]
    filters: dict[str, float | None]


class Reject(NamedTuple):
    """A row of the rejects, without its raw text."""

    line: int
    field: str
    reason: str
    detail: str


class Converted(NamedTuple):
    """A data set directory, read back.

    Attributes:
        rows: the data, in the order of the files, with ``split``; texts as one string.
        ledger: ``rows/``, in its order.
        rejects: ``rejects/``, in its order.
        manifest: the account.
        report: what the conversion said; None where only the directory was read.
    """

    rows: list[Read]
    ledger: list[Read]
    rejects: list[Read]
    manifest: dict[str, Any]
    report: Any = None

    @property
    def pairs(self) -> set[tuple[str, str, str]]:
        """Prompt, chosen and rejected of each pair."""
        return {(row["prompt"], row["chosen"], row["rejected"]) for row in self.rows}

    @property
    def answers(self) -> list[tuple[str, str]]:
        """Chosen and rejected of each pair, sorted."""
        return sorted((row["chosen"], row["rejected"]) for row in self.rows)

    @property
    def labels(self) -> set[tuple[str, str, bool]]:
        """Prompt, completion and label of each unpaired preference."""
        return {(row["prompt"], row["completion"], row["label"]) for row in self.rows}

    @property
    def ids(self) -> list[str]:
        """The ids of all rows, sorted."""
        return sorted(row["id"] for row in self.rows)

    @property
    def only(self) -> Read:
        """The one row that there is."""
        (row,) = self.rows
        return row

    @property
    def refused(self) -> list[Reject]:
        """The rejects in brief, in the order of the lines."""
        return sorted(
            Reject(row["line"], row["field"] or "", row["reason"], row["detail"] or "")
            for row in self.rejects
        )

    @property
    def format(self) -> str:
        """What the first source was recognised as."""
        return str(self.manifest["sources"][0]["format"])

    def became(self, line: int, source: str = "") -> list[tuple[str, str]]:
        """Outcome and reason of a line, each once."""
        found = [
            (e["outcome"], e["reason"])
            for e in self.ledger
            if e["line"] == line and (not source or e["source"].endswith(source))
        ]
        return list(dict.fromkeys(found))


def pair(chosen: str, rejected: str, prompt: str = "Q", **extra: object) -> Row:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **extra}


def rated(response: str, score: object, prompt: str = "Q", **extra: object) -> Row:
    return {"prompt": prompt, "response": response, "score": score, **extra}


def judged(a: str, b: str, winner: object, prompt: str = "Q", **extra: object) -> Row:
    return {"prompt": prompt, "response_a": a, "response_b": b, "winner": winner, **extra}


def labelled(completion: str, label: object, prompt: str = "Q", **extra: object) -> Row:
    return {"prompt": prompt, "completion": completion, "label": label, **extra}


def jsonl(path: Path, rows: Sequence[Row | str]) -> Path:
    """Write rows as JSON, one to a line; a text is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def make(
    folder: Path,
    *sources: Sequence[Row | str],
    read_options: ReadOptions | None = None,
    **how: Unpack[How],
) -> Converted:
    """Convert sources, called ``0.jsonl``, ``1.jsonl``, …; without a test split, if not told."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [jsonl(folder / f"{number}.jsonl", rows) for number, rows in enumerate(sources)]
    how.setdefault("test_size", 0.0)
    return converted(paths, read_options=read_options, **how)


def converted(
    source: Path | Sequence[Path],
    output: Path | None = None,
    *,
    read_options: ReadOptions | None = None,
    format: str = "",
    encoding: str = "",
    **how: Unpack[How],
) -> Converted:
    """Convert files, to a folder beside the first one if not told, and read what came of it."""
    sources = [source] if isinstance(source, Path) else list(source)
    output = output or sources[0].parent / "out"
    options = Options(**how)
    report = convert(
        sources,
        output,
        options=options,
        read_options=read_options,
        format=format,
        encoding=encoding,
        force=True,
    )
    return read(output)._replace(report=report)


def read(output: Path) -> Converted:
    """Read a data set directory, and hold its account."""
    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    rejects = _all(output / "rejects")
    assert manifest["rows_read"] == manifest["rows_used"] + manifest["rows_rejected"]
    assert len(rejects) == manifest["rows_rejected"]
    assert all(row["remedy"] and row["source"] for row in rejects)
    rows = [
        {**_plain(row), "split": path.name.split("-")[0]}
        for path in sorted((output / "data").iterdir())
        for row in pq.read_table(path).to_pylist()
    ]
    return Converted(rows, _all(output / "rows"), rejects, manifest)


def _all(folder: Path) -> list[Read]:
    return [row for path in sorted(folder.iterdir()) for row in pq.read_table(path).to_pylist()]


def _plain(row: Read) -> Read:
    texts = ("prompt", "chosen", "rejected", "completion")
    return {name: said(value) if name in texts else value for name, value in row.items()}


def said(turns: Sequence[Mapping[str, str]]) -> str:
    """The texts of messages, joined by a bar."""
    return " | ".join(turn["content"] for turn in turns)


def pickled(value: T) -> T:
    """A value as another process gets it."""
    again: T = pickle.loads(pickle.dumps(value))  # noqa: S301  # our own bytes
    return again
