"""The accounting law: every row that was read is kept, merged, left over or rejected, once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from prefdata.errors import PrefdataError


@dataclass
class Account:
    """Counts the rows of each source, and marks each one whose outcome is decided.

    Attributes:
        rows_read: rows read, by source.
        counts: rows by source, outcome and reason.

    Example:
        >>> account = Account()
        >>> account.count_read(0, 1)
        >>> account.settle(
        ...     pl.DataFrame({"source": [0], "row": [0], "outcome": ["kept"], "reason": ["kept"]})
        ... )
        >>> account.check(["ratings.csv"])
    """

    rows_read: Counter[int] = field(default_factory=Counter)
    counts: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    marks: dict[int, list[np.ndarray]] = field(default_factory=dict)

    def count_read(self, source: int, rows: int) -> None:
        """Count rows of a source, whether or not they could be parsed."""
        self.rows_read[source] += rows

    def settle(self, rows: pl.DataFrame) -> None:
        """Count the outcome of rows, one line each."""
        grouped = rows.group_by("source", "outcome", "reason").len()
        for source, outcome, reason, count in grouped.rows():
            self.counts[source, str(outcome), reason] += count
        for (source,), part in rows.partition_by("source", as_dict=True).items():
            self.marks.setdefault(int(str(source)), []).append(part["row"].to_numpy())

    def check(self, names: list[str]) -> None:
        """Check the law: each row of each source was settled exactly once.

        Raises:
            PrefdataError: it does not hold, which is a defect of the program.
        """
        for source, name in enumerate(names):
            count = self.rows_read[source]
            times = np.zeros(count + 1, dtype=np.uint8)
            for rows in self.marks.get(source, []):
                np.add.at(times, np.minimum(rows, count).astype(np.int64), 1)
            wrong = int((times[:count] != 1).sum() + times[count])
            if wrong:
                raise PrefdataError(
                    f"{name}: {wrong:,} of {count:,} rows have no account; nothing was written",
                    hint="This is a defect of prefdata: please report it with some rows.",
                )

    def outcomes(self, source: int | None = None) -> dict[str, dict[str, int]]:
        """Rows by outcome and reason, the most frequent first; of all sources, or of one."""
        total: Counter[tuple[str, str]] = Counter()
        for (number, outcome, reason), count in self.counts.items():
            if source in (None, number):
                total[outcome, reason] += count
        by_outcome: dict[str, dict[str, int]] = {}
        for (outcome, reason), count in sorted(total.items(), key=lambda item: (-item[1], item[0])):
            by_outcome.setdefault(outcome, {})[reason] = count
        return by_outcome
