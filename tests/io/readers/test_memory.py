"""What a program holds in memory is read as a file with the same rows would be."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from prefdata.conversion.convert import convert
from prefdata.conversion.inspect import inspect
from prefdata.errors import InputError, UsageError
from prefdata.io.readers.memory import SourceLike, Sources
from prefdata.schemas import PreferencePair
from tests.roundtrip import Converted, converted, jsonl, pair, read

ROWS = [pair("4", "5", "2+2?"), pair("Paris", "Rome", "Capital of France?")]


def convert_rows(source: Sources, folder: Path) -> Converted:
    convert(source, folder / "memory", force=True)
    return read(folder / "memory")


def as_pandas(rows: list[dict[str, object]]) -> object:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([{**rows[0], "prompt": "left out"}, *rows])
    return frame[frame["prompt"] != "left out"]  # its index begins with 1


def as_dataset(rows: list[dict[str, object]]) -> object:
    datasets = pytest.importorskip("datasets")
    return datasets.Dataset.from_list([*rows, rows[0]]).select(range(len(rows)))


@pytest.mark.parametrize(
    ("of_rows", "name"),
    [
        (list, "list"),
        (tuple, "tuple"),
        (pl.DataFrame, "polars.DataFrame"),
        (pl.LazyFrame, "polars.LazyFrame"),
        (lambda rows: pl.DataFrame(rows).to_arrow(), "pyarrow.Table"),
        (as_pandas, "pandas.DataFrame"),
        (as_dataset, "datasets.Dataset"),
    ],
)
def test_a_frame_gives_what_a_file_gives(
    of_rows: Callable[[object], Sources], name: str, tmp_path: Path
) -> None:
    """The pairs, their ids, and the account; the source bears the name of its type."""
    from_file = converted(jsonl(tmp_path / "pairs.jsonl", ROWS))
    from_memory = convert_rows(of_rows(ROWS), tmp_path)
    assert [{**row, "source": name} for row in from_file.rows] == from_memory.rows
    assert [source["name"] for source in from_memory.manifest["sources"]] == [name]


def test_records_are_rows(tmp_path: Path) -> None:
    """A list of them is one source."""
    records: Sources = [PreferencePair.model_validate(row) for row in ROWS]
    assert (
        convert_rows(records, tmp_path).pairs
        == converted(jsonl(tmp_path / "pairs.jsonl", ROWS)).pairs
    )


def test_each_split_of_a_dataset_is_a_source(tmp_path: Path) -> None:
    """As of a `datasets.DatasetDict`."""
    datasets = pytest.importorskip("datasets")
    splits = datasets.DatasetDict(
        {name: datasets.Dataset.from_list([row]) for name, row in zip("ab", ROWS, strict=True)}
    )
    manifest = convert_rows(splits, tmp_path).manifest
    assert [(s["name"], s["rows"]) for s in manifest["sources"]] == [("a", 1), ("b", 1)]


def test_two_frames_of_a_type_have_two_names(tmp_path: Path) -> None:
    """So that each row can be traced; files and frames mix."""
    path = jsonl(tmp_path / "c.jsonl", [pair("7", "8")])
    sources: list[SourceLike] = [pl.DataFrame(ROWS[:1]), pl.DataFrame(ROWS[1:]), path]
    result = convert_rows(sources, tmp_path)
    names = [source["name"] for source in result.manifest["sources"]]
    assert names == ["polars.DataFrame", "polars.DataFrame-2", str(path)]


def test_a_refused_row_of_a_frame_is_named(tmp_path: Path) -> None:
    """By the type of its source and its number, with the raw row."""
    rows = [*ROWS, {"prompt": "odd", "chosen": "same", "rejected": "same"}]
    (reject,) = convert_rows(pl.DataFrame(rows), tmp_path).rejects
    assert (reject["source"], reject["line"]) == ("polars.DataFrame", 3)
    assert '"odd"' in reject["raw"]


def test_a_number_that_is_none_is_null(tmp_path: Path) -> None:
    """As JSON has it: the row is refused, not its file."""
    rows = [
        {"prompt": "2+2?", "response": "4", "score": 5.0},
        {"prompt": "2+2?", "response": "5", "score": 1.0},
        {"prompt": "2+2?", "response": "6", "score": math.nan},
    ]
    assert convert_rows(rows, tmp_path).manifest["rows_rejected"] == 1


def test_inspect_takes_frames_too() -> None:
    """What is shown names the frame."""
    (inspection,) = inspect(pl.DataFrame(ROWS))
    assert (inspection.name, inspection.format) == ("polars.DataFrame", "pairs")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (3, UsageError, "a source of type int holds no rows"),
        ([[]], InputError, "list has no row"),
        ([], UsageError, "no source was named"),
        (pl.DataFrame(), InputError, "polars.DataFrame has no row"),
        ({"train": []}, InputError, "train has no row"),
        (
            [{"prompt": "2+2?", "chosen": "4", "rejected": object()}],
            InputError,
            "list, row 1 cannot be stored: Type is not JSON serializable: object",
        ),
        (
            [[{"prompt": "2+2?"}, "4"]],
            InputError,
            "list, row 2: expected a dictionary or a record, found str",
        ),
    ],
)
def test_what_holds_no_rows_is_refused(
    source: Sources, error: type[Exception], message: str, tmp_path: Path
) -> None:
    """With what it is, and nothing is written."""
    with pytest.raises(error) as caught:
        convert_rows(source, tmp_path)
    assert str(caught.value) == message
    assert not list(tmp_path.iterdir())
