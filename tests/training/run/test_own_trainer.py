"""A trainer of one's own: one class in a module of the user's, and one line of a recipe."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefdata.errors import RecipeError
from prefdata.training import Recipe, evaluate, load_recipe, resolve, train
from tests.training.saved import history

MODULE = '''
from dataclasses import dataclass

from trl import DPOConfig, DPOTrainer, KTOTrainer, SFTTrainer
from trl.experimental.cpo import CPOTrainer


class DoubledTrainer(DPOTrainer):
    """Twice the loss of DPO."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        return (2 * result[0], *result[1:]) if return_outputs else 2 * result


@dataclass
class ScaledConfig(DPOConfig):
    scale: float = 1.0


class ScaledTrainer(DPOTrainer):
    """The loss of DPO times an option of its own config."""

    config_class = ScaledConfig

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        scale = self.args.scale
        return (scale * result[0], *result[1:]) if return_outputs else scale * result


class CentredTrainer(CPOTrainer):
    """A loss of log-probabilities alone, by the hook that TRL has for it."""

    def cpo_loss(self, chosen, rejected):
        margins = chosen - rejected
        return (margins - 1) ** 2, chosen.detach(), rejected.detach()


class MyKTOTrainer(KTOTrainer):
    pass


class WrongConfig(DPOTrainer):
    config_class = dict


class Unrelated:
    pass


def function():
    pass
