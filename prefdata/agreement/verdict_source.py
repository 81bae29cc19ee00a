"""One source of verdicts, whichever shape it has, read a piece at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import polars as pl

from prefdata.agreement.comparison_records import (
    CALLS,
    MORE_COLUMNS,
    RECORD_COLUMNS,
    read_calls,
    record_types,
    record_verdicts,
)
from prefdata.agreement.verdict_frame import SOURCE_VERDICTS, longer_response, with_comparison
from prefdata.conversion.detect_sources import detect_source
from prefdata.conversion.detected_source import SCALARS
from prefdata.errors import InputError, UsageError
from prefdata.formats import Detection, ReadOptions, Sample
from prefdata.formats.base import RAW, build_records
from prefdata.formats.closed_list import kind_of
from prefdata.formats.detect import check_settled, recognise
from prefdata.formats.generic.comparisons import COMPARISONS
from prefdata.io.readers.chunks import Chunk
from prefdata.io.readers.reader import parse_pieces, read_pieces
from prefdata.io.readers.sources import Source
from prefdata.records import reasons
from prefdata.records.frames import as_json
from prefdata.records.ids import content_ids

VERDICT_ROWS = pl.Schema(
    [
        *SOURCE_VERDICTS.items(),
        ("text", pl.UInt128()),
        *((name, pl.String()) for name in ("id", "model_a", "model_b", "kind")),
    ]
)
"""What is read of each verdict: `SOURCE_VERDICTS`, and ``text`` (the id of the texts, null without
any), ``id`` (the columns that say what was compared), the models, and the ``kind`` of annotator."""

BLANK = {"prompt": "(none)", "response_a": "(none) a", "response_b": "(none) b"}
"""What stands for texts in a source that has none, where ids say what was compared."""

NO_VERDICT = (reasons.NO_WINNER, reasons.NO_PREFERENCE, reasons.UNKNOWN_WINNER)
TEXTS = {"prompt": "prompt_id", "a": "a_id", "b": "b_id"}
RECORDS: tuple[str, tuple[str, ...], str] = (
    "comparison records",
    ("it has prompt, response_a, response_b, verdicts",),
    "each verdict names the better response",
)
"""How `Comparison` records are reported: format, why, polarity."""


@dataclass(frozen=True)
class VerdictOptions:
    """What sources of verdicts do not say themselves.

    Attributes:
        read_options: of the format; a column may stand in any one of the sources.
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


@dataclass(frozen=True)
class VerdictSourceReport:
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
    why: tuple[str, ...]
    polarity: str
    rows: int
    no_verdict: Mapping[str, int]
    left_out: Mapping[str, int]

    def to_dict(self) -> dict[str, object]:
        """What the source gave, as plain values that JSON can hold."""
        return dict(vars(self))


