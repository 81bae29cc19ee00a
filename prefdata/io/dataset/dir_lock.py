"""One run at a time writes an output: the claim it lays on it, and what a killed one has left."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from prefdata.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MARK = "prefdata.lock"
"""No other program's name: what it stands in may be taken away."""

RANDOM = 8
"""Characters that `tempfile` adds to a name."""

TRIES, PAUSE = 5, 0.02
"""How often to ask again for a lock, and seconds between: looking at one takes it for a moment."""

FORGOTTEN = 7 * 24 * 3600.0
"""Seconds after which what another machine has left untouched is taken for dead."""

HELD = (errno.EAGAIN, errno.EACCES)

BOOT = Path("/proc/sys/kernel/random/boot_id")


def refuse_claimed(output: Path) -> None:
    """Check, before any work, that no other run writes this output.

    Raises:
        InputError: one does.
    """
    output = output.resolve()
    if os.path.isfile(_lock_path(output)):  # noqa: PTH113 - which a name that is too long is not
        with claimed(output):
            pass


@contextmanager
def claimed(output: Path) -> Iterator[bool]:
    """Keep other runs from an output, for as long as this one lives and no longer.

    Args:
        output: the folder, with all links resolved; what it lies in exists.

    Yields:
        Whether the file system can lock. Where it cannot, other runs are not kept away; and some
        that machines share lock for each machine by itself.

    Raises:
        InputError: another run writes it.
    """
    path = _lock_path(output)
    lock = _locked(path, output)
    if lock is None:
        yield False
        return
    try:
        _sign(lock)
        yield True
    finally:
        with suppress(OSError):
            path.unlink()
        lock.close()


@contextmanager
def marked(work: Path) -> Iterator[None]:
    """Say in a working folder whose it is, for as long as that one lives."""
    with (work / MARK).open("wb", buffering=0) as file:
        _lock(file)
        _sign(file)
        yield


def clear_left(output: Path) -> None:
    """Take away the working folders that runs on this output have left which were killed.

    Only whoever holds the claim may. Whether a run lives on another machine nobody can tell for
    sure, so what that has left stays for a week. A folder that was set aside to be replaced stays
    too: it may be the only one there is.
    """
    prefix = f".{output.name}."
    for found in output.parent.glob(f"{glob.escape(prefix)}*/{MARK}"):
        work = found.parent
        ours = len(work.name) == len(prefix) + RANDOM and not (work / "old").exists()
        if not ours or not (_is_of_here(found) or _is_forgotten(work)):
            continue
        with suppress(OSError), found.open("rb+") as file:
            if _lock(file):
                shutil.rmtree(work, ignore_errors=True)


def _lock_path(output: Path) -> Path:
    return output.with_name(f".{output.name}.{MARK}")


def _locked(path: Path, output: Path) -> BinaryIO | None:
    """The lock file, held; none where files cannot be locked."""
    for _ in range(TRIES):
        try:
            file = path.open("ab", buffering=0)
        except OSError:
            return None
        got = _lock(file)
        if got and _is_still(path, file):
            return file
        file.close()
        if got is None:
            with suppress(OSError):
                path.unlink()
            return None
        time.sleep(PAUSE)
    raise InputError(
        f"{output} is being written by another run{_who(path)}",
        hint="Wait until it is done, or name another output.",
    )


def _lock(file: BinaryIO) -> bool | None:
    """Lock a file until it is closed; false if somebody else has, none if nobody can."""
    if not fcntl:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in HELD else None
    return True


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether a file is the one of that name; its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _sign(file: BinaryIO) -> None:
    """Write who we are; a full disk is told by whatever is written next."""
    me = {"pid": os.getpid(), "host": socket.gethostname(), "boot": boot_id()}
    with suppress(OSError):
        file.truncate(0)
        file.write(json.dumps(me).encode())


def _signed(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _who(path: Path) -> str:
    found = _signed(path)
    return f": process {found['pid']} on {found['host']}" if {"pid", "host"} <= set(found) else ""


def _is_of_here(mark: Path) -> bool:
    found = _signed(mark)
    boot = boot_id()
    return found.get("host") == socket.gethostname() or (bool(boot) and found.get("boot") == boot)


def boot_id() -> str:
    """What tells this machine, and every container on it, from others until it is started anew."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""


def _is_forgotten(work: Path) -> bool:
    try:
        newest = max(path.lstat().st_mtime for path in (work, *work.rglob("*")))
    except OSError:
        return False
    return time.time() - newest > FORGOTTEN
