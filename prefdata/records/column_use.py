"""What becomes of a column of a source, or of a key inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["read", "carried on", "ignored", "left out", "refused"]


@dataclass(frozen=True)
class ColumnUse:
    """What becomes of a column, or of a key of a message or of another object in it.

    Attributes:
        name: the column, or the path of the key, as in ``messages[].weight``.
        status: ``"read"``, ``"carried on"`` (with ``--keep``), ``"ignored"``, ``"left out"`` (with
            ``--ignore``), or ``"refused"``: rows in which it is filled are rejected.
        field: what it is read as, or the name under which it is carried on; else ``""``.
        example: a value of one that is ignored, cut short; ``""`` where it is always empty.
    """

    name: str
    status: Status
    field: str = ""
    example: str = ""