'''

OPTIONS = {"logging_steps": 1, "save_strategy": "no"}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's folder, from which the command is run, with ``my_trainers.py`` in it."""
    (tmp_path / "my_trainers.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    (tmp_path / "needy.py").write_text("import no_such_package\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("my_trainers", "broken", "needy"):
        sys.modules.pop(name, None)


def losses(recipe: Recipe) -> list[float]:
    result = train(recipe)
    return [entry["loss"] for entry in history(result) if "loss" in entry]


def refused(text: str, folder: Path) -> tuple[str, str]:
    """The message and the hint for a recipe of these lines."""
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(folder / "mine.yaml")
    return str(caught.value), caught.value.hint


def test_one_line_of_a_recipe_trains_with_a_loss_of_ones_own(pairs: Path, module: Path) -> None:
    """Twice DPO's loss, which starts at 2 ln 2; the model is saved, and measured without it."""
    lines = f"model: tiny\ndata: {pairs}\nmax_steps: 3\noptions: {OPTIONS}\n"
    (module / "plain.yaml").write_text(f"{lines}output: plain\n", encoding="utf-8")
    (module / "mine.yaml").write_text(
        f"{lines}output: mine\ntrainer: my_trainers:DoubledTrainer\n", encoding="utf-8"
    )
    ours, plain = losses(load_recipe(Path("mine.yaml"))), losses(load_recipe(Path("plain.yaml")))
    assert ours[0] == pytest.approx(2 * plain[0], abs=1e-6)
    assert ours[-1] < ours[0]

    saved = (module / "mine" / "recipe.yaml").read_text(encoding="utf-8")
    assert "method: dpo\ntrainer: my_trainers:DoubledTrainer\n" in saved
    assert "trainer" not in (module / "plain" / "recipe.yaml").read_text(encoding="utf-8")
    card = (module / "mine" / "README.md").read_text(encoding="utf-8")
    assert "with `my_trainers:DoubledTrainer`, a subclass of TRL's DPOTrainer; a full" in card
    assert "with my_trainers:DoubledTrainer.\n" in card

    del sys.modules["my_trainers"]
    (module / "my_trainers.py").unlink()
    assert "accuracy" in evaluate("mine", data=pairs).estimates


def test_a_config_of_ones_own_adds_options(pairs: Path, module: Path) -> None:
    """Its fields are options like TRL's: checked by name and type, and handed to the trainer."""
    flags = {"model": "tiny", "data": str(pairs), "trainer": "my_trainers:ScaledTrainer"}
    with pytest.raises(RecipeError, match="ScaledConfig has no option 'scael'"):
        load_recipe(flags=flags, settings=["scael=3"])
    with pytest.raises(RecipeError, match="option 'scale' is 'high', expected float"):
        load_recipe(flags=flags, settings=["scale=high"])
    settings = ["scale=3", "max_steps=1", "logging_steps=1", f"output={module / 'm'}"]
    assert losses(load_recipe(flags=flags, settings=settings))[0] == pytest.approx(
        3 * 0.6931, abs=1e-3
    )


@pytest.mark.usefixtures("module")
def test_the_base_class_decides_the_method(pairs: Path) -> None:
    """Where the recipe names none: what data it takes, what is compared, which options it has."""
    flags = {"model": "tiny", "data": str(pairs)}
    plan = resolve(Recipe(**flags, trainer="my_trainers:MyKTOTrainer"))
    assert (plan.recipe.method, plan.method.views["pairs"]) == ("kto", "unpaired")
    assert plan.method.config == "trl:KTOConfig"
    assert plan.output == Path(f"{pairs}-kto")
    plan = resolve(Recipe(**flags, trainer="my_trainers:CentredTrainer", method="simpo"))
    assert (plan.recipe.method, plan.method.measure) == ("simpo", "mean_likelihood")


def test_an_experimental_trainer_is_a_base_too(pairs: Path, module: Path) -> None:
    """CPO's hook for a loss is called with the log-probabilities of both answers."""
    recipe = Recipe(
        model="tiny",
        data=str(pairs),
        output=str(module / "m"),
        trainer="my_trainers:CentredTrainer",
        max_steps=2,
        options={**OPTIONS, "cpo_alpha": 0.0},
    )
    assert losses(recipe)[0] != pytest.approx(0.6931, abs=0.1)


@pytest.mark.parametrize(
    ("path", "problem", "hint"),
    [
        (
            "my_trainers",
            "it is not written as module:Class",
            "Write it like my_trainers:MyDPOTrainer.",
        ),
        (
            "your_trainers:Mine",
            "there is no module your_trainers",
            "Start pref in the folder that holds it, or install its package.",
        ),
        (
            "my_trainers:DoubleTrainer",
            "there is no class DoubleTrainer in my_trainers",
            "Did you mean DoubledTrainer?",
        ),
        (
            "my_trainers:function",
            "there is no class function in my_trainers",
            "Define it in my_trainers.",
        ),
        (
            "my_trainers:Unrelated",
            "it is not a subclass of a trainer that a method uses",
            (
                "Derive it from one of TRL's: DPOTrainer, KTOTrainer, ORPOTrainer, CPOTrainer, "
                "RewardTrainer, SFTTrainer."
            ),
        ),
        (
            "my_trainers:MyKTOTrainer",
            "it is a KTOTrainer, and method dpo trains with DPOTrainer",
            "Use method: kto, or leave method out.",
        ),
        (
            "my_trainers:WrongConfig",
            "its config_class is not a subclass of DPOConfig",
            "Derive it from TRL's DPOConfig, as a dataclass.",
        ),
        (
            "broken:Mine",
            "importing broken fails with ZeroDivisionError: division by zero",
            "See where, with: python -c 'import broken'.",
        ),
        (
            "needy:Mine",
            "needy imports no_such_package, which is not there",
            "Install no_such_package.",
        ),
    ],
)
def test_a_trainer_that_cannot_be_used_is_refused(
    path: str, problem: str, hint: str, module: Path
) -> None:
    """Before anything is loaded but its module, each time with the remedy."""
    lines = f"trainer: {path}\nmethod: dpo\n"
    assert refused(lines, module) == (f"mine.yaml: trainer {path}: {problem}", hint)


def test_the_reference_cache_is_for_trl_s_own_trainers(module: Path) -> None:
    """A subclass may compute its reference otherwise, and the cache would not know."""
    lines = "trainer: my_trainers:DoubledTrainer\nreference_cache: true\n"
    message, hint = refused(lines, module)
    assert message == (
        "mine.yaml: reference_cache does not work with trainer my_trainers:DoubledTrainer, which "
        "may compute its reference in another way than TRL's"
    )
    assert hint == "Leave one of them out."


@pytest.mark.usefixtures("module")
def test_an_option_that_only_ones_own_loss_reads_is_taken() -> None:
    """TRL's sigmoid loss ignores label_smoothing; a subclass may use it."""
    recipe = load_recipe(
        flags={"trainer": "my_trainers:DoubledTrainer"}, settings=["label_smoothing=0.1"]
    )
    assert recipe.options == {"label_smoothing": 0.1}
