"""How a run ends where nobody reads it, where it cannot write, and where it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prefdata._version import __version__

RATINGS = "prompt,response,score\nWhat is 2 + 2?,4,5\nWhat is 2 + 2?,5,1\n"


@pytest.fixture(autouse=True)
def _at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with ratings, and the package to be found from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    Path("ratings.csv").write_text(RATINGS)


def unread(stream: str, *args: str) -> tuple[int, str]:
    """The exit code of the command, one of whose streams nobody reads, and what the other says."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "prefdata", *args],
        stdout=writer if stream == "stdout" else subprocess.PIPE,
        stderr=writer if stream == "stderr" else subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    return done.returncode, (done.stdout or "") + (done.stderr or "")


@pytest.mark.parametrize(
    "args",
    [
        "--help",
        "--version",
        "convert --help",
        "inspect ratings.csv",
        "inspect ratings.csv --json",
        "formats",
        "formats --json",
        "formats nectar",
        "schema preference-pair",
        "convert ratings.csv -o out -q --json",
    ],
)
def test_a_closed_pipe_stops_the_command_without_a_word(args: str) -> None:
    """As it stops every tool of Unix, with what a shell says of those: 141."""
    assert unread("stdout", *args.split()) == (141, "")


def test_a_closed_pipe_of_messages_stops_the_command_too() -> None:
    """What was written before stays; nothing stands there by half."""
    assert unread("stderr", "convert", "ratings.csv", "-o", "out") == (141, "")
    assert {path.name for path in Path().iterdir()} <= {"ratings.csv", "out"}


@pytest.mark.parametrize("args", ["inspect nowhere.csv", "--nonsense", "schema nothing"])
def test_an_error_that_nobody_reads_keeps_its_exit_code(args: str) -> None:
    """A script sees it all the same."""
    assert unread("stderr", *args.split()) == (2, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("args", ["schema", "inspect ratings.csv", "formats --json"])
def test_an_output_that_cannot_be_written_is_an_error_in_one_line(args: str) -> None:
    """Whatever of the result is missing, the exit code says so."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "prefdata", *args.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        "Error: the output could not be written: No space left on device\n"
        "Hint: Free some space, or send it elsewhere.\n"
    )


def test_standard_input_that_is_closed_is_named() -> None:
    """As a daemon has it; and no file takes the number of a stream that is closed."""
    command = f"{sys.executable} -m prefdata {{}}"
    said = subprocess.run(
        ["/bin/sh", "-c", command.format("inspect - <&-")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("Error: standard input is closed\nHint: ")
    shut = ["/bin/sh", "-c", command.format("convert ratings.csv -o out <&- >&- 2>&-")]
    assert subprocess.run(shut, check=False).returncode == 0
    assert Path("out/manifest.json").exists()


LOADING = """
import signal, sys
class Loading:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Loading())
from prefdata.__main__ import main
sys.argv = ["pref", "inspect", "ratings.csv"]
main()
"""


@pytest.mark.parametrize(
    "library", ["prefdata.cli", "click", "prefdata.cli.convert", "prefdata.conversion", "polars"]
)
def test_an_interrupt_while_the_command_is_loaded_shows_no_traceback(library: str) -> None:
    """From the first import of ours on."""
    done = subprocess.run(
        [sys.executable, "-c", LOADING.format(name=library)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() in (
        "",
        "Interrupted. Nothing was left half written; run the same command again.",
    )


def test_an_interrupt_that_is_ignored_stays_ignored() -> None:
    """As it is for what a shell starts in the background."""
    done = subprocess.run(
        [sys.executable, "-c", LOADING.format(name="click")],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert b"ratings.csv is ratings-long" in done.stdout


def test_a_defect_shows_where_it_is_and_what_to_report() -> None:
    """The version, and the command as it can be copied."""
    broken = """
import prefdata.conversion.inspect
prefdata.conversion.inspect.detect_sources = None
from prefdata.cli import main
main(["inspect", "my ratings.csv"])
"""
    Path("ratings.csv").rename("my ratings.csv")
    done = subprocess.run(
        [sys.executable, "-c", broken], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"This is a defect of prefdata {__version__}. Please report it, with these lines and the "
        "command: pref inspect 'my ratings.csv'"
    )


def test_what_to_do_next_can_be_copied() -> None:
    """Also where a name holds what a shell takes apart."""
    Path("ratings.csv").rename("my $(x) ratings.csv")
    command = [sys.executable, "-m", "prefdata"]
    said = subprocess.run(
        [*command, "inspect", "my $(x) ratings.csv"], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines()[-1].strip() == (
        "Next: pref convert 'my $(x) ratings.csv' -o pairs"
    )
    said = subprocess.run(
        [*command, "convert", "my $(x) ratings.csv", "-o", "a b"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stderr.splitlines()[-1].strip() == "Next: pref train 'a b' --model tiny"
