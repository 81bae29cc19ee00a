"""Diagnoses of a run from its logs: when it has to stop, and what its user should know."""

from __future__ import annotations

import math
from collections.abc import Mapping

from prefdata.errors import TrainingError

Logs = Mapping[str, float]

DIVERGED = 4.0
"""A run has diverged when the loss is this many times that of the start, `PATIENCE` times in a
row."""
PATIENCE = 3
FALL = 1.0
"""Nats times beta by which the reward of chosen answers has to fall to be diagnosed."""
WIDE_MARGIN = 20.0
FAR = 50.0
"""Nats of KL, as KTO estimates it."""
FAR_ON_DATA = 150.0
"""Nats of drift on the answers of the data, which are seen in training and move further."""
STUCK = 1e-3


class Diagnostics:
    """Reads the logs of a run in order; stops a run that has diverged, and explains what it sees.

    Each diagnosis is given once.

    Args:
        learning_rate: of the run, for the hint.

    Example:
        >>> diagnostics = Diagnostics(1e-6)
        >>> diagnostics.check({"loss": 0.69, "rewards/chosen": 0.0, "rewards/rejected": 0.0})
        []
    """

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.first_loss: float | None = None
        self.first_rewards: list[float] | None = None
        self.logs_over = 0
        self.logs = 0
        self.diagnosed: set[str] = set()

    def check(self, logs: Logs) -> list[str]:
        """Diagnose one training log.

        Args:
            logs: of the trainer; those without ``loss`` are no training logs.

        Returns:
            The diagnoses that are new, a sentence each.

        Raises:
            TrainingError: the loss is not a number, or the run has diverged.
        """
        loss = logs.get("loss")
        if loss is None:
            return []
        self.logs += 1
        self._stop_if_diverged(loss, logs)
        diagnoses = {
            "displaced": self._displaced(logs),
            "wide": self._wide(logs),
            "far": self._far(logs),
            "stuck": self._stuck(loss),
        }
        new = {n: text for n, text in diagnoses.items() if text and n not in self.diagnosed}
        self.diagnosed |= new.keys()
        return list(new.values())

    def _stop_if_diverged(self, loss: float, logs: Logs) -> None:
        hint = (
            f"Use a lower rate than --lr {self.learning_rate:g}, a higher beta, or a smaller "
            "max_grad_norm; a longer warm-up helps as well."
        )
        if not math.isfinite(loss) or not math.isfinite(logs.get("grad_norm", 0.0)):
            name = "loss" if not math.isfinite(loss) else "gradient"
            raise TrainingError(f"the {name} is not a number any more", hint=hint)
        self.first_loss = loss if self.first_loss is None else self.first_loss
        over = loss > DIVERGED * max(abs(self.first_loss), STUCK)
        self.logs_over = self.logs_over + 1 if over else 0
        if self.logs_over >= PATIENCE:
            raise TrainingError(
                f"training diverged: the loss is {loss:.3g} and was {self.first_loss:.3g}",
                hint=hint,
            )

    def _displaced(self, logs: Logs) -> str:
        rewards = [logs.get(f"rewards/{side}", 0.0) for side in ("chosen", "rejected")]
        self.first_rewards = self.first_rewards or rewards
        changes = zip(rewards, self.first_rewards, strict=True)
        chosen, rejected = (now - first for now, first in changes)
        if not (chosen < -FALL and rejected < chosen):
            return ""
        return (
            f"chosen answers become less likely (their reward fell by {-chosen:.2f}), and rejected "
            f"ones still less (by {-rejected:.2f}): the margin grows while both fall. Common with "
            "DPO; if generations get worse, add the loss sft, as in train/rpo.yaml, or raise beta"
        )

    def _wide(self, logs: Logs) -> str:
        margin = logs.get("rewards/margins", 0.0)
        if margin <= WIDE_MARGIN:
            return ""
        return (
            f"the margin is {margin:.1f} and grows without end once pairs are told apart; it no "
            "longer says how good the model is: watch the evaluation, and stop early"
        )

    def _far(self, logs: Logs) -> str:
        kl, drift = logs.get("kl", 0.0), logs.get("drift", 0.0)
        if kl > FAR:
            return f"the model is {kl:.0f} nats from its reference: a higher beta keeps it closer"
        if drift > FAR_ON_DATA:
            return (
                f"the log-probabilities of the data's answers are {drift:.0f} nats from the "
                "reference's: a higher beta keeps them closer; pref eval measures the KL itself"
            )
        return ""

    def _stuck(self, loss: float) -> str:
        if self.logs < 2 * PATIENCE or abs(loss - (self.first_loss or 0.0)) > STUCK:
            return ""
        return (
            f"the loss is where it started ({loss:.4f}): the rate may be too low, or the answers "
            "of a pair too much alike"
        )
