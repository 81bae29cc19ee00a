"""Asking: all judges side by side, each at its own pace, until nothing is missing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from prefdata.conversion.convert import Progress
from prefdata.errors import JudgeError
from prefdata.io.store.bucket_store import BucketStore
from prefdata.judging.cases import Cases
from prefdata.judging.client.batch import Batcher, Limits, SetBackError, UnderWayError
from prefdata.judging.client.budget import Budget
from prefdata.judging.client.endpoint import Endpoint
from prefdata.judging.client.journal import Journal
from prefdata.judging.client.journal_writer import Desk
from prefdata.judging.client.local import LocalServer, Scorer
from prefdata.judging.client.prices import Price, price_of
from prefdata.judging.client.protocol import Failure
from prefdata.judging.client.runner import (
    Ask,
    OutOfBudgetError,
    Pace,
    Runner,
    StoppedError,
    Tally,
    seldom_collected,
)
from prefdata.judging.comparisons import parts
from prefdata.judging.decide import Judge, Ruling, cases_of, collected, orders_of, outcome_of
from prefdata.judging.prompting import outcome
from prefdata.judging.prompting.request import Question
from prefdata.judging.tournament_rounds import Contest

if TYPE_CHECKING:
    from prefdata.judging.client.client import Client

Load = Callable[[str], Scorer]
"""Loads a local model by its name."""

End = BaseException | None
"""How a judge's part came to its end; None where it asked everything."""


@dataclass(frozen=True)
class Asking:
    """How judges are asked, and what may be spent.

    Attributes:
        question: what stands in a request.
        pace: how hard servers are driven.
        timeout: seconds that a reply may take.
        max_cost: dollars that all calls of the journal together may cost; None for no limit.
        prices: dollars per million tokens, by model.
        batch: how the batch service is used; None to ask one by one.
        journal: the file of calls; beside the output, with the ending ``.journal``, if not named.
    """

    question: Question = field(default_factory=Question)
    pace: Pace = field(default_factory=Pace)
    timeout: float = 120.0
    max_cost: float | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    batch: Limits | None = None
    journal: str = ""


class Stopped(NamedTuple):
    """Why a run ended before all was asked, and what to do about it; ``""`` where it did not."""

    why: str = ""
    remedy: str = ""


@dataclass
class Asked:
    """What asking came to.

    Attributes:
        judges: how replies are found again.
        tallies: what each judge's run came to.
        styles: what each endpoint understands.
        stopped: why the run ended before all was asked, if it did.
    """

    judges: list[Judge] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    styles: dict[str, Mapping[str, object]] = field(default_factory=dict)
    stopped: Stopped = field(default_factory=Stopped)


async def ask(
    cases: Cases,
    endpoints: Sequence[Endpoint],
    scorers: Mapping[str, Scorer],
    asking: Asking,
    ruling: Ruling,
    book: Journal,
    tell: Progress,
) -> Asked:
    """Ask all judges side by side, each at its own pace.

    Args:
        cases: what is to be judged; tournaments add to it.
        endpoints: the judges.
        scorers: the models among them that run in this process.
        asking: how they are asked.
        ruling: in which orders, and what to do about flips.
        book: the journal.
        tell: is told how many calls are settled, of how many.

    Raises:
        JudgeError: a judge cannot be asked.
    """
    told = _counting(cases.expected * ruling.orders * len(endpoints), tell)
    async with _runners(endpoints, scorers, asking, book, told) as runners:
        ends = await _together(runner.prepare() for runner in runners)
        judges = [Judge(runner.endpoint.model, runner.form) for runner in runners]
        if not any(ends):
            with book.reading() as reader:
                ends = await _play(Contest(cases, judges, ruling, reader), runners, ruling)
    return Asked(
        judges,
        {runner.endpoint.model: runner.tally for runner in runners},
        {runner.endpoint.model: asdict(runner.style) for runner in runners},
        _stopped(ends, endpoints, asking),
    )


def _counting(calls: int, tell: Progress) -> Callable[[int], None]:
    """Adds up the calls that are settled, and tells."""
    settled = 0

    def told(number: int) -> None:
        nonlocal settled
        settled += number
        tell("judging", min(settled, calls), calls)

    return told


@contextlib.asynccontextmanager
async def _runners(
    endpoints: Sequence[Endpoint],
    scorers: Mapping[str, Scorer],
    asking: Asking,
    book: Journal,
    told: Callable[[int], None],
) -> AsyncIterator[list[Runner]]:
    """One runner per judge, on one journal and one budget, as long as they are needed."""
    budget = Budget(asking.max_cost, spent=book.spent().cost)
    stop, desk = asyncio.Event(), Desk(book)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(desk.close)
        stack.enter_context(_ending_softly(stop))
        stack.enter_context(seldom_collected())
        runners: list[Runner] = []
        for endpoint in endpoints:
            server = _server(endpoint, scorers, asking)
            await stack.enter_async_context(server)
            price = price_of(endpoint.model, asking.prices, local=endpoint.is_local)
            rest = (endpoint, asking.question, server, desk, budget, asking.pace)
            if asking.batch and not isinstance(server, LocalServer):
                batcher = Batcher(*rest, price=price, stop=stop, told=told)
                batcher.attach(server, asking.batch)
                runners.append(batcher)
            else:
                runners.append(Runner(*rest, price=price, stop=stop, told=told))
        yield runners


