"""Gates: conditions on estimates, such as ``accuracy>=0.65 and kl<=20``, that have to hold."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from prefdata.errors import UnknownNameError, UsageError
from prefdata.stats.intervals import Estimate

OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
CONDITION = re.compile(
    r"\s*(?P<name>[A-Za-z_][\w./-]*?)(?P<end>\.low|\.high)?\s*(?P<operator>>=|<=|>|<)\s*"
    r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<percent>%?)\s*"
)


@dataclass(frozen=True)
class Condition:
    """One condition on one estimate.

    Attributes:
        name: of the estimate, perhaps with the data set in front, as ``pairs/accuracy``.
        end: ``low`` or ``high`` for an end of its interval, or nothing for the value itself.
        operator: ``>=``, ``<=``, ``>`` or ``<``.
        bound: what it is compared with.

    Example:
        >>> print(Condition("kl", "", "<=", 20.0))
        kl<=20
    """

    name: str
    end: str
    operator: str
    bound: float

    def __str__(self) -> str:
        end = f".{self.end}" if self.end else ""
        return f"{self.name}{end}{self.operator}{self.bound:g}"


@dataclass(frozen=True)
class ConditionResult:
    """Whether an estimate meets a condition.

    Attributes:
        condition: the condition.
        figure: the name of the estimate.
        value: what was compared with the bound; ``None`` where its interval has no such end.
        met: whether the condition holds.
        n: rows that the estimate rests on.
    """

    condition: Condition
    figure: str
    value: float | None
    met: bool
    n: float

    def to_dict(self) -> dict[str, JsonValue]:
        """The result as plain values that JSON can hold.

        Example:
            >>> condition = Condition("kl", "", "<=", 20.0)
            >>> ConditionResult(condition, "kl", 3.0, True, 9).to_dict()["met"]
            True
        """
        return {
            "condition": str(self.condition),
            "figure": self.figure,
            "value": self.value,
            "n": self.n,
            "met": self.met,
        }

    def __str__(self) -> str:
        value = "not known" if self.value is None else f"{self.value:.4g}"
        verdict = "holds" if self.met else "missed"
        return f"{self.condition}: {verdict}, {self.figure} is {value} on {self.n:,} rows"


def parse_gate(text: str, names: Collection[str]) -> list[Condition]:
    """Read a gate: conditions joined by ``and``.

    Args:
        text: such as ``accuracy>=0.65 and win_rate.low>50% and kl<=20``; ``.low`` and ``.high``
            are the ends of the 95 % interval.
        names: of every estimate that there can be.

    Raises:
        UsageError: it is no such text.
        UnknownNameError: there is no estimate of that name; the hint gives near ones.

    Example:
        >>> [str(each) for each in parse_gate("accuracy >= 65% and kl<=20", ["accuracy", "kl"])]
        ['accuracy>=0.65', 'kl<=20']
    """
    conditions = []
    for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE):
        match = CONDITION.fullmatch(part)
        if match is None:
            raise UsageError(
                f"--gate: {part.strip() or text!r} is not a condition",
                hint="Write conditions like 'accuracy>=0.65 and kl<=20', joined by and.",
            )
        name = match["name"]
        if name.rpartition("/")[2] not in names:
            raise UnknownNameError("figure", name.rpartition("/")[2], names, where="--gate")
        bound = float(match["number"]) / (100 if match["percent"] else 1)
        end = (match["end"] or "").removeprefix(".")
        conditions.append(Condition(name, end, match["operator"], bound))
    return conditions


def check_gate(
    conditions: Collection[Condition],
    estimates: Mapping[str, Estimate],
    remedies: Mapping[str, str],
) -> list[ConditionResult]:
    """Compare estimates with the conditions of a gate.

    A condition that names no data set is on the estimate of every data set.

    Args:
        conditions: of `parse_gate`.
        estimates: by name, with the data set in front where there are several.
        remedies: name of an estimate to how it can be had, for one that is missing.

    Raises:
        UsageError: there is no such estimate.

    Example:
        >>> estimates = {"accuracy": Estimate(0.6, 0.5, 0.7, 90)}
        >>> print(check_gate(parse_gate("accuracy>=0.65", estimates), estimates, {})[0])
        accuracy>=0.65: missed, accuracy is 0.6 on 90 rows
    """
    results = []
    for condition in conditions:
        names = [n for n in estimates if n == condition.name or n.endswith(f"/{condition.name}")]
        if not names:
            raise UsageError(
                f"--gate: there is no {condition.name} here (there is {', '.join(estimates)})",
                hint=remedies.get(condition.name.rpartition("/")[2], "Use one that it gives."),
            )
        results += [_check(condition, name, estimates[name]) for name in names]
    return results


def _check(condition: Condition, name: str, estimate: Estimate) -> ConditionResult:
    value = estimate.value
    if condition.end:
        value = None if estimate.interval is None else estimate.interval[condition.end == "high"]
    met = (
        value is not None
        and math.isfinite(value)
        and bool(OPERATORS[condition.operator](value, condition.bound))
    )
    return ConditionResult(condition, name, value, met, estimate.n)
