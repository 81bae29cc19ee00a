"""One source of verdicts, whichever shape it has, as frames of verdicts that were cast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from prefdata.agreement.comparison_records import (
    CALLS,
    RECORD,
    calls_of,
    record_types,
    record_verdicts,
)
from prefdata.agreement.verdict_frame import SHOWN, identified, longer
from prefdata.conversion.ingest import SCALARS
from prefdata.errors import InputError, UsageError
from prefdata.formats import Detection, ReadOptions, Sample, detect
from prefdata.formats.base import RAW, records
from prefdata.formats.generic.comparisons import COMPARISONS
from prefdata.io.readers.chunks import Chunk
from prefdata.io.readers.reader import parse_pieces, read_pieces
from prefdata.io.readers.sources import Source
from prefdata.records import reasons
from prefdata.records.frames import as_json
from prefdata.records.ids import content_ids

CAST = pl.Schema(
    [
        *SHOWN.items(),
        ("text", pl.UInt128()),
        *((name, pl.String()) for name in ("id", "model_a", "model_b", "kind")),
    ]
)
"""What is kept of each verdict: `SHOWN`, and ``text`` (the id of the texts, null without any),
``id`` (the columns that say what was compared), the models, and the ``kind`` of annotator."""

BLANK = {"prompt": "-", "response_a": "first", "response_b": "second"}
"""What stands for texts in a source that has none, where ids say what was compared."""

NO_VERDICT = (reasons.NO_WINNER, reasons.UNKNOWN_WINNER)
TEXTS = {"prompt": "prompt_id", "a": "a_id", "b": "b_id"}


@dataclass(frozen=True)
class How:
    """How sources of verdicts are read.

    Attributes:
        read_options: what they do not say themselves; a column may stand in any one of them.
        format: the format of all sources, where detection is not wanted.
        encoding: the encoding of text sources, if not UTF-8.
        ids: columns that say what was compared, instead of the texts.
        by: the column of categories, or ``""``.
    """

    read_options: ReadOptions = field(default_factory=ReadOptions)
    format: str = ""
    encoding: str = ""
    ids: tuple[str, ...] = ()
    by: str = ""


@dataclass
class Voted:
    """What a source gave.

    Attributes:
        name: its path, or ``stdin``.
        format: what it was recognised as.
        why: what was seen, a phrase each.
        polarity: which value means better.
        rows: how many were read.
        no_verdict: verdicts that say nothing, by reason: they cost coverage.
        left_out: rows that are of no use, by reason.
    """

    name: str
    format: str
    why: tuple[str, ...] = ()
    polarity: str = ""
    rows: int = 0
    no_verdict: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, object]:
        """What the source gave, as plain values that JSON can hold."""
        return {**vars(self), "no_verdict": dict(self.no_verdict), "left_out": dict(self.left_out)}


@dataclass
class Voting:
    """A source, and how it is read; `frames` reads it.

    Attributes:
        source: the file.
        sample: its first rows.
        how: what it does not say itself.
        detection: what it was recognised as; ``None`` where it holds `Comparison` records.
        voted: filled as it is read.
        texts: whether it has the texts.
        models: whether it names both models.
        placed: whether the responses stand in the order in which they were shown.
    """

    source: Source
    sample: Sample
    how: How
    detection: Detection | None
    voted: Voted
    texts: bool
    models: bool
    placed: bool

    def frames(self) -> Iterator[pl.DataFrame]:
        """Read the verdicts, a piece at a time: the columns of `CAST`."""
        yield pl.DataFrame(schema=CAST)
        wanted, scalars = self._wanted()
        known = [] if self.detection else record_types()
        encoding, raw = self.how.encoding, self._raw
        calls = pl.DataFrame(schema=CALLS) if self.detection else calls_of(self.source)
        pieces = read_pieces(
            self.source, self.sample, wanted, scalars, encoding, raw=raw, fields=known
        )
        for piece in parse_pieces(pieces):
            self.voted.rows += piece.rows
            self.voted.left_out.update(row.reason for row in piece.unreadable)
            made = self._made(piece, calls)
            yield self._cast(made.join(self._named(piece), on="row", how="left"))

    @property
    def _raw(self) -> frozenset[str]:
        """The columns that are given as the JSON text of each value."""
        return self.detection.match.raw if self.detection else frozenset()

    def _wanted(self) -> tuple[list[str], set[str]]:
        """The columns to read, and those of them in which a number may stand for text."""
        extra = [*self.how.ids, *filter(None, [self.how.by])]
        fields = self.detection.match.columns if self.detection else {}
        names = [*(name for names in fields.values() for name in names), *extra]
        if not self.detection:
            names += [*RECORD, "id", "model_a", "model_b"]
        scalars = {name for f in SCALARS for name in fields.get(f, ())} | set(extra)
        return [name for name in dict.fromkeys(names) if name in self.sample.names], scalars

    def _made(self, piece: Chunk, calls: pl.DataFrame) -> pl.DataFrame:
        if self.detection is None:
            return record_verdicts(piece.frame, calls)
        match = self.detection.match
        used = {"row", "line", *match.wanted}
        frame = piece.frame.select(n for n in piece.frame.columns if n.removeprefix(RAW) in used)
        blank = [] if self.texts else [pl.lit(text).alias(name) for name, text in BLANK.items()]
        made = records(self.detection.format, frame.with_columns(blank), match)
        return made.with_columns(
            pl.lit(self.placed).alias("placed"), pl.lit(None, pl.String).alias("kind")
        )

    def _named(self, piece: Chunk) -> pl.DataFrame:
        """The id and the category of each row."""
        frame = piece.frame
        ids = [self._as_text(frame, name) for name in self.how.ids]
        by = self._as_text(frame, self.how.by) if self.how.by in self.sample.names else None
        return frame.select(
            "row",
            pl.concat_str(ids, separator="\x1f").alias("id") if ids else _null("id"),
            by.alias("category") if by is not None else _null("category"),
        )

    def _as_text(self, frame: pl.DataFrame, name: str) -> pl.Expr:
        """A column as text: whole numbers without a point, lists and objects as JSON."""
        quoted = name in self._raw
        name = RAW + name if name in ("row", "line") else name
        column, kind = pl.col(name), frame.schema[name]
        if kind.is_nested():
            return pl.lit(as_json(frame[name]))
        if kind.is_float():
            whole = column.cast(pl.Int64, strict=False)
            text = column.cast(pl.String)
            return pl.when(column == whole).then(whole.cast(pl.String)).otherwise(text)
        text = column.cast(pl.String).str.strip_chars()
        return text.str.replace(r'^"(.*)"$', "${1}") if quoted else text

    def _cast(self, made: pl.DataFrame) -> pl.DataFrame:
        """Verdicts with the id of what they are on; the rest is counted with its reason."""
        nothing = pl.col("reason").is_in(NO_VERDICT).fill_null(value=False)
        bad = made.filter(pl.col("reason").is_not_null() & ~nothing).unique("row")
        made = made.filter(pl.col("reason").is_null() | nothing)
        self.voted.left_out.update(bad["reason"].to_list())
        self.voted.no_verdict.update(made["reason"].drop_nulls().to_list())
        if self.texts:
            made = identified(content_ids(made, TEXTS))
            same = (pl.col("a_id") == pl.col("b_id")) & (pl.col("winner") != 0)
            alike = made.filter(same)
            made = made.filter(~same.fill_null(value=False))
            self.voted.left_out.update([reasons.IDENTICAL] * alike["row"].n_unique())
            made = made.with_columns(
                pl.col("comparison").alias("text"), longer(made).alias("longer")
            )
        else:
            made = made.with_columns(
                _null("comparison"), _null("text"), _null("longer")
            ).with_columns(pl.lit(value=False).alias("turned"))
        who = pl.col("annotator").str.replace(r"^(\d+)\.0$", "${1}")
        made = made.with_columns(who.fill_null(_called(self.source)))
        return made.select(pl.col(name).cast(kind) for name, kind in CAST.items())


def recognised(source: Source, sample: Sample, how: How) -> Voting:
    """Recognise a source of verdicts.

    Raises:
        InputError: it has no verdicts on two responses.
        UsageError: it can be read in two ways.
    """
    if set(RECORD) <= set(sample.names) and not how.format:
        models = bool(sample.values("model_a") and sample.values("model_b"))
        why = ("it has prompt, response_a, response_b, verdicts",)
        voted = Voted(
            source.name, "comparison records", why, "each verdict names the better response"
        )
        return Voting(source, sample, how, None, voted, True, models, True)
    read_options = replace(how.read_options, columns=_there(how.read_options, sample))
    try:
        detection, texts = detect(sample, read_options, name=source.name, format=how.format), True
    except UsageError:
        if not how.ids:
            raise
        detection, texts = _without_texts(source, sample, read_options), False
    except InputError as error:
        if not how.ids:
            hint = f"{error.hint} Without texts, say what was compared, as in --id question_id."
            raise InputError(str(error), hint=hint) from error
        detection, texts = _without_texts(source, sample, read_options), False
    match, format = detection.match, detection.format
    if format.kind != "comparisons":
        raise InputError(
            f"{source.name} is {format.name}: agreement is between verdicts on two responses",
            hint="Name sources that say which of two responses is better.",
        )
    sides = (("model_a", "model_b"), ("model_chosen", "model_rejected"))
    models = any(all(match.column(side) for side in both) for both in sides)
    voted = Voted(source.name, format.name, match.why, match.polarity)
    placed = "chosen" not in format.fields
    return Voting(source, sample, how, detection, voted, texts, models, placed)


def _there(read_options: ReadOptions, sample: Sample) -> dict[str, tuple[str, ...]]:
    """The part of the user's mapping that is about this source."""
    kept = {
        field: tuple(name for name in columns if name in sample.names)
        for field, columns in read_options.columns.items()
    }
    return {
        field: names for field, names in kept.items() if names or not read_options.columns[field]
    }


def _without_texts(source: Source, sample: Sample, read_options: ReadOptions) -> Detection:
    """Recognise verdicts on responses that the source does not have.

    Raises:
        InputError: no column says which is better.
        UsageError: the values of that column can be read in two ways.
    """
    rows = [{**row, **BLANK} for row in sample.rows]
    names = list(dict.fromkeys([*sample.names, *BLANK]))
    blank = replace(sample, names=names, rows=rows)
    columns = {**read_options.columns, **{name: (name,) for name in BLANK}}
    read_options = replace(read_options, columns=columns)
    if COMPARISONS.match(blank, read_options) is None:
        raise InputError(
            f"{source.name} has no column that says which response is better "
            f"(columns: {', '.join(sample.names[:12])})",
            hint="Name it, as in --map winner=vote.",
        )
    return detect(blank, read_options, name=source.name, format=COMPARISONS.name)


def _called(source: Source) -> str:
    """The annotator of verdicts that name none: the file, or the data set directory it is in."""
    path = Path(source.name)
    inside = path.parent.name in ("data", "comparisons") and path.parent.parent.name
    return path.parent.parent.name if inside else path.name


def _null(name: str) -> pl.Expr:
    return pl.lit(None).alias(name)
