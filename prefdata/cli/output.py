"""Where commands print: data to stdout, everything else to stderr."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from prefdata.cli.safe import safe, safe_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def console(*, stderr: bool = True) -> Console:
    """A console as wide as the terminal, or 100 columns where there is none."""
    from prefdata.cli.screen import Screen

    return Screen(stderr=stderr)


def say(line: str) -> None:
    """A line of progress: to stderr, as stdout is for data."""
    click.echo(safe(line), err=True)


def too_many_rejected(
    rejected: int, read: int, limit: Callable[[int], float] | None, asked: str | None
) -> bool:
    """Whether more rows were rejected than `--max-rejects` allows, which is said then.

    Args:
        rejected: how many rows were.
        read: how many there are.
        limit: how many may be, of so many rows; None for any number.
        asked: the limit in the user's words.
    """
    if limit is None or rejected <= limit(read):
        return False
    say(f"{rejected:,} of {read:,} rows were rejected; --max-rejects allows {asked}")
    return True


def show_json(value: object) -> None:
    """A value as JSON, to stdout; in ASCII where that cannot hold every character."""
    encoding = getattr(sys.stdout, "encoding", None) or ""
    text = json.dumps(value, indent=2, ensure_ascii=not encoding.lower().startswith("utf"))
    click.echo(safe_json(text))


def accept_every_character() -> None:
    """Have what the terminal's encoding does not know written as a number, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def nothing(_line: str) -> None:
    """Say nothing."""


def show_table(table: Table) -> None:
    """A table, to stderr."""
    console().print(table)