def _server(
    endpoint: Endpoint, scorers: Mapping[str, Scorer], asking: Asking
) -> Client | LocalServer:
    """What answers for an endpoint."""
    if endpoint.is_local:
        return LocalServer(scorers[endpoint.model])
    from prefdata.judging.client.client import Client

    return Client(endpoint, timeout=asking.timeout, connections=asking.pace.concurrency)


async def _together(parts: Iterable[Awaitable[None]]) -> list[End]:
    """Do things side by side, each to its end, whatever becomes of the others."""
    return await asyncio.gather(*parts, return_exceptions=True)


async def _play(contest: Contest, runners: Sequence[Runner], ruling: Ruling) -> list[End]:
    """Ask about everything; where there are tournaments, round by round until they are decided."""
    contest.take_up()
    which = "cases"
    while True:
        ends = await _together(_one(runner, contest, ruling, which) for runner in runners)
        drawn = [] if any(ends) else contest.draw()
        if not drawn:
            return ends
        desk = runners[0].desk
        await desk.do(partial(Journal.draw, tournament=contest.name, drawn=drawn))
        which = "new"


async def _one(runner: Runner, contest: Contest, ruling: Ruling, which: str) -> None:
    """Ask one judge about everything, and about flips once more if that is wished."""
    buckets = contest.cases.buckets
    while True:
        before = runner.tally.elsewhere
        await runner.run(lambda: asks(buckets, ruling, which))
        if ruling.flips == "ask-again":
            await runner.run(lambda: _flips(runner, contest, ruling, which))
        if runner.tally.elsewhere == before:
            return
        await runner.rest()


def asks(buckets: BucketStore, ruling: Ruling, which: str = "cases") -> Iterator[Ask]:
    """Every comparison, or every new one, in every order that it is asked in."""
    for bucket in range(len(buckets)):
        for part in parts(buckets, bucket, which):
            for case in cases_of(part):
                for order in orders_of(case.id, ruling.orders):
                    yield Ask(case, order)


def _flips(runner: Runner, contest: Contest, ruling: Ruling, which: str) -> Iterator[Ask]:
    """The comparisons whose verdict changes with the order, once more in both."""
    judge = Judge(runner.endpoint.model, runner.form)
    once = Ruling(flips="drop", orders=ruling.orders)
    buckets, book = contest.cases.buckets, contest.journal
    for bucket in range(len(buckets)):
        for part in parts(buckets, bucket, which):
            cases = cases_of(part)
            found = collected(cases, judge, book, ruling.orders, (0,))
            for case, heard in zip(cases, list(found), strict=True):
                if outcome_of(heard, once).cause == outcome.FLIP:
                    for order in orders_of(case.id, ruling.orders):
                        yield Ask(case, order, 1)


@contextlib.contextmanager
def _ending_softly(stop: asyncio.Event) -> Iterator[None]:
    """Let an interrupt end the run once the calls under way, which are paid for, are back."""
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGINT, stop.set)
    except (NotImplementedError, RuntimeError, ValueError):  # not the main thread, or Windows
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _stopped(ends: Sequence[End], endpoints: Sequence[Endpoint], asking: Asking) -> Stopped:
    """Why asking ended before its time; raises what the user must look into."""
    for endpoint, end in zip(endpoints, ends, strict=True):
        if isinstance(end, Failure):
            raise JudgeError(
                f"{endpoint.lane} cannot be asked: {end.message}",
                hint=f"{end.hint} What was paid for is kept: run the same command again.".strip(),
            )
        if isinstance(end, StoppedError):
            raise KeyboardInterrupt
        if end is not None and not isinstance(end, SOFT):
            raise end
    end = next((each for kind in SOFT for each in ends if isinstance(each, kind)), None)
    if isinstance(end, SetBackError):
        return Stopped(str(end), "mend what the provider found wrong, or ask without --batch")
    if isinstance(end, OutOfBudgetError):
        why = f"the next call could pass --max-cost {asking.max_cost or 0:g}"
        return Stopped(why, "raise it, and what was paid for is not paid again")
    if end:
        return Stopped("batches are under way at the provider", "run the same command again")
    return Stopped()


SOFT = (SetBackError, OutOfBudgetError, UnderWayError)
"""Ends after which what there is can be written, the gravest first."""
