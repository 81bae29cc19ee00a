"""The words of verdicts: which response won, and how clearly, in every way that people write it.

What is known of the first response is known of the second: the words stand in pairs, and every
phrase is built of them.
"""

from __future__ import annotations

import re

SIDES = (
    ("a", "b"),
    ("first", "second"),
    ("1st", "2nd"),
    ("left", "right"),
    ("former", "latter"),
)
"""Words for the two responses, each beside its counterpart."""

NUMBERS = (("1", "2"), ("one", "two"))
"""Words for the two responses that need a noun before them, as in ``response 1``."""

ZERO_BASED = (("0", "1"),)
"""The same of a source that counts its responses 0 and 1."""

NOUNS = (
    *("model", "response", "output", "answer", "completion", "assistant", "option", "candidate"),
    *("system", "reply", "choice", "summary", "text", "chatbot", "generation", "conversation"),
    *("side", "player", "agent", "message"),
)

SIGNS = ((">", "<"), ("≻", "≺"), ("»", "«"), ("->", "<-"), ("→", "←"))
"""Arrows: the side before the first of a pair won, the side after the second."""

EVEN_SIGNS = ("=", "==", "===", "≈", "~", "~=", "≃", "≅", "<>", "<=>", "?=", "and")

GRADES = {
    **dict.fromkeys(("slightly", "slight", "somewhat", "a bit", "a little", "bit"), 1.0),
    **dict.fromkeys(("marginally", "marginal", "weakly", "weak", "barely", "mildly"), 1.0),
    **dict.fromkeys(("moderately", "moderate", "clear", "definitely", "fairly"), 2.0),
    **dict.fromkeys(("much", "significantly", "significant", "far", "clearly", "a lot"), 3.0),
    **dict.fromkeys(("strongly", "strong", "very", "way", "considerably", "greatly"), 3.0),
}
"""How clearly a side won: 1 slightly, 2 better, 3 much."""

WON = (
    *("better", "best", "wins", "won", "win", "winner", "the winner", "preferred", "prefer"),
    *("prefers", "favored", "favoured", "stronger", "superior", "more preferred", "the best"),
    *("the better", "preferable"),
)
LOST = ("worse", "loses", "lost", "loser", "the loser", "inferior", "the worse", "weaker")
"""Words of a verdict beside a side; those of the second kind name the other side the winner."""

TIES = {
    *("tie", "tied", "ties", "tie inconsistent", "draw", "drawn", "same", "the same", "equal"),
    *("equally", "equally good", "even", "both", "c", "no preference", "no difference"),
    *("about the same", "about equal", "roughly equal", "roughly the same", "similar"),
    *("neither", "indifferent", "equivalent", "neutral", "on par", "tossup", "toss up"),
    *("neither better", "neither is better", "they are about the same", "a tie", "it is a tie"),
}
BAD = r"(?:bad|wrong|incorrect|poor|terrible|unacceptable|failed|fail)"
GOOD = r"(?:good|right|correct|fine|great|acceptable|ok|okay)"
BOTH = r"(?:tie )?(?:both|all)(?: (?:{nouns})s?)?(?: (?:are|were))?(?: equally)? ?"

NONE = {"", "na", "n/a", "nan", "null", "none", "-", "?", "error", "invalid", "skip", "skipped"}
"""What says that nobody decided."""

OTHER = {"a": "b", "b": "a"}


def _any(words: object) -> str:
    """A pattern for any of some words, the longest first."""
    listed = sorted(map(str, words), key=lambda word: (-len(word), word))  # type: ignore[call-overload]
    return "(?:" + "|".join(map(re.escape, listed)) + ")"


def _sides(name: str, numbers: tuple[tuple[str, str], ...]) -> str:
    """A pattern for a side by any of its words, which are in the group of that name."""
    words = _any(word for pair in SIDES for word in pair)
    counted = _any(word for pair in numbers for word in pair)
    noun = rf"(?:the )?{_any(NOUNS)}"
    after = rf"(?: (?:one|{_any(NOUNS)}))?"
    return (
        rf"(?:{noun} ?(?P<{name}_number>{counted})|(?:{noun} )?(?:the )?(?P<{name}>{words}){after})"
    )


def _phrases(numbers: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], ...]:
    side, other = _sides("side", numbers), _sides("other", numbers)
    grade, won, lost = (f"(?P<{n}>{_any(w)})" for n, w in _GROUPS)
    verdict = rf"(?:{won}|{lost})"
    than = rf"(?: (?:than|over|to) {other})?"
    patterns = (
        side,
        rf"{side} (?P<is>is )?(?:{grade} )?{verdict}{than}",
        rf"{side} (?P<is>is )?{verdict} (?:by )?{grade}",
        rf"{side} (?:is )?{grade}",
        rf"{grade} {side}",
        rf"(?:i )?(?:{grade} )?{verdict}(?: by)?(?: is)? {side}",
        rf"(?:i )?{verdict} {grade}(?: is)? {side}",
        rf"{side} over {other}",
    )
    return tuple(re.compile(pattern) for pattern in patterns)


