"""The recipes to copy: each is run on the tiny model, loaded again and asked to generate."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from prefdata.errors import RecipeError
from prefdata.training import Recipe, TrainingResult, load_recipe, resolve, train
from prefdata.training.model.library_output import suppress_output
from tests.training.saved import generate

RECIPES = sorted((Path(__file__).parents[3] / "train").glob("*.yaml"))
NEEDS_A_GPU = {"dpo-qlora"}


def run(path: Path, data: Path, output: Path, **changes: JsonValue) -> TrainingResult:
    flags: dict[str, JsonValue] = {"data": str(data), "output": str(output), "max_steps": 6}
    recipe = load_recipe(path, flags=flags)
    return train(recipe.model_copy(update=changes))


def test_there_are_recipes() -> None:
    """A folder that moved would otherwise test nothing."""
    assert {path.stem for path in RECIPES} == {
        *("dpo", "dpo-lora", "dpo-qlora", "dpo-norm", "ipo", "hinge", "robust", "rpo", "apo"),
        *("simpo", "orpo", "kto", "reward", "sft-then-dpo", "multi-gpu"),
    }


@pytest.mark.parametrize(
    "path", [path for path in RECIPES if path.stem not in NEEDS_A_GPU], ids=lambda path: path.stem
)
def test_a_recipe_runs(path: Path, pairs: Path, tmp_path: Path) -> None:
    """As it is written, but for where the data are and how long it goes."""
    result = run(path, pairs, tmp_path / "m")
    assert result.model == "tiny"
    assert result.after["loss"] < result.before["loss"]
    if result.method == "reward":
        assert scores(tmp_path / "m")
    else:
        assert generate(tmp_path / "m").startswith("Tell me of the river")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert resolve(load_recipe(tmp_path / "m" / "recipe.yaml"), force=True)  # all of it is ours


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_the_recipe_for_quantised_weights_runs(bits: Any, pairs: Path, tmp_path: Path) -> None:  # noqa: ANN401
    """On the CPU where the library is there; elsewhere all of it but the quantisation."""
    path = next(path for path in RECIPES if path.stem == "dpo-qlora")
    quantization = bits
    if importlib.util.find_spec("bitsandbytes") is None:
        with pytest.raises(
            RecipeError, match=f"quantization {bits} needs the package bitsandbytes"
        ):
            run(path, pairs, tmp_path / "m", quantization=bits)
        quantization = None
    result = run(path, pairs, tmp_path / "m", quantization=quantization)
    assert result.after["loss"] < result.before["loss"]
    assert generate(tmp_path / "m").startswith("Tell me of the river")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert "quantization_config" not in config


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_says_only_what_it_needs(path: Path) -> None:
    """The first lines say how to run it, and the model is one that everybody has."""
    assert f"train/{path.name}" in path.read_text(encoding="utf-8").split("\nmodel:")[0]
    recipe = load_recipe(path)
    assert isinstance(recipe, Recipe)
    assert recipe.model == "tiny"


def scores(folder: Path) -> float:
    """What a saved reward model gives an answer, loaded with nothing but transformers."""
    with suppress_output():
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model = AutoModelForSequenceClassification.from_pretrained(folder)
        ids = AutoTokenizer.from_pretrained(folder)("Tell me of the river", return_tensors="pt")
        return float(model(**ids).logits.item())
