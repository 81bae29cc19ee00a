"""Answers rated on the five dimensions of HelpSteer, and what became of their scores."""

from __future__ import annotations

from collections.abc import Sequence

from tests.roundtrip import Row, rated

ASPECTS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


def scored(response: str, helpfulness: float, correctness: float, prompt: str = "Q") -> Row:
    """A row as HelpSteer has it; what is not named is the same for all."""
    same = {"coherence": 3, "complexity": 3, "verbosity": 3}
    return {
        "prompt": prompt,
        "response": response,
        "helpfulness": helpfulness,
        "correctness": correctness,
        **same,
    }


def sides(row: dict[str, object], name: str) -> tuple[float | None, float | None]:
    """What the chosen and the rejected response of a pair scored."""
    listed = row["dimensions"]
    assert isinstance(listed, list)
    return next((d["chosen"], d["rejected"]) for d in listed if d["dimension"] == name)


KIND = [scored("kind", 4, 1), scored("right", 2, 3)]
"""Two answers of which each is better on one dimension."""


def long(rows: Sequence[Row], names: Sequence[str] = ASPECTS) -> list[Row]:
    """The same ratings, one to a row."""
    return [
        rated(str(row["response"]), row[name], str(row["prompt"]), dimension=name)
        for row in rows
        for name in names
        if row[name] is not None
    ]


ANCHOR = [scored("yes", 4, 4, "?"), scored("no", 0, 0, "?")]
