"""The recipes to copy: each is loaded and run on the tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from prefdata.train import load_recipe, train

RECIPES = sorted((Path(__file__).parents[2] / "train").glob("*.yaml"))


def test_there_are_recipes() -> None:
    """A folder that moved would otherwise test nothing."""
    assert {path.name for path in RECIPES} >= {"dpo.yaml", "dpo-lora.yaml", "kto.yaml"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs(path: Path, pairs: Path, tmp_path: Path) -> None:
    """As it is written, but for where data and model are."""
    flags: dict[str, JsonValue] = {
        "data": str(pairs),
        "output": str(tmp_path / "m"),
        "max_steps": 6,
    }
    result = train(load_recipe(path, flags=flags))
    assert result.model == "tiny"
    assert result.after["loss"] < result.before["loss"]
    assert (tmp_path / "m" / "config.json").is_file()
