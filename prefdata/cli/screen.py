"""The console of the commands."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console

WIDTH = 100
"""Columns where there is no terminal to tell."""


class Screen(Console):
    """A console as wide as the terminal that leaves it to `prefdata.cli.main` how a run ends.

    Rich exits with 1 where nobody reads any more, from the midst of whatever is going on.
    """

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, highlight=False)
        if not self.is_terminal:
            self.width = WIDTH

    def on_broken_pipe(self) -> NoReturn:
        """Say so to whoever prints."""
        raise BrokenPipeError
