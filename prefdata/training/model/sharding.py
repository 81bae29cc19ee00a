"""A model that accelerate spreads over processes, by FSDP2 or DeepSpeed, and what it needs of us.

Both prepare a model once, together with its optimizer, when training begins. A run measures its
model before that, so it prepares the model to be measured, and undoes this before it trains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdata.errors import RecipeError
from prefdata.training.model import distributed

if TYPE_CHECKING:
    import torch
    from transformers import Trainer, TrainerState

ZERO_3 = 3
"""The stage of DeepSpeed's ZeRO that spreads the weights themselves."""


def is_spread(trainer: Trainer) -> bool:
    """Whether no process holds the whole model: by FSDP, or the third stage of ZeRO.

    Example:
        >>> is_spread(trainer)  # doctest: +SKIP
        False
    """
    return bool(trainer.is_fsdp_enabled) or zero_stage(trainer) == ZERO_3


def ready_to_measure(trainer: Trainer) -> None:
    """Spread the model now, and place it, where this would only be done once training begins.

    Args:
        trainer: that has done nothing yet.

    Raises:
        RecipeError: what was launched and the recipe contradict each other.

    Example:
        >>> ready_to_measure(trainer)  # doctest: +SKIP
    """
    if trainer.is_deepspeed_enabled:
        trainer.deepspeed = trainer.model_wrapped = inference_engine(trainer)
        trainer.accelerator._models.append(trainer.deepspeed)  # noqa: SLF001  # or evaluate() makes one
        return
    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if plugin is None or plugin.fsdp_version != 2:
        return
    from accelerate.utils.fsdp_utils import fsdp2_prepare_model

    trainer.model = trainer.model_wrapped = fsdp2_prepare_model(trainer.accelerator, trainer.model)
    trainer.accelerator._models.append(trainer.model)  # noqa: SLF001  # or evaluate() prepares it


def ready_to_train(trainer: Trainer) -> None:
    """Undo what measuring did to a model that several processes are about to train.

    Accelerate prepares a model once: one that was first prepared to be evaluated is never wrapped
    for training, and every process would train a model of its own without a word.

    Args:
        trainer: that has evaluated and not yet trained.

    Example:
        >>> ready_to_train(trainer)  # doctest: +SKIP
    """
    if trainer.is_deepspeed_enabled:
        inference_engine(trainer).destroy()
        trainer._precompute_engine = trainer.deepspeed = None  # noqa: SLF001
    elif distributed.count() == 1:
        return
    if trainer.is_fsdp_enabled:
        _reshard(trainer.model)
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    trainer.accelerator._models.clear()  # noqa: SLF001  # as accelerate's own free_memory does
    if hasattr(model, "_original_forward"):
        model.forward = model.__dict__.pop("_original_forward")
    model.__dict__.pop("_is_accelerate_prepared", None)
    trainer.model = trainer.model_wrapped = model


def load_finished(trainer: Trainer, checkpoint: Path, state: TrainerState) -> None:
    """Load the model of a run whose last step is saved; DeepSpeed's own files need its engine.

    Args:
        trainer: ready to train.
        checkpoint: of the last step.
        state: of the trainer, as it was saved there.

    Example:
        >>> load_finished(trainer, Path("checkpoint-12"), state)  # doctest: +SKIP
    """
    if trainer.is_deepspeed_enabled:
        batches = trainer.get_train_dataloader()
        trainer._prepare_for_training(state.max_steps, batches, str(checkpoint))  # noqa: SLF001
    else:
        trainer._load_from_checkpoint(str(checkpoint))  # noqa: SLF001


def inference_engine(trainer: Trainer) -> Any:  # noqa: ANN401  # of a library that need not be here
    """DeepSpeed's engine around the model before it is trained; TRL keeps it under this name.

    Raises:
        RecipeError: what was launched and the recipe contradict each other.

    Example:
        >>> inference_engine(trainer).training  # doctest: +SKIP
        False
    """
    if getattr(trainer, "_precompute_engine", None) is None:
        from trl.models import prepare_deepspeed

        _check_config(trainer)
        trainer._precompute_engine = prepare_deepspeed(trainer.model, trainer.accelerator)  # noqa: SLF001
    return trainer._precompute_engine  # noqa: SLF001


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a weight, in every process, where each may hold a part of it; all must ask.

    Example:
        >>> whole(weight).shape  # doctest: +SKIP
        torch.Size([64, 64])
    """
    if hasattr(tensor, "full_tensor"):  # FSDP2
        return tensor.full_tensor()
    if not hasattr(tensor, "ds_id"):
        return tensor
    import deepspeed

    with deepspeed.zero.GatheredParameters([tensor]):
        return tensor.detach().clone()


def shape(tensor: torch.Tensor) -> torch.Size:
    """The shape of the whole of a weight.

    Example:
        >>> import torch
        >>> shape(torch.zeros(2, 3))
        torch.Size([2, 3])
    """
    found: torch.Size = getattr(tensor, "ds_shape", tensor.shape)
    return found


def gathered_weights(trainer: Trainer) -> dict[str, torch.Tensor] | None:
    """All weights of a model in parts, of which every process gives its own; tied ones once.

    None where every process holds the whole model.

    Example:
        >>> gathered_weights(trainer)  # doctest: +SKIP
    """
    if not is_spread(trainer):
        return None
    if trainer.is_fsdp_enabled:
        weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    else:
        parts = trainer.model.state_dict(keep_vars=True)
        weights = {name: whole(tensor).detach().cpu() for name, tensor in parts.items()}
    tied = getattr(trainer.model, "all_tied_weights_keys", {})
    return {name: tensor for name, tensor in weights.items() if name not in tied}


@contextmanager
def by_itself() -> Iterator[None]:
    """Load models in this process alone, where DeepSpeed would have all processes share each.

    Example:
        >>> with by_itself():
        ...     "a model is loaded"
        'a model is loaded'
    """
    from transformers.integrations import deepspeed

    config = deepspeed._hf_deepspeed_config_weak_ref  # noqa: SLF001
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = config  # noqa: SLF001


def zero_stage(trainer: Trainer) -> int | None:
    """Which stage of DeepSpeed's ZeRO trains; None without DeepSpeed.

    Example:
        >>> zero_stage(trainer)  # doctest: +SKIP
        3
    """
    plugin = getattr(trainer.accelerator.state, "deepspeed_plugin", None)
    return None if plugin is None else int(plugin.zero_stage)


def zero_dtype(trainer: Trainer) -> str:
    """The type that DeepSpeed computes in, by its own config.

    Example:
        >>> zero_dtype(trainer)  # doctest: +SKIP
        'torch.bfloat16'
    """
    return str(trainer.accelerator.state.deepspeed_plugin.hf_ds_config.dtype())


def _check_config(trainer: Trainer) -> None:
    """Raise where DeepSpeed was told otherwise than the recipe, which ends a run when it trains."""
    wrong = trainer.accelerator.state.deepspeed_plugin.hf_ds_config.mismatches
    if wrong:
        found = "; ".join(line.removeprefix("- ds ").replace(" vs hf ", ", and ") for line in wrong)
        raise RecipeError(
            f"DeepSpeed's config and the recipe contradict each other: {found}",
            hint="Write auto in DeepSpeed's config, so that the recipe counts; or say it in both.",
        )


def _reshard(model: torch.nn.Module) -> None:
    """Let go of the whole weights that a forward pass left, or the optimizer would train those."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
