"""Runs a command and says how long it took and how much memory it and its children held."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

EVERY = 0.05
"""Seconds between two looks at the memory."""

PROC = Path("/proc")


class Cost(NamedTuple):
    """What one run cost.

    Args:
        seconds: wall time, start of the interpreter included.
        worked: seconds of processor time of all threads and children, which depend less than wall
            time on what else the machine does; 0 where the system does not say.
        resident: the peak in bytes, files mapped into memory included.
        anonymous: the peak in bytes of what is not a mapped file; 0 where the system does not say.
    """

    seconds: float
    worked: float
    resident: int
    anonymous: int


class Memory(NamedTuple):
    """Bytes that one process holds, and the most it ever held."""

    resident: int
    anonymous: int
    highest: int


class BrokenRunError(RuntimeError):
    """A command that was to be measured and failed."""


def measured(command: Sequence[str]) -> Cost:
    """Run a command and measure it.

    Raises:
        BrokenRunError: the command failed; the message is what it wrote to stderr.
    """
    start, before = time.perf_counter(), _worked()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    peaks = [0, 0]
    watch = threading.Thread(target=_watch, args=(process, peaks), daemon=True)
    watch.start()
    stderr = process.communicate()[1]
    seconds = time.perf_counter() - start
    watch.join()
    if process.returncode != 0:
        raise BrokenRunError(f"{' '.join(command)}\n{stderr}")
    return Cost(seconds, _worked() - before, peaks[0], peaks[1])


def _worked() -> float:
    """Seconds of processor time of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _watch(process: subprocess.Popen[str], peaks: list[int]) -> None:
    while process.poll() is None:
        now = [_memory(pid) for pid in _family(process.pid)]
        resident = sum(memory.resident for memory in now)
        # The kernel's own high-water mark also holds what came and went between two looks.
        peaks[0] = max(peaks[0], resident, now[0].highest)
        peaks[1] = max(peaks[1], sum(memory.anonymous for memory in now))
        time.sleep(EVERY)


def _family(pid: int) -> list[int]:
    """The process and all that it started; empty where there is no /proc, or they are gone."""
    family = [pid]
    for parent in family:
        try:
            family += [
                int(child)
                for listing in (PROC / str(parent) / "task").glob("*/children")
                for child in listing.read_text(encoding="ascii").split()
            ]
        except OSError:
            continue
    return family


def _memory(pid: int) -> Memory:
    """What a process holds right now; nothing where it is gone."""
    try:
        status = (PROC / str(pid) / "status").read_text(encoding="utf-8")
    except OSError:
        return Memory(0, 0, 0)
    fields = dict(line.split(":", maxsplit=1) for line in status.splitlines())
    resident, anonymous, highest = (
        1024 * int(fields.get(name, "0").split()[0]) for name in ("VmRSS", "RssAnon", "VmHWM")
    )
    return Memory(resident, anonymous, highest)
