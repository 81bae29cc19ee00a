"""One lane for each judge: how many requests are under way, and when the next may go.

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

from prefdata.judging.client.protocol import Headers
from prefdata.judging.client.waiting import backoff

MINUTE = 60.0
FIRST = 16
"""Requests under way at the start."""

SHARE = 4
"""One in so many places is free again before its reply is on disk."""

LOOK = 1.0
"""Seconds after which a pause is looked at again: another reply may have changed it."""


class Bucket:
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
        short = min(amount, self.size) - self.level
        return max(0.0, short * MINUTE / self.size)

    def told(self, limit: float, left: float | None, under_way: float) -> None:
        """Take over what the server says, less what it cannot have seen yet."""
        self.size = limit
        if left is not None:
            self.level = min(self.level, left - under_way)


class Lane:
    """The pace of one judge.

    Args:
        most: the most requests under way.
        rpm: requests per minute, 0 for as the server says.
        tpm: tokens per minute, 0 for as the server says.
        over: whether the run is to end, so that nothing need be waited for.
    """

    def __init__(
        self, most: int, *, rpm: float = 0, tpm: float = 0, over: Callable[[], bool] = bool
    ) -> None:
        self.over = over
        self.most, self.limit = most, float(min(FIRST, most))
        self.under_way = self.unwritten = 0
        self.tokens_under_way = 0
        self.steady = False
        self.halved = self.paused = 0.0
        self.requests = Bucket(rpm) if rpm else None
        self.tokens = Bucket(tpm) if tpm else None
        self.fixed = bool(rpm), bool(tpm)
        self.gate = asyncio.Lock()
        self.room = asyncio.Event()

    async def enter(self, tokens: int) -> None:
        """Wait until a request with so many tokens may go; first come, first served."""
        async with self.gate:
            while True:
                while self._taken() >= int(self.limit):
                    self.room.clear()
                    await self.room.wait()
                pause = max(self.paused - time.monotonic(), self._short(tokens))
                if pause <= 0 or self.over():
                    break
                await asyncio.sleep(min(pause, LOOK))
        self.under_way += 1
        self.tokens_under_way += tokens
        for bucket, amount in ((self.requests, 1), (self.tokens, tokens)):
            if bucket:
                bucket.level -= amount

    def _taken(self) -> int:
        """Places that are taken: those of requests, and of replies beyond a share of all places."""
        return self.under_way + max(0, self.unwritten - int(self.limit) // SHARE)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While a reply goes to disk: it may be paid for twice if the run is killed now."""
        self.unwritten += 1
        try:
            yield
        finally:
            self.unwritten -= 1
            self.room.set()

    def _short(self, tokens: int) -> float:
        of_requests = self.requests.wait(1) if self.requests else 0.0
        return max(of_requests, self.tokens.wait(tokens) if self.tokens else 0.0)

    def leave(self, tokens: int) -> None:
        """A request has come to its end."""
        self.under_way -= 1
        self.tokens_under_way -= tokens
        self.room.set()

    def went_well(self, headers: Headers) -> None:
        """Allow more, and note what the server says of its limits."""
        self.limit = min(self.most, self.limit + (1 / self.limit if self.steady else 1))
        if headers.requests and not self.fixed[0]:
            self.requests = self.requests or Bucket(headers.requests)
            self.requests.told(headers.requests, headers.requests_left, self.under_way)
        if headers.tokens and not self.fixed[1]:
            self.tokens = self.tokens or Bucket(headers.tokens)
            self.tokens.told(headers.tokens, headers.tokens_left, self.tokens_under_way)

    def pushed_back(self, wait: float | None, tries: int) -> None:
        """Allow half as much, at most once a second, and pause as long as the server asks."""
        now = time.monotonic()
        self.steady = True
        if now - self.halved > 1:
            self.limit, self.halved = max(1.0, self.limit / 2), now
        pause = backoff(tries) if wait is None else wait * random.uniform(1.0, 1.1)  # noqa: S311
        self.paused = max(self.paused, now + pause)
