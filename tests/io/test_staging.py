"""Where a folder may be written, and what is never replaced by one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from prefdata.errors import UsageError
from prefdata.io.staging import refuse_existing

OURS = {
    "manifest.json": ("README.md", "data/train-00000-of-00001.parquet", "calls/calls-0.parquet"),
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
@pytest.mark.parametrize("name", ["notes.md", "data/mine.csv", "data/more/train-0.parquet", "link"])
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
