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

Value = TypeVar("Value")
JournalAction = Callable[[Journal], object]

HEARTBEAT = LEASE / 4
"""Seconds between two heartbeats."""

COMMIT_INTERVAL = 0.01
"""Seconds from one commit to the next, which replies share: each commit writes whole pages."""


class JournalWriter:
    """Does work on a journal in a thread of its own, from one event loop.

    The thread also keeps up the run's heartbeat, however busy the loop is.

    Args:
        journal: the journal, which nobody else uses meanwhile.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.loop = asyncio.get_running_loop()
        self.queue: list[_Queued] = []
        self.hurry = False
        self.last_heartbeat = time.monotonic()
        self.condition = threading.Condition()
        self.closing = False
        self.thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self.thread.start()

    async def commit(self, action: Callable[[Journal], Value]) -> Value:
        """Do something as part of a commit; when this returns, the commit is on disk."""
        return await self._submit(action, hurry=True)

    async def commit_soon(self, action: Callable[[Journal], Value]) -> Value:
        """As `commit`; a moment later where many come in, with whatever comes in until then."""
        return await self._submit(action, hurry=False)

    async def _submit(self, action: Callable[[Journal], Value], *, hurry: bool) -> Value:
        future: asyncio.Future[object] = self.loop.create_future()
        with self.condition:
            if hurry or not self.queue:
                self.condition.notify()
            self.hurry = self.hurry or hurry
            self.queue.append((action, future))
        return cast("Value", await future)

    async def close(self) -> None:
        """Finish what was submitted, and stop the thread."""
        with self.condition:
            self.closing = self.hurry = True
            self.condition.notify()
        await asyncio.to_thread(self.thread.join)

    def _run(self) -> None:
        committed = -COMMIT_INTERVAL
        while True:
            with self.condition:
                self.condition.wait_for(lambda: self.queue or self.closing, HEARTBEAT)
                delay = committed + COMMIT_INTERVAL - time.monotonic()
                self.condition.wait_for(lambda: self.hurry or not self.queue, delay)
                batch, self.queue, self.hurry = self.queue, [], self.closing
            if self.closing and not batch:
                return
            self._heartbeat()
            if batch:
                self.loop.call_soon_threadsafe(_resolve, self._commit(batch))
                committed = time.monotonic()

    def _heartbeat(self) -> None:
        """Renew the lease if that is due; where it fails, the next commit shows it."""
        if time.monotonic() - self.last_heartbeat >= HEARTBEAT:
            self.last_heartbeat = time.monotonic()
            with contextlib.suppress(sqlite3.Error), self.journal.transaction():
                self.journal.heartbeat()

    def _commit(self, batch: list[_Queued]) -> list[_Completed]:
        """Do all actions in one commit; where it fails, none of them was done."""
        try:
            with self.journal.transaction():
                return [(future, action(self.journal), None) for action, future in batch]
        except Exception as error:  # noqa: BLE001 - whoever waits for the action raises it
            return [(future, None, error) for _, future in batch]


_Queued = tuple[JournalAction, asyncio.Future[object]]
_Completed = tuple[asyncio.Future[object], object, Exception | None]


def _resolve(results: list[_Completed]) -> None:
    for future, value, error in results:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
