"""A source described by data: where its fields stand, and which value means better.

Most formats of the catalogue have such a description, and so is a YAML file given with
``--format``. It fills the fields of a generic format from paths into the rows; the generic format
does the rest, so that no known source has its own rules for prompts, ties or missing values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats.base import Format
from prefdata.formats.generic import comparisons, pairs, ratings, unpaired
from prefdata.formats.spec.paths import FieldPath, parse_path, placeholders
from prefdata.records.frames import Kind

SpecKind = Literal["pairs", "comparisons", "ratings", "unpaired"]
RawRow = Mapping[str, object]
Group = Literal["prompt", "conversation"]
Order = Literal["", "best-first", "worst-first"]
Location = str | tuple[str, ...] | Mapping[str, str]
"""Where a field stands: a path, several, or one for each dimension."""


@dataclass(frozen=True)
class GenericFormat:
    """The generic format that a kind of description fills.

    Attributes:
        format: the generic format.
        needs: groups of fields; one field of each group must have a path.
        texts: its fields that hold text or messages.
    """

    format: Format
    needs: tuple[tuple[str, ...], ...]
    texts: tuple[str, ...]


PROMPT = ("prompt", "system", "history")
GENERIC_FORMATS: dict[SpecKind, GenericFormat] = {
    "pairs": GenericFormat(
        pairs.PAIRS, (("chosen",), ("rejected",)), (*PROMPT, "chosen", "rejected")
    ),
    "comparisons": GenericFormat(
        comparisons.COMPARISONS,
        (("response_a",), ("response_b",), ("winner", "winner_a")),
        (*PROMPT, "response_a", "response_b"),
    ),
    "ratings": GenericFormat(
        ratings.LONG_FORMAT, (("response",), ("score", "rank")), (*PROMPT, "response")
    ),
    "unpaired": GenericFormat(
        unpaired.UNPAIRED, (("completion",), ("label",)), (*PROMPT, "completion")
    ),
}
HOT = ("winner_a", "winner_b", "winner_tie")
MEASURES = ("score", "winner")
"""Fields that may be filled once per dimension."""

MORE_FIELDS = {"comparisons": HOT}
SEVERAL = ("prompt", "winner")
"""Fields that may have several paths: parts of the prompt, or one winner per annotator."""


class InvalidRow(Exception):  # noqa: N818 (it is an outcome of a row, not an error of the program)
    """Raised by ``FormatSpec.prepare``: the row cannot be used, and why.

    As a value in a list of a prepared row it refuses that one record of the row.

    Args:
        reason: one of `prefdata.records.reasons`.
        field: the column at fault.
        detail: what is wrong with its value.
    """

    def __init__(self, reason: str, field: str = "", detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.field, self.detail = reason, field, detail


@dataclass(frozen=True)
class FormatSpec:
    """Where the fields of one source stand, and what its values mean.

    Attributes:
        name: what ``pref formats`` calls it.
        kind: the generic format that it fills.
        summary: one line: what a row is.
        fields: field to its path; to several paths (parts of a prompt, winners by several
            annotators); to a text with paths in braces; or, for ``score`` and ``winner``, to a path
            per dimension.
        values: what a winner means (``a``, ``b``, ``tie``, ``none``) or a label (true, false);
            ``negative`` and ``positive`` are values too.
        middle: taken off a numeric winner before its sign is looked at.
        order: how a list of responses is sorted, where that is all that ranks them.
        dimensions: the weight of each dimension that counts where the user chooses none.
        roles: what the source calls the roles, where that is not usual.
        needs: paths that must exist as well, for the source to be recognised.
        by_name: whether its columns are everybody's, so that the name of one of ``sets`` must stand
            in the source's own name.
        accepts: a further check of the first rows.
        prepare: turns a raw row into the row that the fields are read from, where no path can say
            it; raises `InvalidRow`.
        prepare_all: the same for a source whose rows need each other: takes all rows at once, and
            returns for each what ``prepare`` would. Such a source is read in one piece.
        extra_columns: columns that ``prepare`` or ``prepare_all`` reads where they are there,
            besides those of ``needs``.
        polarity: which value means better, in words.
        optional: fields whose columns a source may lack; looked at where a file describes it.
        lists: columns that may hold a list or an object beside text: each such cell of a CSV file
            is read as one. In other columns an answer that happens to be JSON stays text.
        ties: what a tie looks like, in words.
        absent: what a row without a verdict looks like, in words.
        group: what is kept on one side of the split.
        template: where tools and arguments of the chat template stand, if in no column of theirs.
        sets: the data sets that are written so, by their names on the hub.
        licence: where the licence is stated.
        notes: what a user should know.
        example: a row, of which a person can see which response is better.
        file: the YAML file that describes it, for messages.
    """

    name: str
    kind: SpecKind
    summary: str
    fields: Mapping[str, Location]
    polarity: str
    example: RawRow = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    middle: float = 0.0
    order: Order = ""
    dimensions: Mapping[str, float] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    by_name: bool = False
    accepts: Callable[[list[RawRow]], bool] | None = None
    prepare: Callable[[RawRow], RawRow] | None = None
    prepare_all: Callable[[Sequence[RawRow]], Sequence[RawRow | InvalidRow]] | None = None
    extra_columns: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    ties: str = ""
    absent: str = ""
    group: Group = "prompt"
    template: Mapping[str, str] = field(default_factory=dict)
    sets: tuple[str, ...] = ()
    licence: str = ""
    notes: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        generic = GENERIC_FORMATS[self.kind]
        allowed = (*generic.format.fields, *MORE_FIELDS.get(self.kind, ()))
        where = self.where
        for name, location in self.fields.items():
            if name not in allowed:
                raise UnknownNameError("field", name, allowed, where=where)
            self._check_location(name, location, where)
        for group in generic.needs:
            if not set(group) & set(self.fields) and not (self.order and "rank" in group):
                raise UsageError(
                    f"{where} does not say where {' or '.join(group)} stands",
                    hint=f"{self.kind} need {', '.join(g[0] for g in generic.needs)}.",
                )
        self._check_one_order(where)
        try:
            _ = self.paths, [parse_path(each) for each in (*self.needs, *self.extra_columns)]
        except ValueError as error:
            raise UsageError(f"{where}: {error}", hint="A path begins with a column.") from error
        self._check_dimensions(where)
        if self.multi_prompt and self.kind != "ratings":
            raise UsageError(
                f"{where}: the prompt stands in a list, and the {self.kind} of a row have one",
                hint="Only ratings can have a prompt for each item of a list.",
            )

    @staticmethod
    def _check_location(name: str, location: Location, where: str) -> None:
        if isinstance(location, Mapping) and name not in MEASURES:
            raise UsageError(
                f"{where}: {name} cannot have dimensions",
                hint=f"Only {', '.join(MEASURES)} can.",
            )
        if isinstance(location, tuple) and name not in SEVERAL:
            raise UsageError(
                f"{where}: {name} has {len(location)} paths; it can have one",
                hint=f"Only {' and '.join(SEVERAL)} can have several.",
            )

    def _check_one_order(self, where: str) -> None:
        """One thing says what is better, and says it of both sides."""
        for group in GENERIC_FORMATS[self.kind].needs:
            orders = [name for name in group if name in self.fields]
            orders += ["order"] if self.order and "rank" in group else []
            if len(orders) > 1:
                raise UsageError(
                    f"{where} says twice what is better: by {' and by '.join(orders)}",
                    hint="Leave one of them out.",
                )
        if "winner_a" in self.fields and "winner_b" not in self.fields:
            raise UsageError(
                f"{where} has winner_a but no winner_b", hint="Or use winner, with values."
            )
        if self.order and self.kind != "ratings":
            raise UsageError(
                f"{where}: {self.kind} have no order", hint="Only lists of ratings have one."
            )
        if self.middle and self.kind != "comparisons":
            raise UsageError(
                f"{where}: {self.kind} have no middle", hint="Only the winner of comparisons has."
            )

    def _check_dimensions(self, where: str) -> None:
        for name, location in self.fields.items():
            if not _path_texts(location):
                raise UsageError(f"{where}: {name} has no path", hint="Leave it out, or name one.")
        if self.order and not any(path.each for path in self.paths["response"]):
            raise UsageError(
                f"{where} has an order, but response is no list",
                hint="Write its path with [], as in output[].",
            )
        dimensions = [name for g in self.fields.values() if isinstance(g, Mapping) for name in g]
        for name in self.dimensions:
            if name not in dimensions:
                raise UnknownNameError("dimension", name, dimensions, where=where)

    @property
    def where(self) -> str:
        """Its name in a message."""
        return self.file or f"the format {self.name}"

    @property
    def is_prepared(self) -> bool:
        """Whether the fields are read from rows that a function returns."""
        return bool(self.prepare or self.prepare_all)

    @property
    def multi_prompt(self) -> bool:
        """Whether the records of one row may answer several prompts."""
        return any(path.each for name in PROMPT for path in self.paths.get(name, ()))

    @property
    def record_kind(self) -> Kind:
        """The records that it gives."""
        return GENERIC_FORMATS[self.kind].format.kind

    @cached_property
    def paths(self) -> dict[str, tuple[FieldPath, ...]]:
        """Field to the paths that fill it."""
        return {
            name: tuple(map(parse_path, _path_texts(location)))
            for name, location in self.fields.items()
        }

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        if self.is_prepared:
            return tuple(
                dict.fromkeys(
                    parse_path(each).column for each in (*self.needs, *self.extra_columns)
                )
            )
        return tuple(dict.fromkeys(p.column for paths in self.paths.values() for p in paths))


def _path_texts(location: Location) -> list[str]:
    if isinstance(location, str):
        return placeholders(location) or [location]
    return list(location.values() if isinstance(location, Mapping) else location)
