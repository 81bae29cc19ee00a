"""Where a folder may be written, and what is never replaced by one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prefdata.errors import UsageError
from prefdata.io.staging import refuse_existing


def test_what_is_no_folder_is_never_replaced(tmp_path: Path) -> None:
    """Neither a file nor a pipe; and a device, as root, would be gone for all programs."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, what in (("file", "a file"), ("pipe", "no folder")):
        with pytest.raises(UsageError, match=f"{name} is {what}; expected a folder"):
            refuse_existing(tmp_path / name, force=True, made_of="manifest.json")
