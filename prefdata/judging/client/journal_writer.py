"""The journal as the event loop sees it: one thread works on it, and many calls share a commit."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import TypeVar, cast

from prefdata.judging.client.journal import LEASE, Journal

Result = TypeVar("Result")
Job = Callable[[Journal], object]

SIGN = LEASE / 4
"""Seconds between two signs of life."""

GATHER = 0.01
"""Seconds from one commit to the next, which replies share: each commit writes whole pages."""


class Desk:
    """Does work on a journal in a thread of its own, from one event loop.

    The thread also gives the run's signs of life, however busy the loop is.

    Args:
        journal: the journal, which nobody else uses meanwhile.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.loop = asyncio.get_running_loop()
        self.waiting: list[tuple[Job, asyncio.Future[object]]] = []
        self.hurry = False
        self.signed = time.monotonic()
        self.there = threading.Condition()
        self.ended = False
        self.thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self.thread.start()

    async def do(self, job: Callable[[Journal], Result]) -> Result:
        """Do something as part of a commit; when this returns, the commit is on disk."""
        return await self._hand_in(job, hurry=True)

    async def soon(self, job: Callable[[Journal], Result]) -> Result:
        """As `do`; a moment later where many come in, with whatever comes in until then."""
        return await self._hand_in(job, hurry=False)

    async def _hand_in(self, job: Callable[[Journal], Result], *, hurry: bool) -> Result:
        done: asyncio.Future[object] = self.loop.create_future()
        with self.there:
            if hurry or not self.waiting:
                self.there.notify()
            self.hurry = self.hurry or hurry
            self.waiting.append((job, done))
        return cast("Result", await done)

    async def close(self) -> None:
        """Finish what was handed in, and stop the thread."""
        with self.there:
            self.ended = self.hurry = True
            self.there.notify()
        await asyncio.to_thread(self.thread.join)

    def _run(self) -> None:
        committed = -GATHER
        while True:
            with self.there:
                self.there.wait_for(lambda: self.waiting or self.ended, SIGN)
                gather = committed + GATHER - time.monotonic()
                self.there.wait_for(lambda: self.hurry or not self.waiting, gather)
                jobs, self.waiting, self.hurry = self.waiting, [], self.ended
            if self.ended and not jobs:
                return
            self._stay_alive()
            if jobs:
                self.loop.call_soon_threadsafe(_tell, self._commit(jobs))
                committed = time.monotonic()

    def _stay_alive(self) -> None:
        """Give a sign of life if one is due; where it fails, the next commit tells."""
        if time.monotonic() - self.signed >= SIGN:
            self.signed = time.monotonic()
            with contextlib.suppress(sqlite3.Error), self.journal.writing():
                self.journal.sign_of_life()

    def _commit(self, jobs: list[tuple[Job, asyncio.Future[object]]]) -> list[_Done]:
        """Do all jobs in one commit; where it fails, none of them was done."""
        try:
            with self.journal.writing():
                return [(done, job(self.journal), None) for job, done in jobs]
        except Exception as error:  # noqa: BLE001 - whoever waits for the job raises it
            return [(done, None, error) for _, done in jobs]


_Done = tuple[asyncio.Future[object], object, Exception | None]


def _tell(results: list[_Done]) -> None:
    for done, result, error in results:
        if done.done():
            continue
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)
