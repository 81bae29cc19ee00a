"""Rows in, a data set directory out, read back as plain values: what these tests are written in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict, Unpack

import pyarrow.parquet as pq

from prefdata.engine import ConvertReport, convert
from prefdata.formats import Wishes
from prefdata.transforms.options import Aggregate, Conflicts, Options, SplitBy, Strategy

Row = Mapping[str, object]
Read = dict[str, object]


class How(TypedDict, total=False):
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


class Made(NamedTuple):
    """A data set directory, read back.

    Attributes:
        report: what the conversion said.
        rows: the data, in the order of the files, with ``split``; texts as one string.
        ledger: ``rows/``, in its order.
        rejects: ``rejects/``, in its order.
    """

    report: ConvertReport
    rows: list[Read]
    ledger: list[Read]
    rejects: list[Read]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Chosen and rejected, sorted."""
        return sorted((str(row["chosen"]), str(row["rejected"])) for row in self.rows)

    @property
    def only(self) -> Read:
        """The one row that there is."""
        (row,) = self.rows
        return row

    def became(self, line: int, source: str = "") -> list[tuple[object, object]]:
        """Outcome and reason of a line, each once."""
        found = [
            (e["outcome"], e["reason"])
            for e in self.ledger
            if e["line"] == line and (not source or str(e["source"]).endswith(source))
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
    """Write rows, one to a line; a text is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def make(
    folder: Path,
    *sources: Sequence[Row | str],
    wishes: Wishes | None = None,
    **how: Unpack[How],
) -> Made:
    """Convert sources, called ``0.jsonl``, ``1.jsonl``, …; without a test split, if not told."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [jsonl(folder / f"{number}.jsonl", rows) for number, rows in enumerate(sources)]
    how.setdefault("test_size", 0.0)
    return converted(paths, folder / "out", wishes=wishes, **how)


def converted(
    paths: Sequence[Path],
    output: Path,
    *,
    wishes: Wishes | None = None,
    format: str = "",
    **how: Unpack[How],
) -> Made:
    """Convert files and read the result back."""
    options = Options(**how)
    report = convert(paths, output, options=options, wishes=wishes, format=format, force=True)
    return read(output, report)


def read(output: Path, report: ConvertReport) -> Made:
    rows = [
        {**row, "split": path.name.split("-")[0]}
        for path in sorted((output / "data").iterdir())
        for row in pq.read_table(path).to_pylist()
    ]
    return Made(
        report, [_plain(row) for row in rows], _all(output / "rows"), _all(output / "rejects")
    )


def _all(folder: Path) -> list[Read]:
    return [row for path in sorted(folder.iterdir()) for row in pq.read_table(path).to_pylist()]


def _plain(row: Read) -> Read:
    texts = ("prompt", "chosen", "rejected", "completion")
    return {name: said(value) if name in texts else value for name, value in row.items()}


def said(turns: object) -> str:
    """The texts of messages, joined by a bar."""
    assert isinstance(turns, list)
    return " | ".join(turn["content"] for turn in turns)
