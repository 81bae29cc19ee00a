"""How comparisons ended, counted: for each judge, and for all judges together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefdata.judging.outcomes import Outcome

Label = Mapping[str, Any]
"""The verdict that a row itself brings on a comparison."""


@dataclass
class VerdictCounts:
    """How the comparisons of one judge, or of all of them together, ended.

    Attributes:
        outcomes: comparisons by the name of their outcome.
        slots: verdicts of single calls by the slot that won.
        labelled: comparisons where both verdict and label prefer one side.
        agreed: of these, comparisons where it is the same side.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slots: Counter[str] = field(default_factory=Counter)
    labelled: int = 0
    agreed: int = 0

    def count(self, outcome: Outcome, labels: Sequence[Label]) -> None:
        """Count a comparison."""
        self.outcomes[outcome.name] += 1
        votes = Counter(each["winner"] for each in labels)
        if outcome.makes_pair and votes["a"] != votes["b"]:
            self.labelled += 1
            self.agreed += votes[outcome.winner] > votes[outcome.swapped().winner]

    def add(self, other: VerdictCounts) -> None:
        """Add the counts of other comparisons."""
        self.outcomes += other.outcomes
        self.slots += other.slots
        self.labelled += other.labelled
        self.agreed += other.agreed


@dataclass
class JudgeTotals:
    """How all comparisons ended.

    Attributes:
        jury: by the votes of all judges together.
        by_judge: by each of them alone.
        flagged: comparisons with an answer that speaks to the judge.
        pending: comparisons that were not judged to the end.
    """

    jury: VerdictCounts = field(default_factory=VerdictCounts)
    by_judge: dict[str, VerdictCounts] = field(default_factory=dict)
    flagged: int = 0
    pending: int = 0

    def add(self, other: JudgeTotals) -> None:
        """Add the counts of other comparisons."""
        self.jury.add(other.jury)
        for name, counts in other.by_judge.items():
            self.by_judge.setdefault(name, VerdictCounts()).add(counts)
        self.flagged += other.flagged
        self.pending += other.pending
