"""What is loaded when: a command that only shows its help must not wait for Polars."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"datasets", "numpy", "openai", "polars", "pyarrow", "torch", "transformers", "trl"}


def loaded(code: str) -> set[str]:
    """Which top-level modules a fresh interpreter holds after running some code."""
    show = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines()[-1].split())


def test_the_records_load_pydantic_and_nothing_heavier() -> None:
    """Other programs can use them without our dependencies' weight."""
    assert not loaded("import prefdata.schemas") & (HEAVY | {"click", "rich"})


def test_the_package_itself_loads_nothing() -> None:
    """Public names are loaded when they are used."""
    assert not loaded("import prefdata") & (HEAVY | {"click", "pydantic", "rich"})


def test_a_record_by_its_public_name_loads_no_engine() -> None:
    """`prefdata.PreferencePair` is as light as `prefdata.schemas`."""
    assert not loaded("from prefdata import PreferencePair") & (HEAVY | {"click", "rich"})


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["convert", "--help"], ["agree", "--help"]]
)
def test_help_is_light(arguments: list[str]) -> None:
    """No engine is loaded to say what it would do."""
    code = f"""
from prefdata.cli import main
try:
    main({arguments})
except SystemExit as stop:
    assert stop.code == 0
"""
    assert not loaded(code) & (HEAVY | {"pydantic", "yaml"})
