"""The first rows of a source, by which its format is recognised."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class Sample:
    """The first rows of a source.

    Attributes:
        names: the columns, in order of first appearance.
        rows: the first rows, at most `SAMPLE_ROWS`, by column.
        text_only: whether every cell is text, as in CSV.
        mixed: columns whose values no one type holds, such as text here and a list there; they are
            read as the JSON text of each value.
        origin: the name of the source, which may tell what the columns do not.

    Example:
        >>> Sample(["score"], [{"score": 5}, {"score": None}]).values("score")
        [5]
    """

    names: list[str]
    rows: list[dict[str, object]]
    text_only: bool = False
    mixed: frozenset[str] = frozenset()
    origin: str = ""

    def values(self, name: str) -> list[object]:
        """The values of a column in the sample, without nulls."""
        return [row[name] for row in self.rows if row.get(name) is not None]
