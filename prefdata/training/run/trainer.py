"""TRL's trainer and config for a plan; importing this loads torch."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from pydantic import JsonValue
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from prefdata.errors import PrefdataError, RecipeError, UsageError
from prefdata.training.config.losses import trl_losses
from prefdata.training.config.methods import Method
from prefdata.training.config.plan import Plan
from prefdata.training.config.recipe import TINY, Recipe
from prefdata.training.model import distributed
from prefdata.training.model.load import first_line, import_class, load_error
from prefdata.training.model.sharding import ZERO_3
from prefdata.training.run.reference_cache import COLUMNS, cache_folder, caching


@dataclass(frozen=True)
class Batches:
    """How a batch is made up: the same effective size can be had with less memory.

    Args:
        rows: per device and pass.
        accumulation: passes per step.

    Example:
        >>> Batches(8, 1).smaller()
        Batches(rows=4, accumulation=2)
    """

    rows: int
    accumulation: int

    def smaller(self) -> Batches:
        """Fewer rows, at most half, and more passes: the rows of a step stay the same."""
        fewer = next(n for n in range(self.rows // 2, 0, -1) if self.rows % n == 0)
        return Batches(fewer, self.accumulation * self.rows // fewer)


def build_trainer(
    plan: Plan,
    source: str,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    measured: Dataset,
    folder: Path,
    batches: Batches,
) -> Trainer:
    """TRL's trainer for the method, told to say nothing.

    Args:
        plan: what to run.
        source: the folder or hub name of the starting model.
        tokenizer: of that model.
        rows: the view of the train split.
        measured: the view that is measured.
        folder: for the trainer's checkpoints.
        batches: how a batch is made up.

    Raises:
        UsageError: the model cannot be loaded.
        RecipeError: TRL refuses an option.

    Example:
        >>> build_trainer(plan, "model", tokenizer, rows, rows, Path("work"), Batches(8, 1))
        ... # doctest: +SKIP
    """
    method, recipe = plan.method, plan.recipe
    _refuse_data_parallel()
    _refuse_idle_sharding(recipe)
    trainer = import_class(method.trainer)
    cached = trainer.__name__ in COLUMNS and uses_cache(recipe, method, len(rows))
    arguments = _arguments(plan, len(rows), batches, cached=cached)
    try:
        config = import_class(method.config)(output_dir=str(folder), **arguments)
        _refuse_quantised_parts(recipe, config)
        built = (caching(trainer, cache_folder()) if cached else trainer)(
            args=config,
            train_dataset=rows,
            eval_dataset=measured,
            processing_class=tokenizer,
            peft_config=_lora_config(recipe, method),
            **_models(recipe, method, source),
        )
    except PrefdataError:
        raise
    except (OSError, SafetensorError) as error:
        raise load_error(recipe.model, error) from error
    except (ValueError, NotImplementedError, AssertionError) as error:
        raise RecipeError(
            f"{plan.trainer_label} refuses the recipe: {first_line(error)}",
            hint="Change the option that it names.",
        ) from error
    built.remove_callback(PrinterCallback)
    return built


def _refuse_data_parallel() -> None:
    """TRL finds out only after everything is loaded that it cannot use several GPUs like this."""
    gpus = torch.cuda.device_count()
    if gpus > 1 and not os.environ.get("WORLD_SIZE"):
        raise UsageError(
            f"{gpus} GPUs are visible to one process, and TRL trains on one GPU per process",
            hint=(
                f"Use them all with --processes {gpus}, or make one "
                "visible with CUDA_VISIBLE_DEVICES=0."
            ),
        )


def _refuse_idle_sharding(recipe: Recipe) -> None:
    """Accelerate shards on accelerators only, and says nothing where it does not."""
    if recipe.options.get("fsdp") and not torch.accelerator.is_available():
        raise RecipeError(
            "fsdp has no effect without an accelerator: every process trains a whole model",
            hint="Leave fsdp out here.",
        )


def _refuse_quantised_parts(recipe: Recipe, config: TrainingArguments) -> None:
    """ZeRO-3 cuts up packed weights as if they were not, and computes something else with them."""
    plugin = getattr(config, "deepspeed_plugin", None)
    if recipe.quantization and plugin is not None and plugin.zero_stage == ZERO_3:
        raise RecipeError(
            f"quantization {recipe.quantization} does not work with stage 3 of DeepSpeed's ZeRO, "
            "which cannot spread packed weights",
            hint="Use stage 2, or fsdp: true, or leave quantization out.",
        )


def uses_cache(recipe: Recipe, method: Method, rows: int) -> bool:
    """Whether the reference's numbers are computed beforehand and kept.

    It pays where a run passes over all rows; a few steps over many rows would wait for nothing.

    Args:
        recipe: the effective one.
        method: its table entry.
        rows: of the train split.

    Example:
        >>> from prefdata.training.config.methods import METHODS
        >>> uses_cache(Recipe(max_steps=10), METHODS["dpo"], 1_000)
        False
    """
    if not method.reference or recipe.trainer or recipe.options.get("sync_ref_model"):
        return False
    if recipe.reference_cache != "auto":
        return recipe.reference_cache
    seen = recipe.epochs * rows if recipe.max_steps is None else recipe.max_steps * _step(recipe)
    return seen >= rows


def _step(recipe: Recipe) -> int:
    """Rows per optimiser step, on all devices together."""
    return recipe.batch_size * accumulation(recipe) * distributed.world_size()


def accumulation(recipe: Recipe) -> int:
    """Passes per optimiser step.

    Example:
        >>> accumulation(Recipe(options={"gradient_accumulation_steps": 4}))
        4
    """
    return int(str(recipe.options.get("gradient_accumulation_steps") or 1))


def _arguments(plan: Plan, rows: int, batches: Batches, *, cached: bool) -> dict[str, Any]:
    """The arguments of TRL's config: ours, then what the recipe's options say."""
    recipe, method = plan.recipe, plan.method
    gpu = torch.cuda.is_available()
    steps = recipe.max_steps or math.ceil(rows / _step(recipe)) * recipe.epochs
    half = gpu and torch.cuda.is_bf16_supported() and recipe.dtype != "float16"
    ours: dict[str, Any] = {
        "learning_rate": recipe.learning_rate,
        "num_train_epochs": recipe.epochs,
        "max_steps": recipe.max_steps or -1,
        "per_device_eval_batch_size": recipe.batch_size,
        "max_length": recipe.max_length,
        "seed": recipe.seed,
        "bf16": half,
        "gradient_checkpointing": gpu and recipe.model != TINY,
        "dataloader_pin_memory": gpu,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "logging_steps": max(1, min(10, int(steps // 10))),
        "save_total_limit": 2,
        "report_to": "tensorboard",
        "disable_tqdm": True,
        "trust_remote_code": recipe.trust_remote_code,
        **_evaluation(recipe, steps),
        **trl_losses(recipe.options),
        "per_device_train_batch_size": batches.rows,
        "gradient_accumulation_steps": batches.accumulation,
    }
    if distributed.world_size() > 1 and not gpu:
        ours["use_cpu"] = True  # unsaid, each process would train a model of its own
    if cached:
        ours["precompute_ref_log_probs"] = True
    if method.loads_model:
        ours["model_init_kwargs"] = {**_loading(recipe), **_given(recipe)}
    return ours


def _evaluation(recipe: Recipe, steps: float) -> dict[str, JsonValue]:
    asked = recipe.evaluation
    if asked is None:
        return {}
    every = max(1, int(asked.every if asked.every >= 1 else asked.every * steps))
    found: dict[str, JsonValue] = {"eval_strategy": "steps", "eval_steps": every}
    if asked.best:
        found |= {
            "save_strategy": "steps",
            "save_steps": every,
            "load_best_model_at_end": True,
            "metric_for_best_model": asked.best,
            "greater_is_better": asked.best == "accuracy",
        }
    return found


def _models(recipe: Recipe, method: Method, source: str) -> dict[str, object]:
    """The model, and the reference where the recipe names one, as the trainer takes them."""
    quantization = _quantization(recipe)
    if not method.loads_model:
        return {"model": _load(recipe, source, quantization)}
    models: dict[str, object] = {"model": source}
    if quantization is not None:
        models["quantization_config"] = quantization
    if recipe.reference:
        models["ref_model"] = _load(recipe, recipe.reference, quantization)
    return models


def _load(recipe: Recipe, source: str, quantization: object) -> PreTrainedModel:
    arguments: dict[str, Any] = {**_loading(recipe), **_given(recipe)}
    if quantization is not None:
        arguments["quantization_config"] = quantization
    try:
        return AutoModelForCausalLM.from_pretrained(
            source, trust_remote_code=recipe.trust_remote_code, **arguments
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise load_error(source, error) from error


def _loading(recipe: Recipe) -> dict[str, JsonValue]:
    """How the weights are loaded: float32, or bfloat16 where they stay frozen on a GPU."""
    frozen = recipe.lora is not None and torch.cuda.is_available()
    arguments: dict[str, JsonValue] = {
        "dtype": recipe.dtype or ("bfloat16" if frozen else "float32")
    }
    if recipe.revision:
        arguments["revision"] = recipe.revision
    if recipe.attention:
        arguments["attn_implementation"] = recipe.attention
    return arguments


def _given(recipe: Recipe) -> Mapping[str, JsonValue]:
    given = recipe.options.get("model_init_kwargs")
    return given if isinstance(given, dict) else {}


def _quantization(recipe: Recipe) -> BitsAndBytesConfig | None:
    if recipe.quantization is None:
        return None
    if recipe.quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _lora_config(recipe: Recipe, method: Method) -> object:
    if recipe.lora is None:
        return None
    from peft import LoraConfig

    head = {"modules_to_save": ["score"]} if method.task == "SEQ_CLS" else {}
    try:
        return LoraConfig(
            r=recipe.lora.r,
            lora_alpha=recipe.lora.alpha,
            lora_dropout=recipe.lora.dropout,
            target_modules=recipe.lora.target_modules,
            task_type=method.task,
            **{**head, **recipe.lora.options},
        )
    except TypeError as error:
        raise RecipeError(
            f"peft's LoraConfig refuses lora.options: {first_line(error)}",
            hint="See peft's documentation of LoraConfig.",
        ) from error
