"""Callbacks of the trainer: logs and their diagnostics, metrics, sample answers, and stopping."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from prefdata.report.progress import Display, Log
from prefdata.training.model import distributed
from prefdata.training.run.diagnostics import Diagnostics
from prefdata.training.run.online_eval import OnlineEval
from prefdata.training.run.samples import AnswerSampler, sample_metrics, sample_notes

Note = Callable[[str], None]
"""Called with a note on the run, one sentence."""


class LogCallback(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Shows each log, writes it to a file, and notes what the diagnostics see in it.

    Args:
        display: where logs are shown.
        diagnostics: that reads them.
        note: called with each diagnosis.
        metrics: the file that gets one JSON object per log.
    """

    def __init__(
        self, display: Display, diagnostics: Diagnostics, note: Note, metrics: Path
    ) -> None:
        self.display, self.diagnostics, self.note = display, diagnostics, note
        self.metrics = metrics

    def on_train_begin(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        **_kwargs: object,
    ) -> None:
        """Write the logs that a resumed run has from before."""
        if state.is_world_process_zero:
            lines = [json.dumps(entry) + "\n" for entry in state.log_history]
            self.metrics.write_text("".join(lines), encoding="utf-8")

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_kwargs: object,
    ) -> None:
        """Show, write, diagnose."""
        if not logs or not state.is_world_process_zero:
            return
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**logs, "step": state.global_step}) + "\n")
        self.display.update(state.global_step, state.max_steps, logs)
        for diagnosis in self.diagnostics.check(logs):
            self.note(diagnosis)


class AccuracyCallback(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Logs our per-example accuracy beside TRL's averages of batch averages.

    Args:
        online_eval: of the rows that are evaluated.
    """

    def __init__(self, online_eval: OnlineEval) -> None:
        self.online_eval = online_eval

    def on_evaluate(
        self,
        _args: TrainingArguments,
        _state: TrainerState,
        _control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_kwargs: object,
    ) -> None:
        """Evaluate in training only; the run itself evaluates before and after it."""
        trainer = self.online_eval.trainer
        if metrics is None or not trainer.is_in_train:
            return
        accuracy = self.online_eval.reward_metrics().get("rewards/accuracies")
        if accuracy is not None:
            metrics["eval_accuracy"] = accuracy
            trainer.log({"eval_accuracy": accuracy})


class DriftCallback(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
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
        """Add it for the other callbacks, and to the history."""
        rewards = [(logs or {}).get(f"rewards/{side}") for side in ("chosen", "rejected")]
        drifts = [abs(reward) / self.beta for reward in rewards if reward is not None]
        if logs is None or len(drifts) < len(rewards) or "kl" in logs:
            return
        logs["drift"] = state.log_history[-1]["drift"] = sum(drifts) / len(drifts)


class SampleAnswersCallback(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Samples answers at each evaluation, logs their metrics, and notes what they warn of.

    Args:
        sampler: of the answers.
        note: called with each warning once.
    """

    def __init__(self, sampler: AnswerSampler, note: Note) -> None:
        self.sampler, self.note = sampler, note
        self.noted: set[str] = set()

    def on_evaluate(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        **_kwargs: object,
    ) -> None:
        """Sample in training only; the run itself samples before and after it."""
        trainer = self.sampler.trainer
        if not trainer.is_in_train:
            return
        samples = self.sampler.sample()
        if samples:
            trainer.log(sample_metrics(samples))
        for name, text in sample_notes(samples).items():
            if name not in self.noted:
                self.noted.add(name)
                self.note(f"at step {state.global_step:,}, {text}")


class LogOnSaveCallback(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Logs at each checkpoint, so that a resumed run averages over the same steps."""

    def on_step_end(
        self,
        _args: TrainingArguments,
        _state: TrainerState,
        control: TrainerControl,
        **_kwargs: object,
    ) -> None:
        """Request a log."""
        if control.should_save:
            control.should_log = True


def close_tensorboard(trainer: Trainer) -> None:
    """End TensorBoard's writer, a thread of its own, before its folder is moved or removed.

    Args:
        trainer: that neither trains nor evaluates any more.
    """
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback):
            callback.on_train_end(trainer.args, trainer.state, trainer.control)


class StopCallback(TrainerCallback):  # type: ignore[misc]  # untyped for mypy: its imports are skipped
    """Ends a run after the current step when the user asks for it, with a checkpoint to resume."""

    def __init__(self) -> None:
        self.requested = False

    def on_step_end(
        self,
        _args: TrainingArguments,
        _state: TrainerState,
        control: TrainerControl,
        **_kwargs: object,
    ) -> None:
        """Save, and stop, all processes at the same step."""
        self.requested = distributed.any_process(self.requested)
        if self.requested:
            control.should_save = control.should_log = control.should_training_stop = True

    @contextmanager
    def on_signals(self, log: Log) -> Iterator[None]:
        """Stop at the first Ctrl-C or SIGTERM after the step; at the second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, _frame: FrameType | None) -> None:
            if self.requested:
                raise KeyboardInterrupt
            self.requested = True
            log(f"{signal.Signals(number).name}: saving after this step; once more stops at once")

        before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
