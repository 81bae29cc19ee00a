"""Saving the model: merged or as an adapter, always as safetensors, with what it started from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prefdata.training.config.plan import Plan
from prefdata.training.model import distributed
from prefdata.training.model.sharding import full_state_dict, unsharded_loading
from prefdata.training.run.run_dir import RunFolder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

REFERENCE = "reference"
"""The folder within the output that holds the starting model, where the run had to make it."""


def save_model(
    trainer: Trainer,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    plan: Plan,
    source: str,
) -> None:
    """Write the trained model and its tokenizer; of several processes, the first one does.

    Args:
        trainer: that has trained.
        tokenizer: of the model.
        folder: where they go.
        plan: of the run.
        source: what training started from.

    Example:
        >>> save_model(trainer, tokenizer, Path("model"), plan, "org/base")  # doctest: +SKIP
    """
    whole = full_state_dict(trainer)
    if not distributed.is_main():
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    lora = plan.recipe.lora
    if lora and lora.merge:
        model, whole = _merged(model, plan, source, whole), None
    elif lora:
        made = Path(source).is_dir() and plan.output.with_name(f"{plan.output.name}.run") in [
            *Path(source).absolute().parents
        ]
        base = str(plan.output.absolute() / REFERENCE) if made else source
        model.peft_config["default"].base_model_name_or_path = base
    model.config.use_cache = True  # switched off for training; generation needs it
    model.save_pretrained(folder, state_dict=whole)
    tokenizer.save_pretrained(folder)


def keep_start(run: RunFolder, source: str, output: Path) -> None:
    """Move the starting model into the output, where the run had to make it.

    It is the reference that the trained model is compared with.

    Args:
        run: the run's folder.
        source: what training started from.
        output: the folder of the model.

    Example:
        >>> keep_start(run, "run/start", Path("model"))  # doctest: +SKIP
    """
    if Path(source) in (run.start, run.first):
        Path(source).rename(output / REFERENCE)


def _merged(
    model: PreTrainedModel, plan: Plan, source: str, whole: Mapping[str, torch.Tensor] | None
) -> PreTrainedModel:
    """The model with its adapter merged in; weights quantised or in parts are first read again."""
    if plan.recipe.quantization is None and whole is None:
        return model.merge_and_unload()
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    reads = {"SEQ_CLS": AutoModelForSequenceClassification, "CAUSAL_LM": AutoModelForCausalLM}
    with TemporaryDirectory() as adapter, unsharded_loading():
        model.save_pretrained(adapter, state_dict=whole)
        base = reads[plan.method.task].from_pretrained(
            source,
            **({"num_labels": 1} if plan.method.task == "SEQ_CLS" else {}),
            revision=plan.recipe.revision or "main",
            dtype=torch.bfloat16 if plan.recipe.quantization else model.dtype,
            trust_remote_code=plan.recipe.trust_remote_code,
        )
        return PeftModel.from_pretrained(base, adapter).merge_and_unload()
