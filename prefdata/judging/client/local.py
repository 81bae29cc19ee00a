"""A model in this process as a judge; what it runs on is handed in, and is none of our business."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self, cast

from prefdata.judging.client.protocol import NO_HEADERS, Failure, Headers
from prefdata.judging.prompting.reply import Reply, Usage

AT_ONCE = 8
"""Requests that go through the model together."""

Messages = Sequence[Mapping[str, str]]


class Scorer(Protocol):
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

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.waiting: list[tuple[Messages, asyncio.Future[Reply]]] = []
        self.busy: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.busy:
            await self.busy

    async def ask(
        self, body: Mapping[str, object], menu: Mapping[str, str]
    ) -> tuple[Reply, Headers]:
        """Say which answer is likelier to be named.

        Raises:
            Failure: the request is longer than the model can read.
        """
        del menu
        done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.waiting.append((cast("Messages", body["messages"]), done))
        if self.busy is None or self.busy.done():
            self.busy = asyncio.create_task(self._work())
        return await done, NO_HEADERS

    async def _work(self) -> None:
        while self.waiting:
            await asyncio.sleep(0)  # let those that come together get in
            part, self.waiting = self.waiting[:AT_ONCE], self.waiting[AT_ONCE:]
            try:
                scores = await asyncio.to_thread(self.scorer, [asked for asked, _ in part])
            except Exception as error:  # noqa: BLE001 - whoever asked raises it
                for _, done in part:
                    done.set_exception(Failure("setting", f"the model failed: {error}"))
                continue
            for (_, done), score in zip(part, scores, strict=True):
                if score is None:
                    done.set_exception(Failure("row", "the request is longer than the model reads"))
                else:
                    done.set_result(self._reply(*score))

    def _reply(self, first: float, second: float, tokens: int) -> Reply:
        return Reply(
            text="tie" if first == second else "1" if first > second else "2",
            fingerprint=self.scorer.fingerprint,
            margin=first - second,
            usage=Usage(prompt=tokens, completion=1),
            known=True,
        )
