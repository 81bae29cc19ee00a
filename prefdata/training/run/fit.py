"""Training itself: build TRL's trainer, check its start, evaluate, train, evaluate on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prefdata.errors import Interrupted, TrainingError
from prefdata.training.config.losses import beta_of
from prefdata.training.model import distributed
from prefdata.training.run.context import RunContext

if TYPE_CHECKING:
    from transformers import Trainer

    from prefdata.training.run.online_eval import OnlineEval
    from prefdata.training.run.samples import AnswerSampler
    from prefdata.training.run.trainer import Batches


class FitResult(NamedTuple):
    """A trained model.

    Args:
        trainer: that has trained it.
        online_eval: that evaluates it.
        sampler: of its answers.
        before: metrics of the starting model.
    """

    trainer: Trainer
    online_eval: OnlineEval
    sampler: AnswerSampler
    before: dict[str, float]


def fit(run: RunContext) -> FitResult:
    """Train; with smaller batches where memory runs out.

    Args:
        run: what to train.

    Raises:
        TrainingError: the reference is not the starting model, the run diverged, or the smallest
            batches do not fit.
        Interrupted: the user stopped it, and it can be resumed.
    """
    import torch

    from prefdata.training.run.trainer import Batches, accumulation

    batches = Batches(run.plan.recipe.batch_size, accumulation(run.plan.recipe))
    while True:
        try:
            return _attempt(run, batches)
        except torch.OutOfMemoryError as error:
            smaller = _smaller_batches(run, batches, error)
        run.log(
            f"out of memory with batches of {batches.rows}: again with {smaller.rows}, "
            f"{smaller.accumulation} to a step"
        )
        batches = smaller
        torch.cuda.empty_cache()


def _smaller_batches(run: RunContext, batches: Batches, error: Exception) -> Batches:
    """Batches that need less memory for the same step, where there are any."""
    recipe, method = run.plan.recipe, run.plan.method
    in_batch = any(loss.in_batch for loss in method.chosen_losses(recipe.options))
    single = distributed.world_size() == 1
    if recipe.smaller_on_oom and single and not in_batch and batches.rows > method.min_batch_size:
        smaller = batches.smaller()
        if smaller.rows >= method.min_batch_size:
            return smaller
    lora = "" if recipe.lora else "lora: true, "
    fewer = "a smaller --batch-size, " if batches.rows > method.min_batch_size else ""
    raise TrainingError(
        f"out of memory with batches of {batches.rows} rows of {recipe.max_length:,} tokens",
        hint=(
            f"Try {lora}a smaller --max-length, --set gradient_checkpointing=true, "
            f"{fewer}or a smaller model."
        ),
    ) from error


def _attempt(run: RunContext, batches: Batches) -> FitResult:
    from prefdata.training.run.callbacks import close_tensorboard
    from prefdata.training.run.trainer import build_trainer

    trainer = build_trainer(run, batches)
    try:
        return _check_and_train(run, trainer)
    except BaseException:
        close_tensorboard(trainer)
        raise


def _check_and_train(run: RunContext, trainer: Trainer) -> FitResult:
    """Check the start, evaluate the starting model, train."""
    from prefdata.training.model.sharding import (
        prepare_for_evaluation,
        prepare_for_training,
        zero_stage,
    )
    from prefdata.training.run.online_eval import OnlineEval
    from prefdata.training.run.run_dir import check_disk
    from prefdata.training.run.samples import AnswerSampler
    from prefdata.training.run.start_check import check_first_batch

    recipe = run.plan.recipe
    if (stage := zero_stage(trainer)) is not None:
        run.log(f"DeepSpeed: ZeRO stage {stage}")
    prepare_for_evaluation(trainer)
    check_disk(trainer, run.run_dir.path, run.log)
    _log_reference(run, trainer)
    own_reference = recipe.reference not in ("", recipe.model)
    start_loss = None if own_reference else run.plan.method.start_loss(recipe.options)
    check_first_batch(trainer, start_loss)
    online_eval = OnlineEval(trainer, run)
    before = online_eval.metrics()
    sampler = AnswerSampler(trainer, run)
    prepare_for_training(trainer)
    _train(run, trainer, online_eval, sampler)
    return FitResult(trainer, online_eval, sampler, before)


def _log_reference(run: RunContext, trainer: Trainer) -> None:
    keys = getattr(trainer, "reference_keys", [])
    if keys:
        cached = trainer.reference_hits == len(keys)
        origin = "found in the cache" if cached else "computed once, and kept"
        run.log(f"reference: its log-probabilities are {origin}")


def _train(
    run: RunContext, trainer: Trainer, online_eval: OnlineEval, sampler: AnswerSampler
) -> None:
    """Train with all callbacks; stop where the user asks for it."""
    from prefdata.training.run.callbacks import (
        AccuracyCallback,
        DriftCallback,
        LogCallback,
        LogOnSaveCallback,
        SampleAnswersCallback,
        StopCallback,
    )
    from prefdata.training.run.diagnostics import Diagnostics

    recipe, stop = run.plan.recipe, StopCallback()
    diagnostics = Diagnostics(recipe.learning_rate or 0.0)
    for callback in (
        LogOnSaveCallback(),
        LogCallback(run.display, diagnostics, run.note, run.run_dir.metrics),
        AccuracyCallback(online_eval),
        SampleAnswersCallback(sampler, run.note),
        stop,
    ):
        trainer.add_callback(callback)
    beta = beta_of(recipe.options)
    if run.plan.method.reference and beta:
        # Before all others, so that they see what it adds.
        trainer.callback_handler.callbacks.insert(0, DriftCallback(beta))
    if recipe.evaluation and recipe.evaluation.patience:
        from transformers import EarlyStoppingCallback

        trainer.add_callback(EarlyStoppingCallback(recipe.evaluation.patience))
    with stop.on_signals(run.log):
        _train_or_resume(run, trainer)
    if stop.requested and trainer.state.global_step < trainer.state.max_steps:
        raise Interrupted(
            f"stopped after step {trainer.state.global_step:,} of {trainer.state.max_steps:,}, "
            f"saved in {run.run_dir.path.name}; go on with the same command and --resume"
        )


def _train_or_resume(run: RunContext, trainer: Trainer) -> None:
    """Train from the start, or from the last checkpoint of an interrupted run."""
    from transformers import TrainerState

    from prefdata.training.model.sharding import load_last_checkpoint

    checkpoint = run.run_dir.last_checkpoint()
    if checkpoint is None:
        trainer.train()
        return
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    run.log(f"going on after step {state.global_step:,} of {state.max_steps:,}")
    if state.global_step >= state.max_steps:
        load_last_checkpoint(trainer, checkpoint, state)  # train() would take a step more
        trainer.state = state
        return
    tokens = [entry["num_tokens"] for entry in state.log_history if "num_tokens" in entry]
    if tokens and hasattr(trainer, "_total_train_tokens"):
        trainer._total_train_tokens = tokens[-1]  # noqa: SLF001  # which TRL counts anew
    trainer.train(resume_from_checkpoint=str(checkpoint))
