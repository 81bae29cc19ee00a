"""Progress of a long run: a live line on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

EVERY = 5.0
"""Seconds between two plain lines."""


@contextmanager
def progress(console: Console, *, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that is told the stage, how much is done, and of how much (0 if unknown)."""
    if quiet:
        yield lambda _stage, _done, _total: None
    elif console.is_terminal:
        with console.status("starting") as status:
            yield lambda stage, done, total: status.update(_line(stage, done, total))
    else:
        last = time.monotonic()

        def tell(stage: str, done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= EVERY:
                last = time.monotonic()
                console.print(_line(stage, done, total), highlight=False)

        yield tell


def _line(stage: str, done: int, total: int) -> str:
    return f"{stage}: part {done:,} of {total:,}" if total else f"{stage}: {done:,} rows"
