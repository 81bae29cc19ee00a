"""Rounds: each from the last accepted model, behind a gate, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdata.cli import main
from prefdata.errors import PrefdataError, RecipeError
from prefdata.training.rounds import steps
from prefdata.training.rounds.result import RoundsResult
from prefdata.training.rounds.rounds import run_rounds
from tests.training.datasets import polite_pairs, write_dataset
from tests.training.rounds.in_process import run_in_process
from tests.training.sweep.test_sweep import Killed


class Place:
    """A folder with two data sets and a plan."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        for name, seed in (("helpful", 0), ("safe", 3)):
            write_dataset(
                folder / name, polite_pairs(16, seed=seed), polite_pairs(6, seed=seed + 1)
            )

    def plan(self, *rounds: dict[str, Any], **keys: Any) -> Path:
        """Write a plan of some rounds."""
        content = {
            "model": str(self.model),
            "output": "out",
            "gate": "reward_accuracy>=0.9",
            "set": {
                "learning_rate": 1e-3,
                "batch_size": 4,
                "samples": 0,
                "options": {"save_steps": 1},
            },
            "rounds": list(rounds),
        }
        path = self.folder / "plan.yaml"
        path.write_text(yaml.safe_dump({**content, **keys}), encoding="utf-8")
        return path

    def state(self) -> dict[str, dict[str, Any]]:
        """What is on disk."""
        state: dict[str, dict[str, Any]] = json.loads(
            (self.folder / "out" / "state.json").read_text("utf-8")
        )["rounds"]
        return state

    def accepted(self) -> str:
        """What the link names."""
        return str((self.folder / "out" / "accepted").readlink())


HELPFUL = {"name": "helpful", "data": "helpful"}
SAFE = {"name": "safe", "data": "safe"}
IMPOSSIBLE = {**SAFE, "gate": "kl<=-1 and reward_accuracy>=0"}


