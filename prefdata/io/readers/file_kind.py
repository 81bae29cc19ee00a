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


OTHER_FILES: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF document", "Feedback is not read from documents: export it as CSV or JSONL."),
    (
        b"SQLite format 3",
        "an SQLite database",
        "Export the table: sqlite3 -header -csv FILE 'select * from TABLE' > rows.csv.",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "a document of an older Office, such as an .xls spreadsheet",
        "Save it as CSV.",
    ),
    (b"\x93NUMPY", "an array of NumPy", "Write its rows as JSONL or Parquet."),
    (b"\x89PNG", "an image", "Only files of feedback are read."),
    (b"\xff\xd8\xff", "an image", "Only files of feedback are read."),
    (b"BZh", "packed with bzip2", "Unpack it: bunzip2 FILE. Packed with gzip or zstd it is read."),
    (b"\xfd7zXZ", "packed with xz", "Unpack it: unxz FILE. Packed with gzip or zstd it is read."),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it, and name the files inside."),
    (b"Rar!", "a RAR archive", "Unpack it, and name the files inside."),
)
"""How other files begin, what each is, and what to do about it."""


PICKLE = re.compile(rb"\x80[\x02-\x05]")


MEMBER = b"PK\x03\x04"
"""How each member of a zip archive begins."""


MOST_MEMBERS = 5
LONGEST_MEMBER = 60
TAR = slice(257, 262)


CONTROLS = [byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b"]


NUL_LINES = re.compile(rb"(?m)^\x00+|\x00+$")
"""NULs at the border of a line, as a crash leaves them: they cost the line, not the file."""


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
    _refuse_other(head, text, name, by_suffix)
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


def _refuse_other(head: bytes, text: bytes, name: str, by_suffix: FileKind | None) -> None:
    """Refuse what is neither text nor a table."""
    if problem := _other_kind(head):
        what, hint = problem
        raise InputError(f"{name} is {what}", hint=hint)
    beginning = NUL_LINES.sub(b"", head[:1024]) if by_suffix else head[:1024]
    controls = sum(beginning.count(byte) for byte in CONTROLS)
    if controls > 0.05 * len(beginning):
        raise InputError(f"{name} is a binary file of a kind that is not read", hint=WHAT_IS_READ)
    start = text[:15].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise InputError(
            f"{name} is a web page", hint="Download the file itself, not the page that shows it."
        )
    if start.startswith(b"<?xml"):
        raise InputError(
            f"{name} is an XML file, which is not read",
            hint="Write its records as JSONL or CSV: pandas.read_xml reads many of them.",
        )
    if text.startswith(b"version https://git-lfs"):
        raise InputError(f"{name} is a Git LFS pointer", hint="Fetch the file with: git lfs pull")


def _other_kind(head: bytes) -> tuple[str, str] | None:
    """What a file is that is known and not read, and what to do about it."""
    if head.startswith(MEMBER):
        return _archive(head)
    if PICKLE.match(head):
        return (
            "a pickle of Python, which is not read: it could run any code",
            "Open it where it was made, and write its rows as JSONL or Parquet.",
        )
    if head[TAR] == b"ustar":
        return "a tar archive", "Unpack it: tar -xf FILE, and name the files inside."
    return next(((what, hint) for start, what, hint in OTHER_FILES if head.startswith(start)), None)


def _archive(head: bytes) -> tuple[str, str]:
    """A zip archive, by the names of its first members; spreadsheets and documents are such."""
    names: list[str] = []
    at = head.find(MEMBER)
    while at >= 0 and len(names) <= MOST_MEMBERS:
        size = int.from_bytes(head[at + 26 : at + 28], "little")
        names.append(head[at + 30 : at + 30 + size].decode(errors="replace"))
        at = head.find(MEMBER, at + 30 + size)
    if "[Content_Types].xml" in names or any(name.startswith("xl/") for name in names):
        return "an Office file, such as an .xlsx spreadsheet", "Save the sheet as CSV."
    if any(name.endswith("data.pkl") for name in names):
        return "a file of PyTorch", "Write its rows as JSONL or Parquet where it was made."
    inside = ", ".join(_printable(name) for name in names[:MOST_MEMBERS])
    more = ", …" if len(names) > MOST_MEMBERS else ""
    return f"a zip archive (inside: {inside}{more})", "Unpack it, and name the files inside."


def _printable(name: str) -> str:
    """A name of a member, cut, without control characters."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= LONGEST_MEMBER else f"{text[:LONGEST_MEMBER]}…"


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
