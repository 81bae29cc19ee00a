"""Imports run one way, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "prefdata"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = [
    {"errors"},
    {"yamlfile"},
    {"schemas"},
    {"formats"},
    {"io"},
    {"transforms"},
    {"judge", "label", "report", "export"},
    {"engine"},
    {"demo"},
    {"cli"},
]
"""Each may import itself and what stands above it."""

OF_THEIR_OWN = {
    "train": {"errors", "yamlfile", "schemas", "io"},
    "__init__": {"errors", "schemas", "engine"},
    "__main__": {"cli"},
}
FOR_ALL = {"errors"}
FOR_COMMANDS = {"cli", "demo"}

TRAINING_ONLY = {
    "accelerate",
    "datasets",
    "deepspeed",
    "lm_eval",
    "peft",
    "tensorboard",
    "torch",
    "transformers",
    "trl",
}


def unit(path: Path) -> str:
    """The part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "prefdata":
            yield from (f"prefdata.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def own(path: Path) -> set[str]:
    """The other parts of the package that a file imports; the version is free for all."""
    names = {name.split(".")[1] for name in imports(path) if name.startswith("prefdata.")}
    return names - {unit(path), "__version__"}


def allowed(name: str) -> set[str]:
    if name in OF_THEIR_OWN:
        return OF_THEIR_OWN[name]
    above = [layer for layer in LAYERS if name not in layer]
    position = next(at for at, layer in enumerate(LAYERS) if name in layer)
    reachable = set().union(*above[:position])
    return reachable | {"train"} if name in FOR_COMMANDS else reachable


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    """A part imports only what stands above it: see LAYERS, and design section 2."""
    assert own(path) <= allowed(unit(path))


def test_nothing_imports_the_command_line() -> None:
    """It only wires: whatever another part needs belongs into the library."""
    assert [p for p in MODULES if "cli" in own(p)] == [PACKAGE / "__main__.py"]


def test_no_import_is_relative() -> None:
    """Full names can be searched for."""
    trees = {p: ast.parse(p.read_text(encoding="utf-8")) for p in MODULES}
    relative = [
        p
        for p, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_training_libraries_are_imported_by_train_only() -> None:
    """Whoever only converts needs no torch."""
    users = {unit(p) for p in MODULES if {n.split(".")[0] for n in imports(p)} & TRAINING_ONLY}
    assert users <= {"train"}


def test_the_core_imports_only_what_it_declares() -> None:
    """What is there by the grace of another dependency may be gone with its next release."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    declared = {
        re.split(r"[<>=\[; ]", line)[0].replace("-", "_") for line in project["dependencies"]
    }
    declared = (declared - {"pyyaml"}) | {"yaml"}
    used = {
        name.split(".")[0]
        for path in MODULES
        if unit(path) not in ("train", "judge") and path.name != "remote.py"
        for name in imports(path)
    }
    assert used - set(sys.stdlib_module_names) - {"prefdata"} <= declared


def test_openai_is_imported_in_one_file_of_judge() -> None:
    """Another client can take its place there."""
    users = [p for p in MODULES if "openai" in {n.split(".")[0] for n in imports(p)}]
    assert len(users) <= 1
    assert {unit(p) for p in users} <= {"judge"}
