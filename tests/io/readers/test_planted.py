"""One bad row in the middle of 10,000 is in the rejects with its line, and nothing else moves."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.roundtrip import Converted, Reject, converted

ROWS = 10_000
PLACE = 5_000


@cache
def json_rows() -> list[bytes]:
    rows = (
        {"prompt": f"What is {i} + {i}?", "chosen": f"{2 * i}", "rejected": f"{i}!"}
        for i in range(ROWS)
    )
    return [json.dumps(row).encode() for row in rows]


@cache
def csv_rows() -> list[bytes]:
    return [f'"What is {i}, and {i}?",{2 * i},"line\n{i}"'.encode() for i in range(ROWS)]


@pytest.fixture(scope="module")
def json_ids(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The ids of the pairs of 10,000 sound rows."""
    path = tmp_path_factory.mktemp("sound") / "sound.jsonl"
    path.write_bytes(b"\n".join(json_rows()) + b"\n")
    return converted(path).ids


@pytest.fixture(scope="module")
def csv_ids(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The ids of the pairs of 10,000 sound records, of two lines each."""
    path = tmp_path_factory.mktemp("sound") / "sound.csv"
    path.write_bytes(b"prompt,chosen,rejected\n" + b"\n".join(csv_rows()) + b"\n")
    return converted(path).ids


def in_jsonl(folder: Path, row: str | bytes, encoding: str = "") -> Converted:
    """Plant a line as line 5,001."""
    planted = row if isinstance(row, bytes) else row.encode()
    path = folder / "planted.jsonl"
    path.write_bytes(b"\n".join([*json_rows()[:PLACE], planted, *json_rows()[PLACE:]]) + b"\n")
    return converted(path, encoding=encoding)


def in_csv(folder: Path, row: str | bytes, encoding: str = "") -> Converted:
    """Plant a record on line 10,002: a header, and 5,000 records of two lines, stand before it."""
    planted = row if isinstance(row, bytes) else row.encode()
    path = folder / "planted.csv"
    lines = [b"prompt,chosen,rejected", *csv_rows()[:PLACE], planted, *csv_rows()[PLACE:]]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return converted(path, encoding=encoding)


def field(name: str, value: str) -> str:
    """A row as JSON, with one field written as given."""
    given = {"prompt": '"x?"', "chosen": '"y"', "rejected": '"z"', name: value}
    return "{" + ", ".join(f'"{key}": {text}' for key, text in given.items()) + "}"


BROKEN, UNREADABLE = "not valid JSON", "text that no tokenizer can read"
JSON: dict[str, tuple[str | bytes, Reject]] = {
    "broken JSON": (
        '{"prompt": "x", chosen}',
        Reject(5001, "", BROKEN, "Expecting property name enclosed in double quotes at column 17"),
    ),
    "truncated JSON": (
        '{"prompt": "x", "chosen": "y',
        Reject(5001, "", BROKEN, "Unterminated string starting at column 27"),
    ),
    "no JSON": ("hello", Reject(5001, "", BROKEN, "Expecting value at column 1")),
    "a number for a text": (
        field("chosen", "5"),
        Reject(5001, "chosen", "wrong type", "expected text, found a number"),
    ),
    "an object for a text": (
        field("chosen", '{"mood": "y"}'),
        Reject(5001, "chosen", "field is missing", "content"),
    ),
    "missing field": (
        '{"prompt": "x?", "chosen": "y"}',
        Reject(5001, "rejected", "field is missing", ""),
    ),
    "null": (field("chosen", "null"), Reject(5001, "chosen", "field is missing", "")),
    "empty text": (field("chosen", '""'), Reject(5001, "chosen", "text is empty", "")),
    "blank text": (field("chosen", r'" \n"'), Reject(5001, "chosen", "text is empty", "")),
    "escaped lone surrogate": (
        field("chosen", r'"a\ud800"'),
        Reject(5001, "chosen", UNREADABLE, "a lone surrogate"),
    ),
    "lone surrogate in bytes": (
        field("chosen", '"a?"').encode().replace(b"a?", b"a\xed\xa0\x80"),
        Reject(5001, "", UNREADABLE, "byte 0xed at column 30 is not UTF-8"),
    ),
    "escaped NUL": (field("chosen", r'"a\u0000"'), Reject(5001, "chosen", UNREADABLE, "")),
    "NUL in bytes": (
        field("chosen", '"a\x00"'),
        Reject(5001, "", BROKEN, "Invalid control character at column 30"),
    ),
    "key twice": (
        '{"prompt": "x?", "prompt": "y?", "chosen": "y", "rejected": "z"}',
        Reject(5001, "", "a key stands twice", "'prompt'"),
    ),
    "two objects on one line": (
        field("chosen", '"y"') + " " + field("chosen", '"y"'),
        Reject(5001, "", BROKEN, "Extra data at column 50"),
    ),
    "an array": ("[1, 2]", Reject(5001, "", "not a JSON object", "found a list")),
    "a number": ("5", Reject(5001, "", "not a JSON object", "found a number")),
    "the word null": ("null", Reject(5001, "", "not a JSON object", "found null")),
    "nested too deep": (
        field("chosen", "[" * 100_000 + "]" * 100_000),
        Reject(5001, "", BROKEN, "nested too deeply"),
    ),
}


@pytest.mark.parametrize(("row", "reject"), JSON.values(), ids=JSON)
def test_a_bad_line_of_jsonl_costs_only_itself(
    row: str | bytes, reject: Reject, tmp_path: Path, json_ids: list[str]
) -> None:
    """It is refused with its exact line, and the pairs are those without it."""
    found = in_jsonl(tmp_path, row)
    assert found.refused == [reject]
    assert found.ids == json_ids
    assert found.manifest["rows_read"] == ROWS + 1


def test_a_byte_that_is_not_utf8_costs_its_line_where_the_file_is_said_to_be(
    tmp_path: Path, json_ids: list[str]
) -> None:
    """With --encoding utf-8, a stray Latin-1 byte refuses its row instead of the file."""
    row = field("chosen", '"caf?"').encode().replace(b"caf?", b"caf\xe9")
    found = in_jsonl(tmp_path, row, encoding="utf-8")
    detail = "byte 0xe9 at column 32 is not UTF-8"
    assert found.refused == [Reject(5001, "", UNREADABLE, detail)]
    assert found.ids == json_ids


def test_the_raw_line_stands_in_the_rejects(tmp_path: Path) -> None:
    """Whoever repairs it finds the line as it was, and the remedy beside it."""
    in_jsonl(tmp_path, '{"prompt": "x", chosen}')
    (path,) = (tmp_path / "out" / "rejects").iterdir()
    (row,) = pq.read_table(path).to_pylist()
    assert row["source"] == str(tmp_path / "planted.jsonl")
    assert row["raw"] == '{"prompt": "x", chosen}'
    assert row["remedy"] == "Write one JSON object per line, or repair this line."


GOOD_JSON = {
    "5 MB of text": field("chosen", '"' + "y" * 5_000_000 + '"'),
    "a key twice in a field that is not read": field("extra", '{"a": 1, "a": 2}'),
    "a number of 5,000 digits in a field that is not read": field("extra", "9" * 5_000),
    "NaN in a field that is not read": field("extra", "NaN"),
    "a carriage return between fields": field("chosen", '"y"').replace(", ", ",\r"),
    "emoji and escapes": field("chosen", r'"\ud83d\ude00 \u00e9 \\ \" \/"'),
}


@pytest.mark.parametrize("row", GOOD_JSON.values(), ids=GOOD_JSON)
@pytest.mark.parametrize("beside", ["", "{"], ids=["alone", "beside a broken line"])
def test_an_odd_line_of_jsonl_that_is_sound_is_a_row(
    row: str, beside: str, tmp_path: Path, json_ids: list[str]
) -> None:
    """It is used, whether or not a bad line next to it is."""
    found = in_jsonl(tmp_path, f"{beside}\n{row}")
    assert [reject.line for reject in found.refused] == [5001] * bool(beside)
    assert len(found.rows) == ROWS + 1
    assert set(json_ids) < set(found.ids)


def test_blank_lines_are_no_rows(tmp_path: Path, json_ids: list[str]) -> None:
    """They are neither read nor rejected."""
    found = in_jsonl(tmp_path, "\n\n  \n")
    assert (found.refused, found.ids) == ([], json_ids)
    assert found.manifest["rows_read"] == ROWS


QUOTES, COLUMNS = "quotes do not match", "wrong number of columns"
AFTER = "',' expected after '\"'"
CSV: dict[str, tuple[str | bytes, Reject]] = {
    "too few cells": ("x?,y", Reject(10002, "", COLUMNS, "expected 3 cells, found 2")),
    "one cell": ("x?", Reject(10002, "", COLUMNS, "expected 3 cells, found 1")),
    "too many cells": ("x?,y,z,w", Reject(10002, "", COLUMNS, "expected 3 cells, found 4")),
    "unclosed quote": ('"x?,y,z', Reject(10002, "", QUOTES, AFTER)),
    "unclosed last quote": ('x?,y,"z', Reject(10002, "", QUOTES, AFTER)),
    "text after a quote": ('x?,"a"b,z', Reject(10002, "", QUOTES, AFTER)),
    "a quote and nothing else": ('"', Reject(10002, "", QUOTES, AFTER)),
    "carriage return outside quotes": (
        "x?,a\rb,z",
        Reject(10002, "", QUOTES, "a carriage return outside quotes"),
    ),
    "empty cell": ("x?,,z", Reject(10002, "chosen", "field is missing", "")),
    "blank cell": ("x?,  ,z", Reject(10002, "chosen", "text is empty", "")),
    "empty last cell": ("x?,y,", Reject(10002, "rejected", "field is missing", "")),
    "nothing but delimiters": (",,", Reject(10002, "prompt", "field is missing", "")),
    "NUL": ("x?,a\x00b,z", Reject(10002, "chosen", UNREADABLE, "")),
    "lone surrogate in bytes": (
        b"x?,a\xed\xa0\x80,z",
        Reject(10002, "", UNREADABLE, "byte 0xed is not UTF-8"),
    ),
}


@pytest.mark.parametrize(("row", "reject"), CSV.values(), ids=CSV)
def test_a_bad_record_of_csv_costs_only_itself(
    row: str | bytes, reject: Reject, tmp_path: Path, csv_ids: list[str]
) -> None:
    """It is refused with its exact line, and the pairs are those without it."""
    found = in_csv(tmp_path, row)
    assert found.refused == [reject]
    assert found.ids == csv_ids
    assert found.manifest["rows_read"] == ROWS + 1


def test_a_byte_of_csv_that_is_not_utf8_costs_its_record_where_the_file_is_said_to_be(
    tmp_path: Path, csv_ids: list[str]
) -> None:
    """Text is refused, not mended with question marks."""
    found = in_csv(tmp_path, b"x?,caf\xe9,z", encoding="utf-8")
    assert found.refused == [Reject(10002, "", UNREADABLE, "byte 0xe9 is not UTF-8")]
    assert found.ids == csv_ids


GOOD_CSV = {
    "5 MB of text": ("x?," + "y" * 5_000_000 + ",z", "y" * 5_000_000),
    "5 MB of lines": ('x?,"' + "y\n" * 2_500_000 + 'y",z', "y\n" * 2_500_000 + "y"),
    "quotes inside an unquoted cell": ('x?,a "b" c,z', 'a "b" c'),
    "one quote inside an unquoted cell": ('x?,6" pipe,z', '6" pipe'),
    "doubled quotes": ('x?,"a ""b"" c",z', 'a "b" c'),
    "line breaks of other alphabets": ("x?,a\u2028b\x0bc\x85d,z", "a\u2028b\x0bc\x85d"),
    "N/A as a text": ("x?,N/A,z", "N/A"),
}


@pytest.mark.parametrize(("row", "chosen"), GOOD_CSV.values(), ids=GOOD_CSV)
@pytest.mark.parametrize("beside", [[], ["x?,y"]], ids=["alone", "beside a short row"])
def test_an_odd_record_of_csv_that_is_sound_is_a_row(
    row: str, chosen: str, beside: list[str], tmp_path: Path, csv_ids: list[str]
) -> None:
    """Its text arrives as it stands, whether or not a bad record next to it is."""
    found = in_csv(tmp_path, "\n".join([*beside, row]))
    assert [reject.line for reject in found.refused] == [10002] * len(beside)
    assert {pair for pair in found.pairs if pair[0] == "x?"} == {("x?", chosen, "z")}
    assert set(csv_ids) < set(found.ids)


def test_blank_lines_between_records_are_no_rows(tmp_path: Path, csv_ids: list[str]) -> None:
    """They are neither read nor rejected, also beside a record that is bad."""
    found = in_csv(tmp_path, "\n   \nx?,y\n")
    assert found.refused == [Reject(10004, "", COLUMNS, "expected 3 cells, found 2")]
    assert found.ids == csv_ids
    assert found.manifest["rows_read"] == ROWS + 1
