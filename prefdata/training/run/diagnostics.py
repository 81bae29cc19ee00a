"""What the curves say in plain words: when a run has to stop, and what a reader should know."""

from __future__ import annotations

import math
from collections.abc import Mapping

from prefdata.errors import TrainingError

Logs = Mapping[str, float]

BLOWN_UP = 4.0
"""A loss so many times that of the start, several times in a row, is not coming back."""
PATIENCE = 3
FELL = 1.0
"""Nats times beta by which the reward of chosen answers has to fall before it is worth a word."""
WIDE_MARGIN = 20.0
FAR = 50.0
"""Nats of KL, as KTO estimates it."""
FAR_ON_DATA = 150.0
"""Nats of drift on the answers of the data, which are seen in training and move further."""
STUCK = 1e-3


class Adviser:
    """Reads the logs one after the other; stops a run that is lost, and explains what it sees.

    Each explanation is given once.

    Args:
        learning_rate: of the run, for the advice.

    Example:
        >>> adviser = Adviser(1e-6)
        >>> adviser.read({"loss": 0.69, "rewards/chosen": 0.0, "rewards/rejected": 0.0})
        []
    """

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.first: float | None = None
        self.start: list[float] | None = None
        self.over = 0
        self.logs = 0
        self.told: set[str] = set()

    def read(self, logs: Logs) -> list[str]:
        """What there is to say about one training log.

        Args:
            logs: as the trainer gives them, with ``loss``.

        Raises:
            TrainingError: the loss is not a number, or the run has diverged.
        """
        loss = logs.get("loss")
        if loss is None:
            return []
        self.logs += 1
        self._stop_if_lost(loss, logs)
        found = {
            "displaced": self._displaced(logs),
            "wide": self._wide(logs),
            "far": self._far(logs),
            "stuck": self._stuck(loss),
        }
        new = [line for name, line in found.items() if line and name not in self.told]
        self.told |= {name for name, line in found.items() if line}
        return new

    def _stop_if_lost(self, loss: float, logs: Logs) -> None:
        slower = f"Use a lower rate than --lr {self.learning_rate:g}, a higher beta, or a smaller "
        hint = f"{slower}max_grad_norm; a longer warm-up helps as well."
        if not math.isfinite(loss) or not math.isfinite(logs.get("grad_norm", 0.0)):
            what = "loss" if not math.isfinite(loss) else "gradient"
            raise TrainingError(f"the {what} is not a number any more", hint=hint)
        self.first = loss if self.first is None else self.first
        self.over = self.over + 1 if loss > BLOWN_UP * max(abs(self.first), STUCK) else 0
        if self.over >= PATIENCE:
            raise TrainingError(
                f"training diverged: the loss is {loss:.3g} and was {self.first:.3g}", hint=hint
            )

    def _displaced(self, logs: Logs) -> str:
        sides = [logs.get(f"rewards/{side}", 0.0) for side in ("chosen", "rejected")]
        self.start = self.start or sides
        chosen, rejected = (now - then for now, then in zip(sides, self.start, strict=True))
        if not (chosen < -FELL and rejected < chosen):
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
        if self.logs < 2 * PATIENCE or self.first is None or abs(loss - self.first) > STUCK:
            return ""
        return (
            f"the loss is where it started ({loss:.4f}): the rate may be too low, or the answers "
            "of a pair too much alike"
        )
