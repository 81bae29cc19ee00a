"""Killed, interrupted, out of space: the old directory or the new one stands there, whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from prefdata.conversion.convert import convert
from tests.roundtrip import jsonl, pair

ROWS = 30_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes about a second."""
    folder = tmp_path_factory.mktemp("large")
    rows = [pair(f"good {n} " * 20, f"bad {n} " * 20, f"prompt {n}") for n in range(ROWS)]
    return jsonl(folder / "in.jsonl", rows)


def command(source: Path, output: Path, before: str = "") -> list[str]:
    """The command line in a process of its own, after a line of Python."""
    run = f"{before}\nfrom prefdata.cli import main\nmain()"
    return [sys.executable, "-c", run, "convert", str(source), "-o", str(output), "--force", "-q"]


def rows_of(output: Path) -> int:
    """The rows of a directory, each file read to its end; as many as its manifest says."""
    manifest = json.loads((output / "manifest.json").read_text("utf-8"))
    found: int = sum(pq.read_table(path).num_rows for path in (output / "data").iterdir())
    assert found == sum(split["rows"] for split in manifest["splits"].values())
    assert (output / "README.md").exists()
    return found


def test_a_kill_leaves_the_old_or_the_new(tmp_path: Path, large: Path) -> None:
    """Killed at five moments from reading to the end: what stands there always loads."""
    output = tmp_path / "out"
    convert([jsonl(tmp_path / "old.jsonl", [pair("x", "y")])], output)
    begun = time.monotonic()
    subprocess.run(command(large, tmp_path / "timed"), check=True)
    whole = time.monotonic() - begun
    seen = set()
    for step in range(5):
        process = subprocess.Popen(command(large, output))
        time.sleep(whole * (0.4 + 0.15 * step))
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen.add(rows_of(output))
    assert seen <= {1, ROWS}
    assert 1 in seen


def test_an_interrupt_leaves_nothing_half_done(tmp_path: Path, large: Path) -> None:
    """Control-C ends with 130 and leaves neither a directory nor a working folder.

    At the very end it comes too late: then the directory is there, whole.
    """
    begun = time.monotonic()
    subprocess.run(command(large, tmp_path / "out"), check=True)
    whole = time.monotonic() - begun
    shutil.rmtree(tmp_path / "out")
    codes = set()
    for part in (0.3, 0.6, 0.7, 0.8):
        process = subprocess.Popen(
            command(large, tmp_path / "out"), stderr=subprocess.PIPE, text=True
        )
        time.sleep(whole * part)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
        codes.add(process.returncode)
        if process.returncode == 130:
            assert "Interrupted. " in said
            assert "Traceback" not in said
        else:
            assert rows_of(tmp_path / "out") == ROWS
            shutil.rmtree(tmp_path / "out")
        assert not list(tmp_path.iterdir())
    assert 130 in codes


def test_an_interrupt_while_a_library_is_loaded_is_not_swallowed(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pyarrow imports pandas in the midst of its work, and forgets an interrupt meanwhile."""
    (tmp_path / "libraries" / "pandas").mkdir(parents=True)
    (tmp_path / "libraries" / "pandas" / "__init__.py").write_text(
        "import pathlib\n"
        "once = pathlib.Path(__file__).with_name('interrupted')\n"
        "if once.exists():\n"
        "    raise ImportError\n"
        "once.touch()\n"
        "raise KeyboardInterrupt\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "libraries"))
    done = subprocess.run(
        command(large, tmp_path / "out"), stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 130
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", [0, 100, 20_000, 1_000_000])
def test_no_space_leaves_the_old_one(tmp_path: Path, large: Path, limit: int) -> None:
    """Where a file cannot grow any further, the error says so and nothing has changed."""
    output = tmp_path / "out"
    convert([jsonl(tmp_path / "old.jsonl", [pair("x", "y")])], output)
    (tmp_path / "old.jsonl").unlink()
    full = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    )
    found = subprocess.run(
        command(large, output, full), capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    assert f"{output} could not be written" in found.stderr
    assert "Hint: Nothing was changed." in found.stderr
    assert rows_of(output) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    """Usage, not a failure half way."""
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    source = jsonl(tmp_path / "in.jsonl", [pair("x", "y")])
    found = subprocess.run(
        command(source, shut / "out"), capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert "cannot be written to" in found.stderr


def test_a_run_that_gives_nothing_leaves_the_old_one(tmp_path: Path) -> None:
    """With --force too, a failed run replaces nothing."""
    output = tmp_path / "out"
    convert([jsonl(tmp_path / "old.jsonl", [pair("x", "y")])], output)
    source = jsonl(tmp_path / "in.jsonl", [pair("same", "same")])
    found = subprocess.run(command(source, output), capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert rows_of(output) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "old.jsonl", "out"]
