"""What a judge replied, and the verdict in it.

A reply that cannot be read for certain is no verdict, with the cause. Nothing is guessed, and
nothing is read from text that the judge only quotes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from prefdata.judging.outcomes import (
    BOTH_ANSWERS,
    BY_SLOT,
    CUT,
    EMPTY,
    FILTERED,
    MENU,
    NO_LINE,
    NOT_JSON,
    OFF_MENU,
    QUOTED,
    REFUSED,
    WRONG_SHAPE,
    Outcome,
)
from prefdata.judging.prompting.request import (
    HIGHEST,
    LOWEST,
    JudgeInput,
    JudgePrompt,
    JudgeRequest,
    RequestBuilder,
)

LINE = re.compile(r"\W*Verdict\W+(?P<fence>\w+)\W(?P<verdict>.*)", re.IGNORECASE)
"""The line that a judge is asked to end with; whether the fence is the right one is seen later."""

ONE_WORD = re.compile(r"\W*(\w+)\W*")

OUTCOME_OF_WORD = {word: BY_SLOT[slot] for slot, word in MENU.items()}

SENTINEL = -9999.0
"""What some servers send for a log-probability that they do not know."""


class Usage(NamedTuple):
    """Tokens of a call; the prompt's hold the cached ones, the completion's the reasoning ones."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


class Completion(NamedTuple):
    """A chat completion that was paid for, as the journal keeps it.

    Attributes:
        text: the content, word for word.
        refusal: what the judge said when it refused.
        finish: why it ended, in the server's words.
        model: the model that answered, in the server's words.
        fingerprint: the server's mark of the model's configuration.
        margin: log-probability of the first answer less that of the second, where known.
        usage: the tokens.
        has_usage: whether the server said how many tokens it used.
    """

    text: str
    refusal: str = ""
    finish: str = "stop"
    model: str = ""
    fingerprint: str = ""
    margin: float | None = None
    usage: Usage = Usage()
    has_usage: bool = False


class JudgeVerdict(NamedTuple):
    """What one judge says of a comparison, in terms of its a and b: in one reply, or over all.

    Attributes:
        outcome: who won, or why there is no verdict.
        scores: criterion to the scores of a and b.
        margin: log-probability of a less that of b, where known.
        reasoning: the judge's words.
    """

    outcome: Outcome
    scores: Mapping[str, tuple[float, float]] = {}
    margin: float | None = None
    reasoning: str = ""


class JudgeReply(NamedTuple):
    """The reply to one request, with its verdict.

    Attributes:
        request: what was asked.
        verdict: what the reply says; why there is no verdict, where it says nothing.
        completion: what came back; None where there is none.
    """

    request: JudgeRequest
    verdict: JudgeVerdict
    completion: Completion | None = None


def parse_verdict(
    completion: Completion, request: JudgeRequest, builder: RequestBuilder
) -> JudgeVerdict:
    """Read the verdict of a completion.

    Args:
        completion: what came back.
        request: what was shown, to tell a verdict from a quotation, and in which order.
        builder: wrote the request; knows how the verdict was asked for.

    Example:
        >>> from prefdata.judging.prompting.request import EndpointCapabilities
        >>> line = EndpointCapabilities("line")
        >>> builder = RequestBuilder(JudgePrompt(), line, url="", model="judge")
        >>> request = JudgeRequest(JudgeInput("", "2+2?", "4", "5"), "ba")
        >>> text = f"Verdict {builder.fence(request)}: 1"
        >>> parse_verdict(Completion(text), request, builder).outcome.name
        'b'
        >>> parse_verdict(Completion("Verdict: 1"), request, builder).outcome.name
        'the last line holds no verdict'
    """
    verdict = _as_shown(completion, request, builder)._replace(margin=completion.margin)
    return verdict if request.order == "ab" else _swapped(verdict)


def _swapped(verdict: JudgeVerdict) -> JudgeVerdict:
    """The verdict for the answers in the other order."""
    return JudgeVerdict(
        verdict.outcome.swapped(),
        {name: (b, a) for name, (a, b) in verdict.scores.items()},
        None if verdict.margin is None else -verdict.margin,
        verdict.reasoning,
    )


def _as_shown(
    completion: Completion, request: JudgeRequest, builder: RequestBuilder
) -> JudgeVerdict:
    """The verdict as if the answer that was shown first were a."""
    if completion.refusal:
        return JudgeVerdict(REFUSED)
    if completion.finish == "content_filter":
        return JudgeVerdict(FILTERED)
    if completion.finish == "length":
        return JudgeVerdict(CUT)
    if not completion.text.strip():
        return JudgeVerdict(EMPTY)
    mode, prompt = builder.capabilities.mode, builder.prompt
    if mode in ("schema", "json"):
        return _from_json(completion.text, prompt, request.comparison)
    if mode == "line":
        return _from_line(completion.text, builder.fence(request))
    return _from_menu(completion.text, prompt.menu, request.comparison)


