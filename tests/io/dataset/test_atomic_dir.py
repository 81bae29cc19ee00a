"""Where a folder may be written, and what is never replaced by one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prefdata.errors import InputError, UsageError
from prefdata.io.dataset.atomic_dir import refuse_existing, replacing
from prefdata.io.dataset.dir_lock import MARK

OURS = {
    "manifest.json": (
        "README.md",
        "data/train-00000-of-00001.parquet",
        "calls/calls-00000-of-00001.parquet",
    ),
    "eval.json": ("eval_rows.parquet", "generations.jsonl"),
    "export.json": ("dataset_info.json", "data/train.jsonl"),
}


def ours(folder: Path, mark: str) -> Path:
    """A folder as prefdata leaves it."""
    for name in OURS[mark]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    signed = {"program": "prefdata", "files": [*OURS[mark], mark]}
    (folder / mark).write_text(json.dumps(signed), encoding="utf-8")
    return folder


@pytest.mark.parametrize("mark", OURS)
def test_force_replaces_what_prefdata_wrote(mark: str, tmp_path: Path) -> None:
    """And what a system leaves where somebody looked."""
    folder = ours(tmp_path / "out", mark)
    (folder / ".DS_Store").touch()
    refuse_existing(folder, force=True, marker=mark)


@pytest.mark.parametrize("mark", OURS)
@pytest.mark.parametrize(
    "name",
    ["notes.md", "data/mine.csv", "data/mine.parquet", "data/more/train-0.parquet", "link"],
)
def test_force_deletes_no_file_that_a_user_added(mark: str, name: str, tmp_path: Path) -> None:
    """It is named, and the folder stays as it is."""
    folder = ours(tmp_path / "out", mark)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    if name == "link":
        (folder / name).symlink_to(tmp_path)
    else:
        (folder / name).touch()
    with pytest.raises(UsageError) as error:
        refuse_existing(folder, force=True, marker=mark)
    assert str(error.value) == f"{folder} holds what prefdata did not write: {name}"
    assert error.value.hint.startswith("Move it elsewhere, or name another output")
    assert os.path.lexists(folder / name)


def test_many_files_of_a_user_are_counted(tmp_path: Path) -> None:
    """The first ones are named."""
    folder = ours(tmp_path / "out", "manifest.json")
    for name in "abcde":
        (folder / f"{name}.txt").touch()
    with pytest.raises(UsageError, match=r"did not write: a\.txt, b\.txt, c\.txt and 2 more"):
        refuse_existing(folder, force=True, marker="manifest.json")


def test_what_is_no_folder_is_never_replaced(tmp_path: Path) -> None:
    """Neither a file nor a pipe; and a device, as root, would be gone for all programs."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, what in (("file", "a file"), ("pipe", "no folder")):
        with pytest.raises(UsageError, match=f"{name} is {what}; expected a folder"):
            refuse_existing(tmp_path / name, force=True, marker="manifest.json")


