"""What the documents show is what the program does."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import (
    CATALOGUE,
    COMMANDS,
    PYTHON,
    README,
    ROOT,
    catalogue,
    commands,
    each_command,
    environment,
    normal,
    prepare,
    readme,
)

ANEW = "differs from what the program prints now: run python -m tests.docs"
needs_training = pytest.mark.skipif(
    not importlib.util.find_spec("trl"), reason="the extra train is not installed"
)


def test_the_readme_shows_what_its_commands_print(tmp_path: Path) -> None:
    """Each command runs, in its order, in one folder; training has a test of its own."""
    written = README.read_text(encoding="utf-8")
    made = readme(written, tmp_path, training=False)
    assert normal(made) == normal(written), f"README.md {ANEW}"


@needs_training
@pytest.mark.slow
def test_the_readme_shows_what_training_prints(tmp_path: Path) -> None:
    """The whole README, training too; figures that come out of training may differ."""
    written = README.read_text(encoding="utf-8")
    assert normal(readme(written, tmp_path)) == normal(written), f"README.md {ANEW}"


@pytest.mark.parametrize("code", PYTHON.findall(README.read_text(encoding="utf-8")))
def test_the_readme_s_python_runs(code: str, tmp_path: Path) -> None:
    """Each block by itself, as a doctest, beside the data set that the README makes."""
    if "datasets" in code and not importlib.util.find_spec("datasets"):
        pytest.skip("the extra train is not installed")
    prepare(tmp_path)
    (tmp_path / "block.txt").write_text(code, encoding="utf-8")
    if "pairs/" in code or '"pairs"' in code:
        make = [sys.executable, "-m", "prefdata", "convert", "examples/ratings.csv", "-o", "pairs"]
        subprocess.run([*make, "-q"], cwd=tmp_path, env=environment(tmp_path), check=True)
    options = ["-o", "NORMALIZE_WHITESPACE", "-o", "ELLIPSIS"]
    result = subprocess.run(
        [sys.executable, "-m", "doctest", *options, "block.txt"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_page_of_commands_is_current() -> None:
    """It holds what `--help` prints."""
    assert COMMANDS.read_text(encoding="utf-8") == commands(), f"docs/commands.md {ANEW}"


def test_the_page_of_formats_is_what_the_registry_says() -> None:
    """A format that is added is in the docs."""
    assert CATALOGUE.read_text(encoding="utf-8") == catalogue(), f"docs/formats.md {ANEW}"


@pytest.mark.parametrize("name", [name for name, _ in each_command()])
def test_every_command_is_in_the_readme(name: str) -> None:
    """A command that nobody reads about is not there."""
    assert f"pref {name}" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "command"), list(each_command()))
def test_every_help_begins_with_two_commands_to_copy(name: str, command: object) -> None:
    """One line that says what it does, then two examples."""
    lines = inspect.cleandoc(str(getattr(command, "help", ""))).splitlines()
    examples = [line for line in lines if line.startswith("  pref ")]
    assert lines[0].endswith(".")
    assert len(examples) == 2
    assert all(line.startswith(f"  pref {name}") for line in examples)


@pytest.mark.parametrize(("name", "command"), list(each_command()))
def test_every_option_says_what_it_is(name: str, command: object) -> None:
    """No option without help, and each is a sentence."""
    for option in getattr(command, "params", []):
        if option.param_type_name == "option":
            said = str(option.help).split("  [default")[0]
            assert said.endswith("."), (name, option.name)


def test_the_links_lead_somewhere() -> None:
    """Every file that the README links to is there."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_no_document_names_a_machine() -> None:
    """Whoever reads it has other paths."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    assert [
        page.name
        for page in pages
        if re.search(r"/(home|root|tmp|work)/", page.read_text(encoding="utf-8"))
    ] == []
