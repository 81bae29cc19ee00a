"""A source described by data: where its fields stand, and which value means better.

The formats of the catalogue are layouts, and so is a YAML file given with ``--format``. A layout
fills the fields of a generic format from paths into the rows; the generic format does the rest, so
that no known source has ways of its own with prompts, ties or missing values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats import comparisons, pairs, ratings, unpaired
from prefdata.formats.base import Format, Kind
from prefdata.formats.paths import Path, parse, slots

LayoutKind = Literal["pairs", "comparisons", "ratings", "unpaired"]
Row = Mapping[str, object]
Group = Literal["prompt", "conversation"]
Order = Literal["", "best-first", "worst-first"]


@dataclass(frozen=True)
class Generic:
    """The generic format that a kind of layout fills.

    Attributes:
        format: does the reading.
        needs: fields of which each group must have one that is filled.
        texts: its fields that hold text or messages.
    """

    format: Format
    needs: tuple[tuple[str, ...], ...]
    texts: tuple[str, ...]


PROMPT = ("prompt", "system", "history")
GENERIC: dict[LayoutKind, Generic] = {
    "pairs": Generic(pairs.PAIRS, (("chosen",), ("rejected",)), (*PROMPT, "chosen", "rejected")),
    "comparisons": Generic(
        comparisons.COMPARISONS,
        (("response_a",), ("response_b",), ("winner", "winner_a")),
        (*PROMPT, "response_a", "response_b"),
    ),
    "ratings": Generic(
        ratings.LONG_FORMAT, (("response",), ("score", "rank")), (*PROMPT, "response")
    ),
    "unpaired": Generic(unpaired.UNPAIRED, (("completion",), ("label",)), (*PROMPT, "completion")),
}
HOT = ("winner_a", "winner_b", "winner_tie")
MEASURES = ("score", "rank", "winner")
"""Fields that may be filled once per dimension."""

MORE_FIELDS = {"comparisons": HOT}
SEVERAL = ("prompt", "winner")
"""Fields that may have several paths: parts of the prompt, or one winner per annotator."""


class Unfit(Exception):  # noqa: N818 (it is an outcome of a row, not an error of the program)
    """Raised by a layout's ``prepare``: the row cannot be used, and why.

    Args:
        reason: one of `prefdata.formats.reasons`.
        field: where.
        detail: what was found.
    """

    def __init__(self, reason: str, field: str = "", detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.field, self.detail = reason, field, detail


@dataclass(frozen=True)
class Layout:
    """Where the fields of one source stand, and what its values mean.

    Attributes:
        name: what ``pref formats`` calls it.
        kind: the generic format that it fills.
        summary: one line: what a row is.
        fields: field to its path; to several paths (parts of a prompt, winners by several
            annotators); to a text with paths in braces; or, for ``score``, ``rank`` and ``winner``,
            to a path per dimension.
        values: what a winner means (``a``, ``b``, ``tie``, ``none``) or a label (true, false);
            ``negative`` and ``positive`` are values too.
        middle: taken off a numeric winner before its sign is looked at.
        order: how a list of responses is sorted, where that is all that ranks them.
        dimensions: the weight of each dimension that counts where the user chooses none.
        roles: what the source calls the roles, where that is not usual.
        needs: paths that must exist as well, for the source to be recognised.
        distinct: whether the columns alone tell that it is this source; if not, it is recognised
            where the name of one of ``sets`` stands in the source's own name.
        holds: a further look at the first rows.
        prepare: makes a row that the fields are read from, for what no path can say; raises
            `Unfit`.
        reads: columns that ``prepare`` takes where they are there, besides ``needs``.
        polarity: which value means better, in words.
        ties: what a tie looks like, in words.
        absent: what a row without a verdict looks like, in words.
        group: what is kept on one side of the split.
        sets: the data sets that are written so, by their names on the hub.
        licence: where the licence is stated.
        notes: what a user should know.
        example: a row, of which a person can see which response is better.
    """

    name: str
    kind: LayoutKind
    summary: str
    fields: Mapping[str, str | tuple[str, ...] | Mapping[str, str]]
    polarity: str
    example: Row = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    middle: float = 0.0
    order: Order = ""
    dimensions: Mapping[str, float] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    distinct: bool = True
    holds: Callable[[list[Row]], bool] | None = None
    prepare: Callable[[Row], Row] | None = None
    reads: tuple[str, ...] = ()
    ties: str = ""
    absent: str = ""
    group: Group = "prompt"
    sets: tuple[str, ...] = ()
    licence: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        generic = GENERIC[self.kind]
        known = (*generic.format.fields, *MORE_FIELDS.get(self.kind, ()))
        where = f"the format {self.name}"
        for name, given in self.fields.items():
            if name not in known:
                raise UnknownNameError("field", name, known, where=where)
            self._check_several(name, given, where)
        for group in generic.needs:
            if not set(group) & set(self.fields) and not (self.order and "rank" in group):
                raise UsageError(
                    f"{where} does not say where {' or '.join(group)} stands",
                    hint=f"{self.kind} need {', '.join(g[0] for g in generic.needs)}.",
                )
        try:
            _ = self.paths
        except ValueError as error:
            raise UsageError(f"{where}: {error}", hint="A path begins with a column.") from error

    @staticmethod
    def _check_several(name: str, given: object, where: str) -> None:
        if isinstance(given, Mapping) and name not in MEASURES:
            raise UsageError(
                f"{where}: {name} cannot have dimensions",
                hint=f"Only {', '.join(MEASURES)} can.",
            )
        if isinstance(given, tuple) and name not in SEVERAL:
            raise UsageError(
                f"{where}: {name} has {len(given)} paths; it can have one",
                hint=f"Only {' and '.join(SEVERAL)} can have several.",
            )

    @property
    def record_kind(self) -> Kind:
        """The records that it gives."""
        return GENERIC[self.kind].format.kind

    @cached_property
    def paths(self) -> dict[str, tuple[Path, ...]]:
        """Field to the paths that fill it."""
        return {name: tuple(map(parse, _texts(given))) for name, given in self.fields.items()}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        if self.prepare:
            return tuple(dict.fromkeys(parse(each).column for each in (*self.needs, *self.reads)))
        return tuple(dict.fromkeys(p.column for paths in self.paths.values() for p in paths))


def _texts(given: str | tuple[str, ...] | Mapping[str, str]) -> list[str]:
    if isinstance(given, str):
        return slots(given) or [given]
    return list(given.values() if isinstance(given, Mapping) else given)
