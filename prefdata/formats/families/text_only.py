"""Refusing what rows of trainers may hold beside text: tools, images and sound."""

from __future__ import annotations

from prefdata.formats.conversation import cell
from prefdata.formats.spec.spec import InvalidRow, RawRow
from prefdata.records import reasons

BEYOND = {
    "tools": reasons.TOOLS,
    "images": reasons.NOT_TEXT,
    "videos": reasons.NOT_TEXT,
    "audios": reasons.NOT_TEXT,
}
REJECTED = "rejected_"
COLUMNS = (*BEYOND, *(REJECTED + name for name in BEYOND))
"""The columns that a layout lists in ``reads`` where its ``prepare`` is `text_only`."""


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
        held = cell(value) if value.lstrip()[:1] in ("[", "{") else None
        return bool(value.strip() if held is None else held)
    return bool(value)
