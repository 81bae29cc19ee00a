"""The data set directory: opens anywhere, says what it holds, and matches the records."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from prefdata._version import __version__
from prefdata.conversion.convert import convert
from prefdata.errors import InputError
from prefdata.io.dataset import dataset_writer
from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.io.store import bucket_store
from prefdata.schemas import PreferencePair, UnpairedPreference
from tests.roundtrip import Row, jsonl, labelled, pair, rated

RATED: list[Row] = [
    rated(f"answer {k}", k, f"prompt {n}", model=f"model {k}") for n in range(60) for k in range(3)
]
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "Bye"},
]
PAIRS: list[Row] = [
    *({**pair(f"good {n}", f"bad {n}"), "prompt": TURNS} for n in range(5)),
    *(pair(f"good {n}", f"bad {n}", f"prompt {n}", score_chosen=2.5) for n in range(55)),
]
LABELLED: list[Row] = [labelled(f"answer {n}", n % 2 == 0, f"prompt {n}") for n in range(60)]
SOURCES = {"ratings": RATED, "pairs": PAIRS, "labels": LABELLED}


@pytest.fixture(params=list(SOURCES))
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data set directory of each kind, with some rows in the test split."""
    source = jsonl(tmp_path / f"{request.param}.jsonl", [*SOURCES[request.param], "{"])
    convert([source], tmp_path / "out", test_size=0.3)
    return tmp_path / "out"


def test_datasets_opens_it_with_nothing_else(directory: Path, tmp_path: Path) -> None:
    """`load_dataset(OUT)` gives both splits, with the rows that the manifest counts."""
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(directory), cache_dir=str(tmp_path / "cache"))
    manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
    counted = {name: split["rows"] for name, split in manifest["splits"].items()}
    assert {name: len(split) for name, split in loaded.items()} == counted
    assert set(counted) == {"train", "test"}
    assert loaded["train"][0]["prompt"][0]["role"] in ("user", "system")


def test_stored_rows_are_the_published_records(directory: Path) -> None:
    """Every file has exactly the record's Arrow schema, and every row is a valid record."""
    for path in (directory / "data").iterdir():
        table = pq.read_table(path)
        record = UnpairedPreference if "label" in table.column_names else PreferencePair
        assert table.schema.remove_metadata().equals(record.arrow_schema())
        for row in table.to_pylist():
            record.model_validate(row)


def test_the_account_has_its_own_schema(directory: Path) -> None:
    """What became of the rows, and the refused ones, are Parquet that anybody can query."""
    for name, schema in (("rows", dataset_writer.ROWS), ("rejects", dataset_writer.REJECTS)):
        (path,) = (directory / name).iterdir()
        assert path.name == f"{name}-00000-of-00001.parquet"
        assert pq.read_schema(path).remove_metadata().equals(schema)


def test_the_card_says_how_to_load_it(directory: Path) -> None:
    """The header of README.md is YAML with the files of each split; the text has the account."""
    text = (directory / "README.md").read_text("utf-8")
    header = yaml.safe_load(text.split("---\n")[1])
    (config,) = header["configs"]
    assert config["config_name"] == "default"
    for each in config["data_files"]:
        assert list(directory.glob(each["path"]))
    assert [each["split"] for each in config["data_files"]] == ["train", "test"]
    assert header["size_categories"] == ["n<1K"]
    assert "rows read = " in text


