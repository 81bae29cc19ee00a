"""Options that are measured on the data, and those that are filled in from it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from prefdata.errors import RecipeError
from prefdata.training import Recipe, load_recipe, resolve
from prefdata.training.config.auto_options import flip_rate
from tests.training.datasets import polite_pairs, unpaired, write_dataset


def voted(count: int, error: float, annotators: int) -> list[dict[str, Any]]:
    """Pairs whose label is the majority of annotators who err independently."""
    draw = random.Random(0)  # noqa: S311  # not a secret
    rows = []
    for row in polite_pairs(count):
        right = sum(draw.random() >= error for _ in range(annotators))
        share = max(right, annotators - right) / annotators
        rows.append({**row, "votes": annotators, "agreement": share})
    return rows


def test_the_share_of_flipped_labels_is_found_again() -> None:
    """Three annotators who err in 20 % of cases: their majority errs in 10.4 %."""
    rows = voted(5000, 0.2, 3)
    found = flip_rate([(row["votes"], row["agreement"]) for row in rows])
    assert found == pytest.approx(3 * 0.2**2 * 0.8 + 0.2**3, abs=0.01)


def test_single_votes_are_as_wrong_as_one_annotator() -> None:
    """What pairs with two votes tell of the annotators holds for the pairs with one."""
    twice = [(2, 1.0)] * 68 + [(2, 0.5)] * 32
    assert flip_rate(twice + [(1, 1.0)] * 10_000) == pytest.approx(0.2, abs=0.01)


def test_annotators_who_agree_flip_nothing() -> None:
    """And those who contradict each other at random flip no more than half."""
    assert flip_rate([(3, 1.0)] * 10) == 0
    assert flip_rate([(2, 0.5)] * 10) == 0.49


def test_smoothing_is_measured_on_the_data(tmp_path: Path) -> None:
    """And saved as the number that it is."""
    data = write_dataset(tmp_path / "d", voted(200, 0.2, 3))
    recipe = load_recipe(
        flags={"model": "tiny", "data": str(data)},
        settings=["loss_type=robust", "label_smoothing=auto"],
    )
    found = resolve(recipe).recipe.options["label_smoothing"]
    assert isinstance(found, float)
    assert 0.05 < found < 0.16


def test_data_without_votes_cannot_tell(pairs: Path) -> None:
    """One vote contradicts nobody."""
    recipe = load_recipe(
        flags={"model": "tiny", "data": str(pairs)},
        settings=["loss_type=cdpo", "label_smoothing=auto"],
    )
    with pytest.raises(RecipeError) as caught:
        resolve(recipe)
    assert str(caught.value) == (
        "label_smoothing is auto, and no pair of the train split has two votes to compare"
    )


@pytest.mark.parametrize(
    ("side", "expected"), [("desirable", 1 / 3), ("undesirable", 6.0)], ids=["good", "bad"]
)
def test_weights_are_measured_on_the_data(side: str, expected: float, tmp_path: Path) -> None:
    """Both classes weigh the same afterwards, whatever the other weight is."""
    rows = unpaired(polite_pairs(40))
    data = write_dataset(tmp_path / "d", [*rows[:30], *rows[40:50]], kind="unpaired")
    other = {"desirable": "undesirable_weight=1.0", "undesirable": "desirable_weight=2.0"}[side]
    recipe = load_recipe(
        flags={"model": "tiny", "data": str(data), "method": "kto"},
        settings=[f"{side}_weight=auto", other],
    )
    found = resolve(recipe).recipe.options[f"{side}_weight"]
    assert found == pytest.approx(expected, abs=1e-3)


def test_only_the_ratio_of_the_weights_is_measured(labelled: Path) -> None:
    """Two unknowns and one equation."""
    options: dict[str, Any] = {"desirable_weight": "auto", "undesirable_weight": "auto"}
    recipe = Recipe(model="tiny", data=str(labelled), method="kto", options=options)
    with pytest.raises(RecipeError, match="are both auto; only their ratio is measured"):
        resolve(recipe)


def test_what_is_not_measured_is_not_auto() -> None:
    """Elsewhere auto is a wrong value like any other."""
    with pytest.raises(RecipeError, match="option 'beta' is 'auto', expected float"):
        load_recipe(settings=["beta=auto"])
    with pytest.raises(RecipeError, match="label_smoothing has no effect with loss_type sigmoid"):
        load_recipe(settings=["label_smoothing=auto"])
