"""The rate limit of each judge: how many requests are under way, and when the next may go.

The number under way doubles with each round of replies until the server objects, is halved when it
does, and grows by one a round after that. Requests and tokens per minute, from the user or from
the server's own headers, are buckets that refill evenly. A server that asks to wait is waited for,
however long that is.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefdata.judging.client.protocol import RateLimits, backoff

MINUTE = 60.0
FIRST_CONCURRENCY = 16
"""Requests under way at the start."""

UNSAVED_SHARE = 4
"""One in so many places is free again before its reply is on disk."""

RECHECK = 1.0
"""Seconds after which a pause is looked at again: another reply may have changed it."""


class TokenBucket:
    """A budget per minute that refills evenly.

    Args:
        per_minute: how much there is in a minute.
    """

    def __init__(self, per_minute: float) -> None:
        self.size = self.level = per_minute
        self.at = time.monotonic()

    def wait(self, amount: float) -> float:
        """Seconds until an amount is there; what is larger than the whole waits for all of it."""
        now = time.monotonic()
        self.level = min(self.size, self.level + (now - self.at) * self.size / MINUTE)
        self.at = now
        shortfall = min(amount, self.size) - self.level
        return max(0.0, shortfall * MINUTE / self.size)

    def update(self, limit: float, remaining: float | None, under_way: float) -> None:
        """Take over what the server says, less what it cannot have seen yet."""
        self.size = limit
        if remaining is not None:
            self.level = min(self.level, remaining - under_way)


class RateLimiter:
    """Says when the requests to one judge may go.

    Args:
        max_concurrency: the most requests under way.
        rpm: requests per minute, 0 for as the server says.
        tpm: tokens per minute, 0 for as the server says.
        stopped: whether the run is to end, so that nothing need be waited for.
    """

    def __init__(
        self,
        max_concurrency: int,
        *,
        rpm: float = 0,
        tpm: float = 0,
        stopped: Callable[[], bool] = bool,
    ) -> None:
        self.stopped = stopped
        self.max_concurrency = max_concurrency
        self.concurrency = float(min(FIRST_CONCURRENCY, max_concurrency))
        self.under_way = self.unsaved = 0
        self.tokens_under_way = 0
        self.steady = False
        self.halved = self.paused = 0.0
        self.requests = TokenBucket(rpm) if rpm else None
        self.tokens = TokenBucket(tpm) if tpm else None
        self.fixed = bool(rpm), bool(tpm)
        self.lock = asyncio.Lock()
        self.freed = asyncio.Event()

    async def acquire(self, tokens: int) -> None:
        """Wait until a request with so many tokens may go; first come, first served."""
        async with self.lock:
            while True:
                while self._in_use() >= int(self.concurrency):
                    self.freed.clear()
                    await self.freed.wait()
                pause = max(self.paused - time.monotonic(), self._wait_time(tokens))
                if pause <= 0 or self.stopped():
                    break
                await asyncio.sleep(min(pause, RECHECK))
        self.under_way += 1
        self.tokens_under_way += tokens
        for bucket, amount in ((self.requests, 1), (self.tokens, tokens)):
            if bucket:
                bucket.level -= amount

    def _in_use(self) -> int:
        """Places that are taken: those of requests, and of replies beyond a share of all places."""
        return self.under_way + max(0, self.unsaved - int(self.concurrency) // UNSAVED_SHARE)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """While a reply goes to disk: it may be paid for twice if the run is killed now."""
        self.unsaved += 1
        try:
            yield
        finally:
            self.unsaved -= 1
            self.freed.set()

    def _wait_time(self, tokens: int) -> float:
        for_requests = self.requests.wait(1) if self.requests else 0.0
        return max(for_requests, self.tokens.wait(tokens) if self.tokens else 0.0)

    def release(self, tokens: int) -> None:
        """A request has come to its end."""
        self.under_way -= 1
        self.tokens_under_way -= tokens
        self.freed.set()

    def on_success(self, limits: RateLimits) -> None:
        """Allow more, and note what the server says of its limits."""
        growth = 1 / self.concurrency if self.steady else 1
        self.concurrency = min(self.max_concurrency, self.concurrency + growth)
        if limits.requests and not self.fixed[0]:
            self.requests = self.requests or TokenBucket(limits.requests)
            self.requests.update(limits.requests, limits.requests_left, self.under_way)
        if limits.tokens and not self.fixed[1]:
            self.tokens = self.tokens or TokenBucket(limits.tokens)
            self.tokens.update(limits.tokens, limits.tokens_left, self.tokens_under_way)

    def on_rate_limited(self, wait: float | None, tries: int) -> None:
        """Allow half as much, at most once a second, and pause as long as the server asks."""
        now = time.monotonic()
        self.steady = True
        if now - self.halved > 1:
            self.concurrency, self.halved = max(1.0, self.concurrency / 2), now
        pause = backoff(tries) if wait is None else wait * random.uniform(1.0, 1.1)  # noqa: S311
        self.paused = max(self.paused, now + pause)
