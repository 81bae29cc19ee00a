"""Two processes on one job: the same figures and the same training as one, and proof that two ran.

They are real ones, started by --processes through torchrun, and talk over gloo.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prefdata.train import TrainingResult
from prefdata.train.quiet import hushed
from tests.train.data import polite_pairs, write_dataset

pytestmark = pytest.mark.slow


def pref(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prefdata", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def metrics(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_two_processes_train_as_one_does(chat_model: Path, tmp_path: Path) -> None:
    """At the same effective batch: the same loss at every step, and the same weights, to 1e-5."""
    data = write_dataset(tmp_path / "pairs", polite_pairs(32), polite_pairs(8, seed=1))
    common = ["train", str(data), "-m", str(chat_model), "--lr", "1e-3"]
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
    with hushed():
        from safetensors.torch import load_file

        ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-5
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["one", "pairs", "two"]


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
