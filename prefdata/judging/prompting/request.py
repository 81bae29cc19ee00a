"""From a comparison to the request that is sent, and to the key that names it.

The key is a hash of all that decides the request: endpoint, model, parameters, schema and prompt as
they would be sent about a stand-in, and the texts, the order and the round of the comparison. So a
key is known without the request being written, which is what makes resuming quick.

The fence around quoted text is a hash of all that stands inside, so no text can hold its own fence:
whoever wrote an answer would have to know a hash of that very answer. It is also the same in
each run, which keeps the key of the request the same. It differs from order to order and from
round to round.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, cast

import orjson

from prefdata.judging.outcomes import MENU
from prefdata.judging.prompting.criteria import DEFAULT, Criterion, as_list
from prefdata.judging.prompting.prompt import PromptTemplate, builtin_template
from prefdata.judging.prompting.tokens import PER_MESSAGE, tokens_of
from prefdata.records.plain_text import is_plain, labelled_parts

Order = Literal["ab", "ba"]
"""Which response is shown first."""

Mode = Literal["schema", "json", "line", "menu", "choice"]
"""How the verdict comes back: as JSON by schema, as JSON on request, as the last line, as a word
that the prompt file declares, or as the likelier of two tokens."""

LOWEST, HIGHEST = 1, 10


class JudgeInput(NamedTuple):
    """A comparison as a judge sees it.

    Attributes:
        id: of the comparison.
        prompt: the conversation up to the answer.
        a: one answer.
        b: the other.
        reference: an answer that is known to be right, or ``""``.
    """

    id: str
    prompt: str
    a: str
    b: str
    reference: str = ""


class JudgeRequest(NamedTuple):
    """A comparison that is asked about in one order, in one round.

    Attributes:
        comparison: what is shown.
        order: which response is shown first.
        again: the round: 0, or 1 where a verdict that changed with the order is asked for again.
    """

    comparison: JudgeInput
    order: Order
    again: int = 0


@dataclass(frozen=True)
class EndpointCapabilities:
    """What an endpoint understands, found out once by a probe.

    Attributes:
        mode: how the verdict comes back.
        limit: the name of the limit on the reply's tokens, or ``""`` where none is taken.
        temperature: whether a temperature may be set.
        logprobs: whether it gives log-probabilities.
    """

    mode: Mode = "schema"
    limit: str = "max_completion_tokens"
    temperature: bool = True
    logprobs: bool = False


@dataclass(frozen=True)
class JudgePrompt:
    """What judges are asked.

    Attributes:
        template: the texts.
        criteria: what answers are scored on.
        reasoning: whether the judge compares in words before it decides.
        max_tokens: the most tokens of a reply, hidden reasoning included.
        logprobs: whether log-probabilities are asked for.
    """

    template: PromptTemplate = field(default_factory=builtin_template)
    criteria: Sequence[Criterion] = DEFAULT
    reasoning: bool = False
    max_tokens: int = 2048
    logprobs: bool = False

    @property
    def menu(self) -> Mapping[str, str]:
        """The words for first, second and, where it is on offer, tie."""
        return self.template.menu or MENU

    @property
    def capabilities(self) -> EndpointCapabilities:
        """What most endpoints understand, as long as no probe has found out more."""
        mode: Mode = "menu" if self.template.menu else "schema"
        return EndpointCapabilities(mode, logprobs=self.logprobs)


class ChatRequest(NamedTuple):
    """A request as it is sent, and its key.

    Attributes:
        key: what names it in the journal.
        body: what is sent.
        tokens: an estimate of its tokens.
    """

    key: str
    body: dict[str, object]
    tokens: int


def prompt_fingerprint(prompt: JudgePrompt) -> str:
    """Names what decides which replies an endpoint can give."""
    names = [each.name for each in prompt.criteria]
    parts = [dict(prompt.menu), names, prompt.reasoning, prompt.max_tokens, prompt.logprobs]
    return hashlib.blake2b(orjson.dumps(parts), digest_size=8).hexdigest()


def conversation(turns: str | Sequence[Mapping[str, object]], tools: str | None = None) -> str:
    """Messages as text: one turn of the user, or of the assistant, stands alone.

    What a turn thinks and what it calls is shown with it.

    Args:
        turns: the messages.
        tools: those on offer, as JSON, which stand before all messages.

    Example:
        >>> print(
        ...     conversation(
        ...         [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
        ...     )
        ... )
        [system]
        Be brief.
        <BLANKLINE>
        [user]
        Hi
    """
    if not tools and isinstance(turns, str):
        return turns
    turns = [{"role": "user", "content": turns}] if isinstance(turns, str) else turns
    alone = len(turns) == 1 and turns[0]["role"] in ("user", "assistant") and is_plain(turns[0])
    if alone and not tools:
        return str(turns[0]["content"])
    parts = [("tools on offer", tools)] if tools else []
    parts += [part for turn in turns for part in labelled_parts(turn)]
    return "\n\n".join(f"[{label}]\n{text}" for label, text in parts)


@lru_cache(maxsize=8)
def _digest(comparison: JudgeInput) -> bytes:
    _, prompt, a, b, reference = comparison
    texts = f"{prompt}\x00{a}\x00{b}\x00{reference}"
    return hashlib.blake2b(texts.encode("utf-8", "surrogatepass"), digest_size=32).digest()


STAND_IN = JudgeInput("", "prompt", "answer", "answer", "reference")


class RequestBuilder:
    """Writes the requests to one judge.

    Args:
        prompt: what judges are asked.
        capabilities: what the endpoint understands.
        url: the endpoint.
        model: the judge's name there.
    """

    def __init__(
        self, prompt: JudgePrompt, capabilities: EndpointCapabilities, *, url: str, model: str
    ) -> None:
        self.prompt, self.capabilities = prompt, capabilities
        self.model = model
        self.reasoning_place = ', as "reasoning"' if capabilities.mode in ("schema", "json") else ""
        self.criteria, self.shape = as_list(prompt.criteria), _shape(prompt)
        self.parameters = self._parameters()
        bodies = [
            self._body(JudgeRequest(comparison, "ab"), "")
            for comparison in (STAND_IN, STAND_IN._replace(reference=""))
        ]
        self.stem = hashlib.blake2b(orjson.dumps([url, bodies]), digest_size=32).digest()

    def _parameters(self) -> dict[str, object]:
        capabilities, prompt = self.capabilities, self.prompt
        parameters: dict[str, object] = {}
        if capabilities.limit:
            parameters[capabilities.limit] = prompt.max_tokens
        if capabilities.temperature:
            parameters["temperature"] = 0
        if capabilities.logprobs and prompt.logprobs:
            parameters |= {"logprobs": True, "top_logprobs": 5}
        if capabilities.mode == "schema":
            parameters["response_format"] = _schema(prompt)
        elif capabilities.mode == "json":
            parameters["response_format"] = {"type": "json_object"}
        return parameters

    def key(self, request: JudgeRequest) -> str:
        """The key of a request, 32 hexadecimal digits."""
        digest, order = _digest(request.comparison), request.order.encode()
        whole = b"%b%b%b%d" % (self.stem, digest, order, request.again)
        return hashlib.blake2b(whole, digest_size=16).hexdigest()

    def fence(self, request: JudgeRequest) -> str:
        """Sixteen letters and digits that no text of the comparison can hold."""
        digest, order = _digest(request.comparison), request.order.encode()
        whole = b"fence%b%b%d" % (digest, order, request.again)
        return base64.b32encode(hashlib.blake2b(whole, digest_size=10).digest()).decode()

    def build(self, request: JudgeRequest) -> ChatRequest:
        """Write a request as it is sent."""
        body = self._body(request, self.fence(request))
        messages = cast("list[dict[str, str]]", body["messages"])
        tokens = sum(tokens_of(each["content"]) + PER_MESSAGE for each in messages)
        return ChatRequest(self.key(request), body, tokens)

    def _body(self, request: JudgeRequest, fence: str) -> dict[str, object]:
        messages = self._messages(request, fence)
        return {"model": self.model, "messages": messages, **self.parameters}

    def _messages(self, request: JudgeRequest, fence: str) -> list[dict[str, str]]:
        template, mode = self.prompt.template, self.capabilities.mode
        _, prompt, a, b, reference = request.comparison
        first, second = (a, b) if request.order == "ab" else (b, a)
        values = {
            "criteria": self.criteria,
            "shape": self.shape,
            "reasoning_place": self.reasoning_place,
            "fence": fence,
            "prompt": prompt,
            "answer_1": first,
            "answer_2": second,
            "reference": reference,
        }
        has_reference = reference and "reference" in template.sections
        values["reference_part"] = template.fill("reference", values) if has_reference else ""
        if mode != "menu":
            task = template.fill(mode, values)
            thinks = self.prompt.reasoning and mode != "choice"
            values["task"] = f"{template.fill('reasoning', values)}\n{task}" if thinks else task
        roles = [role for role in ("system", "user") if role in template.sections]
        return [{"role": role, "content": template.fill(role, values)} for role in roles]


def _shape(prompt: JudgePrompt) -> str:
    """The JSON object that is asked for, as an example."""
    scores = {each.name: {"1": 7, "2": 4} for each in prompt.criteria}
    reasoning = {"reasoning": "…"} if prompt.reasoning else {}
    return orjson.dumps({**reasoning, "scores": scores, "winner": "1"}).decode()


def _schema(prompt: JudgePrompt) -> dict[str, object]:
    score = {"type": "integer", "minimum": LOWEST, "maximum": HIGHEST}
    scores = {each.name: _object({"1": score, "2": score}) for each in prompt.criteria}
    properties: dict[str, object] = {"reasoning": {"type": "string"}} if prompt.reasoning else {}
    properties |= {
        "scores": _object(scores),
        "winner": {"type": "string", "enum": list(MENU.values())},
    }
    schema = {"name": "verdict", "strict": True, "schema": _object(properties)}
    return {"type": "json_schema", "json_schema": schema}


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
