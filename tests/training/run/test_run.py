"""Training runs on TRL's own trainer, start to end, on models that take seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from prefdata.errors import InputError, RecipeError, TrainingError, UsageError
from prefdata.training import Recipe, TrainingResult, load_recipe, train
from prefdata.training.model.library_output import suppress_output
from prefdata.training.run.start_check import check_start
from tests.training.datasets import pair, polite_pairs, write_dataset
from tests.training.saved import generate, history


def test_the_loss_starts_at_ln_2_and_falls(trained: TrainingResult) -> None:
    """The tiny model learns to prefer the polite answer, on rows it has not seen."""
    first = next(entry for entry in history(trained) if "loss" in entry)
    assert first["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-3)
    assert (trained.split, trained.measured, trained.steps) == ("test", 24, 15)
    assert trained.before["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert trained.before["rewards/margins"] == 0
    assert trained.before["rewards/accuracies"] == 0.5
    assert trained.after["loss"] < 0.3
    assert trained.after["rewards/accuracies"] == 1
    assert trained.after["rewards/margins"] > 1


def test_our_figures_are_those_of_trl(trained: TrainingResult) -> None:
    """24 rows in batches of 8 are averaged by TRL without error, so both must agree."""
    last = [entry for entry in history(trained) if "eval_loss" in entry][-1]
    assert last["eval_rewards/margins"] == pytest.approx(trained.after["rewards/margins"], abs=1e-4)
    assert last["eval_rewards/accuracies"] == trained.after["rewards/accuracies"]


def test_the_saved_model_loads_and_generates(trained: TrainingResult) -> None:
    """With transformers alone, from the folder that was named; and so does its reference."""
    assert generate(trained.output).startswith("Tell me of the river")
    assert generate(Path(trained.output) / "reference").startswith("Tell me of the river")


def test_the_card_tells_where_the_model_comes_from(trained: TrainingResult) -> None:
    """Method, figures, data and recipe."""
    card = (Path(trained.output) / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "Trained from `tiny` with direct preference optimisation" in card
    assert "| rewards/accuracies | 0.5000 | 1.0000 |" in card
    assert "- data set: `pairs`, pairs, rows used: 120 train, 24 test" in card
    assert "hand.jsonl" in card
    assert "learning_rate: 0.001" in card


def test_the_saved_recipe_gives_the_same_run(trained: TrainingResult, tmp_path: Path) -> None:
    """Same data, seed and recipe, same figures to the last digit."""
    saved = load_recipe(Path(trained.output) / "recipe.yaml")
    again = train(saved.model_copy(update={"output": str(tmp_path / "again")}))
    assert again.after == trained.after


def test_lora_is_trained_and_merged(pairs: Path, tmp_path: Path) -> None:
    """The folder holds a whole model, not an adapter."""
    output = tmp_path / "lora"
    recipe = load_recipe(
        flags={"model": "tiny", "data": str(pairs), "output": str(output), "lora": True}
    )
    result = train(recipe)
    assert result.before["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert result.after["loss"] < 0.6
    assert not list(output.glob("adapter*"))
    assert generate(output).startswith("Tell me of the river")
    with suppress_output():
        import torch
        from transformers import AutoModelForCausalLM

        now = AutoModelForCausalLM.from_pretrained(output).state_dict()
        then = AutoModelForCausalLM.from_pretrained(output / "reference").state_dict()
    assert set(now) == set(then)
    assert any(not torch.equal(now[name], then[name]) for name in now)


def test_a_tokenizer_without_a_template_gets_plain_text(
    pairs: Path, plain_model: Path, tmp_path: Path
) -> None:
    """And is told so."""
    said: list[str] = []
    recipe = Recipe(
        model=str(plain_model), data=str(pairs), output=str(tmp_path / "m"), learning_rate=1e-3
    )
    result = train(recipe, say=said.append)
    assert result.after["loss"] < 0.4
    assert "no chat template: turns are written out as 'User: …' and 'Assistant: …'" in said
    assert generate(tmp_path / "m").startswith("Tell me of the river")
    assert not (tmp_path / "m" / "reference").exists()


def test_a_local_model_with_a_template_gets_messages(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """A chat model is trained on its own template, for as many steps as were asked for."""
    said: list[str] = []
    recipe = Recipe(model=str(chat_model), data=str(pairs), output=str(tmp_path / "m"), max_steps=2)
    assert train(recipe, say=said.append).steps == 2
    assert "chat template found: rows go in as messages" in said


@pytest.mark.parametrize("kind", ["labelled", "pairs"])
def test_kto_learns_from_both_kinds(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Although the good answers come first in the file, or in pairs with the bad ones."""
    data = request.getfixturevalue(kind)
    result = train(Recipe(model="tiny", data=str(data), output=str(tmp_path / "m"), method="kto"))
    assert result.before == {"loss": pytest.approx(0.5, abs=1e-3), "rewards/margins": 0}
    assert result.after["loss"] < 0.35
    assert result.after["rewards/margins"] > 1


