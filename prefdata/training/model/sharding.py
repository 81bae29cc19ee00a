"""Models that accelerate shards over processes, by FSDP2 or DeepSpeed.

Both prepare a model once, together with its optimizer, when training begins. A run evaluates its
model before that: it prepares the model for evaluation, and undoes this before it trains.
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
"""The stage of DeepSpeed's ZeRO that shards the weights themselves."""


def is_sharded(trainer: Trainer) -> bool:
    """Whether no process holds the whole model: by FSDP, or the third stage of ZeRO.

    Example:
        >>> is_sharded(trainer)  # doctest: +SKIP
        False
    """
    return bool(trainer.is_fsdp_enabled) or zero_stage(trainer) == ZERO_3


def prepare_for_evaluation(trainer: Trainer) -> None:
    """Shard and place the model now, which the libraries would do only when training begins.

    Args:
        trainer: one that has not evaluated or trained yet.

    Raises:
        RecipeError: DeepSpeed's config and the recipe contradict each other.

    Example:
        >>> prepare_for_evaluation(trainer)  # doctest: +SKIP
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


def prepare_for_training(trainer: Trainer) -> None:
    """Undo what evaluation did to a model that several processes are about to train.

    Accelerate prepares a model once: one that was first prepared to be evaluated is never wrapped
    for training, and every process would train a model of its own without a word.

    Args:
        trainer: one that has evaluated and not yet trained.

    Example:
        >>> prepare_for_training(trainer)  # doctest: +SKIP
    """
    if trainer.is_deepspeed_enabled:
        inference_engine(trainer).destroy()
        trainer._precompute_engine = trainer.deepspeed = None  # noqa: SLF001
    elif distributed.world_size() == 1:
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


def load_last_checkpoint(trainer: Trainer, checkpoint: Path, state: TrainerState) -> None:
    """Load the checkpoint of a run's last step; DeepSpeed's own files need its engine.

    Args:
        trainer: ready to train.
        checkpoint: folder of the last step.
        state: the trainer's state as saved there.

    Example:
        >>> load_last_checkpoint(trainer, Path("checkpoint-12"), state)  # doctest: +SKIP
    """
    if trainer.is_deepspeed_enabled:
        batches = trainer.get_train_dataloader()
        trainer._prepare_for_training(state.max_steps, batches, str(checkpoint))  # noqa: SLF001
    else:
        trainer._load_from_checkpoint(str(checkpoint))  # noqa: SLF001


def inference_engine(trainer: Trainer) -> Any:  # noqa: ANN401  # of a library that may be missing
    """DeepSpeed's engine around the model before it is trained; TRL keeps it under this name.

    Raises:
        RecipeError: DeepSpeed's config and the recipe contradict each other.

    Example:
        >>> inference_engine(trainer).training  # doctest: +SKIP
        False
    """
    if getattr(trainer, "_precompute_engine", None) is None:
        from trl.models import prepare_deepspeed

        _check_config(trainer)
        trainer._precompute_engine = prepare_deepspeed(trainer.model, trainer.accelerator)  # noqa: SLF001
    return trainer._precompute_engine  # noqa: SLF001


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a weight that may be sharded; all processes must call this together.

    Example:
        >>> full_tensor(weight).shape  # doctest: +SKIP
        torch.Size([64, 64])
    """
    if hasattr(tensor, "full_tensor"):  # FSDP2
        return tensor.full_tensor()
    if not hasattr(tensor, "ds_id"):
        return tensor
    import deepspeed

    with deepspeed.zero.GatheredParameters([tensor]):
        return tensor.detach().clone()


def full_shape(tensor: torch.Tensor) -> torch.Size:
    """The shape of the whole of a weight that may be sharded.

    Example:
        >>> import torch
        >>> full_shape(torch.zeros(2, 3))
        torch.Size([2, 3])
    """
    shape: torch.Size = getattr(tensor, "ds_shape", tensor.shape)
    return shape


def full_state_dict(trainer: Trainer) -> dict[str, torch.Tensor] | None:
    """The weights of a sharded model, gathered from all processes; tied weights once.

    None where every process holds the whole model.

    Example:
        >>> full_state_dict(trainer)  # doctest: +SKIP
    """
    if not is_sharded(trainer):
        return None
    if trainer.is_fsdp_enabled:
        weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    else:
        shards = trainer.model.state_dict(keep_vars=True)
        weights = {name: full_tensor(tensor).detach().cpu() for name, tensor in shards.items()}
    tied = getattr(trainer.model, "all_tied_weights_keys", {})
    return {name: tensor for name, tensor in weights.items() if name not in tied}


@contextmanager
def unsharded_loading() -> Iterator[None]:
    """Load models whole in this process, where DeepSpeed would shard each over all processes.

    Example:
        >>> with unsharded_loading():
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
    """The stage of DeepSpeed's ZeRO; None without DeepSpeed.

    Example:
        >>> zero_stage(trainer)  # doctest: +SKIP
        3
    """
    plugin = getattr(trainer.accelerator.state, "deepspeed_plugin", None)
    return None if plugin is None else int(plugin.zero_stage)


def zero_dtype(trainer: Trainer) -> str:
    """The dtype that DeepSpeed computes in, by its own config.

    Example:
        >>> zero_dtype(trainer)  # doctest: +SKIP
        'torch.bfloat16'
    """
    return str(trainer.accelerator.state.deepspeed_plugin.hf_ds_config.dtype())


def _check_config(trainer: Trainer) -> None:
    """Raise where DeepSpeed's config contradicts the recipe: it would fail when training begins."""
    mismatches = trainer.accelerator.state.deepspeed_plugin.hf_ds_config.mismatches
    if mismatches:
        lines = (line.removeprefix("- ds ").replace(" vs hf ", ", and ") for line in mismatches)
        raise RecipeError(
            f"DeepSpeed's config and the recipe contradict each other: {'; '.join(lines)}",
            hint="Write auto in DeepSpeed's config, so that the recipe counts; or say it in both.",
        )


def _reshard(model: torch.nn.Module) -> None:
    """Free the whole weights that a forward pass left, or the optimizer would train those."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
