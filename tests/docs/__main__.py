"""Writes the generated parts of README.md and the pages in docs/ anew: python -m tests.docs."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs.documents import CATALOGUE, COMMANDS, README, catalogue, commands, readme

if __name__ == "__main__":
    COMMANDS.write_text(commands(), encoding="utf-8")
    CATALOGUE.write_text(catalogue(), encoding="utf-8")
    with TemporaryDirectory() as folder:
        README.write_text(
            readme(README.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8"
        )
