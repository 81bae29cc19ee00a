"""How a run of the command ends: its exit code, and its last message."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TextIO

import click

from prefdata._version import __version__
from prefdata.cli.launch import failure_told, speaks, tells_failure
from prefdata.cli.output import say
from prefdata.cli.terminal_safe import safe
from prefdata.errors import Interrupted, PrefdataError

INTERRUPTED = 130
UNREAD = 141
"""The exit code of a shell for a command whose output nobody reads."""

LEFT = "Nothing was left half written; run the same command again."

LONGEST_MESSAGE, LONGEST_HINT = 590, 1390
"""Characters of a message and of its hint; long names of files or columns may make more of them."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of the system where no more can be written."""


class UnreadError(Exception):
    """Nobody reads the output of the command any more."""


class Commands(click.Group):
    """A group of commands that raises on a closed pipe; Click would make a failure of it.

    Its context has the arguments that the user typed.
    """

    def make_context(
        self, info_name: str | None, args: list[str], *rest: Any, **extra: Any
    ) -> click.Context:
        """Parse the arguments, which prints where they ask for help or the version."""
        typed = list(args)
        try:
            context = super().make_context(info_name, args, *rest, **extra)
        except BrokenPipeError as error:
            raise UnreadError from error
        context.obj = typed
        return context

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise UnreadError from error


def exit_code_of(run: Callable[[], object], typed: Sequence[str]) -> int:
    """Run, print what went wrong, and return the exit code; a defect is raised, with a note.

    Args:
        run: does the work; a number that it returns is the exit code.
        typed: what the user typed after ``pref``.
    """
    try:
        code = run()
    except click.ClickException as error:
        if speaks():
            with suppress(OSError):
                error.show()
        return error.exit_code
    except PrefdataError as error:
        return _failed(error)
    except (UnreadError, BrokenPipeError):
        return UNREAD
    except (KeyboardInterrupt, click.Abort) as stopped:
        cause = stopped.__cause__  # Click turns every interrupt into its own Abort
        _print_once(f"Interrupted. {cause if isinstance(cause, Interrupted) else LEFT}")
        return INTERRUPTED
    except BaseException as error:
        unexpected = _code_of_unexpected(error)
        if unexpected is None:
            error.add_note(
                f"This is a defect of prefdata {__version__}. Please report it, with these lines "
                f"and the command: {safe(shlex.join(['pref', *typed]))}"
            )
            raise
        return unexpected
    return code if isinstance(code, int) else 0


def _code_of_unexpected(error: BaseException) -> int | None:
    """The exit code of an error that is not ours; None where it is a defect."""
    if isinstance(error, OSError) and error.errno in FULL:
        return _failed(
            PrefdataError(
                f"the output could not be written: {error.strerror}",
                hint="Free some space, or send it elsewhere.",
            )
        )
    if _interrupted_in_polars(error):
        _print_once(f"Interrupted. {LEFT}")
        return INTERRUPTED
    if isinstance(error, RuntimeError) and failure_told():  # this one only lost the others
        return 1
    return None


def _interrupted_in_polars(error: BaseException) -> bool:
    """Whether Polars took an interrupt, which reached it within Python, for a bug of its own."""
    return type(error).__name__ == "PanicException" and "KeyboardInterrupt" in str(error)


def _failed(error: PrefdataError) -> int:
    if tells_failure():
        hint = f"\nHint: {_within(error.hint, LONGEST_HINT)}" if error.hint else ""
        _print(f"Error: {_within(str(error), LONGEST_MESSAGE)}{hint}")
    return error.exit_code


def _within(text: str, length: int) -> str:
    """A text without its middle, where it is longer than so many characters."""
    half = length // 2 - 2
    return text if len(text) <= length else f"{text[:half]} … {text[-half:]}"


def _print_once(text: str) -> None:
    if speaks():
        _print(text)


def _print(text: str) -> None:
    with suppress(OSError):
        say(text)


def discard_unread() -> None:
    """Send what nobody reads to nowhere: Python complains at exit of what it cannot flush."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not _flushed(stream):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _flushed(stream: TextIO) -> bool:
    try:
        stream.flush()
    except (OSError, ValueError):
        return False
    return True
