"""What a source is, why, and what would become of its first rows; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import polars as pl

from prefdata.conversion.check_dimensions import ask_which, check_chosen, check_names, check_rule
from prefdata.conversion.convert import detect_sources
from prefdata.conversion.ingest import DetectedSource, dimension_names, read_records
from prefdata.formats import ReadOptions
from prefdata.io.dataset.dataset_writer import dataset_schema, first_row
from prefdata.io.readers.memory import Sources
from prefdata.io.readers.sources import open_sources
from prefdata.io.store.record_store import SCHEMAS
from prefdata.records.frames import as_messages
from prefdata.transforms import make_pairs, make_unpaired
from prefdata.transforms.dimensions import win_loss_counts
from prefdata.transforms.filter_columns import measured_schema
from prefdata.transforms.make_pairs import PairResult
from prefdata.transforms.mixing import match_sources
from prefdata.transforms.options import Options
from prefdata.transforms.pair_texts import with_texts
from prefdata.transforms.row_outcomes import LEFT_OVER, best_by_row


@dataclass(frozen=True)
class Problem:
    """Rows that give no record, for one reason.

    Attributes:
        reason: why.
        field: the column at fault, or ``""``.
        rows: how many.
        lines: the first lines that they stand on.
        detail: what was found in the first of them, or ``""``.
    """

    reason: str
    field: str
    rows: int
    lines: tuple[int, ...]
    detail: str


@dataclass(frozen=True)
class Inspection:
    """What a source is.

    Attributes:
        name: its path, or ``stdin``.
        kind: how its bytes are laid out, such as ``csv``.
        names: its columns.
        format: what it was recognised as.
        why: what was seen, a phrase each.
        polarity: which value means better.
        columns: field to the columns that would fill it.
        unused: columns that would not be used.
        runner_up: the format that came second, or ``""``.
        near: known formats that it would be with a few more columns, and which.
        rows: how many rows were looked at: all, or a first piece.
        outcomes: what would become of them, by outcome and reason.
        problems: rows that give no record, the most frequent reason first.
        split_by: what would stay on one side of the split: a ``prompt`` or a ``conversation``.
        dimensions: dimension to the number of pairs in which the chosen response would have the
            higher, the same and the lower score.
        example: a pair, or an unpaired preference, that the rows would give; empty if none.
    """

    name: str
    kind: str
    names: tuple[str, ...]
    format: str
    why: tuple[str, ...]
    polarity: str
    columns: Mapping[str, tuple[str, ...]]
    unused: tuple[str, ...]
    runner_up: str
    near: Mapping[str, tuple[str, ...]]
    rows: int
    outcomes: Mapping[str, Mapping[str, int]]
    problems: tuple[Problem, ...]
    split_by: str
    dimensions: Mapping[str, Mapping[str, int]]
    example: Mapping[str, object]

    def to_dict(self) -> dict[str, object]:
        """The inspection as plain values that JSON can hold."""
        return asdict(self)


def inspect(
    sources: Sources,
    *,
    options: Options | None = None,
    read_options: ReadOptions | None = None,
    format: str = "",
    encoding: str = "",
) -> list[Inspection]:
    """Say what sources are, by their first rows.

    Args:
        sources: one or several: paths, globs, folders, ``"-"`` for standard input, frames of
            Polars, pandas, PyArrow or datasets, lists of dictionaries or records.
        options: how pairs would be made.
        read_options: what the sources do not say themselves.
        format: the format of all sources, where detection is not wanted.
        encoding: the encoding of text sources, if not UTF-8.

    Returns:
        One inspection per source.

    Raises:
        UsageError: the request cannot be met as it was made.
        InputError: a source cannot be used.

    Example:
        >>> inspect(["examples/ratings.csv"])[0].format
        'ratings-long'
    """
    read_options = read_options or ReadOptions()
    options = options or Options()
    with open_sources(sources, fetch=False) as files:
        recognised = detect_sources(files, read_options, format, encoding, options=options)
        check_rule(options, read_options, recognised)
        match_sources(options, [each.name for each in files])
        alone = len(recognised) == 1
        return [
            _inspected(each, options, read_options, encoding, alone=alone) for each in recognised
        ]


def _inspected(
    each: DetectedSource, options: Options, read_options: ReadOptions, encoding: str, *, alone: bool
) -> Inspection:
    match, kind = each.detection.match, each.detection.format.kind
    piece, made = next(read_records(each, 0, encoding))
    bad = made.filter(pl.col("reason").is_not_null())
    more = [*(("group_id",) if each.grouped else ()), *each.keep]
    measured = measured_schema(kind, each.needs)
    good = made.filter(pl.col("reason").is_null()).select(*SCHEMAS[kind], *more, *measured)
    dimensions = set(match.dimensions) | dimension_names(good)
    if alone or not each.rated_by_row:
        looked_at = f"the first {piece.rows:,} rows of {each.source.name}"
        check_names(options, dimensions, looked_at)
        check_chosen(read_options, dimensions if each.rated_by_row else (), looked_at)
    if each.rated_by_row:
        ask_which(dimensions, read_options, options, each.source.name)
    result, rows = _decided(good, kind, more, each, options)
    whole = bad.join(good, on="row", how="anti").unique("row", keep="first", maintain_order=True)
    left = pl.col("reason").is_in(LEFT_OVER)
    unreadable = [(u.reason, u.field, u.line, u.detail) for u in piece.unreadable]
    problems = _problems(whole.filter(~left), unreadable)
    used = {*match.source_columns, *each.keep.values()}
    becomes = "unpaired" if kind == "unpaired" else "pairs"
    columns = dataset_schema(becomes, dimensions=bool(dimensions), keep=list(each.keep)).names
    runner_up = each.detection.runner_up
    return Inspection(
        each.source.name,
        each.source.kind,
        tuple(each.sample.names),
        match.format,
        match.evidence,
        match.polarity,
        match.columns,
        tuple(n for n in each.sample.names if n not in used),
        runner_up.format if runner_up else "",
        dict(each.detection.near_misses),
        piece.rows,
        _outcomes(result.outcomes, whole.filter(left), problems),
        problems,
        "conversation" if each.grouped else "prompt",
        _standings(result.rows),
        _example(rows, columns),
    )


def _decided(
    good: pl.DataFrame, kind: str, more: Sequence[str], each: DetectedSource, options: Options
) -> tuple[PairResult, pl.DataFrame]:
    """What sound records give, and the rows of it with their texts."""
    if kind == "unpaired":
        result = make_unpaired.make_unpaired(good, options)
        texts = good.select(
            "prompt", *each.keep, of_row="row", of_item="item", completion="response"
        )
        return result, result.rows.join(texts, on=["of_row", "of_item"])
    columns = {name: good.schema[name] for name in more}
    frames = {
        name: pl.DataFrame(schema={**SCHEMAS[name], **columns, **measured_schema(name, each.needs)})
        for name in ("ratings", "comparisons")
    }
    frames[kind] = good
    result = make_pairs.make_pairs(frames["ratings"], frames["comparisons"], options)
    texts = with_texts(result.rows, frames["ratings"], frames["comparisons"], each.keep)
    return result, texts


def _outcomes(
    ledger: pl.DataFrame, left: pl.DataFrame, problems: Sequence[Problem]
) -> dict[str, dict[str, int]]:
    """What became of the rows, and why; the most frequent first."""
    found: dict[str, dict[str, int]] = {}
    became = best_by_row(ledger).group_by("outcome", "reason").len().sort("len", descending=True)
    for outcome, reason, count in became.rows():
        found.setdefault(outcome, {})[reason] = count
    for reason, count in left.group_by("reason", maintain_order=True).len().rows():
        found.setdefault("left over", {})[reason] = count
    for each in problems:
        rejected = found.setdefault("rejected", {})
        rejected[each.reason] = rejected.get(each.reason, 0) + each.rows
    return found


def _standings(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    if "dimensions" not in rows.columns:
        return {}
    return {name: found._asdict() for name, found in win_loss_counts(rows).items()}


def _problems(
    bad: pl.DataFrame, unreadable: list[tuple[str, str, int, str]]
) -> tuple[Problem, ...]:
    said = pl.col("field", "detail").fill_null("")
    found = [
        *bad.with_columns(said).select("reason", "field", "line", "detail").rows(),
        *unreadable,
    ]
    counts = Counter((reason, field) for reason, field, *_ in found)
    return tuple(
        Problem(
            reason,
            field,
            count,
            tuple(sorted({line for r, f, line, _ in found if (r, f) == (reason, field)})[:3]),
            next(detail for r, f, _, detail in found if (r, f) == (reason, field)),
        )
        for (reason, field), count in counts.most_common()
    )


def _example(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, object]:
    """The shortest row, so that it can be read at a glance."""
    if not rows.height:
        return {}
    texts = [
        name for name in ("prompt", "chosen", "rejected", "completion") if name in rows.columns
    ]
    rows = rows.with_columns(as_messages(rows[name]) for name in texts)
    size = pl.sum_horizontal(
        pl.col(name).list.eval(pl.element().struct.field("content").str.len_chars()).list.sum()
        for name in texts
    )
    return first_row(rows.bottom_k(1, by=size), columns)
