"""The options that say how pairs are made, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefdata.cli import main

HELPSTEER = """\
prompt,response,helpfulness,correctness,coherence,complexity,verbosity,lang
Q,kind,4,1,3,3,3,en
Q,right,2,3,3,3,3,de
R,best,4,4,3,3,3,en
R,worst,1,1,3,3,3,de
"""


@pytest.fixture(autouse=True)
def _at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with ratings on five dimensions."""
    monkeypatch.chdir(tmp_path)
    Path("steer.csv").write_text(HELPSTEER)


def run(*args: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as left:
        main(args)
    return int(str(left.value.code))


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ("--weights helpfulness=0.7,correctness=-0.3", 2),
        ("--weights helpfulness=0.7 --weights correctness=0.3 --veto correctness", 1),
        ("--lexicographic correctness,helpfulness", 2),
        ("--pareto", 1),
        ("--pareto helpfulness,correctness", 1),
        ("--dimension correctness --veto helpfulness", 1),
        ("--cap steer*=1", 1),
        ("--mix steer.csv=0.5", 2),
        ("--split-by conversation --keep la*", 2),
    ],
)
def test_options_mean_what_they_say(
    options: str, rows: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report counts the pairs that each of them leaves; the inspection takes the same."""
    assert run("convert", "steer.csv", "-o", "out", "--json", "-q", *options.split()) == 0
    report = json.loads(capsys.readouterr().out)
    assert sum(split["rows"] for split in report["splits"].values()) == rows
    assert run("inspect", "steer.csv", "--json", *options.split()) == 0
    assert json.loads(capsys.readouterr().out)[0]["rows"] == 4


def test_the_summary_says_where_dimensions_disagree(capsys: pytest.CaptureFixture[str]) -> None:
    """A person sees on which dimension the chosen answers are not the higher ones."""
    assert run("convert", "steer.csv", "-o", "out") == 0
    assert "chosen scores lower on correctness in 1 of 2 pairs" in capsys.readouterr().err
    assert run("inspect", "steer.csv") == 0
    assert "chosen scores lower on correctness in 1 of 2 pairs" in capsys.readouterr().out


def test_the_summary_says_what_sources_have_in_common(capsys: pytest.CaptureFixture[str]) -> None:
    """Named again under another name, everything is there twice."""
    Path("copy.csv").write_text(HELPSTEER)
    assert run("convert", "steer.csv", "copy.csv", "-o", "out") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "steer.csv: 4 rows read as helpsteer, gave 2" in said
    assert "2 prompts in common, 2 the same in both, 0 contradict each other" in said


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            "--weights helpfulness",
            "--weights 'helpfulness' is not a name with a number",
            "Write it as in --weights helpfulness=0.7,safety=0.3.",
        ),
        (
            "--weights helpfulness=much",
            "--weights 'helpfulness=much' is not a name with a number",
            "Write it as in --weights helpfulness=0.7,safety=0.3.",
        ),
        (
            "--mix steer.csv=1,steer.csv=2",
            "--mix names steer.csv twice",
            "Give each name one number.",
        ),
        (
            "--cap stear.csv=5",
            "unknown source 'stear.csv' in --cap",
            "Did you mean 'steer.csv'? Known: steer.csv.",
        ),
        (
            "--pareto --veto safety",
            "unknown dimension 'safety' in steer.csv",
            "Known: coherence, complexity, correctness, helpfulness, verbosity.",
        ),
        (
            "--dimension correctness --pareto",
            "--dimension and --pareto cannot both decide which is better",
            "Choose one of them; --veto goes with each.",
        ),
        (
            "--cap steer.csv=2.5",
            "the cap of steer.csv is 2.5; expected a number of rows, 0 or more",
            "Write it as in --cap 'helpsteer*.jsonl=5000'.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(
    options: str, message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, two lines, and nothing is written."""
    assert run("convert", "steer.csv", "-o", "out", *options.split()) == 2
    assert capsys.readouterr().err == f"Error: {message}\nHint: {hint}\n"
    assert not Path("out").exists()
