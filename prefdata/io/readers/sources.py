"""What to read: files, globs, folders and standard input, with their kind and compression."""

from __future__ import annotations

import difflib
import glob
import gzip
import hashlib
import io
import itertools
import json
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from prefdata.errors import InputError, UsageError
from prefdata.io.dataset.atomic_dir import is_ours
from prefdata.io.dataset.dataset_reader import check_version
from prefdata.io.readers.file_kind import (
    HEAD,
    FileKind,
    detect_kind,
    expected_suffixes,
    suffix_kind,
)
from prefdata.io.readers.memory import Sources, as_source_list, write_source
from prefdata.io.readers.remote import RemoteFile, is_remote, remote_files

MARKS = ("manifest.json", "export.json")
"""The files that mark a data set directory and an export."""

SAVED = ("state.json", "dataset_info.json")
"""The files that save_to_disk of `datasets` writes beside its Arrow files."""

LONGEST_NAME = 60
"""Characters of a name that cannot be looked at."""


@dataclass(frozen=True)
class Source:
    """One file to read.

    Attributes:
        path: where the bytes are.
        name: what to call it in messages, rejects and the manifest.
        kind: how its bytes are laid out.
        compression: ``"gz"``, ``"zst"`` or ``""``.
        data_glob: where it is one of several files in a folder that the user named, a glob that
            names the others; ``""`` elsewhere, or where no glob does.
    """

    path: Path | RemoteFile
    name: str
    kind: FileKind
    compression: str = ""
    data_glob: str = ""

    @property
    def local(self) -> Path:
        """Where the bytes are on this machine; `open_sources` fetches them by default."""
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
                yield decompressed(raw, self.compression)
            except (OSError, EOFError, zlib.error) as error:
                refused = _damaged if self.compression else _unreadable
                raise refused(self.name, error) from error

    def sha256(self) -> str:
        """The SHA-256 of the file as it is stored, as hexadecimal digits.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            with self.local.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(self.name, error) from error


def decompressed(raw: BinaryIO, compression: str) -> BinaryIO:
    """Wrap ``raw`` so that it reads the decompressed bytes."""
    if compression == "gz":
        return cast("BinaryIO", gzip.open(raw, "rb"))
    if compression == "zst":
        import pyarrow as pa

        stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
        return io.BufferedReader(stream)  # by itself it cannot read a line
    return raw


@contextmanager
def open_sources(requests: Sources, *, fetch: bool = True) -> Iterator[list[Source]]:
    """Open what a user named as files to read.

    Standard input, and what a program has in memory, goes to a temporary file.

    Args:
        requests: one or several of: paths, globs, folders, addresses, ``"-"`` for standard input,
            frames, lists of rows.
        fetch: download remote files to temporary ones, as they are read more than once; otherwise
            only what is read is fetched.

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
    """Each path once, since standard input can be read once; a frame may be named twice."""
    paths = set()
    for request in requests:
        if not isinstance(request, str):
            yield request
        elif request not in paths:
            paths.add(request)
            yield request


def _from_path(stack: ExitStack, request: str, *, fetch: bool) -> Iterator[Source]:
    if request == "-":
        yield identify_source(_keep_in_file(stack, _standard_input(), "stdin"), "stdin")
    elif _is_pipe(request):
        with Path(request).open("rb") as pipe:
            yield identify_source(_keep_in_file(stack, pipe, request), request)
    elif is_remote(request):
        yield from _from_address(stack, request, fetch=fetch)
    else:
        paths = _paths(request)
        _refuse_newer(paths)
        globs = other_files(paths, Path(request)) if Path(request).is_dir() else {}
        for path in paths:
            with beside(globs.get(path, "")):
                source = identify_source(path, str(path))
            yield replace(source, data_glob=globs.get(path, ""))


def _refuse_newer(paths: Iterable[Path]) -> None:
    """Refuse the files of a data set directory that a newer version of prefdata wrote.

    Raises:
        UsageError: there is one.
    """
    folders = {folder for path in paths for folder in (path.parent, path.parent.parent)}
    for manifest in sorted(folder / "manifest.json" for folder in folders):
        if not is_ours(manifest):
            continue
        values = json.loads(manifest.read_bytes())
        if "schema_version" in values:
            check_version(manifest, values)


