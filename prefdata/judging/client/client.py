"""The one place that speaks to servers.

The OpenAI SDK says where a request goes and with which headers, and it speaks to the batch service.
What is asked thousands of times goes over one `aiohttp` session, to the same URL with the same
headers: that takes a tenth of the time that the SDK needs for a call. Proxies and certificates are
those of the SDK, too. Nothing that costs is sent again in here: a `RequestError` says whether and
when another try makes sense.
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
    RateLimits,
    RequestError,
    backoff,
    error_of_status,
    error_text,
    parse_completion,
    rate_limits_of,
)
from prefdata.judging.prompting.reply import Completion

try:
    import aiohttp
    import httpx2
    import openai
except ImportError as error:
    raise MissingExtraError("judge", needed_for="pref judge") from error


Answer = TypeVar("Answer")

BATCH_TRIES = 6
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
        template = await self._sdk_request()
        self.url = str(template.url)
        tls = httpx2.create_ssl_context() if self.url.startswith("https:") else True
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.connections, ssl=tls),
            headers={k: v for k, v in template.headers.items() if k not in OF_EACH_REQUEST},
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

    async def _sdk_request(self) -> httpx2.Request:
        """A request as the SDK would send it, by which all others are made."""
        requests: list[httpx2.Request] = []

        def record(request: httpx2.Request) -> httpx2.Response:
            requests.append(request)
            return httpx2.Response(200)

        async with httpx2.AsyncClient(transport=httpx2.MockTransport(record)) as client:
            await self.sdk.with_options(http_client=client).post(
                "/chat/completions", body={"model": self.endpoint.model}, cast_to=httpx2.Response
            )
        return requests[0]

    async def ask(
        self, body: Mapping[str, object], menu: Mapping[str, str]
    ) -> tuple[Completion, RateLimits]:
        """Send a request.

        Args:
            body: of the chat completion.
            menu: the words of the verdict, to find their log-probabilities.

        Raises:
            RequestError: there is no reply that was paid for.
        """
        try:
            data = orjson.dumps(body)  # a redirect would take the key to where it does not belong
            async with self.session.post(self.url, data=data, allow_redirects=False) as response:
                content = self.endpoint.key.redact_bytes(await response.read())
        except aiohttp.ClientConnectorCertificateError as error:
            message = f"{self.endpoint.url} cannot be trusted: {error.certificate_error}"
            hint = "If it is yours, name its certificates with the variable SSL_CERT_FILE."
            raise RequestError("setting", message, hint=hint) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise RequestError("unreached", f"no connection to {self.where}") from None
        except TimeoutError:
            raise RequestError("later", "the server did not answer in time") from None
        except aiohttp.ClientError as error:
            message = f"the connection broke: {type(error).__name__}"
            raise RequestError("unreached", message) from None
        if response.status < 300:
            return parse_completion(content, menu), rate_limits_of(response.headers)
        raise error_of_status(response.status, error_text(content), response.headers, self.endpoint)

    async def submit(self, path: Path, mark: str) -> str:
        """Send a file of requests as a batch; returns its name there.

        Raises:
            RequestError: the service did not take it, or did not say that it did.
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
            raise self._request_error(error) from None
        return batch.id

    async def batch(self, name: str) -> Batch:
        """Get the state of a batch.

        Raises:
            RequestError: the service does not say.
        """
        try:
            batch = await self._with_retries(lambda: self.sdk.batches.retrieve(name))
        except RequestError as error:
            if error.status != 404:
                raise
            hint = "Check that the key and --base-url are those that it was sent with."
            raise RequestError("setting", error.message, status=404, hint=hint) from None
        files = tuple(each for each in (batch.output_file_id, batch.error_file_id) if each)
        errors = (batch.errors and batch.errors.data) or []
        message = "; ".join(each.message or "" for each in errors[:3])
        return Batch(batch.id, batch.status, files, self.endpoint.key.redact(message))

    async def find_batch(self, mark: str) -> str:
        """Find a batch by its mark; ``""`` where there is none."""
        try:
            async for each in self.sdk.batches.list(limit=100):
                if (each.metadata or {}).get("prefdata") == mark:
                    return each.id
        except openai.APIError as error:
            raise self._request_error(error) from None
        return ""

    async def lines(self, file: str) -> AsyncIterator[bytes]:
        """Read a result file, line by line."""
        content = await self._with_retries(lambda: self.sdk.files.content(file))
        for line in self.endpoint.key.redact_bytes(content.content).splitlines():
            if line.strip():
                yield line

    async def _with_retries(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask for something that may be asked for again, until it comes."""
        for tries in range(BATCH_TRIES):
            try:
                return await ask()
            except openai.APIError as error:
                failure = self._request_error(error)
                may_retry = failure.kind in ("later", "unreached", "limited")
                if not may_retry or tries + 1 == BATCH_TRIES:
                    raise failure from None
                await asyncio.sleep(failure.wait or backoff(tries))
        raise AssertionError

    def _request_error(self, error: openai.APIError) -> RequestError:
        cause = error.__cause__ or error
        if isinstance(cause, httpx2.ConnectTimeout | httpx2.ConnectError):
            return RequestError("unreached", f"no connection to {self.where}")
        if isinstance(error, openai.APITimeoutError):
            return RequestError("later", "the server did not answer in time")
        if isinstance(error, openai.APIStatusError):
            text = self.endpoint.key.redact(error_text(error.response.content))
            return error_of_status(error.status_code, text, error.response.headers, self.endpoint)
        return RequestError("unreached", f"the connection broke: {type(cause).__name__}")


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
