"""Refusing rows of trainers that hold more than text: tools, images, sound."""

from __future__ import annotations

from prefdata.formats.spec.spec import InvalidRow, RawRow
from prefdata.formats.text_shapes import parse_cell
from prefdata.records import reasons

BEYOND = {
    "tools": reasons.TOOLS,
    "images": reasons.NOT_TEXT,
    "videos": reasons.NOT_TEXT,
    "audios": reasons.NOT_TEXT,
}
REJECTED = "rejected_"
COLUMNS = (*BEYOND, *(REJECTED + name for name in BEYOND))
"""The ``extra_columns`` of a description whose ``prepare`` is `text_only`."""


def text_only(row: RawRow) -> RawRow:
    """Refuse a row that holds more than text; a column that is there and empty holds nothing.

    Raises:
        InvalidRow: it has tools, images, videos or audios.

    Example:
        >>> text_only({"tools": "[]", "images": None})
        {'tools': '[]', 'images': None}
    """
    for name in COLUMNS:
        if _filled(row.get(name)):
            raise InvalidRow(BEYOND[name.removeprefix(REJECTED)], name)
    return row


def _filled(value: object) -> bool:
    if isinstance(value, str):
        content = parse_cell(value) if value.lstrip()[:1] in ("[", "{") else None
        return bool(value.strip() if content is None else content)
    return bool(value)
