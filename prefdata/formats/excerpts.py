"""Values and rows of a source in brief, as examples in messages and accounts."""

from __future__ import annotations

import json
from collections.abc import Mapping

LONGEST = 120
"""Characters of a value or a row in brief."""

LONGEST_CELL = 30
"""Characters of each text in a row in brief."""


def shortened(text: str, length: int = LONGEST) -> str:
    """A text, cut where it is longer than so many characters.

    Example:
        >>> shortened("A green herb."), shortened("A green herb.", 8)
        ('A green herb.', 'A green…')
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"


def value_excerpt(value: object) -> str:
    """A value in brief, lists and objects as JSON.

    Example:
        >>> value_excerpt("A green herb."), value_excerpt({"a": [1]}), len(value_excerpt("é" * 999))
        ('A green herb.', '{"a": [1]}', 120)
    """
    return shortened(_json(value) if isinstance(value, list | Mapping) else str(value))


def row_excerpt(row: Mapping[str, object], *first: str) -> str:
    """A row in brief, as JSON.

    Args:
        row: its columns.
        first: the columns that stand first, since the example is about them.

    Example:
        >>> row_excerpt({"question": "2+2?", "vote": "A"}, "vote")
        '{"vote": "A", "question": "2+2?"}'
    """
    ordered = {**{name: row[name] for name in first}, **row}
    cells = {
        name: shortened(value, LONGEST_CELL) if isinstance(value, str) else value
        for name, value in ordered.items()
    }
    return shortened(_json(cells))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
