"""Every format against its sample: hand-written rows, of which a reader sees what is right.

`samples/NAME.jsonl` (or .csv) holds the rows; `samples/NAME.yaml` says what each row is, which
pairs come of them, and which are rejected for what. In a sample the better answer says "good" and
the worse one "bad", so that no label can be inverted without a test that fails.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from prefdata.conversion.detect_sources import detect_sources
from prefdata.conversion.read_records import read_records
from prefdata.errors import InputError
from prefdata.formats import FORMATS, Format, ReadOptions, detect
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import open_sources
from tests.roundtrip import Converted, converted

SAMPLES = Path(__file__).parent / "samples"
READ = [each for each in FORMATS.values() if not each.facts.refusal]
REFUSED = [each for each in FORMATS.values() if each.facts.refusal]


def file_of(format: Format) -> Path:
    """The sample of a format."""
    files = [path for path in SAMPLES.glob(f"{format.name}.*") if path.suffix != ".yaml"]
    assert len(files) == 1, f"{format.name} needs one sample in tests/formats/samples"
    return files[0]


def expected(format: Format) -> dict[str, Any]:
    """What its rows are, and what should come of them."""
    return dict(yaml.safe_load((SAMPLES / f"{format.name}.yaml").read_text(encoding="utf-8")))


def copy_of(format: Format, folder: Path, text: str | None = None) -> Path:
    """The sample in a folder of its own, which is named like the data set where that tells it."""
    hub = next(iter(format.facts.sets), "sample").replace("/", "--")
    path = folder / hub / file_of(format).name
    path.parent.mkdir()
    path.write_text(file_of(format).read_text("utf-8") if text is None else text, "utf-8")
    return path


def pairs_of(outcome: Converted, expectation: dict[str, Any]) -> set[tuple[object, ...]]:
    return outcome.labels if "labels" in expectation else outcome.pairs  # type: ignore[return-value]


@pytest.mark.parametrize("format", READ, ids=lambda each: each.name)
def test_a_sample_gives_the_pairs_that_a_reader_expects(format: Format, tmp_path: Path) -> None:
    """Recognised without a flag; each pair and each reject is named beside the rows."""
    expectation = expected(format)
    outcome = converted(copy_of(format, tmp_path))
    assert outcome.format == format.name
    assert outcome.manifest["rows_read"] == len(expectation["rows"])
    listed = expectation["labels"] if "labels" in expectation else expectation["pairs"]
    assert pairs_of(outcome, expectation) == {tuple(each) for each in listed}
    assert {each.line: each.reason for each in outcome.refused} == expectation.get("rejects", {})


@pytest.mark.parametrize("format", READ, ids=lambda each: each.name)
def test_no_label_is_inverted(format: Format, tmp_path: Path) -> None:
    """The better answer says good, the worse one says bad, in every pair of every sample."""
    outcome = converted(copy_of(format, tmp_path))
    if "labels" in expected(format):
        assert {("good" in text, label) for _, text, label in outcome.labels} == {
            (True, True),
            (False, False),
        }
        return
    assert outcome.pairs
    assert all("good" in chosen and "bad" in rejected for _, chosen, rejected in outcome.pairs)


@pytest.mark.parametrize("format", READ, ids=lambda each: each.name)
def test_a_sample_shows_an_oddity(format: Format) -> None:
    """Five to ten rows, each with a phrase that says what it is."""
    assert 5 <= len(expected(format)["rows"]) <= 10
    assert len(set(expected(format)["rows"])) == len(expected(format)["rows"])


@pytest.mark.parametrize(
    "format",
    [each for each in READ if each.kind == "comparisons" and "winner" in each.fields],
    ids=lambda each: each.name,
)
def test_both_sides_win_in_a_sample(format: Format, tmp_path: Path) -> None:
    """A reader that always takes the first answer would fail."""
    with open_sources([str(copy_of(format, tmp_path))]) as files:
        _, records = next(read_records(detect_sources(files, ReadOptions())[0], 0, ""))
    sound = records.filter(records["reason"].is_null())
    assert {1, -1} <= set(sound["winner"])


@pytest.mark.parametrize(
    "format",
    [each for each in READ if file_of(each).suffix == ".jsonl"],
    ids=lambda each: each.name,
)
def test_more_columns_in_another_order_change_nothing(format: Format, tmp_path: Path) -> None:
    """A format is known by the columns it needs, not by those it has."""
    lines = file_of(format).read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    odd = [{"a_note": "kept by hand", **dict(reversed(row.items())), "z": 1} for row in rows]
    (tmp_path / "odd").mkdir()
    plain = converted(copy_of(format, tmp_path))
    mixed = converted(copy_of(format, tmp_path / "odd", "\n".join(map(json.dumps, odd)) + "\n"))
    assert mixed.format == format.name
    assert mixed.ids == plain.ids
    assert pairs_of(mixed, expected(format)) == pairs_of(plain, expected(format))


@pytest.mark.parametrize(
    "format",
    [each for each in READ if each.facts.sets],
    ids=lambda each: each.name,
)
def test_a_sample_in_a_file_of_any_name_gives_the_same(format: Format, tmp_path: Path) -> None:
    """Its columns tell what it is; or a generic format reads the same out of them."""
    by_name = converted(copy_of(format, tmp_path))
    (tmp_path / "any").mkdir()
    plain = tmp_path / "any" / f"data{file_of(format).suffix}"
    plain.write_bytes(file_of(format).read_bytes())
    outcome = converted(plain)
    assert outcome.ids == by_name.ids
    assert pairs_of(outcome, expected(format)) == pairs_of(by_name, expected(format))
    assert [(each.line, each.reason) for each in outcome.refused] == [
        (each.line, each.reason) for each in by_name.refused
    ]


def as_cells(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as CSV, lists and objects as JSON in their cells."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {n: json.dumps(v) if isinstance(v, list | dict) else v for n, v in row.items()}
            )


@pytest.mark.parametrize("name", ["prompt", "chosen", "rejected"])
def test_what_is_missing_has_one_reason_in_any_kind_of_file(name: str, tmp_path: Path) -> None:
    """An empty cell of a table is what null is in JSON, and in Parquet."""
    whole = {"prompt": "a?", "chosen": "good", "rejected": "bad"}
    rows: list[dict[str, Any]] = [{**whole, name: None}, whole]
    as_cells(rows, tmp_path / "rows.csv")
    as_columns(rows, tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    for suffix in ("csv", "parquet", "jsonl"):
        (refused,) = converted(tmp_path / f"rows.{suffix}").refused
        assert (refused.field, refused.reason) == (name, "field is missing")


def as_columns(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as Parquet, each column of one type."""
    pl.DataFrame(rows, infer_schema_length=None, strict=False).write_parquet(path)


