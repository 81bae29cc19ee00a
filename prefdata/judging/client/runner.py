"""Sends what is missing: claims it, asks at the pace of the rate limit, and keeps the replies."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from prefdata.judging.client.capabilities import PROBE, probe
from prefdata.judging.client.endpoint import LOCAL_PREFIX, Endpoint
from prefdata.judging.client.journal import Journal, JournalEntry
from prefdata.judging.client.journal_writer import JournalWriter
from prefdata.judging.client.prices import Budget, Price
from prefdata.judging.client.protocol import RateLimits, RequestError, backoff
from prefdata.judging.client.rate_limit import RateLimiter
from prefdata.judging.prompting.reply import Completion, Usage, parse_verdict
from prefdata.judging.prompting.request import (
    ChatRequest,
    EndpointCapabilities,
    JudgePrompt,
    JudgeRequest,
    RequestBuilder,
    prompt_fingerprint,
)

Item = TypeVar("Item")

CHUNK = 256
"""Requests that are looked up and claimed together."""

RECHECK = 2.0
"""Seconds between two looks at what another run is busy with."""

LOCAL_CAPABILITIES = EndpointCapabilities("choice", limit="", temperature=False)
"""How a local model is asked."""

MAX_FAILURES_IN_A_ROW = 40
"""Failures one after the other, with no success between, after which a judge is given up."""

FIRST_CONNECTIONS = 3
"""Connections that may fail before a server was reached at all: a wrong address stays wrong."""

FIRST_SECONDS = 5.0
"""Seconds after which the first of them is enough."""


class Server(Protocol):
    """What can be asked: a client, or a local model."""

    async def ask(
        self, body: Mapping[str, object], menu: Mapping[str, str]
    ) -> tuple[Completion, RateLimits]:
        """Send a request, or raise `RequestError`."""
        ...


class PendingCall(NamedTuple):
    """A request that this run has claimed and is to send.

    Attributes:
        request: what is asked.
        chat: the request as it is sent.
        attempt: how many replies to it there are that cannot be used.
    """

    request: JudgeRequest
    chat: ChatRequest
    attempt: int


@dataclass(frozen=True)
class RequestLimits:
    """How hard a server is driven.

    Attributes:
        concurrency: the most requests under way.
        rpm: requests per minute, 0 for as the server says.
        tpm: tokens per minute, 0 for as the server says.
        tries: how often a request is sent whose reply cannot be used.
        retries: how often a request is sent that the server fails.
    """

    concurrency: int = 256
    rpm: float = 0
    tpm: float = 0
    tries: int = 3
    retries: int = 8


@dataclass
class CallCounts:
    """What became of the requests to one judge.

    Attributes:
        in_journal: requests that the journal had replies to.
        answered: requests that were answered.
        busy_elsewhere: requests that another run, or a batch, is busy with.
        failed: requests that were given up, by what happened.
        rate_limited: how often the server said to wait.
        retries: how often a request was sent again after a failure.
        orphaned: requests that another run had claimed which is gone: those that it had sent may
            be paid twice.
        batch_failures: requests that batches left open, by what became of the batch.
    """

    in_journal: int = 0
    answered: int = 0
    busy_elsewhere: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    rate_limited: int = 0
    retries: int = 0
    orphaned: int = 0
    batch_failures: Counter[str] = field(default_factory=Counter)


class OutOfBudgetError(Exception):
    """The next call could pass the limit on costs."""


class StoppedError(Exception):
    """The run is to end before all was asked."""


class JudgeRunner:
    """Asks one judge.

    Args:
        endpoint: which.
        prompt: how.
        server: answers.
        writer: the journal.
        budget: the money, of all judges together.
        limits: how hard the server is driven.
        price: what its tokens cost; None if that is not known.
        stop: set when the run is to end.
        on_progress: called with the number of requests that have come to their end.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        prompt: JudgePrompt,
        server: Server,
        writer: JournalWriter,
        budget: Budget,
        limits: RequestLimits,
        *,
        price: Price | None,
        stop: asyncio.Event,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.endpoint, self.prompt, self.server = endpoint, prompt, server
        self.writer, self.budget, self.limits, self.price = writer, budget, limits, price
        self.stop, self.on_progress = stop, on_progress
        self.limiter = RateLimiter(
            limits.concurrency, rpm=limits.rpm, tpm=limits.tpm, stopped=self._stopped
        )
        self.counts = CallCounts()
        self.capabilities = prompt.capabilities
        self.builder = RequestBuilder(
            prompt, self.capabilities, url=endpoint.url, model=endpoint.model
        )
        self.failures_in_a_row = 0
        self.was_reached = False
        self.token_ratio = 1.2
        self.error: BaseException | None = None

    def _stopped(self) -> bool:
        return self.error is not None or self.stop.is_set()

    async def prepare(self) -> None:
        """Find out what the endpoint understands, unless the journal knows.

        Raises:
            RequestError: it cannot be asked at all.
        """
        url, model, judge = self.endpoint.url, self.endpoint.model, self.endpoint.address
        prompt = prompt_fingerprint(self.prompt)
        saved = await self.writer.commit(lambda journal: journal.capabilities(judge, prompt))
        if self.endpoint.is_local:
            self.capabilities = LOCAL_CAPABILITIES
        elif saved:
            self.capabilities = EndpointCapabilities(**saved)  # type: ignore[arg-type]
        else:
            self.capabilities = await probe(self.prompt, url=url, model=model, send=self._probe)
            fields = asdict(self.capabilities)
            await self.writer.commit(
                lambda journal: journal.save_capabilities(judge, prompt, fields)
            )
        self.builder = RequestBuilder(self.prompt, self.capabilities, url=url, model=model)
        ratio = await self.writer.commit(lambda journal: journal.token_ratio(judge))
        self.token_ratio = 1.2 * ratio if ratio else self.token_ratio

    async def _probe(self, chat: ChatRequest) -> Completion:
        completions = await self.writer.commit(lambda journal: journal.completions([chat.key]))
        if chat.key in completions:
            return completions[chat.key][-1]
        entry = await self._send_until_answered(PendingCall(JudgeRequest(PROBE, "ab"), chat, 0))
        return entry.completion

    async def run(self, requests: Callable[[], Iterable[JudgeRequest]]) -> None:
        """Ask for everything that the journal has no usable reply to.

        Requests under way are waited for whatever happens, since they are paid for.

        Raises:
            RequestError: a setting is wrong, or the server is not there any more.
            OutOfBudgetError: the limit on costs was reached.
            StoppedError: the user wants to end.
        """
        slots = asyncio.Semaphore(2 * self.limits.concurrency)
        under_way: set[asyncio.Task[None]] = set()

        def on_done(task: asyncio.Task[None]) -> None:
            under_way.discard(task)
            slots.release()
            if not task.cancelled() and (error := task.exception()):
                self.error = self.error or error

        try:
            for part in chunked(requests(), CHUNK):
                calls = await self._claim_missing(part)
                for number, call in enumerate(calls):
                    await slots.acquire()
                    if self._stopped():
                        await self._release(calls[number:])
                        break
                    task = asyncio.create_task(self._ask(call))
                    under_way.add(task)
                    task.add_done_callback(on_done)
                if self._stopped():
                    break
        finally:
            while under_way:
                await asyncio.wait(under_way)
        if self.error:
            raise self.error
        if self.stop.is_set():
            raise StoppedError

    async def wait_for_others(self) -> None:
        """Wait a moment for what another run is busy with."""
        await wait_or_stop(self.stop, RECHECK)
        if self._stopped():
            raise StoppedError

    async def _claim_missing(self, part: Sequence[JudgeRequest]) -> list[PendingCall]:
        """Claim those of some requests that this run is to send."""
        requests = {self.builder.key(request): request for request in part}
        missing: dict[str, int] = {}

        def claim(journal: Journal) -> set[str]:
            attempts = journal.attempts(list(requests))
            for key in requests:
                tries, is_final = attempts.get(key, (0, False))
                if not is_final and tries < self.limits.tries:
                    missing[key] = tries
            if not missing:
                return set()
            self.counts.orphaned += journal.orphaned(list(missing))
            return journal.claim(list(missing))

        mine = await self.writer.commit(claim)
        self.counts.in_journal += len(requests) - len(missing)
        self.counts.busy_elsewhere += len(missing) - len(mine)
        self.on_progress(len(requests) - len(missing))
        return [
            PendingCall(requests[key], self.builder.build(requests[key]), attempt)
            for key, attempt in missing.items()
            if key in mine
        ]

    async def _release(self, calls: Sequence[PendingCall]) -> None:
        keys = [call.chat.key for call in calls]
        await self.writer.commit(lambda journal: journal.release(keys))

    def _is_final(self, completion: Completion, request: JudgeRequest) -> bool:
        """Whether a completion can be used, or another would be no better."""
        return not parse_verdict(completion, request, self.builder).outcome.retry

    async def _ask(self, call: PendingCall) -> None:
        """Ask until a reply can be used; a request that fails is left for another run."""
        key = call.chat.key
        try:
            for attempt in range(call.attempt, self.limits.tries):
                entry = await self._send_until_answered(call._replace(attempt=attempt))
                if entry.is_final:
                    break
            self.on_progress(1)
        except RequestError as error:
            message = error.message
            self.counts.failed[message] += 1
            await self.writer.commit_soon(lambda journal: journal.mark_failed(key, message))
            if error.kind == "setting" or self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
                raise
        except (OutOfBudgetError, StoppedError):
            await self.writer.commit_soon(lambda journal: journal.release([key]))
            raise

    async def _send_until_answered(self, call: PendingCall) -> JournalEntry:
        """Send a request until it is answered, at the pace that the server allows."""
        start = time.monotonic()
        for tries in itertools.count():
            try:
                return await self._send_once(call)
            except RequestError as error:
                late = tries + 1 >= FIRST_CONNECTIONS or time.monotonic() - start > FIRST_SECONDS
                await self._wait_or_raise(error, tries, late=late)
        raise AssertionError

    async def _send_once(self, call: PendingCall) -> JournalEntry:
        """Send a request, and put the completion into the journal before it counts."""
        key, tokens = call.chat.key, call.chat.tokens
        most = self._max_cost(call.chat)
        completion = await self._send(call.chat, most)
        cost = self._cost(completion)
        try:
            judge, is_final = self.endpoint.address, self._is_final(completion, call.request)
            entry = JournalEntry(key, call.attempt, judge, completion, cost, tokens, is_final)
            with self.limiter.saving():
                await self.writer.commit_soon(lambda journal: journal.record(entry))
        finally:
            self.budget.settle(most, actual=most if cost is None else cost)
        self.failures_in_a_row, self.was_reached = 0, True
        self.counts.answered += 1
        return entry

    async def _send(self, chat: ChatRequest, most: float) -> Completion:
        """Send a request when its turn has come; what it costs at most stays reserved.

        Its place is free as soon as the completion is here, unless too many are not yet on disk.
        """
        await self.limiter.acquire(chat.tokens)
        try:
            if self._stopped():
                raise StoppedError
            if not self.budget.reserve(most):
                raise OutOfBudgetError
            try:
                completion, limits = await self.server.ask(chat.body, self.prompt.menu)
            except BaseException:
                self.budget.settle(most, actual=0.0)
                raise
            self.limiter.on_success(limits)
            return completion
        finally:
            self.limiter.release(chat.tokens)

    def _cost(self, completion: Completion, *, batch: bool = False) -> float | None:
        """What a completion cost; None where the price or the number of tokens is not known."""
        if not self.price or not completion.has_usage:
            return None
        return self.price.of(completion.usage, batch=batch)

    def _max_cost(self, chat: ChatRequest) -> float:
        """The most that a request can cost; 0 where the price is not known."""
        if not self.price:
            return 0.0
        tokens = round(chat.tokens * self.token_ratio)
        return self.price.of(Usage(prompt=tokens, completion=self.prompt.max_tokens))

    async def _wait_or_raise(self, error: RequestError, tries: int, *, late: bool) -> None:
        """Wait until the request may be sent again.

        A server that has answered is given time to come back; one that was never reached is not.

        Raises:
            RequestError: it may not.
        """
        self.was_reached = self.was_reached or error.kind != "unreached"
        if late and not self.was_reached:
            hint = f"Check that the server runs, and --base-url {self.endpoint.url}."
            raise RequestError("setting", error.message, hint=hint)
        if error.kind in ("row", "setting"):
            self.failures_in_a_row += 1
            raise error
        if error.kind == "limited":
            self.counts.rate_limited += 1
            self.limiter.on_rate_limited(error.wait, tries)
            return
        self.failures_in_a_row += 1
        if tries + 1 >= self.limits.retries or self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise error
        self.counts.retries += 1
        await wait_or_stop(self.stop, backoff(tries))


