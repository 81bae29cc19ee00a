"""Runs that go wrong: out of memory, out of disk, diverged; and runs that stop at their best."""

from __future__ import annotations

import json
import shutil
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from prefdata.errors import TrainingError
from prefdata.training import Recipe, TrainingResult, train
from prefdata.training.config.losses import loss_types
from prefdata.training.config.recipe import EvaluationSettings
from prefdata.training.model.library_output import suppress_output
from prefdata.training.run.trainer import Batches
from tests.training.datasets import pair, polite_pairs, write_dataset
from tests.training.saved import history


def recipe(model: Path, data: Path, output: Path, **changes: Any) -> Recipe:
    made = Recipe(
        model=str(model),
        data=str(data),
        output=str(output),
        learning_rate=1e-3,
        max_steps=4,
        max_length=256,
        options={"logging_steps": 1, "save_strategy": "no"},
    )
    return made.model_copy(update=changes)


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for two pairs, or four answers, at a time."""
    with suppress_output():
        import torch
        import trl

        for trainer in (trl.DPOTrainer, trl.KTOTrainer):
            original = trainer.training_step

            def step(
                self: object,
                model: object,
                inputs: dict[str, Any],
                *args: object,
                _original: Any = original,  # noqa: ANN401
                **kwargs: object,
            ) -> object:
                if len(inputs["input_ids"]) > 4:
                    raise torch.OutOfMemoryError("no memory")
                return _original(self, model, inputs, *args, **kwargs)

            monkeypatch.setattr(trainer, "training_step", step)


@pytest.mark.usefixtures("small_memory")
def test_less_memory_makes_the_same_steps(
    pairs: Path, chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer rows at a time, more often: the same losses as with memory enough."""
    said: list[str] = []
    small = train(recipe(chat_model, pairs, tmp_path / "s"), say=said.append)
    assert [line for line in said if line.startswith("out of memory")] == [
        "out of memory with batches of 8: again with 4, 2 to a step",
        "out of memory with batches of 4: again with 2, 4 to a step",
    ]
    monkeypatch.undo()
    large = train(recipe(chat_model, pairs, tmp_path / "l"))
    ours, theirs = (
        [entry["loss"] for entry in history(result) if "loss" in entry] for result in (small, large)
    )
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert small.after == pytest.approx(large.after, abs=1e-4)


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize(
    "changes",
    [{"smaller_on_oom": False}, {"method": "kto"}, {"options": {"loss_type": "aot"}}],
    ids=["asked not to", "kto", "aot"],
)
def test_where_smaller_batches_are_another_loss_the_run_stops(
    changes: dict[str, Any], pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """KTO and AOT compare the rows of a batch; what helps instead is named."""
    before = writers()
    with pytest.raises(TrainingError) as caught:
        train(recipe(chat_model, pairs, tmp_path / "m", **changes))
    assert str(caught.value) == "out of memory with batches of 8 rows of 256 tokens"
    assert caught.value.hint == (
        "Try lora: true, a smaller --max-length, --set gradient_checkpointing=true, "
        "a smaller --batch-size, or a smaller model."
    )
    assert list(tmp_path.iterdir()) == []
    assert writers() <= before


def writers() -> set[threading.Thread]:
    """The threads that write for TensorBoard; one that is left finds its folder gone."""
    return {one for one in threading.enumerate() if "Writer" in type(one).__name__}


def test_a_finished_run_leaves_no_writer(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """TensorBoard's folder is moved into the model's once nobody writes there any more."""
    before = writers()
    train(recipe(chat_model, pairs, tmp_path / "m"))
    assert writers() <= before
    assert len(list((tmp_path / "m" / "tensorboard").iterdir())) >= 1


def test_batches_get_smaller_without_changing_the_step() -> None:
    """Whatever their size, the rows of a step stay the same."""
    for rows in range(2, 33):
        batches = Batches(rows, 3)
        while batches.rows > 1:
            fewer = batches.smaller()
            assert fewer.rows <= batches.rows // 2
            assert fewer.rows * fewer.accumulation == rows * 3
            batches = fewer


def test_a_full_disk_is_found_before_training(
    pairs: Path, chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model and its checkpoints are known in size beforehand."""
    usage = namedtuple("usage", "total used free")  # noqa: PYI024  # as shutil has it
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9, 900_000))
    asked = recipe(chat_model, pairs, tmp_path / "m", options={})
    with pytest.raises(TrainingError, match=r"the run writes 0\.0 GB, and 0\.0 GB are free"):
        train(asked)
    said: list[str] = []
    train(recipe(chat_model, pairs, tmp_path / "m"), say=said.append)
    assert [line for line in said if "GB of the" in line]


def test_a_rate_that_is_far_too_high_stops_the_run(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """With advice, and with nothing left behind."""
    asked = recipe(
        chat_model,
        pairs,
        tmp_path / "m",
        learning_rate=1e6,
        max_steps=30,
        options={"logging_steps": 1, "loss_type": "ipo", "max_grad_norm": 1e9},
    )
    with pytest.raises(TrainingError) as caught:
        train(asked)
    assert str(caught.value).startswith(("training diverged", "the loss is", "the gradient is"))
    assert "Use a lower rate than --lr 1e+06, a higher beta" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def opposed(folder: Path) -> Path:
    """Training that soon makes the held-out pairs worse: they prefer the opposite."""
    held_out = [
        {"prompt": row["prompt"], "chosen": row["rejected"], "rejected": row["chosen"]}
        for row in polite_pairs(12, seed=1)
    ]
    return write_dataset(folder, polite_pairs(64), held_out)


@pytest.mark.parametrize("best", ["loss", "accuracy"])
def test_a_run_stops_early_and_keeps_its_best(best: Any, chat_model: Path, tmp_path: Path) -> None:  # noqa: ANN401
    """By the held-out loss, or by our own accuracy, which is TRL's but for the uneven batch."""
    asked = recipe(
        chat_model,
        opposed(tmp_path / "d"),
        tmp_path / "m",
        max_steps=20,
        batch_size=8,
        evaluation=EvaluationSettings(every=2, best=best, patience=2),
        options={"logging_steps": 1},
    )
    result = train(asked)
    evaluations = [entry for entry in history(result) if "eval_accuracy" in entry]
    assert result.steps == 2 + 2 * 2
    assert len(evaluations) == 3
    first = next(entry for entry in history(result) if "eval_loss" in entry and entry["step"] == 2)
    assert result.after["loss"] == pytest.approx(first["eval_loss"], abs=1e-5)
    assert result.after["rewards/accuracies"] == evaluations[0]["eval_accuracy"]


def test_the_accuracy_while_training_is_the_one_after_it(
    chat_model: Path, pairs: Path, tmp_path: Path
) -> None:
    """The last evaluation of a run and the measurement after it are of the same model."""
    asked = recipe(
        chat_model,
        pairs,
        tmp_path / "m",
        evaluation=EvaluationSettings(every=0.5),
        options={"logging_steps": 1, "per_device_eval_batch_size": 7},
    )
    result = train(asked)
    found = [entry for entry in history(result) if "eval_accuracy" in entry]
    assert [entry["step"] for entry in found] == [2, 4]
    assert found[-1]["eval_accuracy"] == result.after["rewards/accuracies"]


def test_a_run_warns_while_it_goes_when_answers_repeat(chat_model: Path, tmp_path: Path) -> None:
    """At the evaluations, once; the words of the answers are among the curves."""
    again = [pair(f"Tell me, number {n}.", "go " * 24 + "go", "No.") for n in range(48)]
    asked = recipe(
        chat_model,
        write_dataset(tmp_path / "d", again, again[:3]),
        tmp_path / "m",
        method="sft",
        learning_rate=1e-2,
        max_steps=24,
        evaluation=EvaluationSettings(every=8),
    )
    said: list[str] = []
    result = train(asked, say=said.append)
    notes = [line for line in said if line.startswith("note: at step ")]
    assert sum("sample answers repeat themselves, 0 before" in line for line in notes) == 1
    found = [entry for entry in history(result) if "samples/words" in entry]
    assert [entry["step"] for entry in found] == [8, 16, 24]
    assert found[-1]["samples/repeating"] == 3
    page = (tmp_path / "m" / "report.html").read_text("utf-8")
    assert "<b>words of the sample answers</b>" in page
    assert "at step " in page


def test_the_drift_from_the_reference_is_among_the_curves(trained: TrainingResult) -> None:
    """In nats: the mean distance of the log ratios, which the rewards are beta times."""
    logs = [entry for entry in history(trained) if "rewards/chosen" in entry]
    for entry in logs:
        sides = (abs(entry["rewards/chosen"]), abs(entry["rewards/rejected"]))
        assert entry["drift"] == pytest.approx(sum(sides) / 2 / 0.1)
    assert logs[0]["drift"] == pytest.approx(0, abs=1e-3)
    assert logs[-1]["drift"] > 1
    events = list((Path(trained.output) / "tensorboard").rglob("events.out.tfevents.*"))
    assert any(b"train/drift" in file.read_bytes() for file in events)


def test_curves_are_written_for_people_and_for_tensorboard(trained: TrainingResult) -> None:
    """One JSON object per line, and event files."""
    folder = Path(trained.output)
    assert any((folder / "tensorboard").rglob("events.out.tfevents.*"))
    steps = [entry["step"] for entry in history(trained) if "loss" in entry]
    assert steps == sorted(steps)
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-1])["after"] == trained.after


def test_tensorboard_writes_where_the_user_says(
    pairs: Path, chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable that transformers reads is left as it is."""
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "tb"))
    train(recipe(chat_model, pairs, tmp_path / "m", max_steps=1))
    assert any((tmp_path / "tb").rglob("events.out.tfevents.*"))
    assert not (tmp_path / "m" / "tensorboard").exists()


def test_one_pair_is_enough(chat_model: Path, tmp_path: Path) -> None:
    """The smallest data set trains; what is measured is that one row."""
    data = write_dataset(tmp_path / "d", [pair("Hi", "Gladly!", "No.")])
    result = train(recipe(chat_model, data, tmp_path / "m", max_steps=None))
    assert (result.steps, result.measured) == (1, 1)


def test_losses_that_compare_rows_are_marked() -> None:
    """A list of losses is one such if any of them is."""
    from prefdata.training.config.methods import METHODS

    options: dict[str, Any] = {"loss_type": ["sigmoid", "aot"]}
    marked = [loss.in_batch for loss in METHODS["dpo"].chosen_losses(options)]
    assert dict(zip(loss_types(options), marked, strict=True)) == {"sigmoid": False, "aot": True}
