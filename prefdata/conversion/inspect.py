"""What a source is, why, and what would become of its first rows; nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Unpack

import polars as pl

from prefdata.conversion.check_dimensions import ask_which, check_chosen, check_names, check_rule
from prefdata.conversion.convert_options import ConvertConfig, ConvertOptions, convert_config
from prefdata.conversion.detect_sources import detect_sources
from prefdata.conversion.detected_source import DetectedSource
from prefdata.conversion.ingest import SourceTotals, dimension_names
from prefdata.conversion.read_records import read_records
from prefdata.conversion.scales import Scales
from prefdata.conversion.source_splits import splits_in_words
from prefdata.io.dataset.dataset_writer import dataset_schema, first_row
from prefdata.io.readers.memory import Sources
from prefdata.io.readers.sources import open_sources
from prefdata.io.store.record_store import SCHEMAS
from prefdata.records.column_use import ColumnUse
from prefdata.records.frames import as_messages, extensions
from prefdata.records.notes import Note
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
        reason: the reason.
        field: the column at fault, or ``""``.
        rows: how many.
        lines: the first of their lines.
        numbers: the first of their numbers in the source, from 1.
        detail: what is wrong with the first of them, or ``""``.
    """

    reason: str
    field: str
    rows: int
    lines: tuple[int, ...]
    numbers: tuple[int, ...]
    detail: str


@dataclass(frozen=True)
class Inspection:
    """What a source is.

    Attributes:
        name: its path, or ``stdin``.
        kind: how its bytes are laid out, such as ``csv``.
        names: its columns.
        format: the name of its format.
        why: why it would be read so, a phrase each.
        polarity: which value means better.
        columns: field to the columns that would fill it.
        unused: columns that would not be used.
        runner_up: the format that came second, or ``""``.
        near: known formats that it would be with a few more columns, and which.
        rows: how many rows were inspected: all, or a first piece.
        shares_lines: whether several rows stand on one line, so that numbers tell them apart.
        outcomes: what would become of them, by outcome and reason.
        problems: rows that give no record, the most frequent reason first.
        split_by: what would stay on one side of the split: a ``prompt`` or a ``conversation``.
        own_splits: the splits that the rows say they are in, and by what; empty where they say
            none.
        dimensions: dimension to the number of pairs in which the chosen response would have the
            higher, the same and the lower score.
        example: a pair, or an unpaired preference, that the rows would give; empty if none.
        notes: what is worth knowing of the rows, those on the most rows first.
        column_uses: what would become of each column, and of each key of its messages.
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
    shares_lines: bool
    outcomes: Mapping[str, Mapping[str, int]]
    problems: tuple[Problem, ...]
    split_by: str
    own_splits: str
    dimensions: Mapping[str, Mapping[str, int]]
    example: Mapping[str, object]
    notes: tuple[Note, ...] = ()
    column_uses: tuple[ColumnUse, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The inspection as plain values that JSON can hold."""
        return asdict(self)


def inspect(sources: Sources, **options: Unpack[ConvertOptions]) -> list[Inspection]:
    """Say what sources are, by their first rows.

    Args:
        sources: one or several: paths, globs, folders, ``"-"`` for standard input, frames of
            Polars, pandas, PyArrow or datasets, lists of dictionaries or records.
        **options: as for `prefdata.convert`: what would become of the rows depends on them.

    Returns:
        One inspection per source.

    Raises:
        UsageError: the request cannot be met as it was made.
        UnknownNameError: an option names a column, a dimension or a format that does not exist.
        InputError: a source cannot be used.

    Example:
        >>> inspect("examples/ratings.csv")[0].format
        'ratings-long'
    """
    return run_inspection(sources, convert_config(options))


def run_inspection(sources: Sources, config: ConvertConfig) -> list[Inspection]:
    """Inspect sources as `inspect` does, with options that are checked already."""
    options, read_options, encoding = config.options, config.read_options, config.encoding
    with open_sources(sources, fetch=False) as files:
        detected = detect_sources(
            files, read_options, config.format, encoding, options=options, looks_at="sample"
        )
        check_rule(options, read_options, detected)
        match_sources(options, [each.name for each in files])
        return [_inspect(each, config, alone=len(detected) == 1) for each in detected]


