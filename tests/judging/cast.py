"""Verdicts as frames, written briefly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from prefdata.agreement.verdict_frame import VERDICTS

WORDS = {"a": 1, "b": -1, "t": 0, "-": None}


def verdicts(votes: Mapping[str, str], *, longer: str = "") -> pl.DataFrame:
    """Verdicts by annotator: a letter for each comparison, a dot where they were not asked.

    Args:
        votes: annotator to letters: a, b, t for a tie, - for no verdict. A name that ends in ``~``
            is that annotator in the other order.
        longer: which response of each comparison is longer: a, b, or t for neither.
    """
    rows = [
        (
            at,
            who.rstrip("~"),
            WORDS[letter],
            who.endswith("~"),
            WORDS[longer[at]] if longer else None,
        )
        for who, letters in votes.items()
        for at, letter in enumerate(letters)
        if letter != "."
    ]
    return frame(rows)


def frame(rows: Iterable[tuple[object, ...]]) -> pl.DataFrame:
    """Rows of the first columns of `VERDICTS`."""
    names = list(VERDICTS)[:5]
    made = pl.DataFrame(list(rows), {n: VERDICTS[n] for n in names}, orient="row")
    return made.with_columns(pl.lit(None, pl.String).alias("category"))
