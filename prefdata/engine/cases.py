"""From records to the comparisons that a judge is asked about, on disk by bucket of prompts.

Two responses to one prompt are one comparison, however many rows hold them. Of rated responses, or
of a list, each two are compared.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from prefdata.engine.conversion import UNPACKED, Progress, recognise
from prefdata.engine.ingest import Recognised, read_records, refuse
from prefdata.errors import UsageError
from prefdata.formats import Wishes, reasons
from prefdata.formats.base import concatenated, stacked
from prefdata.formats.ids import hexed, joined_ids
from prefdata.formats.responses import RESPONSES
from prefdata.io.sources import Source
from prefdata.io.spool import BUCKET_BYTES, MOST_BUCKETS
from prefdata.io.trail import Trail
from prefdata.transforms.account import Account
from prefdata.transforms.votes import oriented

PART = 1024
"""Comparisons whose texts are at hand at once."""

MOST = 100
"""Responses to one prompt that are all compared with each other: 4,950 comparisons."""

SPARED = {
    "comparisons": (reasons.NO_WINNER, reasons.UNKNOWN_WINNER, reasons.SCORES_DISAGREE),
    "ratings": (reasons.MISSING, reasons.NOT_A_NUMBER),
}
"""What may be wrong with a row that is to be judged: only its verdict, or its score."""

MEASURES = ("score", "rank", "scores", "ranks", "ranked")
KEY = ["prompt_id", "x_id", "y_id"]
PLACE = ["source", "row", "line", "item"]
REFERENCE = "reference"


@dataclass(frozen=True)
class Inputs:
    """What the sources do not say themselves.

    Attributes:
        wishes: such as which column is which.
        format: the format of all sources, where detection is not wanted.
        encoding: the encoding of text sources, if not UTF-8.
    """

    wishes: Wishes = field(default_factory=Wishes)
    format: str = ""
    encoding: str = ""


@dataclass
class Cases:
    """What the sources hold to be judged.

    Attributes:
        recognised: the sources.
        trail: the account of rows on disk.
        account: the account of rows by number.
        buckets: the comparisons.
        total: how many there are.
    """

    recognised: list[Recognised]
    trail: Trail
    account: Account
    buckets: Buckets
    total: int

    def close(self) -> None:
        """Finish the account, hold its law, and take the comparisons off the disk."""
        self.trail.close()
        shutil.rmtree(self.buckets.folder)
        self.account.check([each.source.name for each in self.recognised])


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
    """
    reference, wishes = _reference(inputs.wishes)
    others = {RESPONSES.name: RESPONSES}
    recognised = recognise(files, wishes, inputs.format, inputs.encoding, others)
    size = sum(each.local.stat().st_size * UNPACKED[each.packed] for each in files)
    trail, account = Trail(folder, [each.source.name for each in recognised]), Account()
    buckets = Buckets(folder.parent / "cases", size)
    reading = _reading(tell)
    for number, each in enumerate(recognised):
        gather(
            each,
            number,
            inputs.encoding,
            reference,
            buckets=buckets,
            trail=trail,
            account=account,
            progress=reading,
        )
    total = sum(pair_up(buckets, bucket) for bucket in range(len(buckets)))
    return Cases(recognised, trail, account, buckets, total)


def _reference(wishes: Wishes) -> tuple[str, Wishes]:
    """The column of reference answers, and the wishes without it: it is no field of a format."""
    columns = dict(wishes.columns)
    named = columns.pop(REFERENCE, ())
    if len(named) > 1:
        raise UsageError("a reference answer stands in one column", hint="Name one column.")
    return "".join(named), Wishes(columns, wishes.winner, wishes.label, wishes.dimension)


def _reading(tell: Progress) -> Callable[[int], None]:
    read = 0

    def reading(rows: int) -> None:
        nonlocal read
        read += rows
        tell("reading", read, 0)

    return reading


