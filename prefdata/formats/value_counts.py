"""Values of a column for a question: each with its count and a row that holds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from prefdata.formats.excerpts import row_excerpt, shortened
from prefdata.formats.questions import ValueCount
from prefdata.formats.sample import Sample
from prefdata.formats.value_key import value_keys

MOST_LISTED = 5
"""How many values a question lists in words."""

LONGEST_VALUE = 40
"""Characters of a value in words."""


def tally_of(sample: Sample, columns: Sequence[str]) -> Counter[str]:
    """The values of several columns, and how many cells hold each."""
    counts: Counter[str] = Counter()
    for name in columns:
        counts.update(sample.tally(name))
    return counts


def value_counts(
    sample: Sample, columns: Sequence[str], keys: Collection[str]
) -> tuple[ValueCount, ...]:
    """Some values of columns, the most frequent first, each with a row that holds it.

    Example:
        >>> sample = Sample(["q", "vote"], [{"q": "2+2?", "vote": "A"}])
        >>> value_counts(sample, ["vote"], ["a"])
        (ValueCount(value='a', rows=1, example='{"vote": "A", "q": "2+2?"}'),)
    """
    counts, rows = tally_of(sample, columns), _rows(sample, columns)
    ordered = sorted(keys, key=lambda key: (-counts[key], len(key), key))
    return tuple(ValueCount(key, counts[key], rows.get(key, "")) for key in ordered)


def _rows(sample: Sample, columns: Sequence[str]) -> dict[str, str]:
    rows: dict[str, str] = {}
    for row in sample.rows:
        for name in columns:
            if row.get(name) is not None:
                for key in value_keys(row[name]):
                    if key not in rows:
                        rows[key] = row_excerpt(row, name)
    return rows


def listed(values: Sequence[ValueCount]) -> str:
    """Values in words, each with its count and its row.

    Example:
        >>> listed([ValueCount("0", 1200, '{"vote": 0}'), ValueCount("1", 1)])
        '0 (1,200 rows, such as {"vote": 0}), 1 (1 row)'
    """
    parts = []
    for each in values[:MOST_LISTED]:
        rows = f"{each.rows:,} row{'s' if each.rows != 1 else ''}"
        example = f", such as {each.example}" if each.example else ""
        parts.append(f"{shortened(each.value, LONGEST_VALUE) or 'nothing'} ({rows}{example})")
    more = len(values) - len(parts)
    return ", ".join(parts) + (f" and {more:,} more" if more > 0 else "")
