"""Names say what a thing is, and one name is for one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[2] / "prefdata"

PARTICIPLES = {
    *("found", "made", "held", "said", "told", "given", "known", "kept", "read", "put", "left"),
    *("asked", "heard", "ruled", "gone", "shown", "meant", "lost", "taken", "stood", "named"),
    *("written", "settled", "wanted", "seen", "drawn", "built", "thought"),
}
"""Words that say that something happened to a thing, and not what it is."""

HIGHEST_SHARE = 0.005
"""Of all names; some of these words are the field's, as the method ``put`` of a store is."""


class Name(NamedTuple):
    """A name where it is bound."""

    name: str
    place: str


def bound_names(path: Path) -> Iterator[Name]:
    """Every variable, argument, attribute, function and class that a file binds."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                pass
            case ast.Attribute(attr=name, ctx=ast.Store()):
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                pass
            case ast.ClassDef(name=name) | ast.alias(asname=str(name)):
                pass
            case _:
                continue
        line = getattr(node, "lineno", 0)
        yield Name(name, f"{path.relative_to(PACKAGE.parent)}:{line} {name}")


def test_names_say_what_a_thing_is() -> None:
    """A `result`, a `message`, `records`: not something that was found, said or held."""
    names = [name for path in sorted(PACKAGE.rglob("*.py")) for name in bound_names(path)]
    loose = [name.place for name in names if name.name.strip("_") in PARTICIPLES]
    share = len(loose) / len(names)
    assert share < HIGHEST_SHARE, f"{share:.2%} of {len(names):,} names:\n" + "\n".join(loose)


def test_no_two_public_classes_have_one_name() -> None:
    """Whoever reads it in one room need not ask which one is meant."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(PACKAGE.parent)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
