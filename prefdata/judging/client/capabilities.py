"""What an endpoint understands: asked once with one small question, and kept in the journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from prefdata.judging.client.protocol import RequestError
from prefdata.judging.outcomes import NOT_JSON, WRONG_SHAPE
from prefdata.judging.prompting.reply import Completion, parse_verdict
from prefdata.judging.prompting.request import (
    ChatRequest,
    EndpointCapabilities,
    JudgeInput,
    JudgePrompt,
    JudgeRequest,
    Mode,
    RequestBuilder,
)

PROBE = JudgeInput("probe", "What is 2 + 2?", "4", "5")
PLAINER: dict[Mode, Mode] = {"schema": "json", "json": "line"}
OTHER_LIMIT = {"max_completion_tokens": "max_tokens", "max_tokens": ""}
MAX_REQUESTS = 12
"""Requests that a probe may take."""

Send = Callable[[ChatRequest], Awaitable[Completion]]


async def probe(prompt: JudgePrompt, *, url: str, model: str, send: Send) -> EndpointCapabilities:
    """Find out what an endpoint understands.

    Begins with everything, and leaves out what the server refuses: what its message names, or one
    thing after the other where it names nothing. A server that takes a schema and does not keep to
    it is asked in a plainer way, too.

    Args:
        prompt: how judges will be asked.
        url: the endpoint.
        model: the judge.
        send: sends a request and returns the completion.

    Raises:
        RequestError: nothing helps, or the failure has nothing to do with the request.
    """
    capabilities = prompt.capabilities
    request = JudgeRequest(PROBE, "ab")
    for _ in range(MAX_REQUESTS):
        builder = RequestBuilder(prompt, capabilities, url=url, model=model)
        try:
            completion = await send(builder.build(request))
        except RequestError as error:
            if error.kind != "row":
                raise
            plainer = _without(capabilities, error.message)
            if plainer is None:
                raise RequestError(
                    "setting", error.message, status=error.status, hint=error.hint
                ) from None
            capabilities = plainer
            continue
        outcome = parse_verdict(completion, request, builder).outcome
        if outcome in (NOT_JSON, WRONG_SHAPE) and capabilities.mode in PLAINER:
            capabilities = replace(capabilities, mode=PLAINER[capabilities.mode])
            continue
        return capabilities
    return capabilities


def _without(capabilities: EndpointCapabilities, message: str) -> EndpointCapabilities | None:
    """The capabilities without what a message refuses; None where nothing is left to leave out."""
    text = message.lower()
    plainer = PLAINER.get(capabilities.mode)
    if "temperature" in text and capabilities.temperature:
        return replace(capabilities, temperature=False)
    if "logprobs" in text and capabilities.logprobs:
        return replace(capabilities, logprobs=False)
    if "response_format" in text or "json_schema" in text or "json_object" in text:
        return replace(capabilities, mode=plainer) if plainer else None
    if "max_completion_tokens" in text or "max_tokens" in text:
        limit = OTHER_LIMIT.get(capabilities.limit)
        return None if limit is None else replace(capabilities, limit=limit)
    if capabilities.logprobs:
        return replace(capabilities, logprobs=False)
    if plainer:
        return replace(capabilities, mode=plainer)
    if capabilities.limit == "max_completion_tokens":
        return replace(capabilities, limit="max_tokens")
    return replace(capabilities, temperature=False) if capabilities.temperature else None
