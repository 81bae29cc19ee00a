"""Gates: conditions on figures, such as ``accuracy>=0.65 and kl<=20``, that a model has to meet."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from prefdata.errors import UnknownNameError, UsageError
from prefdata.stats.estimates import Estimate

OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
CONDITION = re.compile(
    r"\s*(?P<name>[A-Za-z_][\w./-]*?)(?P<end>\.low|\.high)?\s*(?P<operator>>=|<=|>|<)\s*"
    r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<percent>%?)\s*"
)

METRICS = (
    *("accuracy", "mean_accuracy", "margin", "reward_accuracy", "reward_margin"),
    *("length_accuracy", "kl", "win_rate", "sampled_kl"),
)
"""Every figure that an evaluation can give."""

OF_REWARD_MODELS = ("accuracy", "margin", "length_accuracy")
"""Those that it gives of a model that scores answers and writes none."""


@dataclass(frozen=True)
class Condition:
    """One condition on one figure.

    Args:
        name: of the figure, perhaps with the data set in front, as ``pairs/accuracy``.
        end: ``low`` or ``high`` for an end of its interval, or nothing for the figure itself.
        operator: ``>=``, ``<=``, ``>`` or ``<``.
        bound: what it is held against.

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
class Checked:
    """A condition and what came of it.

    Args:
        condition: the condition.
        figure: the name of the figure that was held against it.
        value: of that figure; None where its interval has no such end.
        met: whether the condition holds.
        n: rows that the figure rests on.
    """

    condition: Condition
    figure: str
    value: float | None
    met: bool
    n: int

    def as_json(self) -> dict[str, JsonValue]:
        """The outcome as JSON values.

        Example:
            >>> Checked(Condition("kl", "", "<=", 20.0), "kl", 3.0, True, 9).as_json()["met"]
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
        said = "holds" if self.met else "missed"
        return f"{self.condition}: {said}, {self.figure} is {value} on {self.n:,} rows"


def parse_gate(text: str) -> list[Condition]:
    """Read a gate: conditions joined by ``and``.

    Args:
        text: such as ``accuracy>=0.65 and win_rate.low>50% and kl<=20``; ``.low`` and ``.high``
            are the ends of the 95 % interval.

    Raises:
        UsageError: it is no such text.
        UnknownNameError: a figure does not exist; the hint names the near ones.

    Example:
        >>> [str(condition) for condition in parse_gate("accuracy >= 65% and kl<=20")]
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
        if name.rpartition("/")[2] not in METRICS:
            raise UnknownNameError("figure", name.rpartition("/")[2], METRICS, where="--gate")
        bound = float(match["number"]) / (100 if match["percent"] else 1)
        end = (match["end"] or "").removeprefix(".")
        conditions.append(Condition(name, end, match["operator"], bound))
    return conditions


def check_gate(conditions: Collection[Condition], figures: Mapping[str, Estimate]) -> list[Checked]:
    """Hold figures against a gate.

    A condition that names no data set is held against the figure of every data set.

    Args:
        conditions: of `parse_gate`.
        figures: by name, with the data set in front where there are several.

    Raises:
        UsageError: this evaluation has no such figure.

    Example:
        >>> found = {"accuracy": Estimate(0.6, (0.5, 0.7), 90)}
        >>> print(check_gate(parse_gate("accuracy>=0.65"), found)[0])
        accuracy>=0.65: missed, accuracy is 0.6 on 90 rows
    """
    checked = []
    for condition in conditions:
        named = [n for n in figures if n == condition.name or n.endswith(f"/{condition.name}")]
        if not named:
            raise UsageError(
                f"--gate: there is no {condition.name} here (there is {', '.join(figures)})",
                hint=_missing(condition.name.rpartition("/")[2]),
            )
        checked += [_held(condition, name, figures[name]) for name in named]
    return checked


def _held(condition: Condition, name: str, estimate: Estimate) -> Checked:
    value: float | None = estimate.value
    if condition.end:
        value = None if estimate.interval is None else estimate.interval[condition.end == "high"]
    known = value is not None and math.isfinite(value)
    met = known and bool(OPERATORS[condition.operator](value or 0.0, condition.bound))
    return Checked(condition, name, value, met, estimate.n)


def _missing(name: str) -> str:
    if name == "win_rate":
        return "Name what pref judge made of the generations, with --judged."
    if name == "sampled_kl":
        return "Have the model answer prompts, with --prompts, and name a --reference."
    if name in ("kl", "reward_accuracy", "reward_margin"):
        return "Name the model that it started from, with --reference."
    return "Use one that it gives."
