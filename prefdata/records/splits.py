"""The splits of a data set, and the words that name them."""

from __future__ import annotations

import re
from collections.abc import Mapping

SPLITS = ("train", "validation", "test")
"""From the least to the most held-out."""

WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("eval", "evaluation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What each word that names a split means."""

SUBSET = re.compile(r"[_-](prefs|sft|gen)$")
"""What follows the word where a data set has several kinds of rows in each split."""


def split_of(text: str) -> str:
    """The split that a text names; ``""`` where it names none.

    Example:
        >>> split_of("train_prefs"), split_of(" Dev "), split_of("valid2"), split_of("easy")
        ('train', 'validation', 'validation', '')
    """
    return WORDS.get(SUBSET.sub("", text.strip().lower()).rstrip("0123456789"), "")


def held_out_split(rows: Mapping[str, object], *order: str) -> str:
    """The split to measure on: the first of some that there is, else train.

    Args:
        rows: by split, whatever there is of it.
        order: the splits, the best first.

    Example:
        >>> held_out_split({"train": 9, "test": 1}, "validation", "test")
        'test'
    """
    return next((name for name in order if name in rows), "train")
