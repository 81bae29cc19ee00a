"""Ids are made of normalised text, and looking before normalising misses nothing."""

from __future__ import annotations

import sys
import unicodedata

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from prefdata.records.ids import MAY_COMPOSE, content_ids

POINTS = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]


def ids(*texts: str) -> list[int]:
    frame = pl.DataFrame({"prompt": texts})
    return list(content_ids(frame, {"prompt": "id"})["id"])


def test_every_character_that_nfc_changes_is_looked_for() -> None:
    """Held for all of Unicode: what NFC changes alone, or reorders, is in the pattern."""
    changed = [
        c for c in POINTS if unicodedata.normalize("NFC", c) != c or unicodedata.combining(c)
    ]
    assert len(changed) > 1000
    assert pl.Series(changed).str.contains(MAY_COMPOSE).all()


def test_every_character_that_joins_the_one_before_is_looked_for() -> None:
    """Held for all of Unicode: the second half of each composition is in the pattern."""
    halves = {
        unicodedata.normalize("NFD", c)[1:]
        for c in POINTS
        if unicodedata.decomposition(c)[:1] != "<"
    }
    seconds = sorted({c for half in halves for c in half})
    assert len(seconds) > 50
    assert pl.Series(seconds).str.contains(MAY_COMPOSE).all()


@given(st.text(max_size=20))
def test_a_text_has_the_id_of_its_normal_form(text: str) -> None:
    """NFC, line breaks and outer white space do not matter."""
    plain = "x" + text.replace("\r\n", "\n") + "x"
    first, second, third = ids(
        "x" + text + "x", unicodedata.normalize("NFC", plain), "\n\u3000" + "x" + text + "x\t"
    )
    assert first == second == third


def test_white_space_inside_matters() -> None:
    """Code has meaning in it."""
    one, two = ids("if x:\n  y", "if x:\n    y")
    assert one != two


@given(
    st.lists(st.none() | st.text("aé\u0301—😀", max_size=14), min_size=1, max_size=12),
    st.lists(st.integers(0, 11), min_size=1, max_size=12),
    st.integers(0, 20),
)
def test_where_a_text_lies_in_memory_does_not_matter(
    texts: list[str | None], places: list[int], begin: int
) -> None:
    """Texts short and long, picked out twice, cut out of each other, and put end to end."""
    long = pl.Series([text and text * 3 for text in texts], dtype=pl.String)
    gathered = long.gather([place % len(texts) for place in places])
    shared = pl.concat([long, gathered, long.str.slice(1, 15), gathered.str.strip_chars("a")])[
        begin:
    ]
    result = list(content_ids(pl.DataFrame({"prompt": shared}), {"prompt": "id"})["id"])
    present = [text for text in shared if text is not None]
    normal = ids(*(unicodedata.normalize("NFC", text) for text in present)) if present else []
    assert [one for one, text in zip(result, shared, strict=True) if text is not None] == normal
