"""Sweeps: one run per combination, one pass of the reference, the best by a held-out metric."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from prefdata.cli import main
from prefdata.errors import RecipeError, UsageError
from prefdata.training import Recipe, train
from prefdata.training.sweep.sweep import parse_sweep, sweep
from tests.training.datasets import polite_pairs, write_dataset


class Killed(BaseException):
    """Stands for a kill."""


class KilledInRun:
    """A display that a sweep does not survive beyond a step of a run."""

    def __init__(self, run: int, step: int) -> None:
        self.run, self.step, self.runs = run, step, 0

    def update(self, step: int, _steps: int, _logs: Mapping[str, float]) -> None:
        """Die where it was foretold."""
        self.runs += step == 1
        if (self.runs, step) == (self.run, self.step):
            raise Killed


@pytest.fixture
def flags(chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A sweep's recipe, on 16 pairs with a cache of its own."""
    monkeypatch.setenv("PREFDATA_CACHE", str(tmp_path / "cache"))
    data = write_dataset(tmp_path / "pairs", polite_pairs(16), polite_pairs(6, seed=1))
    return {
        "model": str(chat_model),
        "data": str(data),
        "output": str(tmp_path / "out"),
        "batch_size": 4,
        "learning_rate": 1e-3,
        "samples": 0,
        "options": {"save_steps": 1, "logging_steps": 1},
    }


def test_three_betas_cost_one_pass_of_the_reference(
    flags: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 and 6 rows go through it once, for all; and the numbers are those of a run by itself."""
    from trl import DPOTrainer

    rows: list[int] = []
    compute = DPOTrainer.compute_ref_log_probs

    def counted(self: Any, model: Any, inputs: Any) -> Any:  # noqa: ANN401
        rows.append(len(inputs["input_ids"]) // 2)
        return compute(self, model, inputs)

    monkeypatch.setattr(DPOTrainer, "compute_ref_log_probs", counted)
    lines: list[str] = []
    result = sweep(None, parse_sweep(["beta=0.01,0.1,0.5"]), flags=flags, log=lines.append)
    assert sum(rows) == 16 + 6
    assert sum(line.endswith("found in the cache") for line in lines) == 2
    assert [run.settings["beta"] for run in result.runs] == ["0.01", "0.1", "0.5"]
    alone = Recipe(**{**flags, "options": {**flags["options"], "beta": 0.5}})
    single = train(
        alone.model_copy(update={"output": f"{flags['output']}-x", "reference_cache": False})
    )
    assert result.runs[2].after == pytest.approx(single.after, abs=1e-5)

    state = result.to_dict()
    assert state["metric"] == "accuracy"
    page = (Path(flags["output"]) / "sweep.html").read_text("utf-8")
    assert "<b>accuracy by beta</b>" in page
    assert page.count("<circle") == 3
    assert sorted(path.name for path in Path(flags["output"]).iterdir()) == [
        *("beta-0.01", "beta-0.1", "beta-0.5", "sweep.html", "sweep.json"),
    ]


def test_several_keys_are_crossed_and_the_best_is_found(flags: dict[str, Any]) -> None:
    """By loss, which a rate that is far too low cannot win."""
    grid = parse_sweep(["learning_rate=1e-3,1e-9", "lora.r=4,8"])
    result = sweep(None, grid, flags={**flags, "lora": True}, metric="loss")
    assert len(result.runs) == 4
    assert result.best.settings["learning_rate"] == "1e-3"
    assert result.tied == 1
    losses = [run.after["loss"] for run in result.runs]
    assert min(losses) == result.best.after["loss"]
    page = (Path(flags["output"]) / "sweep.html").read_text("utf-8")
    assert "lora.r=8" in page
    assert "<b>loss by learning_rate</b>" in page


@pytest.mark.parametrize("step", [1, 3], ids=["at once", "later"])
def test_a_killed_sweep_goes_on_where_it_was(step: int, flags: dict[str, Any]) -> None:
    """What was done is not run again, what was cut is resumed, and what changed is told."""
    grid = parse_sweep(["beta=0.1,0.5"])
    with pytest.raises(Killed):
        sweep(None, grid, flags=flags, display=KilledInRun(2, step))
    with pytest.raises(UsageError, match="exists already"):
        sweep(None, grid, flags=flags)
    lines: list[str] = []
    result = sweep(None, grid, flags=flags, resume=True, log=lines.append)
    assert "run 1 of 2: beta=0.1: done before" in lines
    assert ("going on after step 2 of 4" in lines) == (step == 3)
    assert len(result.runs) == 2
    again: list[str] = []
    assert sweep(None, grid, flags=flags, resume=True, log=again.append) == result
    assert again == [f"run {n} of 2: beta={b}: done before" for n, b in ((1, 0.1), (2, 0.5))]
    with pytest.raises(RecipeError, match="seed is 7, and the interrupted run has 42"):
        sweep(None, grid, flags={**flags, "seed": 7}, resume=True)


def test_force_replaces_a_sweep_and_deletes_no_file_that_a_user_added(
    flags: dict[str, Any],
) -> None:
    """Of finished runs and of one under way; and a user's file hinders nobody who resumes."""
    output, grid = Path(flags["output"]), parse_sweep(["beta=0.1,0.5"])
    with pytest.raises(Killed):
        sweep(None, grid, flags=flags, display=KilledInRun(2, 3))
    assert (output / "beta-0.5.run").is_dir()
    note = output / "beta-0.1" / "notes.md"
    note.touch()
    with pytest.raises(UsageError, match=r"did not write: beta-0\.1/notes\.md"):
        sweep(None, grid, flags=flags, force=True)
    assert note.exists()
    sweep(None, grid, flags=flags, resume=True)
    note.unlink()
    sweep(None, grid[:1], flags=flags, force=True)
    assert not (output / "beta-0.5").exists()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["beta"], "is not key=value"),
        (["beta=0.1,"], "is not key=value"),
        (["beta=0.1,0.1"], "each once"),
        (["beta=0.1", "beta=0.5"], "each once"),
    ],
)
def test_what_is_no_sweep_is_refused(texts: list[str], message: str) -> None:
    """With an example of one."""
    with pytest.raises(RecipeError, match=message):
        parse_sweep(texts)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (["output=a,b"], "a sweep names the outputs itself"),
        (["bata=1,2"], "DPOConfig has no option 'bata'"),
        (["method=dpo,sft"], "method sft has no accuracy"),
    ],
)
def test_a_combination_that_cannot_run_stops_all_before_the_first(
    grid: list[str], message: str, flags: dict[str, Any]
) -> None:
    """Nothing is trained, and nothing is left."""
    with pytest.raises(RecipeError, match=message):
        sweep(None, parse_sweep(grid), flags=flags, metric="accuracy")
    assert not Path(flags["output"]).exists()


def test_the_command_names_the_best(
    flags: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A table, the best, and the next command."""
    args = ["train", flags["data"], "-m", flags["model"], "-o", flags["output"], "--lr", "1e-3"]
    args += ["--max-steps", "2", "--batch-size", "4", "--sweep", "beta=0.1,0.5", "--best", "margin"]
    with pytest.raises(SystemExit) as caught:
        main([*args, "--json"])
    assert caught.value.code == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (
        result["best"]
        == max(result["runs"], key=lambda run: run["after"]["rewards/margins"])["name"]
    )
    assert f"best by margin: {result['best']}; see {flags['output']}/sweep.html" in err
    assert err.endswith(
        f"next: pref eval {flags['output']}/{result['best']} --data {flags['data']}\n"
    )
