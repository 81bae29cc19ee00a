"""The first half of a conversion: rows of every source to records on disk, or to the rejects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl

from prefdata.conversion.kept_columns import with_kept
from prefdata.formats import Detection, Sample
from prefdata.formats.base import build_records
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.readers.chunks import PARSERS, Chunk, Offset, Piece, collect_chunks
from prefdata.io.readers.json_types import passed_on_field
from prefdata.io.readers.reader import parse_pieces, read_pieces
from prefdata.io.readers.sources import Source
from prefdata.io.store.record_store import IDS, RecordStore
from prefdata.records import reasons
from prefdata.records.ids import content_ids, conversation_ids, scoped
from prefdata.transforms.accounting import Account
from prefdata.transforms.filter_columns import with_measures
from prefdata.transforms.row_outcomes import REJECTS, as_outcomes, best_by_row

Result = TypeVar("Result")

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
    """A source, its first rows, what it was recognised as, and how it is read.

    Attributes:
        source: the file.
        sample: its first rows.
        detection: what it is.
        dimension: where rows say which dimension they are on, the one that counts; ``""`` for all.
        grouped: whether records say which conversation they belong to.
        keep: columns that records get as text, each with the column of the source that it is, or
            ``""`` where the source has none.
        needs: what filters need to know of the texts of pairs.
    """

    source: Source
    sample: Sample
    detection: Detection
    dimension: str = ""
    grouped: bool = False
    keep: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def rated_by_row(self) -> bool:
        """Whether each row is a rating that says itself which dimension it is on."""
        rated = self.detection.format.kind == "ratings"
        return rated and not self.detection.match.dimensions


def read_records(
    each: DetectedSource, number: int, encoding: str, *, ids: bool = True
) -> Iterator[tuple[Chunk, pl.DataFrame]]:
    """Read a source as records with their ids, piece by piece.

    Args:
        each: the source.
        number: its number in this run.
        encoding: its encoding, if it was named.
        ids: whether the ids of the texts are wanted.

    Yields:
        The piece as it was read, and its records; ``reason`` is null where a record is sound.
    """
    match, format = each.detection.match, each.detection.format
    scalars = {name for f in SCALARS for name in match.columns.get(f, ())}
    more = [name for name in each.keep.values() if name and name not in match.source_columns]
    raw = match.json_columns | set(more) if match.needs_all_rows else match.json_columns
    telling = {*match.columns.get("winner", ()), *match.columns.get("label", ())}
    silent = [
        n for n in (*match.source_columns, *more) if n not in telling or "" not in match.values
    ]
    cut = read_pieces(
        *(
            each.source,
            each.sample,
            [*match.source_columns, *dict.fromkeys(more)],
            scalars,
            encoding,
        ),
        raw=raw,
        fields=[passed_on_field(name, each.sample.values(name)) for name in more],
        copy=match.needs_all_rows,
    )
    if match.needs_all_rows:
        whole = collect_chunks(parse_pieces(cut), each.source.name)
        cut = iter([lambda: whole])

    def build(piece: Chunk) -> tuple[Chunk, pl.DataFrame]:
        frame = _filled(piece.frame, silent) if each.sample.text_only else piece.frame
        made = build_records(format, frame, match).with_columns(pl.col("item").fill_null(0))
        made = _by_dimension(made, each.dimension) if each.rated_by_row else made
        made = with_kept(made, frame, each.keep, raw) if each.keep else made
        return piece, _identified(made, each, number) if ids else made

    yield from _side_by_side(build, cut)


def _filled(frame: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """A table without its empty cells: nothing stands there, as where JSON has null."""
    least = frame.select(pl.col(name).str.len_bytes().min() for name in names).row(0)
    empty = [name for name, size in zip(names, least, strict=True) if size == 0]
    return frame.with_columns(
        pl.when(pl.col(name).str.len_bytes() > 0).then(name).alias(name) for name in empty
    )


def _side_by_side(work: Callable[[Chunk], Result], cut: Iterator[Piece]) -> Iterator[Result]:
    """Results in order; several pieces are worked on, and the next is cut off, meanwhile.

    What is wrong is raised in its order too: however many are at hand, the first is told.
    """
    with ThreadPoolExecutor(1) as cutter, ThreadPoolExecutor(PARSERS) as parsers:
        waiting: deque[Future[Result]] = deque()
        before = _known(Offset())
        coming = cutter.submit(next, cut, None)
        while coming.exception() is None and (piece := coming.result()) is not None:
            coming = cutter.submit(next, cut, None)
            behind: Future[Offset] = Future()
            waiting.append(parsers.submit(_in_its_place, work, piece, before, behind))
            before = behind
            if len(waiting) > PARSERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        coming.result()  # what ended the cutting, if not the source's end


def _in_its_place(
    work: Callable[[Chunk], Result], parse: Piece, before: Future[Offset], behind: Future[Offset]
) -> Result:
    """Parse a piece, wait until it is known how many rows stand before it, and work on it."""
    try:
        chunk = parse()
        place = before.result()
        behind.set_result(place.after(chunk))
    except BaseException as error:
        behind.set_exception(error)
        raise
    return work(chunk.shifted(place))


def _known(place: Offset) -> Future[Offset]:
    found: Future[Offset] = Future()
    found.set_result(place)
    return found


def _identified(made: pl.DataFrame, each: DetectedSource, number: int) -> pl.DataFrame:
    """Records with their ids, and with the place that they have among all sources."""
    kind = each.detection.format.kind
    if each.grouped:
        made = made.with_columns(conversation_ids(made["prompt"]))
    if each.needs:
        made = with_measures(made, kind, each.needs)
    made = content_ids(made, IDS[kind]).with_columns(
        pl.lit(number, pl.UInt16).alias("source"),
        pl.col("origin").fill_null(Path(each.source.name).name),
    )
    if kind == "ratings":
        return scoped(made, ranked=each.detection.match.ranked)
    return _same(made) if kind == "comparisons" else made


def _same(made: pl.DataFrame) -> pl.DataFrame:
    """Refuse pairs of one and the same response; that they tie is as it should be."""
    same = (pl.col("a_id") == pl.col("b_id")) & (pl.col("winner") != 0) & pl.col("reason").is_null()
    return made.with_columns(
        pl.when(same).then(pl.lit(reasons.IDENTICAL)).otherwise("reason").alias("reason")
    )


def _by_dimension(made: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """List the score of each rating under its dimension; off the one that counts it is no more."""
    if made["dimension"].null_count() == made.height and not dimension:
        return made
    sound = pl.col("dimension").is_not_null() & pl.col("reason").is_null()
    listed = pl.concat_list(pl.struct("dimension", "score"))
    made = made.with_columns(pl.when(sound).then(listed).alias("dimensions"))
    if not dimension:
        return made
    on_it = pl.col("dimension") == dimension
    return made.with_columns(pl.when(on_it).then("score").alias("score"))


def ingest(
    each: DetectedSource,
    number: int,
    encoding: str,
    *,
    store: RecordStore,
    row_log: RowLog,
    account: Account,
    progress: Callable[[int], None],
    seen: Callable[[set[str]], None] = lambda _found: None,
) -> set[str]:
    """Put the records of a source into the spool, and what is no record into the trail.

    Args:
        each: the source.
        number: its number in this run.
        encoding: its encoding, if it was named.
        store: takes the records.
        row_log: takes the account of every row.
        account: is told what became of each row.
        progress: is told how many rows were read, piece by piece.
        seen: is told after each piece which dimensions it has scores on so far; it may stop the
            run, so that the rest need not be read.

    Returns:
        The dimensions that it has scores on.
    """
    kind = each.detection.format.kind
    dimensions: set[str] = set(each.detection.match.dimensions)
    for piece, made in read_records(each, number, encoding):
        account.count_read(number, piece.rows)
        bad, good = (
            made.filter(pl.col("reason").is_not_null()),
            made.filter(pl.col("reason").is_null()),
        )
        dimensions |= dimension_names(good)
        seen(dimensions)
        store.put(kind, good)
        if bad.height or piece.unreadable:
            reject_rows(piece, bad, good, number, row_log, account)
        progress(piece.rows)
    return dimensions


def dimension_names(made: pl.DataFrame) -> set[str]:
    """The dimensions that records have scores on."""
    if "dimensions" not in made.columns or made["dimensions"].null_count() == made.height:
        return set()
    names = made["dimensions"].explode().struct.field("dimension")
    return set(names.unique().drop_nulls())


def reject_rows(
    piece: Chunk,
    bad: pl.DataFrame,
    good: pl.DataFrame,
    number: int,
    row_log: RowLog,
    account: Account,
) -> None:
    """Bad rows to the rejects; of a row that is good in part, only the bad entry to the ledger."""
    whole = bad.join(good.select("row").unique(), on="row", how="anti", maintain_order="left")
    left = best_by_row(_entries(whole)).filter(pl.col("outcome") == "left over")
    account.settle(left)
    whole = whole.join(left, on="row", how="anti", maintain_order="left")
    first = whole.unique("row", keep="first", maintain_order=True)
    places = piece.frame["row"].search_sorted(first["row"])
    refused = first.select("source", "row", "line", "field", "reason", "detail").with_columns(
        pl.Series("raw", [piece.raw(int(at)) for at in places], pl.String)
    )
    unreadable = pl.DataFrame(
        [(number, *each) for each in piece.unreadable], schema=REJECTS, orient="row"
    )
    refused = pl.concat(
        [
            refused.cast(REJECTS).select(list(REJECTS)),
            unreadable.cast(REJECTS).select(list(REJECTS)),
        ]
    )
    ledger = pl.concat([_entries(bad), _entries(unreadable)])
    row_log.add(ledger, refused)
    account.settle(refused.with_columns(pl.lit("rejected").alias("outcome")))


def _entries(rows: pl.DataFrame) -> pl.DataFrame:
    given = rows.with_columns(pl.lit(None, pl.String).alias("pair"))
    if "item" not in rows.columns:
        given = given.with_columns(pl.lit(0, pl.UInt32).alias("item"))
    return as_outcomes(given, rated=False)