@pytest.mark.parametrize("name", [".", "", "../here"])
def test_the_folder_that_one_is_in_is_not_replaced(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty one neither: the shell would stand in a folder that is gone."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="is the folder that you are in"):
        refuse_existing(Path(name), force=True, marker="manifest.json")


@pytest.mark.skipif(sys.platform == "win32", reason="nobody can be in a folder that is gone")
def test_a_folder_is_replaced_from_one_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a shell whose folder another one has removed."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    existing = refuse_existing(tmp_path / "there", force=True, marker="manifest.json")
    with replacing(tmp_path / "there", existing) as new:
        (new / "manifest.json").touch()
    assert (tmp_path / "there" / "manifest.json").exists()


def test_a_dash_is_no_folder() -> None:
    """Elsewhere it means standard output, which holds no folder."""
    with pytest.raises(UsageError, match="cannot be written to standard output"):
        refuse_existing(Path("-"), force=True, marker="manifest.json")


@pytest.mark.parametrize("long", [250, 300])
def test_a_name_that_is_too_long_is_an_error_and_no_traceback(tmp_path: Path, long: int) -> None:
    """Whether it is too long by itself, or with what a working folder adds to it."""
    output = tmp_path / ("x" * long)
    with pytest.raises(InputError, match="File name too long"):  # noqa: PT012
        refuse_existing(output, force=True, marker="manifest.json")
        with replacing(output):
            pytest.fail("it was written")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from prefdata.io.dataset.atomic_dir import replacing
with replacing(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("done")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def hidden(folder: Path) -> list[str]:
    """What stands in a folder and is not meant to be seen."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def working(folder: Path) -> list[str]:
    """The working folders in a folder."""
    return [name for name in hidden(folder) if (folder / name).is_dir()]


def test_what_a_killed_run_has_left_is_taken_away_by_the_next(tmp_path: Path) -> None:
    """On the same output, and on no other: the second has done so for the first."""
    for name in ("out", "out", "out.two"):
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], check=False)
    assert len(working(tmp_path)) == 2
    with replacing(tmp_path / "out") as folder:
        (folder / "whole").write_text("done", encoding="utf-8")
    (left,) = working(tmp_path)
    assert left.startswith(".out.two.")
    assert (tmp_path / "out" / "whole").exists()
    assert set(hidden(tmp_path)) == {left, ".out.two.prefdata.lock"}


def test_the_second_of_two_runs_on_one_output_is_refused_at_once(tmp_path: Path) -> None:
    """Before any work, with who holds it; the first one is left alone, and leaves nothing."""
    output = tmp_path / "out"
    held = rf"is being written by another run: process {os.getpid()} on "
    with replacing(output) as one:
        with pytest.raises(InputError, match=held):
            refuse_existing(output, force=True, marker="manifest.json")
        with pytest.raises(InputError, match=held), replacing(output):
            pytest.fail("two at once")
        with replacing(tmp_path / "other"):
            pass
        (one / "first").write_text("", encoding="utf-8")
    assert (output / "first").exists()
    assert hidden(tmp_path) == []
    refuse_existing(output, force=True, marker="first")


def test_what_appeared_since_the_check_is_not_replaced(tmp_path: Path) -> None:
    """Two runs that were started together: the first is done when the second comes to write."""
    output = tmp_path / "out"
    one = refuse_existing(output, force=False, marker="manifest.json")
    other = refuse_existing(output, force=False, marker="manifest.json")
    with replacing(output, one) as folder:
        ours(folder, "manifest.json")
    with (
        pytest.raises(InputError, match="was written by another run just now"),
        replacing(output, other),
    ):
        pytest.fail("it was replaced")
    assert (output / "README.md").exists()
    with replacing(output, refuse_existing(output, force=True, marker="manifest.json")) as folder:
        (folder / "new").touch()
    assert [path.name for path in output.iterdir()] == ["new"]


def test_a_link_that_leads_to_itself_is_no_output(tmp_path: Path) -> None:
    """One message, and no traceback."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="cannot be an output"):
        refuse_existing(tmp_path / "loop", force=True, marker="manifest.json")


def test_an_interrupt_that_comes_too_late_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the new folder takes its place, and while the working folder is taken away."""
    rename, remove = Path.rename, shutil.rmtree

    def interrupted_rename(path: Path, target: Path) -> Path:
        signal.raise_signal(signal.SIGINT)
        return rename(path, target)

    def interrupted_remove(path: Path, *, ignore_errors: bool) -> None:
        signal.raise_signal(signal.SIGINT)
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(Path, "rename", interrupted_rename)
    monkeypatch.setattr(shutil, "rmtree", interrupted_remove)
    with replacing(tmp_path / "out") as folder:
        (folder / "whole").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "whole"]
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117 - it is heeded before, and tidied up
        with replacing(tmp_path / "other"):
            signal.raise_signal(signal.SIGINT)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


STARTED = """
import sys, time
from pathlib import Path
from prefdata.errors import InputError
from prefdata.io.dataset.atomic_dir import replacing
sys.stdin.readline()
try:
    with replacing(Path(sys.argv[1])) as folder:
        (folder / "mine").touch()
        print("works", flush=True)
        sys.stdin.readline()
except InputError:
    print("refused", flush=True)
"""


def test_of_runs_that_start_together_one_works(tmp_path: Path) -> None:
    """However close they are."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", STARTED, str(tmp_path / "out")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    pipes = [(run.stdin, run.stdout) for run in runs if run.stdin and run.stdout]
    for pen, _ in pipes:
        pen.write("go\n")
        pen.flush()
    said = sorted(page.readline().strip() for _, page in pipes)
    assert said == [*["refused"] * 4, "works"]
    for run in runs:
        run.communicate()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def _locks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuses(_file: object, _how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuses)


def _two_at_once(output: Path) -> None:
    with replacing(output) as one:
        with replacing(output) as other:
            (other / "second").write_text("", encoding="utf-8")
        (one / "first").write_text("", encoding="utf-8")


@pytest.mark.parametrize("stands", [False, True], ids=["new", "replaced"])
def test_a_file_system_that_locks_nothing_loses_nothing(
    stands: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some of those are that machines share: the later of two says so, and keeps what it has."""
    _locks_nothing(monkeypatch)
    output = tmp_path / "out"
    if stands:
        ours(output, "manifest.json")
    with pytest.raises(InputError, match="was written by another run meanwhile") as told:
        _two_at_once(output)
    assert [path.name for path in output.iterdir()] == ["second"]
    (beside,) = set(tmp_path.iterdir()) - {output}
    assert told.value.hint == (
        f"That stays as it is; what this run made stands in {beside.resolve()}."
    )
    assert [path.name for path in beside.iterdir()] == ["first"]


def test_a_file_system_that_locks_nothing_keeps_what_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell there whether it is in use."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], check=False)
    (left,) = working(tmp_path)
    _locks_nothing(monkeypatch)
    with replacing(tmp_path / "out"):
        pass
    assert working(tmp_path) == [left]


def test_what_another_machine_has_left_stays_for_a_week(tmp_path: Path) -> None:
    """Its locks may not be seen here, so it may be in use."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], check=False)
    (left,) = working(tmp_path)
    (tmp_path / left / MARK).write_text('{"pid": 7, "host": "elsewhere", "boot": "other"}')
    with replacing(tmp_path / "out"):
        pass
    assert working(tmp_path) == [left]
    for path in (tmp_path / left, *(tmp_path / left).rglob("*")):
        os.utime(path, (0, 0))
    with replacing(tmp_path / "out"):
        pass
    assert working(tmp_path) == []


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """One of a like name, with a lock of its own."""
    other = tmp_path / ".out.mynotes1"
    other.mkdir()
    (other / "lock").touch()
    with replacing(tmp_path / "out"):
        pass
    assert hidden(tmp_path) == [other.name]


def test_a_folder_that_was_set_aside_is_never_taken_away(tmp_path: Path) -> None:
    """A kill between two renames, where folders cannot be exchanged, leaves the old one there."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], check=False)
    (work,) = working(tmp_path)
    (tmp_path / work / "old").mkdir()
    with replacing(tmp_path / "out"):
        pass
    assert hidden(tmp_path) == [work]
