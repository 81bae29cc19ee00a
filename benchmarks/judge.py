"""Judging against a bare `asyncio.gather` over the SDK, side by side on one server of our own.

    python benchmarks/judge.py --calls 20000
    python benchmarks/judge.py --calls 2000 --resume 20000

The server runs in a process of its own, answers after 50 ms, and takes 256 requests at once. It is
asked by the SDK alone (one call after the other in each of 256 tasks), by `prefdata` with its
journal, and by a raw load generator, which shows what the server can give. CPU is that of the
asking process. Resuming looks up calls that the journal has.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson
from openai import AsyncOpenAI

from prefdata.judging.client.client import Client
from prefdata.judging.client.endpoint import ApiKey, Endpoint
from prefdata.judging.client.journal import Journal
from prefdata.judging.client.journal_writer import JournalWriter
from prefdata.judging.client.prices import Budget
from prefdata.judging.client.protocol import NO_RATE_LIMITS, RateLimits
from prefdata.judging.client.runner import (
    JudgeRunner,
    RequestLimits,
    fewer_collections,
)
from prefdata.judging.prompting.reply import Completion, Usage
from prefdata.judging.prompting.request import JudgeInput, JudgePrompt, JudgeRequest, RequestBuilder

AT_ONCE = 256
LATENCY = 0.05
TEXT = "The quick brown fox jumps over the lazy dog. " * 20


class Figure(NamedTuple):
    """One line of the table: calls a second, and CPU a call in milliseconds."""

    way: str
    rate: float
    cpu: float


def requests(n: int) -> Iterator[JudgeRequest]:
    """Comparisons, each in both orders."""
    for i in range(n // 2):
        comparison = JudgeInput(f"{i:032x}", f"Question {i}?", f"{TEXT}{i}", f"{TEXT}{i} {i}")
        yield JudgeRequest(comparison, "ab")
        yield JudgeRequest(comparison, "ba")


async def timed(way: str, n: int, work: Callable[[], Awaitable[object]]) -> Figure:
    """Do some work, and say what it took."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await work()
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figure(way, n / seconds, 1000 * cpu / n)


async def ours(url: str, n: int, folder: Path) -> tuple[Figure, Figure]:
    """`prefdata`: first with an empty journal, then with one that has every reply."""
    endpoint = Endpoint("judge", url, ApiKey("none"))
    writer = JournalWriter(Journal(folder / "journal"))
    async with Client(endpoint, timeout=60, connections=AT_ONCE) as client:
        runner = JudgeRunner(
            endpoint,
            JudgePrompt(),
            client,
            writer,
            Budget(None),
            RequestLimits(AT_ONCE),
            price=None,
            stop=asyncio.Event(),
        )
        await runner.prepare()
        with fewer_collections():
            first = await timed("prefdata", n, lambda: runner.run(lambda: requests(n)))
            again = await timed("prefdata, resumed", n, lambda: runner.run(lambda: requests(n)))
    await writer.close()
    writer.journal.close()
    return first, again


async def bare(url: str, n: int) -> Figure:
    """The SDK and nothing else: no journal, no pace, no reading of the verdict."""
    prompt = JudgePrompt()
    builder = RequestBuilder(prompt, prompt.capabilities, url=url, model="judge")
    bodies = (builder.build(request).body for request in requests(n))
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

        async def worker() -> None:
            for body in bodies:
                await client.chat.completions.create(**body)  # type: ignore[call-overload]

        return await timed(
            "SDK, asyncio.gather", n, lambda: asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        )


async def raw(port: int, n: int) -> Figure:
    """What the server can give: requests written and replies skipped, without any library."""
    prompt = JudgePrompt()
    builder = RequestBuilder(prompt, prompt.capabilities, url="", model="judge")
    body = orjson.dumps(builder.build(next(requests(2))).body)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    message, numbers = head.encode() + body, iter(range(n))

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in numbers:
            writer.write(message)
            header = await reader.readuntil(b"\r\n\r\n")
            length = int(header.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    return await timed(
        "raw sockets", n, lambda: asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    )


SCORES = {each.name: {"1": 8, "2": 4} for each in JudgePrompt().criteria}
COMPLETION = Completion(
    orjson.dumps({"scores": SCORES, "winner": "1"}).decode(), usage=Usage(500, 60), has_usage=True
)


class Instant:
    """A server in this process that answers at once, to fill a journal."""

    async def ask(self, body: object, menu: object) -> tuple[Completion, RateLimits]:
        """Always the same."""
        del body, menu
        return COMPLETION, NO_RATE_LIMITS


async def resumed(n: int, folder: Path) -> float:
    """Seconds to find that nothing is missing in a journal of so many calls."""
    endpoint = Endpoint("judge", "http://127.0.0.1/v1", ApiKey("none"))
    path = folder / "large"
    for _ in range(2):
        writer = JournalWriter(Journal(path))
        runner = JudgeRunner(
            endpoint,
            JudgePrompt(),
            Instant(),
            writer,
            Budget(None),
            RequestLimits(AT_ONCE, tries=1),
            price=None,
            stop=asyncio.Event(),
        )
        begun = time.perf_counter()
        await runner.prepare()
        await runner.run(lambda: requests(n))
        seconds = time.perf_counter() - begun
        await writer.close()
        writer.journal.close()
    return seconds


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--resume", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=8790)
    arguments = parser.parse_args()
    command = [
        sys.executable,
        "-m",
        "tests.judging.server",
        str(arguments.port),
        "--latency",
        str(LATENCY),
        "--same",
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip() if server.stdout else ""
        with tempfile.TemporaryDirectory() as folder:
            figures = [
                asyncio.run(raw(arguments.port, arguments.calls)),
                asyncio.run(bare(url, arguments.calls)),
                *asyncio.run(ours(url, arguments.calls, Path(folder))),
            ]
            seconds = asyncio.run(resumed(arguments.resume, Path(folder)))
    finally:
        server.terminate()
        server.wait()
    print(f"{'':22}{'calls/s':>10}{'CPU ms/call':>14}")
    for figure in figures:
        print(f"{figure.way:22}{figure.rate:10,.0f}{figure.cpu:14.2f}")
    print(f"\n{arguments.resume:,} calls in the journal: resumed in {seconds:.2f} s")


if __name__ == "__main__":
    main()
