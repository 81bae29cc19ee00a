"""Training finds answers that are known beforehand."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction
from pathlib import Path

import pytest

from prefdata.training import Recipe, train
from prefdata.training.data.tokenize import encode
from prefdata.training.evaluation.logprobs import score
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import load_model, load_tokenizer
from tests.training.datasets import pair, polite_pairs, said, write_dataset

STRENGTHS = {"Red.": 1, "Green it is.": 2, "Blue, of course.": 6, "It is yellow.": 9}
"""Answers to one question, and what they win by: 9 beats 6 in 9 cases of 15."""

REWARDS = {answer: math.log(strength) for answer, strength in STRENGTHS.items()}
"""Their Bradley-Terry rewards, with unequal gaps."""

BETA = 1.0


def verdicts(flipped: Fraction) -> list[dict[str, list[dict[str, str]]]]:
    """Each two answers as often as it takes to show their chances as whole numbers.

    So the rewards are the exact optimum, and not an estimate of it.
    """
    rows = []
    for (one, high), (other, low) in itertools.combinations(STRENGTHS.items(), 2):
        wins = Fraction(high, high + low)
        seen = (1 - flipped) * wins + flipped * (1 - wins)
        rows += [pair("Which colour?", one, other)] * seen.numerator
        rows += [pair("Which colour?", other, one)] * (seen.denominator - seen.numerator)
    return rows


def largest_error(flipped: Fraction, folder: Path, **options: float | str) -> float:
    """How far the reward gaps that training finds are from the true ones, at most.

    All rows are in each batch, so that no step depends on chance.
    """
    rows, output = verdicts(flipped), folder / "m"
    train(
        Recipe(
            model="tiny",
            data=str(write_dataset(folder / "d", rows)),
            output=str(output),
            learning_rate=5e-4,
            batch_size=len(rows),
            max_steps=400,
            max_length=64,
            options={"beta": BETA, "weight_decay": 0.0, **options},
        )
    )
    answers = list(REWARDS)
    row = {"prompt": said("Which colour?", "user"), **{a: said(a) for a in answers}}
    with suppress_output():
        encoded = encode(row, answers, load_tokenizer(str(output)))
        models = [load_model(str(path)) for path in (output, output / "reference")]
        scores = next(score([encoded], models[0], reference=models[1], max_length=64))
    found = {answer: one.reward(BETA) for answer, one in zip(answers, scores, strict=True)}
    return max(
        abs((found[a] - found[b]) - (REWARDS[a] - REWARDS[b]))
        for a, b in itertools.combinations(answers, 2)
    )


@pytest.mark.slow
def test_dpo_recovers_bradley_terry_rewards(tmp_path: Path) -> None:
    """Every gap between four known rewards, within a thousandth."""
    assert largest_error(Fraction(0), tmp_path) < 0.001


@pytest.mark.slow
def test_robust_dpo_recovers_them_under_flipped_labels(tmp_path: Path) -> None:
    """With a fifth of the labels flipped, robust finds them all the same, and sigmoid does not."""
    fifth = Fraction(1, 5)
    assert largest_error(fifth, tmp_path / "sigmoid") > 0.5
    options: dict[str, float | str] = {"loss_type": "robust", "label_smoothing": 0.2}
    assert largest_error(fifth, tmp_path / "robust", **options) < 0.001


@pytest.mark.slow
def test_what_can_be_learned_is_learned_and_what_cannot_is_not(tmp_path: Path) -> None:
    """Held-out accuracy from 50 % to over 95 %; on shuffled labels it stays at 50 %."""
    rows, held_out = polite_pairs(400), polite_pairs(200, seed=1)
    learned = train(_recipe(write_dataset(tmp_path / "d", rows, held_out), tmp_path / "m"))
    assert learned.before["rewards/accuracies"] == 0.5
    assert learned.after["rewards/accuracies"] > 0.95

    draw = random.Random(0)  # noqa: S311  # not a secret
    data = write_dataset(tmp_path / "s", *(_shuffled(rows, draw) for rows in (rows, held_out)))
    shuffled = train(_recipe(data, tmp_path / "n"))
    assert shuffled.after["rewards/accuracies"] == pytest.approx(0.5, abs=0.1)


def _recipe(data: Path, output: Path) -> Recipe:
    return Recipe(model="tiny", data=str(data), output=str(output), max_length=128)


def _shuffled(
    rows: list[dict[str, list[dict[str, str]]]], draw: random.Random
) -> list[dict[str, list[dict[str, str]]]]:
    """The same answers, half of the labels wrong."""
    wrong = set(draw.sample(range(len(rows)), len(rows) // 2))
    swapped = {"prompt": "prompt", "chosen": "rejected", "rejected": "chosen"}
    return [
        {swapped[name]: row[name] for name in row} if position in wrong else row
        for position, row in enumerate(rows)
    ]
