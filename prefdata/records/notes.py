"""Notes: what is worth knowing of rows that are used all the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

LONGEST_EXAMPLE = 200


@dataclass(frozen=True)
class Note:
    """Something that rows have in common, and that their user should know.

    Attributes:
        text: what it is, such as ``"a chat template was applied already"``.
        column: the column that it is about, or ``""``.
        rows: how many rows it is true of.
        example: a value that shows it, cut short, or ``""``.
    """

    text: str
    column: str
    rows: int
    example: str = ""


class Notes:
    """The notes on a source, added up from its pieces.

    Example:
        >>> notes = Notes()
        >>> notes.add([Note("an image is named", "prompt", 2, "<image>")])
        >>> notes.add([Note("an image is named", "prompt", 1, "<image> what")])
        >>> notes.sorted()
        (Note(text='an image is named', column='prompt', rows=3, example='<image>'),)
    """

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], Note] = {}

    def add(self, notes: Iterable[Note]) -> None:
        """Add the notes on a piece; the first example of each stays."""
        for note in notes:
            if not note.rows:
                continue
            key = note.text, note.column
            same = self._notes.get(key)
            example = note.example[:LONGEST_EXAMPLE]
            self._notes[key] = (
                replace(same, rows=same.rows + note.rows, example=same.example or example)
                if same
                else replace(note, example=example)
            )

    def sorted(self) -> tuple[Note, ...]:
        """All notes, those on the most rows first."""
        return tuple(sorted(self._notes.values(), key=lambda each: -each.rows))