@pytest.mark.parametrize("packed", [False, True])
def test_the_manifest_names_its_sources(tmp_path: Path, *, packed: bool) -> None:
    """Size and hash are those of the file as it lies on disk."""
    source = jsonl(tmp_path / "in.jsonl", RATED)
    if packed:
        source = tmp_path / "in.jsonl.gz"
        source.write_bytes(gzip.compress((tmp_path / "in.jsonl").read_bytes()))
    convert([source], tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    (found,) = manifest["sources"]
    data = source.read_bytes()
    assert (found["name"], found["size"]) == (str(source), len(data))
    assert found["sha256"] == hashlib.sha256(data).hexdigest()
    assert (found["rows"], manifest["rows_read"], manifest["rows_used"]) == (180, 180, 180)
    assert manifest["program_version"] == __version__
    assert manifest["options"]["strategy"] == "best-worst"


def test_the_schema_version_is_the_one_that_the_trainer_reads() -> None:
    """Two modules that may not import each other agree on it."""
    from prefdata.io.dataset.dataset_reader import SCHEMA_VERSIONS

    assert SCHEMA_VERSIONS[-1] == dataset_writer.SCHEMA_VERSION


def test_the_trainer_finds_the_splits(directory: Path) -> None:
    """What convert writes is what train opens."""
    from prefdata.io.dataset.dataset_reader import open_dataset

    opened = open_dataset(directory)
    manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
    assert opened.kind == manifest["kind"]
    assert opened.rows == {name: split["rows"] for name, split in manifest["splits"].items()}


@pytest.mark.parametrize("number", [2, 4, 32])
def test_many_buckets_are_many_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A large source gives numbered files, with the same rows in the same order as one file."""
    source = jsonl(tmp_path / "in.jsonl", RATED)
    whole = convert([source], tmp_path / "whole")
    monkeypatch.setattr(bucket_store, "BUCKET_BYTES", source.stat().st_size // number)
    parts = convert([source], tmp_path / "parts")
    files = sorted((tmp_path / "parts" / "data").glob("train-*"))
    count = len(files)
    assert 2 <= count <= number
    assert [f.name for f in files] == [
        f"train-{n:05d}-of-{count:05d}.parquet" for n in range(count)
    ]
    ids = [value for file in files for value in pq.read_table(file)["id"].to_pylist()]
    (one,) = (tmp_path / "whole" / "data").glob("train-*")
    assert ids == pq.read_table(one)["id"].to_pylist()
    assert whole.outcomes == parts.outcomes


def test_one_row_is_enough(tmp_path: Path) -> None:
    """The smallest data set: one pair."""
    report = convert([jsonl(tmp_path / "in.jsonl", [pair("x", "y")])], tmp_path / "out")
    assert (report.rows, report.rows_read) == (1, 1)


def test_a_very_long_answer_is_kept_whole(tmp_path: Path) -> None:
    """Five million characters are an answer like any other."""
    long = "word " * 1_000_000 + "end"
    convert(
        [jsonl(tmp_path / "in.jsonl", [pair(long, "short"), pair("x", "y")])],
        tmp_path / "out",
        test_size=0,
    )
    (path,) = (tmp_path / "out" / "data").iterdir()
    assert long in {row["chosen"][0]["content"] for row in pq.read_table(path).to_pylist()}


@pytest.mark.parametrize("name", ["out[1]", "out*", "out?", "{a,b}", "a b#c%41", "[x] :smile:"])
def test_an_output_may_be_called_anything(tmp_path: Path, name: str) -> None:
    """No part of a name is a pattern: of ratings, comparisons, and where conversations count."""
    for made, rows in (
        ("ratings", [rated("good", 2), rated("bad", 1)]),
        ("pairs", [pair("x", "y")]),
    ):
        source = jsonl(tmp_path / f"{made}.jsonl", rows)
        output = tmp_path / made / name
        report = convert([source], output, split_by="conversation", test_size=0)
        assert report.rows == 1
        again = convert([output], tmp_path / made / f"again {name}", test_size=0)
        assert again.rows == 1


@pytest.mark.parametrize("gone", ["00000", "00001", "00002"])
def test_a_directory_that_was_copied_in_part_is_refused(tmp_path: Path, gone: str) -> None:
    """The names of the files say how many there are; the others would be taken for all."""
    output = tmp_path / "out"
    rows = [pair("x", "y", f"P{n}") for n in range(5)]
    convert([jsonl(tmp_path / "in.jsonl", rows)], output, test_size=0)
    (whole,) = (output / "data").iterdir()
    for number in ("00000", "00001", "00002"):
        (output / "data" / f"train-{number}-of-00003.parquet").write_bytes(whole.read_bytes())
    whole.unlink()
    assert open_dataset(output).rows["train"] == 3 * len(rows)
    name = f"train-{gone}-of-00003.parquet"
    (output / "data" / name).unlink()
    with pytest.raises(InputError, match=rf"of the 3 files .* missing is data/{name}"):
        open_dataset(output)
