"""What is refused before anything heavy is loaded, word for word."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

import prefdata.training.config.plan as plan_module
from prefdata.errors import InputError, MissingExtraError, PrefdataError, RecipeError, UsageError
from prefdata.training import LoraSettings, Recipe, resolve
from tests.training.datasets import polite_pairs, unpaired, write_dataset

MAKE = "Make one with: pref convert SOURCE -o pairs"
GIVE_WEIGHTS = "Give a folder that holds config.json and weights, a name on the hub, or tiny."
GIVE = "Give a folder that holds config.json, a name on the hub, or tiny."


def refused(kind: type[PrefdataError], recipe: Recipe) -> tuple[str, str]:
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        resolve(recipe)
    assert time.monotonic() - began < 1
    return str(caught.value), caught.value.hint


def test_a_plan_fills_in_the_rest(pairs: Path) -> None:
    """The output is named after data and method, and the test split is what is measured."""
    plan = resolve(Recipe(model="tiny", data=str(pairs)))
    assert plan.output.name == "pairs-dpo"
    assert plan.eval_split == "test"
    assert plan.dataset.rows == {"train": 120, "test": 24}


def test_a_validation_split_is_measured_and_the_test_split_left_alone(
    pairs: Path, tmp_path: Path
) -> None:
    """What is measured while training is not what the model is judged by in the end."""
    folder = tmp_path / "three"
    shutil.copytree(pairs, folder)
    data = folder / "data"
    shutil.copy(next(data.glob("test-*")), data / "validation-00000-of-00001.parquet")
    plan = resolve(Recipe(model="tiny", data=str(folder)))
    assert plan.eval_split == "validation"
    assert plan.dataset.rows == {"train": 120, "validation": 24, "test": 24}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"method": "simpo"},
        {"lora": LoraSettings()},
        {"options": {"loss_type": "sft"}},
        {"method": "kto", "options": {"desirable_weight": "auto", "undesirable_weight": 2}},
    ],
    ids=["dpo", "simpo", "lora", "no-beta", "auto"],
)
def test_the_recipe_of_a_plan_resolves_to_itself(keys: dict[str, Any], pairs: Path) -> None:
    """Everything is filled in once, so that a saved recipe is the same run again."""
    recipe = resolve(Recipe(model="tiny", data=str(pairs), **keys)).recipe
    assert resolve(recipe).recipe == recipe


def test_no_data_and_no_model_are_refused(pairs: Path) -> None:
    """Each with what to say instead."""
    assert refused(RecipeError, Recipe(model="tiny")) == (
        "the recipe names no data",
        "Set data: to a data set directory.",
    )
    assert refused(RecipeError, Recipe(data=str(pairs))) == (
        "no model is named",
        "Use --model tiny to try the whole path, or a local folder, or a name on the hub.",
    )


def test_a_path_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    """Missing, a file, and a folder of something else."""
    none, file = tmp_path / "none", tmp_path / "ratings.csv"
    file.touch()
    assert refused(UsageError, Recipe(model="tiny", data=str(none))) == (
        f"{none}: no such data set",
        MAKE,
    )
    assert refused(UsageError, Recipe(model="tiny", data=str(file))) == (
        f"{file}: a file, expected a data set directory",
        MAKE,
    )
    assert refused(UsageError, Recipe(model="tiny", data=str(tmp_path))) == (
        f"{tmp_path}: not a data set directory, there is no manifest.json in it",
        MAKE,
    )


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    """The version that was found and the one that was expected are both named."""
    data = write_dataset(tmp_path / "d", polite_pairs(2))
    (data / "manifest.json").write_text(json.dumps({"kind": "pairs", "schema_version": 9}))
    assert refused(UsageError, Recipe(model="tiny", data=str(data))) == (
        (f"{data}/manifest.json: schema version 9; expected 1 to 2"),
        "It was written by a newer prefdata: install that one.",
    )


def test_an_empty_train_split_is_refused(tmp_path: Path) -> None:
    """With the place where the rows went."""
    data = write_dataset(tmp_path / "d", [])
    assert refused(InputError, Recipe(model="tiny", data=str(data))) == (
        f"{data}: the train split is empty",
        "See manifest.json and rejects/ for where the rows went.",
    )


def test_a_broken_or_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    """Not Parquet at all, and Parquet with other columns."""
    data = write_dataset(tmp_path / "d", polite_pairs(2))
    file = data / "data" / "train-00000-of-00001.parquet"
    manifest = {"kind": "unpaired", "schema_version": 1}
    (data / "manifest.json").write_text(json.dumps(manifest))
    assert refused(InputError, Recipe(model="tiny", data=str(data), method="kto")) == (
        f"{file}: no column 'completion', 'label'",
        "Expected prompt, completion, label; convert the source again.",
    )
    file.write_bytes(b"not parquet at all")
    message, hint = refused(InputError, Recipe(model="tiny", data=str(data)))
    assert message.startswith(f"{file}: not a Parquet file (")
    assert hint == "Convert the source again."


def test_dpo_on_labelled_answers_points_to_kto(labelled: Path) -> None:
    """DPO needs pairs; what does fit is named."""
    assert refused(RecipeError, Recipe(model="tiny", data=str(labelled))) == (
        f"method dpo needs pairs, and {labelled} holds unpaired preferences",
        "Use --method kto.",
    )


def test_kto_on_batches_of_one_is_refused(labelled: Path) -> None:
    """KTO estimates a divergence within the batch."""
    recipe = Recipe(model="tiny", data=str(labelled), method="kto", batch_size=1)
    assert refused(RecipeError, recipe) == (
        "method kto cannot learn from batches of 1",
        "Use --batch-size 2 or more.",
    )


def test_labels_that_are_all_the_same_are_refused(tmp_path: Path) -> None:
    """Only good answers teach nothing."""
    rows = unpaired(polite_pairs(4))[:4]
    data = write_dataset(tmp_path / "d", rows, kind="unpaired")
    assert refused(InputError, Recipe(model="tiny", data=str(data), method="kto")) == (
        f"{data}: every label in the train split is true",
        "Training needs both good and bad completions; check the labels of the source.",
    )


def test_a_model_that_is_not_there_is_refused(pairs: Path, tmp_path: Path) -> None:
    """A path, a folder without a model, and a bare word."""
    none = str(tmp_path / "none")
    assert refused(UsageError, Recipe(model=none, data=str(pairs))) == (
        f"{none}: no such model",
        GIVE,
    )
    assert refused(UsageError, Recipe(model=str(tmp_path), data=str(pairs))) == (
        f"{tmp_path}: not a model, there is no readable config.json in it",
        GIVE,
    )
    assert refused(UsageError, Recipe(model="no-such-model", data=str(pairs))) == (
        "no-such-model: no such model as a folder here",
        "Give a folder that holds config.json, a hub name like owner/name, or tiny.",
    )


def test_an_adapter_needs_its_base_model(pairs: Path, tmp_path: Path) -> None:
    """It has to name it, and the base model has to be there."""
    config = tmp_path / "adapter_config.json"
    config.write_text("{}")
    recipe = Recipe(model=str(tmp_path), data=str(pairs))
    assert refused(UsageError, recipe) == (
        f"{tmp_path}: a LoRA adapter that does not say what it adapts",
        "Set base_model_name_or_path in its adapter_config.json.",
    )
    config.write_text('{"base_model_name_or_path": "/no/such/base"}')
    assert refused(UsageError, recipe) == (
        (
            f"{tmp_path}: a LoRA adapter, and its base model is not there: "
            "/no/such/base: no such model"
        ),
        "Set base_model_name_or_path in its adapter_config.json to where it is.",
    )


def test_a_folder_without_weights_or_tokenizer_is_refused(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """Weights that are missing or pickled, a missing tokenizer, and one of another model."""
    model = tmp_path / "m"
    shutil.copytree(chat_model, model)
    recipe = Recipe(model=str(model), data=str(pairs))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "vocab_size": 300}))
    message, hint = refused(UsageError, recipe)
    assert message.endswith("and the model knows 300 tokens")
    assert hint == "Put the tokenizer that belongs to the model into its folder."
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).unlink()
    assert refused(UsageError, recipe) == (
        f"{model}: there is no tokenizer in it",
        "Save the model's tokenizer into the same folder.",
    )
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert refused(UsageError, recipe) == (
        (
            f"{model}: its weights are pickled, and pickles run what they hold; "
            "only safetensors are read"
        ),
        "Save the model as safetensors, with transformers' save_pretrained.",
    )
    (model / "pytorch_model.bin").unlink()
    assert refused(UsageError, recipe) == (f"{model}: there are no weights in it", GIVE_WEIGHTS)


def test_a_template_or_a_library_that_is_not_there_is_refused(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is loaded."""
    recipe = Recipe(model="tiny", data=str(pairs), chat_template="none.jinja")
    assert refused(UsageError, recipe) == (
        "none.jinja: no such chat template",
        "Give a Jinja file, or none for plain text.",
    )
    monkeypatch.setattr(
        plan_module, "find_spec", lambda name: None if name == "bitsandbytes" else True
    )
    recipe = Recipe(model="tiny", data=str(pairs), lora=LoraSettings(), quantization="4bit")
    assert refused(RecipeError, recipe) == (
        "quantization 4bit needs the package bitsandbytes, which is not installed",
        "Install it with: pip install bitsandbytes, or leave quantization out.",
    )
    monkeypatch.setattr(
        plan_module, "find_spec", lambda name: None if name == "deepspeed" else True
    )
    recipe = Recipe(model="tiny", data=str(pairs), options={"deepspeed": "zero.json"})
    assert refused(RecipeError, recipe) == (
        "option 'deepspeed' needs the package deepspeed, which is not installed",
        "Install it with: pip install deepspeed, or use fsdp: true.",
    )


