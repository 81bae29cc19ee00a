"""What one conversion has to do, and what it has written, for both of its ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from prefdata.conversion.conversation_groups import ConversationGroups
from prefdata.conversion.detected_source import DetectedSource
from prefdata.conversion.source_splits import KeptSplits
from prefdata.errors import PrefdataError
from prefdata.formats import ReadOptions
from prefdata.records.notes import Note, Notes
from prefdata.transforms.dimensions import WinLossCounts, win_loss_counts
from prefdata.transforms.options import Options
from prefdata.transforms.overlap import Overlap, SharedCounts
from prefdata.transforms.raters import RaterSums, opposed_raters
from prefdata.transforms.split import by_split

MOST_SOURCES = 100
"""Sources that are compared with each other: the report grows with the square of their number."""


@dataclass(frozen=True)
class ConvertPlan:
    """What a conversion has to do.

    Attributes:
        kind: ``"pairs"`` or ``"unpaired"``.
        sources: the sources.
        encoding: of their text, if it is named.
        options: how pairs are made.
        read_options: what the sources do not say themselves.
        schema: the columns of the data set.
        keep: the text columns that records have besides those of their kind.
        limits: source to the place at which its rows end, where it has a cap or a share.
        splits: whether rows keep the splits of the sources.
        groups: where they do, and the split goes by conversation, the most held-out split of those
            that are in several.
    """

    kind: str
    sources: Sequence[DetectedSource]
    encoding: str
    options: Options
    read_options: ReadOptions
    schema: pa.Schema
    keep: tuple[str, ...] = ()
    limits: Mapping[int, int] = field(default_factory=dict)
    splits: KeptSplits = field(default_factory=KeptSplits)
    groups: pl.DataFrame | None = None

    @property
    def names(self) -> list[str]:
        """The names of the sources."""
        return [each.source.name for each in self.sources]

    @property
    def may_keep_splits(self) -> bool:
        """Whether a source may say which split its rows are in."""
        return any(each.split_column or each.split_name for each in self.sources)

    @property
    def compares_sources(self) -> bool:
        """Whether the sources are compared with each other."""
        return 1 < len(self.sources) <= MOST_SOURCES


@dataclass
class ConvertTotals:
    """What was written.

    Attributes:
        rows: rows by split.
        prompts: distinct prompts by split.
        example: the first row, with its texts.
        dimensions: how the chosen response compares on each dimension.
        groups: the conversations of each split, where the split goes by them.
        by_source: rows by source.
        overlap: what each two sources have in common.
        conversations: conversations by split, once they are counted.
        notes: what is worth knowing of each source.
        raters: how far the scores of each source and annotator go with the others'.
        splits: whether rows keep the splits of the sources.
    """

    rows: Counter[str] = field(default_factory=Counter)
    prompts: Counter[str] = field(default_factory=Counter)
    example: dict[str, object] = field(default_factory=dict)
    dimensions: dict[str, WinLossCounts] = field(default_factory=dict)
    groups: ConversationGroups | None = None
    by_source: Counter[int] = field(default_factory=Counter)
    overlap: Overlap = field(default_factory=dict)
    conversations: Counter[str] = field(default_factory=Counter)
    notes: tuple[Notes, ...] = ()
    raters: dict[tuple[int, str], RaterSums] = field(default_factory=dict)
    splits: KeptSplits = field(default_factory=KeptSplits)

    def count(self, rows: pl.DataFrame) -> None:
        """Add up the rows of a bucket, and check that no prompt is in both splits."""
        parts = by_split(rows)
        prompts = {split: part["prompt_id"].n_unique() for split, part in parts.items()}
        shared = sum(prompts.values()) - rows["prompt_id"].n_unique()
        if shared:
            raise PrefdataError(
                f"{shared:,} prompts are in two splits; nothing was written",
                hint="This is a defect of prefdata: please report it.",
            )
        for split, part in parts.items():
            self.rows[split] += part.height
            self.prompts[split] += prompts[split]
        if "from_source" in rows.columns:
            self.by_source.update(dict(rows["from_source"].value_counts().iter_rows()))
        if self.groups:
            self.groups.put(rows)
        if "dimensions" in rows.columns:
            for name, counts in win_loss_counts(rows).items():
                self.dimensions[name] = self.dimensions.get(name, WinLossCounts()).plus(counts)

    def add_raters(self, raters: Mapping[tuple[int, str], RaterSums]) -> None:
        """Add up how far annotators agree in a bucket."""
        for who, sums in raters.items():
            self.raters[who] = self.raters.get(who, RaterSums()).plus(sums)

    def note_raters(self, columns: Sequence[str]) -> None:
        """Add a note on each annotator whose scores run against the others'.

        Args:
            columns: the column of annotators of each source.
        """
        for (source, name), (correlation, count) in opposed_raters(self.raters).items():
            text = (
                f"the scores of {name} run against those of the other annotators (correlation "
                f"{correlation:.2f} over {count:,} responses): is their scale the other way round?"
            )
            self.notes[source].add([Note(text, columns[source], count)])

    def add_overlap(self, overlap: Overlap) -> None:
        """Add up what sources have in common in a bucket."""
        for sources, common in overlap.items():
            self.overlap[sources] = self.overlap.get(sources, SharedCounts()).plus(common)
