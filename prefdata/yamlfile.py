"""YAML written by people: a key that stands twice is an error, and so is what holds itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode

from prefdata.errors import UsageError


class DuplicateKeyError(yaml.MarkedYAMLError):
    """A key that stands a second time in its mapping, where YAML would let the last one count.

    Args:
        key: its node.
    """

    def __init__(self, key: ScalarNode) -> None:
        super().__init__(problem=f"{key.value!r} twice", problem_mark=key.start_mark)
        self.line = key.start_mark.line + 1


class _StrictComposer(Composer):
    """Raises at a key that stands twice, and at a node that holds itself."""

    def __init__(self, *stream: str) -> None:
        super().__init__(*stream)
        self.ancestors: list[Node | None] = []  # of the current node, the outermost first

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self.ancestors.append(parent)
        node = super().compose_node(parent, index)
        if node is not None and any(node is one for one in self.ancestors):
            raise RecursionError
        self.ancestors.pop()
        return node

    def compose_mapping_node(self, anchor: dict[Any, Node]) -> MappingNode:  # as the stubs have it
        node = super().compose_mapping_node(anchor)
        keys: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, ScalarNode):
                if (key.tag, key.value) in keys:
                    raise DuplicateKeyError(key)
                keys.add((key.tag, key.value))
        return node


class _Values(_StrictComposer, yaml.SafeLoader):
    pass


class _Words(_StrictComposer, yaml.BaseLoader):
    pass


def parse_yaml(text: str, *, words: bool = False) -> object:
    """Parse a text as YAML.

    Args:
        text: of one document.
        words: leave every scalar as the text that it is, so that yes is a word.

    Raises:
        DuplicateKeyError: a key stands twice in its mapping.
        yaml.YAMLError: it is not YAML.
        RecursionError: it is nested too deeply, or holds itself.

    Example:
        >>> parse_yaml("{beta: 0.2, fine: yes}"), parse_yaml("fine: yes", words=True)
        ({'beta': 0.2, 'fine': True}, {'fine': 'yes'})
    """
    try:
        content: object = yaml.load(text, _Words if words else _Values)  # noqa: S506 (neither makes objects)
    except ValueError as error:  # a date that there is not
        raise yaml.YAMLError(str(error)) from error
    return content


def read_yaml(path: Path, *, words: bool = False, hint: str) -> object:
    """Read a YAML file.

    Args:
        path: of the file.
        words: leave every scalar as the text that it is, so that yes is a word.
        hint: the remedy in errors: what such a file holds, or which option names it.

    Raises:
        UsageError: it cannot be read, is not YAML, is nested too deeply, or says a key twice.

    Example:
        >>> read_yaml(Path("train/dpo.yaml"), hint="Give a recipe.")["method"]
        'dpo'
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), words=words)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}", hint=hint) from error
    except RecursionError as error:
        raise UsageError(
            f"{path} is nested too deeply, or holds itself",
            hint="Write it in a few levels, without anchors.",
        ) from error
    except DuplicateKeyError as error:
        raise UsageError(
            f"{path} has {error.problem}: line {error.line}", hint="Keep one of them."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(
            f"{path} is not valid YAML{where}",
            hint=f"Braces and colons in a text need quotes. {hint}",
        ) from error
