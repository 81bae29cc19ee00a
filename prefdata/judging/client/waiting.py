"""How long to wait: what servers say in their headers, and what is sensible where they do not."""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Mapping


def backoff(tries: int) -> float:
    """Seconds before another try: up to half a second, doubling to a minute, with full jitter."""
    return random.uniform(0.05, min(60.0, 0.5 * 2**tries))  # noqa: S311 - spreads, hides nothing


def wait_of(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or ``retry-after`` as seconds or as a date.

    Example:
        >>> wait_of({"retry-after": "1.5"}), wait_of({"retry-after-ms": "20"}), wait_of({})
        (1.5, 0.02, None)
        >>> wait_of({"retry-after": "Thu, 01 Jan 1970 00:10:00 GMT"}, now=0.0)
        600.0
    """
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError, TypeError):
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))
