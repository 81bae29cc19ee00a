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
from typing import NamedTuple, Protocol

import orjson

from prefdata.judging.client.journal import BatchedRequest, Journal, JournalEntry
from prefdata.judging.client.protocol import Batch, RequestError, parse_completion
from prefdata.judging.client.runner import (
    CHUNK,
    JudgeRunner,
    OutOfBudgetError,
    PendingCall,
    StoppedError,
    chunked,
    wait_or_stop,
)
from prefdata.judging.prompting.request import JudgeRequest

ENDPOINT = "/v1/chat/completions"
COMMIT_SIZE = 500
"""Replies that go into the journal together."""

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


class Service(Protocol):
    """A batch service."""

    async def submit(self, path: Path, mark: str) -> str:
        """Send a file of requests; returns the name of the batch."""
        ...

    async def batch(self, name: str) -> Batch:
        """Get the state of a batch."""
        ...

    async def find_batch(self, mark: str) -> str:
        """Find a batch by its mark; ``""`` where there is none."""
        ...

    def lines(self, file: str) -> AsyncIterator[bytes]:
        """Read a result file."""
        ...


class BatchedCall(NamedTuple):
    """A request in a file that is about to be sent, and the most that it can cost, in dollars."""

    call: PendingCall
    max_cost: float


class BatchLine(NamedTuple):
    """A line of a result file.

    Attributes:
        key: of the request; ``""`` where the line is not about one of ours.
        entry: the reply; None where there is none.
        error: why there is none.
    """

    key: str = ""
    entry: JournalEntry | None = None
    error: str = ""


@dataclass(frozen=True)
class BatchOptions:
    """How batches are cut and watched.

    Attributes:
        max_requests: the most in a file.
        max_bytes: the most bytes in a file.
        poll: seconds between two looks at a batch.
        wait: whether to wait for batches to end.
        max_rounds: how often what failed is sent again with nothing to show for it.
    """

    max_requests: int = 50_000
    max_bytes: int = 190_000_000
    poll: float = 30.0
    wait: bool = True
    max_rounds: int = 3


class BatchPendingError(Exception):
    """Batches are under way, and nobody wants to wait for them."""


class BatchFailedError(Exception):
    """Batch after batch failed; the message says why."""


