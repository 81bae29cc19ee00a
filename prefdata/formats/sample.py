"""The first rows of a source, by which its format is recognised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from prefdata.formats.value_key import value_key

SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class Sample:
    """The first rows of a source, and later ones that hold what none of the first does.

    Attributes:
        names: the columns, in order of first appearance.
        rows: the first rows, at most `SAMPLE_ROWS`, by column, and those of `with_rows`.
        text_only: whether every cell is text, as in CSV.
        mixed: columns whose values no one type holds, such as text here and a list there; they are
            read as the JSON text of each value.
        origin: the name of the source, which may tell what the columns do not.
        counts: column to its values and the number of rows that hold each, where all rows of the
            source were looked at for it; see `tally`.
        is_whole: whether the source has no other rows.

    Example:
        >>> Sample(["score"], [{"score": 5}, {"score": None}]).values("score")
        [5]
    """

    names: list[str]
    rows: list[dict[str, object]]
    text_only: bool = False
    mixed: frozenset[str] = frozenset()
    origin: str = ""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    is_whole: bool = False

    def values(self, name: str) -> list[object]:
        """The values of a column in the sample, without nulls."""
        return [row[name] for row in self.rows if row.get(name) is not None]

    def tally(self, name: str) -> Mapping[str, int]:
        """The values of a column, as `value_key` writes them, and how many rows hold each.

        Of the whole source where it was looked at, else of the sample.

        Example:
            >>> Sample(["vote"], [{"vote": "A"}, {"vote": 1.0}, {"vote": "a"}]).tally("vote")
            {'a': 2, '1': 1}
        """
        if name in self.counts:
            return self.counts[name]
        return dict(Counter(value_key(value) for value in self.values(name)).most_common())

    def with_rows(
        self, rows: Sequence[dict[str, object]], counts: Mapping[str, Mapping[str, int]]
    ) -> Sample:
        """The sample with later rows, and with counts of the values of some columns."""
        return replace(self, rows=[*self.rows, *rows], counts={**self.counts, **counts})
