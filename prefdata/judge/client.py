"""The one place that speaks to servers: the OpenAI SDK, with its own retries off.

It sends one request and says what came of it: a reply, or a `Failure` that says whether and when
another try makes sense. Bodies are decoded here and not by the SDK, which would take three times
as long for each call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from prefdata.errors import MissingExtraError
from prefdata.judge.endpoint import Endpoint
from prefdata.judge.reply import Reply
from prefdata.judge.waiting import backoff
from prefdata.judge.wire import Batch, Failure, Headers, limits_of, parsed, said_in, status_failure

try:
    import aiohttp
    import httpx2
    import openai
except ImportError as error:
    raise MissingExtraError("judge", needed_for="pref judge") from error


Answer = TypeVar("Answer")

TRIES = 6
"""How often the batch service is asked the same before it is given up."""

CONNECT = 10.0
"""Seconds that a connection may take to come about."""


class Client:
    """A connection to one server.

    Args:
        endpoint: where it is, and the key for it.
        timeout: seconds that a reply may take.
        connections: how many requests may be under way.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float, connections: int) -> None:
        self.endpoint = endpoint
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        http = openai.DefaultAioHttpClient(
            timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT), pool=None),
            limits=limits,
            trust_env=False,
        )
        key = endpoint.key.reveal() or "none"
        self.sdk: openai.AsyncOpenAI
        if endpoint.azure_version:
            self.sdk = openai.AsyncAzureOpenAI(
                azure_endpoint=endpoint.url,
                api_version=endpoint.azure_version,
                api_key=key,
                max_retries=0,
                http_client=http,
            )
        else:
            self.sdk = openai.AsyncOpenAI(
                base_url=endpoint.url, api_key=key, max_retries=0, http_client=http
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.sdk.close()

    async def ask(
        self, body: Mapping[str, object], menu: Mapping[str, str]
    ) -> tuple[Reply, Headers]:
        """Send a request.

        Args:
            body: of the chat completion.
            menu: the words of the verdict, to find their log-probabilities.

        Raises:
            Failure: there is no reply that was paid for.
        """
        try:
            response = await self.sdk.post(
                "/chat/completions", body=dict(body), cast_to=httpx2.Response
            )
        except openai.APIError as error:
            raise self._failure(error) from None
        except aiohttp.ClientError as error:
            raise Failure("unreached", f"the connection broke: {type(error).__name__}") from None
        content = self.endpoint.key.hide_bytes(response.content)
        return parsed(content, menu), limits_of(response.headers)

    async def submit(self, path: Path, mark: str) -> str:
        """Send a file of requests as a batch; gives its name there.

        Raises:
            Failure: the service did not take it, or did not say that it did.
        """
        try:
            file = await self.sdk.files.create(file=path, purpose="batch")
            batch = await self.sdk.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"prefdata": mark},
            )
        except openai.APIError as error:
            raise self._failure(error) from None
        return batch.id

    async def batch(self, name: str) -> Batch:
        """Say how a batch stands.

        Raises:
            Failure: the service does not say.
        """
        try:
            found = await self._steadily(lambda: self.sdk.batches.retrieve(name))
        except Failure as failure:
            if failure.status != 404:
                raise
            hint = "Check that the key and --base-url are those that it was sent with."
            raise Failure("setting", failure.message, status=404, hint=hint) from None
        files = tuple(each for each in (found.output_file_id, found.error_file_id) if each)
        errors = (found.errors and found.errors.data) or []
        why = "; ".join(each.message or "" for each in errors[:3])
        return Batch(found.id, found.status, files, self.endpoint.key.hide(why))

    async def marked(self, mark: str) -> str:
        """Find a batch by its mark; ``""`` where there is none."""
        try:
            async for each in self.sdk.batches.list(limit=100):
                if (each.metadata or {}).get("prefdata") == mark:
                    return each.id
        except openai.APIError as error:
            raise self._failure(error) from None
        return ""

    async def lines(self, file: str) -> AsyncIterator[bytes]:
        """Read a result file, line by line."""
        content = await self._steadily(lambda: self.sdk.files.content(file))
        for line in self.endpoint.key.hide_bytes(content.content).splitlines():
            if line.strip():
                yield line

    async def _steadily(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask for something that may be asked for again, until it comes."""
        for tries in range(TRIES):
            try:
                return await ask()
            except openai.APIError as error:
                failure = self._failure(error)
                if failure.kind not in ("later", "unreached", "limited") or tries + 1 == TRIES:
                    raise failure from None
                await asyncio.sleep(failure.wait or backoff(tries))
        raise AssertionError

    def _failure(self, error: openai.APIError) -> Failure:
        cause = error.__cause__ or error
        if isinstance(cause, httpx2.ConnectTimeout | httpx2.ConnectError):
            return Failure("unreached", f"no connection to {self.endpoint.url}")
        if isinstance(error, openai.APITimeoutError):
            return Failure("later", "the server did not answer in time")
        if isinstance(error, openai.APIStatusError):
            said = self.endpoint.key.hide(said_in(error.response.content))
            return status_failure(error.status_code, said, error.response.headers, self.endpoint)
        return Failure("unreached", f"the connection broke: {type(cause).__name__}")
