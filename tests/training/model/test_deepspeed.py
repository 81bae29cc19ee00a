"""DeepSpeed, as `accelerate launch` starts it: every stage of ZeRO trains what two processes train.

On a CPU, over gloo. DeepSpeed is no dependency; a compiler is what it builds its own parts with.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from prefdata.training.model.library_output import suppress_output
from tests.training.datasets import polite_pairs, write_dataset
from tests.training.saved import generate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="deepspeed needs a compiler"),
]

CONFIG = Path(__file__).parents[3] / "examples" / "launch" / "deepspeed.yaml"
HERE = ["--num_processes", "2", "--mixed_precision", "no", "--main_process_port", "0"]
Arguments = Callable[[str], list[str]]


def launch(stage: int, *args: str) -> list[str]:
    """The command that runs `pref train` under a stage of ZeRO, on the CPU of this machine."""
    module = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIG)]
    return [*module, *HERE, "--zero_stage", str(stage), "-m", "prefdata", *args]


def done(command: list[str], cache: Path) -> subprocess.CompletedProcess[str]:
    made = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment(cache)
    )
    assert made.returncode == 0, made.stderr
    return made


def environment(cache: Path) -> dict[str, str]:
    """One thread a process, and a cache of the reference of its own."""
    return {
        **os.environ,
        "DS_ACCELERATOR": "cpu",
        "OMP_NUM_THREADS": "1",
        "PREFDATA_CACHE": str(cache),
    }


def losses(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


def weights(folder: Path) -> dict[str, Any]:
    with suppress_output():
        from safetensors.torch import load_file

        [file] = folder.glob("*model.safetensors")
        return load_file(file)


def furthest(one: Path, other: Path) -> float:
    """How far the weights of two models are apart at most; they have the same names."""
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


@pytest.fixture(scope="module")
def arguments(chat_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Arguments:
    """What `pref` is asked, but for the method and the output."""
    data = tmp_path_factory.mktemp("data") / "pairs"
    write_dataset(data, polite_pairs(32), polite_pairs(8, seed=1))
    common = ["train", str(data), "-m", str(chat_model), "--lr", "1e-3", "--batch-size", "4"]
    return lambda output: [*common, "--set", "logging_steps=1", "-o", output]


@pytest.mark.parametrize(
    ("how", "stages"),
    [
        ([], (1, 2, 3)),
        (["--set", "reference_cache=false"], (2, 3)),
        (["--lora"], (3,)),
        (["--lora", "--set", "lora.merge=true", "--set", "reference_cache=false"], (3,)),
        (["--method", "reward"], (3,)),
        (["--method", "kto"], (3,)),
    ],
    ids=["dpo", "live-reference", "lora", "merged", "reward", "kto"],
)
def test_every_stage_trains_what_two_processes_do(
    how: list[str], stages: tuple[int, ...], arguments: Arguments, tmp_path: Path
) -> None:
    """The same losses and weights to 1e-5 (1e-4 of a head that starts at random); all is saved."""
    plain = arguments(str(tmp_path / "plain"))
    done([sys.executable, "-m", "prefdata", *plain, *how, "--processes", "2"], tmp_path / "c0")
    for stage in stages:
        output = tmp_path / f"zero{stage}"
        made = done(launch(stage, *arguments(str(output)), *how), tmp_path / f"c{stage}")
        assert made.stderr.count(f"DeepSpeed: ZeRO stage {stage}\n") == 1
        assert losses(output) == pytest.approx(losses(tmp_path / "plain"), abs=1e-5)
        close = 1e-4 if "reward" in how else 1e-5
        assert furthest(output, tmp_path / "plain") < close
        before = [
            json.loads((folder / "metrics.jsonl").read_text("utf-8").splitlines()[-2])["before"]
            for folder in (output, tmp_path / "plain")
        ]
        assert before[0] == pytest.approx(before[1], abs=1e-5)
    if "reward" not in how and "--lora" not in how:
        assert generate(output).startswith("Tell me of the river")


def test_a_recipe_may_name_a_config_of_deepspeed(arguments: Arguments, tmp_path: Path) -> None:
    """With --processes and no other launcher."""
    names = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
    config = {"zero_optimization": {"stage": 2}, **dict.fromkeys(names, "auto")}
    (tmp_path / "zero.json").write_text(json.dumps(config), encoding="utf-8")
    plain, asked = (arguments(str(tmp_path / name)) for name in ("plain", "m"))
    asked += ["--set", f"deepspeed={tmp_path / 'zero.json'}"]
    both = (
        [sys.executable, "-m", "prefdata", *args, "--processes", "2"] for args in (plain, asked)
    )
    made = [done(command, tmp_path / "c") for command in both]
    assert "DeepSpeed: ZeRO stage 2" in made[1].stderr
    assert furthest(tmp_path / "m", tmp_path / "plain") < 1e-5


def test_the_reference_is_found_again_and_another_model_misses_it(
    arguments: Arguments, chat_model: Path, tmp_path: Path
) -> None:
    """Under ZeRO-3 too, where no process holds a whole weight to make the key of."""
    how = ["--max-steps", "4", "--set", "beta=0.2"]
    first, again = (
        done(launch(3, *arguments(str(tmp_path / str(run))), *how), tmp_path / "c")
        for run in range(2)
    )
    assert "its log-probabilities are computed once, and kept" in first.stderr
    assert "its log-probabilities are found in the cache" in again.stderr
    other = tmp_path / "other"
    shutil.copytree(chat_model, other)
    with suppress_output():
        from safetensors.torch import load_file, save_file

        kept = load_file(other / "model.safetensors")
        name = next(iter(kept))
        kept[name] = kept[name] * 1.001
        save_file(kept, other / "model.safetensors", metadata={"format": "pt"})
    moved = [*arguments(str(tmp_path / "o")), "-m", str(other), *how]
    missed = done(launch(3, *moved), tmp_path / "c")
    assert "its log-probabilities are computed once, and kept" in missed.stderr


def test_half_precision_starts_at_the_reference_too(arguments: Arguments, tmp_path: Path) -> None:
    """The reference's numbers are not rounded to bfloat16: the loss is ln 2 to 1e-6 before."""
    half = ["--mixed_precision", "bf16"]
    command = launch(3, *arguments(str(tmp_path / "m")), "--set", "bf16=true")
    at = command.index("--mixed_precision")
    done([*command[:at], *half, *command[at + 2 :]], tmp_path / "c")
    lines = (tmp_path / "m" / "metrics.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[-2])["before"]["loss"] == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize("how", [[], ["--set", "reference_cache=false"]], ids=["cache", "live"])
def test_a_launch_that_contradicts_the_recipe_is_refused(
    how: list[str], arguments: Arguments, tmp_path: Path
) -> None:
    """Told once, before anything is trained, and without a traceback of ours."""
    command = launch(2, *arguments(str(tmp_path / "m")), *how)
    at = command.index("-m", command.index("--config_file"))
    wrong = [*command[:at], "--gradient_accumulation_steps", "2", *command[at:]]
    made = subprocess.run(
        wrong, capture_output=True, text=True, check=False, env=environment(tmp_path / "c")
    )
    assert made.returncode != 0
    assert made.stderr.count("Error: ") - made.stderr.count("ChildFailedError: ") == 1
    assert "gradient_acc" in made.stderr
    assert list(tmp_path.glob("m*")) == []


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_quantised_weights_are_not_spread_by_zero3(arguments: Arguments, tmp_path: Path) -> None:
    """Refused before a model is loaded; stage 2 trains them as two processes do, in bfloat16."""
    how = ["--lora", "--set", "lora.merge=false", "--set", "quantization=4bit"]
    command = launch(3, *arguments(str(tmp_path / "m")), *how)
    made = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment(tmp_path / "c")
    )
    assert "Error: quantization 4bit does not work with stage 3" in made.stderr
    plain = arguments(str(tmp_path / "plain"))
    done([sys.executable, "-m", "prefdata", *plain, *how, "--processes", "2"], tmp_path / "c0")
    done(launch(2, *arguments(str(tmp_path / "m")), *how), tmp_path / "c2")
    assert losses(tmp_path / "m") == pytest.approx(losses(tmp_path / "plain"), abs=1e-3)
    assert furthest(tmp_path / "m", tmp_path / "plain") < 5e-3


@pytest.mark.parametrize("stage", [2, 3])
def test_a_killed_run_goes_on_as_an_unbroken_one(
    stage: int, arguments: Arguments, tmp_path: Path
) -> None:
    """From DeepSpeed's own checkpoint; the weights at the end are the same to 1e-5."""
    how = ["--epochs", "3", "--set", "save_steps=4", "--set", "evaluation.every=4"]
    done(launch(stage, *arguments(str(tmp_path / "whole")), *how), tmp_path / "c")
    command = launch(stage, *arguments(str(tmp_path / "killed")), *how)
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment(tmp_path / "c"),
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if re.match(r"step [67]/12", line):
                os.killpg(process.pid, signal.SIGKILL)
                break
    again = done([*command, "--resume"], tmp_path / "c")
    assert "going on after step 4 of 12" in again.stderr
    assert furthest(tmp_path / "killed", tmp_path / "whole") < 1e-5
