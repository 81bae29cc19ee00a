"""Writing a folder whole: into a temporary sibling that takes its place at the end."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

from prefdata.errors import InputError, UsageError
from prefdata.io.dataset.dir_lock import (
    RANDOM,
    output_lock,
    refuse_locked,
    remove_stale,
    work_lock,
)

RENAME_EXCHANGE = 2
AT_FDCWD = -100

SIGNED = ("manifest.json", "export.json")
"""Files with names that other programs use too; in ours the program's name is written."""

PARTS = ("rejects", "rows", "comparisons", "calls", "rankings")
FILES = ("data/train", "data/validation", "data/test", *(f"{name}/{name}" for name in PARTS))
OURS = {
    "manifest.json": ("README.md", "manifest.json", *(f"{n}-*-of-*.parquet" for n in FILES)),
    "eval.json": ("eval.json", "eval_rows.parquet", "generations.jsonl"),
}
"""What prefdata writes into a folder, by its marker; an export lists it itself."""

SYSTEM_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that a system leaves in folders that somebody opened."""

MOST_FOREIGN = 3


class ExistingOutput(NamedTuple):
    """What was at the path of an output when it was checked.

    Attributes:
        identity: of the folder; None if there was none, or an empty one.
    """

    identity: tuple[int, int] | None


def refuse_existing(
    output: Path, *, force: bool, marker: str, own_files: Sequence[str] = ()
) -> ExistingOutput:
    """Check, before any work, that a folder may be written.

    Args:
        output: the folder.
        force: whether an existing one may be replaced.
        marker: a file that every folder of this kind has; one without it is never replaced.
        own_files: what prefdata writes into such a folder, where `OURS` does not list it: names
            with stars, and ``/**`` for all that is in a folder.

    Returns:
        What is there now, for `replacing`, which replaces nothing else.

    Raises:
        UsageError: it exists and may not be replaced, or its place cannot be written.
        InputError: another run writes it.
    """
    if str(output) == "-":
        raise UsageError(
            "a folder cannot be written to standard output",
            hint="Name an output with -o; ./- is a folder of that name.",
        )
    try:
        str(output).encode()  # a name in other bytes cannot be opened by every library
        place = output.resolve()
        if place.is_symlink():
            place.stat()  # raises: it leads to itself, of which Python 3.13 resolves a part
        folder, exists = place.is_dir(), place.exists()
        filled = folder and any(place.iterdir())
        existing = ExistingOutput(_identity(place))
    except (OSError, ValueError, RuntimeError) as error:  # the last of a link that leads to itself
        problem = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{str(output)[:60]!r} cannot be an output: {problem}", hint="Name another output."
        ) from error
    if exists and not folder:
        raise UsageError(
            f"{output} is {'a file' if output.is_file() else 'no folder'}; "
            "expected a folder to write",
            hint="Name another output.",
        )
    if folder and place.samefile("."):
        raise UsageError(
            f"{output} is the folder that you are in, which cannot be replaced",
            hint="Name another output, such as a folder in it.",
        )
    if filled:
        _check_replaceable(output, force=force, marker=marker, own_files=own_files)
    parent = next(p for p in place.parents if p.exists())
    if not os.access(parent, os.W_OK) or not parent.is_dir():
        raise UsageError(f"{parent} cannot be written to", hint="Name an output elsewhere with -o.")
    refuse_locked(output)
    return existing


def is_ours(marker: Path) -> bool:
    """Whether prefdata wrote a JSON file, by its ``program`` key.

    Example:
        >>> is_ours(Path("examples/votes.jsonl"))
        False
    """
    try:
        return bool(json.loads(marker.read_bytes()).get("program") == "prefdata")
    except (OSError, ValueError, AttributeError):
        return False


def _check_replaceable(output: Path, *, force: bool, marker: str, own_files: Sequence[str]) -> None:
    """Refuse a folder that has something else in it, or that may not be replaced."""
    path = output / marker
    if not path.exists():
        raise UsageError(
            f"{output} exists and holds something else: there is no {marker} in it",
            hint="Name another output; it is not replaced, even with --force.",
        )
    if marker in SIGNED and not is_ours(path):
        raise UsageError(
            f"{output} exists and holds something else: its {marker} is not one of prefdata's",
            hint="Name another output; it is not replaced, even with --force.",
        )
    if not force:
        raise UsageError(f"{output} exists already", hint="Name another output, or pass --force.")
    if foreign := _foreign(output, marker, own_files):
        more = f" and {len(foreign) - MOST_FOREIGN} more" if len(foreign) > MOST_FOREIGN else ""
        names = ", ".join(foreign[:MOST_FOREIGN])
        raise UsageError(
            f"{output} holds what prefdata did not write: {names}{more}",
            hint="Move it elsewhere, or name another output: --force replaces the whole folder.",
        )


def _foreign(output: Path, marker: str, own_files: Sequence[str]) -> list[str]:
    """The files of a folder that prefdata did not write; none where that is unknown."""
    own_files = own_files or OURS.get(marker, ())
    if marker == "export.json":
        listed = json.loads((output / marker).read_bytes()).get("files")
        own_files = tuple(map(str, listed)) if isinstance(listed, list) else ()
    if not own_files:
        return []
    files = (path for path in sorted(output.rglob("*")) if not path.is_dir() or path.is_symlink())
    names = [path.relative_to(output) for path in files if path.name not in SYSTEM_FILES]
    return [
        str(name) for name in names if not any(_matches(name, pattern) for pattern in own_files)
    ]


def _matches(name: Path, pattern: str) -> bool:
    folder, all_in_it, _ = pattern.rpartition("/**")
    if all_in_it:
        depth = len(Path(folder).parts)
        return len(name.parts) > depth and Path(*name.parts[:depth]).match(folder)
    return len(name.parts) == len(Path(pattern).parts) and name.match(pattern)


@contextmanager
def replacing(output: Path, existing: ExistingOutput | None = None) -> Iterator[Path]:
    """Write a new folder that replaces ``output`` if all goes well.

    Whatever happens, a kill included, either the old folder or the new one is there, whole.
    An interrupt while the one replaces the other comes too late and does nothing.
    Only a kill leaves the working folder behind; its name begins with ``.`` and the output's name,
    and the next run on the same output and machine removes it.

    Of two runs on one output the second is refused at once. Where files cannot be locked, or each
    machine locks for itself, both run; whichever is done last replaces nothing that the other
    wrote, says so, and leaves its own result beside it.

    Args:
        output: the folder to write.
        existing: what `refuse_existing` returned; by default, what is there now.

    Yields:
        The folder to fill, beside ``output``.

    Raises:
        InputError: the disk is full, or cannot be written; or another run writes the output.
    """
    output = output.resolve()  # where it is a link, its target is replaced, and the link stays
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(output, error) from error
    with ExitStack() as late, output_lock(output) as locked, _working(output, clear=locked) as new:
        before = existing or ExistingOutput(_identity(output))
        if _identity(output) not in (None, before.identity):
            raise InputError(
                f"{output} was written by another run just now",
                hint="Look at it, and name another output, or pass --force to replace it.",
            )
        yield new
        late.enter_context(_uninterrupted())
        _swap(new, output, before)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore interrupts: what begins here is better finished than left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        if before is not None:  # a handler that is not Python's cannot be set again
            signal.signal(signal.SIGINT, before)


@contextmanager
def _working(output: Path, *, clear: bool) -> Iterator[Path]:
    """A new folder in a working folder beside the output, which is removed at the end."""
    try:
        if clear:
            remove_stale(output)
        work = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise _unwritable(output, error) from error
    try:
        work.chmod(0o777 & ~_umask())
        new = work / "new"
        new.mkdir()
        with work_lock(work):
            yield new
    except OSError as error:
        # Polars has the system's error as text only.
        if error.errno is None and "os error" not in str(error):
            raise
        raise _unwritable(output, error) from error
    finally:
        with _uninterrupted():
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


def _identity(output: Path) -> tuple[int, int] | None:
    """What distinguishes the folder from another of that name; None if there is none, or empty."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    stat = output.stat()
    return stat.st_dev, stat.st_ino


def _swap(new: Path, output: Path, before: ExistingOutput) -> None:
    """Replace what was there before with ``new``, and nothing else."""
    now = _identity(output)
    if now is None:
        try:
            new.rename(output)
        except OSError:
            if _identity(output) is None:
                raise
            _set_beside(new, output)
    elif now != before.identity:
        _set_beside(new, output)
    else:
        _exchange(new, output)


def _set_beside(new: Path, output: Path) -> NoReturn:
    """Keep the result, where another run that could not be locked out was done earlier."""
    beside = output.with_name(f"{output.name}.{new.parent.name[-RANDOM:]}")
    new.rename(beside)
    raise InputError(
        f"{output} was written by another run meanwhile",
        hint=f"That stays as it is; what this run made stands in {beside}.",
    )


def _exchange(new: Path, output: Path) -> None:
    """Replace ``output`` with ``new``: in one step where the system can."""
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