class Buckets:
    """Frames on disk by name and bucket of prompts.

    Args:
        folder: where to keep them.
        size: the bytes that are expected; decides the number of buckets.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.bits = min(MOST_BUCKETS, max(1, size // BUCKET_BYTES)).bit_length() - 1
        self.files: dict[tuple[str, int], list[Path]] = defaultdict(list)
        folder.mkdir()

    def __len__(self) -> int:
        return 1 << self.bits

    def put(self, name: str, frame: pl.DataFrame) -> None:
        """Add rows, each to the bucket of its ``prompt_id``."""
        bucket = (
            (pl.col("prompt_id") // (1 << (128 - self.bits))).cast(pl.UInt16)
            if self.bits
            else pl.lit(0, pl.UInt16)
        )
        parts = frame.with_columns(bucket.alias("@")).partition_by(
            "@", include_key=False, as_dict=True
        )
        for key, part in parts.items():
            self.put_in(name, int(str(key[0])), part)

    def put_in(self, name: str, bucket: int, part: pl.DataFrame) -> None:
        """Add rows to a bucket."""
        files = self.files[name, bucket]
        path = self.folder / f"{name}-{bucket:04d}-{len(files):06d}.arrow"
        part.write_ipc(path, compression="uncompressed")
        files.append(path)

    def get(self, name: str, bucket: int) -> pl.DataFrame | None:
        """All rows of a bucket in the order they came, or None where there are none."""
        files = self.files.get((name, bucket), [])
        return concatenated([pl.scan_ipc(path).collect() for path in files]) if files else None

    def drop(self, name: str, bucket: int) -> None:
        """Take rows off the disk."""
        for path in self.files.pop((name, bucket), []):
            path.unlink()


def gather(
    each: Recognised,
    number: int,
    encoding: str,
    reference: str,
    *,
    buckets: Buckets,
    trail: Trail,
    account: Account,
    progress: Callable[[int], None],
) -> None:
    """Put the records of a source into buckets, and what is no record into the trail.

    Args:
        each: the source.
        number: its number in this run.
        encoding: its encoding, if it was named.
        reference: the column that holds a reference answer, or ``""``.
        buckets: takes the records.
        trail: takes the rejects.
        account: is told of every row.
        progress: is told of rows that were read.

    Raises:
        UsageError: the source holds unpaired preferences.
    """
    kind = each.detection.format.kind
    if kind == "unpaired":
        raise UsageError(
            f"{each.source.name} holds one labelled response a row: there is nothing to compare",
            hint="Give two or more responses to each prompt.",
        )
    if reference:
        match = each.detection.match
        columns = {**match.columns, REFERENCE: (reference,)}
        each = replace(
            each, detection=each.detection._replace(match=replace(match, columns=columns))
        )
    for piece, found in read_records(each, number, encoding):
        account.read_rows(number, piece.rows)
        made = _spared(found, kind, each)
        if reference:
            said = piece.frame.select("row", pl.col(reference).cast(pl.String).alias(REFERENCE))
            made = made.join(said, on="row", how="left", maintain_order="left")
        else:
            made = made.with_columns(pl.lit(None, pl.String).alias(REFERENCE))
        good = made.filter(pl.col("reason").is_null()).drop("reason", "field", "detail")
        if good.height:
            buckets.put(kind, good)
        bad = made.filter(pl.col("reason").is_not_null())
        if bad.height or piece.unread:
            refuse(piece, bad, good, number, trail, account)
        progress(piece.rows)


def _spared(made: pl.DataFrame, kind: str, each: Recognised) -> pl.DataFrame:
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


def pair_up(buckets: Buckets, bucket: int) -> int:
    """Work out the comparisons of a bucket, and which rows they come from.

    Leaves ``cases`` (one row per comparison: its id and where its texts stand) and ``links`` (one
    row per record: the comparison that it belongs to) in the bucket.

    Returns:
        How many comparisons there are.
    """
    comparisons, ratings = buckets.get("comparisons", bucket), buckets.get("ratings", bucket)
    made, links = [], []
    before = 0 if ratings is None else ratings.height
    if comparisons is not None:
        made.append(_of_comparisons(comparisons, before))
    if ratings is not None:
        made.append(_of_ratings(ratings))
    if not made:
        return 0
    both = pl.concat(made)
    one = both.group_by(KEY, maintain_order=True).agg(
        pl.exclude("said").first(), pl.col("said").filter(pl.col("said").is_not_null())
    )
    one = joined_ids(one, KEY, "id")
    one = one.with_columns(
        hexed(one["id"]), (pl.col("a_id") != pl.col("x_id")).alias("turned")
    ).with_row_index("case")
    if comparisons is not None:
        keyed = oriented(comparisons).select(*PLACE, *KEY, pl.lit(value=False).alias("rated"))
        links.append(keyed.join(one.select(*KEY, "case"), on=KEY, maintain_order="left"))
    if ratings is not None:
        links.append(_links_of_ratings(ratings, one))
    buckets.put_in("cases", bucket, one)
    buckets.put_in("links", bucket, pl.concat(links, how="diagonal"))
    return one.height


def _of_comparisons(comparisons: pl.DataFrame, before: int) -> pl.DataFrame:
    """Each comparison, with what was said of it: a is the response with the smaller id."""
    said = {1: "a", -1: "b", 0: "tie"}
    side = pl.col("side").replace_strict(said, default=None, return_dtype=pl.String)
    label = pl.struct(winner=side, annotator="annotator", strength="strength")
    at = pl.int_range(pl.len(), dtype=pl.Int64)
    n = comparisons.height
    return oriented(comparisons).select(
        *KEY,
        "a_id",
        "b_id",
        "model_a",
        "model_b",
        "origin",
        REFERENCE,
        (at + before).alias("at_prompt"),
        (at + before).alias("at_a"),
        (at + before + n).alias("at_b"),
        pl.when(pl.col("side").is_not_null()).then(label).alias("said"),
    )


def _of_ratings(ratings: pl.DataFrame) -> pl.DataFrame:
    """Every two responses to a prompt, with what their scores say."""
    distinct = (
        ratings.with_row_index("at")
        .group_by("prompt_id", "response_id", maintain_order=True)
        .agg(
            pl.col("score").mean(),
            pl.col("model", "origin", REFERENCE).drop_nulls().first(),
            pl.col("at").first().cast(pl.Int64),
        )
    )
    most = distinct.group_by("prompt_id").len()["len"].max()
    if isinstance(most, int) and most > MOST:
        raise UsageError(
            f"a prompt has {most:,} responses; all pairs of them would be "
            f"{most * (most - 1) // 2:,} comparisons (the limit is {MOST} responses)",
            hint="Judge fewer responses of each prompt.",
        )
    both = distinct.join(distinct, on="prompt_id", suffix="_y", maintain_order="left")
    both = both.filter(pl.col("response_id") < pl.col("response_id_y"))
    difference = pl.col("score") - pl.col("score_y")
    winner = (
        (pl.when(difference > 0).then(pl.lit("a")).when(difference < 0).then(pl.lit("b")))
        .when(difference == 0)
        .then(pl.lit("tie"))
    )
    label = pl.struct(winner=winner, annotator=pl.lit(None, pl.String), strength=difference.abs())
    return both.select(
        "prompt_id",
        pl.col("response_id").alias("x_id"),
        pl.col("response_id_y").alias("y_id"),
        pl.col("response_id").alias("a_id"),
        pl.col("response_id_y").alias("b_id"),
        pl.col("model").alias("model_a"),
        pl.col("model_y").alias("model_b"),
        "origin",
        REFERENCE,
        pl.col("at").alias("at_prompt"),
        pl.col("at").alias("at_a"),
        pl.col("at_y").alias("at_b"),
        pl.when(difference.is_not_null()).then(label).alias("said"),
    )


def _links_of_ratings(ratings: pl.DataFrame, one: pl.DataFrame) -> pl.DataFrame:
    """Each rating with every comparison that its response is in; null where it is in none."""
    sides = pl.concat(
        one.select("prompt_id", pl.col(side).alias("response_id"), "case")
        for side in ("x_id", "y_id")
    )
    light = ratings.select(*PLACE, "prompt_id", "response_id", pl.lit(value=True).alias("rated"))
    return light.join(sides, on=["prompt_id", "response_id"], how="left", maintain_order="left")


def parts(buckets: Buckets, bucket: int) -> Iterator[pl.DataFrame]:
    """The comparisons of a bucket with their texts, a part at a time.

    Yields:
        ``case``, ``id``, ``prompt_id``, ``a_id``, ``b_id``, ``turned`` (whether a is the second in
        the labels), ``prompt``, ``response_a``,
        ``response_b``, ``reference``, ``model_a``, ``model_b``, ``origin``, ``said``.
    """
    cases = buckets.get("cases", bucket)
    if cases is None:
        return
    comparisons, ratings = buckets.get("comparisons", bucket), buckets.get("ratings", bucket)
    prompts = [frame["prompt"] for frame in (ratings, comparisons) if frame is not None]
    texts = [] if ratings is None else [ratings["response"]]
    texts += [] if comparisons is None else [comparisons["a"], comparisons["b"]]
    prompt, response = stacked(prompts), stacked(texts)
    for part in cases.iter_slices(PART):
        yield part.drop(*KEY[1:], "at_prompt", "at_a", "at_b").with_columns(
            prompt.gather(part["at_prompt"]).alias("prompt"),
            response.gather(part["at_a"]).alias("response_a"),
            response.gather(part["at_b"]).alias("response_b"),
        )
