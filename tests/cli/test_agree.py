"""`pref agree` as a user meets it: what it prints, what it exits with, what it says when wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefdata.cli import main
from tests.roundtrip import Row, jsonl, judged


@pytest.fixture(autouse=True)
def _at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the votes of two people and a judge, and with ratings."""
    monkeypatch.chdir(tmp_path)
    said = {"anna": "aabb" * 10, "bert": "aaba" * 10, "gpt-4": "aabt" * 10}
    rows: list[Row] = [
        judged(
            f"yes {n}",
            f"no, or maybe {n}",
            "tie" if letter == "t" else letter,
            prompt=f"Question {n}",
            annotator=who,
            topic="maths" if n % 2 else "prose",
        )
        for who, letters in said.items()
        for n, letter in enumerate(letters)
    ]
    jsonl(Path("votes.jsonl"), rows)
    jsonl(Path("bare.jsonl"), [{"id": 1, "winner": "a"}])
    jsonl(Path("numbers.jsonl"), [{"id": 1, "winner": 0}, {"id": 2, "winner": 1}])
    turn = [{"role": "assistant", "content": "x"}]
    record = {"prompt": turn, "response_a": [], "response_b": turn, "verdicts": [{"winner": "a"}]}
    jsonl(Path("empty.jsonl"), [record])
    Path("ratings.csv").write_text("prompt,response,score\n2+2?,4,5\n2+2?,5,1\n")


def run(*args: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as left:
        main(["agree", *args])
    return int(str(left.value.code))


def test_the_table_has_accuracy_with_its_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    """And what it rests on: sources, people, the ceiling, the baseline, what to do next."""
    assert run("votes.jsonl", "--by", "topic") == 0
    shown = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == "votes.jsonl: 120 rows read as comparisons"
    assert lines[2].startswith("120 verdicts on 40 comparisons, held against each of them: 2")
    assert "gpt-4 100.0 88.6 to 100.0 75.0 75.0 @ 100.0 0.58 66.7 33.3 (33.3)" in lines
    assert "a person (ceiling) 75.0 59.8 to 85.8 75.0" in lines
    assert "Krippendorff's alpha: 0.473 (people), 0.542 (all)" in lines
    assert lines[-1] == (
        "Next: pref agree votes.jsonl --json, which has every figure of every category"
    )


def test_json_is_all_that_stands_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """The table goes to stderr beside it, and --quiet leaves it out."""
    assert run("votes.jsonl", "--json") == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert "Krippendorff" in told.err
    assert found["people"] == ["anna", "bert"]
    assert found["annotators"][0]["annotator"] == "gpt-4"
    assert found["annotators"][0]["coverage"]["value"] == 0.75
    assert found["annotators"][0]["accuracy"]["of"] == 60
    assert found["sources"][0]["rows"] == 120
    assert run("votes.jsonl", "--json", "-q") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("least", "code"), [("0.8", 0), ("80%", 0), ("1", 0), ("0", 0)])
def test_a_gate_that_is_met_is_silent(
    least: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a number or in percent."""
    assert run("votes.jsonl", "-q", "--min-agreement", least) == code
    assert capsys.readouterr().err == ""


def test_a_gate_that_is_missed_exits_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    """And says who missed it, by how much, on how many."""
    assert run("votes.jsonl", "-q", "--human", "anna", "--min-agreement", "90%") == 3
    assert capsys.readouterr().err == (
        "bert agrees in 75.0 % (30 of 40; 59.8 to 85.8 %); --min-agreement asks for 90%\n"
    )


def test_a_gate_that_holds_nobody_is_not_met(capsys: pytest.CaptureFixture[str]) -> None:
    """Where all are people, no accuracy was measured against the threshold."""
    everyone = ("--human", "anna", "--human", "bert", "--human", "gpt-4")
    assert run("votes.jsonl", "-q", *everyone, "--min-agreement", "99%") == 1
    assert capsys.readouterr().err == (
        "Error: --min-agreement has nobody to hold: all who judged are people\n"
        "Hint: Add the verdicts of a model, or say with --human who is held against.\n"
    )


ROW = '"prompt": "(none)", "response_a": "(none) a", "response_b": "(none) b"}'
NUMBERS = (
    f'winner holds 0 (1 row, such as {{"winner": 0, "id": 1, {ROW}), '
    f'1 (1 row, such as {{"winner": 1, "id": 2, {ROW}): '
    "which means that the first is better, which the second? say so with "
    "--winner 'a=?,b=?,tie=?,none=?' (none= is for what carries no preference)"
)
WRONG = {
    "a gate that is no share": (
        "votes.jsonl --min-agreement 85",
        "--min-agreement '85' is not a share",
        "Write 0.8 or 80%.",
        2,
    ),
    "a gate that is no number": (
        "votes.jsonl --min-agreement high",
        "--min-agreement 'high' is not a share",
        "Write 0.8 or 80%.",
        2,
    ),
    "ratings": (
        "ratings.csv",
        "ratings.csv is ratings-long: agreement is between verdicts on two responses",
        "Name sources that say which of two responses is better.",
        1,
    ),
    "no such person": (
        "votes.jsonl --human ana",
        "unknown annotator 'ana' in --human",
        "Did you mean 'anna'? Known: anna, bert, gpt-4.",
        2,
    ),
    "no such category": (
        "votes.jsonl --by topics",
        "unknown column 'topics' in --by",
        "Did you mean 'topic'? Known: annotator, prompt, response_a, response_b, topic, winner.",
        2,
    ),
    "no such id": (
        "votes.jsonl --id nr",
        "unknown column 'nr' in votes.jsonl for --id",
        "Known: prompt, response_a, response_b, winner, annotator, topic.",
        2,
    ),
    "ids without a winner": (
        "ratings.csv --id prompt",
        "ratings.csv is ratings-long: agreement is between verdicts on two responses",
        "Name sources that say which of two responses is better.",
        1,
    ),
    "no texts": (
        "bare.jsonl",
        "bare.jsonl has votes without the texts of the answers (winner holds a (1))",
        (
            "Join the prompt and both answers to it, as columns prompt, response_a, response_b. "
            "How far the annotators agree can be measured without: pref agree bare.jsonl --id id"
        ),
        1,
    ),
    "no winner": (
        "bare.jsonl --id id --map winner=",
        "bare.jsonl has no column that says which response is better (columns: id, winner)",
        "Name it, as in --map winner=vote.",
        1,
    ),
    "a winner in numbers": (
        "numbers.jsonl --id id",
        "numbers.jsonl looks like comparisons, but can be read in two ways",
        NUMBERS,
        2,
    ),
    "no verdict at all": (
        "empty.jsonl",
        "no row gives a verdict (left out: 1 text is empty)",
        "Look at the sources with pref inspect.",
        1,
    ),
    "no such file": (
        "ratngs.csv",
        "no such file or folder: ratngs.csv",
        "Did you mean ratings.csv?",
        2,
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_once_with_its_remedy(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message, one hint, the right exit code."""
    command, message, hint, code = WRONG[case]
    assert run(*command.split()) == code
    assert capsys.readouterr().err == f"Error: {message}\nHint: {hint}\n"
