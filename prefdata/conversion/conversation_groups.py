"""What stays on one side of the split, and the check that it does."""

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
"""Rows whose groups are compared at once."""

GROUPS = "groups"
"""Their key in the store."""


def split_by(options: Options, sources: Iterable[tuple[Source, Detection]]) -> SplitBy:
    """What the split goes by: the option, else the widest that a source needs."""
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
        values = json.loads(manifest.read_bytes())
        return bool(values["program"] == "prefdata" and values["split_by"] == "conversation")
    except (OSError, ValueError, KeyError, TypeError):
        return False


class ConversationGroups:
    """The conversations of each split, to be checked when all are known.

    Args:
        folder: for what does not fit in memory.
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

    def count(self) -> Counter[str]:
        """Conversations by split.

        Raises:
            PrefdataError: one of them is in both, which is a defect of the program.
        """
        counts: Counter[str] = Counter()
        parts = self.rows // AT_ONCE + 1
        for part in range(parts if self.rows else 0):
            in_part = pl.col("group_id") % parts == part
            groups = pl.concat(each.filter(in_part) for each in self.frames.get(GROUPS)).unique()
            shared = groups.height - groups["group_id"].n_unique()
            if shared:
                raise PrefdataError(
                    f"{shared:,} conversations are in both splits; nothing was written",
                    hint="This is a defect of prefdata: please report it.",
                )
            counts["test"] += int(groups["test"].sum())
            counts["train"] += groups.height - int(groups["test"].sum())
        return counts
