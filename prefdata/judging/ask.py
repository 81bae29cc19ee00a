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

from prefdata.errors import JudgeError
from prefdata.io.store.bucket_store import BucketStore
from prefdata.judging.client.batch import (
    BatchFailedError,
    BatchOptions,
    BatchPendingError,
    BatchRunner,
)
from prefdata.judging.client.endpoint import Endpoint
from prefdata.judging.client.journal import Journal
from prefdata.judging.client.journal_writer import JournalWriter
from prefdata.judging.client.local import LocalServer, WordScorer
from prefdata.judging.client.prices import Budget, Price, price_of
from prefdata.judging.client.protocol import RequestError
from prefdata.judging.client.runner import (
    CallCounts,
    JudgeRunner,
    OutOfBudgetError,
    RequestLimits,
    StoppedError,
    fewer_collections,
)
from prefdata.judging.comparison_store import ComparisonStore
from prefdata.judging.comparisons import parts
from prefdata.judging.decide import (
    Judge,
    VerdictPolicy,
    collect_replies,
    judge_inputs,
    judge_verdict,
    orders_of,
)
from prefdata.judging.outcomes import FLIP
from prefdata.judging.prompting.request import JudgePrompt, JudgeRequest
from prefdata.judging.tournament_rounds import TournamentRounds
from prefdata.report.progress import Progress

if TYPE_CHECKING:
    from prefdata.judging.client.client import Client

RunEnd = BaseException | None
"""How the run of a judge ended; None where it asked everything."""


@dataclass(frozen=True)
class JudgeConfig:
    """How judges are asked, and what may be spent.

    Attributes:
        prompt: what stands in a request.
        limits: how hard servers are driven.
        timeout: seconds that a reply may take.
        max_cost: dollars that all calls of the journal together may cost; None for no limit.
        prices: dollars per million tokens, by model.
        batch: how the batch service is used; None to ask one by one.
        journal: the file of calls; beside the output, with the ending ``.journal``, if not named.
    """

    prompt: JudgePrompt = field(default_factory=JudgePrompt)
    limits: RequestLimits = field(default_factory=RequestLimits)
    timeout: float = 120.0
    max_cost: float | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    batch: BatchOptions | None = None
    journal: str = ""


class StopReason(NamedTuple):
    """Why a run ended before all was asked, and what to do about it; ``""`` where it did not."""

    message: str = ""
    remedy: str = ""


@dataclass
class AskResult:
    """What became of the requests to all judges.

    Attributes:
        judges: by which their replies are read from the journal.
        counts: what became of the requests to each.
        capabilities: what each endpoint understands.
        stopped: why the run ended before all was asked, if it did.
    """

    judges: list[Judge] = field(default_factory=list)
    counts: dict[str, CallCounts] = field(default_factory=dict)
    capabilities: dict[str, Mapping[str, object]] = field(default_factory=dict)
    stopped: StopReason = field(default_factory=StopReason)


async def ask_all(
    store: ComparisonStore,
    endpoints: Sequence[Endpoint],
    scorers: Mapping[str, WordScorer],
    config: JudgeConfig,
    policy: VerdictPolicy,
    journal: Journal,
    on_progress: Progress,
) -> AskResult:
    """Ask all judges side by side, each at its own pace.

    Args:
        store: what is to be judged; tournaments add to it.
        endpoints: the judges.
        scorers: the models among them that run in this process.
        config: how they are asked.
        policy: in which orders, and what to do about flips.
        journal: holds the replies of earlier runs, and takes those of this one.
        on_progress: called with the number of calls that are done, and of all.

    Raises:
        JudgeError: a judge cannot be asked.
    """
    on_done = _counting(store.expected * policy.orders * len(endpoints), on_progress)
    async with _runners(endpoints, scorers, config, journal, on_done) as runners:
        ends = await _gather(runner.prepare() for runner in runners)
        judges = [Judge(runner.endpoint.model, runner.builder) for runner in runners]
        if not any(ends):
            with journal.reader() as reader:
                rounds = TournamentRounds(store, judges, policy, reader)
                ends = await _ask_in_rounds(rounds, runners, policy)
    return AskResult(
        judges,
        {runner.endpoint.model: runner.counts for runner in runners},
        {runner.endpoint.model: asdict(runner.capabilities) for runner in runners},
        _stopped(ends, endpoints, config),
    )


def _counting(calls: int, on_progress: Progress) -> Callable[[int], None]:
    """Add up the calls that are done, and report their number."""
    done = 0

    def count(number: int) -> None:
        nonlocal done
        done += number
        on_progress("judging", min(done, calls), calls)

    return count


