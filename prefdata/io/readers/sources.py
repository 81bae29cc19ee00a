"""What to read: files, globs, folders and standard input, with their kind and compression."""

from __future__ import annotations

import codecs
import difflib
import glob
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO, Literal, cast

from prefdata.errors import InputError, UsageError
from prefdata.io.dataset.atomic_dir import is_ours
from prefdata.io.readers.memory import Sources, as_source_list, write_source
from prefdata.io.readers.remote import RemoteFile, is_remote, remote_files

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
MARKS = ("manifest.json", "export.json")
"""The files by which a data set directory and an export are known."""

PACKED = {".gz": "gz", ".zst": "zst"}
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
LONGEST_NAME = 60
"""Characters of a name that cannot be looked at."""

JSON_BEGINS = re.compile(rb'[\[{]\s*(["{\[\]}]|\Z)')
ONE_LIST = ("data", "rows", "examples", "train", "instances", "records", "items", "results")
"""Keys under which an object on one line holds the rows of a whole file."""
ROWS_INSIDE = re.compile(
    rb'\{(\s*"[^"]*"\s*:\s*("[^"]*"|[\w.+-]+)\s*,)*\s*"(%s)"\s*:\s*\[\s*\{'
    % "|".join(ONE_LIST).encode()
)


@dataclass(frozen=True)
class Source:
    """One file to read.

    Attributes:
        path: where the bytes are.
        name: what to call it in messages, rejects and the manifest.
        kind: how its bytes are laid out, told by content before suffix.
        packed: ``"gz"``, ``"zst"`` or ``""``.
    """

    path: Path | RemoteFile
    name: str
    kind: FileKind
    packed: str = ""

    @property
    def local(self) -> Path:
        """Where the bytes are on this machine; `open_sources` fetches them unless told not to."""
        return cast("Path", self.path)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the decompressed bytes.

        Raises:
            InputError: the file cannot be opened, read or unpacked.
        """
        try:
            file: AbstractContextManager[BinaryIO] = self.path.open("rb")
        except OSError as error:
            raise _unreadable(self.name, error) from error
        with file as raw:
            try:
                yield unpacked(raw, self.packed)
            except (OSError, EOFError, zlib.error) as error:
                refused = _damaged if self.packed else _unreadable
                raise refused(self.name, error) from error

    def sha256(self) -> str:
        """The SHA-256 of the file as it lies there, as hexadecimal digits.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            with self.local.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(self.name, error) from error


def unpacked(raw: BinaryIO, packed: str) -> BinaryIO:
    """Wrap ``raw`` so that reading gives the decompressed bytes."""
    if packed == "gz":
        return cast("BinaryIO", gzip.open(raw, "rb"))
    if packed == "zst":
        import pyarrow as pa

        stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
        return io.BufferedReader(stream)  # by itself it cannot read a line
    return raw


@contextmanager
def open_sources(requests: Sources, *, fetch: bool = True) -> Iterator[list[Source]]:
    """Turn what a user named into the files to read.

    Standard input, and what a program holds in memory, is kept in a temporary file.

    Args:
        requests: one or several of: paths, globs, folders, addresses, ``"-"`` for standard input,
            frames, lists of rows.
        fetch: keep what lies elsewhere in a temporary file too, as it is read more than once;
            otherwise only what is read of it is fetched.

    Raises:
        UsageError: a path does not exist, or nothing to read was named.
        InputError: a file is empty or of a kind that is not read.
    """
    with ExitStack() as stack:
        sources: list[Source] = []
        for request in _distinct(as_source_list(requests)):
            if isinstance(request, str | os.PathLike):
                sources.extend(_from_path(stack, os.fspath(request), fetch=fetch))
            else:
                sources.extend(_from_memory(stack, request, {each.name for each in sources}))
        if not sources:
            raise UsageError("no source was named", hint="Name a file, a glob, a folder or '-'.")
        yield list(dict.fromkeys(sources))