def _inspect(each: DetectedSource, config: ConvertConfig, *, alone: bool) -> Inspection:
    match, kind = each.detection.match, each.detection.format.kind
    chunk, records = next(read_records(each, 0, config.encoding))
    if chunk.repeats.decide:
        each = replace(each, sample=replace(each.sample, repeats_prompt=True))
        chunk, records = next(read_records(each, 0, config.encoding))
    totals = SourceTotals()
    totals.add(chunk, each)
    scales = Scales(match)
    scales.add(chunk.frame, records.filter(pl.col("reason").is_null()))
    totals.notes.add(scales.notes())
    bad = records.filter(pl.col("reason").is_not_null())
    more = [*(("group_id",) if each.grouped else ()), *each.carried]
    measured = measured_schema(kind, each.needs)
    good = records.filter(pl.col("reason").is_null()).select(*SCHEMAS[kind], *more, *measured)
    dimensions = set(match.dimensions) | dimension_names(good)
    _check_dimensions(each, config, dimensions, chunk.rows, alone=alone)
    result, pairs = _pairs(good, more, each, config.options)
    whole = bad.join(good, on="row", how="anti").unique("row", keep="first", maintain_order=True)
    left_over = pl.col("reason").is_in(LEFT_OVER)
    unreadable = [(r.reason, r.field, r.line, r.detail, r.row) for r in chunk.unreadable]
    problems = _problems(whole.filter(~left_over), unreadable)
    own_splits = splits_in_words(each, totals.splits, chunk.rows)
    used = {*match.source_columns, *each.keep.values(), *([each.split_column] * bool(own_splits))}
    becomes = "unpaired" if kind == "unpaired" else "pairs"
    schema = dataset_schema(
        becomes,
        dimensions=bool(dimensions),
        extensions=extensions(good),
        keep=list(each.keep),
    )
    runner_up = each.detection.runner_up
    return Inspection(
        name=each.source.name,
        kind=each.source.kind,
        names=tuple(each.sample.names),
        format=match.format,
        why=match.evidence,
        polarity=match.polarity,
        columns=dict(match.columns),
        unused=tuple(name for name in each.sample.names if name not in used),
        runner_up=runner_up.format if runner_up else "",
        near=dict(each.detection.near_misses),
        rows=chunk.rows,
        shares_lines=chunk.frame["line"].is_duplicated().any(),
        outcomes=_outcomes(result.outcomes, whole.filter(left_over), problems),
        problems=problems,
        split_by="conversation" if each.grouped else "prompt",
        own_splits=own_splits,
        dimensions=_win_loss(result.rows),
        example=_example(pairs, schema.names),
        notes=(*totals.notes.sorted(), *each.claims.notes()),
        column_uses=each.columns.uses(each.split_column if own_splits else ""),
    )


def _check_dimensions(
    each: DetectedSource, config: ConvertConfig, dimensions: set[str], rows: int, *, alone: bool
) -> None:
    """Check what the options say of dimensions; of several files, each may have its own."""
    if alone or not each.rated_by_row:
        inspected = f"the first {rows:,} rows of {each.source.name}"
        check_names(config.options, dimensions, inspected)
        check_chosen(config.read_options, dimensions if each.rated_by_row else (), inspected)
    if each.rated_by_row:
        ask_which(dimensions, config.read_options, config.options, each.source.name)


def _pairs(
    good: pl.DataFrame, more: Sequence[str], each: DetectedSource, options: Options
) -> tuple[PairResult, pl.DataFrame]:
    """What sound records give, and the rows of it with their texts."""
    kind = each.detection.format.kind
    if kind == "unpaired":
        result = make_unpaired.make_unpaired(good, options)
        texts = good.select(
            "prompt", *each.carried, of_row="row", of_item="item", completion="response"
        )
        return result, result.rows.join(texts, on=["of_row", "of_item"])
    columns = {name: good.schema[name] for name in more}
    frames = {
        name: pl.DataFrame(schema={**SCHEMAS[name], **columns, **measured_schema(name, each.needs)})
        for name in ("ratings", "comparisons")
    }
    frames[kind] = good
    result = make_pairs.make_pairs(frames["ratings"], frames["comparisons"], options)
    texts = with_texts(result.rows, frames["ratings"], frames["comparisons"], each.carried)
    return result, texts


def _outcomes(
    row_outcomes: pl.DataFrame, left_over: pl.DataFrame, problems: Sequence[Problem]
) -> dict[str, dict[str, int]]:
    """What became of the rows, and why; the most frequent first."""
    outcomes: dict[str, dict[str, int]] = {}
    counts = best_by_row(row_outcomes).group_by("outcome", "reason", maintain_order=True).len()
    became = counts.sort("len", descending=True, maintain_order=True)
    for outcome, reason, count in became.rows():
        outcomes.setdefault(outcome, {})[reason] = count
    for reason, count in left_over.group_by("reason", maintain_order=True).len().rows():
        outcomes.setdefault("left over", {})[reason] = count
    for each in problems:
        rejected = outcomes.setdefault("rejected", {})
        rejected[each.reason] = rejected.get(each.reason, 0) + each.rows
    return outcomes


def _win_loss(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    if "dimensions" not in rows.columns:
        return {}
    return {name: counts._asdict() for name, counts in win_loss_counts(rows).items()}


def _problems(
    bad: pl.DataFrame, unreadable: list[tuple[str, str, int, str, int]]
) -> tuple[Problem, ...]:
    texts = pl.col("field", "detail").fill_null("")
    columns = ("reason", "field", "line", "detail", "row")
    rows = [*bad.with_columns(texts).select(columns).rows(), *unreadable]
    alike: dict[tuple[str, str], list[tuple[int, str, int]]] = defaultdict(list)
    for reason, field, *place in rows:
        alike[reason, field].append(tuple(place))
    problems = [
        Problem(
            reason,
            field,
            len(places),
            tuple(sorted({line for line, *_ in places})[:3]),
            tuple(sorted(row + 1 for *_, row in places)[:3]),
            places[0][1],
        )
        for (reason, field), places in alike.items()
    ]
    return tuple(sorted(problems, key=lambda each: -each.rows))


def _example(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, object]:
    """The shortest row, which is the quickest to read."""
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