@dataclass
class VerdictSource:
    """A source of verdicts, and how it is read.

    Attributes:
        source: the file.
        sample: its first rows.
        options: what it does not say itself.
        detection: what it was recognised as; ``None`` where it holds `Comparison` records.
        has_texts: whether it has the texts.
        has_models: whether it names both models.
        as_shown: whether the responses stand in the order in which they were shown.
        rows: rows that were read so far.
        no_verdict: verdicts that say nothing, by reason.
        left_out: rows that are of no use, by reason.
    """

    source: Source
    sample: Sample
    options: VerdictOptions
    detection: Detection | None
    has_texts: bool
    has_models: bool
    as_shown: bool
    rows: int = 0
    no_verdict: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def report(self) -> VerdictSourceReport:
        """What the source gave, after it was read."""
        format, why, polarity = RECORDS
        if self.detection:
            match = self.detection.match
            format, why, polarity = self.detection.format.name, match.evidence, match.polarity
        counts = (self.rows, dict(self.no_verdict), dict(self.left_out))
        return VerdictSourceReport(self.source.name, format, why, polarity, *counts)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Read the verdicts, a piece at a time: the columns of `VERDICT_ROWS`."""
        yield pl.DataFrame(schema=VERDICT_ROWS)
        columns, scalars = self._columns()
        types = [] if self.detection else record_types()
        calls = pl.DataFrame(schema=CALLS) if self.detection else read_calls(self.source)
        pieces = read_pieces(
            self.source,
            self.sample,
            columns,
            scalars,
            self.options.encoding,
            raw=self._raw,
            fields=types,
        )
        for piece in parse_pieces(pieces):
            self.rows += piece.rows
            self.left_out.update(row.reason for row in piece.unreadable)
            verdicts = self._verdicts(piece, calls)
            yield self._usable(verdicts.join(self._labels(piece), on="row", how="left"))

    @property
    def _raw(self) -> frozenset[str]:
        """The columns that are given as the JSON text of each value."""
        return self.detection.match.json_columns if self.detection else frozenset()

    def _columns(self) -> tuple[list[str], set[str]]:
        """The columns to read, and those of them in which a number may stand for text."""
        extra = [*self.options.ids, *filter(None, [self.options.by])]
        fields = self.detection.match.columns if self.detection else {}
        names = [*(name for names in fields.values() for name in names), *extra]
        if not self.detection:
            names += [*RECORD_COLUMNS, *MORE_COLUMNS]
        scalars = {name for f in SCALARS for name in fields.get(f, ())} | set(extra)
        return [name for name in dict.fromkeys(names) if name in self.sample.names], scalars

    def _verdicts(self, piece: Chunk, calls: pl.DataFrame) -> pl.DataFrame:
        if self.detection is None:
            columns = (*RECORD_COLUMNS, *MORE_COLUMNS)
            names = {RAW + name: name for name in columns if name in self.sample.names}
            return record_verdicts(piece.frame.select("row", "line", *names).rename(names), calls)
        match = self.detection.match
        blank = {} if self.has_texts else BLANK
        frame = piece.frame.with_columns(pl.lit(text).alias(RAW + n) for n, text in blank.items())
        return build_records(self.detection.format, frame, match).with_columns(
            pl.lit(self.as_shown).alias("as_shown"), pl.lit(None, pl.String).alias("kind")
        )

    def _labels(self, piece: Chunk) -> pl.DataFrame:
        """The id and the category of each row."""
        frame, by = piece.frame, self.options.by
        ids = [self._as_text(frame, name) for name in self.options.ids]
        category = self._as_text(frame, by) if by in self.sample.names else pl.lit(None)
        return frame.select(
            "row",
            pl.concat_str(ids, separator="\x1f").alias("id") if ids else _null("id"),
            category.alias("category"),
        )

    def _as_text(self, frame: pl.DataFrame, name: str) -> pl.Expr:
        """A column as text: whole numbers without a point, lists and objects as JSON."""
        quoted = name in self._raw
        name = RAW + name
        column, kind = pl.col(name), frame.schema[name]
        if kind.is_nested():
            return pl.lit(as_json(frame[name]))
        if kind.is_float():
            whole = column.cast(pl.Int64, strict=False)
            text = column.cast(pl.String)
            return pl.when(column == whole).then(whole.cast(pl.String)).otherwise(text)
        text = column.cast(pl.String).str.strip_chars()
        return text.str.replace(r'^"(.*)"$', "${1}") if quoted else text

    def _usable(self, verdicts: pl.DataFrame) -> pl.DataFrame:
        """Verdicts with the id of their comparison; other rows are counted with their reason."""
        nothing = pl.col("reason").is_in(NO_VERDICT).fill_null(value=False)
        bad = verdicts.filter(pl.col("reason").is_not_null() & ~nothing).unique("row")
        verdicts = verdicts.filter(pl.col("reason").is_null() | nothing)
        self.left_out.update(bad["reason"].to_list())
        self.no_verdict.update(verdicts["reason"].drop_nulls().to_list())
        if self.has_texts:
            verdicts = self._with_comparison(verdicts)
        else:
            verdicts = verdicts.with_columns(
                *map(_null, ("comparison", "text", "longer")), pl.lit(value=False).alias("turned")
            )
        annotator = pl.col("annotator").str.replace(r"^(\d+)\.0$", "${1}")
        verdicts = verdicts.with_columns(annotator.fill_null(_default_annotator(self.source)))
        return verdicts.select(pl.col(name).cast(kind) for name, kind in VERDICT_ROWS.items())

    def _with_comparison(self, verdicts: pl.DataFrame) -> pl.DataFrame:
        """Verdicts with the id of their texts, without those on two equal responses."""
        verdicts = with_comparison(content_ids(verdicts, TEXTS))
        equal = (pl.col("a_id") == pl.col("b_id")) & (pl.col("winner") != 0)
        count = verdicts.filter(equal)["row"].n_unique()
        self.left_out.update([reasons.IDENTICAL] * count)
        verdicts = verdicts.filter(~equal.fill_null(value=False))
        return verdicts.with_columns(
            pl.col("comparison").alias("text"), longer_response(verdicts).alias("longer")
        )


def recognise_verdicts(source: Source, sample: Sample, options: VerdictOptions) -> VerdictSource:
    """Recognise a source of verdicts.

    Raises:
        InputError: it has no verdicts on two responses.
        UsageError: it can be read in two ways.
    """
    if set(RECORD_COLUMNS) <= set(sample.names) and not options.format:
        has_models = bool(sample.values("model_a") and sample.values("model_b"))
        return VerdictSource(source, sample, options, None, True, has_models, True)
    read_options = replace(options.read_options, columns=_mapped(options.read_options, sample))
    has_texts = True
    try:
        sample, detection = _recognise(source, sample, read_options, options)
    except InputError as error:
        if options.ids:
            sample, detection = _without_texts(source, sample, read_options, options)
            has_texts = False
        elif isinstance(error, UsageError):
            raise
        else:
            without_texts = "Without texts, say what was compared, as in --id question_id."
            hint = error.hint if "--id" in error.hint else f"{error.hint} {without_texts}"
            raise InputError(str(error), hint=hint) from error
    match, format = detection.match, detection.format
    if format.kind != "comparisons":
        raise InputError(
            f"{source.name} is {format.name}: agreement is between verdicts on two responses",
            hint="Name sources that say which of two responses is better.",
        )
    sides = (("model_a", "model_b"), ("model_chosen", "model_rejected"))
    has_models = any(all(match.column(side) for side in both) for both in sides)
    as_shown = "chosen" not in format.fields
    return VerdictSource(source, sample, options, detection, has_texts, has_models, as_shown)


def _mapped(read_options: ReadOptions, sample: Sample) -> dict[str, tuple[str, ...]]:
    """The part of the user's mapping that is about this source."""
    columns = {
        field: tuple(name for name in names if name in sample.names)
        for field, names in read_options.columns.items()
    }
    return {
        field: names for field, names in columns.items() if names or not read_options.columns[field]
    }


