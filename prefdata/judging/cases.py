"""From sources to what a judge is asked about: records on disk, by bucket of prompts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from prefdata.conversion.convert import EXPANSION, Progress, detect_sources
from prefdata.conversion.ingest import DetectedSource, read_records, reject_rows
from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats import ReadOptions
from prefdata.formats.generic.responses import RESPONSES
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.readers.sources import Source
from prefdata.io.store.bucket_store import BucketStore
from prefdata.judging.comparisons import REFERENCE, compare
from prefdata.records import reasons
from prefdata.transforms.accounting import Account
from prefdata.transforms.options import Options, SplitBy

SPARED = {
    "comparisons": (reasons.NO_WINNER, reasons.UNKNOWN_WINNER, reasons.SCORES_DISAGREE),
    "ratings": (reasons.MISSING, reasons.NOT_A_NUMBER),
}
"""What may be wrong with a row that is to be judged: only its verdict, or its score."""

MEASURES = ("score", "rank", "scores", "ranks", "ranked")


@dataclass(frozen=True)
class Inputs:
    """What the sources do not say themselves, and how much of it is compared.

    Attributes:
        read_options: such as which column is which.
        format: the format of all sources, where detection is not wanted.
        encoding: the encoding of text sources, if not UTF-8.
        split_by: what stays on one side of the split; by default what the formats need.
        max_comparisons: the most comparisons among the responses to one prompt: where each two
            would be more, a tournament chooses them. None for each two.
    """

    read_options: ReadOptions = field(default_factory=ReadOptions)
    format: str = ""
    encoding: str = ""
    split_by: SplitBy = ""
    max_comparisons: int | None = None


@dataclass
class Cases:
    """What the sources hold to be judged.

    Attributes:
        recognised: the sources.
        row_log: the account of rows on disk.
        account: the account of rows by number.
        buckets: the comparisons.
        total: how many there are so far.
        expected: how many there will be, with those that tournaments draw.
        most: the most among the responses to one prompt; None for each two.
    """

    recognised: list[DetectedSource]
    row_log: RowLog
    account: Account
    buckets: BucketStore
    total: int
    expected: int
    most: int | None

    @property
    def grouped(self) -> bool:
        """Whether the split goes by conversation."""
        return self.recognised[0].grouped

    def close(self) -> None:
        """Finish the account, hold its law, and take the comparisons off the disk."""
        self.row_log.close()
        shutil.rmtree(self.buckets.frames.folder)
        self.account.check([each.source.name for each in self.recognised])


@dataclass
class Reading:
    """Takes up what is read from the sources.

    Attributes:
        buckets: take the records.
        row_log: takes the rejects.
        account: is told of every row.
        tell: is told how many rows are read.
        rows: how many these are.
    """

    buckets: BucketStore
    row_log: RowLog
    account: Account
    tell: Progress
    rows: int = 0

    def took(self, number: int, rows: int) -> None:
        """Note that rows of a source were read."""
        self.account.read_rows(number, rows)
        self.rows += rows
        self.tell("reading", self.rows, 0)


def read_cases(files: Sequence[Source], folder: Path, inputs: Inputs, tell: Progress) -> Cases:
    """Read the sources, and work out what is to be compared.

    Args:
        files: the sources.
        folder: the data set directory that is being made; cases lie beside it.
        inputs: what the sources do not say themselves.
        tell: is told how many rows are read.

    Raises:
        InputError: a source cannot be used.
        UsageError: the request cannot be met as it was made.
        UnknownNameError: a source has no column that was named.
    """
    reference, read_options = _reference(inputs.read_options)
    others = {RESPONSES.name: RESPONSES}
    options = Options(split_by=inputs.split_by)
    recognised = detect_sources(
        files, read_options, inputs.format, inputs.encoding, others, options=options
    )
    size = sum(each.local.stat().st_size * EXPANSION[each.packed] for each in files)
    row_log, account = RowLog(folder, [each.source.name for each in recognised]), Account()
    buckets = BucketStore(folder.parent / "cases", size)
    reading = Reading(buckets, row_log, account, tell)
    for number, each in enumerate(recognised):
        _gather(each, number, inputs.encoding, reference, reading)
    most = inputs.max_comparisons
    found = [compare(buckets, bucket, most) for bucket in range(len(buckets))]
    total = sum(each.made for each in found)
    expected = total + sum(each.coming for each in found)
    return Cases(recognised, row_log, account, buckets, total, expected, most)


def _reference(read_options: ReadOptions) -> tuple[str, ReadOptions]:
    """The column of reference answers, and the wishes without it: it is no field of a format."""
    columns = dict(read_options.columns)
    named = columns.pop(REFERENCE, ())
    if len(named) > 1:
        raise UsageError("a reference answer stands in one column", hint="Name one column.")
    return "".join(named), replace(read_options, columns=columns)


def _gather(
    each: DetectedSource, number: int, encoding: str, reference: str, reading: Reading
) -> None:
    """Put the records of a source into buckets, and what is no record into the trail.

    Args:
        each: the source.
        number: its number in this run.
        encoding: its encoding, if it was named.
        reference: the column that holds a reference answer, or ``""``.
        reading: takes all up.

    Raises:
        UsageError: the source holds unpaired preferences, or reference answers that are no text.
        UnknownNameError: it has no column of that name for reference answers.
    """
    kind = each.detection.format.kind
    if kind == "unpaired":
        raise UsageError(
            f"{each.source.name} holds one labelled response a row: there is nothing to compare",
            hint="Give two or more responses to each prompt.",
        )
    each = _with_reference(each, reference) if reference else each
    for piece, found in read_records(each, number, encoding):
        made = _spared(found, kind, each)
        if reference:
            said = _references(piece.frame, reference, each.source.name)
            made = made.join(said, on="row", how="left", maintain_order="left")
        else:
            made = made.with_columns(pl.lit(None, pl.String).alias(REFERENCE))
        good = made.filter(pl.col("reason").is_null()).drop("reason", "field", "detail")
        if good.height:
            reading.buckets.put(kind, good)
        bad = made.filter(pl.col("reason").is_not_null())
        if bad.height or piece.unreadable:
            reject_rows(piece, bad, good, number, reading.row_log, reading.account)
        reading.took(number, piece.rows)


def _with_reference(each: DetectedSource, reference: str) -> DetectedSource:
    """The source, read with one more column.

    Raises:
        UnknownNameError: it has no such column.
    """
    if reference not in each.sample.names:
        name = each.source.name
        raise UnknownNameError("column", reference, each.sample.names, where=name)
    match = each.detection.match
    match = replace(match, columns={**match.columns, REFERENCE: (reference,)})
    return replace(each, detection=each.detection._replace(match=match))


def _references(frame: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    """The reference answer of each row, as text."""
    if frame.schema[column].is_nested():
        raise UsageError(
            f"{name}: {column} holds lists or objects; expected reference answers as text",
            hint="Name a column that holds nothing but the text of the answer.",
        )
    return frame.select("row", pl.col(column).cast(pl.String).alias(REFERENCE))


def _spared(made: pl.DataFrame, kind: str, each: DetectedSource) -> pl.DataFrame:
    """Let rows pass whose texts are sound; two responses that are the same cannot be compared."""
    measures = [n for field in MEASURES for n in each.detection.match.columns.get(field, ())]
    spared = pl.col("reason").is_in(SPARED[kind]).fill_null(value=False)
    if kind == "ratings":
        spared &= pl.col("field").is_in(measures)
        return made.with_columns(pl.when(~spared).then("reason").alias("reason"))
    same = pl.col("a_id") == pl.col("b_id")
    judged = spared | pl.col("reason").is_null()
    kept = pl.when(~spared).then("reason")
    reason = pl.when(same & judged).then(pl.lit(reasons.IDENTICAL)).otherwise(kept)
    winner = pl.when(~spared).then("winner")
    return made.with_columns(winner.alias("winner"), reason.alias("reason"))
