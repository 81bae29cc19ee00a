"""How long to wait: what servers say in their headers, and what is sensible where they do not."""

from __future__ import annotations

import email.utils
import random
import re
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


SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}


def span_of(text: str | None) -> float | None:
    """Seconds in a span as rate-limit headers write it.

    Example:
        >>> span_of("6m0s"), span_of("120ms"), span_of("7"), span_of("soon")
        (360.0, 0.12, 7.0, None)
    """
    if not text or SPAN.sub("", text).strip():
        return None
    return sum(float(number) * SECONDS[unit] for number, unit in SPAN.findall(text))
