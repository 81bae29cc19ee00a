"""What a run would cost, before it costs anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from prefdata.judging.client.journal import Journal
from prefdata.judging.client.prices import Price
from prefdata.judging.client.runner import CHUNK, Ask, chunked
from prefdata.judging.prompting.reply import Usage
from prefdata.judging.prompting.request import Form, Mode
from prefdata.judging.prompting.tokens import tokens_of

VERDICT: dict[Mode, int] = {"line": 20, "menu": 5, "choice": 1}
"""Tokens of a reply that is not JSON."""

REASONING = 200
"""Tokens of a comparison in words."""

SPREAD = 0.15
"""How far the tokens of prompts may be from their estimate, either way, until some are measured."""

MEASURED_SPREAD = 0.05
"""The same, once they are."""


@dataclass
class Estimate:
    """What asking one judge would come to.

    Attributes:
        judge: the model.
        calls: requests to be sent.
        known: requests that the journal has replies to.
        prompt: tokens of the requests.
        completion: tokens of the replies.
        most: tokens of the replies if each were as long as it may be.
        measured: whether tokens of this judge's earlier calls were at hand to go by.
        price: dollars per million tokens; None if that is not known.
        example: the first request that would be sent, or would have been.
    """

    judge: str
    calls: int = 0
    known: int = 0
    prompt: int = 0
    completion: int = 0
    most: int = 0
    measured: bool = False
    price: Price | None = None
    example: dict[str, object] = field(default_factory=dict)

    def dollars(self, *, batch: bool = False) -> tuple[float, float, float] | None:
        """Low, expected and high; None where the price is not known.

        Example:
            >>> Estimate("x", 1, prompt=1_000_000, price=Price(1.0, 2.0, 1.0)).dollars()
            (0.85, 1.0, 1.15)
        """
        if self.price is None:
            return None
        spread = MEASURED_SPREAD if self.measured else SPREAD
        cases = (
            (1 - spread, self.completion * (1 - spread)),
            (1.0, self.completion),
            (1 + spread, max(self.most, self.completion)),
        )
        low, middle, high = (
            self.price.of(Usage(round(self.prompt * share), round(tokens)), batch=batch)
            for share, tokens in cases
        )
        return low, middle, high


def estimate(
    asks: Iterable[Ask], form: Form, lane: str, journal: Journal, price: Price | None
) -> Estimate:
    """Add up what asking one judge would come to.

    Args:
        asks: everything that is to be asked.
        form: how requests are written.
        lane: the judge in the journal.
        journal: knows what was asked already, and how long requests and replies were.
        price: dollars per million tokens.
    """
    ratio, length = journal.token_ratio(lane), journal.reply_tokens(lane)
    found = Estimate(form.model, price=price, measured=ratio is not None)
    thought = 0
    for part in chunked(asks, CHUNK):
        keys = {form.key(*ask): ask for ask in part}
        known = journal.standing(list(keys))
        found.known += len(known)
        for key, ask in keys.items():
            if key in known and found.example:
                continue
            made = form.request(*ask)
            found.example = found.example or made.body
            if key not in known:
                found.calls += 1
                thought += made.tokens
    found.prompt = round(thought * (ratio or 1.0))
    found.completion = round(found.calls * (length or expected(form)))
    found.most = found.calls * form.question.max_tokens
    return found


def expected(form: Form) -> float:
    """The tokens of a reply, before any was seen."""
    mode, question = form.style.mode, form.question
    verdict = VERDICT.get(mode) or round(1.3 * tokens_of(form.fixed["shape"]))
    thinks = question.reasoning and mode not in ("menu", "choice")
    return verdict + (REASONING if thinks else 0)