@contextlib.asynccontextmanager
async def _runners(
    endpoints: Sequence[Endpoint],
    scorers: Mapping[str, WordScorer],
    config: JudgeConfig,
    journal: Journal,
    on_done: Callable[[int], None],
) -> AsyncIterator[list[JudgeRunner]]:
    """One runner per judge, on one journal and one budget, as long as they are needed."""
    budget = Budget(config.max_cost, spent=journal.spending().cost)
    stop, writer = asyncio.Event(), JournalWriter(journal)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(writer.close)
        stack.enter_context(_stop_on_interrupt(stop))
        stack.enter_context(fewer_collections())
        runners: list[JudgeRunner] = []
        for endpoint in endpoints:
            server = _server(endpoint, scorers, config)
            await stack.enter_async_context(server)
            price = price_of(endpoint.model, config.prices, local=endpoint.is_local)
            parts = (endpoint, config.prompt, server, writer, budget, config.limits)
            if config.batch and not isinstance(server, LocalServer):
                runner = BatchRunner(*parts, price=price, stop=stop, on_progress=on_done)
                runner.attach(server, config.batch)
                runners.append(runner)
            else:
                runners.append(JudgeRunner(*parts, price=price, stop=stop, on_progress=on_done))
        yield runners


def _server(
    endpoint: Endpoint, scorers: Mapping[str, WordScorer], config: JudgeConfig
) -> Client | LocalServer:
    """What answers for an endpoint."""
    if endpoint.is_local:
        return LocalServer(scorers[endpoint.model])
    from prefdata.judging.client.client import Client

    return Client(endpoint, timeout=config.timeout, connections=config.limits.concurrency)


async def _gather(runs: Iterable[Awaitable[None]]) -> list[RunEnd]:
    """Wait for all runs, each to its end, whatever becomes of the others."""
    return await asyncio.gather(*runs, return_exceptions=True)


async def _ask_in_rounds(
    rounds: TournamentRounds, runners: Sequence[JudgeRunner], policy: VerdictPolicy
) -> list[RunEnd]:
    """Ask about everything; where there are tournaments, round by round until they are decided."""
    rounds.resume()
    which = "all"
    while True:
        ends = await _gather(_ask_judge(runner, rounds, policy, which) for runner in runners)
        pairs = [] if any(ends) else rounds.next_round()
        if not pairs:
            return ends
        writer = runners[0].writer
        await writer.commit(partial(Journal.add_drawn_pairs, tournament=rounds.name, pairs=pairs))
        which = "new"


async def _ask_judge(
    runner: JudgeRunner, rounds: TournamentRounds, policy: VerdictPolicy, which: str
) -> None:
    """Ask one judge about everything, and once more about flips where the policy says so."""
    buckets = rounds.store.buckets
    while True:
        before = runner.counts.busy_elsewhere
        await runner.run(lambda: all_requests(buckets, policy, which))
        if policy.flips == "ask-again":
            await runner.run(lambda: _requests_about_flips(runner, rounds, policy, which))
        if runner.counts.busy_elsewhere == before:
            return
        await runner.wait_for_others()


def all_requests(
    buckets: BucketStore, policy: VerdictPolicy, which: str = "all"
) -> Iterator[JudgeRequest]:
    """Every comparison, or every new one, in every order that it is asked in."""
    for bucket in range(len(buckets)):
        for part in parts(buckets, bucket, which):
            for comparison in judge_inputs(part):
                for order in orders_of(comparison.id, policy.orders):
                    yield JudgeRequest(comparison, order)


def _requests_about_flips(
    runner: JudgeRunner, rounds: TournamentRounds, policy: VerdictPolicy, which: str
) -> Iterator[JudgeRequest]:
    """The comparisons whose verdict changes with the order, once more in both."""
    judge = Judge(runner.endpoint.model, runner.builder)
    once = VerdictPolicy(flips="drop", orders=policy.orders)
    buckets, journal = rounds.store.buckets, rounds.journal
    for bucket in range(len(buckets)):
        for part in parts(buckets, bucket, which):
            comparisons = judge_inputs(part)
            replies = list(collect_replies(comparisons, judge, journal, policy.orders, (0,)))
            for comparison, each in zip(comparisons, replies, strict=True):
                if judge_verdict(each, once).outcome == FLIP:
                    for order in orders_of(comparison.id, policy.orders):
                        yield JudgeRequest(comparison, order, 1)


@contextlib.contextmanager
def _stop_on_interrupt(stop: asyncio.Event) -> Iterator[None]:
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


def _stopped(
    ends: Sequence[RunEnd], endpoints: Sequence[Endpoint], config: JudgeConfig
) -> StopReason:
    """Why asking ended before its time; raises what the user must look into."""
    for endpoint, end in zip(endpoints, ends, strict=True):
        if isinstance(end, RequestError):
            raise JudgeError(
                f"{endpoint.address} cannot be asked: {end.message}",
                hint=f"{end.hint} What was paid for is kept: run the same command again.".strip(),
            )
        if isinstance(end, StoppedError):
            raise KeyboardInterrupt
        if end is not None and not isinstance(end, SOFT):
            raise end
    end = next((each for kind in SOFT for each in ends if isinstance(each, kind)), None)
    if isinstance(end, BatchFailedError):
        return StopReason(str(end), "mend what the provider found wrong, or ask without --batch")
    if isinstance(end, OutOfBudgetError):
        message = f"the next call could pass --max-cost {config.max_cost or 0:g}"
        return StopReason(message, "raise it, and what was paid for is not paid again")
    if end:
        return StopReason("batches are under way at the provider", "run the same command again")
    return StopReason()


SOFT = (BatchFailedError, OutOfBudgetError, BatchPendingError)
"""Ends after which what there is can be written, the gravest first."""
