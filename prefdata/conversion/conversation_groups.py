"""What stays on one side of the split, and the check that it does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from prefdata.conversion.source_splits import KeptSplits
from prefdata.errors import PrefdataError
from prefdata.formats import Detection
from prefdata.io.readers.sources import Source
from prefdata.io.store.frame_store import FrameStore, MemoryBudget
from prefdata.transforms.options import Options, SplitBy
from prefdata.transforms.split import by_split

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
    """The conversations of each split, to be compared when all of them are there.

    Args:
        folder: for what does not fit in memory.
        budget: the memory that may be used.
    """

    def __init__(self, folder: Path, budget: MemoryBudget | None = None) -> None:
        self.frames = FrameStore(folder, budget)
        self.rows = 0

    def put(self, rows: pl.DataFrame, names: Sequence[str] = ("group_id", "split")) -> None:
        """Add what some columns of rows hold, ``group_id`` among them; the same for all rows."""
        if rows.height:
            part = rows.select(names).unique()
            self.frames.put(GROUPS, part)
            self.rows += part.height

    def count(self) -> Counter[str]:
        """Conversations by split.

        Raises:
            PrefdataError: one of them is in several, which is a defect of the program.
        """
        counts: Counter[str] = Counter()
        for groups in self._parts():
            shared = groups.height - groups["group_id"].n_unique()
            if shared:
                raise PrefdataError(
                    f"{shared:,} conversations are in two splits; nothing was written",
                    hint="This is a defect of prefdata: please report it.",
                )
            counts.update({split: part.height for split, part in by_split(groups).items()})
        return +counts

    def most_held_out(self, splits: KeptSplits) -> pl.DataFrame:
        """The conversations that stand in several splits, as `split.most_held_out` has prompts.

        Args:
            splits: the split of each record, by its ``source`` and what its row says.
        """
        last = pl.col("split").to_physical().max().alias("last")
        several = pl.col("split").n_unique() > 1
        frames = [
            splits.of_records(each).group_by("group_id").agg(last, several.alias("several"))
            for each in self._parts()
        ]
        frames = [each.filter("several").drop("several") for each in frames]
        empty = pl.DataFrame(schema={"group_id": pl.UInt128(), "last": pl.UInt8()})
        return pl.concat([empty, *frames], how="vertical_relaxed")

    def _parts(self) -> Iterator[pl.DataFrame]:
        """Each conversation with each of its splits, those of one conversation in one frame."""
        parts = self.rows // AT_ONCE + 1
        for part in range(parts if self.rows else 0):
            in_part = pl.col("group_id") % parts == part
            yield pl.concat(each.filter(in_part) for each in self.frames.get(GROUPS)).unique()
