"""Training itself: TRL's trainer built, its start held to the reference, watched while it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from prefdata.errors import Interrupted, TrainingError
from prefdata.report.progress import Display, Say
from prefdata.training.config.losses import beta_of
from prefdata.training.config.plan import Plan
from prefdata.training.model import distributed
from prefdata.training.run.run_dir import RunFolder

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer

    from prefdata.training.run.online_eval import Meter
    from prefdata.training.run.samples import Samples
    from prefdata.training.run.trainer import Batches


class Trained(NamedTuple):
    """What training left: the trainer, and what measures its model.

    Args:
        trainer: that has trained.
        meter: of the rows that are measured.
        samples: of the answers.
        before: metrics of the starting model.
    """

    trainer: Trainer
    meter: Meter
    samples: Samples
    before: dict[str, float]


@dataclass(frozen=True)
class Training:
    """A model about to be trained, as often as it takes batches that fit into memory.

    Args:
        plan: of the run.
        folder: its checkpoints and curves.
        source: the folder or hub name of the starting model.
        tokenizer: of that model.
        rows: the view of the train split.
        measured: the view that is measured.
        display: what the numbers are shown on.
        say: gets a line of progress at a time; those that begin with ``note:`` are kept.
    """

    plan: Plan
    folder: RunFolder
    source: str
    tokenizer: PreTrainedTokenizerBase
    rows: Dataset
    measured: Dataset
    display: Display
    say: Say

    def run(self) -> Trained:
        """Train; with smaller batches where memory runs out.

        Raises:
            TrainingError: the reference is not the starting model, the run diverged, or the
                smallest batches do not fit.
            Interrupted: the user stopped it, and it can be resumed.
        """
        import torch

        from prefdata.training.run.trainer import Batches, accumulation

        batches = Batches(self.plan.recipe.batch_size, accumulation(self.plan.recipe))
        while True:
            try:
                return self._attempt(batches)
            except torch.OutOfMemoryError as error:
                smaller = self._smaller(batches, error)
            self.say(
                f"out of memory with batches of {batches.rows}: again with {smaller.rows}, "
                f"{smaller.accumulation} to a step"
            )
            batches = smaller
            torch.cuda.empty_cache()

    def _smaller(self, batches: Batches, error: Exception) -> Batches:
        """Batches that need less memory and are the same step, where there are any."""
        plan, recipe = self.plan, self.plan.recipe
        in_batch = any(loss.in_batch for loss in plan.method.chosen_losses(recipe.options))
        least = plan.method.min_batch_size
        alone = distributed.world_size() == 1
        if recipe.smaller_on_oom and alone and not in_batch and batches.rows > least:
            smaller = batches.smaller()
            if smaller.rows >= least:
                return smaller
        lora = "" if recipe.lora else "lora: true, "
        raise TrainingError(
            f"out of memory with batches of {batches.rows} rows of {recipe.max_length:,} tokens",
            hint=(
                f"Try {lora}a smaller --max-length, --set gradient_checkpointing=true, "
                f"{'a smaller --batch-size, ' if batches.rows > least else ''}or a smaller model."
            ),
        ) from error

    def _attempt(self, batches: Batches) -> Trained:
        from prefdata.training.run.callbacks import close_curves
        from prefdata.training.run.trainer import build_trainer

        trainer = build_trainer(
            self.plan,
            self.source,
            self.tokenizer,
            self.rows,
            self.measured,
            self.folder.checkpoints,
            batches,
        )
        try:
            return self._trained(trainer)
        except BaseException:
            close_curves(trainer)
            raise

    def _trained(self, trainer: Trainer) -> Trained:
        """Look at the start, measure, train."""
        from prefdata.training.model.sharding import (
            prepare_for_evaluation,
            prepare_for_training,
            zero_stage,
        )
        from prefdata.training.run.disk import check_disk
        from prefdata.training.run.online_eval import Meter
        from prefdata.training.run.samples import Samples
        from prefdata.training.run.start_check import check_first_batch

        plan, recipe = self.plan, self.plan.recipe
        if (stage := zero_stage(trainer)) is not None:
            self.say(f"DeepSpeed: ZeRO stage {stage}")
        prepare_for_evaluation(trainer)
        check_disk(trainer, self.folder.path, self.say)
        self._tell_reference(trainer)
        own = recipe.reference not in ("", recipe.model)
        check_first_batch(trainer, None if own else plan.method.start_loss(recipe.options))
        meter = Meter(trainer, self.measured, self.tokenizer, plan)
        meter.take_reference()
        before = meter.metrics()
        samples = Samples(trainer, self.tokenizer, self.measured, plan)
        prepare_for_training(trainer)
        self._train_watched(trainer, meter, samples)
        return Trained(trainer, meter, samples, before)

    def _tell_reference(self, trainer: Trainer) -> None:
        keys = getattr(trainer, "reference_keys", [])
        if keys:
            hits = trainer.reference_hits
            found = "found in the cache" if hits == len(keys) else "computed once, and kept"
            self.say(f"reference: its log-probabilities are {found}")

    def _train_watched(self, trainer: Trainer, meter: Meter, samples: Samples) -> None:
        """Train, with all that watches; stop where the user asks for it."""
        from prefdata.training.run.callbacks import (
            Answers,
            Drift,
            OwnAccuracy,
            SavedLogs,
            Stop,
            Watch,
        )
        from prefdata.training.run.diagnostics import Adviser

        recipe, stop = self.plan.recipe, Stop()
        adviser = Adviser(recipe.learning_rate or 0.0)
        for callback in (
            SavedLogs(),
            Watch(self.display, adviser, self.say, self.folder.metrics),
            OwnAccuracy(meter),
            Answers(samples, self.say),
            stop,
        ):
            trainer.add_callback(callback)
        beta = beta_of(recipe.options)
        if self.plan.method.reference and beta:
            # Before all others, so that they see what it adds.
            trainer.callback_handler.callbacks.insert(0, Drift(beta))
        if recipe.evaluation and recipe.evaluation.patience:
            from transformers import EarlyStoppingCallback

            trainer.add_callback(EarlyStoppingCallback(recipe.evaluation.patience))
        with stop.listening(self.say):
            self._train(trainer)
        if stop.asked and trainer.state.global_step < trainer.state.max_steps:
            raise Interrupted(
                f"stopped after step {trainer.state.global_step:,} of {trainer.state.max_steps:,}, "
                f"saved in {self.folder.path.name}; go on with the same command and --resume"
            )

    def _train(self, trainer: Trainer) -> None:
        """Train from the start, or from where an interrupted run was saved."""
        from transformers import TrainerState

        from prefdata.training.model.sharding import load_last_checkpoint

        checkpoint = self.folder.last_checkpoint()
        if checkpoint is None:
            trainer.train()
            return
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        self.say(f"going on after step {state.global_step:,} of {state.max_steps:,}")
        if state.global_step >= state.max_steps:
            load_last_checkpoint(trainer, checkpoint, state)  # train() would take a step more
            trainer.state = state
            return
        seen = [entry["num_tokens"] for entry in state.log_history if "num_tokens" in entry]
        if seen and hasattr(trainer, "_total_train_tokens"):
            trainer._total_train_tokens = seen[-1]  # noqa: SLF001  # which TRL counts anew
        trainer.train(resume_from_checkpoint=str(checkpoint))
