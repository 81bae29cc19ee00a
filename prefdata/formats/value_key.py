"""Values of coded columns as text, so that one value has one spelling."""

from __future__ import annotations

import math


def value_key(value: object) -> str:
    """A coded value as text: 1, 1.0, "1" and "1.0" are the same.

    Example:
        >>> value_key(1.0), value_key(True), value_key(" A ")
        ('1', 'true', 'a')
    """
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).strip().lower()
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:g}" if not math.isnan(number) else ""
