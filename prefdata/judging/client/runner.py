"""Sends what is missing: claims it, asks at the lane's pace, and keeps the replies."""

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

from prefdata.judging.client.budget import Budget
from prefdata.judging.client.capabilities import PROBE, probe
from prefdata.judging.client.endpoint import LOCAL, Endpoint
from prefdata.judging.client.journal import Entry, Journal
from prefdata.judging.client.journal_writer import Desk
from prefdata.judging.client.prices import Price
from prefdata.judging.client.protocol import Failure, Headers
from prefdata.judging.client.rate_limit import Lane
from prefdata.judging.client.waiting import backoff
from prefdata.judging.prompting.reply import WORTH_ANOTHER_TRY, Reply, Usage, read
from prefdata.judging.prompting.request import (
    Case,
    Form,
    Order,
    Question,
    Request,
    Style,
    fingerprint,
)

Item = TypeVar("Item")

CHUNK = 256
"""Requests that are looked up and claimed together."""

REST = 2.0
"""Seconds between two looks at what another run is busy with."""

CHOICE = Style("choice", limit="", temperature=False)
"""How a local model is asked."""

GIVE_UP = 40
"""Failures one after the other, with no success between, after which a judge is given up."""

FIRST_TRIES = 3
"""Connections that may fail before a server was reached at all: a wrong address stays wrong."""

AT_ONCE = 5.0
"""Seconds after which the first of them is enough."""


class Server(Protocol):
    """What can be asked: a client, or a local model."""

    async def ask(
        self, body: Mapping[str, object], menu: Mapping[str, str]
    ) -> tuple[Reply, Headers]:
        """Send a request, or raise `Failure`."""
        ...


class Ask(NamedTuple):
    """A case that is to be asked in one order, in one round."""

    case: Case
    order: Order
    again: int = 0


@dataclass(frozen=True)
class Pace:
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
class Tally:
    """What a judge's run came to.

    Attributes:
        known: requests that the journal had replies to.
        asked: requests that were answered.
        elsewhere: requests that another run, or a batch, is busy with.
        failed: requests that were given up, by what happened.
        pushed_back: how often the server said to wait.
        retried: how often a request was sent again after a failure.
        abandoned: requests that a run was busy with which is gone: those that it had sent may be
            paid twice.
        set_back: requests that batches left open, by what became of the batch.
    """

    known: int = 0
    asked: int = 0
    elsewhere: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    pushed_back: int = 0
    retried: int = 0
    abandoned: int = 0
    set_back: Counter[str] = field(default_factory=Counter)


class OutOfBudgetError(Exception):
    """The next call could pass the limit on costs."""


class StoppedError(Exception):
    """The run is to end before all was asked."""


