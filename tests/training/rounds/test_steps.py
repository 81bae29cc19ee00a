"""A step of a round is a command: its result is the JSON that it prints, and so is its error."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prefdata.cli import main
from prefdata.errors import InputError, UsageError
from prefdata.training import Recipe
from prefdata.training.data.prompts import Prompting
from prefdata.training.rounds import steps
from prefdata.training.rounds.steps import Ended, Steps, run_command, run_program


def printing(text: str, code: int = 0) -> list[str]:
    """A program that prints a text to stdout and ends with a code."""
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What the next commands print and end with, in place of what they do."""
    texts: list[tuple[str, int]] = []

    def run(_command: object, on_line: object, **streams: int) -> Ended:
        return run_program(printing(*texts.pop(0)), on_line, **streams)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "run_program", run)
    return texts


def test_an_error_comes_back_as_it_was_raised(tmp_path: Path) -> None:
    """Of the same type, in the same words, with its hint."""
    recipe = Recipe(model="tiny", data=str(tmp_path / "none"), output=str(tmp_path / "m"))
    with pytest.raises(UsageError, match="none: no such data set") as caught:
        Steps().train(recipe, resume=False)
    assert caught.value.hint


def test_a_command_prints_its_error_as_json_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under --json, on stdout; and for people on stderr, as ever."""
    for more in ([], ["--json"]):
        with pytest.raises(SystemExit) as caught:
            main(["eval", "tiny", "-d", str(tmp_path / "none"), *more])
        assert caught.value.code == 2
        out, err = capsys.readouterr()
        assert err.startswith(f"Error: {tmp_path}/none: no such data set\nHint: ")
        if more:
            error = json.loads(out)["error"]
            assert (error["type"], f"Error: {error['message']}") == (
                "UsageError",
                err.splitlines()[0],
            )
        else:
            assert out == ""


def test_progress_is_handed_on_and_the_summary_is_left_out(printed: list[tuple[str, int]]) -> None:
    """What stands behind the result is for people who ran the command by itself."""
    figure = {"value": 0.5, "interval": [0.2, 0.8], "n": 9}
    report = json.dumps({"model": "m", "accuracy": figure, "by": {}}, indent=2)
    printed.append((f"loading\n{report}\nnext: another command", 0))
    lines: list[str] = []
    estimates = Steps(log=lines.append).evaluate("m", ["d"], None, prompting=None, output=None)
    assert lines == ["loading"]
    assert {name: each.to_dict() for name, each in estimates.items()} == {"accuracy": figure}


@pytest.mark.parametrize("result", ["", '{\n  "accuracy": {\n    "val'])
def test_a_step_that_ends_without_a_result_says_how(
    result: str, printed: list[tuple[str, int]]
) -> None:
    """As where it is killed; whether it had begun to print makes no difference."""
    printed.append((f"loading\n{result}", 137))
    with pytest.raises(InputError, match=r"^answer ended with exit code 137$") as caught:
        Steps(log=print).generate("m", Prompting(Path("prompts.txt")), Path("out"))
    assert "137 is a kill" in caught.value.hint


def test_the_last_words_of_a_command_are_its_error() -> None:
    """The line of an error where there is one, else the last one, else that there is none."""
    for words, message in (
        ("print('Error: no key', file=sys.stderr); print('Hint: x', file=sys.stderr)", "no key"),
        ("print('oops', file=sys.stderr); print(file=sys.stderr)", "oops"),
        ("pass", "it said nothing"),
    ):
        command = f'{sys.executable} -c "import sys; {words}; raise SystemExit(9)"'
        with pytest.raises(InputError, match=f"ended with exit code 9: .*{message}"):
            run_command(command, {}, print)
    with pytest.raises(InputError, match=r"no-such-judge cannot be run \(No such file"):
        run_command("no-such-judge", {}, print)


def test_signals_are_passed_on_to_a_program_and_handled_as_before_when_it_has_ended() -> None:
    """A program gets each of them once, though it is in a session of its own."""
    before = signal.getsignal(signal.SIGTERM)
    words = (
        "import os, signal, sys, time",
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))",
        "print('ready', flush=True)",
        "time.sleep(60)",
    )
    ended = run_program(
        [sys.executable, "-c", "\n".join(words)],
        lambda _line: signal.raise_signal(signal.SIGTERM),
        stdout=subprocess.PIPE,
        stderr=None,
    )
    assert ended == Ended(5, [signal.SIGTERM])
    assert signal.getsignal(signal.SIGTERM) is before
