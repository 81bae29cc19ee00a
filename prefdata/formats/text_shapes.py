"""How the text of a cell is written: plain, a transcript, or messages as JSON or Python."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Literal

from prefdata.formats.base import Shape
from prefdata.formats.numpy_print import parse_python
from prefdata.formats.transcript import is_transcript

ESCAPE = re.compile(r"\\u[dD]")
SURROGATE = re.compile("\\\\ud[89a-f]|[\ud800-\udfff]")
"""A lone surrogate, in a text or as Python writes it."""

CONTENT = ("content", "value", "text")
SPEAKER = ("role", "from")


def shape_of(values: Iterable[object]) -> Shape:
    """How a column's text is written, by nine in ten of its sample values.

    Messages in cells are so plain that half the values are enough: the others are broken.

    Example:
        >>> shape_of(["Human: Hi\\n\\nAssistant: Hello"]), shape_of(["Hi"]), shape_of([["Hi"]])
        ('transcript', 'text', 'nested')
    """
    sample_values = list(values)
    texts = [value for value in sample_values if isinstance(value, str)]
    if len(texts) * 2 < len(sample_values):
        return "nested" if all(not isinstance(value, str) for value in sample_values) else "cell"
    most = 0.9 * len(texts)
    if texts and sum(map(is_transcript, texts)) >= most:
        return "transcript"
    cells = [_cell_of(text) for text in texts]
    if texts and cells.count("messages") >= 0.5 * len(texts):
        return "cell"
    return "texts" if texts and len(texts) - cells.count("") >= most else "text"


def _cell_of(text: str) -> Literal["messages", "texts", ""]:
    """What a cell holds as JSON or Python: messages, texts, or neither."""
    if text.lstrip()[:1] not in ("[", "{"):
        return ""
    content = parse_cell(text)
    items = content if isinstance(content, list) else [content]
    if speak(items):
        return "messages"
    return "texts" if items and all(isinstance(item, str) for item in items) else ""


def speak(items: list[object]) -> bool:
    """Whether all items of a cell are messages, or exchanges of texts, and there are some."""
    return bool(items) and all(_speaks(item) for item in items)


def _speaks(item: object) -> bool:
    """Whether an item of a cell is a message, or an exchange of texts."""
    if isinstance(item, list):
        return all(isinstance(text, str) for text in item)
    if not isinstance(item, dict):
        return False
    return any(key in item for key in CONTENT) and any(key in item for key in SPEAKER)


def parse_cell(text: str) -> object:
    """Parse a cell as JSON, or as Python or NumPy prints it; None where it is neither.

    Example:
        >>> parse_cell("['a', 'b']"), parse_cell('["a"]'), parse_cell("a")
        (['a', 'b'], ['a'], None)
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = parse_python(text)
    return None if ESCAPE.search(text) and SURROGATE.search(str(content)) else content


def open_cell(value: object) -> object:
    """Parse a cell that holds a list or an object as text; anything else is returned as it is.

    Example:
        >>> open_cell('["4", "5"]'), open_cell("[sic]")
        (['4', '5'], '[sic]')
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    content = parse_cell(value)
    return value if content is None else content
