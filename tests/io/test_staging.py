"""Where a folder may be written, and what is never replaced by one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefdata.errors import UsageError
from prefdata.io.staging import refuse_existing, replacing

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
    refuse_existing(folder, force=True, made_of=mark)


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
        refuse_existing(folder, force=True, made_of=mark)
    assert str(error.value) == f"{folder} holds what prefdata did not write: {name}"
    assert error.value.hint.startswith("Move it elsewhere, or name another output")
    assert os.path.lexists(folder / name)


def test_many_files_of_a_user_are_counted(tmp_path: Path) -> None:
    """The first ones are named."""
    folder = ours(tmp_path / "out", "manifest.json")
    for name in "abcde":
        (folder / f"{name}.txt").touch()
    with pytest.raises(UsageError, match=r"did not write: a\.txt, b\.txt, c\.txt and 2 more"):
        refuse_existing(folder, force=True, made_of="manifest.json")


def test_what_is_no_folder_is_never_replaced(tmp_path: Path) -> None:
    """Neither a file nor a pipe; and a device, as root, would be gone for all programs."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, what in (("file", "a file"), ("pipe", "no folder")):
        with pytest.raises(UsageError, match=f"{name} is {what}; expected a folder"):
            refuse_existing(tmp_path / name, force=True, made_of="manifest.json")


KILLED = """
import os, signal, sys
from pathlib import Path
from prefdata.io.staging import replacing
with replacing(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("done")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def hidden(folder: Path) -> list[str]:
    """The working folders in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_what_a_killed_run_has_left_is_taken_away_by_the_next(tmp_path: Path) -> None:
    """On the same output, and on no other: the second has done so for the first."""
    for name in ("out", "out", "out.two"):
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], check=False)
    assert len(hidden(tmp_path)) == 2
    with replacing(tmp_path / "out") as folder:
        (folder / "whole").write_text("done", encoding="utf-8")
    (left,) = hidden(tmp_path)
    assert left.startswith(".out.two.")
    assert (tmp_path / "out" / "whole").exists()


def test_a_run_that_lives_is_left_alone(tmp_path: Path) -> None:
    """Two runs on one output: the later one wins, and neither takes the other's ground away."""
    with replacing(tmp_path / "out") as one:
        with replacing(tmp_path / "out") as other:
            assert len(hidden(tmp_path)) == 2
            (other / "second").write_text("", encoding="utf-8")
        (one / "first").write_text("", encoding="utf-8")
    assert (tmp_path / "out" / "first").exists()
    assert hidden(tmp_path) == []


def test_a_file_system_that_locks_nothing_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some of those are that machines of a cluster share; only what is left stays there."""
    fcntl = pytest.importorskip("fcntl")

    def refuses(_file: object, _how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuses)
    with replacing(tmp_path / "out") as one:
        with replacing(tmp_path / "out") as other:
            (other / "second").write_text("", encoding="utf-8")
        (one / "first").write_text("", encoding="utf-8")
    assert (tmp_path / "out" / "first").exists()
    assert hidden(tmp_path) == []


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
    (work,) = hidden(tmp_path)
    (tmp_path / work / "old").mkdir()
    with replacing(tmp_path / "out"):
        pass
    assert hidden(tmp_path) == [work]