def _distinct(requests: Iterable[object]) -> Iterator[object]:
    """Each path once, since standard input has an end; a frame named twice is read twice."""
    paths = set()
    for request in requests:
        if not isinstance(request, str):
            yield request
        elif request not in paths:
            paths.add(request)
            yield request


def _from_path(stack: ExitStack, request: str, *, fetch: bool) -> Iterator[Source]:
    if request == "-":
        yield identified(_kept(stack, _standard_input(), "stdin"), "stdin")
    elif _is_pipe(request):
        with Path(request).open("rb") as pipe:
            yield identified(_kept(stack, pipe, request), request)
    elif is_remote(request):
        yield from _elsewhere(stack, request, fetch=fetch)
    else:
        yield from (identified(path, str(path)) for path in _paths(request))


def _from_memory(stack: ExitStack, frame: object, names: set[str]) -> Iterator[Source]:
    """Sources of what is in memory, each with a name of its own."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prefdata-memory-")))
    for name, path in write_source(frame, folder):
        numbered = (f"{name}-{number}" for number in count(2))
        unique = name if name not in names else next(n for n in numbered if n not in names)
        names.add(unique)
        yield Source(path, unique, "arrow" if path.suffix == ".arrow" else "jsonl")


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise InputError("standard input is closed", hint="Pipe a file into it, or name the file.")
    return sys.stdin.buffer


def _elsewhere(stack: ExitStack, request: str, *, fetch: bool) -> Iterator[Source]:
    """The sources behind an address; in a folder, only what looks like data."""
    files = remote_files(request)
    data = [file for file in files if _suffix(file.path)[0]] if len(files) > 1 else files
    if not data:
        raise UsageError(f"no data file in {request}", hint=_looked_for())
    for file in data:
        if not fetch:
            yield identified(file, file.url)
            continue
        with file.open() as stream:
            yield identified(_kept(stack, stream, file.url), file.url)


def _kept(stack: ExitStack, stream: BinaryIO, name: str) -> Path:
    """Keep what can be read only once in a file, for as long as the stack is open."""
    try:
        held = stack.enter_context(tempfile.TemporaryDirectory(prefix="prefdata-stdin-"))
        path = Path(held) / "kept"
        with path.open("wb") as kept:
            shutil.copyfileobj(stream, kept)
    except OSError as error:
        raise InputError(
            f"{name} could not be kept in a temporary file: {error.strerror or error}",
            hint="Free some space, or name a folder that has some in the variable TMPDIR.",
        ) from error
    return path


@contextmanager
def _looking_at(request: str) -> Iterator[None]:
    """Say what the system refuses to show, instead of passing it over."""
    try:
        yield
    except OSError as error:
        name = os.fsdecode(error.filename) if error.filename else request
        why = error.strerror or str(error)
        name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
        raise UsageError(
            f"{name} cannot be looked at: {why}", hint="Check the path and its permissions."
        ) from error


def _is_pipe(request: str) -> bool:
    with _looking_at(request):
        return Path(request).is_fifo()


def _paths(request: str) -> list[Path]:
    with _looking_at(request):
        return _named(request)


def _named(request: str) -> list[Path]:
    if not request:
        raise UsageError("a source has no name", hint="Name a file, a glob, a folder or '-'.")
    path = Path(request)
    if path.is_dir():
        return _inside(path)
    if path.exists():
        return [path]
    found = glob.glob(request, recursive=True)  # noqa: PTH207 - it takes absolute patterns
    matches = sorted(map(Path, found))
    files = [match for match in matches if match.is_file()]
    if files:
        return files
    if glob.has_magic(request):
        raise UsageError(f"no file matches {request}", hint="Quote the glob, and check the folder.")
    if path.is_symlink():
        raise UsageError(f"{request} is a link that leads to no file", hint="See where it leads.")
    names = sorted(p.name for p in path.parent.glob("*"))
    near = difflib.get_close_matches(path.name, names, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Check the path."
    raise UsageError(f"no such file or folder: {request}", hint=hint)


def _inside(folder: Path) -> list[Path]:
    """The data files of a folder; of what prefdata wrote only its data.

    Data set directories and exports that lie in the folder are results, not sources: they are left
    out.
    """
    root = folder / "data" if _is_result(folder) else folder
    files = sorted(p for p in _all_in(root) if _suffix(p.name)[0] and p.is_file())
    results = {p.parent for p in files if p.name in MARKS and _is_result(p.parent)}
    files = [p for p in files if results.isdisjoint(p.parents)]
    if not files:
        raise UsageError(f"no data file in the folder {folder}", hint=_looked_for())
    return files


def _all_in(root: Path) -> Iterator[Path]:
    """All files below a folder but the hidden ones; one that cannot be listed is an error."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, inner, names in os.walk(root, onerror=refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _looked_for() -> str:
    return f"Looked for {', '.join(sorted(SUFFIXES))}, also with .gz and .zst."


