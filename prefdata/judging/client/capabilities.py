"""What an endpoint understands: asked once with one small question, and kept in the journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from prefdata.judging.client.protocol import Failure
from prefdata.judging.prompting.reply import NOT_JSON, WRONG_SHAPE, Reply, read
from prefdata.judging.prompting.request import Case, Form, Mode, Question, Request, Style

PROBE = Case("probe", "What is 2 + 2?", "4", "5")
STEPS: dict[Mode, Mode] = {"schema": "json", "json": "line"}
LIMITS = {"max_completion_tokens": "max_tokens", "max_tokens": ""}
MOST = 12
"""Requests that a probe may take."""

Ask = Callable[[Request], Awaitable[Reply]]


async def probe(question: Question, *, url: str, model: str, ask: Ask) -> Style:
    """Find out what an endpoint understands.

    Begins with everything, and leaves out what the server refuses: what its message names, or one
    thing after the other where it names nothing. A server that takes a schema and does not keep to
    it is asked in a plainer way, too.

    Args:
        question: how judges will be asked.
        url: the endpoint.
        model: the judge.
        ask: sends a request and gives the reply.

    Raises:
        Failure: nothing helps, or the failure has nothing to do with the request.
    """
    style = question.style
    for _ in range(MOST):
        request = Form(question, style, url=url, model=model).request(PROBE, "ab")
        try:
            reply = await ask(request)
        except Failure as failure:
            if failure.kind != "row":
                raise
            found = _without(style, failure.message)
            if found is None:
                raise Failure(
                    "setting", failure.message, status=failure.status, hint=failure.hint
                ) from None
            style = found
            continue
        reading = read(reply, style.mode, question, PROBE, request.fence)
        if reading.cause in (NOT_JSON, WRONG_SHAPE) and style.mode in STEPS:
            style = replace(style, mode=STEPS[style.mode])
            continue
        return style
    return style


def _without(style: Style, message: str) -> Style | None:
    """The style without what a message refuses; None where nothing is left to leave out."""
    said = message.lower()
    plainer = STEPS.get(style.mode)
    if "temperature" in said and style.temperature:
        return replace(style, temperature=False)
    if "logprobs" in said and style.logprobs:
        return replace(style, logprobs=False)
    if "response_format" in said or "json_schema" in said or "json_object" in said:
        return replace(style, mode=plainer) if plainer else None
    if "max_completion_tokens" in said or "max_tokens" in said:
        return replace(style, limit=LIMITS[style.limit]) if style.limit else None
    if style.logprobs:
        return replace(style, logprobs=False)
    if plainer:
        return replace(style, mode=plainer)
    if style.limit == "max_completion_tokens":
        return replace(style, limit="max_tokens")
    return replace(style, temperature=False) if style.temperature else None
