"""What a source of unknown shape holds: the places where values stand, and what these look like."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prefdata.formats.sample import Sample
from prefdata.formats.text_shapes import CONTENT, SPEAKER

LeafKind = Literal["text", "messages", "code", "number", "other"]

ROWS = 200
"""Rows of a sample that are looked at."""

MOST_LEAVES = 60
MOST_CODES = 8
"""Distinct values up to which a short text may be a code."""

LONGEST_CODE = 24
DEEPEST = 5
LONGEST_NAME = 40
MOST_VALUES = 5
PLAIN = re.compile(r"[^.\[\]{}\"]+")


@dataclass(frozen=True)
class Leaf:
    """A place in the rows of a source where values stand.

    Attributes:
        path: how a YAML file writes the place, as in ``answers[].text``.
        name: the last key of the path.
        kind: what the values are: texts, messages, a few codes, numbers, or anything else.
        counts: the values as text and how many rows hold each, the most frequent first.
        is_column: whether it is a column of its own, and not inside of one.
    """

    path: str
    name: str
    kind: LeafKind
    counts: Mapping[str, int]
    is_column: bool

    @property
    def is_list(self) -> bool:
        """Whether a row has a list of such values."""
        return "[]" in self.path

    @property
    def holds_texts(self) -> bool:
        """Whether it holds texts or messages."""
        return self.kind in ("text", "messages")


def leaves(sample: Sample) -> list[Leaf]:
    """The places in the first rows of a source where values stand, in their order.

    Example:
        >>> sample = Sample(["q", "a"], [{"q": "Why so?", "a": [{"text": "It is.", "stars": 5}]}])
        >>> [(leaf.path, leaf.kind) for leaf in leaves(sample)]
        [('q', 'text'), ('a[].text', 'text'), ('a[].stars', 'number')]
    """
    places: dict[str, list[object]] = {}
    names: dict[str, str] = {}
    for row in sample.rows[:ROWS]:
        for column in sample.names[:MOST_LEAVES]:
            for path, name, value in _walk(_quoted(column), column, row.get(column)):
                if path in places or len(places) < MOST_LEAVES:
                    places.setdefault(path, []).append(value)
                    names[path] = name
    columns = set(map(_quoted, sample.names))
    return [
        Leaf(
            path,
            names[path],
            _kind(values),
            dict(Counter(map(str, values)).most_common(2 * MOST_CODES)),
            path in columns,
        )
        for path, values in places.items()
    ]


def _quoted(name: str) -> str:
    return name if PLAIN.fullmatch(name) else f'"{name}"'


def _walk(path: str, name: str, value: object) -> Iterator[tuple[str, str, object]]:
    """The values inside a value, each with its path and the last key of that."""
    if value is None:
        return
    if isinstance(value, Mapping) and path.count(".") < DEEPEST:
        for key, inner in value.items():
            if PLAIN.fullmatch(str(key)):
                yield from _walk(f"{path}.{key}", str(key), inner)
    elif isinstance(value, list) and value and not is_messages(value):
        each = "[0]" if "[]" in path else "[]"
        for inner in value[:1] if each == "[0]" else value:
            yield from _walk(path + each, name, inner)
    else:
        yield path, name, value


def is_messages(value: object) -> bool:
    """Whether a value is a list of messages.

    Example:
        >>> is_messages([{"role": "user", "content": "Hi"}]), is_messages(["Hi"])
        (True, False)
    """
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(turn, Mapping)
            and any(key in turn for key in SPEAKER)
            and any(key in turn for key in CONTENT)
            for turn in value
        )
    )


def _kind(values: list[object]) -> LeafKind:
    if all(map(is_messages, values)):
        return "messages"
    if all(isinstance(value, bool) for value in values):
        return "code"
    if all(isinstance(value, int | float) for value in values):
        return "number"
    if not all(isinstance(value, str) for value in values):
        return "other"
    texts = [str(value).strip() for value in values]
    if all(map(_is_number, texts)):
        return "number"
    distinct = set(texts)
    short = len(distinct) <= MOST_CODES and max(map(len, distinct)) <= LONGEST_CODE
    return "code" if short and (len(distinct) < len(texts) or len(max(distinct)) == 1) else "text"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def shown(name: str) -> str:
    """A name for a message: cut where it is long, with control characters escaped.

    Example:
        >>> shown("a\\nb"), len(shown("x" * 1000))
        ('a\\\\nb', 40)
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def listed(names: Mapping[str, object] | list[str], most: int = 12) -> str:
    """Some names for a message, and how many more there are.

    Example:
        >>> listed(["a", "b", "c"], 2)
        'a, b, and 1 more'
    """
    first = ", ".join(shown(name) for name in list(names)[:most])
    return first + (f", and {len(names) - most:,} more" if len(names) > most else "")


def counted(counts: Mapping[str, int]) -> str:
    """Up to five values for a message, each with its count.

    Example:
        >>> counted({"left": 3, "right": 1})
        'left (3), right (1)'
    """
    values = [f"{shown(value)} ({rows:,})" for value, rows in list(counts.items())[:MOST_VALUES]]
    more = f", and {len(counts) - MOST_VALUES} more" if len(counts) > MOST_VALUES else ""
    return ", ".join(values) + more
