"""What comes over the wire: replies, limits, and failures that say whether to try again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import orjson

from prefdata.judging.client.endpoint import Endpoint
from prefdata.judging.client.waiting import wait_of
from prefdata.judging.prompting.reply import Reply, Usage, margin_of

Kind = Literal["later", "unreached", "limited", "row", "setting"]
"""``later``: try again. ``unreached``: the same, and nothing was heard of the server. ``limited``:
the whole lane waits. ``row``: this request alone will never work. ``setting``: no request will work
before something is changed."""


SHOWN = 300
"""Characters of a server's message that are shown."""


class Headers(NamedTuple):
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


NO_HEADERS = Headers()


class Batch(NamedTuple):
    """What a batch service says of a batch.

    Attributes:
        id: its name there.
        status: ``in_progress``, ``completed``, ``expired`` and so on.
        files: its result files: of the replies, of the errors; either may be missing.
        why: what the service found wrong with the whole batch.
    """

    id: str
    status: str
    files: tuple[str, ...]
    why: str = ""


class Failure(Exception):  # noqa: N818 - it is how a request ended, and is always caught
    """A request without a usable reply.

    Args:
        kind: whether another try makes sense.
        message: what happened, without any key.
        wait: seconds that the server asked to wait.
        status: of the HTTP reply; 0 where there was none.
        hint: which setting to look at.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        wait: float | None = None,
        status: int = 0,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.kind, self.message, self.wait = kind, message, wait
        self.status, self.hint = status, hint


def parsed(content: bytes, menu: Mapping[str, str]) -> Reply:
    """Read the body of a chat completion.

    Raises:
        Failure: it is none, as where a proxy answers with a page of its own.
    """
    try:
        body = orjson.loads(content)
        choice = body["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content") or "", message.get("refusal") or ""
        tokens = (choice.get("logprobs") or {}).get("content") or ()
        used = body.get("usage") or {}
        usage = Usage(
            _count(used.get("prompt_tokens")),
            _count(used.get("completion_tokens")),
            _count((used.get("prompt_tokens_details") or {}).get("cached_tokens")),
            _count((used.get("completion_tokens_details") or {}).get("reasoning_tokens")),
        )
        return Reply(
            text=text if isinstance(text, str) else orjson.dumps(text).decode(),
            refusal=str(refusal),
            finish=str(choice.get("finish_reason") or ""),
            model=str(body.get("model") or ""),
            fingerprint=str(body.get("system_fingerprint") or ""),
            margin=margin_of(tokens, menu) if tokens else None,
            usage=usage,
            known=bool(used),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        start = " ".join(content[:80].decode(errors="replace").split())
        raise Failure("later", f"the reply is no chat completion: {start!r}") from None


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def said_in(content: bytes) -> str:
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
    return " ".join(text.split())[:SHOWN]


def status_failure(
    status: int, said: str, headers: Mapping[str, str], endpoint: Endpoint
) -> Failure:
    """What an HTTP status other than success means for the request, and for the run."""
    where = f"{endpoint.url} answered {status}"
    message = f"{where}: {said}" if said else where
    wait = wait_of(headers)
    if 300 <= status < 400:
        there = headers.get("location", "")
        hint = f"The server has moved{f' to {there}' if there else ''}: say so with --base-url."
        return Failure("setting", where, status=status, hint=hint)
    if status == 429 and "insufficient_quota" in said:
        hint = "The account has no credit left: what was paid for is kept."
        return Failure("setting", message, status=status, hint=hint)
    if status == 429:
        return Failure("limited", message, wait=wait, status=status)
    if status in (408, 409, 425) or status >= 500:
        kind: Kind = "limited" if wait else "later"
        return Failure(kind, message, wait=wait, status=status)
    if status == 401:
        hint = "The key is not accepted: check the variable that --key-env names, or --key-file."
        return Failure("setting", message, status=status, hint=hint)
    if status == 403:
        hint = "The key may not use this model: check --model and the rights of the key."
        return Failure("setting", message, status=status, hint=hint)
    if status in (404, 405):
        hint = f"Check --model {endpoint.model} and --base-url {endpoint.url}."
        return Failure("setting", message, status=status, hint=hint)
    return Failure("row", message, status=status, hint="Check --model and the prompt file.")


def limits_of(headers: Mapping[str, str]) -> Headers:
    """The rate-limit headers of a reply."""
    if "x-ratelimit-limit-requests" not in headers and "x-ratelimit-limit-tokens" not in headers:
        return NO_HEADERS
    found: list[float | None] = []
    for what in ("requests", "tokens"):
        found += [
            _number(headers.get(f"x-ratelimit-limit-{what}")),
            _number(headers.get(f"x-ratelimit-remaining-{what}")),
        ]
    return Headers(*found)


def _number(text: str | None) -> float | None:
    """A number of requests or tokens, None where the header is missing or says something else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
