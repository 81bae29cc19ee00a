"""Columns that are passed on: text in every row, whatever the source holds."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefdata.conversion.convert import convert
from prefdata.conversion.inspect import inspect
from prefdata.errors import InputError, UnknownNameError
from tests.roundtrip import Row, converted, jsonl, labelled, make, pair, rated

ODD: list[object] = ["en", 5, 2.5, True, None, ["a", "é"], {"k": [1, None]}, "ü\n", 10**12]
TEXTS = ["en", "5", "2.5", "true", None, '["a", "é"]', '{"k": [1, null]}', "ü\n", str(10**12)]
"""Values of every type, and the text that each becomes."""


def kept(made_rows: list[dict[str, object]], name: str = "keep_extra") -> dict[object, object]:
    return {row["prompt"]: row[name] for row in made_rows}


def test_values_of_every_type_are_text(tmp_path: Path) -> None:
    """No value of a kept column makes its row unreadable, and none changes another."""
    rows = [pair("good", "bad", f"P{n}", extra=value) for n, value in enumerate(ODD)]
    made = make(tmp_path, rows, keep=("extra",))
    assert kept(made.rows) == {f"P{n}": text for n, text in enumerate(TEXTS)}
    for path in (tmp_path / "out" / "data").iterdir():
        assert pq.read_schema(path).field("keep_extra").type == pa.string()


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, 2], ["1", "2"]),
        (["a", "b"], ["a", "b"]),
        ([0.5, 2.0], ["0.5", "2"]),
        ([True, False], ["true", "false"]),
        ([[1], [2, 3]], ["[1]", "[2, 3]"]),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "parquet", "json-with-a-slip"])
def test_the_text_is_the_same_from_any_file(
    tmp_path: Path, values: list[object], texts: list[str], kind: str
) -> None:
    """Quick or careful, JSON or Parquet: numbers stand in their shortest form."""
    rows = [pair("good", "bad", f"P{n}", extra=value) for n, value in enumerate(values)]
    source = tmp_path / "in.parquet"
    if kind == "parquet":
        pl.DataFrame(rows).write_parquet(source)
    else:
        source = jsonl(tmp_path / "in.jsonl", [*rows, *(["{"] if kind != "jsonl" else [])])
    made = converted([source], tmp_path / "out", keep=("extra",), test_size=0.0)
    assert kept(made.rows) == {f"P{n}": text for n, text in enumerate(texts)}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([90], pa.duration("s")), "PT1M30S"),
        (pa.array([1], pa.date32()), "1970-01-02"),
        (pa.array([1_000_000], pa.time64("us")), "00:00:01"),
        (pa.array([b"ab"], pa.binary(2)), "ab"),
        (pa.array([b"\xff\x00"]), "/wA="),
        (pa.array([Decimal("1.50")], pa.decimal128(38, 10)), "1.5"),
        (pa.array([{"k": b"ab"}]), '{"k": "ab"}'),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), '{"a": 1}'),
        (pa.array([2**64 - 1], pa.uint64()), str(2**64 - 1)),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_every_type_of_parquet_has_a_text(tmp_path: Path, values: pa.Array, text: str) -> None:
    """Whatever a column that is passed on may hold."""
    table = pa.table({"prompt": ["Q"], "chosen": ["a"], "rejected": ["b"], "extra": values})
    pq.write_table(table, tmp_path / "in.parquet")
    made = converted([tmp_path / "in.parquet"], tmp_path / "out", keep=("extra",))
    assert made.only["keep_extra"] == text


def test_a_type_that_is_not_read_is_named_where_its_column_is_needed(tmp_path: Path) -> None:
    """And nowhere else: the other columns are read."""
    runs = pa.RunEndEncodedArray.from_arrays([1], [5])
    table = pa.table({"prompt": ["Q"], "chosen": ["a"], "rejected": ["b"], "runs": runs})
    with pa.ipc.new_file(tmp_path / "in.arrow", table.schema) as writer:
        writer.write_table(table)
    assert converted([tmp_path / "in.arrow"], tmp_path / "out").only["chosen"] == "a"
    with pytest.raises(InputError, match="the column 'runs' is of the type run_end_encoded"):
        converted([tmp_path / "in.arrow"], tmp_path / "more", keep=("runs",))


def test_of_ratings_the_row_of_the_chosen_response_counts(tmp_path: Path) -> None:
    """What is kept stands where the chosen answer stands."""
    rows = [rated("bad", 1, extra="of bad"), rated("good", 2, extra="of good")]
    assert make(tmp_path, rows, keep=("extra", "score")).only["keep_extra"] == "of good"


def test_labels_keep_columns_too(tmp_path: Path) -> None:
    """Unpaired preferences are rows like any other."""
    made = make(tmp_path, [labelled("x", True, extra={"a": 1})], keep=("extra",))
    assert made.only["keep_extra"] == '{"a": 1}'


def test_a_column_that_is_read_anyway_can_be_kept(tmp_path: Path) -> None:
    """Also one that is itself a field: the prompt as it stood in the source."""
    turns = [{"role": "user", "content": "Hi"}]
    row: Row = {**pair("good", "bad", margin=2), "prompt": turns}
    made = make(tmp_path, [row], keep=("prompt", "margin"))
    assert made.only["keep_prompt"] == '[{"role": "user", "content": "Hi"}]'
    assert made.only["keep_margin"] == "2"


def test_sources_need_not_all_have_the_column(tmp_path: Path) -> None:
    """Where it is absent, it is empty, and every file has the same columns."""
    one = [pair("good", "bad", f"P{n}", lang="en") for n in range(4)]
    two = [rated(f"{n}", n, "R") for n in range(3)]
    made = make(tmp_path, one, two, keep=("la*",), test_size=0.5)
    assert kept(made.rows, "keep_lang") == {**{f"P{n}": "en" for n in range(4)}, "R": None}
    schemas = {pq.read_schema(p).names[-1] for p in (tmp_path / "out" / "data").iterdir()}
    assert schemas == {"keep_lang"}


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_an_empty_cell_is_kept_as_missing(tmp_path: Path, kind: str) -> None:
    """As null in JSON is, and as it is in every other column; also where a field is kept."""
    source = tmp_path / f"in.{kind}"
    lines = ["prompt,chosen,rejected,margin,lang", "P0,a,b,,", "P1,a,b,2,en", 'P2,a,b,1,""']
    text = "\n".join(lines).replace(",", {"csv": ",", "tsv": "\t"}[kind])
    source.write_text(text, encoding="utf-8")
    made = converted([source], tmp_path / "out", keep=("lang", "margin"), test_size=0.0)
    assert kept(made.rows, "keep_lang") == {"P0": None, "P1": "en", "P2": None}
    assert kept(made.rows, "keep_margin") == {"P0": None, "P1": "2", "P2": "1"}


def test_what_was_kept_can_be_kept_again(tmp_path: Path) -> None:
    """The name stays as it is, and csv is a source like any other."""
    with (tmp_path / "in.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["prompt", "chosen", "rejected", "id x"], ["Q", "a", "b", "7"]])
    convert([tmp_path / "in.csv"], tmp_path / "one", keep=("id*",), test_size=0)
    made = converted([tmp_path / "one"], tmp_path / "two", keep=("keep_*",), test_size=0.0)
    assert made.only["keep_id x"] == "7"


def test_a_column_that_is_not_there_is_answered_with_near_names(tmp_path: Path) -> None:
    """In the conversion and in the inspection alike."""
    source = jsonl(tmp_path / "in.jsonl", [pair("a", "b", language="en")])
    with pytest.raises(UnknownNameError, match="unknown column 'langage' in --keep") as caught:
        convert([source], tmp_path / "out", keep=("langage",))
    assert "Did you mean 'language'?" in caught.value.hint
    (found,) = inspect([source], keep=("language",))
    assert found.example["keep_language"] == "en"
