"""The commands train and eval: what goes to stdout, what to stderr, and the exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import prefdata.training
from prefdata.cli import main
from prefdata.training import TrainingResult


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(args)
    return int(str(caught.value.code))


def test_training_and_evaluating(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table for the reader on stderr, JSON alone on stdout, and the next command."""
    output = str(tmp_path / "m")
    args = ["--model", "tiny", "-o", output, "--set", "beta=0.2", "--max-steps", "4"]
    assert run("train", str(pairs), *args, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["after"]["rewards/accuracies"] == 1
    assert "chat template found: rows go in as messages" in err
    assert "step 1/4  loss 0.693" in err
    assert "│ rewards/accuracies │  0.500 │ 1.000 │" in err
    assert err.endswith(f"next: pref eval {output} --data {pairs}\n")

    assert run("eval", output, "--data", str(pairs), "--json", "-q") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["beta"] == 0.2
    assert err == ""


def test_a_dry_run_prints_the_recipe(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And trains nothing; what it prints is a recipe."""
    recipe = tmp_path / "mine.yaml"
    args = ["--model", "tiny", "--lora", "-o", str(tmp_path / "m"), "--lr", "0.01", "-n"]
    assert run("train", str(pairs), *args) == 0
    printed = capsys.readouterr().out
    assert "learning_rate: 0.01\n" in printed
    recipe.write_text(printed, encoding="utf-8")
    assert run("train", str(recipe), "-n") == 0
    assert capsys.readouterr().out == printed
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (
            ["train", "none", "--model", "tiny"],
            2,
            ("Error: none: no such data set\nHint: Make one with: pref convert SOURCE -o pairs\n"),
        ),
        (
            ["train", "none", "--set", "bata=1"],
            2,
            "Error: command line: DPOConfig has no option 'bata'\nHint: Did you mean 'beta'?\n",
        ),
        (
            ["eval", "none/model/here", "--data", "none"],
            2,
            ("Error: none: no such data set\nHint: Make one with: pref convert SOURCE -o pairs\n"),
        ),
    ],
)
def test_wrong_usage_is_one_message(
    args: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the remedy, on stderr, and exit code 2."""
    assert run(*args) == code
    assert capsys.readouterr() == ("", message)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_by_the_command_that_it_names(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in the middle of a run of its own process: 130, then --resume."""
    args = ["train", str(pairs), "--model", "tiny", "-o", str(tmp_path / "m"), "--max-steps", "60"]
    command = [sys.executable, "-m", "prefdata", *args]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 12/60"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    last = rest.strip().splitlines()[-1]
    assert last.startswith("Interrupted. stopped after step ")
    assert last.endswith("saved in m.run; go on with the same command and --resume")
    assert run(*args, "--resume", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["steps"] == 60
    assert "going on after step" in err


def test_an_interrupt_exits_with_130(
    pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says that nothing is half-written."""

    def interrupted(*_args: object, **_keywords: object) -> TrainingResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(prefdata.training, "train", interrupted)
    assert run("train", str(pairs), "--model", "tiny") == 130
    assert "Nothing was left half written" in capsys.readouterr().err
