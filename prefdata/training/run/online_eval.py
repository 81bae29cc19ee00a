"""Evaluation of the model inside a run: the loss by TRL, the rewards per example."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from prefdata.training.config.losses import beta_of
from prefdata.training.data.dataset_views import COMPLETIONS
from prefdata.training.evaluation.evaluator import Evaluator
from prefdata.training.evaluation.logprobs import CompletionScore
from prefdata.training.run.context import RunContext

if TYPE_CHECKING:
    import torch
    from transformers import Trainer


class OnlineEval:
    """Evaluates the trainer's model with the evaluator of `pref eval`.

    The reference is scored once, as the trained model may be the one that it started from: it is
    the reference model where the recipe names one, and else the model before training.

    Args:
        trainer: TRL's, before training.
        run: what it trains.
    """

    def __init__(self, trainer: Trainer, run: RunContext) -> None:
        self.trainer, self.run = trainer, run
        self.method, self.beta = run.plan.method, beta_of(run.plan.recipe.options)
        self.reference: list[list[CompletionScore]] = []
        if self.method.measure == "implicit":
            import_class = trainer.ref_model if run.plan.recipe.reference else None
            self.reference = self._scores(import_class or trainer.model)

    def metrics(self) -> dict[str, float]:
        """The loss by TRL, then the metrics of the rewards."""
        return {"loss": float(self.trainer.evaluate()["eval_loss"])} | self.reward_metrics()

    def reward_metrics(self) -> dict[str, float]:
        """Accuracy and margin of the rewards, per example; equal rewards count one half."""
        if self.method.measure == "loss":
            return {}
        rewards = self._rewards()
        if "label" in self.run.eval_rows.column_names:
            labels = list(self.run.eval_rows["label"])
            good = [r[0] for r, label in zip(rewards, labels, strict=True) if label]
            bad = [r[0] for r, label in zip(rewards, labels, strict=True) if not label]
            return {"rewards/margins": _mean(good) - _mean(bad)}
        margins = [chosen - rejected for chosen, rejected in rewards]
        wins = [1.0 if margin > 0 else 0.5 if margin == 0 else 0.0 for margin in margins]
        return {"rewards/accuracies": _mean(wins), "rewards/margins": _mean(margins)}

    def _rewards(self) -> list[list[float]]:
        """Per row, the reward of each completion."""
        scores = self._scores(self.trainer.model)
        if self.reference:
            scores = [
                [replace(new, reference_logp=old.logp) for new, old in zip(*both, strict=True)]
                for both in zip(scores, self.reference, strict=True)
            ]
        return [
            [score.reward(self.method.measure, self.beta) or 0.0 for score in row] for row in scores
        ]

    def _scores(self, model: torch.nn.Module) -> list[list[CompletionScore]]:
        """Per row, the score of each completion."""
        model = self.trainer.accelerator.unwrap_model(model)
        recipe, is_reward = self.run.plan.recipe, self.method.measure == "reward"
        evaluator = Evaluator(
            model=model,
            tokenizer=self.run.tokenizer,
            measure=self.method.measure,
            beta=self.beta,
            max_length=recipe.max_length,
            batch_size=1 if is_reward else recipe.batch_size,
        )
        sides = COMPLETIONS[self.method.views[self.run.plan.dataset.kind]]
        was_training = model.training
        model.eval()
        try:
            return list(evaluator.score(self.run.eval_rows, sides))
        finally:
            model.train(was_training)


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else math.nan