def _is_result(folder: Path) -> bool:
    """Whether a folder is a data set directory or an export that prefdata wrote."""
    return any(is_ours(folder / mark) for mark in MARKS)


def _suffix(name: str) -> tuple[FileKind | None, str]:
    path = Path(name.lower())
    packed = PACKED.get(path.suffix, "")
    return SUFFIXES.get(Path(path.stem).suffix if packed else path.suffix), packed


def identified(path: Path | RemoteFile, name: str) -> Source:
    """Tell a file's kind, by its first bytes where they speak and by its suffix otherwise.

    Raises:
        InputError: the file is empty, or of a kind that is not read.
    """
    by_suffix, packed = _suffix(name)
    try:
        file: AbstractContextManager[BinaryIO] = path.open("rb")
        with file as raw:
            magic = raw.read(4)
            packed = (
                "gz" if magic[:2] == b"\x1f\x8b" else "zst" if magic == b"\x28\xb5\x2f\xfd" else ""
            )
            raw.seek(0)
            head = _head(raw, packed, name)
    except OSError as error:
        raise _unreadable(name, error) from error
    if not head.strip():
        raise InputError(f"{name} is empty", hint="Check the export that made it.")
    return Source(path, name, _kind(head, by_suffix, name), packed)


def _head(raw: BinaryIO, packed: str, name: str) -> bytes:
    try:
        return bytes(unpacked(raw, packed).read(HEAD))
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(name, error) from error


def _unreadable(name: str, error: Exception) -> InputError:
    return InputError(
        f"{name} cannot be read: {getattr(error, 'strerror', None) or error}",
        hint="Check the file, its permissions and its disk.",
    )


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(
        f"{name} is compressed, but cannot be unpacked: {error}",
        hint="Copy or download it again.",
    )


def _kind(head: bytes, by_suffix: FileKind | None, name: str) -> FileKind:
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
    """Tell an array from JSON lines of which the first is an array, which is no row."""
    first, _, more = text.partition(b"\n")
    if by_suffix != "jsonl" or not more.strip():
        return "json"
    try:
        json.loads(first)
    except ValueError:
        return "json"
    return "jsonl"


def _json_kind(text: bytes, by_suffix: FileKind | None) -> FileKind:
    """Tell one object with a list inside from an object per line: is the first line whole?

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
    alone = text.strip() == first and len(lists) == 1
    if by_suffix == "jsonl" and alone and not _holds_rows(record[lists[0]]):
        return "jsonl"
    return "json" if alone and (len(record) == 1 or lists[0] in ONE_LIST) else "jsonl"


def _holds_rows(values: list[object]) -> bool:
    """Whether a list may be the rows of a file; an empty one, or one of texts, is a value."""
    return bool(values) and all(isinstance(value, dict) for value in values)


def _is_object(lines: list[bytes]) -> bool:
    try:
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
    except ValueError:
        return False
