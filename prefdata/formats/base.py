"""What a format is: a name, a way to recognise it, and a way from raw columns to records.

A format's `build` gives one row per response or verdict, with the columns of its kind (`COLUMNS`)
and these: ``row`` and ``line`` of the source, ``item`` (which response or verdict of the row), and
``reason``, ``field``, ``detail``, which are null where the row is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

from prefdata.formats.claim_tally import Claim
from prefdata.formats.questions import Question
from prefdata.formats.sample import Sample
from prefdata.records.frames import TEMPLATE, Kind, as_json

CODED = ("winner", "winner_a", "winner_b", "winner_tie", "label")
"""Fields that hold words or codes with a meaning."""

Shape = Literal["text", "transcript", "cell", "texts", "nested", "json"]
"""How the text of a column is written; in a ``cell`` messages, in ``texts`` lists of texts."""


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading a source, where its columns and values do not say enough.

    Attributes:
        columns: field to columns, from ``--map``.
        winner: value to ``"a"``, ``"b"``, ``"tie"``, ``"both_bad"`` or ``"none"``, which is no
            preference, from ``--winner``.
        label: value to true or false, or to None, which is no preference, from ``--label``.
        dimension: the dimension to take, from ``--dimension``.
        format: the format that it is, from ``--format``.
        deciding: the dimensions that decide together, by a rule that is applied later.
        ignore: columns that are left out, from ``--ignore``.
        missing: words that stand for no value, from ``--missing``; None for the usual ones.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    winner: Mapping[str, str] = field(default_factory=dict)
    label: Mapping[str, bool | None] = field(default_factory=dict)
    dimension: str = ""
    format: str = ""
    deciding: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    missing: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Match:
    """How well a format fits a source, and how it would read that source.

    Attributes:
        format: the format's name.
        score: larger fits better; compared between formats.
        columns: field to the columns that fill it.
        shapes: column to the way its text is written.
        evidence: what in the source speaks for the format, a phrase each.
        values: value to meaning, for winners and labels.
        questions: what only the user can decide, each with the option that settles it;
            the rows of a source are looked at for all values of its columns before it is asked.
        polarity: which value means better, in words.
        ranked: whether each row is a ranking of its own, so that ranks of two rows do not compare.
        multi_prompt: whether the records of one row may answer several prompts.
        needs_all_rows: whether the source must be read in one piece, since rows need each other.
        json_columns: columns that are read as the JSON text of each value.
        json_cells: columns of a CSV file whose cells hold lists or objects as text.
        dimensions: the dimensions that it has, each with its weight where the user chooses none;
            empty where the rows themselves say which dimension they are on.
        template: where tools and arguments of the chat template stand: name to path.
        watched: columns that it does not read, and that each row is looked at for all the same:
            see `prefdata.formats.closed_list`.
        settled_system: whether the user said which column holds system prompts.
        claims: columns that claim to say what one that is read says: see `prefdata.formats.claims`.
        counted: columns of codes of which all values must be counted before it is known whether to
            ask about them.
        measured: columns of scores or ranks among which may be a code for a missing one.
        settled: whether the format itself says what its values mean, so that none is asked about.
        plain: columns of texts in which no row of the piece at hand needs a closer look.
    """

    format: str
    score: int
    columns: Mapping[str, tuple[str, ...]]
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    polarity: str = ""
    ranked: bool = False
    multi_prompt: bool = False
    needs_all_rows: bool = False
    json_columns: frozenset[str] = frozenset()
    json_cells: frozenset[str] = frozenset()
    dimensions: Mapping[str, float] = field(default_factory=dict)
    template: Mapping[str, str] = field(default_factory=dict)
    watched: tuple[str, ...] = ()
    settled_system: bool = False
    claims: tuple[Claim, ...] = ()
    counted: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    settled: bool = False
    plain: frozenset[str] = frozenset()

    @property
    def source_columns(self) -> list[str]:
        """The columns to read, each once."""
        return list(dict.fromkeys(name for names in self.columns.values() for name in names))

    @property
    def looked_at(self) -> list[str]:
        """The columns that it does not read, and that are looked at all the same."""
        names = [*self.watched, *(claim.other for claim in self.claims)]
        return [name for name in dict.fromkeys(names) if name not in self.source_columns]

    @property
    def coded_columns(self) -> list[str]:
        """The columns whose values are codes: what each means rests on all values there are.

        None where the format says what its values mean, nor where every number means something.
        """
        if self.settled or "probability" in self.values:
            return []
        return [name for field in CODED for name in self.columns.get(field, ())]

    def column(self, name: str) -> str:
        """The one column of a field, or ``""``."""
        return self.columns.get(name, ("",))[0]


@dataclass(frozen=True)
class FormatFacts:
    """What a user should know of a source before they trust a conversion.

    Attributes:
        ties: what a tie looks like.
        absent: what a row without a verdict looks like.
        group: what is kept on one side of the split: all rows of a ``prompt``, or of a
            ``conversation`` (all prompts that begin with the same user turn).
        sets: the data sets that are written so, by their names on the hub.
        licence: where the licence is stated.
        notes: traps, and what was left out.
        dimensions: the weight of each dimension that counts where the user chooses none.
        needs: the columns by which it is recognised.
        refusal: why rows of this kind are not converted; empty where they are.
        by_name: whether its columns are everybody's, so that the name of one of ``sets`` must stand
            in the source's own name.
    """

    ties: str = ""
    absent: str = ""
    group: Literal["prompt", "conversation"] = "prompt"
    sets: tuple[str, ...] = ()
    licence: str = ""
    notes: str = ""
    dimensions: Mapping[str, float] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    refusal: str = ""
    by_name: bool = False


@dataclass(frozen=True)
class Format:
    """The shape of one source's rows.

    Attributes:
        name: what ``pref formats`` calls it.
        kind: the records that it gives.
        summary: one line: what a row is.
        fields: the fields that it fills.
        polarity: which value means better, in words.
        example: a row as it stands in a file, a person can see which response is better.
        match: recognises it; None where it does not fit at all.
        build: turns raw columns into the columns of its kind.
        facts: what else is to be known of it.
        multi_column: fields of which it reads several columns; of others one.
    """

    name: str
    kind: Kind
    summary: str
    fields: tuple[str, ...]
    polarity: str
    example: Mapping[str, object]
    match: Callable[[Sample, ReadOptions], Match | None]
    build: Callable[[pl.DataFrame, Match], pl.DataFrame]
    facts: FormatFacts = field(default_factory=FormatFacts)
    multi_column: tuple[str, ...] = ("prompt",)


RAW = "raw:"
"""Stands before the name of each column of a source, so that none is taken for one of ours."""

ONE_VALUE = (
    *("score", "rank", "winner", "winner_a", "winner_b", "winner_tie", "label"),
    *("annotator", "model", "model_a", "model_b", "model_chosen", "model_rejected"),
    *("dimension", "list", "source", "score_chosen", "score_rejected"),
    *("margin", "strength", "votes", "agreement", "weight"),
)
"""Fields that hold a word or a number; a list or an object in them is read as its JSON text."""


def build_records(format: Format, frame: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Build records from what the match reads; no other column is seen.

    Args:
        format: the format of the source.
        frame: the raw columns, each with the prefix `RAW`, and ``row`` and ``line``.
        match: which column fills which field.

    Returns:
        The columns of the format's kind and of `PLACE`.
    """
    fields = {field: names for field, names in match.columns.items() if field not in TEMPLATE}
    inner = replace(
        match,
        columns={field: tuple(RAW + n for n in names) for field, names in fields.items()},
        shapes={RAW + name: shape for name, shape in match.shapes.items()},
        plain=frozenset(RAW + name for name in match.plain),
    )
    frame = frame.select("row", "line", *inner.source_columns)
    names = {name for field in ONE_VALUE for name in inner.columns.get(field, ())}
    frame = frame.with_columns(
        as_json(frame[name]) for name in sorted(names) if frame.schema[name].is_nested()
    )
    records = format.build(frame, inner)
    return records.with_columns(pl.col("field").str.strip_prefix(RAW))
