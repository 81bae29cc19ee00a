"""Asking through a provider's batch service: files of requests, answered within a day.

What is sent is written into the journal before it is sent, under a mark that the service keeps with
the batch. So a run that is killed between the two finds its batch again by the mark, and never
sends, or pays for, the same requests twice. Replies are matched by the key alone; both result files
are read; what a batch that expired or was cancelled has finished is taken, the rest goes into the
next one.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import orjson

from prefdata.judging.client.journal import Entry, Journal, Sending
from prefdata.judging.client.protocol import Batch, Failure, parsed
from prefdata.judging.client.runner import (
    CHUNK,
    Ask,
    OutOfBudgetError,
    Runner,
    StoppedError,
    chunked,
    wait_or_stop,
)
from prefdata.judging.prompting.request import Request

PATH = "/v1/chat/completions"
RECORDED = 500
"""Replies that go into the journal together."""

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


class Service(Protocol):
    """A batch service."""

    async def submit(self, path: Path, mark: str) -> str:
        """Send a file of requests; gives the name of the batch."""
        ...

    async def batch(self, name: str) -> Batch:
        """Say how a batch stands."""
        ...

    async def marked(self, mark: str) -> str:
        """Find a batch by its mark; ``""`` where there is none."""
        ...

    def lines(self, file: str) -> AsyncIterator[bytes]:
        """Read a result file."""
        ...


@dataclass(frozen=True)
class Limits:
    """How batches are cut and watched.

    Attributes:
        requests: the most in a file.
        size: the most bytes in a file.
        poll: seconds between two looks at a batch.
        wait: whether to wait for batches to end.
        rounds: how often what failed is sent again with nothing to show for it.
    """

    requests: int = 50_000
    size: int = 190_000_000
    poll: float = 30.0
    wait: bool = True
    rounds: int = 3


class UnderWayError(Exception):
    """Batches are under way, and nobody wants to wait for them."""


class SetBackError(Exception):
    """Batch after batch came to nothing; the message says why."""


class Batcher(Runner):
    """Asks one judge through its provider's batch service; the arguments are those of `Runner`."""

    def attach(self, service: Service, limits: Limits) -> None:
        """Say which service answers, and how batches are cut and watched."""
        self.service, self.limits = service, limits
        self.set_back = ""

    async def prepare(self) -> None:
        """As of any runner; what batches under way may cost is set aside."""
        await super().prepare()
        lane = self.endpoint.lane
        self.budget.reserved += await self.desk.do(lambda journal: journal.reserved(lane))

    async def run(self, asks: Callable[[], Iterable[Ask]]) -> None:
        """Ask for everything that the journal has no usable reply to.

        Raises:
            Failure: a setting is wrong, or the service cannot be used.
            OutOfBudgetError: the limit on costs was reached.
            StoppedError: the user wants to end; batches go on without us.
            UnderWayError: batches are under way, and are not waited for.
            SetBackError: batches failed as a whole, as often as they were sent again.
        """
        await self._take_up()
        await self._finish(asks)
        in_vain = 0
        while in_vain < self.limits.rounds:
            before = self.tally.asked
            self.set_back = ""
            if not await self._submit(asks):
                return
            await self._finish(asks)
            in_vain = in_vain + 1 if self.tally.asked == before else 0
        if self.set_back:
            raise SetBackError(f"{in_vain} times in a row {self.set_back}")

    async def _take_up(self) -> None:
        """Find batches again whose run ended before it could note their names."""
        for mark in await self.desk.do(lambda journal: journal.unnamed(self.endpoint.lane)):
            name = await self.service.marked(mark)
            await self.desk.do(partial(Journal.name_batch, mark=mark, name=name))

    async def _finish(self, asks: Callable[[], Iterable[Ask]]) -> None:
        """Wait for the batches under way, and take what they have."""
        while True:
            open_ = await self.desk.do(lambda journal: journal.batches(self.endpoint.lane))
            for mark, name in open_:
                batch = await self.service.batch(name)
                if batch.status in ENDED:
                    await self._take(mark, batch, asks)
            left = await self.desk.do(lambda journal: journal.batches(self.endpoint.lane))
            if not left:
                return
            if not self.limits.wait:
                raise UnderWayError
            await wait_or_stop(self.stop, self.limits.poll)
            if self.stop.is_set():
                raise StoppedError

    async def _take(self, mark: str, batch: Batch, asks: Callable[[], Iterable[Ask]]) -> None:
        """Put the results of a batch into the journal, and forget it."""
        sendings = {each.key: each for each in await self.desk.do(lambda j: j.sendings(mark))}
        asked = {key: ask for ask in asks() if (key := self.form.key(*ask)) in sendings}
        left = dict.fromkeys(sendings)
        entries: list[Entry] = []
        failed: list[tuple[str, str]] = []
        for file in batch.files:
            async for line in self.service.lines(file):
                key, entry, why = self._read(line, sendings, asked)
                if entry:
                    entries.append(entry)
                elif key:
                    failed.append((key, why))
                left.pop(key, None)
                if len(entries) + len(failed) >= RECORDED:
                    await self._record(entries, failed)
                    entries, failed = [], []
        await self._record(entries, failed)
        most = sum(each.most for each in sendings.values())
        self.budget.reserved = max(0.0, self.budget.reserved - most)
        if left:
            await self._set_back(batch, list(left), whole=len(left) == len(sendings))
        await self.desk.do(lambda journal: journal.forget_batch(mark))

    async def _set_back(self, batch: Batch, keys: Sequence[str], *, whole: bool) -> None:
        """Note what a batch left open, and why; it is sent again.

        A service that refuses a file, for its size or for the tokens that it holds, may well take
        the halves of it.
        """
        why = f"the batch {batch.id} ended as {batch.status}"
        why += f": {batch.why}" if batch.why else ", and left requests open"
        self.tally.set_back[why] += len(keys)
        if whole:
            self.set_back = why
        if batch.status == "failed":
            self.limits = replace(self.limits, requests=max(1, len(keys) // 2))

        def note(journal: Journal) -> None:
            for key in keys:
                journal.give_up(key, why)

        await self.desk.do(note)

    async def _record(self, entries: Sequence[Entry], failed: Sequence[tuple[str, str]]) -> None:
        def keep(journal: Journal) -> None:
            for entry in entries:
                journal.record(entry)
            for key, why in failed:
                journal.give_up(key, why)

        await self.desk.do(keep)
        self.budget.spent += sum(entry.cost or 0.0 for entry in entries)
        self.tally.asked += len(entries)
        self.tally.failed.update(why for _, why in failed)
        self.told(len(entries))

    def _read(
        self, line: bytes, sendings: Mapping[str, Sending], asked: Mapping[str, Ask]
    ) -> tuple[str, Entry | None, str]:
        """A line of a result file: the key, and the reply or why there is none."""
        try:
            said = orjson.loads(line)
            key, response = str(said["custom_id"]), said.get("response") or {}
            sending = sendings.get(key)
            if sending is None:
                return "", None, ""
            if response.get("status_code") != 200:
                error = said.get("error") or (response.get("body") or {}).get("error") or {}
                return key, None, f"the batch service said: {error.get('message', 'no reply')}"
            reply = parsed(orjson.dumps(response["body"]), self.question.menu)
        except Failure as failure:
            return key, None, failure.message
        except (ValueError, LookupError, TypeError, AttributeError):
            return "", None, ""
        cost = self.price.of(reply.usage, batch=True) if self.price and reply.known else None
        ask, lane = asked.get(key), self.endpoint.lane
        settled = ask is None or not self._useless(reply, ask, self.form.fence(*ask))
        entry = Entry(key, sending.attempt, lane, reply, cost, sending.tokens, settled)
        return key, entry, ""

    async def _submit(self, asks: Callable[[], Iterable[Ask]]) -> bool:
        """Send what is missing, in files within the limits; say whether there was anything."""
        sent = False
        file: list[tuple[Request, int, float]] = []
        size = 0
        for part in chunked(asks(), CHUNK):
            if self.stop.is_set():
                raise StoppedError
            for _, made, attempt in await self._missing(part):
                line = len(orjson.dumps(made.body)) + 200
                full = len(file) >= self.limits.requests or size + line > self.limits.size
                if file and full:
                    await self._send(file)
                    file, size, sent = [], 0, True
                most = self._most(made) * (self.price.batch if self.price else 1.0)
                if not self.budget.reserve(most):
                    await self.desk.do(partial(Journal.release, keys=[made.key]))
                    if file:
                        await self._send(file)
                    raise OutOfBudgetError
                file.append((made, attempt, most))
                size += line
        if file:
            await self._send(file)
        return sent or bool(file)

    async def _send(self, file: Sequence[tuple[Request, int, float]]) -> None:
        """Note a batch in the journal, then send it."""
        mark, lane = uuid.uuid4().hex, self.endpoint.lane
        sendings = [Sending(made.key, n, made.tokens, most) for made, n, most in file]
        await self.desk.do(lambda journal: journal.intend(mark, lane, sendings))
        with tempfile.TemporaryDirectory(prefix="prefdata-") as folder:
            path = Path(folder) / "requests.jsonl"
            with path.open("wb") as out:
                for made, _, _ in file:
                    line = {"custom_id": made.key, "method": "POST", "url": PATH, "body": made.body}
                    out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            try:
                name = await self.service.submit(path, mark)
            except Failure:
                name = await self.service.marked(mark)
                if not name:
                    await self.desk.do(lambda journal: journal.forget_batch(mark))
                    raise
        await self.desk.do(lambda journal: journal.name_batch(mark, name))
