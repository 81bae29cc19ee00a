"""The values of a winner column: what each means, and which of them only the user can explain."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from prefdata.formats.value_key import value_key
from prefdata.formats.verdict_words import NONE, parse_winner

SIGNED = {"negative", "positive"}
"""Words that stand for all numbers below and above 0."""

PROBABILITY = "probability"
"""The word that stands for all numbers from 0 to 1: the probability that a side is better."""

UNSURE = "no preference"
"""What a value means that the user says carries no preference."""

DECISIVE = ("a", "b", "tie", "both_bad")
"""What a value may mean that is a verdict."""

NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


class WinnerValues(NamedTuple):
    """What the values of a winner column mean.

    Attributes:
        meanings: value to ``"a"``, ``"b"``, ``"tie"``, ``"both_bad"``, ``"none"`` or `UNSURE`.
            Words that are not settled here may still be the names of models.
        question: what is unclear about its numbers, or ``""``.
    """

    meanings: dict[str, str]
    question: str = ""


def resolve_winners(
    words: Collection[str],
    sides: tuple[str, str],
    declared: Mapping[str, str],
    class_names: Sequence[str] = (),
) -> WinnerValues:
    """The meaning of each value of a winner column.

    Args:
        words: its values, as `value_key` writes them.
        sides: how the source names its two responses, such as ``("1", "2")`` or ``("a", "b")``.
        declared: what the user declared; it overrides everything.
        class_names: the names that the file itself gives the numbers 0, 1, 2, …

    Example:
        >>> resolve_winners({"1", "2"}, ("a", "b"), {}).meanings
        {'1': 'a', '2': 'b'}
        >>> resolve_winners({"0", "1"}, ("a", "b"), {}).question
        'which means that the first is better, which the second?'
        >>> resolve_winners({"0", "1"}, ("a", "b"), {}, ["model_b", "model_a", "tie"]).meanings
        {'0': 'b', '1': 'a', '2': 'tie', '-1': 'none'}
    """
    if declared:
        return WinnerValues(_declared(declared, class_names))
    words = set(words) - NONE
    if class_names and words <= {"-1", *map(str, range(len(class_names)))}:
        return WinnerValues(_by_class_name(class_names))
    if words <= set(sides) and set(sides) & {"0", "1", "2"}:
        return WinnerValues(dict(zip(sides, ("a", "b"), strict=True)))
    numbers = {text for text in words if NUMBER.fullmatch(text)}
    meanings = {text: parse_winner(text, zero_based="0" in sides) for text in sorted(words)}
    spoken = {text: meaning[0] for text, meaning in meanings.items() if meaning}
    if not numbers or {"a", "b"} <= set(spoken.values()):
        return WinnerValues(spoken)  # A number beside words for both sides is a stray one.
    if numbers == {"1", "2"} and "0" not in sides:
        return WinnerValues({"1": "a", "2": "b"})
    return WinnerValues({}, _question(numbers))


def _declared(declared: Mapping[str, str], class_names: Sequence[str]) -> dict[str, str]:
    """What the user said, of values or of the names that the file gives them."""
    codes = {value_key(name): str(code) for code, name in enumerate(class_names)}
    said = {
        value_key(value): UNSURE if side == "none" else side for value, side in declared.items()
    }
    named = {codes[value]: side for value, side in said.items() if value in codes}
    return {**_by_class_name(class_names), **named, **said} if class_names else said


def _by_class_name(class_names: Sequence[str]) -> dict[str, str]:
    """What the names mean that the file gives to its numbers; -1 is how it writes a missing one."""
    meanings = {str(code): parse_winner(name) for code, name in enumerate(class_names)}
    return {code: each[0] for code, each in meanings.items() if each} | (
        {"-1": "none"} if class_names else {}
    )


def _question(numbers: Collection[str]) -> str:
    """What to ask about numbers: no polarity is more likely than another."""
    if len(numbers) == 1:
        return "is it the first or the second that is better there?"
    if any(float(text) < 0 for text in numbers):
        return "is a negative number for the first or for the second?"
    if len(numbers) == 2:
        return "which means that the first is better, which the second?"
    if len(numbers) <= 3:
        return "which means that the first is better, which the second, which a tie?"
    return "what do the numbers mean?"
