"""The wheel: what is in it, and that it works where nothing of the source is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RATINGS = "prompt,response,score\n2+2?,4,5\n2+2?,5,1\nHi,Hello!,4\nHi,Go away.,2\n"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that has the wheel, without extras."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=True)
    bin_ = home / ("Scripts" if os.name == "nt" else "bin")
    pip = [bin_ / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel]
    subprocess.run([str(part) for part in pip], check=True)
    return bin_


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command away from the source, and give what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_wheel_installs_one_name(wheel: Path) -> None:
    """A wheel with a top-level `train` breaks every project that has one."""
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"prefdata"}


def test_the_wheel_holds_the_whole_package(wheel: Path) -> None:
    """Nothing of the package is left out, data files neither, and nothing else is let in."""
    files = {p for p in (ROOT / "prefdata").rglob("*") if p.is_file()}
    source = {str(p.relative_to(ROOT)) for p in files if "__pycache__" not in p.parts}
    inside = {n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("prefdata/")}
    assert inside == source
    assert "prefdata/py.typed" in inside


def test_the_installed_command_shows_its_help(installed: Path, tmp_path: Path) -> None:
    """The script is on the path, and needs no extra."""
    assert run([installed / "pref", "--help"], tmp_path).startswith("Usage: pref")


def test_the_installed_records_work(installed: Path, tmp_path: Path) -> None:
    """The package that is imported is the installed one."""
    code = "import prefdata.schemas; print(prefdata.schemas.__file__)"
    where = run([installed / "python", "-c", code], tmp_path)
    assert str(installed.parent) in where


def test_the_installed_command_converts(installed: Path, tmp_path: Path) -> None:
    """The main job needs no extra either."""
    (tmp_path / "ratings.csv").write_text(RATINGS, encoding="utf-8")
    run([installed / "pref", "convert", "ratings.csv", "-o", "pairs", "-q"], tmp_path)
    assert json.loads((tmp_path / "pairs" / "manifest.json").read_text(encoding="utf-8"))
