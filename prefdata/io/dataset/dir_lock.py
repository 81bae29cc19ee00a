"""One run at a time writes an output: its lock, and the removal of what killed runs left."""

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
"""No other program's name: a folder with such a file in it may be removed."""

RANDOM = 8
"""Characters that `tempfile` adds to a name."""

TRIES, PAUSE = 5, 0.02
"""How often a lock is tried, and seconds between: a check takes it for a moment."""

STALE = 7 * 24 * 3600.0
"""Seconds without a change after which a folder of another machine counts as abandoned."""

LOCKED = (errno.EAGAIN, errno.EACCES)

BOOT = Path("/proc/sys/kernel/random/boot_id")


def refuse_locked(output: Path) -> None:
    """Check, before any work, that no other run writes this output.

    Raises:
        InputError: one does.
    """
    output = output.resolve()
    if os.path.isfile(_lock_path(output)):  # noqa: PTH113 - which a name that is too long is not
        with output_lock(output):
            pass


@contextmanager
def output_lock(output: Path) -> Iterator[bool]:
    """Keep other runs from an output, for as long as this one lives and no longer.

    Args:
        output: the folder, with all links resolved; what it lies in exists.

    Yields:
        Whether the file system can lock. Where it cannot, other runs are not kept away; and some
        that machines share lock for each machine alone.

    Raises:
        InputError: another run writes it.
    """
    path = _lock_path(output)
    lock = _locked(path, output)
    if lock is None:
        yield False
        return
    try:
        _write_owner(lock)
        yield True
    finally:
        with suppress(OSError):
            path.unlink()
        lock.close()


@contextmanager
def work_lock(work: Path) -> Iterator[None]:
    """Lock a working folder and note whose it is, for as long as this run lives."""
    with (work / MARK).open("wb", buffering=0) as file:
        _lock(file)
        _write_owner(file)
        yield


def remove_stale(output: Path) -> None:
    """Remove the working folders of killed runs on this output.

    Only the holder of the output lock may. Whether a run lives on another machine is unknown, so
    what it left stays for a week. A folder that was set aside to be replaced stays too: it may be
    the only one there is.
    """
    prefix = f".{output.name}."
    for mark in output.parent.glob(f"{glob.escape(prefix)}*/{MARK}"):
        work = mark.parent
        ours = len(work.name) == len(prefix) + RANDOM and not (work / "old").exists()
        if not ours or not (_is_of_this_machine(mark) or _is_stale(work)):
            continue
        with suppress(OSError), mark.open("rb+") as file:
            if _lock(file):
                shutil.rmtree(work, ignore_errors=True)


def _lock_path(output: Path) -> Path:
    return output.with_name(f".{output.name}.{MARK}")


def _locked(path: Path, output: Path) -> BinaryIO | None:
    """The lock file, locked; None where files cannot be locked."""
    for _ in range(TRIES):
        try:
            file = path.open("ab", buffering=0)
        except OSError:
            return None
        locked = _lock(file)
        if locked and _is_still(path, file):
            return file
        file.close()
        if locked is None:
            with suppress(OSError):
                path.unlink()
            return None
        time.sleep(PAUSE)
    raise InputError(
        f"{output} is being written by another run{_who(path)}",
        hint="Wait until it is done, or name another output.",
    )


def _lock(file: BinaryIO) -> bool | None:
    """Lock a file until it is closed; False if another process has, None if it cannot be locked."""
    if not fcntl:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in LOCKED else None
    return True


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether a file is still the one at that path; its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _write_owner(file: BinaryIO) -> None:
    """Write who we are; a full disk is reported by whatever is written next."""
    me = {"pid": os.getpid(), "host": socket.gethostname(), "boot": boot_id()}
    with suppress(OSError):
        file.truncate(0)
        file.write(json.dumps(me).encode())


def _read_owner(path: Path) -> dict[str, object]:
    try:
        owner = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _who(path: Path) -> str:
    owner = _read_owner(path)
    return f": process {owner['pid']} on {owner['host']}" if {"pid", "host"} <= set(owner) else ""


def _is_of_this_machine(mark: Path) -> bool:
    owner, boot = _read_owner(mark), boot_id()
    return owner.get("host") == socket.gethostname() or (bool(boot) and owner.get("boot") == boot)


def boot_id() -> str:
    """An id that this machine and its containers share until it is started anew; "" if unknown."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""


def _is_stale(work: Path) -> bool:
    try:
        newest = max(path.lstat().st_mtime for path in (work, *work.rglob("*")))
    except OSError:
        return False
    return time.time() - newest > STALE
