"""What data and names hold is shown by the commands, and obeyed by no terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefdata.cli import main

ACTS = "\x1b[31m \x1b]0;title\x07 \x9b2J \x7f \r \u202e \u2066 \u2069 x"
"""A colour, a title, a cleared screen, a deletion, the start of the line, the direction."""

MARKUP = "[bold]b[/bold] [/x] :smile: [link=http://a]l[/link]"


@pytest.fixture(autouse=True)
def _at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs that hold everything of the kind, in texts, values and the names of columns."""
    monkeypatch.chdir(tmp_path)
    row = {
        "prompt": f"What? {ACTS}",
        "chosen": f"good {MARKUP}",
        "rejected": f"bad {ACTS}",
        f"column {ACTS}": 1,
        f"column {MARKUP}": 2,
    }
    Path("pairs.jsonl").write_text(json.dumps(row) + "\n")
    pair = {"prompt": "Q?", "chosen": "good", "rejected": "bad"}
    Path("[bold]b[x] :smile:.jsonl").write_text(json.dumps(pair) + "\n")
    Path(f"name {ACTS}.jsonl").write_text(json.dumps(pair) + "\n")


def run(*args: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as left:
        main(args)
    return int(str(left.value.code))


def acting(text: str) -> set[str]:
    """The characters of a text that a terminal would act upon, but for line breaks."""
    unsafe = set(map(chr, [*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F)]))
    return set(text) & (unsafe | set(map(chr, range(0x2066, 0x206A)))) - {"\n"}


@pytest.mark.parametrize("json_too", [[], ["--json"]], ids=["words", "json"])
def test_nothing_that_is_printed_acts(
    json_too: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither texts nor names of files and columns, in words, in JSON and in errors."""
    every = ("pairs.jsonl", "*.jsonl")
    assert run("inspect", *every, *json_too) == 0
    assert run("convert", *every, "-o", f"out {ACTS}", *json_too) == 0
    assert run("export", f"out {ACTS}", "--to", "trl", "-o", f"for {ACTS}", *json_too) == 0
    assert run("inspect", f"nowhere {ACTS}", *json_too) == 2
    assert run("inspect", "pairs.jsonl", "--map", f"prompt={ACTS}", *json_too) == 2
    said = capsys.readouterr()
    assert acting(said.out + said.err) == set()
    assert "␛[31m" in said.out + said.err


def test_brackets_and_colons_in_data_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """They stand there as they stand in the data."""
    assert run("inspect", "pairs.jsonl") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"good {MARKUP}" in said
    assert f"column {MARKUP}" in said


def test_json_means_what_it_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """A character that would act is written as a number, which reads back as it was."""
    assert run("inspect", "pairs.jsonl", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["example"]["prompt"][0]["content"] == f"What? {ACTS}"
    assert f"column {ACTS}" in found["unused"]


def test_what_judging_would_ask_acts_on_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor in JSON, which says the same of it as a terminal that shows every character."""
    votes = {"prompt": f"日本語? {ACTS}", "response_a": "a", "response_b": "b", "winner": "a"}
    Path("votes.jsonl").write_text(json.dumps(votes) + "\n")
    judge_and_url = ("-m", f"m {ACTS}", "--base-url", "http://127.0.0.1:9/v1")
    plan = ("judge", "votes.jsonl", "-o", "out", *judge_and_url, "--dry-run")
    assert run(*plan) == 0
    assert run(*plan, "--json") == 0
    words, _, found = capsys.readouterr().out.partition("\n[\n")
    assert acting(words + found) == set()
    (judge,) = json.loads(f"[{found}")
    assert judge["judge"] == f"m {ACTS}"
    assert f"日本語? {ACTS}" in judge["example"]["messages"][1]["content"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_knows_few_characters_gets_numbers(encoding: str) -> None:
    """Instead of an error; and JSON is JSON there too."""
    pair = {"prompt": "日本語?", "chosen": "gé", "rejected": "bad …"}
    Path("pairs.jsonl").write_text(json.dumps(pair) + "\n")
    for json_too in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "prefdata", "inspect", "pairs.jsonl", *json_too],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "PYTHONIOENCODING": encoding,
            },
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        said = done.stdout.decode(encoding)
        if json_too:
            assert json.loads(said)[0]["example"]["prompt"][0]["content"] == "日本語?"
        else:
            assert r"\u65e5" in said


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_a_name_that_is_no_text_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """As it comes from a foreign disk: in words and in JSON."""
    source = os.fsdecode(b"caf\xe9.jsonl")
    Path("pairs.jsonl").rename(source)
    assert run("inspect", source) == 0
    assert "caf\ufffd.jsonl is pairs" in capsys.readouterr().out
    assert run("inspect", source, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == source
