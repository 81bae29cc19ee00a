"""Recipes: what they say, what they refuse, and that checking them is cheap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prefdata.errors import PrefdataError, RecipeError, UnknownNameError, UsageError
from prefdata.training import METHODS, LoraSettings, Recipe, load_recipe, recipe_yaml
from prefdata.training.config.plan import with_defaults


def effective(recipe: Recipe) -> Recipe:
    return with_defaults(recipe, METHODS[recipe.method])


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
    recipe = effective(Recipe(model=model, data="pairs", lora=lora))
    assert recipe.learning_rate == pytest.approx(rate)
    assert recipe.options == {"lr_scheduler_type": "cosine", "warmup_steps": 0.1, "beta": 0.1}


def test_the_effective_recipe_reads_back(tmp_path: Path) -> None:
    """What is saved with a model is a recipe again, the same one."""
    recipe = effective(Recipe(model="tiny", data="/d/pairs", output="/m", lora=LoraSettings()))
    assert load_recipe(write(tmp_path, recipe_yaml(recipe))) == recipe


def test_an_unknown_key_names_the_near_one(tmp_path: Path) -> None:
    """A slip of the pen is answered with the key that was meant."""
    assert refused(write(tmp_path, "modle: m\n")) == (
        "mine.yaml: unknown key 'modle'",
        (
            "Did you mean 'model'? Known: model, revision, dtype, attention, quantization, "
            "trust_remote_code, chat_template, data, output, method, trainer, first, reference, "
            "reference_cache, lora, learning_rate, epochs, max_steps, batch_size, max_length, "
            "allow_drops, margin_scale, smaller_on_oom, evaluation, samples, seed, options."
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
        (
            "loss_type=[sft, hinge, simpo]",
            "method dpo has no loss_type 'simpo'",
            "Use method: simpo.",
        ),
        (
            "loss_type=exo_pair",
            "loss_type exo_pair needs label_smoothing above 0",
            "Set label_smoothing to 1e-3, as its paper does.",
        ),
        (
            "discopop_tau=0.1",
            "discopop_tau has no effect with loss_type sigmoid",
            "Leave it out; it is read by discopop.",
        ),
        (
            "f_alpha_divergence_coef=0.3",
            "f_alpha_divergence_coef has no effect without f_divergence_type: alpha_divergence",
            "Leave it out, or set f_divergence_type.",
        ),
        (
            "ref_model_sync_steps=8",
            "ref_model_sync_steps has no effect without sync_ref_model: true",
            "Leave it out, or set sync_ref_model.",
        ),
        (
            "f_divergence_type=js",
            "option 'f_divergence_type' is 'js'",
            "Known: reverse_kl, forward_kl, js_divergence, alpha_divergence.",
        ),
        (
            "lr_scheduler_type=cosin",
            "option 'lr_scheduler_type' is 'cosin'",
            (
                "Did you mean 'cosine'? Known: linear, cosine, cosine_with_restarts, polynomial, "
                "constant, constant_with_warmup, inverse_sqrt, reduce_lr_on_plateau, "
                "cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay, greedy."
            ),
        ),
        (
            "resume_from_checkpoint=true",
            "option 'resume_from_checkpoint' is no longer there in TRL",
            "Use pref train --resume.",
        ),
        (
            "quantization=4bit",
            "quantization 4bit without lora: quantised weights cannot be trained",
            "Add lora: true, or leave quantization out.",
        ),
        (
            "quantization=2bit",
            "quantization is '2bit'",
            "It should be '4bit' or '8bit'.",
        ),
        (
            "margin_scale=1.0",
            "margin_scale has no effect with method dpo",
            "Leave it out, or use method: reward.",
        ),
        (
            "evaluation.patience=2",
            "evaluation.patience needs evaluation.best: better by what?",
            "Set evaluation.best to loss or accuracy.",
        ),
        (
            "evaluation.evry=2",
            "evaluation: unknown key 'evry'",
            "Did you mean 'every'? Known: every, best, patience.",
        ),
        (
            "first.options.bata=1",
            "first: unknown key 'options.bata'",
            "Did you mean 'options'? Known: learning_rate, epochs, max_steps, batch_size, options.",
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["loss_type=robust", "label_smoothing=0.5"],
            "label_smoothing is 0.5, the share of labels that are flipped",
        ),
        (
            ["loss_type=apo_zero", "f_divergence_type=forward_kl"],
            "loss_type apo_zero has no form for f_divergence_type forward_kl",
        ),
        (
            ["loss_type=aot", "use_weighting=true"],
            "use_weighting does not work with losses that sort the batch",
        ),
        (["loss_type=sft", "beta=0.2"], "beta has no effect with loss_type sft"),
        (["loss_type=[sft]", "ld_alpha=0.5"], "ld_alpha has no effect with loss_type sft"),
        (["method=cpo", "simpo_gamma=1.0"], "simpo_gamma has no effect with loss_type sigmoid"),
        (["method=simpo", "loss_type=alphapo"], "loss_type alphapo without alpha is SimPO"),
        (["method=sft", "first=true"], "first is supervised fine-tuning, and so is method sft"),
        (["method=kto", "evaluation.best=accuracy"], "method kto has no accuracy"),
        (["method=sft", "packing_strategy=bfd"], "packing_strategy has no effect without packing"),
        (
            ["lora=true", "sync_ref_model=true"],
            "sync_ref_model does not work with lora, whose reference is the model without adapter",
        ),
        (
            ["lora.target_modules=[q_proj, lm_head]"],
            "lora.target_modules names lm_head, which TRL multiplies past the adapter",
        ),
        (["method=reward", "beta=0.1"], "RewardConfig has no option 'beta'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(settings: list[str], message: str) -> None:
    """What one key says makes another wrong, or without effect."""
    found, hint = refused(None, *settings)
    assert found.startswith(f"command line: {message}")
    assert hint


def test_a_first_stage_is_checked_like_a_recipe(tmp_path: Path) -> None:
    """Its options are those of TRL's SFTConfig."""
    path = write(tmp_path, "model: m\ndata: d\nfirst:\n  options: {beta: 0.1}\n")
    message, _hint = refused(path)
    assert message == "mine.yaml: first: SFTConfig has no option 'beta'"


