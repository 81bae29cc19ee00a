"""The values of a winner column: spellings of a, b and tie, and which of them are ambiguous."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from prefdata.formats.value_key import value_key

NOUN = r"(?:the )?(?:model|response|output|answer|completion|assistant|option|candidate)"
SIDES = {
    "a": "a",
    "b": "b",
    "first": "a",
    "second": "b",
    "1st": "a",
    "2nd": "b",
    "left": "a",
    "right": "b",
}
SPOKEN = re.compile(
    rf"(?:{NOUN}[ _-]?(?P<number>[012])|(?:{NOUN}[ _-])?(?:the )?(?P<word>{'|'.join(SIDES)})"
    r"(?:[ _-](?:one|model|response|output|answer|completion|assistant|option))?)"
    r"(?:[ _-](?:wins|won|better))?"
)
TIES = {
    "tie",
    "tie (bothbad)",
    "tie (both bad)",
    "tie (inconsistent)",
    "both_bad",
    "bothbad",
    "both bad",
    "both_good",
    "both good",
    "same",
    "equal",
    "draw",
    "even",
    "neither",
    "both",
    "c",
    "no preference",
    "no_preference",
    "about the same",
    "about_the_same",
    "a=b",
}
NONE = {"", "na", "n/a", "nan", "null", "none", "-", "error", "invalid", "skip", "skipped"}
GRADED = re.compile(
    rf"(?:{NOUN}[ _-])?(?P<side>a|b|[012])[ _-]is[ _-]"
    r"(?P<grade>slightly|somewhat|a[ _-]bit|much|significantly|far|clearly)?[ _-]?better"
)
ARROWS = re.compile(r"\[?\[?a\s*(?P<sign>>{1,3}|<{1,3}|=)\s*b\]?\]?")
GRADES = {
    "slightly": 1.0,
    "somewhat": 1.0,
    "a bit": 1.0,
    "much": 3.0,
    "significantly": 3.0,
    "far": 3.0,
    "clearly": 3.0,
}
WINNER_HINT = "say which is which with --winner, as in --winner"


def parse_winner(text: str, *, zero_based: bool = False) -> tuple[str, float | None] | None:
    """The meaning of a winner in words: its side and, where it is graded, its strength.

    The strength of a graded winner is 1 (slightly), 2 (better) or 3 (much).

    Args:
        text: the word or phrase.
        zero_based: whether the source counts its responses 0 and 1 instead of 1 and 2.

    Returns:
        ``("a" | "b" | "tie" | "none", strength)``, or None where the text is not known.

    Example:
        >>> (
        ...     parse_winner("a-is-slightly-better"),
        ...     parse_winner("tie (bothbad)"),
        ...     parse_winner("gpt-4"),
        ... )
        (('a', 1.0), ('tie', None), None)
    """
    text = text.strip().strip("\"'[]").lower()
    for words, outcome in ((TIES, "tie"), (NONE, "none")):
        if text in words:
            return outcome, None
    sides = SIDES | dict(zip("01" if zero_based else "12", "ab", strict=True))
    if position := SPOKEN.fullmatch(text):
        side = sides.get(position["number"] or position["word"])
        return (side, None) if side else None
    if graded := GRADED.fullmatch(text):
        grade = re.sub(r"[_-]", " ", graded["grade"] or "")
        side = sides.get(graded["side"])
        return (side, GRADES.get(grade, 2.0)) if side else None
    if arrow := ARROWS.fullmatch(text):
        sign = arrow["sign"]
        return ("tie", None) if sign == "=" else ("a" if sign[0] == ">" else "b", float(len(sign)))
    return None


def resolve_winners(
    values: Iterable[object], sides: tuple[str, str], declared: Mapping[str, str]
) -> tuple[dict[str, str], str]:
    """The meaning of each value of a winner column, from a sample of values.

    Args:
        values: winner values of the sample.
        sides: how the source names its two responses, such as ``("1", "2")`` or ``("a", "b")``.
        declared: what the user declared; it overrides everything.

    Returns:
        Value to ``"a"``, ``"b"``, ``"tie"`` or ``"none"``; and a question where the values can be
        read in two ways. Words that are not settled here may still be model names.

    Example:
        >>> resolve_winners([1, 2, 1], ("a", "b"), {})
        ({'1': 'a', '2': 'b'}, '')
        >>> print(resolve_winners([0, 1], ("a", "b"), {})[1].split("?")[0])
        winner holds 0 and 1: is 1 the first or the second
    """
    if declared:
        return {value_key(value): side for value, side in declared.items()}, ""
    words = {value_key(value) for value in values} - NONE
    if words <= set(sides) and set(sides) & {"0", "1", "2"}:
        return dict(zip(sides, ("a", "b"), strict=True)), ""
    numbers = {text for text in words if re.fullmatch(r"-?\d+(\.\d+)?", text)}
    if not numbers:
        zero = "0" in sides
        meanings = {text: parse_winner(text, zero_based=zero) for text in sorted(words)}
        return {text: meaning[0] for text, meaning in meanings.items() if meaning}, ""
    if numbers <= {"1", "2"} and "2" in numbers and "0" not in sides:
        return {"1": "a", "2": "b"}, ""
    if numbers == {"1"}:
        return {}, f"winner holds only 1: is it the first or the second? {WINNER_HINT} a=1,b=2"
    listed = sorted(numbers, key=float)
    examples = ", ".join(listed[:6]) + (", …" if len(listed) > 6 else "")
    if any(float(text) < 0 for text in numbers):
        return (
            {},
            (
                f"winner holds {examples}: does a negative number mean the first or the second? "
                f"{WINNER_HINT} a=negative,b=positive,tie=0"
            ),
        )
    if numbers == {"0", "1"}:
        return {}, f"winner holds 0 and 1: is 1 the first or the second? {WINNER_HINT} a=0,b=1"
    if len(numbers) <= 3:
        return (
            {},
            (
                f"winner holds {examples}: which is the first, the second, a tie? "
                f"{WINNER_HINT} a=1,b=2,tie={'3' if '3' in numbers else '0'}"
            ),
        )
    return {}, f"winner holds {examples}: what do the numbers mean? {WINNER_HINT} a=1,b=2,tie=0"
