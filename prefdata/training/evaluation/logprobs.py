"""Log-probabilities of completions, one number per completion, the same for any batch size."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from prefdata.training.data.tokenize import EncodedRow

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Score:
    """What a model, and a reference where there is one, make of one completion.

    Args:
        logp: log-probability of the completion under the model, in nats, summed over its tokens.
        reference: the same under the reference; None where there is none.
        kl: the model's divergence from the reference at the completion's tokens, summed, in nats.
        tokens: how many tokens the completion has after cutting.
    """

    logp: float
    reference: float | None = None
    kl: float | None = None
    tokens: int = 0

    def reward(self, beta: float) -> float:
        """The implicit reward of DPO (arXiv 2305.18290, eq. 5, without the partition term).

        Example:
            >>> Score(logp=-2.0, reference=-3.0).reward(0.1)
            0.1
        """
        return beta * (self.logp - (0.0 if self.reference is None else self.reference))


Placed = tuple[list[int], int]
"""Token ids, and where the completion starts in them."""

Scored = TypeVar("Scored")


def score(
    rows: Iterable[EncodedRow],
    model: torch.nn.Module,
    *,
    reference: torch.nn.Module | None = None,
    max_length: int,
    batch_size: int = 8,
) -> Iterator[list[Score]]:
    """Score each completion of each row; padding never reaches a score.

    Args:
        rows: token ids, as `prefdata.training.data.preflight.encode` makes them.
        model: the model that is judged, in evaluation mode.
        reference: the model that it started from, in evaluation mode.
        max_length: tokens of prompt and completion together; what is beyond is not scored.
        batch_size: sequences per forward pass.

    Yields:
        One list per row, with one score per completion.

    Example:
        >>> next(score(rows, model, max_length=1024))[0].tokens  # doctest: +SKIP
        17
    """
    yield from _by_row(
        rows, lambda found: _score_batch(found, model, reference), max_length, batch_size
    )


def score_rewards(
    rows: Iterable[EncodedRow], model: torch.nn.Module, *, max_length: int, batch_size: int = 8
) -> Iterator[list[float]]:
    """What a reward model gives each completion of each row, padding left out of account.

    Args:
        rows: token ids, as `prefdata.training.data.preflight.encode` makes them.
        model: a sequence classifier with one output, in evaluation mode.
        max_length: tokens of prompt and completion together; what is beyond is not read.
        batch_size: sequences per forward pass.

    Yields:
        One list per row, with one number per completion.

    Example:
        >>> next(score_rewards(rows, model, max_length=1024))  # doctest: +SKIP
        [0.71, -0.2]
    """
    import torch

    def scored(sequences: Sequence[Placed]) -> list[float]:
        input_ids, mask = _padded(sequences, next(model.parameters()).device)
        ends = torch.tensor([len(ids) - 1 for ids, _ in sequences], device=input_ids.device)
        # The head is applied here, at the end of each text: transformers would look for the last
        # token that is no padding, and an end token that pads as well would be passed over.
        with torch.no_grad():
            if not hasattr(model, "score"):
                plain = model(input_ids=input_ids, attention_mask=mask).logits
                return [float(value) for value in plain[:, 0]]
            hidden = model.base_model(
                input_ids=input_ids, attention_mask=mask, use_cache=False
            ).last_hidden_state
            last = hidden[torch.arange(len(sequences), device=hidden.device), ends]
            return [float(value) for value in model.score(last)[:, 0]]

    yield from _by_row(rows, scored, max_length, batch_size)


def _by_row(
    rows: Iterable[EncodedRow],
    scored: Callable[[Sequence[Placed]], list[Scored]],
    max_length: int,
    batch_size: int,
) -> Iterator[list[Scored]]:
    """Score sequences in batches of at most `batch_size`, and give them back row by row."""
    pending = iter(rows)
    while group := list(islice(pending, batch_size)):
        sequences = [
            ((row.prompt + ids)[:max_length], max(1, min(len(row.prompt), max_length)))
            for row in group
            for ids in row.completions
        ]
        found: list[Scored] = []
        for at in range(0, len(sequences), batch_size):
            found += scored(sequences[at : at + batch_size])
        ready = iter(found)
        yield from (list(islice(ready, len(row.completions))) for row in group)


def _padded(sequences: Sequence[Placed], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, (sequences, longest), padded on the right."""
    import torch

    width = max(len(ids) for ids, _ in sequences)
    input_ids = torch.zeros((len(sequences), width), dtype=torch.long, device=device)
    mask = torch.zeros_like(input_ids)
    for line, (ids, _) in enumerate(sequences):
        input_ids[line, : len(ids)] = torch.tensor(ids, device=device)
        mask[line, : len(ids)] = 1
    return input_ids, mask


def _score_batch(
    sequences: Sequence[Placed], model: torch.nn.Module, reference: torch.nn.Module | None
) -> list[Score]:
    import torch

    device = next(model.parameters()).device
    input_ids, mask = _padded(sequences, device)
    # Position p predicts token p + 1, so a completion from `start` on is read one place earlier,
    # and what stands before the first such place needs no logits.
    skipped = min(start for _, start in sequences) - 1
    with torch.no_grad():
        logits = _logits(model, input_ids, mask, skipped)
        other = None if reference is None else _logits(reference, input_ids, mask, skipped)
    return [
        _score_one(
            logits[line, start - 1 - skipped : len(ids) - 1 - skipped],
            None if other is None else other[line, start - 1 - skipped : len(ids) - 1 - skipped],
            input_ids[line, start : len(ids)],
        )
        for line, (ids, start) in enumerate(sequences)
    ]


def _logits(
    model: torch.nn.Module, input_ids: torch.Tensor, mask: torch.Tensor, skipped: int
) -> torch.Tensor:
    """The logits from place `skipped` on: the head is what costs most, and prompts need none."""
    there = next(model.parameters()).device
    given = {"input_ids": input_ids.to(there), "attention_mask": mask.to(there)}
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        return model(**given, use_cache=False).logits[:, skipped:].to(input_ids.device)
    kept = input_ids.shape[1] - skipped
    return model(**given, use_cache=False, logits_to_keep=kept).logits.to(input_ids.device)


AT_ONCE = 1 << 22
"""Logits that are held in double precision at a time: 32 MiB."""


def _score_one(
    logits: torch.Tensor, reference: torch.Tensor | None, targets: torch.Tensor
) -> Score:
    """Score one completion from its logits, (tokens, vocabulary), and its token ids, (tokens,)."""
    step = max(1, AT_ONCE // logits.shape[-1])
    logp = there = kl = 0.0
    for at in range(0, len(targets), step):
        wanted = targets[at : at + step, None]
        logps = logits[at : at + step].double().log_softmax(-1)
        logp += logps.gather(1, wanted).sum().item()
        if reference is not None:
            others = reference[at : at + step].double().log_softmax(-1)
            there += others.gather(1, wanted).sum().item()
            kl += (logps.exp() * (logps - others)).sum().item()
    if reference is None:
        return Score(logp, tokens=len(targets))
    return Score(logp, reference=there, kl=kl, tokens=len(targets))