def test_without_a_test_split_the_train_split_is_measured(tmp_path: Path) -> None:
    """And the table says so."""
    data = write_dataset(tmp_path / "d", polite_pairs(20))
    result = train(Recipe(model="tiny", data=str(data), output=str(tmp_path / "m")))
    assert (result.split, result.measured) == ("train", 20)
    assert result.table().title == "dpo on 20 rows of the train split (there is no test split)"


def test_rows_that_would_be_lost_stop_the_run(tmp_path: Path) -> None:
    """Until they are allowed to be lost; then the result counts them."""
    rows = [*polite_pairs(20), pair("river " * 200, "Gladly!", "No.")]
    data = write_dataset(tmp_path / "d", rows)
    recipe = Recipe(
        model="tiny", data=str(data), output=str(tmp_path / "m"), max_length=128, max_steps=2
    )
    with pytest.raises(InputError, match="1 of 21 rows of the train split would be lost"):
        train(recipe)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    result = train(recipe.model_copy(update={"allow_drops": 1}))
    assert (result.rows, result.lost) == ({"train": 20}, {"train": 1})


def test_a_model_that_drops_out_at_random_stops_the_run(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """TRL cannot switch off attention dropout, so the first step betrays it."""
    model = tmp_path / "dropout"
    shutil.copytree(chat_model, model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "attention_dropout": 0.5}))
    with pytest.raises(TrainingError) as caught:
        train(Recipe(model=str(model), data=str(pairs), output=str(tmp_path / "m")))
    assert "the model does not start equal to its reference" in str(caught.value)
    assert caught.value.hint == (
        "The model drops out at random (attention_dropout: 0.5): set that to 0 in its config.json."
    )
    assert not (tmp_path / "m").exists()


def test_another_reference_is_diagnosed() -> None:
    """The first step of a run whose reference is another model, and one that is not a number."""
    with pytest.raises(TrainingError) as caught:
        check_start({"loss": 0.8, "rewards/margins": -0.2}, 0.6931, dropouts={})
    assert str(caught.value) == (
        "the first batch shows loss 0.8000 and margin -0.2000, expected loss 0.6931 and margin 0: "
        "the model does not start equal to its reference"
    )
    assert caught.value.hint.startswith("The reference is not the model that training starts from")
    with pytest.raises(TrainingError) as caught:
        check_start({"loss": float("nan")}, 0.6931, dropouts={})
    assert caught.value.hint == "The loss is not a number: check the model's weights and dtype."


def test_what_trl_refuses_is_passed_on(pairs: Path, tmp_path: Path) -> None:
    """In TRL's own words, and with nothing left behind."""
    recipe = Recipe(
        model="tiny",
        data=str(pairs),
        output=str(tmp_path / "m"),
        options={"loss_type": "exo_pair"},
    )
    with pytest.raises(RecipeError) as caught:
        train(recipe)
    assert str(caught.value) == (
        "TRL's DPOTrainer refuses the recipe: Label smoothing must be greater than 0.0 when using "
        "'exo_pair' loss. The EXO paper recommends a value of 1e-3"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_weights_is_refused(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """What is broken shows when it is loaded, and is told as an error of ours."""
    model = tmp_path / "broken"
    shutil.copytree(chat_model, model)
    (model / "model.safetensors").write_bytes(b"not weights at all")
    recipe = Recipe(model=str(model), data=str(pairs), output=str(tmp_path / "m"))
    with pytest.raises(UsageError, match="the model cannot be loaded"):
        train(recipe)
    (model / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match="no tokenizer can be loaded"):
        train(recipe)


def test_an_interrupted_run_leaves_the_old_model(
    pairs: Path, trained: TrainingResult, tmp_path: Path
) -> None:
    """Nothing half-written, nothing lost."""
    output = tmp_path / "m"
    shutil.copytree(trained.output, output)
    before = sorted(path.name for path in output.iterdir())

    def interrupt(line: str) -> None:
        if line.startswith("step 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Recipe(model="tiny", data=str(pairs), output=str(output)), force=True, say=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert sorted(path.name for path in output.iterdir()) == before


def test_force_replaces_a_model(pairs: Path, trained: TrainingResult, tmp_path: Path) -> None:
    """The new folder stands where the old one stood, and no other is left beside it."""
    output = tmp_path / "m"
    shutil.copytree(trained.output, output)
    before = (output / "metrics.jsonl").read_text("utf-8")
    train(Recipe(model="tiny", data=str(pairs), output=str(output), max_steps=1), force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert (output / "metrics.jsonl").read_text("utf-8") != before


@pytest.mark.parametrize("name", ["notes.md", "eval/eval.json", "m.gguf", "reference/notes.md"])
def test_force_deletes_no_file_that_a_user_put_beside_a_model(
    name: str, pairs: Path, trained: TrainingResult, tmp_path: Path
) -> None:
    """It is named, and the folder stays as it is."""
    output = tmp_path / "m"
    shutil.copytree(trained.output, output)
    (output / name).parent.mkdir(exist_ok=True)
    (output / name).touch()
    recipe = Recipe(model="tiny", data=str(pairs), output=str(output))
    with pytest.raises(UsageError, match=f"holds what prefdata did not write: {name}"):
        train(recipe, force=True)
    assert (output / name).exists()
