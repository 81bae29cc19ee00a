"""Writing a folder whole: into a temporary sibling that takes its place at the end."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from prefdata.errors import InputError, UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

RENAME_EXCHANGE = 2
AT_FDCWD = -100

LOCK = "prefdata.lock"
"""No other program's name: what it stands in may be taken away."""

RANDOM = 8
"""Characters that `tempfile` adds to a name."""

SIGNED = ("manifest.json", "export.json")
"""Files with names that other programs use too, in which ours say what wrote them."""

PARTS = ("rejects", "rows", "comparisons", "calls", "rankings")
FILES = ("data/train", "data/test", *(f"{name}/{name}" for name in PARTS))
OURS = {
    "manifest.json": ("README.md", "manifest.json", *(f"{n}-*-of-*.parquet" for n in FILES)),
    "eval.json": ("eval.json", "eval_rows.parquet", "generations.jsonl"),
}
"""What prefdata writes into a folder, by the file that tells it; an export lists it itself."""

NOT_MEANT = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that a system leaves where somebody looked."""

MOST_FOREIGN = 3


def refuse_existing(output: Path, *, force: bool, made_of: str, ours: Sequence[str] = ()) -> None:
    """Check, before any work, that a folder may be written.

    Args:
        output: the folder.
        force: whether an existing one may be replaced.
        made_of: a file that tells a folder of this kind; a folder without it is never replaced.
        ours: what we write into such a folder, where `OURS` does not say it: names, with stars,
            and ``/**`` for all that is in a folder.

    Raises:
        UsageError: it exists and may not be replaced, or its place cannot be written.
    """
    try:
        str(output).encode()  # a name in other bytes cannot be opened by every library
        place = output.resolve()
        folder, there = place.is_dir(), place.exists()
        filled = folder and any(place.iterdir())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{str(output)[:60]!r} cannot be an output: {why}", hint="Name another output."
        ) from error
    if there and not folder:
        raise UsageError(
            f"{output} is {'a file' if output.is_file() else 'no folder'}; "
            "expected a folder to write",
            hint="Name another output.",
        )
    if filled:
        _check_replaceable(output, force=force, made_of=made_of, ours=ours)
    parent = next(p for p in place.parents if p.exists())
    if not os.access(parent, os.W_OK) or not parent.is_dir():
        raise UsageError(f"{parent} cannot be written to", hint="Name an output elsewhere with -o.")


def is_ours(mark: Path) -> bool:
    """Whether a JSON file says that prefdata wrote it.

    Example:
        >>> is_ours(Path("examples/votes.jsonl"))
        False
    """
    try:
        return bool(json.loads(mark.read_bytes()).get("program") == "prefdata")
    except (OSError, ValueError, AttributeError):
        return False


def _check_replaceable(output: Path, *, force: bool, made_of: str, ours: Sequence[str]) -> None:
    """Refuse a folder that holds something else, or that may not be replaced."""
    mark = output / made_of
    if not mark.exists():
        raise UsageError(
            f"{output} exists and holds something else: there is no {made_of} in it",
            hint="Name another output; it is not replaced, even with --force.",
        )
    if made_of in SIGNED and not is_ours(mark):
        raise UsageError(
            f"{output} exists and holds something else: its {made_of} is not one of prefdata's",
            hint="Name another output; it is not replaced, even with --force.",
        )
    if not force:
        raise UsageError(f"{output} exists already", hint="Name another output, or pass --force.")
    if foreign := _foreign(output, made_of, ours):
        more = f" and {len(foreign) - MOST_FOREIGN} more" if len(foreign) > MOST_FOREIGN else ""
        named = ", ".join(foreign[:MOST_FOREIGN])
        raise UsageError(
            f"{output} holds what prefdata did not write: {named}{more}",
            hint="Move it elsewhere, or name another output: --force replaces the whole folder.",
        )


def _foreign(output: Path, made_of: str, ours: Sequence[str]) -> list[str]:
    """The files of a folder that prefdata did not write; none where that cannot be told."""
    ours = ours or OURS.get(made_of, ())
    if made_of == "export.json":
        listed = json.loads((output / made_of).read_bytes()).get("files")
        ours = tuple(map(str, listed)) if isinstance(listed, list) else ()
    if not ours:
        return []
    held = (path for path in sorted(output.rglob("*")) if not path.is_dir() or path.is_symlink())
    names = [path.relative_to(output) for path in held if path.name not in NOT_MEANT]
    return [str(name) for name in names if not any(_is(name, pattern) for pattern in ours)]


def _is(name: Path, pattern: str) -> bool:
    folder, all_in_it, _ = pattern.rpartition("/**")
    if all_in_it:
        depth = len(Path(folder).parts)
        return len(name.parts) > depth and Path(*name.parts[:depth]).match(folder)
    return len(name.parts) == len(Path(pattern).parts) and name.match(pattern)


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Work in a new folder that takes the place of ``output`` if all goes well.

    Whatever happens, a kill included, either the old folder or the new one stands there, whole.
    Only a kill leaves the working folder behind; its name begins with ``.`` and the output's name,
    and the next run on the same output takes it away.

    Args:
        output: where the result belongs.

    Yields:
        The folder to fill, beside ``output``.

    Raises:
        InputError: the disk is full, or cannot be written.
    """
    output = output.resolve()  # of a link, what it leads to is replaced, and the link stays
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        _clear(output)
        work = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
        lock = _hold(work)
    except OSError as error:
        raise _unwritable(output, error) from error
    try:
        work.chmod(0o777 & ~_umask())
        new = work / "new"
        new.mkdir()
        yield new
        _swap(new, output)
    except OSError as error:
        if error.errno is None and "os error" not in str(error):  # as Polars words the system's
            raise
        raise _unwritable(output, error) from error
    finally:
        lock.close()
        shutil.rmtree(work, ignore_errors=True)


def _hold(work: Path) -> BinaryIO:
    """Lock a working folder for as long as the file stays open, which is no longer than we live.

    The lock is there before its name is: whoever finds one that is free knows that nobody is left.
    Some shared file systems lock nothing, and there it gets no name.
    """
    file = (work / "begun").open("wb")
    if fcntl:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
            (work / "begun").rename(work / LOCK)
    return file


def _clear(output: Path) -> None:
    """Take away what runs on this output have left that were killed.

    Where files cannot be locked nobody can tell, so there everything stays; and so does a folder
    that was set aside to be replaced, which may be the only one there is.
    """
    prefix = f".{output.name}."
    for lock in output.parent.glob(f"{glob.escape(prefix)}*/{LOCK}"):
        work = lock.parent
        if not fcntl or len(work.name) != len(prefix) + RANDOM or (work / "old").exists():
            continue
        with contextlib.suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(work, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder and all that is in it; where there is none, there is nothing to do.

    Args:
        path: of the folder.

    Raises:
        InputError: it cannot be removed.

    Example:
        >>> remove_folder(Path("no/such/folder"))
    """
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(
            f"{path} cannot be removed ({error.strerror})",
            hint="See who owns it and what is in it.",
        ) from error


def _unwritable(output: Path, error: OSError) -> InputError:
    return InputError(
        f"{output} could not be written: {error.strerror or error}",
        hint="Nothing was changed. Free some space, or name an output elsewhere with -o.",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _swap(new: Path, output: Path) -> None:
    """Put ``new`` in the place of ``output``: in one step where the system can exchange folders."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        new.rename(output)
        return
    rename = (
        getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if os.name == "posix"
        else None
    )
    paths = os.fsencode(new), os.fsencode(output)
    if rename and rename(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0:
        return
    old = new.with_name("old")
    output.rename(old)
    try:
        new.rename(output)
    except OSError:
        old.rename(output)
        raise