class BatchRunner(JudgeRunner):
    """Asks one judge through its provider's batch service; takes the arguments of `JudgeRunner`."""

    def attach(self, service: Service, options: BatchOptions) -> None:
        """Say which service answers, and how batches are cut and watched."""
        self.service, self.options = service, options
        self.failure = ""

    async def prepare(self) -> None:
        """As of any runner; what batches under way may cost is set aside."""
        await super().prepare()
        judge = self.endpoint.address
        self.budget.reserved += await self.writer.commit(lambda journal: journal.reserved(judge))

    async def run(self, requests: Callable[[], Iterable[JudgeRequest]]) -> None:
        """Ask for everything that the journal has no usable reply to.

        Raises:
            RequestError: a setting is wrong, or the service cannot be used.
            OutOfBudgetError: the limit on costs was reached.
            StoppedError: the user wants to end; batches go on without us.
            BatchPendingError: batches are under way, and are not waited for.
            BatchFailedError: batches failed as a whole, as often as they were sent again.
        """
        await self._recover()
        await self._collect(requests)
        in_vain = 0
        while in_vain < self.options.max_rounds:
            before = self.counts.answered
            self.failure = ""
            if not await self._send_missing(requests):
                return
            await self._collect(requests)
            in_vain = in_vain + 1 if self.counts.answered == before else 0
        if self.failure:
            raise BatchFailedError(f"{in_vain} times in a row {self.failure}")

    async def _recover(self) -> None:
        """Find batches again whose run ended before it could note their names."""
        judge = self.endpoint.address
        for mark in await self.writer.commit(lambda journal: journal.unnamed_batches(judge)):
            name = await self.service.find_batch(mark)
            await self.writer.commit(partial(Journal.name_batch, mark=mark, name=name))

    async def _collect(self, requests: Callable[[], Iterable[JudgeRequest]]) -> None:
        """Wait for the batches under way, and collect their results."""
        judge = self.endpoint.address
        while True:
            for mark, name in await self.writer.commit(lambda journal: journal.batches(judge)):
                batch = await self.service.batch(name)
                if batch.status in ENDED:
                    await self._collect_batch(mark, batch, requests)
            if not await self.writer.commit(lambda journal: journal.batches(judge)):
                return
            if not self.options.wait:
                raise BatchPendingError
            await wait_or_stop(self.stop, self.options.poll)
            if self.stop.is_set():
                raise StoppedError

    async def _collect_batch(
        self, mark: str, batch: Batch, requests: Callable[[], Iterable[JudgeRequest]]
    ) -> None:
        """Put the results of a batch into the journal, and remove it there."""
        rows = await self.writer.commit(lambda journal: journal.batch_requests(mark))
        batched = {row.key: row for row in rows}
        by_key = {key: each for each in requests() if (key := self.builder.key(each)) in batched}
        unanswered = dict.fromkeys(batched)
        lines: list[BatchLine] = []
        for file in batch.files:
            async for text in self.service.lines(file):
                line = self._parse_line(text, batched, by_key)
                if line.key:
                    lines.append(line)
                    unanswered.pop(line.key, None)
                if len(lines) >= COMMIT_SIZE:
                    await self._save(lines)
                    lines = []
        await self._save(lines)
        most = sum(row.max_cost for row in rows)
        self.budget.reserved = max(0.0, self.budget.reserved - most)
        if unanswered:
            whole = len(unanswered) == len(batched)
            await self._note_unanswered(batch, list(unanswered), whole=whole)
        await self.writer.commit(lambda journal: journal.remove_batch(mark))

    async def _note_unanswered(self, batch: Batch, keys: Sequence[str], *, whole: bool) -> None:
        """Note what a batch has not answered, and why; it is sent again.

        A service that refuses a file, for its size or for the tokens that it holds, may well take
        the halves of it.
        """
        reason = f"the batch {batch.id} ended as {batch.status}"
        reason += f": {batch.errors}" if batch.errors else ", and left requests open"
        self.counts.batch_failures[reason] += len(keys)
        if whole:
            self.failure = reason
        if batch.status == "failed":
            self.options = replace(self.options, max_requests=max(1, len(keys) // 2))

        def mark_failed(journal: Journal) -> None:
            for key in keys:
                journal.mark_failed(key, reason)

        await self.writer.commit(mark_failed)

    async def _save(self, lines: Sequence[BatchLine]) -> None:
        def save(journal: Journal) -> None:
            for key, entry, error in lines:
                if entry:
                    journal.record(entry)
                else:
                    journal.mark_failed(key, error)

        await self.writer.commit(save)
        entries = [line.entry for line in lines if line.entry]
        self.budget.spent += sum(entry.cost or 0.0 for entry in entries)
        self.counts.answered += len(entries)
        self.counts.failed.update(line.error for line in lines if not line.entry)
        self.on_progress(len(entries))

    def _parse_line(
        self,
        text: bytes,
        batched: Mapping[str, BatchedRequest],
        requests: Mapping[str, JudgeRequest],
    ) -> BatchLine:
        try:
            line = orjson.loads(text)
            key, response = str(line["custom_id"]), line.get("response") or {}
            row = batched.get(key)
            if row is None:
                return BatchLine()
            if response.get("status_code") != 200:
                error = line.get("error") or (response.get("body") or {}).get("error") or {}
                message = error.get("message", "no reply")
                return BatchLine(key, error=f"the batch service said: {message}")
            completion = parse_completion(orjson.dumps(response["body"]), self.prompt.menu)
        except RequestError as error:
            return BatchLine(key, error=error.message)
        except (ValueError, LookupError, TypeError, AttributeError):
            return BatchLine()
        cost = self._cost(completion, batch=True)
        request, judge = requests.get(key), self.endpoint.address
        is_final = request is None or self._is_final(completion, request)
        return BatchLine(
            key, JournalEntry(key, row.attempt, judge, completion, cost, row.tokens, is_final)
        )

    async def _send_missing(self, requests: Callable[[], Iterable[JudgeRequest]]) -> bool:
        """Send what is missing, in files within the limits; returns whether there was anything."""
        sent = False
        file: list[BatchedCall] = []
        size = 0
        for part in chunked(requests(), CHUNK):
            if self.stop.is_set():
                raise StoppedError
            for call in await self._claim_missing(part):
                line = len(orjson.dumps(call.chat.body)) + 200
                full = (
                    len(file) >= self.options.max_requests or size + line > self.options.max_bytes
                )
                if file and full:
                    await self._send_batch(file)
                    file, size, sent = [], 0, True
                most = self._max_cost(call.chat) * (self.price.batch if self.price else 1.0)
                if not self.budget.reserve(most):
                    await self._release([call])
                    if file:
                        await self._send_batch(file)
                    raise OutOfBudgetError
                file.append(BatchedCall(call, most))
                size += line
        if file:
            await self._send_batch(file)
        return sent or bool(file)

    async def _send_batch(self, file: Sequence[BatchedCall]) -> None:
        """Note a batch in the journal, then send it."""
        mark, judge = uuid.uuid4().hex, self.endpoint.address
        rows = [
            BatchedRequest(call.chat.key, call.attempt, call.chat.tokens, most)
            for call, most in file
        ]
        await self.writer.commit(lambda journal: journal.add_batch(mark, judge, rows))
        with tempfile.TemporaryDirectory(prefix="prefdata-") as folder:
            path = Path(folder) / "requests.jsonl"
            with path.open("wb") as out:
                for call, _ in file:
                    key, body, _ = call.chat
                    line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
                    out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            try:
                name = await self.service.submit(path, mark)
            except RequestError:
                name = await self.service.find_batch(mark)
                if not name:
                    await self.writer.commit(lambda journal: journal.remove_batch(mark))
                    raise
        await self.writer.commit(lambda journal: journal.name_batch(mark, name))
