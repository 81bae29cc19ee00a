"""The console of the commands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from prefdata.cli.terminal_safe import safe

WIDTH = 100
"""Columns where there is no terminal to tell."""


class Screen(Console):
    """A console as wide as the terminal, on which data is shown and obeyed by nothing.

    Brackets and names between colons stay as they are, and what a terminal would act upon becomes
    a picture. How a run ends that nobody reads is left to `prefdata.cli.exit_codes`: Rich exits
    with 1, from the midst of whatever is going on.
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
            shown = segment.text if segment.control else safe(segment.text)
            yield segment if shown == segment.text else Segment(shown, segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Say so to whoever prints."""
        raise BrokenPipeError
