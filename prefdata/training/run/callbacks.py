"""What watches a run from within the trainer: curves, advice, answers, and the way to stop it."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from prefdata.report.progress import Display, Say
from prefdata.training.model import distributed
from prefdata.training.run.diagnostics import Adviser
from prefdata.training.run.online_eval import Meter
from prefdata.training.run.samples import Samples, sample_figures, sample_notes


class Watch(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Shows each log, writes it down, and says what it means.

    Args:
        display: what the logs are shown on.
        adviser: what reads them.
        say: gets what the adviser has to say.
        curves: the file that gets one JSON object per log.
    """

    def __init__(self, display: Display, adviser: Adviser, say: Say, curves: Path) -> None:
        self.display, self.adviser, self.say, self.curves = display, adviser, say, curves

    def on_train_begin(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        **_kwargs: object,
    ) -> None:
        """Write what a resumed run has seen before."""
        if state.is_world_process_zero:
            lines = [json.dumps(entry) + "\n" for entry in state.log_history]
            self.curves.write_text("".join(lines), encoding="utf-8")

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_kwargs: object,
    ) -> None:
        """Show, write down, explain."""
        if not logs or not state.is_world_process_zero:
            return
        with self.curves.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps({**logs, "step": state.global_step}) + "\n")
        self.display.update(state.global_step, state.max_steps, logs)
        for line in self.adviser.read(logs):
            self.say(f"note: {line}")


class OwnAccuracy(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Puts our per-example accuracy beside TRL's averages of batch averages.

    Args:
        meter: of the rows that are evaluated.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def on_evaluate(
        self,
        _args: TrainingArguments,
        _state: TrainerState,
        _control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_kwargs: object,
    ) -> None:
        """Measure while training; what is measured before and after is not the callback's."""
        if metrics is None or not self.meter.trainer.is_in_train:
            return
        accuracy = self.meter.rewards().get("rewards/accuracies")
        if accuracy is not None:
            metrics["eval_accuracy"] = accuracy
            self.meter.trainer.log({"eval_accuracy": accuracy})


class Drift(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Adds to each log how far the answers of the data have drifted from the reference.

    ``drift`` is the mean of chosen and rejected of the distance, in nats, between the
    log-probabilities of policy and reference, from TRL's averages of the rewards, which are beta
    times the log ratio. It stands in for the KL, which is over the model's own answers and which
    `pref eval` measures; KTO's logs have an estimate of that, and get no drift.

    Args:
        beta: the scale of the rewards.
    """

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_kwargs: object,
    ) -> None:
        """Put it where the other callbacks, and whoever reads the history, find it."""
        sides = [(logs or {}).get(f"rewards/{side}") for side in ("chosen", "rejected")]
        moved = [abs(reward) / self.beta for reward in sides if reward is not None]
        if logs is None or len(moved) < len(sides) or "kl" in logs:
            return
        logs["drift"] = state.log_history[-1]["drift"] = sum(moved) / len(moved)


class Answers(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Has the model answer a few prompts at each evaluation, and warns of what became of them.

    Args:
        samples: the prompts, and the answers from before.
        say: gets each warning once.
    """

    def __init__(self, samples: Samples, say: Say) -> None:
        self.samples, self.say = samples, say
        self.told: set[str] = set()

    def on_evaluate(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        **_kwargs: object,
    ) -> None:
        """Answer while training; what is answered before and after is not the callback's."""
        trainer = self.samples.trainer
        if not trainer.is_in_train:
            return
        made = self.samples.now()
        if made:
            trainer.log(sample_figures(made))
        for kind, note in sample_notes(made).items():
            if kind not in self.told:
                self.told.add(kind)
                self.say(f"note: at step {state.global_step:,}, {note}")


class SavedLogs(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Logs wherever a checkpoint is saved, so that a resumed run averages over the same steps."""

    def on_step_end(
        self,
        _args: TrainingArguments,
        _state: TrainerState,
        control: TrainerControl,
        **_kwargs: object,
    ) -> None:
        """Ask for a log."""
        if control.should_save:
            control.should_log = True


def close_curves(trainer: Trainer) -> None:
    """End TensorBoard's writer, a thread of its own, before its folder is moved or removed.

    Args:
        trainer: that trains and measures no more.

    Example:
        >>> close_curves(trainer)  # doctest: +SKIP
    """
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback):
            callback.on_train_end(trainer.args, trainer.state, trainer.control)


class Stop(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Ends a run at the next step when the user asks for it, with a checkpoint to go on from."""

    def __init__(self) -> None:
        self.asked = False

    def on_step_end(
        self,
        _args: TrainingArguments,
        _state: TrainerState,
        control: TrainerControl,
        **_kwargs: object,
    ) -> None:
        """Save, and stop, all processes at the same step."""
        self.asked = distributed.any_process(self.asked)
        if self.asked:
            control.should_save = control.should_log = control.should_training_stop = True

    @contextmanager
    def listening(self, say: Say) -> Iterator[None]:
        """Take the first Ctrl-C or SIGTERM as a wish to stop; the second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, _frame: FrameType | None) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True
            say(f"{signal.Signals(number).name}: saving after this step; once more stops at once")

        before = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
