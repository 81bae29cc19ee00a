"""TRL's trainer and config for a plan; importing this loads torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
import trl
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer

from prefdata.errors import RecipeError, UsageError
from prefdata.train.callbacks import ProgressLines, StartGuard
from prefdata.train.loading import first_line
from prefdata.train.plan import Plan
from prefdata.train.recipe import TINY, Recipe

Say = Callable[[str], None]


def build_trainer(
    plan: Plan,
    source: str,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    measured: Dataset,
    scratch: Path,
    say: Say,
) -> Trainer:
    """TRL's trainer for the method, told to say nothing and to save nothing by itself.

    Args:
        plan: what to run.
        source: the folder or hub name of the starting model.
        tokenizer: of that model.
        rows: the view of the train split.
        measured: the view that is measured before and after.
        scratch: a folder for the trainer's own files.
        say: gets a line of progress at a time.

    Raises:
        UsageError: the model cannot be loaded.
        RecipeError: TRL refuses an option.

    Example:
        >>> build_trainer(plan, "model", tokenizer, rows, rows, Path("work"), print).train()
        ... # doctest: +SKIP
    """
    method, options = plan.method, plan.recipe.options
    try:
        trainer = getattr(trl, method.trainer)(
            model=source,
            args=getattr(trl, method.config)(
                output_dir=str(scratch / "trainer"), **_arguments(plan, len(rows))
            ),
            train_dataset=rows,
            eval_dataset=measured,
            processing_class=tokenizer,
            peft_config=_lora_config(plan.recipe),
        )
    except OSError as error:
        raise UsageError(
            f"{plan.recipe.model}: the model cannot be loaded ({first_line(error)})",
            hint="Give a folder that holds config.json and weights, a name on the hub, or tiny.",
        ) from error
    except (ValueError, NotImplementedError) as error:
        raise RecipeError(
            f"TRL's {method.trainer} refuses the recipe: {first_line(error)}",
            hint="Change the option that it names.",
        ) from error
    trainer.remove_callback(PrinterCallback)
    dropouts = {
        name: rate
        for name, rate in trainer.model.config.to_dict().items()
        if "drop" in name and isinstance(rate, float) and rate > 0
    }
    trainer.add_callback(StartGuard(method.start_loss(options), dropouts=dropouts))
    trainer.add_callback(ProgressLines(say))
    return trainer


def _arguments(plan: Plan, rows: int) -> dict[str, object]:
    """The arguments of TRL's config: ours, then what the recipe's options say."""
    recipe = plan.recipe
    gpu = torch.cuda.is_available()
    steps = recipe.max_steps or math.ceil(rows / recipe.batch_size) * recipe.epochs
    return {
        "learning_rate": recipe.learning_rate,
        "num_train_epochs": recipe.epochs,
        "max_steps": recipe.max_steps or -1,
        "per_device_train_batch_size": recipe.batch_size,
        "per_device_eval_batch_size": recipe.batch_size,
        "max_length": recipe.max_length,
        "seed": recipe.seed,
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "gradient_checkpointing": gpu and recipe.model != TINY,
        "dataloader_pin_memory": gpu,
        "logging_first_step": True,
        "logging_steps": max(1, min(10, int(steps // 10))),
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        **recipe.options,
    }


def _lora_config(recipe: Recipe) -> object:
    if recipe.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.lora.r,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=recipe.lora.target_modules,
        task_type="CAUSAL_LM",
    )