def test_an_option_that_another_loss_reads_is_left_out_of_its_defaults() -> None:
    """The effective recipe of a loss without beta has none, so that it reads back."""
    recipe = effective(Recipe(model="tiny", data="pairs", options={"loss_type": "sft"}))
    assert "beta" not in recipe.options


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


LINES = "A recipe is a list of lines like 'epochs: 1'."


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "a: [1\n",
            "mine.yaml is not valid YAML at line 2, column 1",
            f"Braces and colons in a text need quotes. {LINES}",
        ),
        ("- model\n", "mine.yaml: expected keys and values, found list", LINES),
        ("epochs: 1\nseed: 2\nepochs: 3\n", "has 'epochs' twice: line 3", "Keep one of them."),
        ("options: {beta: 0.1, beta: 0.2}\n", "has 'beta' twice: line 1", "Keep one of them."),
        (
            "seed: 2026-13-45\n",
            "mine.yaml is not valid YAML",
            f"Braces and colons in a text need quotes. {LINES}",
        ),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    """Broken YAML names its line, and no key counts silently as the last of two."""
    with pytest.raises(PrefdataError) as caught:
        load_recipe(write(tmp_path, text))
    assert str(caught.value).endswith(message)
    assert caught.value.hint == hint
    assert caught.value.exit_code == 2


def test_who_said_what_is_wrong_is_named(tmp_path: Path) -> None:
    """The file where it stands there, and else what was set over it."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("options: {beta: 0.1}\n", encoding="utf-8")
    bad.write_text("options: {beeta: 0.1}\n", encoding="utf-8")
    assert refused(good, "beeta=1")[0] == "command line: DPOConfig has no option 'beeta'"
    assert refused(bad, "beta=1")[0] == "bad.yaml: DPOConfig has no option 'beeta'"
    assert refused(None, "lora={r: 1, r: 2}")[0] == "--set: 'r' twice in '{r: 1, r: 2}'"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        load_recipe(tmp_path / "none.yaml")


def test_checking_a_recipe_loads_nothing_heavy(pairs: Path) -> None:
    """A recipe and its data are checked, option by option, without torch or TRL."""
    code = (
        "import sys; from prefdata.training import load_recipe, resolve; "
        f"resolve(load_recipe(flags={{'model': 'tiny', 'data': {str(pairs)!r}}}, "
        "settings=['beta=0.2'])); "
        "print([m for m in ('torch', 'trl', 'transformers', 'datasets', 'polars', 'click') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
