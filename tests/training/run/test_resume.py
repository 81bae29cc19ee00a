"""Runs that were stopped go on as if nothing had happened, or say why they cannot."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from prefdata.errors import Interrupted, RecipeError, UsageError
from prefdata.training import Recipe, TrainingResult, train
from prefdata.training.config.recipe import FirstStage, LoraSettings
from prefdata.training.model.library_output import suppress_output
from tests.training.datasets import polite_pairs, write_dataset
from tests.training.saved import history

STEPS = 10


class Killed(BaseException):
    """Stands for a kill: nothing catches it, nothing is saved because of it."""


class KilledAt:
    """A display that a run does not survive beyond a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def update(self, step: int, _steps: int, _logs: Mapping[str, float]) -> None:
        """Die where it was foretold."""
        if step >= self.step:
            raise Killed


def recipe(model: Path, data: Path, output: Path, **changes: Any) -> Recipe:
    made = Recipe(
        model=str(model),
        data=str(data),
        output=str(output),
        learning_rate=1e-3,
        max_steps=STEPS,
        max_length=256,
        samples=0,
        options={"save_steps": 3, "logging_steps": 2},
    )
    return made.model_copy(update=changes)


def weights(folder: str | Path) -> dict[str, Any]:
    with suppress_output():
        from safetensors.torch import load_file

        return load_file(Path(folder) / "model.safetensors")


