"""The one place that speaks to servers.

The OpenAI SDK says where a request goes and with which headers, and it speaks to the batch service.
What is asked thousands of times goes over one `aiohttp` session, to the same URL with the same
headers: that takes a tenth of the time that the SDK needs for a call. Proxies and certificates are
those of the SDK, too. Nothing that costs is sent again in here: a `Failure` says whether and when
another try makes sense.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson

from prefdata.errors import MissingExtraError, UsageError
from prefdata.judging.client.endpoint import Endpoint
from prefdata.judging.client.protocol import (
    Batch,
    Failure,
    Headers,
    limits_of,
    parsed,
    said_in,
    status_failure,
)
from prefdata.judging.client.waiting import backoff
from prefdata.judging.prompting.reply import Reply

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

OF_EACH_REQUEST = ("host", "content-length", "accept-encoding", "connection")
"""Headers that `aiohttp` sets anew for every request."""


class Client:
    """A connection to one server, in an ``async with`` block.

    Args:
        endpoint: where it is, and the key for it.
        timeout: seconds that a reply may take.
        connections: how many requests may be under way.

    Raises:
        UsageError: the environment names a proxy that cannot be used.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float, connections: int) -> None:
        self.endpoint, self.connections = endpoint, connections
        self.proxy = proxy_for(endpoint.url)
        by = f" by the proxy {urlsplit(self.proxy).hostname}" if self.proxy else ""
        self.where = f"{endpoint.url}{by}"
        connect = min(timeout, CONNECT)
        self.timeout = aiohttp.ClientTimeout(timeout, sock_connect=connect)
        self.sdk = _sdk(endpoint, httpx2.Timeout(timeout, connect=connect))

    async def __aenter__(self) -> Self:
        asked = await self._as_the_sdk_asks()
        self.url = str(asked.url)
        tls = httpx2.create_ssl_context() if self.url.startswith("https:") else True
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.connections, ssl=tls),
            headers={k: v for k, v in asked.headers.items() if k not in OF_EACH_REQUEST},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self.timeout,
            proxy=self.proxy,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.session.close()
        await self.sdk.close()

    async def _as_the_sdk_asks(self) -> httpx2.Request:
        """A request as the SDK would send it, by which all others are made."""
        asked: list[httpx2.Request] = []

        def note(request: httpx2.Request) -> httpx2.Response:
            asked.append(request)
            return httpx2.Response(200)

        async with httpx2.AsyncClient(transport=httpx2.MockTransport(note)) as nobody:
            await self.sdk.with_options(http_client=nobody).post(
                "/chat/completions", body={"model": self.endpoint.model}, cast_to=httpx2.Response
            )
        return asked[0]

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
            data = orjson.dumps(body)  # a redirect would take the key to where it does not belong
            async with self.session.post(self.url, data=data, allow_redirects=False) as response:
                content = self.endpoint.key.hide_bytes(await response.read())
        except aiohttp.ClientConnectorCertificateError as error:
            why = f"{self.endpoint.url} cannot be trusted: {error.certificate_error}"
            hint = "If it is yours, name its certificates with the variable SSL_CERT_FILE."
            raise Failure("setting", why, hint=hint) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise Failure("unreached", f"no connection to {self.where}") from None
        except TimeoutError:
            raise Failure("later", "the server did not answer in time") from None
        except aiohttp.ClientError as error:
            raise Failure("unreached", f"the connection broke: {type(error).__name__}") from None
        if response.status < 300:
            return parsed(content, menu), limits_of(response.headers)
        raise status_failure(response.status, said_in(content), response.headers, self.endpoint)

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
            return Failure("unreached", f"no connection to {self.where}")
        if isinstance(error, openai.APITimeoutError):
            return Failure("later", "the server did not answer in time")
        if isinstance(error, openai.APIStatusError):
            said = self.endpoint.key.hide(said_in(error.response.content))
            return status_failure(error.status_code, said, error.response.headers, self.endpoint)
        return Failure("unreached", f"the connection broke: {type(cause).__name__}")


def _sdk(endpoint: Endpoint, timeout: httpx2.Timeout) -> openai.AsyncOpenAI:
    """The SDK for an endpoint, with its own retries off."""
    key, url = endpoint.key.reveal() or "none", endpoint.url
    if endpoint.azure_version:
        return openai.AsyncAzureOpenAI(
            azure_endpoint=url,
            api_version=endpoint.azure_version,
            api_key=key,
            timeout=timeout,
            max_retries=0,
        )
    return openai.AsyncOpenAI(base_url=url, api_key=key, timeout=timeout, max_retries=0)


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a server, as HTTPS_PROXY and NO_PROXY have it.

    Raises:
        UsageError: it is of a kind that cannot be used.
    """
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise UsageError(
            f"the environment names a {urlsplit(proxy).scheme} proxy for {url}",
            hint="Name an HTTP proxy in HTTPS_PROXY, or the server in NO_PROXY.",
        )
    return proxy
