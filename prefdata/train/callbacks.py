"""What watches a run: the guard of its first step, and the progress lines."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from prefdata.errors import TrainingError

TOLERANCE = 1e-3
SECONDS_BETWEEN_LINES = 3.0


def check_start(
    logs: Mapping[str, float], start_loss: float | None, *, dropouts: Mapping[str, float]
) -> None:
    """Raise unless the first step shows a model that equals its reference.

    The first loss is measured before the first update, in the very mode that trains, so it has to
    be the loss at zero margin. Where it is not, the reference is another model, or the model is
    not deterministic, and every reward that follows would be wrong.

    Args:
        logs: what the trainer logged for step 1.
        start_loss: what the loss must be; None where the method does not fix it.
        dropouts: rates of dropout in the model's config that are not zero.

    Raises:
        TrainingError: with the diagnosis.

    Example:
        >>> check_start({"loss": 0.69315, "rewards/margins": 0.0}, 0.693147, dropouts={})
    """
    loss, margin = logs.get("loss", math.nan), logs.get("rewards/margins", 0.0)
    off = start_loss is not None and not abs(loss - start_loss) <= TOLERANCE
    if not off and abs(margin) <= TOLERANCE:
        return
    expected = "" if start_loss is None else f"loss {start_loss:.4f} and "
    if dropouts:
        named = ", ".join(f"{name}: {rate}" for name, rate in dropouts.items())
        hint = f"The model drops out at random ({named}): set that to 0 in its config.json."
    elif not math.isfinite(loss):
        hint = "The loss is not a number: check the model's weights and dtype."
    else:
        hint = (
            "The reference is not the model that training starts from: start from the saved model "
            "itself, not from a checkpoint or an adapter that does not start as identity."
        )
    raise TrainingError(
        f"step 1 shows loss {loss:.4f} and margin {margin:.4f}, expected {expected}margin 0: "
        "the model does not start equal to its reference",
        hint=hint,
    )


class StartGuard(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Stops a run whose first step shows that the reference is not the starting model."""

    def __init__(self, start_loss: float | None, *, dropouts: Mapping[str, float]) -> None:
        self.start_loss = start_loss
        self.dropouts = dropouts

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_kwargs: object,
    ) -> None:
        """Check the first training log."""
        if logs and state.global_step == 1 and "loss" in logs:
            check_start(logs, self.start_loss, dropouts=self.dropouts)


class ProgressLines(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """A line every few seconds, and at least one per fifth of the run."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.began = self.said = time.monotonic()

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_kwargs: object,
    ) -> None:
        """Say how far the run is."""
        now, fifth = time.monotonic(), max(state.max_steps // 5, 1)
        due = state.global_step == 1 or state.global_step % fifth == 0
        if not logs or "loss" not in logs or not (due or now - self.said >= SECONDS_BETWEEN_LINES):
            return
        self.said = now
        shown = [f"step {state.global_step}/{state.max_steps}", f"loss {logs['loss']:.3f}"]
        rewards = [key for key in ("rewards/accuracies", "rewards/margins") if key in logs]
        shown += [f"{key} {logs[key]:.3f}" for key in rewards]
        self.say("  ".join([*shown, f"{now - self.began:.0f} s"]))
