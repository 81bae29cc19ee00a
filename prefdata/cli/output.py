"""Where commands print: data to stdout, everything else to stderr."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import TYPE_CHECKING, TextIO

import click

from prefdata.cli.launch import speaks, tells_failure
from prefdata.cli.terminal_safe import safe, safe_json
from prefdata.errors import Interrupted, PrefdataError, error_to_dict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


HAS_RESULT = "prefdata.has_result"
"""The mark of a command's context that its result was printed as JSON."""

RESULTS: ContextVar[TextIO | None] = ContextVar("results", default=None)
"""Where results go, if not to what Python calls stdout."""


def console(*, stderr: bool = True) -> Console:
    """A console as wide as the terminal, or 100 columns where there is none."""
    from prefdata.cli.console import Screen

    return Screen(stderr=stderr, file=None if stderr else RESULTS.get())


def say(line: str) -> None:
    """A line of progress: to stderr, as stdout is for data."""
    click.echo(safe(line), err=True)


def too_many_rejected(
    rejected: int, total: int, limit: Callable[[int], float] | None, option: str | None
) -> bool:
    """Whether more rows were rejected than `--max-rejects` allows, with a message if so.

    Args:
        rejected: rejected rows.
        total: all rows.
        limit: the most rejected rows of a number of rows; None for any number.
        option: the limit as the user wrote it.
    """
    if limit is None or rejected <= limit(total):
        return False
    say(f"{rejected:,} of {total:,} rows were rejected; --max-rejects allows {option}")
    return True


@contextmanager
def results_alone() -> Iterator[None]:
    """Keep stdout for results; what libraries print there meanwhile goes to stderr.

    DeepSpeed, for one, logs to stdout from the moment that it is imported.
    """
    before = RESULTS.set(RESULTS.get() or sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        RESULTS.reset(before)


@contextmanager
def errors_as_json() -> Iterator[None]:
    """Under --json, print an error as the result: its type, message and hint.

    Where a result was printed already, that says what went wrong.
    """
    try:
        yield
    except (PrefdataError, Interrupted) as error:
        context = click.get_current_context()
        is_due = context.params["as_json"] and HAS_RESULT not in context.meta
        if is_due and (tells_failure() if isinstance(error, PrefdataError) else speaks()):
            show_json({"error": error_to_dict(error)})
        raise


def show_result(text: str) -> None:
    """A text to stdout, as it is."""
    click.echo(text, file=RESULTS.get(), nl=False)


def show_json(value: object) -> None:
    """A value as JSON, to stdout; in ASCII where that cannot hold every character."""
    encoding = getattr(RESULTS.get() or sys.stdout, "encoding", None) or ""
    text = json.dumps(value, indent=2, ensure_ascii=not encoding.lower().startswith("utf"))
    show_result(safe_json(text) + "\n")
    if context := click.get_current_context(silent=True):
        context.meta[HAS_RESULT] = True


def accept_every_character() -> None:
    """Print characters that the terminal's encoding does not have as numbers, and do not fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def nothing(_line: str) -> None:
    """Say nothing."""


def show_table(table: Table) -> None:
    """A table, to stderr."""
    console().print(table)
