"""Encodings: UTF-8 unless said otherwise; what is not is named by its first byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.errors import InputError, UsageError
from prefdata.io.readers.encoding import PART, is_valid_utf8
from tests.roundtrip import converted

TABLE = "prompt,chosen,rejected\nWas ist 2 + 2?,„vier“ é,fünf\n"
LINE = '{"prompt": "Was ist 2 + 2?", "chosen": "„vier“ é", "rejected": "fünf"}\n'
PAIRS = {("Was ist 2 + 2?", "„vier“ é", "fünf")}


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_a_named_encoding_is_read(encoding: str, name: str, tmp_path: Path) -> None:
    """Letters arrive as they were written."""
    text = {"a.csv": TABLE, "a.jsonl": LINE, "a.json": f"[{LINE}]"}[name]
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert converted(tmp_path / name, encoding=encoding).pairs == PAIRS


OTHER = "such as --encoding cp1252; or --encoding utf-8 to reject just the rows with such bytes."
NAMED = "Pass the encoding that the file has with --encoding."
REFUSED = {
    "cp1252": (
        "cp1252",
        "",
        "is not UTF-8: byte 0x84 at offset 38",
        f"Pass the file's encoding, {OTHER}",
    ),
    "UTF-16": (
        "utf-16",
        "",
        "is not UTF-8: byte 0xff at offset 0 begins a UTF-16 file",
        "Pass --encoding utf-16.",
    ),
    "UTF-16 without a mark": (
        "utf-16-be",
        "",
        "looks like UTF-16 without a byte order mark",
        "Pass --encoding utf-16-be.",
    ),
    "UTF-8 said to be ASCII": (
        "utf-8",
        "ascii",
        "is not ascii: byte 0xe2 at offset 38",
        NAMED,
    ),
}


@pytest.mark.parametrize(("written", "named", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_a_byte_that_is_not_of_the_encoding_is_named(
    written: str, named: str, message: str, hint: str, tmp_path: Path
) -> None:
    """The message gives the byte and where it stands, the hint the option."""
    path = tmp_path / "a.csv"
    path.write_bytes(TABLE.replace("„vier“ é", "„vier“ e").encode(written))
    with pytest.raises(InputError) as error:
        converted(path, encoding=named)
    assert (str(error.value), error.value.hint) == (f"{path} {message}", hint)
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_byte_far_into_jsonl_is_named_by_its_place(tmp_path: Path) -> None:
    """Also where it stands long after the rows that the file is recognised by."""
    path = tmp_path / "a.jsonl"
    sound = b'{"prompt": "x", "chosen": "y", "rejected": "z"}\n'
    path.write_bytes(sound * 5000 + LINE.encode("cp1252"))
    at = len(sound) * 5000 + LINE.index("„")
    with pytest.raises(InputError, match=f"is not UTF-8: byte 0x84 at offset {at:,}$"):
        converted(path)


@pytest.mark.parametrize("name", ["klingon", "base64"])
def test_an_unknown_encoding_is_wrong_usage(name: str, tmp_path: Path) -> None:
    """A codec that does not give text is none."""
    path = tmp_path / "a.csv"
    path.write_text(TABLE, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        converted(path, encoding=name)
    assert str(error.value) == f"unknown encoding {name!r}"
    assert error.value.hint == "Common ones: latin-1, cp1252, utf-16, gb18030."


@pytest.mark.parametrize("letter", ["é", "—", "😀"])
def test_a_character_may_stand_on_the_border_of_what_is_looked_at(letter: str) -> None:
    """Whole it is text, and with any of its bytes missing it is not."""
    whole = letter.encode()
    for before in range(PART - len(whole), PART + 1):
        assert is_valid_utf8(b"a" * before + whole + b"b" * PART)
        for missing in range(len(whole)):
            broken = whole[:missing] + whole[missing + 1 :]
            assert not is_valid_utf8(b"a" * before + broken + b"b" * PART)
    assert is_valid_utf8(b"")
    assert not is_valid_utf8(b"\x80" * (2 * PART))
