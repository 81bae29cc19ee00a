"""What a run reports before, after and meanwhile: the loss by TRL, the rest per example."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from prefdata.training.config.losses import beta_of
from prefdata.training.config.plan import Plan
from prefdata.training.data.dataset_views import COMPLETIONS
from prefdata.training.data.tokenize import encode

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer

Values = list[list[float]]
"""Per row, one number per completion."""


class Meter:
    """Measures the trainer's model on rows; each row by itself, whatever the batch size.

    The numbers of the reference are taken once, from the reference model where there is one of its
    own, and else from the model as it starts.

    Args:
        trainer: TRL's.
        rows: the view of the split that is measured.
        tokenizer: of the model.
        plan: of the run.
    """

    def __init__(
        self, trainer: Trainer, rows: Dataset, tokenizer: PreTrainedTokenizerBase, plan: Plan
    ) -> None:
        self.trainer, self.rows, self.tokenizer, self.plan = trainer, rows, tokenizer, plan
        self.reference: Values | None = None

    def take_reference(self, values: Values | None = None) -> None:
        """Take the reference's numbers, or those that were taken before."""
        own = getattr(self.trainer, "ref_model", None) if self.plan.recipe.reference else None
        self.reference = values or self._values(own)

    def metrics(self) -> dict[str, float]:
        """The loss by TRL, then rewards per example."""
        return {"loss": float(self.trainer.evaluate()["eval_loss"])} | self.rewards()

    def rewards(self) -> dict[str, float]:
        """Accuracy and margin of the rewards, per example; equal rewards count one half."""
        method = self.plan.method
        if method.measure == "loss":
            return {}
        rewards = self._rewards(self._values())
        if "label" in self.rows.column_names:
            labels = list(self.rows["label"])
            good = [r[0] for r, label in zip(rewards, labels, strict=True) if label]
            bad = [r[0] for r, label in zip(rewards, labels, strict=True) if not label]
            return {"rewards/margins": _mean(good) - _mean(bad)}
        margins = [chosen - rejected for chosen, rejected in rewards]
        wins = [1.0 if margin > 0 else 0.5 if margin == 0 else 0.0 for margin in margins]
        return {"rewards/accuracies": _mean(wins), "rewards/margins": _mean(margins)}

    def _rewards(self, values: Values) -> Values:
        if self.plan.method.measure == "reward":
            return values
        beta = beta_of(self.plan.recipe.options)
        if self.plan.method.measure != "implicit":
            return [[beta * value for value in row] for row in values]
        return [
            [beta * (new - old) for new, old in zip(row, base, strict=True)]
            for row, base in zip(values, self.reference or [], strict=True)
        ]

    def _values(self, model: torch.nn.Module | None = None) -> Values:
        """Per row and completion: the reward model's score, or the log-probability."""
        from prefdata.training.evaluation.logprobs import score

        model = self.trainer.accelerator.unwrap_model(model or self.trainer.model)
        was_training = model.training
        model.eval()
        sides = COMPLETIONS[self.plan.method.views[self.plan.dataset.kind]]
        encoded = (encode(row, sides, self.tokenizer) for row in self.rows)
        try:
            if self.plan.method.measure == "reward":
                return [_scalars(model, row.prompt, row.completions) for row in encoded]
            mean = self.plan.method.measure == "mean_likelihood"
            scored = score(
                encoded,
                model,
                max_length=self.plan.recipe.max_length,
                batch_size=self.plan.recipe.batch_size,
            )
            return [[s.logp / (s.tokens if mean else 1) for s in row] for row in scored]
        finally:
            model.train(was_training)


def _scalars(
    model: torch.nn.Module, prompt: Sequence[int], completions: Sequence[Sequence[int]]
) -> list[float]:
    """What a reward model gives each completion."""
    import torch

    device = next(model.parameters()).device
    with torch.no_grad():
        return [
            model(input_ids=torch.tensor([[*prompt, *ids]], device=device)).logits.item()
            for ids in completions
        ]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else math.nan
