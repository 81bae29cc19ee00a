"""The commands of rounds run in this process, which has torch already, in place of others."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Sequence
from contextvars import Context

from prefdata.cli import main
from prefdata.training.rounds import generate
from prefdata.training.rounds.steps import GENERATE, Ended, run_program

PREF = [sys.executable, "-m", "prefdata"]


class Lines(io.TextIOBase):
    """A stream that hands on every line, to what prints where this process did before."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.on_line, self.rest = on_line, ""
        self.stdout, self.stderr = sys.stdout, sys.stderr

    def write(self, text: str) -> int:
        """Hand on the lines that are whole."""
        *lines, self.rest = (self.rest + text).split("\n")
        with contextlib.redirect_stdout(self.stdout), contextlib.redirect_stderr(self.stderr):
            for line in lines:
                self.on_line(line)
        return len(text)


def run_in_process(
    command: Sequence[str], on_line: Callable[[str], None], *, stdout: int, stderr: int | None
) -> Ended:
    """As `run_program`, but for the commands of prefdata; others are run as they are."""
    if list(command[:3]) == PREF:
        return Ended(Context().run(_exit_code, command[3:], on_line), [])
    if list(command[:3]) == [*PREF[:2], GENERATE]:
        lines = Lines(on_line)
        with contextlib.redirect_stdout(lines), contextlib.redirect_stderr(lines):
            return Ended(generate.main(command[3:]), [])
    return run_program(command, on_line, stdout=stdout, stderr=stderr)


def _exit_code(arguments: Sequence[str], on_line: Callable[[str], None]) -> int:
    lines = Lines(on_line)
    with contextlib.redirect_stdout(lines), contextlib.redirect_stderr(lines):
        try:
            main(arguments)
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0
