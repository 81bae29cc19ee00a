"""Values of coded columns as text, so that one value has one spelling."""

from __future__ import annotations

import json
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


def value_keys(value: object) -> list[str]:
    """The keys of a value of a coded column: of a list those of its items.

    An object has one key, its JSON text.

    Example:
        >>> value_keys("A"), value_keys(["A", 1.0]), value_keys({"vote": "A"})
        (['a'], ['a', '1'], ['{"vote": "A"}'])
    """
    if isinstance(value, list):
        return [key for item in value if item is not None for key in value_keys(item)]
    if isinstance(value, dict):
        return [json.dumps(value, ensure_ascii=False, default=str)]
    return [value_key(value)]