def likely_capabilities(journal: Journal, judge: str, prompt: JudgePrompt) -> EndpointCapabilities:
    """What an endpoint understands as far as the journal knows; what most do otherwise."""
    if judge.startswith(LOCAL_PREFIX):
        return LOCAL_CAPABILITIES
    saved = journal.capabilities(judge, prompt_fingerprint(prompt))
    if saved:
        return EndpointCapabilities(**saved)  # type: ignore[arg-type]
    return prompt.capabilities


@contextlib.contextmanager
def fewer_collections() -> Iterator[None]:
    """Have the garbage collector look at new objects by the fifty thousand.

    It does so by the hundreds or few thousands otherwise, finds that the requests under way are no
    garbage, and takes a tenth of the time for that.

    Example:
        >>> before = gc.get_threshold()
        >>> with fewer_collections():
        ...     gc.get_threshold()[0]
        50000
        >>> gc.get_threshold() == before
        True
    """
    first, *others = gc.get_threshold()
    gc.set_threshold(first and max(first, 50_000), *others)  # 0 is never
    try:
        yield
    finally:
        gc.set_threshold(first, *others)


async def wait_or_stop(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but no longer than until the run is to end."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of items, none longer than so many.

    Example:
        >>> list(chunked("abc", 2))
        [['a', 'b'], ['c']]
    """
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
