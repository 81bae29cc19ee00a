"""The example inputs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tests.docs.documents import ROOT

FILES: dict[Path, str] = runpy.run_path(str(ROOT / "examples" / "make.py"))["files"]()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_are_what_their_script_writes(path: Path) -> None:
    """Nobody edits them by hand, and the copy inside the package is the same."""
    assert path.read_bytes() == FILES[path].encode()


def test_the_folder_holds_nothing_else() -> None:
    """Every example comes from the script."""
    there = {path for path in (ROOT / "examples").iterdir() if path.is_file()}
    assert there - {ROOT / "examples" / "make.py"} == {
        path for path in FILES if path.parent.name == "examples" and path.parent.parent == ROOT
    }
