"""Recipes: what they say, what they refuse, and that checking them is cheap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prefdata.errors import RecipeError, UnknownNameError, UsageError
from prefdata.train import LoraSettings, Recipe, load_recipe, recipe_yaml


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(recipe: Path | None = None, *settings: str) -> tuple[str, str]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, settings=settings)
    return str(caught.value), caught.value.hint


def test_a_file_says_what_to_train(tmp_path: Path) -> None:
    """A YAML file becomes a recipe, a rate like 1e-6 a number and lora: true its defaults."""
    text = "model: m\ndata: d\nlora: true\nlearning_rate: 1e-6\noptions:\n  beta: 2e-1\n"
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.lora == LoraSettings(r=16, alpha=32)
    assert recipe.learning_rate == 1e-6
    assert recipe.options == {"beta": 0.2}


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    """A flag replaces a key, a flag that was not given leaves it, and --set reaches everything."""
    path = write(tmp_path, "model: m\ndata: d\nepochs: 3\nseed: 1\n")
    recipe = load_recipe(
        path,
        flags={"epochs": 2, "seed": None},
        settings=["beta=0.2", "lora.r=4", "loss_type=[sigmoid, sft]", "max_steps=5"],
    )
    assert (recipe.epochs, recipe.seed, recipe.max_steps) == (2, 1, 5)
    assert recipe.lora == LoraSettings(r=4)
    assert recipe.options == {"beta": 0.2, "loss_type": ["sigmoid", "sft"]}


@pytest.mark.parametrize(
    ("model", "lora", "rate"),
    [("org/m", None, 1e-6), ("org/m", LoraSettings(), 1e-5), ("tiny", None, 1e-3)],
)
def test_the_default_rate_suits_the_run(model: str, lora: LoraSettings | None, rate: float) -> None:
    """1e-6 for a full fine-tune, ten times that for LoRA, and a high one for the tiny model."""
    recipe = Recipe(model=model, data="pairs", lora=lora).resolved()
    assert recipe.learning_rate == pytest.approx(rate)
    assert recipe.options == {"lr_scheduler_type": "cosine", "warmup_steps": 0.1, "beta": 0.1}


def test_the_effective_recipe_reads_back(tmp_path: Path) -> None:
    """What is saved with a model is a recipe again, the same one."""
    recipe = Recipe(model="tiny", data="/d/pairs", output="/m", lora=LoraSettings()).resolved()
    assert load_recipe(write(tmp_path, recipe_yaml(recipe))) == recipe


def test_an_unknown_key_names_the_near_one(tmp_path: Path) -> None:
    """A slip of the pen is answered with the key that was meant."""
    assert refused(write(tmp_path, "modle: m\n")) == (
        "mine.yaml: unknown key 'modle'",
        (
            "Did you mean 'model'? Known: model, revision, dtype, attention, quantization, "
            "trust_remote_code, chat_template, data, output, method, first, reference, "
            "reference_cache, lora, learning_rate, epochs, max_steps, batch_size, max_length, "
            "allow_drops, margin_scale, smaller_on_oom, evaluation, seed, options."
        ),
    )


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("lr", "A recipe calls it 'learning_rate'."),
        ("num_train_epochs", "A recipe calls it 'epochs'."),
        ("beta", "It is an option of TRL: put it under 'options'."),
        (
            "warmup_ratio",
            (
                "TRL no longer takes it. Use warmup_steps: below 1 it is a share of all steps, "
                "such as 0.1."
            ),
        ),
    ],
)
def test_a_key_by_another_name_gets_its_right_one(tmp_path: Path, key: str, hint: str) -> None:
    """TRL's names for a recipe's keys, and options in the wrong place, are pointed out."""
    assert refused(write(tmp_path, f"{key}: 1\n")) == (f"mine.yaml: unknown key '{key}'", hint)


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("bata=1", "DPOConfig has no option 'bata'", "Did you mean 'beta'?"),
        (
            "rpo_alpha=1",
            "option 'rpo_alpha' is no longer there in TRL",
            "Use loss_type: [sigmoid, sft] with loss_weights: [1.0, rpo_alpha].",
        ),
        (
            "beta=high",
            "option 'beta' is 'high', expected float",
            "Give beta a value of the type float.",
        ),
        (
            "beta=true",
            "option 'beta' is True, expected float",
            "Give beta a value of the type float.",
        ),
        ("padding_free=true", "padding_free has no effect in TRL 1.16", "Leave it out."),
        (
            "label_smoothing=0.1",
            "label_smoothing has no effect with loss_type sigmoid",
            (
                "Use loss_type: cdpo for conservative DPO, which label_smoothing with sigmoid once "
                "was, or robust where labels are known to be flipped."
            ),
        ),
        (
            "loss_type=kto_pair",
            "method dpo has no loss_type 'kto_pair'",
            "Use method: kto, which also takes pairs.",
        ),
        ("loss_weights=[1, 2]", "2 loss_weights for 1 loss_type", "Give one weight for each loss."),
        (
            "epochs=many",
            "epochs is 'many'",
            "It should be a valid number, unable to parse string as a number.",
        ),
        (
            "lora.rank=4",
            "lora: unknown key 'rank'",
            "Known: r, alpha, dropout, target_modules, merge, options.",
        ),
        ("lora.r=0", "lora.r is 0", "It should be greater than or equal to 1."),
        (
            "lora.dropout=0.1",
            "lora.dropout has no effect: TRL switches dropout off",
            "Leave it out, or set the option disable_dropout to false.",
        ),
    ],
)
def test_what_trl_would_not_take_is_refused(setting: str, message: str, hint: str) -> None:
    """Unknown, removed, ineffective and ill-typed options each name the remedy."""
    assert refused(None, setting) == (f"command line: {message}", hint)


def test_an_option_of_the_recipe_itself_may_go_by_either_name(tmp_path: Path) -> None:
    """TRL's name under options is the recipe's key; two values for one thing are refused."""
    recipe = load_recipe(write(tmp_path, "options: {num_train_epochs: 3, seed: 1, beta: 0.2}\n"))
    assert (recipe.epochs, recipe.seed, recipe.options) == (3, 1, {"beta": 0.2})
    assert refused(write(tmp_path, "epochs: 1\noptions: {num_train_epochs: 3}\n")) == (
        "mine.yaml: option 'num_train_epochs' is 3, and the key 'epochs' is 1",
        "Say it once, with the key 'epochs'.",
    )


def test_a_setting_without_a_value_is_refused() -> None:
    """--set takes key=value."""
    assert refused(None, "beta") == (
        "--set 'beta' is not key=value",
        "Write it like --set beta=0.2.",
    )


def test_an_unknown_method_is_refused() -> None:
    """The methods are named."""
    with pytest.raises(UnknownNameError, match="unknown method 'dop'") as caught:
        load_recipe(flags={"method": "dop"})
    assert (
        caught.value.hint == "Did you mean 'dpo'? Known: dpo, kto, orpo, cpo, simpo, reward, sft."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "mine.yaml: not YAML at line 2"),
        ("- model\n", "mine.yaml: expected keys and values, found list"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Broken YAML names its line."""
    assert refused(write(tmp_path, text)) == (
        message,
        "A recipe is a list of lines like 'epochs: 1'.",
    )


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(UsageError, match=r"cannot be read \(No such file or directory\)"):
        load_recipe(tmp_path / "none.yaml")


def test_checking_a_recipe_loads_nothing_heavy(pairs: Path) -> None:
    """A recipe and its data are checked, option by option, without torch or TRL."""
    code = (
        "import sys; from prefdata.train import load_recipe, make_plan; "
        f"make_plan(load_recipe(flags={{'model': 'tiny', 'data': {str(pairs)!r}}}, "
        "settings=['beta=0.2'])); "
        "print([m for m in ('torch', 'trl', 'transformers', 'datasets', 'polars', 'click') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
