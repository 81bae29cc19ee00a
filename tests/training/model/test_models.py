"""Where a model comes from and how it is loaded; and what the card says of it afterwards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdata.errors import RecipeError, UsageError
from prefdata.training import METHODS, Recipe, load_recipe, train
from prefdata.training.config.recipe import LoraSettings
from prefdata.training.model.library_output import suppress_output
from prefdata.training.run.trainer import uses_cache
from tests.training.saved import generate


def recipe(model: Path | str, data: Path, output: Path, **changes: Any) -> Recipe:
    made = Recipe(
        model=str(model), data=str(data), output=str(output), max_steps=1, max_length=256, samples=0
    )
    return made.model_copy(update=changes)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dpo", "orpo", "reward"])
def test_weights_are_loaded_as_asked(
    method: str, pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """In bfloat16 with eager attention; by default in float32, which bf16 computes with as well."""
    for name, changes, expected in (
        ("half", {"dtype": "bfloat16", "attention": "eager"}, "bfloat16"),
        ("whole", {}, "float32"),
        ("mixed", {"options": {"bf16": True, "use_cpu": True}}, "float32"),
    ):
        train(recipe(chat_model, pairs, tmp_path / name, method=method, **changes))
        config = json.loads((tmp_path / name / "config.json").read_text())
        assert config["dtype"] == expected


def test_a_hub_model_is_read_from_the_cache_at_its_revision(
    pairs: Path, chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Laid out as the hub's own cache, with two revisions of which one is no model."""
    hub = tmp_path / "hub"
    repo = hub / "models--org--tiny"
    good, bad = "a" * 40, "b" * 40
    shutil.copytree(chat_model, repo / "snapshots" / good)
    shutil.copytree(chat_model, repo / "snapshots" / bad)
    (repo / "snapshots" / bad / "model.safetensors").write_bytes(b"nothing")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(bad)
    (repo / "refs" / "v2").write_text(good)
    with suppress_output():
        import huggingface_hub.constants as hub_constants

        monkeypatch.setattr(hub_constants, "HF_HUB_CACHE", str(hub))
        monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
        from transformers.utils import hub as transformers_hub

        if hasattr(transformers_hub, "is_offline_mode"):
            monkeypatch.setattr(transformers_hub, "is_offline_mode", lambda: True)
    asked = recipe("org/tiny", pairs, tmp_path / "m")
    with pytest.raises(UsageError, match="org/tiny: the model cannot be loaded"):
        train(asked)
    train(asked.model_copy(update={"revision": "v2"}))
    assert generate(tmp_path / "m").startswith("Tell me of the river")
    header = (tmp_path / "m" / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert yaml.safe_load(header)["base_model"] == "org/tiny"


def test_code_that_comes_with_a_model_is_not_run(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """Unless the recipe says so; then it is the model's own class that trains."""
    model = tmp_path / "coded"
    shutil.copytree(chat_model, model)
    config = json.loads((model / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "auto_map": {
            "AutoConfig": "mine.MineConfig",
            "AutoModelForCausalLM": "mine.MineForCausalLM",
        },
        "architectures": ["MineForCausalLM"],
    }
    (model / "config.json").write_text(json.dumps(config))
    (model / "mine.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class MineConfig(LlamaConfig):\n    model_type = 'mine'\n"
        "class MineForCausalLM(LlamaForCausalLM):\n    config_class = MineConfig\n"
    )
    asked = recipe(model, pairs, tmp_path / "m", method="cpo")
    with pytest.raises(UsageError) as caught:
        train(asked)
    assert "cannot be loaded" in str(caught.value)
    assert caught.value.hint == (
        "If you trust the code that comes with it: --set trust_remote_code=true."
    )
    assert train(asked.model_copy(update={"trust_remote_code": True})).steps == 1


def test_lora_takes_any_field_of_peft(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """And says which it does not know."""
    good = LoraSettings(r=4, options={"use_rslora": True})
    assert train(recipe(chat_model, pairs, tmp_path / "a", lora=good)).lora
    bad = LoraSettings(r=4, options={"use_rslorra": True})
    with pytest.raises(RecipeError, match=r"peft's LoraConfig refuses lora\.options: .*rslorra"):
        train(recipe(chat_model, pairs, tmp_path / "b", lora=bad))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_with_lora(
    method: str, pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """The adapter is merged, so that the folder loads like any model."""
    asked = recipe(
        chat_model, pairs, tmp_path / "m", method=method, lora=LoraSettings(r=4), max_steps=3
    )
    result = train(asked.model_copy(update={"learning_rate": 1e-2}))
    assert result.after["loss"] < result.before["loss"]
    assert not list((tmp_path / "m").glob("adapter*"))
    assert (tmp_path / "m" / "model.safetensors").is_file()


def test_the_cache_is_used_where_it_pays() -> None:
    """Where a run passes over all rows, and the reference stays where it is."""
    dpo, orpo = METHODS["dpo"], METHODS["orpo"]
    assert uses_cache(Recipe(), dpo, 1000)
    assert not uses_cache(Recipe(epochs=0.5), dpo, 1000)
    assert uses_cache(Recipe(max_steps=125, batch_size=8), dpo, 1000)
    assert not uses_cache(Recipe(max_steps=124, batch_size=8), dpo, 1000)
    assert uses_cache(Recipe(max_steps=1, reference_cache=True), dpo, 1000)
    assert not uses_cache(Recipe(reference_cache=False), dpo, 1000)
    assert not uses_cache(Recipe(options={"sync_ref_model": True}), dpo, 1000)
    assert not uses_cache(Recipe(), orpo, 1000)


def test_several_gpus_without_a_launcher_are_refused_before_loading(
    pairs: Path, chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRL refuses them after everything is loaded."""
    with suppress_output():
        import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(UsageError) as caught:
        train(recipe(chat_model, pairs, tmp_path / "m"))
    assert str(caught.value) == (
        "4 GPUs are visible to one process, and TRL trains on one GPU per process"
    )


def test_a_moving_reference_trains(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """TR-DPO: the reference follows the model every few steps."""
    options = {"sync_ref_model": True, "ref_model_sync_steps": 2}
    assert train(recipe(chat_model, pairs, tmp_path / "m", max_steps=4, options=options)).steps == 4


@pytest.mark.parametrize(
    ("changes", "library", "said"),
    [
        ({}, "transformers", "AutoModelForCausalLM"),
        ({"method": "reward"}, "transformers", "AutoModelForSequenceClassification"),
        ({"lora": LoraSettings(merge=False)}, "peft", "AutoPeftModelForCausalLM"),
    ],
    ids=["model", "reward", "adapter"],
)
def test_the_card_says_how_the_model_is_used(
    changes: dict[str, Any],
    library: str,
    said: str,
    pairs: Path,
    chat_model: Path,
    tmp_path: Path,
) -> None:
    """A model, a reward model and an adapter are loaded by different classes."""
    train(recipe(chat_model, pairs, tmp_path / "m", **changes))
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---")[1])["library_name"] == library
    assert f"{said}.from_pretrained(" in card
    assert "sha256 of its manifest.json" in card
    saved = load_recipe(tmp_path / "m" / "recipe.yaml")
    assert saved.max_steps == 1
