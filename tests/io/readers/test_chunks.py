"""Where a piece of a file ends makes no difference: same rows, same lines, same rejects."""

from __future__ import annotations

import csv
import gzip
import io
import json
from contextlib import nullcontext
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.errors import InputError
from prefdata.formats import Sample
from prefdata.formats.base import RAW
from prefdata.formats.sample import SAMPLE_ROWS
from prefdata.io.readers import csv as csv_reader
from prefdata.io.readers import json as json_reader
from prefdata.io.readers import parquet, reader, sources
from prefdata.records import reasons

SIZES = (64, 100, 257, 1000)
NAMES = ["prompt", "chosen", "rejected"]


def rows_of(path: Path, size: int) -> list[tuple[object, ...]]:
    """Everything a reader says of a file when it holds so many bytes at once, in order."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (parquet, csv_reader, json_reader):
            patch.setattr(module, "CHUNK_BYTES", size)
        source = sources.identify_source(path, path.name)
        sample = Sample(NAMES, [dict.fromkeys(NAMES, "text")])
        found: list[tuple[object, ...]] = []
        for chunk in reader.parse_pieces(reader.read_pieces(source, sample, NAMES, set(), "utf-8")):
            frame = chunk.frame.select("row", "line", *(RAW + name for name in NAMES))
            found += [(*row, "") for row in frame.rows()]
            found += [(u.row, u.line, u.field, u.reason, u.detail, u.raw) for u in chunk.unreadable]
    return sorted(found, key=lambda row: int(str(row[0])))


CELLS = st.text(st.sampled_from('ab ,"\n;é\u2028'), max_size=12)
BAD = st.sampled_from(['x,a"b,c', '"open,b,c', "a,b", "a,b,c,d", '"a"b,c,d', "a\rb,c,d", "", '"'])


@st.composite
def tables(draw: st.DrawFn) -> str:
    """CSV with quotes, line breaks and delimiters inside cells, and some bad records among them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(NAMES)
    for _ in range(draw(st.integers(1, 30))):
        if draw(st.integers(0, 5)):
            writer.writerow(draw(st.lists(CELLS, min_size=3, max_size=3)))
        else:
            text.write(draw(BAD) + "\n")
    return text.getvalue()