_GROUPS = (("grade", GRADES), ("won", WON), ("lost", LOST))


def _arrows(numbers: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """A pattern for two sides with a sign between them; here a number needs no noun."""
    words = _any(word for pair in (*SIDES, *numbers) for word in pair)
    noun = rf"(?:(?:the )?{_any(NOUNS)} ?)?"
    wins = "|".join(f"(?:{re.escape(won)})+" for pair in SIGNS for won in pair)
    sign = rf"(?P<sign>{wins}|{_any(EVEN_SIGNS)})"
    return re.compile(rf"{noun}(?P<side>{words}) ?{sign} ?{noun}(?P<other>{words})")


_COUNTED = {False: NUMBERS, True: ZERO_BASED}
_MEANING = {
    zero: {word: side for pair in (*SIDES, *pairs) for word, side in zip(pair, "ab", strict=True)}
    for zero, pairs in _COUNTED.items()
}
_PHRASES = {zero: _phrases(pairs) for zero, pairs in _COUNTED.items()}
_ARROWS = {zero: _arrows(pairs) for zero, pairs in _COUNTED.items()}
_BOTH = BOTH.format(nouns="|".join(NOUNS))
_BOTH_BAD = re.compile(rf"{_BOTH}{BAD}|equally bad|neither (?:is |are )?{GOOD}|none (?:is )?{GOOD}")
_BOTH_GOOD = re.compile(rf"{_BOTH}{GOOD}")
_MARKS = re.compile(r"[\[\]()\"'*`]+")
_BETWEEN = re.compile(r"(?<=\w)(?:[\s_:]+|-)(?=\w)")


def parse_winner(text: str, *, zero_based: bool = False) -> tuple[str, float | None] | None:
    """The meaning of a winner in words: its side and, where it is graded, its strength.

    The strength of a graded winner is 1 (slightly), 2 (better) or 3 (much).

    Args:
        text: the word or phrase.
        zero_based: whether the source counts its responses 0 and 1 instead of 1 and 2.

    Returns:
        ``("a" | "b" | "tie" | "both_bad" | "none", strength)``, or None where it is not known.

    Example:
        >>> parse_winner("a-is-slightly-better"), parse_winner("B>>A"), parse_winner("gpt-4")
        (('a', 1.0), ('b', 2.0), None)
        >>> parse_winner("tie (inconsistent)"), parse_winner("Both are bad")
        (('tie', None), ('both_bad', None))
    """
    bare = text.strip().strip("\"'").strip().lower()
    if bare in NONE:
        return "none", None
    words = _plain(bare)
    if _BOTH_BAD.fullmatch(words):
        return "both_bad", None
    if words in TIES or _BOTH_GOOD.fullmatch(words):
        return "tie", None
    return _arrow(words, zero_based=zero_based) or _phrase(words, zero_based=zero_based)


def _plain(text: str) -> str:
    """A phrase without brackets and quotes, with single spaces between its words."""
    text = _MARKS.sub(" ", text).strip().rstrip(".!").strip()
    return re.sub(r"\s+", " ", _BETWEEN.sub(" ", text))


def _arrow(words: str, *, zero_based: bool) -> tuple[str, float | None] | None:
    arrow = _ARROWS[zero_based].fullmatch(words)
    if not arrow:
        return None
    meaning = _MEANING[zero_based]
    side, other, sign = meaning[arrow["side"]], meaning[arrow["other"]], arrow["sign"]
    if side == other:
        return None
    if sign in EVEN_SIGNS:
        return "tie", None
    first, length = next(
        (sign.startswith(pair[0]), len(pair[0]))
        for pair in SIGNS
        if sign.startswith(pair) and not sign.replace(pair[0], "").replace(pair[1], "")
    )
    return (side if first else other), min(float(len(sign) // length), 3.0)


def _phrase(words: str, *, zero_based: bool) -> tuple[str, float | None] | None:
    meaning = _MEANING[zero_based]
    for pattern in _PHRASES[zero_based]:
        if not (phrase := pattern.fullmatch(words)):
            continue
        group = {name: word for name, word in phrase.groupdict().items() if word}
        side = meaning[group.get("side_number") or group["side"]]
        other = meaning.get(group.get("other_number") or group.get("other", ""))
        if side == other:
            return None
        strength = GRADES.get(group.get("grade", ""))
        if strength is None and "is" in group and phrase["is"]:
            strength = 2.0
        return (OTHER[side] if "lost" in group else side), strength
    return None
