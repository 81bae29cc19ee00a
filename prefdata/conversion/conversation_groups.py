"""What stays on one side of the split, and the check that it did."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from prefdata.errors import PrefdataError
from prefdata.formats import Detection
from prefdata.io.readers.sources import Source
from prefdata.io.store.frame_store import FrameStore, MemoryBudget
from prefdata.transforms.options import Options, SplitBy

AT_ONCE = 1 << 22
"""Rows of which the groups are looked at together."""

GROUPS = "groups"
"""What they are kept under."""


def split_by(options: Options, sources: Iterable[tuple[Source, Detection]]) -> SplitBy:
    """What the split goes by: what was asked for, else the widest that a source needs."""
    if options.split_by:
        return options.split_by
    needs = any(
        detection.format.facts.group == "conversation" or _was_by_conversation(source)
        for source, detection in sources
    )
    return "conversation" if needs else "prompt"


def _was_by_conversation(source: Source) -> bool:
    """Whether a source is a file of a data set that was split by conversation."""
    manifest = Path(source.name).parent.parent / "manifest.json"
    try:
        told = json.loads(manifest.read_bytes())
        return bool(told["program"] == "prefdata" and told["split_by"] == "conversation")
    except (OSError, ValueError, KeyError, TypeError):
        return False


class ConversationGroups:
    """Holds which conversations each split has, to be checked when all are known.

    Args:
        folder: where to keep what memory has no room for.
        budget: the memory that may be used.
    """

    def __init__(self, folder: Path, budget: MemoryBudget | None = None) -> None:
        self.frames = FrameStore(folder, budget)
        self.rows = 0

    def put(self, rows: pl.DataFrame) -> None:
        """Add rows with ``group_id`` and ``test``."""
        if rows.height:
            part = rows.select("group_id", "test").unique()
            self.frames.put(GROUPS, part)
            self.rows += part.height

    def counted(self) -> Counter[str]:
        """Conversations by split.

        Raises:
            PrefdataError: one of them is in both, which is a defect of the program.
        """
        found: Counter[str] = Counter()
        parts = self.rows // AT_ONCE + 1
        for part in range(parts if self.rows else 0):
            mine = pl.col("group_id") % parts == part
            held = pl.concat(each.filter(mine) for each in self.frames.get(GROUPS)).unique()
            shared = held.height - held["group_id"].n_unique()
            if shared:
                raise PrefdataError(
                    f"{shared:,} conversations are in both splits; nothing was written",
                    hint="This is a defect of prefdata: please report it.",
                )
            found["test"] += int(held["test"].sum())
            found["train"] += held.height - int(held["test"].sum())
        return found