def _from_json(text: str, prompt: JudgePrompt, comparison: JudgeInput) -> JudgeVerdict:
    text = text.strip()
    if fenced := re.fullmatch(r"```(?:json)?\s*\n(.*)\n```", text, re.DOTALL):
        text = fenced[1].strip()
    try:
        body = DECODER.decode(text)
    except _TwiceError:
        return JudgeVerdict(BOTH_ANSWERS)
    except (ValueError, RecursionError):
        return JudgeVerdict(NOT_JSON)
    if not isinstance(body, dict):
        return JudgeVerdict(NOT_JSON)
    if any(text in material for material in comparison[1:]):
        return JudgeVerdict(QUOTED)
    winner, reasoning = body.get("winner"), body.get("reasoning", "")
    scores = _scores(body.get("scores"), [each.name for each in prompt.criteria])
    keys = {"winner", "scores", *(("reasoning",) if prompt.reasoning else ())}
    if not keys <= set(body) or scores is None or not isinstance(reasoning, str):
        return JudgeVerdict(WRONG_SHAPE)
    if not isinstance(winner, str) or winner not in OUTCOME_OF_WORD:
        return JudgeVerdict(OFF_MENU)
    return JudgeVerdict(OUTCOME_OF_WORD[winner], scores, reasoning=reasoning.strip())


class _TwiceError(ValueError):
    """A key stands twice in an object."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _TwiceError
    return values


DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _scores(value: object, names: Sequence[str]) -> dict[str, tuple[float, float]] | None:
    """The scores of both answers on every criterion, or None where one is missing or odd."""
    if not isinstance(value, dict) or set(value) != set(names):
        return None
    scores = {}
    for name in names:
        both = value[name]
        if not isinstance(both, dict) or set(both) != {"1", "2"}:
            return None
        if not all(_is_score(score) for score in both.values()):
            return None
        scores[name] = (float(both["1"]), float(both["2"]))
    return scores


def _is_score(value: object) -> bool:
    return type(value) in (int, float) and LOWEST <= cast("float", value) <= HIGHEST


def _from_line(text: str, fence: str) -> JudgeVerdict:
    """The verdict of the last line, which must carry the fence that no quoted text can know."""
    *before, last = [line.strip() for line in text.strip().splitlines()]
    line = LINE.fullmatch(last)
    if not line or line["fence"].upper() != fence:
        return JudgeVerdict(NO_LINE)
    word = ONE_WORD.fullmatch(line["verdict"])
    if not word:
        both = {"1", "2"} <= set(re.findall(r"\b[12]\b", line["verdict"]))
        return JudgeVerdict(BOTH_ANSWERS if both else NO_LINE)
    outcome = OUTCOME_OF_WORD.get(word[1].lower())
    if outcome is None:
        return JudgeVerdict(OFF_MENU)
    return JudgeVerdict(outcome, reasoning="\n".join(before).strip())


def _from_menu(text: str, menu: Mapping[str, str], comparison: JudgeInput) -> JudgeVerdict:
    """The one word of the menu on the last line; a longer reply must not have it from an answer."""
    *before, last = [line.strip() for line in text.strip().splitlines()]
    slots = [slot for slot, word in menu.items() if word and _contains_word(last, word)]
    if len(slots) > 1:
        return JudgeVerdict(BOTH_ANSWERS)
    if not slots:
        return JudgeVerdict(NO_LINE if before else OFF_MENU)
    if before and any(last in text for text in (comparison.prompt, comparison.a, comparison.b)):
        return JudgeVerdict(QUOTED)
    return JudgeVerdict(BY_SLOT[slots[0]], reasoning="\n".join(before).strip())


def _contains_word(line: str, word: str) -> bool:
    """Whether a line holds a word that is not part of a longer one."""
    start = r"(?<!\w)" if word[0].isalnum() else ""
    end = r"(?!\w)" if word[-1].isalnum() else ""
    return re.search(start + re.escape(word) + end, line, re.IGNORECASE) is not None


def margin_of(tokens: Sequence[Mapping[str, object]], menu: Mapping[str, str]) -> float | None:
    """How much likelier the first answer was than the second, as a difference of log-probabilities.

    Looks at the last token that is one of the menu's words, where the verdict stands.

    Args:
        tokens: ``token``, ``logprob`` and ``top_logprobs`` of each token, as servers give them.
        menu: the words for first and second.

    Example:
        >>> top = [{"token": "1", "logprob": -0.1}, {"token": "2", "logprob": -2.4}]
        >>> round(margin_of([{"token": "1", "logprob": -0.1, "top_logprobs": top}], MENU), 1)
        2.3
    """
    slots = {menu[slot]: slot for slot in ("first", "second")}
    for token in reversed(tokens):
        if _bare(token.get("token")) in menu.values():
            tops = cast("Sequence[Mapping[str, object]]", token.get("top_logprobs") or [token])
            sums = dict.fromkeys(("first", "second"), 0.0)
            likely = [top for top in tops if _is_logprob(top.get("logprob"))]
            for top in likely:
                if slot := slots.get(_bare(top.get("token"))):
                    sums[slot] += math.exp(cast("float", top["logprob"]))
            if not likely or not any(sums.values()):
                return None
            least = math.exp(min(cast("float", top["logprob"]) for top in likely))
            first, second = (sums[slot] or least for slot in ("first", "second"))
            return math.log(first) - math.log(second)
    return None


def _bare(token: object) -> str:
    return token.strip().strip("\"'").strip() if isinstance(token, str) else ""


def _is_logprob(logprob: object) -> bool:
    return isinstance(logprob, int | float) and SENTINEL < logprob <= 0