@settings(max_examples=150)
@given(text=tables(), size=st.sampled_from(SIZES))
def test_csv_is_read_the_same_in_pieces_of_any_size(
    text: str, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Quotes, breaks inside cells and bad records may fall on any border."""
    path = tmp_path_factory.getbasetemp() / "pieces.csv"
    path.write_bytes(text.encode())
    assert rows_of(path, size) == rows_of(path, 1 << 24)


def test_text_behind_a_closing_quote_is_refused_in_pieces_of_any_size(tmp_path: Path) -> None:
    """Polars alone would join the two broken lines to one record where a piece ends behind them."""
    path = tmp_path / "open.csv"
    rows = 'x,a"b,c\nx,a"b,c\nx,a"b,c\n"open,b,c\n,,";"",,\n"\n'
    path.write_text(f"prompt,chosen,rejected\n{rows}", encoding="utf-8")
    whole = rows_of(path, 1 << 24)
    assert [row[3] for row in whole if row[-1] == '"open,b,c'] == ["quotes do not match"]
    assert all(rows_of(path, size) == whole for size in (16, 32, 64, 128))


SOUND = st.builds(
    lambda *texts: json.dumps(dict(zip(NAMES, texts, strict=True)), ensure_ascii=False),
    *[st.text(st.sampled_from('ab "\n{}é\u2028'), max_size=12)] * 3,
)
ODD = st.sampled_from(
    ["{", "", "null", "[1]", '{"prompt": 5}', '{"prompt": "a", "prompt": "b"}', "{}", '{"x": NaN}']
)


@settings(max_examples=100)
@given(lines=st.lists(SOUND | SOUND | ODD, min_size=1, max_size=30), size=st.sampled_from(SIZES))
def test_jsonl_is_read_the_same_in_pieces_of_any_size(
    lines: list[str], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Line numbers count on across pieces, blank lines included."""
    path = tmp_path_factory.getbasetemp() / "pieces.jsonl"
    path.write_bytes("\n".join(['{"prompt": "first"}', *lines]).encode())
    assert rows_of(path, size) == rows_of(path, 1 << 24)


@settings(max_examples=50)
@given(rows=st.lists(SOUND, min_size=1, max_size=20), indent=st.sampled_from([None, 1]))
def test_an_array_is_read_the_same_in_pieces_of_any_size(
    rows: list[str], indent: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The line of a row is where it begins."""
    path = tmp_path_factory.getbasetemp() / "pieces.json"
    text = json.dumps([json.loads(row) for row in rows], indent=indent)
    path.write_text(text, encoding="utf-8")
    found = rows_of(path, 64)
    assert found == rows_of(path, 1 << 24)
    lines = [row[1] for row in found]
    assert lines == [1 if indent is None else 2 + 5 * i for i in range(len(rows))]


@pytest.mark.parametrize("other", ["", " ", '{"prompt": "p",\n"chosen": "c"} {', "\r"])
def test_two_objects_on_a_line_are_refused_whatever_stands_elsewhere(
    other: str, tmp_path: Path
) -> None:
    """As many rows as lines prove nothing: a blank line would make up for the line with two."""
    path = tmp_path / "two.jsonl"
    row = '{"prompt": "p", "chosen": "c", "rejected": "r"}'
    path.write_bytes(f"{row}\n{row}{row}\n{other}\n{row}\n".encode())
    found = rows_of(path, 1 << 24)
    assert [each[1:4] for each in found][:2] == [(1, "p", "c"), (2, "", "not valid JSON")]
    assert found[-1] == (len(found) - 1, 4 + other.count("\n"), "p", "c", "r", "")


@pytest.mark.parametrize("blank", ["\n", "\r\n", " \n"])
def test_two_objects_on_a_line_are_refused_behind_a_blank_one(blank: str, tmp_path: Path) -> None:
    """Also where the file begins with a blank line and ends without a line break."""
    row = json.dumps(dict.fromkeys(NAMES, "text"))
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"{blank}{row} {row}", encoding="utf-8", newline="")
    assert [found[1] for found in rows_of(path, 1 << 24)] == [2]
    assert [found[3] for found in rows_of(path, 1 << 24)] == [reasons.BROKEN_JSON]


def test_packed_jsonl_is_read_in_pieces(tmp_path: Path) -> None:
    """A line may stand across the border of two pieces of an unpacked file too."""
    lines = [json.dumps(dict.fromkeys(NAMES, f"{n}")) + "\n" for n in range(200)]
    text = "".join(lines).encode()
    (tmp_path / "rows.jsonl.zst").write_bytes(pa.Codec("zstd").compress(text, asbytes=True))
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(text))
    for path in tmp_path.iterdir():
        assert [row[:3] for row in rows_of(path, 257)] == [(n, n + 1, f"{n}") for n in range(200)]


def test_the_lines_of_csv_are_where_records_begin(tmp_path: Path) -> None:
    """With records of one, three and two lines below the header."""
    path = tmp_path / "lines.csv"
    path.write_text('prompt,chosen,rejected\na,b,c\n"d\n\ne",f,g\nh,"i\n",j\nk,l,m\n')
    for size in (64, 1 << 24):
        assert [row[1] for row in rows_of(path, size)] == [2, 3, 6, 8]


def test_a_cell_may_be_longer_than_a_piece(tmp_path: Path) -> None:
    """It is put together again, over as many pieces as it takes."""
    path = tmp_path / "long.csv"
    cell = 'said "yes",\n' * 100
    quoted = cell.replace('"', '""')
    path.write_text(f'prompt,chosen,rejected\na,"{quoted}",c\nd,e,f\n')
    found = rows_of(path, 64)
    assert [row[2:] for row in found] == [("a", cell, "c", ""), ("d", "e", "f", "")]
    assert [row[1] for row in found] == [2, 103]


def test_parquet_is_read_in_pieces(tmp_path: Path) -> None:
    """Rows are numbered on across pieces."""
    path = tmp_path / "rows.parquet"
    table = pl.DataFrame({name: [f"{name} {i}" for i in range(1000)] for name in NAMES}).to_arrow()
    pq.write_table(table, path, row_group_size=300)
    found = rows_of(path, 64)
    assert found == rows_of(path, 1 << 24)
    assert [row[1] for row in found] == list(range(1, 1001))


@pytest.mark.parametrize("at", [0, SAMPLE_ROWS + 100])
def test_text_of_a_table_that_is_not_utf8_is_refused(at: int, tmp_path: Path) -> None:
    """In the sample or far behind it: the column is named, and no broken text is passed on."""
    values = [b"text"] * (2 * SAMPLE_ROWS)
    values[at] = b"te\xfft"
    held = pa.array(values, pa.binary())
    broken = pa.Array.from_buffers(pa.string(), len(held), held.buffers())
    table = pa.table({name: broken if name == "chosen" else held for name in NAMES})
    pq.write_table(table, tmp_path / "rows.parquet")
    with pa.ipc.new_file(tmp_path / "rows.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=300)
    for path in tmp_path.iterdir():
        with pytest.raises(InputError, match=r"damaged, in the column 'chosen': Invalid UTF8"):
            rows_of(path, 64)
        with pytest.raises(InputError, match="'chosen'") if not at else nullcontext():
            reader.read_sample(sources.identify_source(path, path.name))


@pytest.mark.parametrize("text", ["", "\n\r\n"])
def test_a_table_of_a_byte_order_mark_alone_is_empty(text: str, tmp_path: Path) -> None:
    """The message says so; there is no header to read."""
    path = tmp_path / "mark.csv"
    path.write_text(text, encoding="utf-8-sig", newline="")
    with pytest.raises(InputError, match="is empty"):
        reader.read_sample(sources.identify_source(path, path.name))


@pytest.mark.parametrize("size", [64, 1 << 24])
def test_a_bad_byte_in_a_column_that_is_not_wanted_refuses_its_row(
    size: int, tmp_path: Path
) -> None:
    """In JSON as in CSV, whatever else stands in the piece: a row is text, or it is not."""
    path = tmp_path / "bytes.jsonl"
    sound = b'{"prompt": "p", "chosen": "c", "rejected": "r", "note": "n"}\n'
    path.write_bytes(sound * 5 + sound.replace(b'"n"', b'"\xe9"') + sound * 5)
    found = rows_of(path, size)
    assert [row[:4] for row in found if row[2] != "p"] == [(5, 6, "", reasons.BAD_TEXT)]
    assert len(found) == 11
