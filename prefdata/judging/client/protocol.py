"""What servers send: completions, rate limits, errors, and how long to wait after them."""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

import orjson

from prefdata.judging.client.endpoint import Endpoint
from prefdata.judging.prompting.reply import Completion, Usage, margin_of

ErrorKind = Literal["later", "unreached", "limited", "row", "setting"]
"""``later``: try again. ``unreached``: the same, and nothing was heard of the server. ``limited``:
all requests to the judge wait. ``row``: this request alone will never work. ``setting``: no request
will work before something is changed."""


MAX_MESSAGE = 300
"""Characters of a server's message that are shown."""


class RateLimits(NamedTuple):
    """What a server said about its limits; None where it did not.

    Attributes:
        requests: requests per minute.
        requests_left: of these, how many are left.
        tokens: tokens per minute.
        tokens_left: of these, how many are left.
    """

    requests: float | None = None
    requests_left: float | None = None
    tokens: float | None = None
    tokens_left: float | None = None


NO_RATE_LIMITS = RateLimits()


class Batch(NamedTuple):
    """What a batch service says of a batch.

    Attributes:
        id: its name there.
        status: ``in_progress``, ``completed``, ``expired`` and so on.
        files: its result files: of the replies, of the errors; either may be missing.
        errors: what the service found wrong with the whole batch.
    """

    id: str
    status: str
    files: tuple[str, ...]
    errors: str = ""


class RequestError(Exception):
    """A request that brought no completion; always caught, and never shown as it is.

    Args:
        kind: whether another try makes sense.
        message: what happened, without any key.
        wait: seconds that the server asked to wait.
        status: of the HTTP reply; 0 where there was none.
        hint: which setting to look at.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        wait: float | None = None,
        status: int = 0,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.kind, self.message, self.wait = kind, message, wait
        self.status, self.hint = status, hint


def parse_completion(content: bytes, menu: Mapping[str, str]) -> Completion:
    """Read the body of a chat completion.

    Raises:
        RequestError: it is none, as where a proxy answers with a page of its own.
    """
    try:
        body = orjson.loads(content)
        choice = body["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content") or "", message.get("refusal") or ""
        tokens = (choice.get("logprobs") or {}).get("content") or ()
        tokens_used = body.get("usage") or {}
        usage = Usage(
            _count(tokens_used.get("prompt_tokens")),
            _count(tokens_used.get("completion_tokens")),
            _count((tokens_used.get("prompt_tokens_details") or {}).get("cached_tokens")),
            _count((tokens_used.get("completion_tokens_details") or {}).get("reasoning_tokens")),
        )
        return Completion(
            text=text if isinstance(text, str) else orjson.dumps(text).decode(),
            refusal=str(refusal),
            finish=str(choice.get("finish_reason") or ""),
            model=str(body.get("model") or ""),
            fingerprint=str(body.get("system_fingerprint") or ""),
            margin=margin_of(tokens, menu) if tokens else None,
            usage=usage,
            has_usage=bool(tokens_used),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        start = " ".join(content[:80].decode(errors="replace").split())
        raise RequestError("later", f"the reply is no chat completion: {start!r}") from None


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def error_text(content: bytes) -> str:
    """What an error's body says, in one line."""
    text = content.decode(errors="replace")
    try:
        body = orjson.loads(content)
        error = body.get("error", body)
        text = str(error.get("message", error)) if isinstance(error, dict) else str(error)
        code = error.get("code") if isinstance(error, dict) else None
        text = f"{text} ({code})" if code else text
    except (ValueError, AttributeError):
        pass
    return " ".join(text.split())[:MAX_MESSAGE]


def error_of_status(
    status: int, text: str, headers: Mapping[str, str], endpoint: Endpoint
) -> RequestError:
    """What an HTTP status other than success means for the request, and for the run."""
    prefix = f"{endpoint.url} answered {status}"
    message = f"{prefix}: {text}" if text else prefix
    wait = retry_after(headers)
    if 300 <= status < 400:
        location = headers.get("location", "")
        hint = (
            f"The server has moved{f' to {location}' if location else ''}: say so with --base-url."
        )
        return RequestError("setting", prefix, status=status, hint=hint)
    if status == 429 and "insufficient_quota" in text:
        hint = "The account has no credit left: what was paid for is kept."
        return RequestError("setting", message, status=status, hint=hint)
    if status == 429:
        return RequestError("limited", message, wait=wait, status=status)
    if status in (408, 409, 425) or status >= 500:
        kind: ErrorKind = "limited" if wait else "later"
        return RequestError(kind, message, wait=wait, status=status)
    if status == 401:
        hint = "The key is not accepted: check the variable that --key-env names, or --key-file."
        return RequestError("setting", message, status=status, hint=hint)
    if status == 403:
        hint = "The key may not use this model: check --model and the rights of the key."
        return RequestError("setting", message, status=status, hint=hint)
    if status in (404, 405):
        hint = f"Check --model {endpoint.model} and --base-url {endpoint.url}."
        return RequestError("setting", message, status=status, hint=hint)
    return RequestError("row", message, status=status, hint="Check --model and the prompt file.")


def rate_limits_of(headers: Mapping[str, str]) -> RateLimits:
    """The rate-limit headers of a reply."""
    if "x-ratelimit-limit-requests" not in headers and "x-ratelimit-limit-tokens" not in headers:
        return NO_RATE_LIMITS
    limits: list[float | None] = []
    for unit in ("requests", "tokens"):
        limits += [
            _number(headers.get(f"x-ratelimit-limit-{unit}")),
            _number(headers.get(f"x-ratelimit-remaining-{unit}")),
        ]
    return RateLimits(*limits)


def _number(text: str | None) -> float | None:
    """A number of requests or tokens, None where the header is missing or says something else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def backoff(tries: int) -> float:
    """Seconds before another try: up to half a second, doubling to a minute, with full jitter."""
    return random.uniform(0.05, min(60.0, 0.5 * 2**tries))  # noqa: S311 - spreads, hides nothing


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or ``retry-after`` as seconds or as a date.

    Example:
        >>> (
        ...     retry_after({"retry-after": "1.5"}),
        ...     retry_after({"retry-after-ms": "20"}),
        ...     retry_after({}),
        ... )
        (1.5, 0.02, None)
        >>> retry_after({"retry-after": "Thu, 01 Jan 1970 00:10:00 GMT"}, now=0.0)
        600.0
    """
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError, TypeError):
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))
