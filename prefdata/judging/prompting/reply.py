"""What a judge replied, and what verdict, if any, is in it.

A reply that cannot be read for certain is no verdict, with the cause. Nothing is guessed, and
nothing is read from text that the judge only quotes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast

from prefdata.judging.prompting.request import HIGHEST, LOWEST, MENU, Case, Question

Slot = Literal["first", "second", "tie"]

EMPTY = "the reply is empty"
CUT = "the reply was cut off by its length limit"
REFUSED = "the judge refused"
FILTERED = "the provider filtered the reply"
NOT_JSON = "the reply is not one JSON object"
WRONG_SHAPE = "the reply has the wrong shape"
OFF_MENU = "the verdict is not one of those on offer"
BOTH = "the reply names both answers"
NO_LINE = "the last line holds no verdict"
QUOTED = "the verdict stands in the material itself"

WORTH_ANOTHER_TRY = frozenset({EMPTY, NOT_JSON, WRONG_SHAPE, OFF_MENU, BOTH, NO_LINE, QUOTED})
"""Causes that another try may cure; a refusal, a filter and a limit stay as they are."""

LINE = re.compile(r"\W*Verdict\W+(?P<fence>\w+)\W(?P<verdict>.*)", re.IGNORECASE)
"""The line that a judge is asked to end with; whether the fence is the right one is seen later."""

ONE_WORD = re.compile(r"\W*(\w+)\W*")

SENTINEL = -9999.0
"""What some servers send for a log-probability that they do not know."""


class Usage(NamedTuple):
    """Tokens of a call; the prompt's hold the cached ones, the completion's the reasoning ones."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


class Reply(NamedTuple):
    """A reply that was paid for, as the journal keeps it.

    Attributes:
        text: the content, word for word.
        refusal: what the judge said when it refused.
        finish: why it ended, in the server's words.
        model: the model that answered, in the server's words.
        fingerprint: the server's mark of the model's configuration.
        margin: log-probability of the first answer less that of the second, where known.
        usage: the tokens.
        known: whether the server said how many tokens it used.
    """

    text: str
    refusal: str = ""
    finish: str = "stop"
    model: str = ""
    fingerprint: str = ""
    margin: float | None = None
    usage: Usage = Usage()
    known: bool = False


class Reading(NamedTuple):
    """What a reply says.

    Attributes:
        winner: the slot that won, or a tie; None where there is no verdict.
        cause: why there is no verdict, or ``""``.
        scores: criterion to the scores of the first and the second answer.
        reasoning: the judge's words.
    """

    winner: Slot | None
    cause: str = ""
    scores: Mapping[str, tuple[float, float]] = {}
    reasoning: str = ""


def read(reply: Reply, mode: str, question: Question, case: Case, fence: str) -> Reading:
    """Read the verdict of a reply.

    Args:
        reply: what came back.
        mode: how the verdict was asked for.
        question: the criteria and the menu.
        case: what was shown, to tell a verdict from a quotation.
        fence: the fence of the request.

    Example:
        >>> shown = Case("", "2+2?", "4", "5")
        >>> read(Reply("Verdict QX7: 1"), "line", Question(), shown, "QX7").winner
        'first'
        >>> read(Reply("Verdict: 1"), "line", Question(), shown, "QX7").cause
        'the last line holds no verdict'
    """
    if reply.refusal:
        return Reading(None, REFUSED)
    if reply.finish == "content_filter":
        return Reading(None, FILTERED)
    if reply.finish == "length":
        return Reading(None, CUT)
    if not reply.text.strip():
        return Reading(None, EMPTY)
    if mode in ("schema", "json"):
        return _from_json(reply.text, question, case)
    if mode == "line":
        return _from_line(reply.text, fence)
    return _from_menu(reply.text, question.menu, case)