@pytest.mark.parametrize(
    "format",
    [each for each in READ if file_of(each).suffix == ".jsonl"],
    ids=lambda each: each.name,
)
@pytest.mark.parametrize("write", [as_cells, as_columns], ids=["csv", "parquet"])
def test_the_same_rows_in_another_kind_of_file_give_the_same(
    format: Format, write: Callable[[list[dict[str, Any]], Path], None], tmp_path: Path
) -> None:
    """No JSON of a cell becomes an answer; an empty cell is missing."""
    plain = converted(copy_of(format, tmp_path))
    rows = [json.loads(line) for line in file_of(format).read_text("utf-8").splitlines()]
    (tmp_path / "other").mkdir()
    folder = copy_of(format, tmp_path / "other").parent
    path = folder / ("data.csv" if write is as_cells else "data.parquet")
    write(rows, path)
    other = converted(path)
    assert other.format == format.name
    assert other.ids == plain.ids
    assert len(other.refused) == len(plain.refused)


@pytest.mark.parametrize("format", list(FORMATS.values()), ids=lambda each: each.name)
def test_formats_that_look_alike_are_told_apart(format: Format, tmp_path: Path) -> None:
    """The best match is better than the next, and not by chance of the order."""
    with open_sources([str(copy_of(format, tmp_path))]) as files:
        first = read_sample(files[0])
    fits = [match for each in FORMATS.values() if (match := each.match(first, ReadOptions()))]
    best = max(match.score for match in fits)
    assert [match.format for match in fits if match.score == best] == [format.name]


@pytest.mark.parametrize("format", REFUSED, ids=lambda each: each.name)
def test_what_cannot_be_converted_is_recognised_and_says_why(
    format: Format, tmp_path: Path
) -> None:
    """Not read as something else, and not called unknown."""
    with pytest.raises(InputError) as error:
        converted(copy_of(format, tmp_path))
    assert format.name in str(error.value)
    assert error.value.hint == format.facts.refusal


@pytest.mark.parametrize("format", READ, ids=lambda each: each.name)
def test_the_example_of_a_format_is_recognised_as_it(format: Format, tmp_path: Path) -> None:
    """What `pref formats NAME` shows is what the program reads."""
    path = copy_of(format, tmp_path, json.dumps(dict(format.example)) + "\n")
    with open_sources([str(path)]) as files:
        first = read_sample(files[0])
    assert detect(first, ReadOptions(), name=path.name).format.name == format.name
