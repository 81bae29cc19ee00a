"""Lists as NumPy prints them, without commas: ``['a' 'b']``, ``[5. 1.]``, ``array([…])``.

pandas writes such cells when a Parquet file with lists goes through it to CSV. Python never writes
two texts side by side, so the reading is certain; a list that NumPy cut short with ``...`` is not
read.
"""

from __future__ import annotations

import ast
import re

TOKEN = re.compile(
    r"""(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
    r"""|(?P<array>array\()|(?P<end>,\s*dtype=[\w<>|]+\s*\)|\))"""
    r"""|(?P<open>[\[{])|(?P<close>[\]}])|(?P<mark>[,:])|(?P<blank>\s+)"""
    r"""|(?P<word>[^\s'"()\[\]{},:]+)""",
    re.DOTALL,
)
SIDE_BY_SIDE = re.compile(r"""['"]\s+['"]""")
BEGINS = ("open", "text", "word")
ENDS = ("close", "text", "word")


def parse_python(text: str) -> object:
    """Parse a Python literal, as Python or as NumPy prints it; None where it is neither.

    Example:
        >>> parse_python("['a', 'b']"), parse_python("['a' 'b']"), parse_python("[5. 1.]")
        (['a', 'b'], ['a', 'b'], [5.0, 1.0])
        >>> parse_python("[{'a': 1}\\n {'a': 2}]"), parse_python("[1 ... 9]")
        ([{'a': 1}, {'a': 2}], None)
    """
    text = text.strip()
    try:
        content = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _parse_numpy(text)
    return _parse_numpy(text) if SIDE_BY_SIDE.search(text) else content


def _parse_numpy(text: str) -> object:
    if not text.startswith(("[", "{", "array(")) or (python := _with_commas(text)) is None:
        return None
    try:
        return ast.literal_eval(python)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _with_commas(text: str) -> str | None:
    """The list as Python writes it; None where it has something that no list has."""
    parts: list[str] = []
    before, at = "", 0
    for match in TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if match.start() != at or match[0] == "...":
            return None
        at = match.end()
        if kind in ("blank", "array", "end"):
            continue
        if before in ENDS and kind in BEGINS:
            parts.append(", ")
        parts.append("None" if match[0] == "nan" else match[0])
        before = kind
    return "".join(parts) if at == len(text) else None
