"""Saving the model: merged or as an adapter, always as safetensors, with what it started from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prefdata.training.model import distributed
from prefdata.training.model.sharding import full_state_dict, unsharded_loading
from prefdata.training.run.context import RunContext

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, Trainer

REFERENCE = "reference"
"""The folder within the output that holds the starting model, where the run had to make it."""


def save_model(trainer: Trainer, run: RunContext, folder: Path) -> None:
    """Write the trained model and its tokenizer; of several processes, the first one does.

    Args:
        trainer: that has trained it.
        run: what it trained.
        folder: of the model.
    """
    weights = full_state_dict(trainer)
    if not distributed.is_main():
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    lora = run.plan.recipe.lora
    if lora and lora.merge:
        model, weights = _merge(model, run, weights), None
    elif lora:
        reference = str(run.plan.output.absolute() / REFERENCE)
        base = reference if run.start_is_temporary else run.source
        model.peft_config["default"].base_model_name_or_path = base
    model.config.use_cache = True  # switched off for training; generation needs it
    model.save_pretrained(folder, state_dict=weights)
    run.tokenizer.save_pretrained(folder)


def keep_start(run: RunContext, folder: Path) -> None:
    """Move the starting model into the model's folder, where the run had to make it.

    It is the reference that the trained model is compared with.

    Args:
        run: whose model is saved.
        folder: of the model.
    """
    if run.start_is_temporary:
        Path(run.source).rename(folder / REFERENCE)


def _merge(
    model: PreTrainedModel, run: RunContext, weights: Mapping[str, torch.Tensor] | None
) -> PreTrainedModel:
    """Merge the adapter; into a base that is loaded again, where it is quantised or sharded."""
    recipe, is_reward = run.plan.recipe, run.plan.method.task == "SEQ_CLS"
    if recipe.quantization is None and weights is None:
        return model.merge_and_unload()
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    loader = AutoModelForSequenceClassification if is_reward else AutoModelForCausalLM
    with TemporaryDirectory() as adapter, unsharded_loading():
        model.save_pretrained(adapter, state_dict=weights)
        base = loader.from_pretrained(
            run.source,
            **({"num_labels": 1} if is_reward else {}),
            revision=recipe.revision or "main",
            dtype=torch.bfloat16 if recipe.quantization else model.dtype,
            trust_remote_code=recipe.trust_remote_code,
        )
        return PeftModel.from_pretrained(base, adapter).merge_and_unload()