def test_margins_have_to_be_there(pairs: Path) -> None:
    """A reward model that is to use them says how many are missing."""
    recipe = Recipe(model="tiny", data=str(pairs), method="reward", margin_scale=1.0)
    assert refused(RecipeError, recipe) == (
        "margin_scale needs a margin for every pair: 144 of 144 have none",
        "Leave margin_scale out, or convert a source that has scores.",
    )


def test_a_max_length_beyond_the_model_is_refused(pairs: Path, chat_model: Path) -> None:
    """The tiny model holds 4,096 tokens."""
    recipe = Recipe(model=str(chat_model), data=str(pairs), max_length=5000)
    assert refused(RecipeError, recipe) == (
        f"max_length 5,000 is more than the 4,096 tokens that {chat_model} can hold",
        "Use --max-length 4096.",
    )


def test_an_existing_output_is_refused(pairs: Path, tmp_path: Path) -> None:
    """Without --force always; with it, where the folder is not a model of ours."""
    recipe = Recipe(model="tiny", data=str(pairs), output=str(tmp_path))
    (tmp_path / "recipe.yaml").touch()
    assert refused(UsageError, recipe) == (
        f"{tmp_path} exists already",
        "Name another output, or pass --force.",
    )
    assert resolve(recipe, force=True).output == tmp_path
    (tmp_path / "recipe.yaml").rename(tmp_path / "thesis.tex")
    with pytest.raises(UsageError, match=f"{tmp_path} exists and holds something else"):
        resolve(recipe, force=True)


def test_a_missing_extra_names_the_command(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else."""
    monkeypatch.setattr(plan_module, "TRAIN_PACKAGES", ("torch", "no_such_package"))
    assert refused(MissingExtraError, Recipe(model="tiny", data=str(pairs))) == (
        "pref train needs the extra 'train', which is not installed",
        "Install it with: pip install 'prefdata[train]'",
    )
