"""Every command, and every option of one, that a text of the program or of its documents names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import pytest

from prefdata.cli import pref
from tests.docs.documents import ROOT

SOURCES = sorted((ROOT / "prefdata").rglob("*.py"))
DOCUMENTS = sorted(
    chain(
        (ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
        (ROOT / "docs").glob("*.md"),
        (ROOT / "train").glob("*.yaml"),
        (path for path in (ROOT / "examples").rglob("*") if path.suffix in (".md", ".yaml", ".py")),
    )
)
COMMAND = re.compile(r"(?<![\w.-])pref (?!in )([a-z]+)((?:(?! pref )[^`'\"\n;|,])*)")
"""A command, and what follows it up to the next comma, quote or command; "pref in" is prose."""

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
OF_ALL = {"--help", "--version"}


def texts(path: Path) -> Iterator[str]:
    """The texts of a file: of a program its string literals, docstrings among them."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield content
        return
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def options_of(command: click.Command) -> set[str]:
    """All that can be typed after a command."""
    names = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return names | OF_ALL


def missing(text: str) -> Iterator[str]:
    """What a text names and the program does not have."""
    for match in COMMAND.finditer(text):
        name, rest = match.groups()
        command = pref.commands.get(name)
        if command is None:
            yield f"pref {name}"
            continue
        unknown = set(OPTION.findall(rest.split(". ")[0])) - options_of(command)
        yield from (f"pref {name} {option}" for option in sorted(unknown))


@pytest.mark.parametrize("path", [*SOURCES, *DOCUMENTS], ids=lambda p: str(p.relative_to(ROOT)))
def test_what_a_text_names_exists(path: Path) -> None:
    """A hint that names a command which is not there helps nobody."""
    assert [name for text in texts(path) for name in missing(text)] == []


def test_what_does_not_exist_is_seen() -> None:
    """A command, and an option beside the name of its command."""
    text = "`pref chek pairs`, then `pref convert rows.csv --ouput pairs` and `pref formats --json`"
    assert list(missing(text)) == ["pref chek", "pref convert --ouput"]
