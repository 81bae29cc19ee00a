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

from prefdata.judging.prompting.criteria import DEFAULT, Criterion, listed
from prefdata.judging.prompting.prompt import Prompt, builtin
from prefdata.judging.prompting.tokens import PER_MESSAGE, tokens_of

Order = Literal["ab", "ba"]
"""Which response is shown first."""

Mode = Literal["schema", "json", "line", "menu", "choice"]
"""How the verdict comes back: as JSON by schema, as JSON on request, as the last line, as a word
that the prompt file declares, or as the likelier of two tokens."""

MENU = {"first": "1", "second": "2", "tie": "tie"}
LOWEST, HIGHEST = 1, 10


class Case(NamedTuple):
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


@dataclass(frozen=True)
class Style:
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
class Question:
    """How judges are asked.

    Attributes:
        prompt: the texts.
        criteria: what answers are scored on.
        reasoning: whether the judge compares in words before it decides.
        max_tokens: the most tokens of a reply, hidden reasoning included.
        logprobs: whether log-probabilities are asked for.
    """

    prompt: Prompt = field(default_factory=builtin)
    criteria: Sequence[Criterion] = DEFAULT
    reasoning: bool = False
    max_tokens: int = 2048
    logprobs: bool = False

    @property
    def menu(self) -> Mapping[str, str]:
        """The words for first, second and, where it is on offer, tie."""
        return self.prompt.menu or MENU

    @property
    def style(self) -> Style:
        """What most endpoints understand, until a probe has told."""
        return Style("menu" if self.prompt.menu else "schema", logprobs=self.logprobs)


class Request(NamedTuple):
    """A request and its key.

    Attributes:
        key: what names it in the journal.
        body: what is sent.
        fence: the fence that was used.
        tokens: an estimate of its tokens.
    """

    key: str
    body: dict[str, object]
    fence: str
    tokens: int


def fingerprint(question: Question) -> str:
    """Names what decides which replies an endpoint can give."""
    names = [each.name for each in question.criteria]
    said = [dict(question.menu), names, question.reasoning, question.max_tokens, question.logprobs]
    return hashlib.blake2b(orjson.dumps(said), digest_size=8).hexdigest()


def conversation(turns: str | Sequence[Mapping[str, str]]) -> str:
    """Messages as text: one turn of the user, or of the assistant, stands alone.

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
    if isinstance(turns, str):
        return turns
    if len(turns) == 1 and turns[0]["role"] in ("user", "assistant"):
        return turns[0]["content"]
    return "\n\n".join(f"[{turn['role']}]\n{turn['content']}" for turn in turns)


@lru_cache(maxsize=8)
def _digest(case: Case) -> bytes:
    texts = f"{case.prompt}\x00{case.a}\x00{case.b}\x00{case.reference}"
    return hashlib.blake2b(texts.encode("utf-8", "surrogatepass"), digest_size=32).digest()


STAND_IN = Case("", "prompt", "answer", "answer", "reference")


class Form:
    """How requests about comparisons are written for one judge.

    Args:
        question: how judges are asked.
        style: what the endpoint understands.
        url: the endpoint.
        model: the judge's name there.
    """

    def __init__(self, question: Question, style: Style, *, url: str, model: str) -> None:
        self.question, self.style = question, style
        self.model = model
        self.fixed = {
            "criteria": listed(question.criteria),
            "shape": _shape(question),
            "reasoning_place": ', as "reasoning"' if style.mode in ("schema", "json") else "",
        }
        self.parameters = self._parameters()
        said = [self._body(case, "ab", "") for case in (STAND_IN, STAND_IN._replace(reference=""))]
        self.stem = hashlib.blake2b(orjson.dumps([url, said]), digest_size=32).digest()

    def _parameters(self) -> dict[str, object]:
        style, question = self.style, self.question
        found: dict[str, object] = {style.limit: question.max_tokens} if style.limit else {}
        if style.temperature:
            found["temperature"] = 0
        if style.logprobs and question.logprobs:
            found |= {"logprobs": True, "top_logprobs": 5}
        if style.mode == "schema":
            found["response_format"] = _schema(question)
        elif style.mode == "json":
            found["response_format"] = {"type": "json_object"}
        return found

    def key(self, case: Case, order: Order, again: int = 0) -> str:
        """The key of a request, 32 hexadecimal digits."""
        whole = b"%b%b%b%d" % (self.stem, _digest(case), order.encode(), again)
        return hashlib.blake2b(whole, digest_size=16).hexdigest()

    def fence(self, case: Case, order: Order, again: int = 0) -> str:
        """Sixteen letters and digits that no text of the case can hold."""
        whole = b"fence%b%b%d" % (_digest(case), order.encode(), again)
        return base64.b32encode(hashlib.blake2b(whole, digest_size=10).digest()).decode()

    def request(self, case: Case, order: Order, again: int = 0) -> Request:
        """Write a request.

        Args:
            case: the comparison.
            order: which response is shown first.
            again: the round: 0, or 1 where a flip is asked again.
        """
        fence = self.fence(case, order, again)
        body = self._body(case, order, fence)
        messages = cast("list[dict[str, str]]", body["messages"])
        tokens = sum(tokens_of(each["content"]) + PER_MESSAGE for each in messages)
        return Request(self.key(case, order, again), body, fence, tokens)

    def _body(self, case: Case, order: Order, fence: str) -> dict[str, object]:
        messages = self._messages(case, order, fence)
        return {"model": self.model, "messages": messages, **self.parameters}

    def _messages(self, case: Case, order: Order, fence: str) -> list[dict[str, str]]:
        prompt, mode = self.question.prompt, self.style.mode
        first, second = (case.a, case.b) if order == "ab" else (case.b, case.a)
        values = {
            **self.fixed,
            "fence": fence,
            "prompt": case.prompt,
            "answer_1": first,
            "answer_2": second,
            "reference": case.reference,
        }
        given = case.reference and "reference" in prompt.sections
        values["reference_part"] = prompt.filled("reference", values) if given else ""
        if mode != "menu":
            task = prompt.filled(mode, values)
            think = self.question.reasoning and mode != "choice"
            values["task"] = f"{prompt.filled('reasoning', values)}\n{task}" if think else task
        roles = [role for role in ("system", "user") if role in prompt.sections]
        return [{"role": role, "content": prompt.filled(role, values)} for role in roles]


def _shape(question: Question) -> str:
    """The JSON object that is asked for, as an example."""
    scores = {each.name: {"1": 7, "2": 4} for each in question.criteria}
    reasoning = {"reasoning": "…"} if question.reasoning else {}
    return orjson.dumps({**reasoning, "scores": scores, "winner": "1"}).decode()


def _schema(question: Question) -> dict[str, object]:
    score = {"type": "integer", "minimum": LOWEST, "maximum": HIGHEST}
    scores = {each.name: _object({"1": score, "2": score}) for each in question.criteria}
    properties: dict[str, object] = {"reasoning": {"type": "string"}} if question.reasoning else {}
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
