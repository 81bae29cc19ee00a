"""The command eval: what goes to stdout, what to the folder, and what a gate does."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from prefdata.cli import main
from prefdata.training import TrainingResult


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(args)
    return int(str(caught.value.code))


def test_rows_and_answers_are_kept_and_a_win_rate_comes_back(
    trained: TrainingResult, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the answers that eval writes, through verdicts on them, to a gate on their win rate."""
    out = tmp_path / "evaluated"
    args = ["eval", trained.output, "--data", str(pairs)]
    generate = ["--generate", "1", "--most-prompts", "3", "--max-new-tokens", "6", "-o", str(out)]
    assert run(*args, *generate) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert "│ reward_accuracy " in output.err
    assert output.err.endswith(
        f"next: pref judge {out}/generations.jsonl -o judged --model NAME, "
        "then pref eval … --judged judged\n"
    )
    assert sorted(path.name for path in out.iterdir()) == [
        *("eval.json", "eval_rows.parquet", "generations.jsonl"),
    ]
    assert pq.read_metadata(out / "eval_rows.parquet").num_rows == 24
    report = json.loads((out / "eval.json").read_text("utf-8"))
    assert report["generations"]["answers"] == 3

    lines = (out / "generations.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row, winner in zip(rows, ("b", "b", "a"), strict=True):
        row["verdicts"] = [{"winner": winner, "annotator": "judge"}]
    judged = tmp_path / "judged.jsonl"
    judged.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    won = [*args, "--judged", str(judged), "--json", "-q"]
    assert run(*won, "--gate", "win_rate>=0.5 and kl<=1e9") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["win_rate"]["value"] == pytest.approx(2 / 3)
    assert printed["gate"]["met"] is True
    assert run(*won, "--gate", "reward_accuracy>=0.9 and win_rate>=0.7") == 3
    output = capsys.readouterr()
    assert output.err == "gate: win_rate>=0.7: missed, win_rate is 0.6667 on 3 rows\n"
    assert json.loads(output.out)["gate"]["met"] is False


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--gate", "acc>=1"], "Error: unknown figure 'acc' in --gate\n"),
        (["--gate", "accuracy"], "Error: --gate: 'accuracy' is not a condition\n"),
        (["--judged", "none"], "Error: none: no comparisons there\n"),
        (["--prompts", "none.txt"], "Error: none.txt: no such file of prompts\n"),
        (["-o", "{data}"], "holds something else: there is no eval.json in it\n"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_loaded(
    args: list[str],
    message: str,
    chat_model: Path,
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With exit code 2."""
    args = [arg.format(data=pairs) for arg in args]
    assert run("eval", str(chat_model), "--data", str(pairs), *args) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert "loading torch" not in output.err


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is not None, reason="lm-eval is installed here"
)
def test_benchmarks_name_the_extra_that_they_need(
    chat_model: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is loaded."""
    args = ["--benchmark", "truthfulqa_mc2"]
    assert run("eval", str(chat_model), "--data", str(pairs), *args) == 2
    assert capsys.readouterr().err == (
        "Error: pref eval --benchmark needs the extra 'benchmarks', which is not installed\n"
        "Hint: Install it with: pip install 'prefdata[benchmarks]'\n"
    )
