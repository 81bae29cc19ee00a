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
    claimed,
    clear_left,
    marked,
    refuse_claimed,
)

RENAME_EXCHANGE = 2
AT_FDCWD = -100

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


class ExistingOutput(NamedTuple):
    """What stood at the place of an output when it was checked: its identity, or that it did not.

    Attributes:
        identity: of the folder; none if there was none, or an empty one.
    """

    identity: tuple[int, int] | None


def refuse_existing(
    output: Path, *, force: bool, made_of: str, ours: Sequence[str] = ()
) -> ExistingOutput:
    """Check, before any work, that a folder may be written.

    Args:
        output: the folder.
        force: whether an existing one may be replaced.
        made_of: a file that tells a folder of this kind; a folder without it is never replaced.
        ours: what we write into such a folder, where `OURS` does not say it: names, with stars,
            and ``/**`` for all that is in a folder.

    Returns:
        What stands there now, and nothing else may be replaced by `replacing`.

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
        folder, there = place.is_dir(), place.exists()
        filled = folder and any(place.iterdir())
        existing = ExistingOutput(_identity(place))
    except (OSError, ValueError, RuntimeError) as error:  # the last of a link that leads to itself
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
    if folder and place.samefile("."):
        raise UsageError(
            f"{output} is the folder that you are in, which cannot be replaced",
            hint="Name another output, such as a folder in it.",
        )
    if filled:
        _check_replaceable(output, force=force, made_of=made_of, ours=ours)
    parent = next(p for p in place.parents if p.exists())
    if not os.access(parent, os.W_OK) or not parent.is_dir():
        raise UsageError(f"{parent} cannot be written to", hint="Name an output elsewhere with -o.")
    refuse_claimed(output)
    return existing


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
def replacing(output: Path, existing: ExistingOutput | None = None) -> Iterator[Path]:
    """Work in a new folder that takes the place of ``output`` if all goes well.

    Whatever happens, a kill included, either the old folder or the new one stands there, whole.
    An interrupt while the one takes the place of the other comes too late and does nothing.
    Only a kill leaves the working folder behind; its name begins with ``.`` and the output's name,
    and the next run on the same output and machine takes it away.

    Of two runs on one output the second is refused at once. Where files cannot be locked, or each
    machine locks for itself, both run; whichever is done last replaces nothing that the other
    wrote, says so, and leaves what it made beside it.

    Args:
        output: where the result belongs.
        existing: what `refuse_existing` found there; by default, what stands there now.

    Yields:
        The folder to fill, beside ``output``.

    Raises:
        InputError: the disk is full, or cannot be written; or another run writes the output.
    """
    output = output.resolve()  # of a link, what it leads to is replaced, and the link stays
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(output, error) from error
    with ExitStack() as late, claimed(output) as alone, _working(output, clear=alone) as new:
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
    """Let an interrupt do nothing: what is begun here is better done than left by half."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        if before is not None:  # what was set by a program around Python cannot be set again
            signal.signal(signal.SIGINT, before)


@contextmanager
def _working(output: Path, *, clear: bool) -> Iterator[Path]:
    """A working folder beside the output with a new folder in it, until all is done."""
    try:
        if clear:
            clear_left(output)
        work = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise _unwritable(output, error) from error
    try:
        work.chmod(0o777 & ~_umask())
        new = work / "new"
        new.mkdir()
        with marked(work):
            yield new
    except OSError as error:
        if error.errno is None and "os error" not in str(error):  # as Polars words the system's
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
    """What tells the folder that stands there from another of that name; none if it is empty."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    found = output.stat()
    return found.st_dev, found.st_ino


def _swap(new: Path, output: Path, before: ExistingOutput) -> None:
    """Put ``new`` in the place of what stood there before, and of nothing else."""
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
    """Keep what was made, where another run was done earlier that nothing could keep away."""
    kept = output.with_name(f"{output.name}.{new.parent.name[-RANDOM:]}")
    new.rename(kept)
    raise InputError(
        f"{output} was written by another run meanwhile",
        hint=f"That stays as it is; what this run made stands in {kept}.",
    )


def _exchange(new: Path, output: Path) -> None:
    """Put ``new`` in the place of ``output``: in one step where the system can."""
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
