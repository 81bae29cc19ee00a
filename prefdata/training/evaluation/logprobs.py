"""Scores of completions by a language model or a reward model, the same for any batch size."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from prefdata.training.config.methods import Measure
from prefdata.training.data.tokenize import EncodedRow

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class CompletionScore:
    """What a model, and a reference where there is one, give one completion.

    Args:
        tokens: how many tokens of the completion are left after truncation.
        logp: log-probability of the completion under the model, in nats, summed over its tokens;
            None for a reward model.
        reference_logp: the same under the reference; None where there is none.
        kl: the model's divergence from the reference at the completion's tokens, summed, in nats.
        output: what a reward model gives the completion; None for a language model.
    """

    tokens: int
    logp: float | None = None
    reference_logp: float | None = None
    kl: float | None = None
    output: float | None = None

    def reward(self, measure: Measure, beta: float) -> float | None:
        """The reward of the completion, by what the training method compares.

        The implicit reward is that of DPO (arXiv 2305.18290, eq. 5, without the partition term).

        Args:
            measure: ``implicit``, ``likelihood``, ``mean_likelihood`` or ``reward``.
            beta: the scale of all but ``reward``.

        Returns:
            None where the score lacks what the measure needs, such as a reference.

        Example:
            >>> CompletionScore(tokens=4, logp=-2.0, reference_logp=-3.0).reward("implicit", 0.1)
            0.1
        """
        if measure == "reward" or self.logp is None:
            return self.output
        if measure == "likelihood":
            return beta * self.logp
        if measure == "mean_likelihood":
            return beta * (self.logp / self.tokens)
        return None if self.reference_logp is None else beta * (self.logp - self.reference_logp)


class _Sequence(NamedTuple):
    """A prompt and a completion, truncated.

    Args:
        ids: of both.
        start: position of the completion's first token.
    """

    ids: list[int]
    start: int


def score_rows(
    rows: Iterable[EncodedRow],
    model: torch.nn.Module,
    *,
    reference: torch.nn.Module | None = None,
    reward_model: bool = False,
    max_length: int,
    batch_size: int = 8,
) -> Iterator[list[CompletionScore]]:
    """Score each completion of each row; padding never reaches a score.

    Args:
        rows: token ids, as `prefdata.training.data.tokenize.encode` makes them.
        model: the model to evaluate, in evaluation mode.
        reference: the model that it started from, in evaluation mode.
        reward_model: whether the model is a sequence classifier with one output.
        max_length: tokens of prompt and completion together; what is beyond is not scored.
        batch_size: sequences per forward pass.

    Yields:
        One list per row, with one score per completion.

    Example:
        >>> list(score_rows([], model=None, max_length=1024))
        []
    """
    unread = iter(rows)
    while group := list(islice(unread, batch_size)):
        sequences = [
            _Sequence((row.prompt + ids)[:max_length], max(1, min(len(row.prompt), max_length)))
            for row in group
            for ids in row.completions
        ]
        scores: list[CompletionScore] = []
        for first in range(0, len(sequences), batch_size):
            batch = sequences[first : first + batch_size]
            if reward_model:
                scores += _reward_model_scores(batch, model)
            else:
                scores += _language_model_scores(batch, model, reference)
        in_order = iter(scores)
        yield from (list(islice(in_order, len(row.completions))) for row in group)


def _reward_model_scores(
    sequences: Sequence[_Sequence], model: torch.nn.Module
) -> list[CompletionScore]:
    """Scores at the token where transformers, and with it TRL in training, takes the output.

    That is the last one that is not the model's pad token, so a model without one takes no batch.
    """
    import torch

    pad = model.config.get_text_config().pad_token_id
    if pad is None and len(sequences) > 1:
        return [score for one in sequences for score in _reward_model_scores([one], model)]
    device = next(model.parameters()).device
    input_ids, mask = _padded(sequences, device, pad=pad or 0)
    with torch.no_grad():
        outputs = model(input_ids=input_ids, attention_mask=mask).logits[:, 0].tolist()
    return [
        CompletionScore(tokens=len(ids) - start, output=output)
        for (ids, start), output in zip(sequences, outputs, strict=True)
    ]


def _language_model_scores(
    sequences: Sequence[_Sequence], model: torch.nn.Module, reference: torch.nn.Module | None
) -> list[CompletionScore]:
    import torch

    input_ids, mask = _padded(sequences, next(model.parameters()).device)
    # Position p predicts token p + 1, so a completion from `start` on is read one place earlier,
    # and what stands before the first such place needs no logits.
    skipped = min(start for _, start in sequences) - 1
    with torch.no_grad():
        logits = _logits(model, input_ids, mask, skipped)
        other = None if reference is None else _logits(reference, input_ids, mask, skipped)
    return [
        _completion_score(
            logits[line, start - 1 - skipped : len(ids) - 1 - skipped],
            None if other is None else other[line, start - 1 - skipped : len(ids) - 1 - skipped],
            input_ids[line, start : len(ids)],
        )
        for line, (ids, start) in enumerate(sequences)
    ]


def _padded(
    sequences: Sequence[_Sequence], device: torch.device, *, pad: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, (sequences, longest), padded on the right."""
    import torch

    width = max(len(ids) for ids, _ in sequences)
    input_ids = torch.full((len(sequences), width), pad, dtype=torch.long, device=device)
    mask = torch.zeros_like(input_ids)
    for line, (ids, _) in enumerate(sequences):
        input_ids[line, : len(ids)] = torch.tensor(ids, device=device)
        mask[line, : len(ids)] = 1
    return input_ids, mask


def _logits(
    model: torch.nn.Module, input_ids: torch.Tensor, mask: torch.Tensor, skipped: int
) -> torch.Tensor:
    """The logits from position `skipped` on: the head costs most, and prompts do not need it."""
    device = next(model.parameters()).device
    inputs = {"input_ids": input_ids.to(device), "attention_mask": mask.to(device)}
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        return model(**inputs, use_cache=False).logits[:, skipped:].to(input_ids.device)
    count = input_ids.shape[1] - skipped
    return model(**inputs, use_cache=False, logits_to_keep=count).logits.to(input_ids.device)


LOGITS_IN_DOUBLE = 1 << 22
"""Logits that are in double precision at a time: 32 MiB."""


def _completion_score(
    logits: torch.Tensor, reference: torch.Tensor | None, targets: torch.Tensor
) -> CompletionScore:
    """Score one completion from its logits, (tokens, vocabulary), and its token ids, (tokens,)."""
    step = max(1, LOGITS_IN_DOUBLE // logits.shape[-1])
    logp = reference_logp = kl = 0.0
    for first in range(0, len(targets), step):
        part = slice(first, first + step)
        ids = targets[part, None]
        logps = logits[part].double().log_softmax(-1)
        logp += logps.gather(1, ids).sum().item()
        if reference is not None:
            reference_logps = reference[part].double().log_softmax(-1)
            reference_logp += reference_logps.gather(1, ids).sum().item()
            kl += (logps.exp() * (logps - reference_logps)).sum().item()
    if reference is None:
        return CompletionScore(len(targets), logp)
    return CompletionScore(len(targets), logp, reference_logp, kl)