def assert_same(one: TrainingResult, other: TrainingResult) -> None:
    """The same curve and the same weights."""
    curves = [
        [
            {k: v for k, v in entry.items() if "time" not in k and "per_second" not in k}
            for entry in history(result)
        ]
        for result in (one, other)
    ]
    assert len(curves[0]) == len(curves[1])
    for entry, its in zip(*curves, strict=True):
        assert entry.keys() == its.keys()
        for name, value in entry.items():
            if isinstance(value, float | int):
                # How long training took is in the last log, and differs.
                assert name in ("train_loss", "total_flos") or value == pytest.approx(
                    its[name], abs=1e-5
                ), name
    assert one.after == pytest.approx(other.after, abs=1e-5)
    ours, theirs = weights(one.output), weights(other.output)
    for name, tensor in ours.items():
        assert float((tensor - theirs[name]).abs().max()) < 1e-5, name


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lora": LoraSettings(), "reference_cache": False},
        {"method": "kto"},
        {"method": "orpo"},
        {"options": {"save_steps": 3, "logging_steps": 2, "gradient_accumulation_steps": 2}},
    ],
    ids=["dpo", "lora", "kto", "orpo", "accumulated"],
)
def test_a_killed_run_goes_on_as_if_unbroken(
    changes: dict[str, Any], pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """The same curve and the same weights as the run that was not killed."""
    whole = train(recipe(chat_model, pairs, tmp_path / "whole", **changes))
    broken = recipe(chat_model, pairs, tmp_path / "broken", **changes)
    with pytest.raises(Killed):
        train(broken, display=KilledAt(8))
    said: list[str] = []
    resumed = train(broken, resume=True, say=said.append)
    assert "going on after step 6 of 10" in said
    assert_same(whole, resumed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "whole"]


def test_a_run_killed_before_its_first_checkpoint_leaves_nothing(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """There is nothing to go on from, so nothing stands in the way of starting anew."""
    with pytest.raises(Killed):
        train(recipe(chat_model, pairs, tmp_path / "m"), display=KilledAt(2))
    assert list(tmp_path.iterdir()) == []


def test_a_run_killed_while_it_was_saved_takes_no_step_more(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """Its last checkpoint is the end; transformers would train one step more."""
    whole = train(recipe(chat_model, pairs, tmp_path / "whole", max_steps=6))
    broken = recipe(chat_model, pairs, tmp_path / "broken", max_steps=6)

    class KilledAfter:
        def update(self, _step: int, _steps: int, logs: Mapping[str, float]) -> None:
            """Die between the last checkpoint and the model."""
            if "train_runtime" in logs:
                raise Killed

    with pytest.raises(Killed):
        train(broken, display=KilledAfter())
    resumed = train(broken, resume=True)
    assert resumed.steps == 6
    assert resumed.after == pytest.approx(whole.after, abs=1e-6)


@pytest.mark.slow
def test_a_killed_process_goes_on(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """SIGKILL at whatever step it had reached, then the same command with --resume."""
    args = [
        *("train", str(pairs), "--model", str(chat_model), "--lr", "1e-3", "--max-steps", "40"),
        *("--max-length", "256", "--set", "save_steps=3", "--set", "logging_steps=2"),
    ]
    run = [sys.executable, "-m", "prefdata", *args, "-o", str(tmp_path / "broken")]
    checkpoint = tmp_path / "broken.run" / "checkpoints" / "checkpoint-6" / "trainer_state.json"
    with subprocess.Popen(run, stderr=subprocess.PIPE) as process:
        while not checkpoint.exists() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert subprocess.run(run, capture_output=True, check=False).returncode == 2
    done = subprocess.run([*run, "--resume", "--json"], capture_output=True, text=True, check=True)
    whole = train(
        recipe(chat_model, pairs, tmp_path / "whole", max_steps=40),
    )
    assert json.loads(done.stdout)["after"] == pytest.approx(whole.after, abs=1e-5)
    ours, theirs = weights(tmp_path / "broken"), weights(tmp_path / "whole")
    assert all(float((ours[name] - theirs[name]).abs().max()) < 1e-5 for name in ours)


def test_ctrl_c_saves_and_says_how_to_go_on(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """The step is finished, saved, and the run ends with its own exception."""

    class Pressed:
        def update(self, step: int, _steps: int, _logs: Mapping[str, float]) -> None:
            """Press Ctrl-C."""
            if step == 4:
                os.kill(os.getpid(), signal.SIGINT)

    said: list[str] = []
    asked = recipe(chat_model, pairs, tmp_path / "m")
    with pytest.raises(Interrupted) as caught:
        train(asked, display=Pressed(), say=said.append)
    assert "SIGINT: saving after this step; once more stops at once" in said
    assert str(caught.value) == (
        "stopped after step 5 of 10, saved in m.run; go on with the same command and --resume"
    )
    assert train(asked, resume=True).steps == STEPS
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupted_run_stands_in_the_way(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """Nobody loses one by accident: it is resumed, or thrown away on purpose."""
    asked = recipe(chat_model, pairs, tmp_path / "m")
    with pytest.raises(Killed):
        train(asked, display=KilledAt(6))
    with pytest.raises(UsageError) as caught:
        train(asked)
    assert str(caught.value) == f"{tmp_path}/m.run holds an interrupted run"
    assert caught.value.hint == "Go on with it by --resume, or start anew with --force."
    assert train(asked, force=True).steps == STEPS


def test_another_run_is_not_resumed(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """Another option, loss, data set or model is named; the output may have another name."""
    model, data = tmp_path / "model", tmp_path / "data"
    shutil.copytree(chat_model, model)
    shutil.copytree(pairs, data)
    asked = recipe(model, data, tmp_path / "m")
    with pytest.raises(Killed):
        train(asked, display=KilledAt(6))

    def refused(wanted: Recipe) -> str:
        with pytest.raises(RecipeError) as caught:
            train(wanted, resume=True)
        return str(caught.value)

    options = asked.options
    others: list[tuple[dict[str, Any], str]] = [
        ({"options": {**options, "beta": 0.5}}, "beta is 0.5, and the interrupted run has 0.1"),
        (
            {"options": {**options, "loss_type": "ipo"}},
            "loss_type is 'ipo', and the interrupted run has None",
        ),
        ({"seed": 7}, "seed is 7, and the interrupted run has 42"),
        ({"lora": LoraSettings(r=4)}, "lora.alpha is 32, and the interrupted run has None"),
    ]
    for changes, message in others:
        assert refused(asked.model_copy(update=changes)) == message
    shutil.rmtree(data)
    write_dataset(data, polite_pairs(60, seed=5))
    assert refused(asked) == "the data has changed since the run was interrupted"
    shutil.rmtree(data)
    shutil.copytree(pairs, data)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "rope_theta": 5000.0}))
    assert refused(asked) == "the model has changed since the run was interrupted"


def test_there_has_to_be_something_to_resume(
    trained: TrainingResult, pairs: Path, tmp_path: Path
) -> None:
    """A finished run, and one that never was."""
    done = Recipe(model="tiny", data=str(pairs), output=trained.output)
    with pytest.raises(UsageError, match="is finished already: there is nothing to resume"):
        train(done, resume=True, force=True)
    none = Recipe(model="tiny", data=str(pairs), output=str(tmp_path / "m"))
    with pytest.raises(UsageError, match=r"there is no interrupted run to resume: no m\.run"):
        train(none, resume=True)


def test_a_run_of_two_stages_goes_on_in_either(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """What the first stage learned is kept, and is the reference of the second."""
    stage = FirstStage(max_steps=4, learning_rate=1e-3, options={"save_steps": 2})
    whole = train(recipe(chat_model, pairs, tmp_path / "whole", first=stage))
    broken = recipe(chat_model, pairs, tmp_path / "broken", first=stage)
    with pytest.raises(Killed):
        train(broken, display=KilledAt(3))
    with pytest.raises(Killed):
        train(broken, display=KilledAt(8), resume=True)
    assert_same(whole, train(broken, resume=True))
    assert (tmp_path / "broken" / "reference" / "model.safetensors").is_file()