@pytest.fixture
def place(tmp_path: Path, chat_model: Path) -> Place:
    """A folder of its own."""
    return Place(tmp_path, chat_model)


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares each step the seconds that a process takes to import torch."""
    monkeypatch.setattr(steps, "run_program", run_in_process)


def statuses(result: RoundsResult) -> dict[str, str]:
    return {name: entry["status"] for name, entry in result.rounds.items()}


def test_each_round_starts_from_the_last_accepted_model(place: Place) -> None:
    """Two are accepted; the same command again does nothing; a third goes on from the second."""
    plan = place.plan(HELPFUL, SAFE)
    result = run_rounds(plan)
    assert result.passed
    assert result.model == str(place.folder / "out" / "02-safe")
    assert place.accepted() == "02-safe"
    recipe = yaml.safe_load((place.folder / "out/02-safe/recipe.yaml").read_text("utf-8"))
    assert recipe["model"] == str(place.folder / "out" / "01-helpful")
    assert "reward_accuracy>=0.9: holds" in place.state()["safe"]["why"]

    before = {p: p.stat().st_mtime_ns for p in (place.folder / "out").rglob("*")}
    lines: list[str] = []
    assert run_rounds(plan, log=lines.append) == result
    assert lines == [
        "round 1, helpful: accepted before, and nothing new",
        "round 2, safe: accepted before, and nothing new",
    ]
    assert {p: p.stat().st_mtime_ns for p in (place.folder / "out").rglob("*")} == before


def test_a_round_that_fails_leaves_the_last_good_model(place: Place) -> None:
    """And says why; the next one starts from there; what failed waits until it has changed."""
    plan = place.plan(HELPFUL, IMPOSSIBLE, {"name": "again", "data": "helpful"})
    result = run_rounds(plan)
    assert statuses(result) == {"helpful": "accepted", "safe": "failed", "again": "accepted"}
    assert not result.passed
    assert place.state()["safe"]["why"].startswith("kl<=-1: missed, kl is ")
    assert (place.folder / "out" / "02-safe.failed" / "model.safetensors").is_file()
    recipe = yaml.safe_load((place.folder / "out/03-again/recipe.yaml").read_text("utf-8"))
    assert recipe["model"] == str(place.folder / "out" / "01-helpful")
    assert place.accepted() == "03-again"

    lines: list[str] = []
    assert run_rounds(plan, log=lines.append) == result
    assert "round 2, safe: failed before, and nothing new" in lines


def test_the_rounds_after_a_failure_can_wait(place: Place) -> None:
    """Until its gate is another one: then it is tried again, and they follow."""
    after = {"name": "again", "data": "helpful"}
    result = run_rounds(place.plan(HELPFUL, IMPOSSIBLE, after, after_failure="stop"))
    assert result.not_run == ("again",)
    assert place.accepted() == "01-helpful"
    assert result.next_step() == f"the last good model is {place.folder}/out/01-helpful"
    result = run_rounds(place.plan(HELPFUL, SAFE, after, after_failure="stop"))
    assert result.passed
    assert place.accepted() == "03-again"


class KilledAtStep:
    """Takes lines of progress, and does not survive that of a step of a round."""

    def __init__(self, run: int, step: int) -> None:
        self.run, self.step, self.runs = run, step, 0

    def __call__(self, line: str) -> None:
        """Die where it was foretold."""
        self.runs += line.startswith("step 1/")
        if self.runs == self.run and line.startswith(f"step {self.step}/"):
            raise Killed


@pytest.mark.parametrize(("run", "step"), [(1, 3), (2, 1), (2, 3)])
def test_killed_rounds_go_on_where_they_were(run: int, step: int, place: Place) -> None:
    """With the same result as rounds that nothing happened to."""
    plan = place.plan(HELPFUL, SAFE)
    with pytest.raises(Killed):
        run_rounds(plan, log=KilledAtStep(run, step))
    lines: list[str] = []
    result = run_rounds(plan, log=lines.append)
    assert result.passed
    assert any(line.startswith("going on after step") for line in lines) == (step == 3)
    assert [path.name for path in sorted((place.folder / "out").iterdir())] == [
        *("01-helpful", "02-safe", "accepted", "state.json"),
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow),
    ],
)
def test_a_signal_reaches_the_step_under_way(number: int, code: int, place: Place) -> None:
    """Which saves what it has where it can; the same command goes on."""
    plan = place.plan({**HELPFUL, "set": {"epochs": 5}})
    command = [sys.executable, "-m", "prefdata", "train", "--rounds", str(plan)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("step 1/"):
                break
        run.send_signal(number)
        rest = run.stderr.read()
    assert run.returncode == code
    assert ("Interrupted. stopped after step " in rest) == (code == 130)
    assert rest.count("Interrupted") == (code == 130)
    lines: list[str] = []
    while not run_rounds(plan, log=lines.append).passed:
        # A step outlives the rounds that are killed until it prints its next line.
        assert "is being written by another run" in place.state()["helpful"]["why"]
        time.sleep(1)
    assert any(line.startswith("going on after step ") for line in lines)


def test_a_kill_before_the_gate_costs_no_training(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is there: only its gate is left."""
    plan = place.plan(HELPFUL)

    def killed(*_args: object, **_keywords: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(steps.Steps, "evaluate", killed)
        with pytest.raises(Killed):
            run_rounds(plan)
    assert place.state()["helpful"]["status"] == "begun"
    lines: list[str] = []
    assert run_rounds(plan, log=lines.append).passed
    assert not [line for line in lines if line.startswith("step ")]


def test_an_accepted_round_that_changed_is_told(place: Place) -> None:
    """And run again, with all after it, only when that is asked for."""
    run_rounds(place.plan(HELPFUL, SAFE))
    changed = place.plan({**HELPFUL, "set": {"options": {"beta": 0.2}}}, SAFE)
    with pytest.raises(RecipeError, match="round helpful was accepted, and has changed since"):
        run_rounds(changed)
    assert place.accepted() == "02-safe"
    lines: list[str] = []
    assert run_rounds(changed, force=True, log=lines.append).passed
    assert sum(line.startswith("step 1/") for line in lines) == 2


def test_what_is_in_the_way_is_tried_again(place: Place) -> None:
    """Rows that would be lost stop a round; with the data put right, it runs."""
    long = {**HELPFUL, "set": {"max_length": 16}}
    lines: list[str] = []
    result = run_rounds(place.plan(long), log=lines.append)
    assert statuses(result) == {"helpful": "stopped"}
    assert lines[-2].startswith("round helpful stopped: ")
    assert lines[-1].startswith("Hint: ")
    assert "no row of the train split is left" in result.rounds["helpful"]["why"]
    assert not (place.folder / "out" / "accepted").exists()
    assert run_rounds(place.plan(HELPFUL)).passed


JUDGE = """
import json, sys
with open(sys.argv[1]) as rows, open(sys.argv[2], "w") as verdicts:
    for row in map(json.loads, rows):
        answers = sorted(row["responses"], key=lambda answer: len(answer[0]["content"]))
        if len(answers) > 1:
            pair = {"prompt": row["prompt"], "response_a": answers[0], "response_b": answers[-1]}
            verdicts.write(json.dumps({**pair, "winner": "b"}) + "\\n")
"""

OWN: dict[str, Any] = {
    "name": "own",
    "prompts": "prompts.txt",
    "judge": "judge {candidates} {verdicts}",
    "evaluate": ["helpful"],
    "answers": 3,
    "max_new_tokens": 12,
    "gate": "kl<=1e9",
}


def test_a_round_can_make_its_pairs_from_the_models_own_answers(place: Place) -> None:
    """Answers of the last accepted model, judged by a command, converted, trained on."""
    (place.folder / "judge.py").write_text(JUDGE, encoding="utf-8")
    prompts = [f"Tell me of the river, number {number}." for number in range(12)]
    (place.folder / "prompts.txt").write_text("\n".join(prompts), encoding="utf-8")
    judge = f"{sys.executable} {place.folder}/judge.py {{candidates}} {{verdicts}}"
    own = {**OWN, "judge": judge}
    result = run_rounds(place.plan(HELPFUL, own))
    assert statuses(result) == {"helpful": "accepted", "own": "accepted"}
    folder = place.folder / "out" / "02-own.data"
    manifest = json.loads((folder / "pairs" / "manifest.json").read_text("utf-8"))
    assert manifest["kind"] == "pairs"
    assert len((folder / "candidates.jsonl").read_text("utf-8").splitlines()) == 12
    recipe = yaml.safe_load((place.folder / "out/02-own/recipe.yaml").read_text("utf-8"))
    assert recipe["model"] == str(place.folder / "out" / "01-helpful")

    fails = f"{sys.executable} -c 'raise SystemExit(9)' {{pairs}}"
    broken = {**own, "name": "broken", "judge": fails}
    result = run_rounds(place.plan(HELPFUL, own, broken))
    assert "ended with exit code 9" in result.rounds["broken"]["why"]
    assert place.accepted() == "02-own"


SLOW = """
import os, signal, sys, time
from pathlib import Path
stopped = []
signal.signal(signal.SIGINT, lambda *_: stopped.append(True))
print("asking", flush=True, file=open(os.environ["ASKING"], "w"))
while not stopped:
    time.sleep(0.01)
time.sleep(1)
Path("saved").touch()
"""


def test_an_interrupt_lets_the_judge_save_what_it_has_paid_for(place: Place) -> None:
    """Calls under way take longer than the quarter of a second that Python gives a child."""
    (place.folder / "slow.py").write_text(SLOW, encoding="utf-8")
    (place.folder / "prompts.txt").write_text("Tell me of the river.", encoding="utf-8")
    judge = f"{sys.executable} {place.folder}/slow.py {{pairs}}"
    plan = place.plan({**OWN, "judge": judge})
    pipe = place.folder / "asking"
    os.mkfifo(pipe)
    run = subprocess.Popen(
        [sys.executable, "-m", "prefdata", "train", "--rounds", str(plan), "-q"],
        env={**os.environ, "ASKING": str(pipe)},
        cwd=place.folder,
        start_new_session=True,
    )
    assert pipe.read_text() == "asking\n"
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait() == 130
    assert (place.folder / "saved").exists()


WINNER = """
import json, sys
with open(sys.argv[1]) as rows, open(sys.argv[2], "w") as judged:
    for row in map(json.loads, rows):
        row["verdicts"] = [{"winner": sys.argv[3], "annotator": "judge"}]
        judged.write(json.dumps(row) + "\\n")
"""


def test_a_gate_may_rest_on_answers(place: Place) -> None:
    """Model and reference answer held-out prompts, a command judges, and the wins are counted."""
    (place.folder / "winner.py").write_text(WINNER, encoding="utf-8")
    judge = f"{sys.executable} {place.folder}/winner.py {{generations}} {{judged}}"
    compare = {"most": 4, "max_new_tokens": 8, "judge": f"{judge} b"}
    gate = "win_rate>=0.4 and sampled_kl<=1e9 and reward_accuracy>=0.9"
    prompts = place.folder / "asked.txt"
    prompts.write_text("Tell me of the river.\n", encoding="utf-8")
    other = {**compare, "judge": f"{judge} a", "prompts": "asked.txt"}
    losing = {**SAFE, "compare": other, "gate": "win_rate>0.5"}
    plan = place.plan(HELPFUL, losing, gate=gate, compare=compare)
    result = run_rounds(plan)
    assert statuses(result) == {"helpful": "accepted", "safe": "failed"}
    answers = place.folder / "out" / "01-helpful.answers" / "eval" / "generations.jsonl"
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    outcomes = [0.5 if row["response_a"] == row["response_b"] else 1.0 for row in rows]
    figures = result.rounds["helpful"]["figures"]
    assert (figures["win_rate"]["value"], figures["win_rate"]["n"]) == (sum(outcomes) / 4, 4)
    assert figures["sampled_kl"]["n"] == 4
    assert result.rounds["safe"]["why"].startswith("win_rate>0.5: missed, win_rate is ")

    assert run_rounds(plan) == result
    prompts.write_text("Tell me of the sea.\n", encoding="utf-8")
    lines: list[str] = []
    run_rounds(plan, log=lines.append)
    assert "round 1, helpful: accepted before, and nothing new" in lines
    assert any(line.startswith("round 2 of 2, safe: from ") for line in lines)
    milder = {**HELPFUL, "compare": {**compare, "judge": f"{judge} tie"}}
    with pytest.raises(RecipeError, match="round helpful was accepted, and has changed since"):
        run_rounds(place.plan(milder, losing, gate=gate, compare=compare))


@pytest.mark.parametrize(
    ("rounds", "keys", "message"),
    [
        ([{"name": "a", "data": "helpful", "gates": "x"}], {}, "unknown key 'gates'"),
        ([{"name": "a b", "data": "helpful"}], {}, "rounds.0.name"),
        ([{"name": "a"}], {}, "a round has data, or prompts and judge"),
        ([HELPFUL, HELPFUL], {}, "another round has the same name"),
        ([{"name": "a", "prompts": "p"}], {}, "prompts without judge"),
        ([HELPFUL], {"gate": ""}, "no gate"),
        ([HELPFUL], {"gate": "win_rate>=0.5"}, "win_rate without compare.judge"),
        ([HELPFUL], {"compare": {"juge": "x"}}, "unknown key 'juge' in plan.yaml: compare"),
        (
            [HELPFUL],
            {"gate": "win_rate>=0.5", "compare": {"judge": "x {generation}"}},
            "unknown place '{generation}'",
        ),
        ([HELPFUL], {"gate": "sampled_kl<=9", "compare": {"prompts": "none.txt"}}, "no such file"),
        ([{**OWN, "judge": "x '{candidates}"}], {}, "round own: judge: No closing quotation"),
        ([{**OWN, "judge": "x {pairs!z}"}], {}, "more than a name between braces"),
        ([{**OWN, "judge": "x {candidates}"}], {}, "judge: nothing says where it writes"),
        ([{**OWN, "judge": " "}], {}, "judge: nothing says where it writes"),
        (
            [HELPFUL],
            {"gate": "win_rate>=0.5", "compare": {"judge": "x {generations}"}},
            "compare.judge: nothing says where it writes",
        ),
        ([HELPFUL], {"gate": "acuracy>=0.5"}, "unknown figure 'acuracy'"),
        (
            [{**HELPFUL, "set": {"method": "reward"}}],
            {"gate": "win_rate>=0.5", "compare": {"judge": "x {generations} {judged}"}},
            "round helpful: its gate asks for win_rate, which a reward model does not have",
        ),
        (
            [HELPFUL],
            {"gate": "accuracy>=0.5 and kl<=9", "set": {"method": "reward"}},
            "its gate asks for kl, which a reward model does not have",
        ),
        ([{**OWN, "set": {"beeta": 1}}], {}, "round own: DPOConfig has no option 'beeta'"),
        (
            [HELPFUL],
            {"set": {"options": {"bata": 1}}},
            r"plan\.yaml: round helpful: DPOConfig has no option 'bata'",
        ),
        ([HELPFUL, {"name": "a", "data": "none"}], {}, "none: no such data set"),
        ([], {}, "rounds: List should have at least 1 item"),
    ],
)
def test_a_plan_that_cannot_run_is_refused_before_the_first_round(
    rounds: list[dict[str, Any]], keys: Mapping[str, Any], message: str, place: Place
) -> None:
    """In one message with a remedy, and nothing is written."""
    with pytest.raises(PrefdataError, match=message) as caught:
        run_rounds(place.plan(*rounds, **keys))
    assert caught.value.hint
    assert not (place.folder / "out").exists()


def test_the_command_exits_with_3_when_a_gate_is_missed(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """And names the last good model."""
    plan = place.plan(IMPOSSIBLE)
    with pytest.raises(SystemExit) as caught:
        main(["train", "--rounds", str(plan), "--json"])
    assert caught.value.code == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["rounds"]["safe"]["status"] == "failed"
    assert err.endswith(f"next: the last good model is {place.model}\n")
    with pytest.raises(SystemExit) as caught:
        main(["train", "--lr", "1e-3", "--rounds", str(plan)])
    assert caught.value.code == 2


def test_a_dry_run_of_rounds_prints_the_plan(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checked, as a plan that can be run again, and nothing is trained."""
    with pytest.raises(SystemExit) as caught:
        main(["train", "--rounds", str(place.plan(HELPFUL)), "-n"])
    assert caught.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["rounds"] == [{"name": "helpful", "data": str(place.folder / "helpful")}]
    assert not (place.folder / "out").exists()
