"""The reference's numbers: computed once, found again when nothing they rest on has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefdata.errors import RecipeError, TrainingError
from prefdata.training import Recipe, load_recipe, train
from prefdata.training.config.recipe import LoraSettings
from prefdata.training.model.library_output import suppress_output
from tests.training.datasets import pair, polite_pairs, write_dataset
from tests.training.saved import history

Change = Callable[[Recipe, Path], Recipe]

FOUND = "reference: its log-probabilities are found in the cache"
COMPUTED = "reference: its log-probabilities are computed once, and kept"


def options(recipe: Recipe, **changes: Any) -> Recipe:
    return recipe.model_copy(update={"options": {**recipe.options, **changes}})


def keys(**changes: Any) -> Change:
    return lambda recipe, _work: recipe.model_copy(update=changes)


def rewritten(recipe: Recipe, work: Path, rows: list[Any]) -> Recipe:
    data = write_dataset(work / "other", rows, polite_pairs(8, seed=1))
    return recipe.model_copy(update={"data": str(data)})


def other_model(recipe: Recipe, work: Path, change: Callable[[Path], None]) -> Recipe:
    shutil.copytree(recipe.model, work / "changed")
    change(work / "changed")
    return recipe.model_copy(update={"model": str(work / "changed")})


def one_weight(folder: Path, which: int = 0) -> None:
    """The smallest change to a single weight."""
    with suppress_output():
        import torch
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        name = sorted(weights)[which]
        weights[name].view(-1)[0] = torch.nextafter(
            weights[name].view(-1)[0], torch.tensor(float("inf"))
        )
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def config(**changes: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        held = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**held, **changes}))

    return write


def template(folder: Path) -> None:
    file = folder / "chat_template.jinja"
    file.write_text(file.read_text().replace("message['role']", "(message['role'] | upper)"))


def other_reference(recipe: Recipe, work: Path) -> Recipe:
    changed = other_model(recipe, work, lambda folder: one_weight(folder, 1)).model
    return recipe.model_copy(update={"reference": changed})


ROWS = polite_pairs(24)
STALE: dict[str, Change] = {
    "one weight": lambda r, w: other_model(r, w, one_weight),
    "the config of the same weights": lambda r, w: other_model(
        r, w, config(rope_parameters={"rope_theta": 5e3, "rope_type": "default"})
    ),
    "the chat template": lambda r, w: other_model(r, w, template),
    "the dtype of the weights": keys(dtype="bfloat16"),
    "half precision": lambda r, _w: options(r, bf16=True, use_cpu=True),
    "the attention": keys(attention="eager"),
    "max_length, where rows are cut": keys(max_length=30),
    "ld_alpha": lambda r, _w: options(r, ld_alpha=0.5),
    "one answer": lambda r, w: rewritten(
        r, w, [*ROWS[:-1], {**ROWS[-1], "chosen": pair("", "Well.", "")["chosen"]}]
    ),
    "the order of the rows": lambda r, w: rewritten(r, w, ROWS[::-1]),
    "a row less": lambda r, w: rewritten(r, w, ROWS[:-1]),
    "chosen and rejected, swapped": lambda r, w: rewritten(
        r, w, [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in ROWS]
    ),
    "another reference": other_reference,
    "the method": keys(method="kto"),
}
"""Whatever the numbers rest on; each must make the stored ones useless."""

FRESH: dict[str, Change] = {
    "beta": lambda r, _w: options(r, beta=0.5),
    "the loss": lambda r, _w: options(r, loss_type="ipo"),
    "the rate": keys(learning_rate=1e-4),
    "the seed": keys(seed=7),
    "the batch": keys(batch_size=4),
    "LoRA": keys(lora=LoraSettings(r=4)),
    "the rank": keys(lora=LoraSettings(r=8)),
    "another folder with the same model": lambda r, w: other_model(r, w, lambda _f: None),
}
"""What the numbers do not rest on; each must find the stored ones."""


@pytest.fixture(scope="module")
def base(chat_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """A run whose reference is in the cache."""
    folder = tmp_path_factory.mktemp("base")
    data = write_dataset(folder / "d", ROWS, polite_pairs(8, seed=1))
    recipe = Recipe(
        model=str(chat_model),
        data=str(data),
        output=str(folder / "m"),
        learning_rate=1e-3,
        max_length=256,
        samples=0,
        options={"save_strategy": "no", "logging_steps": 1},
    )
    train(recipe)
    return recipe


class Told(Exception):  # noqa: N818  # nothing went wrong
    pass


def said_of_reference(recipe: Recipe, output: Path) -> str:
    """What a run says of its reference; the run itself is of no interest, and ends there."""

    def listen(line: str) -> None:
        if line.startswith("reference:"):
            raise Told(line)

    with pytest.raises(Told) as caught:
        train(recipe.model_copy(update={"output": str(output)}), say=listen)
    return str(caught.value)


@pytest.mark.parametrize("change", STALE)
def test_what_the_numbers_rest_on_makes_them_useless(
    change: str, base: Recipe, tmp_path: Path
) -> None:
    """One change at a time, none of which may find the numbers of before."""
    wanted = STALE[change](base, tmp_path)
    assert said_of_reference(wanted, tmp_path / "m") == COMPUTED


@pytest.mark.parametrize("change", FRESH)
def test_what_they_do_not_rest_on_leaves_them(change: str, base: Recipe, tmp_path: Path) -> None:
    """A sweep over any of these pays for the reference once."""
    wanted = FRESH[change](base, tmp_path)
    assert said_of_reference(wanted, tmp_path / "m") == FOUND


def test_a_sweep_over_beta_costs_one_pass_and_changes_no_number(
    chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three betas, one pass of the reference over both splits, and the losses of runs without."""
    monkeypatch.setenv("PREFDATA_CACHE", str(tmp_path / "cache"))
    data = write_dataset(tmp_path / "d", ROWS, polite_pairs(8, seed=1))
    passes = []
    with suppress_output():
        import trl

        original = trl.DPOTrainer.compute_ref_log_probs

        def counted(self: object, model: object, batch: dict[str, Any]) -> object:
            passes.append(len(batch["input_ids"]) // 2)
            return original(self, model, batch)

        monkeypatch.setattr(trl.DPOTrainer, "compute_ref_log_probs", counted)
    for beta in (0.01, 0.1, 0.5):
        losses = {}
        for cached in (True, False):
            recipe = Recipe(
                model=str(chat_model),
                data=str(data),
                output=str(tmp_path / f"m-{beta}-{cached}"),
                learning_rate=1e-3,
                samples=0,
                reference_cache=cached,
                options={"beta": beta, "logging_steps": 1, "save_strategy": "no"},
            )
            found = history(train(recipe))
            losses[cached] = [entry["loss"] for entry in found if "loss" in entry]
        assert losses[True] == pytest.approx(losses[False], abs=1e-6)
    assert sum(passes) == 24 + 8


def test_a_damaged_file_is_computed_anew(base: Recipe, tmp_path: Path, monkeypatch: Any) -> None:  # noqa: ANN401
    """And so is one that was cut short, or that holds the numbers of fewer rows."""
    monkeypatch.setenv("PREFDATA_CACHE", str(tmp_path / "cache"))
    assert said_of_reference(base, tmp_path / "a") == COMPUTED
    for number, file in enumerate((tmp_path / "cache" / "reference").iterdir()):
        file.write_bytes(b"not parquet" if number else file.read_bytes()[:-20])
    assert said_of_reference(base, tmp_path / "b") == COMPUTED
    assert said_of_reference(base, tmp_path / "c") == FOUND


def test_a_cache_that_cannot_be_written_is_told(
    base: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both ways out."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("PREFDATA_CACHE", str(tmp_path / "file"))
    with pytest.raises(TrainingError, match="the reference's numbers cannot be kept") as caught:
        train(base.model_copy(update={"output": str(tmp_path / "m")}))
    assert caught.value.hint == (
        "Set PREFDATA_CACHE to a folder with room, or reference_cache: false."
    )


def test_a_few_steps_do_not_wait_for_all_rows(base: Recipe, tmp_path: Path) -> None:
    """The whole reference is computed only for a run that passes over all rows."""
    said: list[str] = []
    short = base.model_copy(update={"output": str(tmp_path / "m"), "max_steps": 1})
    train(short, say=said.append)
    assert not [line for line in said if line.startswith("reference:")]


def test_another_reference_is_what_rewards_are_measured_against(
    base: Recipe, tmp_path: Path
) -> None:
    """The start is then not at zero, and that is no mistake."""
    changed = tmp_path / "changed"
    shutil.copytree(base.model, changed)
    with suppress_output():
        import torch
        from safetensors.torch import load_file, save_file

        weights = load_file(changed / "model.safetensors")
        torch.manual_seed(0)
        moved = {k: t + 0.05 * torch.randn_like(t) for k, t in weights.items()}
        save_file(moved, changed / "model.safetensors", metadata={"format": "pt"})
    found = {}
    for cached in (True, False):
        recipe = base.model_copy(
            update={
                "output": str(tmp_path / f"m{cached}"),
                "reference": str(changed),
                "reference_cache": cached,
            }
        )
        result = train(recipe)
        first = next(entry for entry in history(result) if "loss" in entry)
        assert abs(result.before["rewards/margins"]) > 1e-3
        found[cached] = (first["loss"], result.before["rewards/margins"])
    assert found[True] == pytest.approx(found[False], abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["method=orpo", "reference=org/m"], "method orpo has no reference"),
        (["method=orpo", "reference_cache=true"], "method orpo has no reference to cache"),
        (
            ["reference_cache=true", "sync_ref_model=true"],
            "reference_cache and sync_ref_model contradict each other: the reference moves",
        ),
    ],
)
def test_a_reference_without_use_is_refused(settings: list[str], message: str) -> None:
    """One that the method does not have, and a cached one that is to move."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(settings=settings)
    assert str(caught.value) == f"command line: {message}"
