"""Money: what was spent, what is under way, and whether the next call may still be made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Budget:
    """A limit on dollars that calls under way count against at their highest price.

    Attributes:
        limit: dollars; None for no limit.
        spent: dollars of the calls that have come to their end.
        reserved: the most that those under way can cost.

    Example:
        >>> budget = Budget(limit=1.0, spent=0.5)
        >>> budget.reserve(0.4), budget.reserve(0.2)
        (True, False)
        >>> budget.settle(0.4, actual=0.1)
        >>> budget.reserve(0.2)
        True
    """

    limit: float | None
    spent: float = 0.0
    reserved: float = 0.0

    def reserve(self, most: float) -> bool:
        """Set money aside for a call, if there is enough; a limit is never passed by a call."""
        if self.limit is not None and self.spent + self.reserved + most > self.limit:
            return False
        self.reserved += most
        return True

    def settle(self, most: float, *, actual: float) -> None:
        """A call has come to its end: what was set aside goes back, what it cost is spent."""
        self.reserved = max(0.0, self.reserved - most)
        self.spent += actual
