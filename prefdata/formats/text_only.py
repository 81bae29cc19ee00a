"""Refusing rows of trainers that hold more than text: images, sound, tools of one side only."""

from __future__ import annotations

from prefdata.formats.spec.spec import InvalidRow, RawRow
from prefdata.formats.text_shapes import parse_cell
from prefdata.records import reasons

BEYOND = {
    "images": reasons.NOT_TEXT,
    "videos": reasons.NOT_TEXT,
    "audios": reasons.NOT_TEXT,
}
REJECTED = "rejected_"
ONE_SIDED = REJECTED + "tools"
COLUMNS = (*BEYOND, *(REJECTED + name for name in BEYOND), ONE_SIDED)
"""The ``extra_columns`` of a description whose ``prepare`` is `text_only`."""


def text_only(row: RawRow) -> RawRow:
    """Refuse a row that holds more than text; a column that is there and empty holds nothing.

    Raises:
        InvalidRow: it has images, videos or audios, or tools for the rejected answer alone.

    Example:
        >>> text_only({"audios": "[]", "images": None})
        {'audios': '[]', 'images': None}
    """
    if _filled(row.get(ONE_SIDED)):
        raise InvalidRow(reasons.TOOLS, ONE_SIDED, "both answers must have the same tools")
    for name in COLUMNS:
        if _filled(row.get(name)):
            raise InvalidRow(BEYOND[name.removeprefix(REJECTED)], name)
    return row


def _filled(value: object) -> bool:
    if isinstance(value, str):
        content = parse_cell(value) if value.lstrip()[:1] in ("[", "{") else None
        return bool(value.strip() if content is None else content)
    return bool(value)
