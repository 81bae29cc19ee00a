"""From sources to the comparisons that judges are asked about, on disk by bucket of prompts."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from prefdata.conversion.conversation_groups import ConversationGroups
from prefdata.conversion.convert import EXPANSION
from prefdata.conversion.detect_sources import detect_sources
from prefdata.conversion.detected_source import DetectedSource
from prefdata.conversion.ingest import SourceTotals, reject_rows
from prefdata.conversion.read_records import read_represented
from prefdata.conversion.source_splits import KeptSplits, keep_splits
from prefdata.conversion.unrepresented import UnrepresentedRowError, until_represented
from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats import ReadOptions, Sample
from prefdata.formats.base import RAW
from prefdata.formats.generic.responses import RESPONSES
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import Source
from prefdata.io.store.bucket_store import BucketStore
from prefdata.judging.comparisons import REFERENCE, initial_comparisons
from prefdata.judging.outcomes import remedies
from prefdata.records import reasons
from prefdata.records.frames import extensions
from prefdata.records.notes import Notes
from prefdata.report.progress import Progress
from prefdata.transforms.accounting import Account
from prefdata.transforms.mixing import match_sources
from prefdata.transforms.options import Options
from prefdata.transforms.row_outcomes import REJECTS, best_by_row
from prefdata.transforms.split import hold_out, most_held_out

TOLERATED = {
    "comparisons": (
        *(reasons.NO_WINNER, reasons.NO_PREFERENCE),
        *(reasons.UNKNOWN_WINNER, reasons.SCORES_DISAGREE),
    ),
    "ratings": (reasons.MISSING, reasons.NOT_A_NUMBER),
}
"""What may be wrong with a row that is to be judged: only its verdict, or its score."""

MEASURES = ("score", "rank", "scores", "ranks", "ranked")


@dataclass(frozen=True)
class ComparisonOptions:
    """What the sources do not say themselves, and how much of it is compared.

    Attributes:
        read_options: such as which column is which.
        format: the format of all sources, where detection is not wanted.
        encoding: the encoding of text sources, if not UTF-8.
        max_comparisons: the most comparisons among the responses to one prompt: where each two
            would be more, a tournament chooses them. None for each two.
    """

    read_options: ReadOptions = field(default_factory=ReadOptions)
    format: str = ""
    encoding: str = ""
    max_comparisons: int | None = None


@dataclass
class ComparisonStore:
    """The comparisons of some sources, on disk, and the account of every row.

    Attributes:
        sources: the sources.
        row_log: the account of rows on disk.
        account: the account of rows by number.
        buckets: the comparisons.
        total: how many there are so far.
        expected: how many there will be, with those that tournaments draw.
        max_comparisons: the most among the responses to one prompt; None for each two.
        extensions: what the records have that only some data sets have.
        splits: whether rows keep the splits of the sources.
        notes: what is worth knowing of each source.
    """

    sources: list[DetectedSource]
    row_log: RowLog
    account: Account
    buckets: BucketStore
    total: int
    expected: int
    max_comparisons: int | None
    extensions: Collection[str] = ()
    splits: KeptSplits = field(default_factory=KeptSplits)
    notes: Sequence[Notes] = ()

    @property
    def keep(self) -> list[str]:
        """The columns of the sources that are passed on, as they are called."""
        return list(self.sources[0].keep)

    @property
    def carried(self) -> list[str]:
        """The text columns that records have besides those of their kind."""
        return list(self.sources[0].carried)

    @property
    def grouped(self) -> bool:
        """Whether the split goes by conversation."""
        return self.sources[0].grouped

    def close(self) -> None:
        """Finish the account, hold its law, and take the comparisons off the disk."""
        self.row_log.close()
        shutil.rmtree(self.buckets.frames.folder)
        self.account.check([each.source.name for each in self.sources])


@dataclass
class SourceReader:
    """Takes what is read from the sources.

    Attributes:
        buckets: take the records.
        row_log: takes the rejects.
        account: counts every row.
        on_progress: called with the number of rows that were read.
        totals: take what else is to be known of each source.
        rows: this number.
        extensions: what the records have so far that only some data sets have.
    """

    buckets: BucketStore
    row_log: RowLog
    account: Account
    on_progress: Progress
    totals: Sequence[SourceTotals]
    rows: int = 0
    extensions: set[str] = field(default_factory=set)

    def count_rows(self, number: int, rows: int) -> None:
        """Note that rows of a source were read."""
        self.account.count_read(number, rows)
        self.rows += rows
        self.on_progress("reading", self.rows, 0)


def read_comparisons(
    files: Sequence[Source],
    folder: Path,
    options: ComparisonOptions,
    pairing: Options,
    on_progress: Progress,
) -> ComparisonStore:
    """Read the sources, and work out what is to be compared.

    Args:
        files: the sources.
        folder: the data set directory that is being made; the comparisons lie beside it.
        options: what the sources do not say themselves.
        pairing: what the split goes by, the columns that are passed on, caps and shares.
        on_progress: called with the number of rows that were read.

    Raises:
        InputError: a source cannot be used.
        UsageError: the request cannot be met as it was made.
        UnknownNameError: a source has no column that was named.
    """
    reference, read_options = _reference_column(options.read_options)
    samples = [read_sample(file, options.encoding, read_options) for file in files]

    def attempt(samples: Sequence[Sample]) -> ComparisonStore:
        sources = detect_sources(
            files,
            read_options,
            options.format,
            options.encoding,
            {RESPONSES.name: RESPONSES},
            options=replace(pairing, filters={}),
            samples=samples,
            looks_at="questions",
            apart=[reference] if reference else [],
        )
        match_sources(pairing, [each.source.name for each in sources])
        with _nothing_left(folder / "rows", folder / "rejects", folder.parent / "comparisons"):
            return _read_all(sources, folder, options, pairing, on_progress, reference)

    return until_represented(samples, options.encoding, attempt)


@contextmanager
def _nothing_left(*folders: Path) -> Iterator[None]:
    """Leave nothing of an attempt that did not read its sources to their end."""
    try:
        yield
    except UnrepresentedRowError:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _read_all(
    sources: list[DetectedSource],
    folder: Path,
    options: ComparisonOptions,
    pairing: Options,
    on_progress: Progress,
    reference: str,
) -> ComparisonStore:
    """Read sources whose formats are known."""
    files = [each.source for each in sources]
    size = sum(each.local.stat().st_size * EXPANSION[each.compression] for each in files)
    account = Account()
    row_log = RowLog(folder, [each.name for each in files], remedies=remedies())
    buckets = BucketStore(folder.parent / "comparisons", size)
    groups = (
        ConversationGroups(buckets.frames.folder / "read", buckets.frames.budget)
        if sources[0].grouped
        else None
    )
    totals = [SourceTotals(groups) for _ in sources]
    reader = SourceReader(buckets, row_log, account, on_progress, totals)
    for number, each in enumerate(sources):
        _read_source(each, number, options.encoding, reference, reader)
    said = [each.splits for each in totals]
    splits = keep_splits(pairing, sources, said, account.rows_read)
    ends = groups.most_held_out(splits) if groups and splits.keeps else None
    for bucket in range(len(buckets)):
        _keep_splits(bucket, splits, ends, reader)
    max_comparisons = options.max_comparisons
    counts = [
        initial_comparisons(buckets, bucket, max_comparisons) for bucket in range(len(buckets))
    ]
    total = sum(each.ready for each in counts)
    expected = total + sum(each.to_draw for each in counts)
    return ComparisonStore(
        sources,
        row_log,
        account,
        buckets,
        total,
        expected,
        max_comparisons,
        reader.extensions,
        splits,
        [each.notes for each in totals],
    )


def _reference_column(read_options: ReadOptions) -> tuple[str, ReadOptions]:
    """The column of reference answers, and the options without it: it is no field of a format."""
    columns = dict(read_options.columns)
    names = columns.pop(REFERENCE, ())
    if len(names) > 1:
        raise UsageError("a reference answer stands in one column", hint="Name one column.")
    return "".join(names), replace(read_options, columns=columns)


def _read_source(
    detected: DetectedSource, number: int, encoding: str, reference: str, reader: SourceReader
) -> None:
    """Put the records of a source into buckets, and what is no record into the rejects.

    Args:
        detected: the source.
        number: its number in this run.
        encoding: its encoding, if it was named.
        reference: the column that holds a reference answer, or ``""``.
        reader: takes them.

    Raises:
        UsageError: the source holds unpaired preferences, or reference answers that are no text.
        UnknownNameError: it has no column of that name for reference answers.
    """
    kind = detected.detection.format.kind
    if kind == "unpaired":
        raise UsageError(
            f"{detected.source.name} holds one labelled response a row: "
            "there is nothing to compare",
            hint="Give two or more responses to each prompt.",
        )
    detected = _with_reference(detected, reference) if reference else detected
    for piece, records in read_represented(detected, number, encoding):
        frame = _tolerate(records, kind, detected)
        if reference:
            references = _references(piece.frame, reference, detected.source.name)
            frame = frame.join(references, on="row", how="left", maintain_order="left")
        else:
            frame = frame.with_columns(pl.lit(None, pl.String).alias(REFERENCE))
        good = frame.filter(pl.col("reason").is_null()).drop("reason", "field", "detail")
        reader.totals[number].add(piece, detected)
        if good.height:
            reader.buckets.put(kind, good)
            reader.extensions |= extensions(good)
            reader.totals[number].add_groups(good)
        bad = frame.filter(pl.col("reason").is_not_null())
        if bad.height or piece.unreadable:
            reject_rows(piece, bad, good, number, reader.row_log, reader.account)
        reader.count_rows(number, piece.rows)


def _keep_splits(
    bucket: int, splits: KeptSplits, groups: pl.DataFrame | None, reader: SourceReader
) -> None:
    """Leave out of a bucket the records whose prompt is in a more held-out split."""
    if not splits.keeps:
        return
    frames = {kind: reader.buckets.get(kind, bucket) for kind in ("comparisons", "ratings")}
    records = {k: splits.of_records(each) for k, each in frames.items() if each is not None}
    ends = most_held_out(records.values()) if groups is None and records else groups
    if ends is None:
        return
    for kind, frame in records.items():
        stays, left_out = hold_out(frame, ends, rated=kind == "ratings")
        reader.buckets.drop(kind, bucket)
        if stays.height:
            reader.buckets.put_bucket(kind, bucket, stays)
        if left_out.height:
            reader.row_log.add(left_out, pl.DataFrame(schema=REJECTS))
            reader.account.settle(best_by_row(left_out))


def _with_reference(detected: DetectedSource, reference: str) -> DetectedSource:
    """The source, read with one more column.

    Raises:
        UnknownNameError: it has no such column.
    """
    if reference not in detected.sample.names:
        name = detected.source.name
        raise UnknownNameError("column", reference, detected.sample.names, where=name)
    match = detected.detection.match
    match = replace(match, columns={**match.columns, REFERENCE: (reference,)})
    return replace(detected, detection=detected.detection._replace(match=match))


def _references(frame: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    """The reference answer of each row, as text."""
    name_in_frame = RAW + column
    if frame.schema[name_in_frame].is_nested():
        raise UsageError(
            f"{name}: {column} holds lists or objects; expected reference answers as text",
            hint="Name a column that holds nothing but the text of the answer.",
        )
    return frame.select("row", pl.col(name_in_frame).cast(pl.String).alias(REFERENCE))


def _tolerate(records: pl.DataFrame, kind: str, detected: DetectedSource) -> pl.DataFrame:
    """Let rows pass whose texts are sound; two responses that are the same cannot be compared."""
    measures = [n for field in MEASURES for n in detected.detection.match.columns.get(field, ())]
    spared = pl.col("reason").is_in(TOLERATED[kind]).fill_null(value=False)
    if kind == "ratings":
        spared &= pl.col("field").is_in(measures)
        return records.with_columns(pl.when(~spared).then("reason").alias("reason"))
    same = pl.col("a_id") == pl.col("b_id")
    comparable = spared | pl.col("reason").is_null()
    remaining = pl.when(~spared).then("reason")
    reason = pl.when(same & comparable).then(pl.lit(reasons.IDENTICAL)).otherwise(remaining)
    winner = pl.when(~spared).then("winner")
    return records.with_columns(winner.alias("winner"), reason.alias("reason"))
