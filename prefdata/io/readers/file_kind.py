"""How the bytes of a file are laid out: told by its first bytes, then by its suffix."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Literal

from prefdata.errors import InputError

FileKind = Literal["jsonl", "json", "csv", "parquet", "arrow"]


SUFFIXES: dict[str, FileKind] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}


COMPRESSIONS = {".gz": "gz", ".zst": "zst"}


HEAD = 1 << 16


WHAT_IS_READ = (
    "JSON, JSONL, CSV, TSV, Parquet and Arrow are read, the first four also packed. "
    "Save a spreadsheet as CSV."
)


UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


BINARY = (
    b"PK\x03\x04",
    b"\x89PNG",
    b"%PDF-",
    b"SQLite format 3",
    b"\xd0\xcf\x11\xe0",
    b"BZh",
    b"\xfd7zXZ",
)


CONTROLS = [byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b"]


JSON_BEGINS = re.compile(rb'[\[{]\s*(["{\[\]}]|\Z)')


ONE_LIST = ("data", "rows", "examples", "train", "instances", "records", "items", "results")
"""Keys under which an object on one line has the rows of a whole file."""


ROWS_INSIDE = re.compile(
    rb'\{(\s*"[^"]*"\s*:\s*("[^"]*"|[\w.+-]+)\s*,)*\s*"(%s)"\s*:\s*\[\s*\{'
    % "|".join(ONE_LIST).encode()
)


def expected_suffixes() -> str:
    """The hint where a folder has no data file."""
    return f"Looked for {', '.join(sorted(SUFFIXES))}, also with .gz and .zst."


def suffix_kind(name: str) -> tuple[FileKind | None, str]:
    """The kind and the compression of a file by its name."""
    path = Path(name.lower())
    compression = COMPRESSIONS.get(path.suffix, "")
    return SUFFIXES.get(Path(path.stem).suffix if compression else path.suffix), compression


def detect_kind(head: bytes, by_suffix: FileKind | None, name: str) -> FileKind:
    """The kind of a file, by its first bytes where they tell it and by its suffix otherwise.

    Raises:
        InputError: the file is of a kind that is not read.
    """
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1" or head[:4] == b"\xff\xff\xff\xff":
        return "arrow"
    if by_suffix in ("parquet", "arrow"):
        raise InputError(
            f"{name} is named like a file of {by_suffix.title()}, but does not begin like one",
            hint="Copy or download it again, or give it the suffix of what it is.",
        )
    if head[:2] in UTF16 or looks_utf16(head):
        return by_suffix or "csv"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    _refuse_other(head, text, name)
    if text[:1] == b"[" and (by_suffix != "csv" or JSON_BEGINS.match(text)):
        return _list_kind(text, by_suffix)
    if text[:1] == b"{" and (by_suffix != "csv" or JSON_BEGINS.match(text)):
        return _json_kind(text, by_suffix)
    return by_suffix or "csv"


def looks_utf16(head: bytes) -> bool:
    """Whether every other byte is a NUL, as where Latin letters are written in UTF-16."""
    start = head[:1024]
    return len(start) > 3 and any(
        start[at::2].count(0) > 0.7 * len(start[at::2]) and not start[1 - at :: 2].count(0)
        for at in (0, 1)
    )


def _refuse_other(head: bytes, text: bytes, name: str) -> None:
    """Refuse what is neither text nor a table."""
    controls = sum(head[:1024].count(byte) for byte in CONTROLS)
    if head.startswith(BINARY) or controls > 0.05 * len(head[:1024]):
        raise InputError(f"{name} is a binary file of a kind that is not read", hint=WHAT_IS_READ)
    if text[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise InputError(
            f"{name} is a web page", hint="Download the file itself, not the page that shows it."
        )
    if text.startswith(b"version https://git-lfs"):
        raise InputError(f"{name} is a Git LFS pointer", hint="Fetch the file with: git lfs pull")


def _list_kind(text: bytes, by_suffix: FileKind | None) -> FileKind:
    """Distinguish an array from JSON lines whose first line is an array, which is no row."""
    first, _, more = text.partition(b"\n")
    if by_suffix != "jsonl" or not more.strip():
        return "json"
    try:
        json.loads(first)
    except ValueError:
        return "json"
    return "jsonl"


def _json_kind(text: bytes, by_suffix: FileKind | None) -> FileKind:
    """Distinguish one object with a list inside from an object per line: is the first line whole?

    In a file named as JSON lines the first line may be the broken one, if the next is whole.
    """
    first = text.split(b"\n", 1)[0].strip()
    if ROWS_INSIDE.match(first) and len(text) > HEAD // 2 and b"\n" not in text.strip():
        return "json"
    try:
        record = json.loads(first)
    except ValueError:
        if by_suffix == "jsonl" and _is_object(text.split(b"\n", 2)[1:2]):
            return "jsonl"
        return "json" if len(first) < 3 or first.endswith((b"{", b"[", b",")) else "jsonl"
    lists = [key for key, value in record.items() if isinstance(value, list)]
    single = text.strip() == first and len(lists) == 1
    if by_suffix == "jsonl" and single and not _holds_rows(record[lists[0]]):
        return "jsonl"
    return "json" if single and (len(record) == 1 or lists[0] in ONE_LIST) else "jsonl"


def _holds_rows(values: list[object]) -> bool:
    """Whether a list may be the rows of a file; an empty one, or one of texts, is a value."""
    return bool(values) and all(isinstance(value, dict) for value in values)


def _is_object(lines: list[bytes]) -> bool:
    try:
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
    except ValueError:
        return False