def _from_memory(stack: ExitStack, frame: object, names: set[str]) -> Iterator[Source]:
    """The sources of a frame or of splits in memory, each with a name of its own."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prefdata-memory-")))
    for name, path in write_source(frame, folder):
        candidates = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        unique = next(each for each in candidates if each not in names)
        names.add(unique)
        yield Source(path, unique, "arrow" if path.suffix == ".arrow" else "jsonl")


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise InputError("standard input is closed", hint="Pipe a file into it, or name the file.")
    return sys.stdin.buffer


def _from_address(stack: ExitStack, request: str, *, fetch: bool) -> Iterator[Source]:
    """The sources at an address; in a folder, only what looks like data."""
    files = remote_files(request)
    data = [file for file in files if suffix_kind(file.path)[0]] if len(files) > 1 else files
    if not data:
        raise UsageError(f"no data file in {request}", hint=expected_suffixes())
    for file in data:
        if not fetch:
            yield identify_source(file, file.url)
            continue
        with file.open() as stream:
            yield identify_source(_keep_in_file(stack, stream, file.url), file.url)


def _keep_in_file(stack: ExitStack, stream: BinaryIO, name: str) -> Path:
    """Keep what can be read only once in a file, as long as the stack is open."""
    try:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="prefdata-stdin-"))
        path = Path(folder) / "kept"
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
    except OSError as error:
        raise InputError(
            f"{name} could not be kept in a temporary file: {error.strerror or error}",
            hint="Free some space, or name a folder that has some in the variable TMPDIR.",
        ) from error
    return path


@contextmanager
def _refuse_unreadable(request: str) -> Iterator[None]:
    """Refuse, with a message, a path that the system does not let us read."""
    try:
        yield
    except OSError as error:
        name = os.fsdecode(error.filename) if error.filename else request
        problem = error.strerror or str(error)
        name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
        raise UsageError(
            f"{name} cannot be looked at: {problem}", hint="Check the path and its permissions."
        ) from error


def _is_pipe(request: str) -> bool:
    with _refuse_unreadable(request):
        return Path(request).is_fifo()


def _paths(request: str) -> list[Path]:
    with _refuse_unreadable(request):
        return _match_paths(request)


def _match_paths(request: str) -> list[Path]:
    if not request:
        raise UsageError("a source has no name", hint="Name a file, a glob, a folder or '-'.")
    path = Path(request)
    if path.is_dir():
        return _inside(path)
    if path.exists():
        return [path]
    matches = glob.glob(request, recursive=True)  # noqa: PTH207 - it takes absolute patterns
    files = [path for path in sorted(map(Path, matches)) if path.is_file()]
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

    Data set directories and exports within the folder are results, not sources: they are skipped.
    """
    root = folder / "data" if _is_result(folder) else folder
    _refuse_saved(folder)
    files = sorted(p for p in _all_in(root) if suffix_kind(p.name)[0] and p.is_file())
    results = {p.parent for p in files if p.name in MARKS and _is_result(p.parent)}
    files = [p for p in files if results.isdisjoint(p.parents)]
    if not files:
        raise UsageError(f"no data file in the folder {folder}", hint=expected_suffixes())
    return files


def _refuse_saved(folder: Path) -> None:
    """Refuse what `datasets` saved, but for its Arrow files: the others are about them."""
    for marks, pattern in ((("dataset_dict.json",), "*/*.arrow"), (SAVED, "*.arrow")):
        if all((folder / mark).is_file() for mark in marks) and any(folder.glob(pattern)):
            raise UsageError(
                f"{folder} was written by save_to_disk of datasets: its JSON files hold no rows",
                hint=f"Name its Arrow files: '{folder}/{pattern}'",
            )


def other_files(paths: Sequence[Path], folder: Path) -> dict[Path, str]:
    """For each file of a folder a glob that names the files of another kind, where one does.

    Example:
        >>> paths = [Path("in/stats.json"), Path("in/a.jsonl"), Path("in/b.jsonl")]
        >>> other_files(paths, Path("in"))[paths[0]]
        'in/*.jsonl'
    """
    globs = {}
    for path in paths:
        others = [each for each in paths if each.suffix != path.suffix]
        suffixes, parents = {each.suffix for each in others}, {each.parent for each in others}
        if len(suffixes) == 1:
            place = str(parents.pop()) if len(parents) == 1 else f"{folder}/**"
            globs[path] = f"{place}/*{suffixes.pop()}"
    return globs


@contextmanager
def beside(data_glob: str) -> Iterator[None]:
    """Add to an error about a file of a folder how to name the other files alone.

    Args:
        data_glob: names them; ``""`` where there are none.
    """
    try:
        yield
    except InputError as error:
        if data_glob and not isinstance(error, UsageError):
            others = f"If it is no data, name the other files alone: '{data_glob}'."
            error.hint = f"{others} {error.hint}"
        raise


def _all_in(root: Path) -> Iterator[Path]:
    """All files below a folder but the hidden ones; a folder that cannot be listed is an error."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, inner, names in os.walk(root, onerror=refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _is_result(folder: Path) -> bool:
    """Whether a folder is a data set directory or an export that prefdata wrote."""
    return any(is_ours(folder / mark) for mark in MARKS)


def identify_source(path: Path | RemoteFile, name: str) -> Source:
    """Open a file as a source, and detect its kind and compression.

    Raises:
        InputError: the file is empty, or of a kind that is not read.
    """
    by_suffix, compression = suffix_kind(name)
    try:
        file: AbstractContextManager[BinaryIO] = path.open("rb")
        with file as raw:
            magic = raw.read(4)
            compression = (
                "gz" if magic[:2] == b"\x1f\x8b" else "zst" if magic == b"\x28\xb5\x2f\xfd" else ""
            )
            raw.seek(0)
            head = _head(raw, compression, name)
    except OSError as error:
        raise _unreadable(name, error) from error
    if not head.strip():
        raise InputError(f"{name} is empty", hint="Check the export that made it.")
    return Source(path, name, detect_kind(head, by_suffix, name), compression)


def _head(raw: BinaryIO, compression: str, name: str) -> bytes:
    try:
        return bytes(decompressed(raw, compression).read(HEAD))
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
