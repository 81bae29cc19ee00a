"""Two processes on one job: the same figures and the same training as one, and proof that two ran.

They are real ones, started by --processes through torchrun, and talk over gloo.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from prefdata.errors import InputError, RecipeError, UnknownNameError, UsageError
from prefdata.training import Recipe, TrainingResult, train
from prefdata.training.model.library_output import suppress_output
from prefdata.training.rounds.steps import Steps
from tests.training import failing
from tests.training.datasets import polite_pairs, write_dataset
from tests.training.saved import generate

pytestmark = pytest.mark.slow


def pref(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prefdata", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def metrics(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("method", ["dpo", "reward", "sft"])
def test_two_processes_train_as_one_does(method: str, chat_model: Path, tmp_path: Path) -> None:
    """At the same effective batch: the same loss at every step, and the same weights, to 1e-5."""
    data = write_dataset(tmp_path / "pairs", polite_pairs(32), polite_pairs(8, seed=1))
    common = ["train", str(data), "-m", str(chat_model), "--lr", "1e-3", "--method", method]
    common += ["--set", "logging_steps=1"]
    alone = pref(*common, "-o", str(tmp_path / "one"), "--batch-size", "8")
    both = pref(*common, "-o", str(tmp_path / "two"), "--batch-size", "4", "--processes", "2")
    assert (alone.returncode, both.returncode) == (0, 0), both.stderr
    ids = re.search(r"2 processes \((\d+), (\d+)\): 8 rows a step", both.stderr)
    assert ids is not None
    assert ids[1] != ids[2]
    assert "processes (" not in alone.stderr
    one, two = (
        [entry for entry in metrics(tmp_path / name) if "loss" in entry] for name in ("one", "two")
    )
    assert len(one) == len(two) >= 4
    for mine, its in zip(one, two, strict=True):
        assert its["loss"] == pytest.approx(mine["loss"], abs=1e-5)
        assert its["num_tokens"] == mine["num_tokens"]
    with suppress_output():
        from safetensors.torch import load_file

        ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-5
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["one", "pairs", "two"]


def test_the_recipe_for_several_gpus_runs_on_two_processes(pairs: Path, tmp_path: Path) -> None:
    """As it is written, but for where the data are and how long it goes."""
    recipe = Path(__file__).parents[3] / "train" / "multi-gpu.yaml"
    output = tmp_path / "m"
    short = ["--set", f"data={pairs}", "--max-steps", "3", "-o", str(output)]
    done = pref("train", str(recipe), "--processes", "2", *short, "--json")
    assert done.returncode == 0, done.stderr
    assert "2 processes (" in done.stderr
    found = json.loads(done.stdout)
    assert found["after"]["loss"] < found["before"]["loss"]
    assert generate(output).startswith("Tell me of the river")


QUANTISED = ["--lora", "--set", "lora.merge=false", "--set", "quantization=4bit"]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param([], id="dpo"),
        pytest.param(["--lora", "--set", "reference_cache=false"], id="lora"),
        pytest.param(["--method", "reward"], id="reward"),
        pytest.param(
            QUANTISED,
            id="quantised",
            marks=pytest.mark.skipif(
                find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
            ),
        ),
    ],
)
def test_sharded_weights_are_trained_as_whole_ones(
    how: list[str], chat_model: Path, tmp_path: Path
) -> None:
    """FSDP2 over gloo: the same losses and weights as two processes that each hold the model.

    Quantised weights compute in bfloat16, and agree to its precision.
    """
    data = write_dataset(tmp_path / "pairs", polite_pairs(32), polite_pairs(8, seed=1))
    common = ["train", str(data), "-m", str(chat_model), "--lr", "1e-3", "--batch-size", "4"]
    common += ["--set", "logging_steps=1", *how]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--rdzv-backend=c10d"]
    launcher += ["--rdzv-endpoint=localhost:0", "--nproc-per-node=2", "-m"]
    for name, module, more in (
        ("whole", "prefdata", []),
        ("sharded", "tests.training.sharded", ["--set", "fsdp=true"]),
    ):
        command = [*launcher, module, *common, "-o", str(tmp_path / name), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    one, two = (
        [entry["loss"] for entry in metrics(tmp_path / name) if "loss" in entry]
        for name in ("whole", "sharded")
    )
    assert two == pytest.approx(one, abs=1e-3 if how is QUANTISED else 1e-5)
    with suppress_output():
        from safetensors.torch import load_file

        ours, theirs = (
            load_file(next((tmp_path / name).glob("*model.safetensors")))
            for name in ("whole", "sharded")
        )
    assert ours.keys() == theirs.keys()
    furthest = max(float((ours[name] - theirs[name]).abs().max()) for name in ours)
    assert furthest < (5e-3 if how is QUANTISED else 1e-5)


def test_sharding_where_it_would_do_nothing_is_refused(pairs: Path, tmp_path: Path) -> None:
    """Accelerate shards on accelerators only, and trains whole models elsewhere without a word."""
    with pytest.raises(RecipeError, match="fsdp has no effect without an accelerator") as caught:
        train(
            Recipe(
                model="tiny", data=str(pairs), output=str(tmp_path / "m"), options={"fsdp": True}
            )
        )
    assert caught.value.hint == "Leave fsdp out here."
    assert list(tmp_path.iterdir()) == []


def test_two_processes_measure_as_one_does(
    trained: TrainingResult, pairs: Path, tmp_path: Path
) -> None:
    """The same figures for batch 1, 4 and 7, for one or two processes, and the same exit code."""
    common = ["eval", trained.output, "--data", str(pairs), "--json", "-q", "--gate", "kl<=-1"]
    found = []
    for number, how in enumerate(
        (["--batch-size", "1"], ["--batch-size", "4", "--processes", "2"], ["--batch-size", "7"])
    ):
        made = pref(*common, *how, "-o", str(tmp_path / str(number)))
        assert made.returncode == 3, made.stderr
        assert made.stderr.count("gate: kl<=-1: missed") == 1
        found.append(json.loads(made.stdout))
    for other in found[1:]:
        for name in ("accuracy", "margin", "reward_accuracy", "reward_margin", "kl"):
            assert other[name]["value"] == pytest.approx(found[0][name]["value"], rel=1e-6)
            assert other[name]["interval"] == pytest.approx(found[0][name]["interval"], rel=1e-6)
            assert other[name]["n"] == 24


def test_ctrl_c_saves_in_every_process(chat_model: Path, tmp_path: Path) -> None:
    """As a terminal sends it; the same command with --resume goes on from there."""
    data = write_dataset(tmp_path / "pairs", polite_pairs(32), polite_pairs(8, seed=1))
    args = ["train", str(data), "-m", str(chat_model), "-o", str(tmp_path / "m")]
    args += ["--max-steps", "60", "--batch-size", "2", "--processes", "2"]
    command = [sys.executable, "-m", "prefdata", *args]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 12/60"):
                os.killpg(process.pid, signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    assert rest.count("SIGINT: saving after this step; once more stops at once") == 1
    assert rest.strip().splitlines()[-1].startswith("Interrupted. stopped after step ")
    again = pref(*args, "--resume", "--json")
    assert again.returncode == 0, again.stderr
    assert "going on after step" in again.stderr
    assert json.loads(again.stdout)["steps"] == 60


def test_a_run_that_is_terminated_leaves_no_process(chat_model: Path, tmp_path: Path) -> None:
    """As a scheduler does it: all end, with the exit code of the signal and no traceback."""
    data = write_dataset(tmp_path / "pairs", polite_pairs(32), polite_pairs(8, seed=1))
    args = ["train", str(data), "-m", str(chat_model), "-o", str(tmp_path / "m")]
    args += ["--max-steps", "60", "--batch-size", "2", "--processes", "2"]
    command = [sys.executable, "-m", "prefdata", *args]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 12/60"):
                children = psutil.Process(process.pid).children(recursive=True)
                process.terminate()
                break
        rest = process.stderr.read()
    assert process.returncode == 143, rest
    assert "Traceback" not in rest
    assert len(children) >= 2
    assert not any(child.is_running() for child in children)


def test_a_killed_process_stops_a_step_and_not_the_round(
    chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill says nothing of the data or the model, so the step may be tried again."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if os.environ.get('RANK') == '1':\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    data = write_dataset(tmp_path / "pairs", polite_pairs(8), polite_pairs(4, seed=1))
    recipe = Recipe(model=str(chat_model), data=str(data), output=str(tmp_path / "m"))
    with pytest.raises(InputError, match="train in 2 processes ended with exit code 137"):
        Steps(processes=2).train(recipe, resume=False)


def test_what_is_wrong_is_told_once(pairs: Path, tmp_path: Path) -> None:
    """Whether before the processes are started or in them."""
    common = ["train", str(pairs), "-m", "tiny", "--processes", "2", "-o", str(tmp_path / "m")]
    before = pref(*common, "--set", "bata=1")
    assert before.returncode == 2
    within = pref(*common, "--max-length", "16")
    assert within.returncode == 1
    assert within.stderr.count("Error: no row of the train split is left to train on") == 1
    assert "Traceback" not in within.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_in_one_process_alone_is_told_once(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its own words, whichever process it is; here the second one stands in another folder."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nif os.environ.get('RANK') == '1':\n    os.chdir('/')\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.chdir(pairs.parent)
    made = pref("train", pairs.name, "-m", "tiny", "-o", str(tmp_path / "m"), "--processes", "2")
    assert made.returncode == 2, made.stderr
    assert made.stderr.count("Error: pairs: no such data set") == 1
    assert made.stderr.count("Error: ") == 1
    assert "Traceback" not in made.stderr
    recipe = Recipe(model="tiny", data=pairs.name, output=str(tmp_path / "m"))
    with pytest.raises(UsageError, match="pairs: no such data set"):
        Steps(processes=2).train(recipe, resume=False)
    unknown = recipe.model_copy(update={"method": "dop"})
    with pytest.raises(UnknownNameError, match="unknown method 'dop'") as caught:
        Steps(processes=2).train(unknown, resume=False)
    assert caught.value.exit_code == 2
    assert "Did you mean 'dpo'?" in caught.value.hint


def test_a_process_that_fails_midway_is_heard_over_those_that_wait(
    pairs: Path, tmp_path: Path
) -> None:
    """The others end with it, and say nothing of a connection that was closed."""
    args = ["train", str(pairs), "-m", "tiny", "-o", str(tmp_path / "m")]
    code = (
        "import sys; from prefdata.training.model.distributed import launch; "
        f"sys.exit(launch(2, {args!r}, module='tests.training.failing'))"
    )
    command = [sys.executable, "-c", code]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 1
    assert made.stderr.count(f"Error: {failing.MESSAGE}") == 1
    assert made.stderr.count("Error: ") == 1
    assert "Traceback" not in made.stderr
    assert not (tmp_path / "m").exists()


def test_a_sweep_in_two_processes_is_resumed(chat_model: Path, tmp_path: Path) -> None:
    """Its folder is its own, and no run of it is trained twice."""
    data = write_dataset(tmp_path / "pairs", polite_pairs(8), polite_pairs(4, seed=1))
    args = ["train", str(data), "-m", str(chat_model), "-o", str(tmp_path / "s"), "--processes"]
    args += ["2", "--batch-size", "2", "--max-steps", "2", "--sweep", "beta=0.1,0.5"]
    first = pref(*args)
    assert first.returncode == 0, first.stderr
    again = pref(*args)
    assert again.returncode == 2
    assert again.stderr.count("s exists already") == 1
    resumed = pref(*args, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.count("done before") == 2


def test_rounds_in_two_processes_go_as_in_one(chat_model: Path, tmp_path: Path) -> None:
    """Answers, training and measuring in two; the judge, the gates and the state in one."""
    for name, seed in (("helpful", 0), ("safe", 3)):
        write_dataset(tmp_path / name, polite_pairs(16, seed=seed), polite_pairs(6, seed=seed + 1))
    asked = [f"Tell me of the river, number {number}." for number in range(8)]
    (tmp_path / "prompts.txt").write_text("\n".join(asked), encoding="utf-8")
    judge = f"pref judge --model hf:{chat_model} -q"
    own = {
        "name": "own",
        "prompts": "prompts.txt",
        "answers": 3,
        "max_new_tokens": 8,
        "judge": f"{judge} {{candidates}} -o {{pairs}} --orders one",
        "evaluate": ["helpful"],
        "gate": "kl<=1e9",
    }
    impossible = {"name": "safe", "data": "safe", "gate": "kl<=-1"}
    for processes, size in ((1, 4), (2, 2)):
        plan = tmp_path / f"plan{processes}.yaml"
        keys = {"learning_rate": 1e-3, "batch_size": size, "options": {"save_steps": 1}}
        plan.write_text(
            yaml.safe_dump(
                {
                    "model": str(chat_model),
                    "output": f"out{processes}",
                    "gate": "reward_accuracy>=0.9 and sampled_kl<=1e9",
                    "compare": {"max_new_tokens": 8, "most": 4},
                    "set": keys,
                    "rounds": [{"name": "helpful", "data": "helpful"}, impossible, own],
                }
            ),
            encoding="utf-8",
        )
        done = pref("train", "--rounds", str(plan), "--processes", str(processes), "--json")
        assert done.returncode == 3, done.stderr
        assert ("2 processes (" in done.stderr) == (processes == 2)
        assert "Traceback" not in done.stderr
        found = json.loads(done.stdout)["rounds"]
        assert {name: one["status"] for name, one in found.items()} == {
            "helpful": "accepted",
            "safe": "failed",
            "own": "accepted",
        }, done.stderr
        if processes == 1:
            alone = found
    for name, figure in alone["helpful"]["figures"].items():
        assert found["helpful"]["figures"][name]["value"] == pytest.approx(
            figure["value"], rel=1e-3, abs=1e-4
        ), name