class Runner:
    """Asks one judge.

    Args:
        endpoint: which.
        question: how.
        server: answers.
        desk: the journal.
        budget: the money, of all judges together.
        pace: how hard the server is driven.
        price: what its tokens cost; None if that is not known.
        stop: set when the run is to end.
        told: is called with the number of requests that are settled.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        question: Question,
        server: Server,
        desk: Desk,
        budget: Budget,
        pace: Pace,
        *,
        price: Price | None,
        stop: asyncio.Event,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.endpoint, self.question, self.server = endpoint, question, server
        self.desk, self.budget, self.pace, self.price = desk, budget, pace, price
        self.stop, self.told = stop, told
        self.lane = Lane(pace.concurrency, rpm=pace.rpm, tpm=pace.tpm, over=self._over)
        self.tally = Tally()
        self.style = question.style
        self.form = Form(question, self.style, url=endpoint.url, model=endpoint.model)
        self.in_a_row = 0
        self.reached = False
        self.ratio = 1.2
        self.ended: BaseException | None = None

    def _over(self) -> bool:
        return self.ended is not None or self.stop.is_set()

    async def prepare(self) -> None:
        """Find out what the endpoint understands, unless the journal knows.

        Raises:
            Failure: it cannot be asked at all.
        """
        url, model, lane = self.endpoint.url, self.endpoint.model, self.endpoint.lane
        asked = fingerprint(self.question)
        known = await self.desk.do(lambda journal: journal.style(lane, asked))
        if self.endpoint.is_local:
            self.style = CHOICE
        elif known:
            self.style = Style(**known)  # type: ignore[arg-type]
        else:
            self.style = await probe(self.question, url=url, model=model, ask=self._probed)
            await self.desk.do(lambda journal: journal.keep_style(lane, asked, asdict(self.style)))
        self.form = Form(self.question, self.style, url=url, model=model)
        ratio = await self.desk.do(lambda journal: journal.token_ratio(lane))
        self.ratio = 1.2 * ratio if ratio else self.ratio

    async def _probed(self, request: Request) -> Reply:
        found = await self.desk.do(lambda journal: journal.replies([request.key]))
        if request.key in found:
            return found[request.key][-1]
        return (await self._answered(Ask(PROBE, "ab"), request, 0)).reply

    async def run(self, asks: Callable[[], Iterable[Ask]]) -> None:
        """Ask for everything that the journal has no usable reply to.

        Requests under way are waited for whatever happens, since they are paid for.

        Raises:
            Failure: a setting is wrong, or the server is not there any more.
            OutOfBudgetError: the limit on costs was reached.
            StoppedError: the user wants to end.
        """
        slots = asyncio.Semaphore(2 * self.pace.concurrency)
        under_way: set[asyncio.Task[None]] = set()

        def over(task: asyncio.Task[None]) -> None:
            under_way.discard(task)
            slots.release()
            if not task.cancelled() and (error := task.exception()):
                self.ended = self.ended or error

        try:
            for part in chunked(asks(), CHUNK):
                missing = await self._missing(part)
                for at, (ask, made, attempt) in enumerate(missing):
                    await slots.acquire()
                    if self._over():
                        await self._give_back(missing[at:])
                        break
                    task = asyncio.create_task(self._one(ask, made, attempt))
                    under_way.add(task)
                    task.add_done_callback(over)
                if self._over():
                    break
        finally:
            while under_way:
                await asyncio.wait(under_way)
        if self.ended:
            raise self.ended
        if self.stop.is_set():
            raise StoppedError

    async def rest(self) -> None:
        """Wait a moment for what another run is busy with."""
        await wait_or_stop(self.stop, REST)
        if self._over():
            raise StoppedError

    async def _missing(self, part: Sequence[Ask]) -> list[tuple[Ask, Request, int]]:
        """Those of some requests that this run is to send, claimed."""
        asks = {self.form.key(*ask): ask for ask in part}
        wanted: dict[str, int] = {}

        def look(journal: Journal) -> set[str]:
            found = journal.standing(list(asks))
            for key in asks:
                tries, settled = found.get(key, (0, False))
                if not settled and tries < self.pace.tries:
                    wanted[key] = tries
            if not wanted:
                return set()
            self.tally.abandoned += journal.abandoned(list(wanted))
            return journal.claim(list(wanted))

        mine = await self.desk.do(look)
        self.tally.known += len(asks) - len(wanted)
        self.tally.elsewhere += len(wanted) - len(mine)
        self.told(len(asks) - len(wanted))
        return [
            (asks[key], self.form.request(*asks[key]), attempt)
            for key, attempt in wanted.items()
            if key in mine
        ]

    async def _give_back(self, missing: Sequence[tuple[Ask, Request, int]]) -> None:
        keys = [made.key for _, made, _ in missing]
        await self.desk.do(lambda journal: journal.release(keys))

    def _useless(self, reply: Reply, ask: Ask, fence: str) -> bool:
        """Whether a reply cannot be used, and another might."""
        reading = read(reply, self.style.mode, self.question, ask.case, fence)
        return reading.cause in WORTH_ANOTHER_TRY

    async def _one(self, ask: Ask, made: Request, attempt: int) -> None:
        """Ask until a reply can be used; what fails is given up, and left for another run."""
        try:
            while attempt < self.pace.tries:
                entry = await self._answered(ask, made, attempt)
                attempt += 1
                if entry.settled:
                    break
            self.told(1)
        except Failure as failure:
            why = failure.message
            self.tally.failed[why] += 1
            await self.desk.soon(lambda journal: journal.give_up(made.key, why))
            if failure.kind == "setting" or self.in_a_row >= GIVE_UP:
                raise
        except (OutOfBudgetError, StoppedError):
            await self.desk.soon(lambda journal: journal.release([made.key]))
            raise

    async def _answered(self, ask: Ask, made: Request, attempt: int) -> Entry:
        """Send a request until it is answered, at the pace that the server allows."""
        begun = time.monotonic()
        for tries in itertools.count():
            try:
                return await self._once(ask, made, attempt)
            except Failure as failure:
                late = tries + 1 >= FIRST_TRIES or time.monotonic() - begun > AT_ONCE
                await self._wait_after(failure, tries, late=late)
        raise AssertionError

    async def _once(self, ask: Ask, made: Request, attempt: int) -> Entry:
        """Send a request, and put the reply into the journal before it counts."""
        most = self._most(made)
        reply = await self._sent(made, most)
        cost = self.price.of(reply.usage) if self.price and reply.known else None
        try:
            lane, settled = self.endpoint.lane, not self._useless(reply, ask, made.fence)
            entry = Entry(made.key, attempt, lane, reply, cost, made.tokens, settled)
            with self.lane.writing():
                await self.desk.soon(lambda journal: journal.record(entry))
        finally:
            self.budget.settle(most, actual=most if cost is None else cost)
        self.in_a_row, self.reached = 0, True
        self.tally.asked += 1
        return entry

    async def _sent(self, made: Request, most: float) -> Reply:
        """Send a request when its turn has come; what it costs at most stays reserved.

        Its place is free as soon as the reply is here, unless too many are not yet on disk.
        """
        await self.lane.enter(made.tokens)
        try:
            if self._over():
                raise StoppedError
            if not self.budget.reserve(most):
                raise OutOfBudgetError
            try:
                reply, headers = await self.server.ask(made.body, self.question.menu)
            except BaseException:
                self.budget.settle(most, actual=0.0)
                raise
            self.lane.went_well(headers)
            return reply
        finally:
            self.lane.leave(made.tokens)

    def _most(self, made: Request) -> float:
        """The most that a request can cost; 0 where the price is not known."""
        if not self.price:
            return 0.0
        tokens = round(made.tokens * self.ratio)
        return self.price.of(Usage(prompt=tokens, completion=self.question.max_tokens))

    async def _wait_after(self, failure: Failure, tries: int, *, late: bool) -> None:
        """Wait until the request may be sent again.

        A server that has answered is given time to come back; one that was never reached is not.

        Raises:
            Failure: it may not.
        """
        self.reached = self.reached or failure.kind != "unreached"
        if late and not self.reached:
            hint = f"Check that the server runs, and --base-url {self.endpoint.url}."
            raise Failure("setting", failure.message, hint=hint)
        if failure.kind in ("row", "setting"):
            self.in_a_row += 1
            raise failure
        if failure.kind == "limited":
            self.tally.pushed_back += 1
            self.lane.pushed_back(failure.wait, tries)
            return
        self.in_a_row += 1
        if tries + 1 >= self.pace.retries or self.in_a_row >= GIVE_UP:
            raise failure
        self.tally.retried += 1
        await wait_or_stop(self.stop, backoff(tries))


def known_style(journal: Journal, lane: str, question: Question) -> Style:
    """What an endpoint understands as far as the journal knows; what most do otherwise."""
    if lane.startswith(LOCAL):
        return CHOICE
    known = journal.style(lane, fingerprint(question))
    if known:
        return Style(**known)  # type: ignore[arg-type]
    return question.style


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Have the garbage collector look at new objects by the fifty thousand.

    It does so by the hundreds or few thousands otherwise, finds that the requests under way are no
    garbage, and takes a tenth of the time for that.

    Example:
        >>> before = gc.get_threshold()
        >>> with seldom_collected():
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
