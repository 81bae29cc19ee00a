"""Asking: all judges side by side, each at its own pace, until nothing is missing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from prefdata.engine.cases import Buckets, Cases, parts
from prefdata.engine.conversion import Progress
from prefdata.engine.ruling import Judge, Ruling, cases_of, collected, orders_of, outcome_of
from prefdata.errors import JudgeError
from prefdata.judge import outcome
from prefdata.judge.batch import Batcher, Limits, UnderWayError
from prefdata.judge.budget import Budget
from prefdata.judge.desk import Desk
from prefdata.judge.endpoint import Endpoint
from prefdata.judge.journal import Journal
from prefdata.judge.local import LocalServer, Scorer
from prefdata.judge.prices import Price, price_of
from prefdata.judge.request import Question
from prefdata.judge.runner import Ask, OutOfBudgetError, Pace, Runner, StoppedError, Tally
from prefdata.judge.wire import Failure

if TYPE_CHECKING:
    from prefdata.judge.client import Client

Load = Callable[[str], Scorer]
"""Loads a local model by its name."""


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


@dataclass
class Asked:
    """What asking came to.

    Attributes:
        judges: how replies are found again.
        tallies: what each judge's run came to.
        styles: what each endpoint understands.
        stopped: why the run ended before all was asked, or ``""``.
    """

    judges: list[Judge] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    styles: dict[str, Mapping[str, object]] = field(default_factory=dict)
    stopped: str = ""


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
        cases: what is to be judged.
        endpoints: the judges.
        scorers: the models among them that run in this process.
        asking: how they are asked.
        ruling: in which orders, and what to do about flips.
        book: the journal.
        tell: is told how many calls are settled, of how many.

    Raises:
        JudgeError: a judge cannot be asked.
    """
    stop = asyncio.Event()
    paid = book.spent()
    budget = Budget(asking.max_cost, spent=paid.cost)
    settled, calls = 0, cases.total * ruling.orders * len(endpoints)

    def told(number: int) -> None:
        nonlocal settled
        settled += number
        tell("judging", min(settled, calls), calls)

    desk = Desk(book)
    alive = asyncio.create_task(desk.keep_alive())
    runners: list[Runner] = []
    with _ending_softly(stop):
        async with contextlib.AsyncExitStack() as stack:
            for endpoint in endpoints:
                server = _server(endpoint, scorers, asking)
                await stack.enter_async_context(server)
                kind = Batcher if asking.batch and not endpoint.is_local else Runner
                runner = kind(
                    endpoint,
                    asking.question,
                    server,
                    desk,
                    budget,
                    asking.pace,
                    price=price_of(endpoint.model, asking.prices, local=endpoint.is_local),
                    stop=stop,
                    told=told,
                )
                if (
                    isinstance(runner, Batcher)
                    and asking.batch
                    and not isinstance(server, LocalServer)
                ):
                    runner.attach(server, asking.batch)
                runners.append(runner)
            try:
                ends = await asyncio.gather(
                    *(_one(runner, cases.buckets, ruling) for runner in runners),
                    return_exceptions=True,
                )
            finally:
                alive.cancel()
                await desk.close()
    asked = Asked()
    for runner in runners:
        name = runner.endpoint.model
        asked.judges.append(Judge(name, runner.form))
        asked.tallies[name] = runner.tally
        asked.styles[name] = asdict(runner.style)
    asked.stopped = _ended(ends, endpoints, asking)
    return asked


def _server(
    endpoint: Endpoint, scorers: Mapping[str, Scorer], asking: Asking
) -> Client | LocalServer:
    """What answers for an endpoint."""
    if endpoint.is_local:
        return LocalServer(scorers[endpoint.model])
    from prefdata.judge.client import Client

    return Client(endpoint, timeout=asking.timeout, connections=asking.pace.concurrency)


async def _one(runner: Runner, buckets: Buckets, ruling: Ruling) -> None:
    """Ask one judge about everything, and about flips once more if that is wished."""
    await runner.prepare()
    while True:
        before = runner.tally.elsewhere
        await runner.run(lambda: asks(buckets, ruling))
        if ruling.flips == "ask-again":
            await runner.run(lambda: _flips(runner, buckets, ruling))
        if runner.tally.elsewhere == before:
            return
        await runner.rest()


def asks(buckets: Buckets, ruling: Ruling) -> Iterator[Ask]:
    """Every comparison in every order that it is asked in."""
    for bucket in range(len(buckets)):
        for part in parts(buckets, bucket):
            for case in cases_of(part):
                for order in orders_of(case.id, ruling.orders):
                    yield Ask(case, order)


def _flips(runner: Runner, buckets: Buckets, ruling: Ruling) -> Iterator[Ask]:
    """The comparisons whose verdict changes with the order, once more in both."""
    judge = Judge(runner.endpoint.model, runner.form)
    once = Ruling(flips="drop", orders=ruling.orders)
    for bucket in range(len(buckets)):
        for part in parts(buckets, bucket):
            cases = cases_of(part)
            book = runner.desk.journal
            found = collected(cases, judge, book, ruling.orders, (0,))
            for case, said in zip(cases, list(found), strict=True):
                if outcome_of(said, once).cause == outcome.FLIP:
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


def _ended(
    ends: Sequence[BaseException | None], endpoints: Sequence[Endpoint], asking: Asking
) -> str:
    """Why asking ended before its time; raises what the user must look into."""
    for endpoint, end in zip(endpoints, ends, strict=True):
        if isinstance(end, Failure):
            raise JudgeError(
                f"{endpoint.lane} cannot be asked: {end.message}",
                hint=f"{end.hint} What was paid for is kept: run the same command again.".strip(),
            )
        if isinstance(end, StoppedError):
            raise KeyboardInterrupt
        if end is not None and not isinstance(end, (OutOfBudgetError, UnderWayError)):
            raise end
    if any(isinstance(end, OutOfBudgetError) for end in ends):
        return f"the next call could pass --max-cost {asking.max_cost:g}"
    if any(isinstance(end, UnderWayError) for end in ends):
        return "batches are under way at the provider"
    return ""
