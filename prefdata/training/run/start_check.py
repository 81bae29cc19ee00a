"""The check of a run's start: before training, the model has to equal its reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefdata.errors import TrainingError

if TYPE_CHECKING:
    from transformers import Trainer

TOLERANCE = 1e-3
HALF_PRECISION_NATS = 1.0
"""How far apart an answer's log-probabilities under model and reference may be on average in half
precision, which rounds otherwise in a batch of another shape; beta turns that into rewards."""


def check_start(
    logs: Mapping[str, float],
    start_loss: float | None,
    *,
    dropouts: Mapping[str, float],
    tolerance: float = TOLERANCE,
) -> None:
    """Raise unless the first batch shows a model that equals its reference.

    Its loss has to be the loss at zero margin. Where it is not, the reference is another model, or
    the model is not deterministic, and every reward that follows would be wrong.

    Args:
        logs: loss and, where the method has them, ``rewards/chosen`` and ``rewards/rejected``.
        start_loss: what the loss must be; None where the method does not fix it.
        dropouts: rates of dropout in the model's config that are not zero.
        tolerance: how far off the numbers may be, relative to the loss where it is above 1.

    Raises:
        TrainingError: with the diagnosis.

    Example:
        >>> check_start({"loss": 0.69315, "rewards/margins": 0.0}, 0.693147, dropouts={})
    """
    loss, margin = logs.get("loss", math.nan), logs.get("rewards/margins", 0.0)
    off = start_loss is not None and not abs(loss - start_loss) <= tolerance * max(1.0, start_loss)
    if not off and abs(margin) <= tolerance:
        return
    expected = "" if start_loss is None else f"loss {start_loss:.4f} and "
    if dropouts:
        rates = ", ".join(f"{name}: {rate}" for name, rate in dropouts.items())
        hint = f"The model drops out at random ({rates}): set that to 0 in its config.json."
    elif not math.isfinite(loss):
        hint = "The loss is not a number: check the model's weights and dtype."
    else:
        hint = (
            "The reference is not the model that training starts from: start from the saved model "
            "itself, not from a checkpoint or an adapter that does not start as identity."
        )
    raise TrainingError(
        f"the first batch shows loss {loss:.4f} and margin {margin:.4f}, expected {expected}"
        "margin 0: the model does not start equal to its reference",
        hint=hint,
    )


def check_first_batch(trainer: Trainer, start_loss: float | None) -> None:
    """Check the first batch before training, in training mode, and leave the trainer unchanged.

    Where no loss is fixed beforehand, only a loss that is not a number stops the run.

    Args:
        trainer: built, not yet trained.
        start_loss: what the loss must be; None where the method does not fix it.

    Raises:
        TrainingError: the model does not start equal to its reference.
    """
    import torch

    rows = trainer.train_dataset
    count = min(len(rows), trainer.args.per_device_train_batch_size)
    batch = trainer.data_collator([rows[position] for position in range(count)])
    was_training = trainer.model.training
    with _unchanged(trainer), torch.no_grad(), trainer.accelerator.autocast():
        trainer.model.train()
        loss = trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch))  # noqa: SLF001
        metrics = getattr(trainer, "_metrics", {"train": {}})["train"]
        logs = (
            {name: values[-1] for name, values in metrics.items()} if start_loss is not None else {}
        )
        trainer.model.train(was_training)
    if start_loss is None and math.isfinite(float(loss)):
        return
    half = (
        trainer.args.bf16
        or trainer.args.fp16
        or next(trainer.model.parameters()).dtype.itemsize < 4
    )
    check_start(
        {**logs, "loss": float(loss)},
        start_loss,
        dropouts=dropouts_of(trainer),
        tolerance=HALF_PRECISION_NATS * getattr(trainer.args, "beta", 0.1) if half else TOLERANCE,
    )


def dropouts_of(trainer: Trainer) -> dict[str, float]:
    """The rates of dropout in the model's config that are not zero."""
    return {
        name: rate
        for name, rate in trainer.model.config.to_dict().items()
        if "drop" in name and isinstance(rate, float) and rate > 0
    }


@contextmanager
def _unchanged(trainer: Trainer) -> Iterator[None]:
    """Restore the trainer's counts and the random states afterwards."""
    import torch

    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    tokens = getattr(trainer, "_total_train_tokens", 0)
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            trainer._total_train_tokens = tokens  # noqa: SLF001
            for name in ("_metrics", "_stored_metrics"):
                getattr(trainer, name, {"train": {}})["train"].clear()
