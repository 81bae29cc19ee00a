"""`pref train` and a plain TRL script are the same training: same data, seed, arguments, losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training import METHODS, Recipe, train
from prefdata.training.config.recipe import LoraSettings
from prefdata.training.data.dataset_views import load_view
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import import_class, load_tokenizer
from tests.training.saved import history

STEPS = 6
ARGUMENTS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "max_steps": STEPS,
    "per_device_train_batch_size": 8,
    "max_length": 256,
    "seed": 42,
    "logging_steps": 1,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.1,
    "bf16": False,
    "gradient_checkpointing": False,
    "report_to": "none",
    "save_strategy": "no",
    "disable_tqdm": True,
}


def plain_script(method: str, model: Path, data: Path, work: Path, *, lora: bool) -> list[float]:
    """The losses of a script that uses TRL and nothing of ours but the data's view."""
    entry = METHODS[method]
    with suppress_output():
        import peft
        import transformers

        views = load_view(
            open_dataset(data), "train", view=entry.views["pairs"], chat=True, seed=42, cache=work
        )
        trainer = import_class(entry.trainer)(
            model=transformers.AutoModelForCausalLM.from_pretrained(model)
            if "experimental" in entry.trainer
            else str(model),
            args=import_class(entry.config)(output_dir=str(work), **ARGUMENTS, **entry.defaults),
            train_dataset=views,
            processing_class=load_tokenizer(str(model)),
            peft_config=peft.LoraConfig(
                r=16, lora_alpha=32, target_modules="all-linear", task_type=entry.task
            )
            if lora
            else None,
        )
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("dpo", {"reference_cache": False}),
        ("dpo", {"reference_cache": True}),
        pytest.param(
            "dpo", {"lora": LoraSettings(), "reference_cache": True}, marks=pytest.mark.slow
        ),
        pytest.param("kto", {"reference_cache": True}, marks=pytest.mark.slow),
        pytest.param("orpo", {}, marks=pytest.mark.slow),
        pytest.param("cpo", {}, marks=pytest.mark.slow),
        pytest.param("simpo", {}, marks=pytest.mark.slow),
        pytest.param("reward", {}, marks=pytest.mark.slow),
        pytest.param("sft", {}, marks=pytest.mark.slow),
    ],
    ids=["dpo", "dpo-cached", "dpo-lora", "kto", "orpo", "cpo", "simpo", "reward", "sft"],
)
def test_the_losses_are_those_of_a_plain_script(
    method: str, changes: dict[str, Any], pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """To a millionth, step by step, with the reference cached or not."""
    options: dict[str, JsonValue] = {"logging_steps": 1, "save_strategy": "no"}
    recipe = Recipe(
        model=str(chat_model),
        data=str(pairs),
        output=str(tmp_path / "m"),
        method=method,
        learning_rate=1e-3,
        max_steps=STEPS,
        max_length=256,
        options=options,
    )
    result = train(recipe.model_copy(update=changes))
    ours = [entry["loss"] for entry in history(result) if "loss" in entry]
    theirs = plain_script(method, chat_model, pairs, tmp_path / "w", lora="lora" in changes)
    assert len(ours) == STEPS
    assert ours == pytest.approx(theirs, abs=1e-6)
