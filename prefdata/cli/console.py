"""The console of the commands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from prefdata.cli.terminal_safe import safe

WIDTH = 100
"""Columns where there is no terminal."""


class Screen(Console):
    """A console as wide as the terminal, on which data is printed as it is and does nothing.

    Brackets and names between colons are no markup, and what a terminal would act upon becomes a
    picture. A closed pipe is left to `prefdata.cli.exit_codes`: Rich would exit with 1 at once.
    """

    def __init__(self, *, stderr: bool, file: TextIO | None = None) -> None:
        super().__init__(stderr=stderr, file=file, highlight=False, markup=False, emoji=False)
        if not self.is_terminal:
            self.width = WIDTH

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render, as Rich does, with all text made safe."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else safe(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Raise to whoever prints."""
        raise BrokenPipeError
