"""Words of verdicts: what is known of one side is known of the other."""

from __future__ import annotations

from itertools import product

import pytest

from prefdata.formats.verdict_words import (
    GRADES,
    LOST,
    NOUNS,
    NUMBERS,
    SIDES,
    SIGNS,
    WON,
    ZERO_BASED,
    parse_winner,
)

TEMPLATES = (
    *("{x}", "[[{x}]]", '"{x}"', "{x} wins", "{x}_wins", "winner_{x}", "{x}-is-better", "the {x}"),
    *("{x} is better than {y}", "{x} is slightly worse than {y}", "winner: {x}", "{x} over {y}"),
    *("strongly prefer {x}", "{x}_much", "much better {x}", "{x} slightly better", "{x}_winner"),
    *("{x}>{y}", "{x} >> {y}", "[[{x}<{y}]]", "{y}<<<{x}", "{x} → {y}", "{x}≻{y}", "{x}=>{y}"),
)
PLACES = [
    *SIDES,
    *((f"{noun} {a}", f"{noun} {b}") for noun in NOUNS for a, b in (*SIDES[:2], *NUMBERS)),
    *((f"{noun}_{a}".upper(), f"{noun}_{b}".upper()) for noun, (a, b) in product(NOUNS, SIDES[:1])),
]
OTHER = {"a": "b", "b": "a"}


def test_the_mirror_image_of_a_phrase_names_the_other_side() -> None:
    """Whatever the phrase: known of the first, it is known of the second, as clearly won."""
    known = 0
    for template, (a, b) in product(TEMPLATES, PLACES):
        one = parse_winner(template.format(x=a, y=b))
        other = parse_winner(template.format(x=b, y=a))
        assert (one and one[1]) == (other and other[1])
        assert (one and OTHER[one[0]]) == (other and other[0]), (template, a, b)
        known += one is not None
    assert known > 0.8 * len(TEMPLATES) * len(PLACES)


@pytest.mark.parametrize("words", [(g, v) for g in GRADES for v in (*WON[:3], *LOST[:1])])
def test_every_grade_goes_with_both_sides(words: tuple[str, str]) -> None:
    """A grade before or behind the word for better, and without it."""
    grade, verdict = words
    phrases = (f"{{}} is {grade} {verdict}", f"{grade} {verdict} {{}}", f"{{}}_{grade}")
    for phrase in phrases:
        first, second = (parse_winner(phrase.format(side)) for side in "ab")
        assert first is not None
        assert second is not None
        assert first[1] == second[1] == GRADES[grade]
        assert {first[0], second[0]} == {"a", "b"}


def test_arrows_point_away_from_the_loser() -> None:
    """Longer arrows are clearer wins, three at most."""
    for (won, lost), length in product(SIGNS, (1, 2, 3, 4)):
        assert parse_winner(f"A{won * length}B") == ("a", min(length, 3))
        assert parse_winner(f"B {won * length} A") == ("b", min(length, 3))
        assert parse_winner(f"[[A{lost * length}B]]") == ("b", min(length, 3))


@pytest.mark.parametrize("sign", ["=", "==", "≈", "~", " = ", " ~ ", "<>"])
def test_signs_without_a_direction_are_ties(sign: str) -> None:
    """Whichever side stands first."""
    assert parse_winner(f"A{sign}B") == parse_winner(f"[[B{sign}A]]") == ("tie", None)


def test_sides_that_are_counted_from_zero() -> None:
    """0 is the first where the source counts so, and nothing where not."""
    ((first, second),) = ZERO_BASED
    assert parse_winner(f"response {first}", zero_based=True) == ("a", None)
    assert parse_winner(f"response_{second}", zero_based=True) == ("b", None)
    assert parse_winner("response_2", zero_based=True) is None
    assert parse_winner("response_0") is None


@pytest.mark.parametrize(
    "word",
    [
        *("1", "0", "-1", "gpt-4", "perhaps", "A>A", "A>=B", "a, b", "model", "better", "ab"),
        *("one is better", "{'selected': 'left'}", "A is better than A", "model_c", "yes", "best"),
    ],
)
def test_what_is_no_verdict_has_no_meaning(word: str) -> None:
    """Numbers, names, and phrases that name no side or contradict themselves."""
    assert parse_winner(word) is None
