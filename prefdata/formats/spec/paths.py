"""Paths into nested rows: ``info.post``, ``summaries[0].text``, ``completions[].response``.

A path begins with a column; a dot goes into an object, ``[0]`` takes one item of a list, and ``[]``
stands for every item: paths with ``[]`` walk their lists in step. A column whose name holds a dot
or a bracket stands in quotes: ``"info.post"``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

EACH = "[]"
PART = re.compile(r"\.?(?P<key>[^.\[\]{}]+)|\[(?P<index>\d*)\]")
QUOTED = re.compile(r'"([^"]+)"(?=[.\[]|$)')
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class FieldPath(NamedTuple):
    """A path, cut into steps.

    Attributes:
        text: the path as it was written.
        column: the column that it begins with.
        steps: keys, places in a list, and at most one `EACH`.
    """

    text: str
    column: str
    steps: tuple[str | int, ...]

    @property
    def plain(self) -> bool:
        """Whether it is a column and nothing more."""
        return not self.steps

    @property
    def each(self) -> bool:
        """Whether it gives one value for every item of a list."""
        return EACH in self.steps


def parse_path(text: str) -> FieldPath:
    """Cut a path into steps.

    Raises:
        ValueError: it is no path.

    Example:
        >>> parse_path("completions[].annotations.honesty").steps
        ('[]', 'annotations', 'honesty')
        >>> parse_path('"info.post".title')[1:], parse_path('"info.post"').text
        (('info.post', ('title',)), 'info.post')
    """
    quoted = QUOTED.match(text)
    parts, end = [], quoted.end() if quoted else 0
    while end < len(text) and (part := PART.match(text, end)):
        parts.append(part)
        end = part.end()
    if end != len(text) or not (quoted or (parts and parts[0]["key"] is not None)):
        raise ValueError(f"{text!r} is no path; write it as in info.post or answers[].text")
    column = quoted[1] if quoted else parts.pop(0)["key"]
    steps = tuple(_step(part) for part in parts)
    if steps.count(EACH) > 1:
        raise ValueError(f"{text!r} goes through two lists; one [] is allowed")
    return FieldPath(text if steps else column, column, steps)


def _step(part: re.Match[str]) -> str | int:
    if part["key"] is not None:
        return part["key"]
    return int(part["index"]) if part["index"] else EACH


def value_at(row: Mapping[str, object], path: FieldPath) -> object:
    """What stands at a path, None where there is nothing; a list of that where it has ``[]``.

    Example:
        >>> row = {"answers": [{"text": "4"}, {"text": "5"}], "info": None}
        >>> value_at(row, parse_path("answers[].text")), value_at(row, parse_path("info.post"))
        (['4', '5'], None)
    """
    return _walk(row.get(path.column), path.steps)


def _walk(value: object, steps: Sequence[str | int]) -> object:
    for index, step in enumerate(steps):
        if step == EACH:
            return (
                [_walk(v, steps[index + 1 :]) for v in value] if isinstance(value, list) else None
            )
        if isinstance(step, int):
            items = value if isinstance(value, list) else []
            value = items[step] if step < len(items) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def placeholders(template: str) -> list[str]:
    """The paths in a text with braces; none where it is a path itself.

    Example:
        >>> placeholders("Title: {info.title}\\n{info.post}")
        ['info.title', 'info.post']
    """
    return PLACEHOLDER.findall(template)


def fill_placeholders(template: str, values: Mapping[str, str]) -> str:
    """Fill the braces of a template in one pass, so that braces in the values stay as they are.

    Example:
        >>> fill_placeholders("{a} and {b}", {"a": "{b}", "b": "2"})
        '{b} and 2'
    """
    return PLACEHOLDER.sub(lambda slot: values[slot[1]], template)
