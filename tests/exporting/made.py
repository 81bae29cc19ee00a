"""Data set directories, made by converting rows, and exports of them, read back as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from prefdata.conversion.convert import convert
from prefdata.conversion.convert_options import ConvertOptions
from prefdata.exporting.export import export
from prefdata.exporting.report import ExportReport
from prefdata.schemas import PreferencePair

Row = Mapping[str, object]
Turns = list[dict[str, str]]


def turns(*texts: str, system: str = "") -> Turns:
    """A conversation that the user begins, and that the one before the last turn answers."""
    roles = ("user", "assistant")
    said = [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]
    return [{"role": "system", "content": system}, *said] if system else said


def answer(text: str) -> Turns:
    return [{"role": "assistant", "content": text}]


def pair(prompt: Turns | str, chosen: str, rejected: str, **extra: object) -> Row:
    asked = turns(prompt) if isinstance(prompt, str) else prompt
    return {"prompt": asked, "chosen": answer(chosen), "rejected": answer(rejected), **extra}


def labelled(prompt: Turns | str, completion: str, label: bool, **extra: object) -> Row:
    asked = turns(prompt) if isinstance(prompt, str) else prompt
    return {"prompt": asked, "completion": answer(completion), "label": label, **extra}


def dataset(folder: Path, rows: Sequence[Row], test_size: float | None = 0.0) -> Path:
    """A data set directory made of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    convert([source], folder / "data set", test_size=test_size, force=True)
    return folder / "data set"


def with_tools(folder: Path, rows: Sequence[Row]) -> Path:
    """A data set directory whose messages have the fields for tools."""
    (folder / "data").mkdir(parents=True)
    numbered = [{"id": str(n), "prompt_id": str(n), **row} for n, row in enumerate(rows)]
    table = pa.Table.from_pylist(numbered, PreferencePair.arrow_schema(extended=True))
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    manifest = {"kind": "pairs", "schema_version": 1, "program": "prefdata"}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def stored(folder: Path) -> dict[str, Row]:
    """The rows of a data set directory, by id."""
    tables = [pq.read_table(path) for path in sorted((folder / "data").glob("*.parquet"))]
    return {row["id"]: row for table in tables for row in table.to_pylist()}


def exported(source: Path, target: str, **how: bool | int) -> tuple[ExportReport, Path]:
    """An export, beside the data set; its account holds."""
    output = source.parent / f"for {target}"
    report = export(source, target, output, force=True, **how)  # type: ignore[arg-type]
    others = (report.merged, report.left_over, report.refused)
    assert report.items == report.written + sum(sum(each.values()) for each in others)
    assert report.written == sum(report.splits.values())
    assert len(refused(output)) == sum(report.refused.values())
    return report, output


def written(output: Path, split: str = "train") -> list[dict[str, object]]:
    """The rows of a split of an export, as its file has them."""
    (path,) = (output / "data").glob(f"{split}.*")
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".csv":
        return pl.read_csv(path, infer_schema=False).to_dicts()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def refused(output: Path) -> list[dict[str, object]]:
    """The rejects of an export."""
    path = output / "rejects.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def again(output: Path, **options: Unpack[ConvertOptions]) -> dict[str, Row]:
    """What converting an export gives, by id."""
    back = output.parent / "back"
    options.setdefault("test_size", 0)
    convert(output, back, force=True, **options)
    return stored(back)
