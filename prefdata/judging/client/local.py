"""A model in this process as a judge; what it runs on is handed in, and is none of our business."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self, cast

from prefdata.judging.client.protocol import NO_RATE_LIMITS, RateLimits, RequestError
from prefdata.judging.prompting.reply import Completion, Usage

BATCH_SIZE = 8
"""Requests that go through the model together."""

Messages = Sequence[Mapping[str, str]]


class WordScorer(Protocol):
    """Says how likely two words are to come next."""

    @property
    def fingerprint(self) -> str:
        """Tells this model from others."""
        ...

    def __call__(
        self, conversations: Sequence[Messages]
    ) -> Sequence[tuple[float, float, int] | None]:
        """Log-probabilities of both words and the tokens read; None where they are too many."""
        ...


class LocalServer:
    """Takes requests one by one, and puts them through the model together.

    Args:
        scorer: the model.
    """

    def __init__(self, scorer: WordScorer) -> None:
        self.scorer = scorer
        self.queue: list[tuple[Messages, asyncio.Future[Completion]]] = []
        self.worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.worker:
            await self.worker

    async def ask(
        self, body: Mapping[str, object], menu: Mapping[str, str]
    ) -> tuple[Completion, RateLimits]:
        """Say which answer is likelier to be named.

        Raises:
            RequestError: the request is longer than the model can read.
        """
        del menu
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self.queue.append((cast("Messages", body["messages"]), future))
        if self.worker is None or self.worker.done():
            self.worker = asyncio.create_task(self._answer_queue())
        return await future, NO_RATE_LIMITS

    async def _answer_queue(self) -> None:
        while self.queue:
            await asyncio.sleep(0)  # let those that come together get in
            part, self.queue = self.queue[:BATCH_SIZE], self.queue[BATCH_SIZE:]
            try:
                scores = await asyncio.to_thread(self.scorer, [messages for messages, _ in part])
            except Exception as error:  # noqa: BLE001 - whoever asked raises it
                for _, future in part:
                    future.set_exception(RequestError("setting", f"the model failed: {error}"))
                continue
            for (_, future), score in zip(part, scores, strict=True):
                if score is None:
                    future.set_exception(
                        RequestError("row", "the request is longer than the model reads")
                    )
                else:
                    future.set_result(self._completion(*score))

    def _completion(self, first: float, second: float, tokens: int) -> Completion:
        return Completion(
            text="tie" if first == second else "1" if first > second else "2",
            fingerprint=self.scorer.fingerprint,
            margin=first - second,
            usage=Usage(prompt=tokens, completion=1),
            has_usage=True,
        )
