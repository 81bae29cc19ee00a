"""Keys that none of the first rows has are found wherever they come first."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.io.readers.json_keys import KnownKeys

KEYS = st.text(st.sampled_from('abcdefghij_é :,[{"'), min_size=1, max_size=14)
TEXTS = st.text(st.sampled_from('ab":\\{}[], é\n'), max_size=12)


@given(
    known=st.sets(KEYS, min_size=1, max_size=5),
    late=KEYS,
    texts=st.lists(TEXTS, min_size=3, max_size=20),
    ascii_only=st.booleans(),
    tight=st.booleans(),
)
def test_a_late_key_is_found(
    known: set[str], late: str, texts: list[str], ascii_only: bool, tight: bool
) -> None:
    """Whatever its letters, and whatever stands in the texts around it."""
    separators = (",", ":") if tight else (", ", ": ")
    rows = [{key: {"messages": [text]} for key in sorted(known)} for text in texts]
    keys = KnownKeys(rows[:1], lambda _: True)
    lines = [json.dumps(row, ensure_ascii=ascii_only, separators=separators) for row in rows]
    assert keys.odd_rows(("\n".join(lines) + "\n").encode()) == []
    if late in known | {"messages"}:
        return
    odd = {**rows[-1], late: texts[0]}
    lines.append(json.dumps(odd, ensure_ascii=ascii_only, separators=separators))
    assert keys.odd_rows(("\n".join(lines) + "\n").encode()) == [odd]
    assert keys.new_columns(odd) == [late]


@pytest.mark.parametrize(
    ("known", "late"),
    [("good_reasoning", "reasoning"), ("a", "aa"), ("content", "contents"), ("x_prompt", "prompt")],
)
def test_a_key_that_ends_like_a_known_one_is_found(known: str, late: str) -> None:
    """A known ending is no known key."""
    rows = [{known: "x"}] * 50 + [{known: "x", late: "y"}]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert KnownKeys([{known: "x"}], lambda _: False).odd_rows(data) == [rows[-1]]