def _from_json(text: str, question: Question, case: Case) -> Reading:
    text = text.strip()
    if fenced := re.fullmatch(r"```(?:json)?\s*\n(.*)\n```", text, re.DOTALL):
        text = fenced[1].strip()
    try:
        said = DECODER.decode(text)
    except _TwiceError:
        return Reading(None, BOTH)
    except (ValueError, RecursionError):
        return Reading(None, NOT_JSON)
    if not isinstance(said, dict):
        return Reading(None, NOT_JSON)
    if any(text in shown for shown in (case.prompt, case.a, case.b, case.reference)):
        return Reading(None, QUOTED)
    winner, reasoning = said.get("winner"), said.get("reasoning", "")
    scores = _scores(said.get("scores"), [each.name for each in question.criteria])
    wanted = {"winner", "scores", *(("reasoning",) if question.reasoning else ())}
    if not wanted <= set(said) or scores is None or not isinstance(reasoning, str):
        return Reading(None, WRONG_SHAPE)
    slots = {word: slot for slot, word in MENU.items()}
    if not isinstance(winner, str) or winner not in slots:
        return Reading(None, OFF_MENU)
    return Reading(cast("Slot", slots[winner]), "", scores, reasoning.strip())


class _TwiceError(ValueError):
    """A key stands twice in an object."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _scores(said: object, names: Sequence[str]) -> dict[str, tuple[float, float]] | None:
    """The scores of both answers on every criterion, or None where one is missing or odd."""
    if not isinstance(said, dict) or set(said) != set(names):
        return None
    found = {}
    for name in names:
        both = said[name]
        if not isinstance(both, dict) or set(both) != {"1", "2"}:
            return None
        if not all(_is_score(value) for value in both.values()):
            return None
        found[name] = (float(both["1"]), float(both["2"]))
    return found


def _is_score(value: object) -> bool:
    return type(value) in (int, float) and LOWEST <= cast("float", value) <= HIGHEST


def _from_line(text: str, fence: str) -> Reading:
    """The verdict of the last line, which must carry the fence that no quoted text can know."""
    *before, last = [line.strip() for line in text.strip().splitlines()]
    line = LINE.fullmatch(last)
    if not line or line["fence"].upper() != fence:
        return Reading(None, NO_LINE)
    found = ONE_WORD.fullmatch(line["verdict"])
    if not found:
        both = {"1", "2"} <= set(re.findall(r"\b[12]\b", line["verdict"]))
        return Reading(None, BOTH if both else NO_LINE)
    slots = {word: slot for slot, word in MENU.items()}
    slot = slots.get(found[1].lower())
    reasoning = "\n".join(before).strip()
    if slot is None:
        return Reading(None, OFF_MENU)
    return Reading(cast("Slot", slot), "", {}, reasoning)


def _from_menu(text: str, menu: Mapping[str, str], case: Case) -> Reading:
    """The one word of the menu on the last line; a longer reply must not have it from an answer."""
    *before, last = [line.strip() for line in text.strip().splitlines()]
    found = [slot for slot, word in menu.items() if word and _holds(last, word)]
    if len(found) > 1:
        return Reading(None, BOTH)
    if not found:
        return Reading(None, OFF_MENU if not before else NO_LINE)
    if before and any(last in shown for shown in (case.prompt, case.a, case.b)):
        return Reading(None, QUOTED)
    return Reading(cast("Slot", found[0]), "", {}, "\n".join(before).strip())


def _holds(line: str, word: str) -> bool:
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
    words = {menu[slot]: slot for slot in ("first", "second")}
    for token in reversed(tokens):
        if _bare(token.get("token")) in (*words, menu.get("tie")):
            tops = cast("Sequence[Mapping[str, object]]", token.get("top_logprobs") or [token])
            sums = dict.fromkeys(("first", "second"), 0.0)
            known = [top for top in tops if _known(top.get("logprob"))]
            for top in known:
                if slot := words.get(_bare(top.get("token"))):
                    sums[slot] += math.exp(cast("float", top["logprob"]))
            if not known or not any(sums.values()):
                return None
            least = math.exp(min(cast("float", top["logprob"]) for top in known))
            first, second = (sums[slot] or least for slot in ("first", "second"))
            return math.log(first) - math.log(second)
    return None


def _bare(token: object) -> str:
    return token.strip().strip("\"'").strip() if isinstance(token, str) else ""


def _known(logprob: object) -> bool:
    return isinstance(logprob, int | float) and SENTINEL < logprob <= 0
