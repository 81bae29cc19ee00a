"""A source whose format was detected, and what is known of it before its rows are read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from prefdata.conversion.survey import (
    code_values,
    unseen_codes,
)
from prefdata.formats import Detection, Sample
from prefdata.formats.base import Match
from prefdata.formats.claims import ClaimAccount
from prefdata.formats.columns import ColumnAccount, may_be_read
from prefdata.io.readers.json_keys import KnownKeys
from prefdata.io.readers.sources import Source
from prefdata.records.frames import TEMPLATE

SCALARS = (
    "score",
    "rank",
    "winner",
    "winner_a",
    "winner_b",
    "winner_tie",
    "label",
    "scores",
    "ranks",
    "annotator",
    "model",
    "model_a",
    "model_b",
    "model_chosen",
    "model_rejected",
    "dimension",
    "scale",
    "source",
    "score_chosen",
    "score_rejected",
    "margin",
    "strength",
    "list",
    "votes",
    "agreement",
    "weight",
)
"""Fields in which a number may stand for text, or text for a number."""


@dataclass(frozen=True)
class DetectedSource:
    """A source, its first rows, its format, and how it is read.

    Attributes:
        source: the file.
        sample: its first rows.
        detection: its format.
        dimension: where rows name their dimension, the one that counts; ``""`` for all.
        grouped: whether records have the id of their conversation.
        keep: kept column to the column of the source, or to ``""`` where it has none.
        template: what some source passes to the chat template, of `TEMPLATE`.
        needs: what filters need to know of the texts of pairs.
        ignore: columns that the user leaves out.
        split_column: the column that may say which split a row is in, or ``""``.
        split_name: the split that the name of the source says, or ``""``.
        with_splits: whether records have the ``split`` that a column says.
    """

    source: Source
    sample: Sample
    detection: Detection
    dimension: str = ""
    grouped: bool = False
    keep: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    template: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    split_column: str = ""
    split_name: str = ""
    with_splits: bool = False

    @property
    def carried(self) -> tuple[str, ...]:
        """The text columns that records have besides those of their kind."""
        return (*self.template, *self.keep)

    @cached_property
    def columns(self) -> ColumnAccount:
        """What becomes of its columns, of the rows of the sample and of those that are read."""
        detection = self.detection
        account = ColumnAccount(
            detection.format, detection.match, self.sample.names, self.keep, self.ignore
        )
        account.add_rows(self.sample.rows)
        return account

    @cached_property
    def known_keys(self) -> KnownKeys:
        """The keys of the rows of the sample."""
        ignore = set(self.ignore)
        return KnownKeys(self.sample.rows, lambda name: name not in ignore and may_be_read(name))

    @cached_property
    def values(self) -> Mapping[str, Collection[str]]:
        """What the sample has in each column of codes."""
        return code_values(self.sample, self.detection.match.coded_columns)

    @cached_property
    def unseen(self) -> Mapping[str, Sequence[float]]:
        """The codes for a missing score that the sample does not have, by column."""
        return unseen_codes(self.sample, self.detection.match)

    @cached_property
    def claims(self) -> ClaimAccount:
        """How far its columns agree that say the same."""
        return ClaimAccount(self.sample, self.detection.match)

    @property
    def more_columns(self) -> list[str]:
        """The columns that are read beside those of the format, each once."""
        match = self.detection.match
        names = dict.fromkeys([*self.carried_columns, *match.looked_at])
        return [name for name in names if name not in match.source_columns]

    @property
    def carried_columns(self) -> list[str]:
        """The columns of which any value is as good as any other, each once."""
        names = dict.fromkeys([*self.keep.values(), self.split_column])
        return [name for name in names if name and name not in self.detection.match.source_columns]

    @property
    def encoded_columns(self) -> frozenset[str]:
        """The columns that are read as the JSON text of each value."""
        match = self.detection.match
        names = match.json_columns | set(self.more_columns if match.needs_all_rows else ())
        if self.source.kind in ("json", "jsonl"):
            names |= {name for field in TEMPLATE for name in match.columns.get(field, ())}
        return names

    @property
    def rated_by_row(self) -> bool:
        """Whether each row is a rating that names its own dimension."""
        rated = self.detection.format.kind == "ratings"
        return rated and not self.detection.match.dimensions


def scalar_columns(match: Match) -> set[str]:
    """The columns of a source in which a number may stand for text, or text for a number."""
    return {name for field in SCALARS for name in match.columns.get(field, ())}
