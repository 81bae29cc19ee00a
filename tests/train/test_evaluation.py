"""Evaluation: per example, with intervals, the same for any batch size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefdata.errors import UsageError
from prefdata.train import TrainingResult, evaluate
from prefdata.train.evaluation import estimates, mean, share, wilson
from prefdata.train.loading import load_model, load_tokenizer
from prefdata.train.preflight import Encoded
from prefdata.train.quiet import hushed
from prefdata.train.scoring import Score, score


def test_a_score_is_the_sum_of_log_probabilities(chat_model: Path) -> None:
    """Computed by hand from the logits, a token at a time, for a row that is cut."""
    with hushed():
        import torch

        model, tokenizer = load_model(str(chat_model)), load_tokenizer(str(chat_model))
        prompt, answer = tokenizer("Tell me")["input_ids"], tokenizer(" of the river")["input_ids"]
        length = len(prompt) + len(answer) - 1
        ids = (prompt + answer)[:length]
        logits = model(torch.tensor([ids])).logits[0].double()
        expected = sum(
            float(logits[at - 1][ids[at]] - logits[at - 1].logsumexp(0))
            for at in range(len(prompt), length)
        )
        row = Encoded(prompt, [answer, [5]], merged=False)
        found = next(score([row], model, reference=model, max_length=length))
    assert found[0].logp == pytest.approx(expected, abs=1e-4)
    assert found[0].tokens == len(answer) - 1
    assert found[0].reference == found[0].logp
    assert found[0].kl == 0


def test_the_batch_size_changes_no_figure(trained: TrainingResult, pairs: Path) -> None:
    """24 rows in batches of 1, 4 and 7, the last of them partial."""
    found = [evaluate(trained.output, data=pairs, batch_size=size) for size in (1, 4, 7)]
    for other in found[1:]:
        for name, estimate in found[0].estimates.items():
            assert other.estimates[name].value == pytest.approx(estimate.value, rel=1e-4)
            assert other.estimates[name].n == 24


def test_a_trained_model_is_measured_against_where_it_started(
    trained: TrainingResult, pairs: Path
) -> None:
    """The reference saved with it is found, and the margin is the one that training reported."""
    found = evaluate(trained.output, data=pairs)
    assert found.reference == f"{trained.output}/reference"
    assert found.estimates["reward_accuracy"].value == 1
    assert found.estimates["reward_margin"].value == pytest.approx(
        trained.after["rewards/margins"], rel=1e-3
    )
    assert found.estimates["kl"].value > 0.1


def test_the_json_has_value_interval_and_rows(trained: TrainingResult, pairs: Path) -> None:
    """Keys end in accuracy, margin and kl, and every figure is a JSON number."""
    found = json.loads(json.dumps(evaluate(trained.output, data=pairs).as_json(), allow_nan=False))
    assert set(found) == {
        *("model", "data", "split", "reference", "beta", "left_out"),
        *("accuracy", "reward_accuracy", "reward_margin", "kl"),
    }
    low, high = found["reward_accuracy"]["interval"]
    assert low < found["reward_accuracy"]["value"] == pytest.approx(high)
    assert found["reward_accuracy"]["n"] == 24


def test_a_model_is_at_no_distance_from_itself(chat_model: Path, pairs: Path) -> None:
    """Its own reference: every pair a tie, no margin, no divergence."""
    found = evaluate(str(chat_model), data=pairs, reference=str(chat_model)).estimates
    assert found["reward_accuracy"].value == 0.5
    assert found["reward_margin"].value == 0
    assert found["kl"].value == 0


def test_without_a_reference_there_is_only_accuracy(chat_model: Path, pairs: Path) -> None:
    """No reward is made up."""
    found = evaluate(str(chat_model), data=pairs)
    assert found.reference is None
    assert set(found.estimates) == {"accuracy"}


def test_estimates_by_hand() -> None:
    """Two pairs, one won and one lost, at beta 0.5."""
    scores = [
        [Score(-1.0, reference=-3.0, kl=1.0), Score(-2.0, reference=-2.0, kl=3.0)],
        [Score(-5.0, reference=-4.0, kl=0.0), Score(-4.0, reference=-4.0, kl=0.0)],
    ]
    found = estimates(scores, beta=0.5)
    assert found["accuracy"].value == 0.5
    assert found["reward_accuracy"].value == 0.5
    assert found["reward_margin"].value == pytest.approx((0.5 * 2 - 0.5 * 1) / 2)
    assert found["kl"].value == 1.0


def test_intervals_are_the_known_ones() -> None:
    """Wilson's for 8 of 10, the normal one for a mean, and none for a single row."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert share([1.0, 0.5]).value == 0.75
    assert mean([1.0, 2.0, 3.0]).interval == pytest.approx((0.8684, 3.1316), abs=1e-4)
    assert mean([1.0]).interval is None


def test_labelled_answers_are_refused(trained: TrainingResult, labelled: Path) -> None:
    """Accuracy needs pairs."""
    with pytest.raises(UsageError) as caught:
        evaluate(trained.output, data=labelled)
    assert str(caught.value) == (
        f"{labelled} holds unpaired preferences, and pref eval compares pairs"
    )
