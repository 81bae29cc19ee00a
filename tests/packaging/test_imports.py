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
OURS = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in MODULES
}
"""Dotted name of each module to its file."""

LAYERS = (
    *("errors", "yamlfile", "_version", "records", "schemas", "stats", "report"),
    *("transforms", "formats", "io", "conversion", "agreement", "training", "judging"),
    *("checking", "generation", "labelling", "comparing", "exporting"),
    *("__init__", "demo", "cli", "__main__"),
)
"""Each may import itself and what stands before it."""

ROOMS = ("config", "model", "data", "evaluation", "run", "sweep", "rounds", "__init__")
"""The same inside ``training/``."""

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


def imports(path: Path, *, at_the_top: bool = False) -> Iterator[str]:
    """Every module that a file imports, at the top or inside a function.

    Args:
        path: the file.
        at_the_top: leave out what is imported inside functions.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_the_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                yield member if member in OURS or node.module == "prefdata" else node.module or "."


def own(path: Path) -> set[str]:
    """The other parts of the package that a file imports."""
    return {part_of(name) for name in imports(path) if is_ours(name)} - {unit(path)}


def is_ours(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] == "prefdata"


def part_of(name: str) -> str:
    """The part that a dotted name belongs to; what is no module is of the package itself."""
    part = [*name.split("."), "__init__"][1]
    return part if part in LAYERS else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    """A part imports only what stands before it in LAYERS, at the top or inside a function."""
    assert own(path) <= set(LAYERS[: LAYERS.index(unit(path))])


@pytest.mark.parametrize(
    "path",
    sorted((PACKAGE / "training").rglob("*.py")),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_the_rooms_of_training_run_one_way(path: Path) -> None:
    """From the recipe to the model, the data, its evaluation, the run, and many runs."""
    room = path.relative_to(PACKAGE / "training").parts[0].removesuffix(".py")
    used = {name.split(".")[2] for name in imports(path) if name.startswith("prefdata.training.")}
    assert used - {room} <= set(ROOMS[: ROOMS.index(room)])


def test_training_is_imported_inside_functions() -> None:
    """So that whoever uses a local model in another room loads no torch before it is needed."""
    users = {
        unit(path)
        for path in MODULES
        if any(
            part_of(name) == "training" for name in imports(path, at_the_top=True) if is_ours(name)
        )
    }
    assert users <= {"training"}


def test_no_modules_import_each_other() -> None:
    """A circle works only as long as nobody imports its parts in another order."""
    edges = {name: set(imports(path, at_the_top=True)) & set(OURS) for name, path in OURS.items()}
    done: set[str] = set()
    while free := {name for name in edges if name not in done and edges[name] <= done}:
        done |= free
    assert set(edges) - done == set()


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


def test_training_libraries_are_imported_by_training_only() -> None:
    """Whoever only converts needs no torch."""
    users = {unit(p) for p in MODULES if {n.split(".")[0] for n in imports(p)} & TRAINING_ONLY}
    assert users <= {"training"}


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
        if unit(path) not in ("training", "judging") and path.name != "remote.py"
        for name in imports(path)
    }
    assert used - set(sys.stdlib_module_names) - {"prefdata"} <= declared


def test_openai_is_imported_in_one_file_of_judging() -> None:
    """Another client can take its place there."""
    users = [p for p in MODULES if "openai" in {n.split(".")[0] for n in imports(p)}]
    assert len(users) <= 1
    assert {unit(p) for p in users} <= {"judging"}
