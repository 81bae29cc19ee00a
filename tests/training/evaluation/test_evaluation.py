"""Evaluation: per example, with intervals, the same for any batch size."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from prefdata.training import LoraSettings, Recipe, TrainingResult, evaluate, train
from prefdata.training.data.tokenize import EncodedRow
from prefdata.training.evaluation.logprobs import score
from prefdata.training.evaluation.metrics import EvalRow, figures, slices, write_rows
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import load_model, load_tokenizer
from tests.training.datasets import polite_pairs, write_dataset


def test_a_score_is_the_sum_of_log_probabilities(chat_model: Path) -> None:
    """Computed by hand from the logits, a token at a time, for a row that is cut."""
    with suppress_output():
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
        row = EncodedRow(prompt, [answer, [5]], merged=False)
        found = next(score([row], model, reference=model, max_length=length))
    assert found[0].logp == pytest.approx(expected, abs=1e-4)
    assert found[0].tokens == len(answer) - 1
    assert found[0].reference == found[0].logp
    assert found[0].kl == 0


def numbers(row: EvalRow) -> dict[str, float]:
    return {name: value for name, value in vars(row).items() if isinstance(value, int | float)}


def test_the_batch_size_changes_no_figure(trained: TrainingResult, pairs: Path) -> None:
    """24 rows in batches of 1, 4 and 7, the last of them partial."""
    found = [evaluate(trained.output, data=pairs, batch_size=size) for size in (1, 4, 7)]
    for other in found[1:]:
        for name, estimate in found[0].estimates.items():
            assert other.estimates[name].value == pytest.approx(estimate.value, abs=1e-6, rel=1e-6)
            assert other.estimates[name].n == 24
        for mine, its in zip(found[0].rows, other.rows, strict=True):
            assert numbers(its) == pytest.approx(numbers(mine), rel=1e-6, abs=1e-6)


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
    assert (found.estimates["kl"].value or 0) > 0.1


def test_the_json_has_value_interval_and_rows(trained: TrainingResult, pairs: Path) -> None:
    """Keys end in accuracy, margin and kl, and every figure is a JSON number."""
    found = json.loads(json.dumps(evaluate(trained.output, data=pairs).as_json(), allow_nan=False))
    assert set(found) == {
        *("model", "data", "split", "reference", "beta", "measure", "left_out"),
        *("accuracy", "mean_accuracy", "margin", "length_accuracy"),
        *("reward_accuracy", "reward_margin", "kl"),
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


def test_without_a_reference_there_is_no_reward(chat_model: Path, pairs: Path) -> None:
    """Nothing is made up."""
    found = evaluate(str(chat_model), data=pairs)
    assert found.reference is None
    assert set(found.estimates) == {"accuracy", "mean_accuracy", "margin", "length_accuracy"}


def test_figures_equal_a_computation_by_hand(
    trained: TrainingResult, pairs: Path, tmp_path: Path
) -> None:
    """Every row and every figure, from nothing but transformers, in double precision."""
    found = evaluate(trained.output, data=pairs, batch_size=7)
    with suppress_output():
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(trained.output)
        model, reference = (
            AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
            for folder in (trained.output, f"{trained.output}/reference")
        )
        expected = []
        for row in pq.read_table(pairs / "data" / "test-00000-of-00001.parquet").to_pylist():
            sides = {}
            for side in ("chosen", "rejected"):
                turns = [
                    {"role": m["role"], "content": m["content"]} for m in row["prompt"] + row[side]
                ]
                ids, start = (
                    tokenizer.apply_chat_template(
                        part, return_dict=False, add_generation_prompt=len(part) == 1
                    )
                    for part in (turns, turns[:1])
                )
                new, old = (m(torch.tensor([ids])).logits[0].detach() for m in (model, reference))
                new, old = (logits.log_softmax(-1)[len(start) - 1 : -1] for logits in (new, old))
                at = torch.tensor(ids[len(start) :])[:, None]
                divergence = float((new.exp() * (new - old)).sum())
                sums = (float(logps.gather(1, at).sum()) for logps in (new, old))
                sides[side] = (*sums, divergence, len(at))
            expected.append(sides)
    for row, by_hand in zip(found.rows, expected, strict=True):
        for side in ("chosen", "rejected"):
            logp, before, _, length = by_hand[side]
            assert getattr(row, f"{side}_logp") == pytest.approx(logp, rel=1e-5)
            assert getattr(row, f"{side}_reference_logp") == pytest.approx(before, rel=1e-5)
            assert getattr(row, f"{side}_length") == length
        assert row.kl == pytest.approx((by_hand["chosen"][2] + by_hand["rejected"][2]) / 2, 1e-4)
    gaps = [row["chosen"][0] - row["rejected"][0] for row in expected]
    starts = [row["chosen"][1] - row["rejected"][1] for row in expected]
    rewards = [0.1 * (gap - start) for gap, start in zip(gaps, starts, strict=True)]
    longer = [row["chosen"][3] > row["rejected"][3] for row in expected]
    figures = {
        "accuracy": sum(gap > 0 for gap in gaps) / 24,
        "margin": sum(gaps) / 24,
        "reward_accuracy": sum(reward > 0 for reward in rewards) / 24,
        "reward_margin": sum(rewards) / 24,
        "length_accuracy": sum(longer) / 24,
        "kl": sum(row["chosen"][2] + row["rejected"][2] for row in expected) / 48,
    }
    for name, value in figures.items():
        assert found.estimates[name].value == pytest.approx(value, rel=1e-4), name

    write_rows(found.rows, tmp_path / "rows.parquet")
    written = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [row["chosen_reward"] - row["rejected_reward"] for row in written] == pytest.approx(
        rewards, rel=1e-3, abs=1e-5
    )
    assert {row["source"] for row in written} == {"hand"}


def row(**changes: Any) -> EvalRow:
    """A pair of ten tokens each."""
    known: dict[str, Any] = dict.fromkeys(field.name for field in fields(EvalRow))
    lengths = dict.fromkeys(
        ("chosen_tokens", "rejected_tokens", "chosen_length", "rejected_length"), 10
    )
    return EvalRow(**{**known, "set": "d", "row": 0, **lengths, **changes})


def test_figures_by_hand() -> None:
    """Two pairs, one won and one lost; the second lost its likelihood but won its reward."""
    rows = [
        row(chosen_logp=-1.0, rejected_logp=-2.0, chosen_reward=1.0, rejected_reward=0.0, kl=2.0),
        row(
            chosen_logp=-5.0,
            rejected_logp=-4.0,
            chosen_length=30,
            kl=0.0,
            chosen_reward=0.5,
            rejected_reward=0.25,
            chosen_tokens=20,
        ),
    ]
    found = {name: estimate.value for name, estimate in figures(rows).items()}
    assert found == {
        "accuracy": 0.5,
        "mean_accuracy": 1.0,
        "margin": 0.0,
        "reward_accuracy": 1.0,
        "reward_margin": 0.625,
        "length_accuracy": 0.75,
        "kl": 1.0,
    }


def test_slices_hold_the_rows_that_they_name() -> None:
    """By source, by margin in the data, by which answer is longer, and by length."""
    rows = [
        row(
            source="forum" if number % 2 else "books",
            data_margin=float(number),
            chosen_logp=-1.0,
            rejected_logp=-2.0 if number % 2 else 0.0,
            chosen_length=10 + number,
            rejected_length=14,
        )
        for number in range(12)
    ]
    found = slices(rows)
    assert set(found) == {"source", "data_margin", "longer", "length"}
    assert {k: v["accuracy"].value for k, v in found["source"].items()} == {"books": 0, "forum": 1}
    shown = {k: v["accuracy"].n for k, v in found["longer"].items()}
    assert shown == {"rejected longer": 4, "equally long": 1, "chosen longer": 7}
    assert [v["accuracy"].n for v in found["data_margin"].values()] == [3, 3, 3, 3]
    assert next(iter(found["data_margin"])) == "0 to 2.75"
    assert sum(v["accuracy"].n for v in found["length"].values()) == 12
    assert list(found["length"])[-1].endswith(" to 21 tokens")
    assert slices([row(), row()]) == {}


def test_several_sets_keep_their_names(
    trained: TrainingResult, pairs: Path, labelled: Path, tmp_path: Path
) -> None:
    """Each has its figures under its name; labelled answers are ranked by reward."""
    other = write_dataset(tmp_path / "pairs", polite_pairs(4), polite_pairs(3, seed=5))
    found = evaluate(trained.output, data=[pairs, other, labelled])
    assert [one.name for one in found.sets] == ["pairs", "pairs-2", "labelled"]
    assert found.estimates["pairs-2/accuracy"].n == 3
    ranked = found.estimates["labelled/reward_accuracy"]
    assert (ranked.value, ranked.n) == (1.0, 24)
    assert "labelled/accuracy" not in found.estimates
    as_json = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert as_json["sets"]["labelled"]["reward_accuracy"]["value"] == 1


def test_a_model_that_learned_from_labels_is_measured_on_pairs(
    labelled: Path, pairs: Path, tmp_path: Path
) -> None:
    """KTO's reward is DPO's, and tells the sides of a pair apart."""
    recipe = Recipe(model="tiny", data=str(labelled), output=str(tmp_path / "m"), method="kto")
    result = train(recipe)
    found = evaluate(result.output, data=[labelled, pairs]).estimates
    assert found["labelled/reward_margin"].value == pytest.approx(
        result.after["rewards/margins"], rel=1e-3
    )
    assert found["pairs/reward_accuracy"].value == 1


@pytest.mark.parametrize("lora", [None, LoraSettings(merge=False)], ids=["whole", "adapter"])
def test_a_reward_model_is_measured_by_its_scores(
    lora: LoraSettings | None, pairs: Path, tmp_path: Path
) -> None:
    """The figures are those that training reported, whatever the batch size."""
    recipe = Recipe(model="tiny", data=str(pairs), output=str(tmp_path / "m"), method="reward")
    result = train(recipe.model_copy(update={"lora": lora, "max_steps": 12, "learning_rate": 1e-3}))
    found = [evaluate(result.output, data=pairs, batch_size=size) for size in (1, 7)]
    assert found[0].measure == "reward"
    assert set(found[0].estimates) == {"accuracy", "margin", "length_accuracy"}
    assert found[0].estimates["margin"].value == pytest.approx(
        result.after["rewards/margins"], rel=1e-4
    )
    assert found[0].estimates["accuracy"].value == result.after["rewards/accuracies"]
    for mine, its in zip(found[0].rows, found[1].rows, strict=True):
        assert numbers(its) == pytest.approx(numbers(mine), rel=1e-5, abs=1e-6)


def test_answers_of_one_kind_leave_nothing_to_rank() -> None:
    """There is no accuracy then, not one of zero."""
    assert figures([row(label=True, chosen_reward=1.0, chosen_logp=-1.0)]) == {}
