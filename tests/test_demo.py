"""The demo: each command is said before it runs, and what is said is what runs."""

from __future__ import annotations

import importlib.util
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from prefdata.cli import main
from prefdata.demo import demo
from prefdata.errors import MissingExtraError, UsageError


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(args)
    return int(str(caught.value.code))


def test_each_command_is_said_as_it_runs(tmp_path: Path) -> None:
    """A reader can repeat every line, whatever the folder is called."""
    events: list[tuple[str, str]] = []

    def ran(arguments: Sequence[str]) -> None:
        events.append(("ran", shlex.join(arguments)))

    demo(tmp_path / "my demo", run=ran, say=lambda line: events.append(("said", line)))
    for position, (what, text) in enumerate(events):
        if what == "ran":
            assert events[position - 1] == ("said", f"$ pref {text}")
    names = [text.split()[0] for what, text in events if what == "ran"]
    assert names == ["inspect", "convert", "train", "eval", "eval"]


def test_another_folder_is_left_alone(tmp_path: Path) -> None:
    """What is in it may be somebody's work."""
    mine = tmp_path / "ratings.csv"
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="exists, and holds something else than the demo"):
        demo(tmp_path, run=print, say=print)
    assert mine.read_text(encoding="utf-8") == "mine"


def test_without_the_extra_the_data_is_made_and_the_remedy_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The half that needs no torch is done, and exit code 2 says that the rest is not."""

    def missing(*_args: object, **_keywords: object) -> None:
        raise MissingExtraError("train", needed_for="pref train")

    monkeypatch.setattr("prefdata.training.resolve", missing)
    monkeypatch.setattr("prefdata.training.train", missing)
    assert run("demo", "-o", str(tmp_path / "demo")) == 2
    assert (tmp_path / "demo" / "pairs" / "manifest.json").is_file()
    assert capsys.readouterr().err.endswith(
        "Error: pref train needs the extra 'train', which is not installed\n"
        "Hint: Install it with: pip install 'prefdata[train]'\n"
    )


@pytest.mark.skipif(not importlib.util.find_spec("trl"), reason="the extra train is not installed")
def test_the_demo_teaches_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After training, the better answer to a new prompt is the likelier one; a second run works."""
    folder = tmp_path / "demo"
    assert run("demo", "-o", str(folder)) == 0
    capsys.readouterr()

    def accuracy(model: Path) -> float:
        assert run("eval", str(model), "--data", str(folder / "pairs"), "--json", "-q") == 0
        value: float = json.loads(capsys.readouterr().out)["accuracy"]["value"]
        return value

    assert accuracy(folder / "model" / "reference") <= 0.5
    assert accuracy(folder / "model") >= 0.75
    manifest = json.loads((folder / "pairs" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["rows_read"] == manifest["rows_used"] + manifest["rows_rejected"]
    assert run("demo", "-o", str(folder)) == 0
