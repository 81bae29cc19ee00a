"""Files of every kind, told by what they hold; and what cannot be read, told by its name."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from prefdata.conversion.inspect import inspect
from prefdata.errors import InputError, PrefdataError, UsageError
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import Source
from tests.roundtrip import Converted, converted, jsonl

PAIR = {"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "5"}
MORE = {"prompt": "Name a sea, please", "chosen": "the Black Sea; the Red Sea", "rejected": "a\nb"}
BOTH = {("What is 2 + 2?", "4", "5"), ("Name a sea, please", "the Black Sea; the Red Sea", "a\nb")}
LINES = f"{json.dumps(PAIR)}\n{json.dumps(MORE)}\n"
ARRAY = json.dumps([PAIR, MORE])
WHAT_IS_READ = (
    "JSON, JSONL, CSV, TSV, Parquet and Arrow are read, the first four also packed. "
    "Save a spreadsheet as CSV."
)


def delimited(mark: str, end: str = "\n") -> str:
    """Both pairs as a table, every cell quoted; line breaks inside cells stay as they are."""
    rows = [list(PAIR), *(list(row.values()) for row in (PAIR, MORE))]
    return "".join(mark.join(f'"{cell}"' for cell in row) + end for row in rows)


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([PAIR, MORE]), sink)
    return sink.getvalue()


def arrow(kind: Callable[..., pa.ipc.RecordBatchStreamWriter]) -> bytes:
    sink, table = io.BytesIO(), pa.Table.from_pylist([PAIR, MORE])
    with kind(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


FILES: dict[str, bytes] = {
    "rows.jsonl": LINES.encode(),
    "rows.ndjson": LINES.replace("\n", "\r\n").encode(),
    "bom.jsonl": b"\xef\xbb\xbf" + LINES.encode(),
    "rows.json": ARRAY.encode(),
    "bom.json": b"\xef\xbb\xbf" + ARRAY.encode(),
    "indented.json": json.dumps([PAIR, MORE], indent=2).encode(),
    "inside.json": json.dumps({"data": [PAIR, MORE]}).encode(),
    "inside, after other keys.json": json.dumps(
        {"name": "data", "meta": {"list": [1]}, "data": [PAIR, MORE]}, indent=1
    ).encode(),
    "inside, on one long line.json": json.dumps(
        {"data": [PAIR, MORE], "note": "x" * 100_000}
    ).encode(),
    "key with an escape.json": b'{"d\\u00e4ta": ' + ARRAY.encode() + b"}",
    "rows.csv": delimited(",").encode(),
    "crlf.csv": delimited(",", "\r\n").encode(),
    "bom.csv": b"\xef\xbb\xbf" + delimited(",").encode(),
    "no last break.csv": delimited(",").rstrip("\n").encode(),
    "blank lines first.csv": ("\n\n" + delimited(",")).encode(),
    "semicolons.csv": delimited(";").encode(),
    "told to Excel.csv": ("sep=;\r\n" + delimited(";", "\r\n")).encode(),
    "bars.csv": delimited("|").encode(),
    "rows.tsv": delimited("\t").encode(),
    "columns without a name.csv": b"prompt,chosen,rejected,,\n"
    b'What is 2 + 2?,4,5,,\n"Name a sea, please",the Black Sea; the Red Sea,"a\nb",,\n',
    "rows.parquet": parquet(),
    "file.arrow": arrow(pa.ipc.new_file),
    "stream.arrow": arrow(pa.ipc.new_stream),
    "rows.feather": arrow(pa.ipc.new_file),
    "rows.jsonl.gz": gzip.compress(LINES.encode()),
    "rows.csv.gz": gzip.compress(delimited(",").encode()),
    "rows.json.gz": gzip.compress(ARRAY.encode()),
    "rows.jsonl.zst": zstd(LINES.encode()),
    "rows.csv.zst": zstd(delimited(",").encode()),
    "JSON lines.json": LINES.encode(),
    "array.jsonl": ARRAY.encode(),
    "indented array.jsonl": json.dumps([PAIR, MORE], indent=2).encode(),
    "table.txt": delimited(",").encode(),
    "JSON lines.txt": LINES.encode(),
    "JSON lines.csv": LINES.encode(),
    "array.csv": ARRAY.encode(),
    "no suffix": LINES.encode(),
    "packed without saying so.csv": gzip.compress(delimited(",").encode()),
    "not packed.csv.gz": delimited(",").encode(),
    "Parquet.csv": parquet(),
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_two_pairs_come_out_of_every_kind_of_file(name: str, tmp_path: Path) -> None:
    """The suffix is a hint; what the file holds decides."""
    (tmp_path / name).write_bytes(FILES[name])
    found = converted(tmp_path / name)
    assert found.pairs == BOTH
    assert found.refused == []


REFUSED: dict[str, tuple[bytes, str, str]] = {
    "empty.csv": (b"", "{} is empty", "Check the export that made it."),
    "blank.jsonl": (b"\n \n", "{} is empty", "Check the export that made it."),
    "header.csv": (
        b"prompt,chosen,rejected\n",
        "{} has a header but no row that can be read",
        "The first line must name the columns; one row per line follows.",
    ),
    "twice.csv": (
        b"prompt,chosen,chosen\na,b,c\n",
        "{} has two columns named 'chosen'",
        "Give every column a name of its own.",
    ),
    "no header.csv": (
        b"What is 2 + 2?,4,5\nWhat is 3 + 3?,6,7\n",
        "{} is not of a known shape (columns: What is 2 + 2?, 4, 5)",
        (
            "Say which column is which, as in --map 'prompt=?,response=?,score=?', --map "
            "'prompt=?,chosen=?,rejected=?' or --map 'prompt=?,response_a=?,response_b=?,"
            "winner=?' (texts in What is 2 + 2?; numbers in 4, 5); or where nested fields stand, "
            "in a YAML file for --format."
        ),
    ),
    "one line with an empty list.jsonl": (
        b'{"p": []}\n',
        "{} is not of a known shape (columns: p)",
        (
            "Say which column is which, as in --map 'prompt=?,response=?,score=?', --map "
            "'prompt=?,chosen=?,rejected=?' or --map 'prompt=?,response_a=?,response_b=?,"
            "winner=?'; or where nested fields stand, in a YAML file for --format."
        ),
    ),
    "old Mac.csv": (
        b"prompt,chosen,rejected\ra,b,c\r",
        "{} ends its lines with carriage returns alone",
        "Write it with line feeds, as in: tr '\\r' '\\n' < old.csv > new.csv",
    ),
    "picture.csv": (
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        "{} is an image",
        "Only files of feedback are read.",
    ),
    "workbook.csv": (
        b"PK\x03\x04" + bytes(22) + b"\x0f\x00\x00\x00xl/workbook.xml",
        "{} is an Office file, such as an .xlsx spreadsheet",
        "Save the sheet as CSV.",
    ),
    "weights.bin": (
        bytes(range(256)) * 8,
        "{} is a binary file of a kind that is not read",
        WHAT_IS_READ,
    ),
    "page.jsonl": (
        b"<!DOCTYPE html>\n<html></html>",
        "{} is a web page",
        "Download the file itself, not the page that shows it.",
    ),
    "pointer.csv": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "{} is a Git LFS pointer",
        "Fetch the file with: git lfs pull",
    ),
    "cut.parquet": (
        parquet()[:-20],
        (
            "{} is damaged: Parquet magic bytes not found in footer. "
            "Either the file is corrupted or this is not a parquet file."
        ),
        "Copy or download it again.",
    ),
    "text.parquet": (
        b"hello",
        "{} is named like a file of Parquet, but does not begin like one",
        "Copy or download it again, or give it the suffix of what it is.",
    ),
    "cut.csv.gz": (
        gzip.compress(delimited(",").encode() * 9999)[:-99],
        (
            "{} is compressed, but cannot be unpacked: "
            "Compressed file ended before the end-of-stream marker was reached"
        ),
        "Copy or download it again.",
    ),
    "two lists.json": (
        json.dumps({"a": [PAIR], "b": [PAIR]}, indent=1).encode(),
        "{} is one JSON value; expected one list of rows inside, found 'a', 'b'",
        "Write the rows as an array, or one object per line.",
    ),
    "number.json": (
        b"5",
        "{} is one JSON value; expected one list of rows inside, found none",
        "Write the rows as an array, or one object per line.",
    ),
    "no rows.json": (
        b"[]",
        "{} has no row that can be read (it holds no row)",
        WHAT_IS_READ,
    ),
    "unclosed.json": (
        b"[\n" + json.dumps(PAIR).encode() + b"\n",
        "{} is not valid JSON: Expecting ',' or ']' at line 3, column 1",
        "Repair it there, or write one object per line: then a bad line costs only itself.",
    ),
    "two arrays.json": (
        f"{ARRAY}\n{ARRAY}".encode(),
        "{} is not valid JSON: Extra data at line 2, column 1",
        "Repair it there, or write one object per line: then a bad line costs only itself.",
    ),
    "deep.json": (
        b"[" * 200_000,
        "{} is not valid JSON: Nested too deeply at line 1, column 2",
        "Repair it there, or write one object per line: then a bad line costs only itself.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_named_with_its_remedy(name: str, tmp_path: Path) -> None:
    """One message, one hint, and no output, whole or half."""
    data, message, hint = REFUSED[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PrefdataError) as error:
        converted(tmp_path / name)
    assert str(error.value) == message.format(tmp_path / name)
    assert error.value.hint == hint
    assert [path.name for path in tmp_path.iterdir()] == [name]


def in_folder(folder: Path) -> Path:
    """A folder with two data files, a note, and a hidden folder."""
    (folder / "deep").mkdir(parents=True)
    (folder / ".cache").mkdir()
    (folder / "one.jsonl").write_text(json.dumps(PAIR) + "\n")
    (folder / "deep" / "two.csv").write_text(
        'prompt,chosen,rejected\n"Name a sea, please",the Black Sea; the Red Sea,"a\nb"\n'
    )
    (folder / "notes.md").write_text("nothing to read")
    (folder / ".cache" / "old.jsonl").write_text('{"prompt": "old", "chosen": "x"}')
    return folder


def test_a_folder_is_read_with_all_its_data_files(tmp_path: Path) -> None:
    """Files in folders below count; other files and hidden folders do not."""
    assert converted(in_folder(tmp_path / "all")).pairs == BOTH


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_folder_in_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    """What lies in it would be passed over otherwise; what is hidden is no source anyway."""
    folder = in_folder(tmp_path / "all")
    for name in ("shut", ".hidden"):
        (folder / name).mkdir(mode=0)
    with pytest.raises(UsageError, match="shut cannot be looked at: Permission denied"):
        converted(folder)
    (folder / "shut").rmdir()
    assert converted(folder).pairs == BOTH


@pytest.mark.parametrize("long", ["x" * 300, f"{'x' * 300}/in.csv"])
def test_a_name_that_no_file_can_have_is_no_source(tmp_path: Path, long: str) -> None:
    """One message, and not all of the name."""
    with pytest.raises(UsageError, match=r"cannot be looked at: File name too long") as told:
        inspect([tmp_path / long])
    assert len(str(told.value)) < 150


@pytest.mark.parametrize("target", ["nowhere.csv", "link.csv"])
def test_a_link_that_leads_nowhere_is_called_so(tmp_path: Path, target: str) -> None:
    """It is there, so that 'no such file' would not help."""
    (tmp_path / "link.csv").symlink_to(target)
    with pytest.raises(UsageError, match="is a link that leads to no file"):
        inspect([tmp_path / "link.csv"])


def test_a_glob_finds_its_files(tmp_path: Path) -> None:
    """Two stars reach into folders below."""
    in_folder(tmp_path / "all")
    assert converted(tmp_path / "all" / "**" / "*.*s*").pairs == BOTH


def test_several_files_make_one_data_set(tmp_path: Path) -> None:
    """They may be of different kinds, and a file named twice is read once."""
    folder = in_folder(tmp_path / "all")
    one, two = folder / "one.jsonl", folder / "deep" / "two.csv"
    found = converted([one, two, one])
    assert found.pairs == BOTH
    assert found.manifest["rows_read"] == 2


@pytest.mark.skipif(sys.platform != "linux", reason="a file that opens and fails at the first read")
def test_a_disk_that_fails_is_that_of_the_source() -> None:
    """It is not taken for the disk of the output, which the run writes at the same time."""
    failing = Source(Path("/proc/self/mem"), "pairs.jsonl", "jsonl")
    with pytest.raises(InputError, match=r"^pairs\.jsonl cannot be read: Input/output error$"):
        read_sample(failing)


def test_a_dash_is_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be packed, and is called stdin."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(LINES.encode()))))
    monkeypatch.chdir(tmp_path)
    found: Converted = converted(Path("-"))
    assert found.pairs == BOTH
    sources = found.manifest["sources"]
    assert isinstance(sources, list)
    assert sources[0]["name"] == "stdin"


def test_a_first_line_may_be_longer_than_what_the_kind_is_told_by(tmp_path: Path) -> None:
    """A prompt of 100,000 letters in the first row is a prompt like any other."""
    long = "x" * 100_000
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({**PAIR, "prompt": long}) + "\n")
    assert converted(path).pairs == {(long, "4", "5")}


def test_calls_in_parquet_are_read_like_calls_in_json(tmp_path: Path) -> None:
    """Also where other rows have none, and their arguments other keys."""
    call = {"name": "add", "arguments": {"x": 1}}
    calls = [{"role": "assistant", "content": "4", "tool_calls": [call]}]
    more = [{**calls[0], "tool_calls": [{"name": "add", "arguments": {"y": 2}}]}]
    plain = [{"role": "assistant", "content": "4", "tool_calls": None}]
    other = [{"role": "assistant", "content": "5"}]
    rows = [
        {"prompt": "a?", "chosen": plain, "rejected": other},
        {"prompt": "b?", "chosen": calls, "rejected": more},
    ]
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    found = converted(path)
    assert found.pairs == {("a?", "4", "5"), ("b?", "4", "4")}
    assert found.ids == converted(jsonl(tmp_path / "pairs.jsonl", rows)).ids


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_a_batch_of_no_rows_is_no_end(tmp_path: Path, kind: str) -> None:
    """The rows come after it."""
    path = tmp_path / "pairs.arrow"
    schema = pa.schema([(name, pa.string()) for name in PAIR])
    make = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with path.open("wb") as sink, make(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([], schema))
        writer.write_batch(pa.RecordBatch.from_pylist([PAIR], schema))
    assert converted(path).pairs == {tuple(PAIR.values())}
    assert inspect([path])[0].rows == 1


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, kind: str) -> None:
    """As in CSV: nobody can say which of them is meant."""
    table = pa.table([["q"], ["a"], ["c"], ["b"]], names=["prompt", "chosen", "chosen", "rejected"])
    path = tmp_path / "pairs"
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        make = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
        with path.open("wb") as sink, make(sink, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(InputError, match="pairs has two columns named 'chosen'"):
        inspect([path])


def test_types_of_parquet_that_mean_the_same_are_read_the_same(tmp_path: Path) -> None:
    """Dictionaries, large text, small integers and numbers as annotators."""
    table = pa.table(
        {
            "prompt": pa.array(["a?", "a?"]).dictionary_encode(),
            "response": pa.array(["4", "5"], pa.large_string()),
            "score": pa.array([5, 1], pa.int8()),
            "annotator": pa.array([7, 7]),
        }
    )
    pq.write_table(table, tmp_path / "ratings.parquet")
    assert converted(tmp_path / "ratings.parquet").pairs == {("a?", "4", "5")}


def test_a_source_that_cannot_be_hashed_is_at_fault(tmp_path: Path) -> None:
    """It is named, and not the output, which is written meanwhile."""
    path = tmp_path / "gone.jsonl"
    path.write_text(LINES)
    source = Source(path, "gone.jsonl", "jsonl")
    assert source.sha256() == hashlib.sha256(LINES.encode()).hexdigest()
    path.unlink()
    with pytest.raises(InputError, match=r"gone\.jsonl cannot be read: No such file"):
        source.sha256()
