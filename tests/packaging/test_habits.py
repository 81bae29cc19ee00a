"""What CI, the hooks and people run is the same: the targets of the Makefile."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from prefdata import __version__

ROOT = Path(__file__).parents[2]
CI = ROOT / ".github" / "workflows" / "ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("make") or pytest.skip("make is not installed")
    command = [program, "-C", str(ROOT), "--no-print-directory", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_says_what_it_runs(target: str) -> None:
    """A dry run finds all that the target rests on, and `make` lists it."""
    assert make("-n", target).returncode == 0
    assert re.search(rf"^{target} +\S", make().stdout, re.MULTILINE)


def test_the_tests_of_one_room_run_alone() -> None:
    """And a room that there is not is refused, in place of running everything."""
    commands = make("-n", "test", "AREA=transforms").stdout
    assert commands == 'pytest -q -n 2 -m "not slow" tests/transforms prefdata/transforms\n'
    assert "there are no tests of nowhere" in make("-n", "test", "AREA=nowhere").stderr


def test_the_readme_and_the_makefile_run_the_same() -> None:
    """What passes by the README's one line passes by `make test lint`."""
    commands = make("-n", "test", "lint").stdout.splitlines()
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"&& {' && '.join(map(str.strip, commands))}\n" in readme


def test_ci_and_hooks_call_targets_that_exist() -> None:
    """And nothing but these, besides what prepares a machine."""
    jobs = yaml.safe_load(CI.read_text("utf-8"))["jobs"].values()
    steps = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    choices = [job["strategy"]["matrix"].get("install", []) for job in jobs if "strategy" in job]
    hooks = [
        hook["entry"]
        for repo in yaml.safe_load(HOOKS.read_text("utf-8"))["repos"]
        for hook in repo["hooks"]
    ]
    commands = [*steps, *hooks, *(f"make {name}" for names in choices for name in names)]
    commands.remove("make ${{ matrix.install }}")
    commands.remove("python -m pip install uv")
    assert {command.partition("make ")[2] for command in commands} <= set(TARGETS)


def test_the_citation_names_this_version() -> None:
    """A release changes both."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__


@pytest.mark.parametrize("form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")))
def test_an_issue_form_has_what_github_asks_for(form: Path) -> None:
    """A name, a description, and fields with ids of their own, each with a label."""
    content = yaml.safe_load(form.read_text("utf-8"))
    assert {"name", "description", "body"} <= content.keys()
    ids = [field["id"] for field in content["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["attributes"]["label"] for field in content["body"])
