"""The first rows of a source, by which its format is recognised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from prefdata.formats.claim_tally import ClaimTally
from prefdata.formats.value_key import value_keys

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
        filled: column to the number of rows of the source that are filled in it, where all of them
            were looked at for it.
        claims: two columns that say the same to how often they agree, where all rows of the source
            were looked at for it.
        class_names: column to the names that the file itself gives to its numbers 0, 1, 2, …
        repeats_prompt: whether nearly all rows of the source repeat the prompt in their answers.
        missing: what stands for no value in it; it is gone from the rows already.
        width: how many cells a row has where the header has more, as in CSV; 0 where it has not.

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
    filled: Mapping[str, int] = field(default_factory=dict)
    claims: Mapping[tuple[str, str], ClaimTally] = field(default_factory=dict)
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    repeats_prompt: bool = False
    missing: frozenset[str] = frozenset()
    width: int = 0

    def values(self, name: str) -> list[object]:
        """The values of a column in the sample, without nulls."""
        return [row[name] for row in self.rows if row.get(name) is not None]

    def tally(self, name: str) -> Mapping[str, int]:
        """The values of a column, as `value_keys` writes them, and how many rows hold each.

        Of the whole source where it was looked at, else of the sample; of lists each item counts.

        Example:
            >>> Sample(["vote"], [{"vote": "A"}, {"vote": 1.0}, {"vote": "a"}]).tally("vote")
            {'a': 2, '1': 1}
        """
        if name in self.counts:
            return self.counts[name]
        keys = (key for value in self.values(name) for key in value_keys(value))
        return dict(Counter(keys).most_common())

    def with_rows(
        self,
        rows: Sequence[dict[str, object]],
        counts: Mapping[str, Mapping[str, int]],
        filled: Mapping[str, int] | None = None,
    ) -> Sample:
        """The sample with later rows, and with what was counted in some columns."""
        names = list(dict.fromkeys([*self.names, *(name for row in rows for name in row)]))
        ordered = [{name: row[name] for name in names if name in row} for row in rows]
        new = [row for number, row in enumerate(ordered) if row not in ordered[:number]]
        return replace(
            self,
            names=names,
            rows=[*self.rows, *(row for row in new if row not in self.rows)],
            counts={**self.counts, **counts},
            filled={**self.filled, **(filled or {})},
        )

    def without(self, columns: Collection[str]) -> Sample:
        """The sample without some columns."""
        if not set(columns) & set(self.names):
            return self
        rows = [{n: v for n, v in row.items() if n not in columns} for row in self.rows]
        names = [name for name in self.names if name not in columns]
        return replace(self, names=names, rows=rows)
