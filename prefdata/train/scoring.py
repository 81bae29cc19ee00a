"""Log-probabilities of completions, one number per completion, the same for any batch size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from prefdata.train.preflight import Encoded

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


def score(
    rows: Iterable[Encoded],
    model: torch.nn.Module,
    *,
    reference: torch.nn.Module | None = None,
    max_length: int,
    batch_size: int = 8,
) -> Iterator[list[Score]]:
    """Score each completion of each row; padding never reaches a score.

    Args:
        rows: token ids, as `prefdata.train.preflight.encode` makes them.
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
    pending = iter(rows)
    while group := list(islice(pending, batch_size)):
        sequences = [
            ((row.prompt + ids)[:max_length], min(len(row.prompt), max_length))
            for row in group
            for ids in row.completions
        ]
        scores: list[Score] = []
        for at in range(0, len(sequences), batch_size):
            scores += _score_batch(sequences[at : at + batch_size], model, reference)
        ready = iter(scores)
        yield from (list(islice(ready, len(row.completions))) for row in group)


def _score_batch(
    sequences: Sequence[tuple[list[int], int]],
    model: torch.nn.Module,
    reference: torch.nn.Module | None,
) -> list[Score]:
    import torch

    device = next(model.parameters()).device
    width = max(len(ids) for ids, _ in sequences)
    input_ids = torch.zeros((len(sequences), width), dtype=torch.long, device=device)
    mask = torch.zeros_like(input_ids)
    for line, (ids, _) in enumerate(sequences):
        input_ids[line, : len(ids)] = torch.tensor(ids, device=device)
        mask[line, : len(ids)] = 1
    with torch.no_grad():
        logits = model(input_ids=input_ids, attention_mask=mask, use_cache=False).logits
        other = None
        if reference is not None:
            there = next(reference.parameters()).device
            other = reference(
                input_ids=input_ids.to(there), attention_mask=mask.to(there), use_cache=False
            ).logits.to(device)
    # Position p predicts token p + 1, so a completion from `start` on is read one place earlier.
    return [
        _score_one(
            logits[line, start - 1 : len(ids) - 1],
            None if other is None else other[line, start - 1 : len(ids) - 1],
            input_ids[line, start : len(ids)],
        )
        for line, (ids, start) in enumerate(sequences)
    ]


def _score_one(
    logits: torch.Tensor, reference: torch.Tensor | None, targets: torch.Tensor
) -> Score:
    """Score one completion from its logits, (tokens, vocabulary), and its token ids, (tokens,)."""
    logps = logits.float().log_softmax(-1)
    logp = logps.gather(1, targets[:, None]).sum().item()
    if reference is None:
        return Score(logp, tokens=len(targets))
    others = reference.float().log_softmax(-1)
    return Score(
        logp,
        reference=others.gather(1, targets[:, None]).sum().item(),
        kl=(logps.exp() * (logps - others)).sum().item(),
        tokens=len(targets),
    )