def _recognise(
    source: Source, sample: Sample, read_options: ReadOptions, options: VerdictOptions
) -> tuple[Sample, Detection]:
    """The format of a source by all of its rows, and its sample with what they have."""
    recogniser = partial(
        recognise, read_options=read_options, name=source.name, format=options.format
    )
    sample, detection = detect_source(source, sample, options.encoding, recogniser)
    check_settled(detection, read_options, source.name)
    return sample, detection


def _without_texts(
    source: Source, sample: Sample, read_options: ReadOptions, options: VerdictOptions
) -> tuple[Sample, Detection]:
    """Recognise verdicts on responses that the source does not have.

    Raises:
        InputError: no column says which is better.
        UsageError: the values of that column can be read in two ways.
    """
    columns = {**read_options.columns, **{name: (name,) for name in BLANK}}
    ignore = (*read_options.ignore, *filter(kind_of, sample.names))
    read_options = replace(read_options, columns=columns, ignore=ignore)
    if COMPARISONS.match(_blank(sample), read_options) is None:
        raise InputError(
            f"{source.name} has no column that says which response is better "
            f"(columns: {', '.join(sample.names[:12])})",
            hint="Name it, as in --map winner=vote.",
        )

    def recogniser(rows: Sample) -> Detection:
        return recognise(_blank(rows), read_options, name=source.name, format=COMPARISONS.name)

    sample, detection = detect_source(source, sample, options.encoding, recogniser)
    check_settled(detection, read_options, source.name)
    return sample, detection


def _blank(sample: Sample) -> Sample:
    """A sample with something in the place of the texts that it does not have."""
    rows = [{**row, **BLANK} for row in sample.rows]
    return replace(sample, names=list(dict.fromkeys([*sample.names, *BLANK])), rows=rows)


def _default_annotator(source: Source) -> str:
    """The annotator of verdicts that name none: the file, or the data set directory it is in."""
    path = Path(source.name)
    inside = path.parent.name in ("data", "comparisons") and path.parent.parent.name
    return path.parent.parent.name if inside else path.name


def _null(name: str) -> pl.Expr:
    return pl.lit(None).alias(name)
