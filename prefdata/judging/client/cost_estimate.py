"""What a run would cost, before it costs anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from prefdata.judging.client.journal import Journal
from prefdata.judging.client.prices import Price
from prefdata.judging.client.runner import CHUNK, chunked
from prefdata.judging.prompting.reply import Usage
from prefdata.judging.prompting.request import JudgeRequest, Mode, RequestBuilder
from prefdata.judging.prompting.tokens import tokens_of

VERDICT_TOKENS: dict[Mode, int] = {"line": 20, "menu": 5, "choice": 1}
"""Tokens of a reply that is not JSON."""

REASONING_TOKENS = 200
"""Tokens of a comparison in words."""

SPREAD = 0.15
"""How far the tokens of prompts may be from their estimate, either way, until some are measured."""

MEASURED_SPREAD = 0.05
"""The same, once they are."""


@dataclass
class CostEstimate:
    """What asking one judge would come to.

    Attributes:
        judge: the model.
        calls: requests to be sent.
        in_journal: requests that the journal has replies to.
        prompt_tokens: tokens of the requests.
        completion_tokens: tokens of the replies.
        max_completion_tokens: tokens of the replies if each were as long as it may be.
        is_measured: whether tokens of this judge's earlier calls were at hand to go by.
        price: dollars per million tokens; None if that is not known.
        example: the first request that would be sent, or would have been.
    """

    judge: str
    calls: int = 0
    in_journal: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    max_completion_tokens: int = 0
    is_measured: bool = False
    price: Price | None = None
    example: dict[str, object] = field(default_factory=dict)

    def dollars(self, *, batch: bool = False) -> tuple[float, float, float] | None:
        """Low, expected and high; None where the price is not known.

        Example:
            >>> CostEstimate("x", 1, prompt_tokens=1_000_000, price=Price(1.0, 2.0, 1.0)).dollars()
            (0.85, 1.0, 1.15)
        """
        if self.price is None:
            return None
        spread = MEASURED_SPREAD if self.is_measured else SPREAD
        cases = (
            (1 - spread, self.completion_tokens * (1 - spread)),
            (1.0, self.completion_tokens),
            (1 + spread, max(self.max_completion_tokens, self.completion_tokens)),
        )
        low, middle, high = (
            self.price.of(Usage(round(self.prompt_tokens * share), round(tokens)), batch=batch)
            for share, tokens in cases
        )
        return low, middle, high


def estimate(
    requests: Iterable[JudgeRequest],
    builder: RequestBuilder,
    judge: str,
    journal: Journal,
    price: Price | None,
) -> CostEstimate:
    """Add up what asking one judge would come to.

    Args:
        requests: everything that is to be asked.
        builder: how requests are written.
        judge: the judge in the journal.
        journal: knows what was asked already, and how long requests and replies were.
        price: dollars per million tokens.
    """
    ratio, length = journal.token_ratio(judge), journal.reply_tokens(judge)
    total = CostEstimate(builder.model, price=price, is_measured=ratio is not None)
    tokens = 0
    for part in chunked(requests, CHUNK):
        by_key = {builder.key(request): request for request in part}
        answered = journal.attempts(list(by_key))
        total.in_journal += len(answered)
        for key, request in by_key.items():
            if key in answered and total.example:
                continue
            chat = builder.build(request)
            total.example = total.example or chat.body
            if key not in answered:
                total.calls += 1
                tokens += chat.tokens
    total.prompt_tokens = round(tokens * (ratio or 1.0))
    total.completion_tokens = round(total.calls * (length or expected_tokens(builder)))
    total.max_completion_tokens = total.calls * builder.prompt.max_tokens
    return total


def expected_tokens(builder: RequestBuilder) -> float:
    """The tokens of a reply, before any was seen."""
    mode, prompt = builder.capabilities.mode, builder.prompt
    verdict = VERDICT_TOKENS.get(mode) or round(1.3 * tokens_of(builder.shape))
    thinks = prompt.reasoning and mode not in ("menu", "choice")
    return verdict + (REASONING_TOKENS if thinks else 0)
