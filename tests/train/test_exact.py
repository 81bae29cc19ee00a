"""Training finds answers that are known beforehand."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import pytest

from prefdata.train import Recipe, train
from prefdata.train.encoding import encode
from prefdata.train.loading import load_model, load_tokenizer
from prefdata.train.quiet import hushed
from prefdata.train.scoring import score
from tests.train.data import pair, polite_pairs, said, write_dataset

REWARDS = {"Red.": 0.0, "Green it is.": 0.5, "Blue, of course.": 1.2, "It is yellow.": 2.2}
"""Answers to one question, and their Bradley-Terry rewards, with unequal gaps."""

PER_PAIR = 1000
BETA = 1.0


def sampled(flipped: float) -> list[dict[str, list[dict[str, str]]]]:
    """Each two answers so many times, in the proportions that their rewards imply.

    As expected counts, so that the rewards are the exact optimum and not an estimate of it.
    """
    rows = []
    for (one, high), (other, low) in itertools.combinations(REWARDS.items(), 2):
        wins = 1 / (1 + math.exp(low - high))
        seen = (1 - flipped) * wins + flipped * (1 - wins)
        times = round(PER_PAIR * seen)
        rows += [pair("Which colour?", one, other)] * times
        rows += [pair("Which colour?", other, one)] * (PER_PAIR - times)
    return rows


def largest_error(data: Path, output: Path, *, steps: int = 250, **options: float | str) -> float:
    """How far the reward gaps that training finds are from the true ones, at most."""
    train(
        Recipe(
            model="tiny",
            data=str(data),
            output=str(output),
            learning_rate=5e-4,
            batch_size=100,
            max_steps=steps,
            max_length=64,
            options={"beta": BETA, "weight_decay": 0.0, **options},
        )
    )
    answers = list(REWARDS)
    row = {"prompt": said("Which colour?", "user"), **{a: said(a) for a in answers}}
    with hushed():
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
    """Every gap between four known rewards, within 0.03."""
    data = write_dataset(tmp_path / "d", sampled(flipped=0.0))
    assert largest_error(data, tmp_path / "m", steps=400) < 0.03


@pytest.mark.slow
def test_robust_dpo_recovers_them_under_flipped_labels(tmp_path: Path) -> None:
    """With a fifth of the labels flipped, robust finds them all the same, and sigmoid does not."""
    data = write_dataset(tmp_path / "d", sampled(flipped=0.2))
    assert largest_error(data, tmp_path / "s") > 0.5
    options: dict[str, float | str] = {"loss_type": "robust", "label_smoothing": 0.2}
    assert largest_error(data, tmp_path / "r", steps=500, **options) < 0.03


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
