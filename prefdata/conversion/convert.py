"""Conversion in one call: sources in, a data set directory out, every row accounted for."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypedDict, Unpack

from prefdata.conversion.check_dimensions import (
    ask_which,
    check_chosen,
    check_names,
    check_rule,
    missing_so_far,
)
from prefdata.conversion.conversation_groups import ConversationGroups
from prefdata.conversion.convert_options import ConvertConfig, ConvertOptions, convert_config
from prefdata.conversion.detect_sources import detect_sources
from prefdata.conversion.detected_source import DetectedSource
from prefdata.conversion.ingest import SourceTotals, ingest
from prefdata.conversion.plan import MOST_SOURCES, ConvertPlan, ConvertTotals
from prefdata.conversion.report import (
    RunReport,
    SourceReport,
    report_fields,
    source_reports,
    write_manifest_and_card,
)
from prefdata.conversion.source_splits import keep_splits
from prefdata.conversion.unrepresented import until_represented
from prefdata.conversion.write_bucketed import write_bucketed
from prefdata.conversion.write_streamed import write_streamed
from prefdata.errors import InputError, UsageError
from prefdata.formats import Sample
from prefdata.io.dataset.atomic_dir import refuse_existing, replacing
from prefdata.io.dataset.dataset_writer import dataset_schema
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.readers.memory import Sources
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import Source, open_sources
from prefdata.io.store.record_store import RecordStore
from prefdata.report.progress import Progress
from prefdata.transforms import filters
from prefdata.transforms.accounting import Account
from prefdata.transforms.mixing import match_sources

EXPANSION = {"gz": 4, "zst": 4, "": 1}
"""How many times larger a source is when it is unpacked, to choose the number of buckets."""

LIGHT = 2
"""How many times fewer buckets records need without their texts, which are most of their size."""


class Outputs(TypedDict):
    """What both halves of a conversion write to."""

    store: RecordStore
    row_log: RowLog
    account: Account


@dataclass(frozen=True)
class OverlapReport:
    """What two sources have in common, before caps and shares.

    Attributes:
        sources: their names.
        prompts: prompts that both have.
        pairs: pairs, or labelled answers, that each of them gives alone.
        contradictions: pairs that one of them gives the other way round.
    """

    sources: tuple[str, str]
    prompts: int
    pairs: int
    contradictions: int


@dataclass(frozen=True, kw_only=True)
class ConvertReport(RunReport):
    """What a conversion did: what every run reports, and more.

    Attributes:
        leaks: prompts, or conversations, in more than one split; always 0, or the run would have
            failed.
        dimensions: dimension to the number of pairs in which the chosen response has the
            ``higher``, the same (``equal``) and the ``lower`` score; pairs without both are not
            counted.
        overlap: which sources have prompts in common, and what else; None where there are too many
            sources to look.
    """

    leaks: int
    dimensions: Mapping[str, Mapping[str, int]]
    overlap: tuple[OverlapReport, ...] | None


def convert(
    sources: Sources,
    output: str | Path,
    *,
    force: bool = False,
    progress: Progress | None = None,
    **options: Unpack[ConvertOptions],
) -> ConvertReport:
    """Convert feedback to a data set directory.

    Args:
        sources: one or several: paths, globs, folders, ``"-"`` for standard input, frames of
            Polars, pandas, PyArrow or datasets, lists of dictionaries or records.
        output: the directory to write; it appears when all is done, or not at all.
        force: replace a data set directory that exists.
        progress: called with the stage, what is done of it, and the total (0 if unknown).
        **options: how sources are read and pairs are made; see
            `prefdata.conversion.convert_options.ConvertOptions`.

    Returns:
        The account of every row, and what was written.

    Raises:
        UsageError: the request cannot be met as it was made.
        UnknownNameError: an option names a column, a dimension or a format that does not exist.
        InputError: a source cannot be used, or none of its rows gives a pair.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     report = convert("examples/ratings.csv", Path(folder, "pairs"), strategy="all")
        >>> report.rows_read == report.rows_used + report.rows_rejected
        True
    """
    config = convert_config(options)
    return run_conversion(sources, output, config, force=force, progress=progress)


def run_conversion(
    sources: Sources,
    output: str | Path,
    config: ConvertConfig,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> ConvertReport:
    """Convert feedback as `convert` does, with options that are checked already."""
    start = time.monotonic()
    target = Path(output)
    existing = refuse_existing(target, force=force, marker="manifest.json")
    with open_sources(sources) as files, ThreadPoolExecutor(1) as hasher:
        hashes = [hasher.submit(each.sha256) for each in files]
        stamps = _stamps(files)
        try:
            samples = [read_sample(file, config.encoding, config.read_options) for file in files]

            def attempt(samples: Sequence[Sample]) -> ConvertReport:
                plan = _plan(files, config, samples)
                with replacing(target, existing) as folder:
                    account, totals = _run(folder, plan, progress or _no_progress)
                    _refuse_changed(files, stamps)
                    digests = [each.result() for each in hashes]
                    reports = source_reports(
                        plan.sources,
                        digests,
                        account,
                        totals.notes,
                        totals.splits,
                        by_source=totals.by_source,
                    )
                    report = _report(target, plan, reports, account, totals)
                    report = replace(report, seconds=round(time.monotonic() - start, 2))
                    write_manifest_and_card(folder, report)
                return report

            return until_represented(samples, config.encoding, attempt)
        finally:
            for each in hashes:
                each.cancel()


def _no_progress(_stage: str, _done: int, _total: int) -> None:
    """Show nothing."""


def _plan(files: Sequence[Source], config: ConvertConfig, samples: Sequence[Sample]) -> ConvertPlan:
    options, read_options = config.options, config.read_options
    sources = detect_sources(
        files,
        read_options,
        config.format,
        config.encoding,
        options=options,
        samples=samples,
        looks_at="questions",
    )
    kind = _one_kind(sources)
    match_sources(options, [each.source.name for each in sources])
    check_rule(options, read_options, sources)
    schema = dataset_schema(kind, keep=list(sources[0].keep))
    carried = sources[0].carried
    return ConvertPlan(kind, sources, config.encoding, options, read_options, schema, carried)


def _one_kind(sources: Sequence[DetectedSource]) -> str:
    kinds = {each.detection.format.kind == "unpaired": each for each in sources}
    if len(kinds) > 1:
        raise UsageError(
            f"{kinds[True].source.name} holds unpaired preferences, "
            f"{kinds[False].source.name} does not",
            hint="Convert them separately: they make two kinds of data set.",
        )
    polarities = {
        each.detection.match.polarity: each
        for each in sources
        if each.detection.format.kind == "ratings"
    }
    if len(polarities) > 1:
        one, other = polarities.items()
        raise UsageError(
            f"in {one[1].source.name} {one[0]}, in {other[1].source.name} {other[0]}",
            hint="Convert them separately: ranks and scores cannot be compared with each other.",
        )
    return "unpaired" if True in kinds else "pairs"


def _run(folder: Path, plan: ConvertPlan, progress: Progress) -> tuple[Account, ConvertTotals]:
    grouped = plan.sources[0].grouped
    account, row_log = Account(), RowLog(folder, plan.names)
    store = _record_store(folder.parent / "spool", plan)
    outputs = Outputs(store=store, row_log=row_log, account=account)
    read_groups = _groups(store, "read") if grouped and plan.may_keep_splits else None
    of_sources = [SourceTotals(read_groups) for _ in plan.sources]
    with store:
        has_dimensions = _read(plan, outputs, of_sources, progress)
    counts, notes = [each.splits for each in of_sources], tuple(each.notes for each in of_sources)
    splits = keep_splits(plan.options, plan.sources, counts, account.rows_read)
    groups = _groups(store, "groups") if grouped else None
    totals = ConvertTotals(groups=groups, notes=notes, splits=splits)
    schema = dataset_schema(
        plan.kind,
        dimensions=has_dimensions,
        extensions=store.extensions,
        keep=list(plan.sources[0].keep),
    )
    held_out = read_groups.most_held_out(splits) if read_groups and splits.keeps else None
    plan = replace(plan, schema=schema, splits=splits, groups=held_out)
    if store.texts:
        write_bucketed(folder, plan, totals, **outputs, progress=partial(progress, "pairing"))
    else:
        write_streamed(folder, plan, totals, **outputs, progress=partial(progress, "writing"))
    row_log.close()
    totals.conversations = groups.count() if groups else Counter()
    shutil.rmtree(store.folder)
    account.check(plan.names)
    if not totals.rows.total():
        raise _no_pair(account, plan.names)
    return account, totals


def _groups(store: RecordStore, name: str) -> ConversationGroups:
    return ConversationGroups(store.folder / name, store.budget)


def _read(
    plan: ConvertPlan, outputs: Outputs, totals: Sequence[SourceTotals], progress: Progress
) -> bool:
    """Read all sources into the store.

    Returns:
        Whether any of them has scores by dimension.
    """
    rows_read, warning = 0, ""

    def count_rows(rows: int) -> None:
        nonlocal rows_read
        rows_read += rows
        progress(f"reading{warning}", rows_read, 0)

    dimensions: set[str] = set()
    row_dimensions: set[str] = set()
    for number, each in enumerate(plan.sources):

        def check(names: set[str], each: DetectedSource = each, number: int = number) -> None:
            nonlocal warning
            so_far = row_dimensions | names
            warning = _check_so_far(plan, number, so_far) if each.rated_by_row else ""

        names = ingest(
            each,
            number,
            plan.encoding,
            **outputs,
            totals=totals[number],
            progress=count_rows,
            on_dimensions=check,
        )
        dimensions |= names
        if each.rated_by_row:
            row_dimensions.update(names)
        else:
            check_names(plan.options, names, each.source.name)
    if rated := [each.source.name for each in plan.sources if each.rated_by_row]:
        # Each dimension may have a file of its own.
        check_names(plan.options, row_dimensions, ", ".join(rated[:3]))
        check_chosen(plan.read_options, row_dimensions, ", ".join(rated[:3]))
    return bool(dimensions)


def _check_so_far(plan: ConvertPlan, number: int, dimensions: set[str]) -> str:
    """Ask at the second dimension: the rows that follow answer no question.

    Returns:
        What the line of progress says of dimensions that no row is on yet.
    """
    names = ", ".join(plan.names[: number + 1])
    ask_which(dimensions, plan.read_options, plan.options, names)
    return missing_so_far(plan.read_options, plan.options, dimensions)


def _record_store(folder: Path, plan: ConvertPlan) -> RecordStore:
    """Ratings are stored with their texts: the two of a pair may be anywhere in the sources."""
    size = sum(
        each.source.local.stat().st_size * EXPANSION[each.source.compression]
        for each in plan.sources
    )
    texts = any(each.detection.format.kind == "ratings" for each in plan.sources)
    return RecordStore(
        folder,
        size if texts else size // LIGHT,
        texts=texts,
        grouped=plan.sources[0].grouped,
        with_splits=plan.sources[0].with_splits,
        keep=plan.keep,
        needs=plan.sources[0].needs,
    )


def _no_pair(account: Account, names: Sequence[str]) -> InputError:
    """The error where no row gave a pair, with the reasons in the order of how often."""
    outcomes = account.outcomes()
    counts = [
        f"{count:,} of {reason!r}"
        for by_reason in outcomes.values()
        for reason, count in by_reason.items()
    ]
    commonest = next(iter(next(iter(outcomes.values()), {})), "")
    look = "'pref inspect' shows how the source was read and what was found; nothing was written."
    return InputError(
        f"none of the {account.rows_read.total():,} rows of {', '.join(names[:3])} gave a pair: "
        f"{', '.join(counts[:4])}",
        hint=f"{filters.remedies().get(commonest, '')} {look}".lstrip(),
    )


def _stamps(files: Sequence[Source]) -> list[tuple[int, int]]:
    """Size and time of change of each source."""
    stats = [each.local.stat() for each in files]
    return [(each.st_size, each.st_mtime_ns) for each in stats]


def _refuse_changed(files: Sequence[Source], stamps: Sequence[tuple[int, int]]) -> None:
    for each, before, now in zip(files, stamps, _stamps(files), strict=True):
        if before != now:
            raise InputError(
                f"{each.name} changed while it was read; nothing was written",
                hint="Convert a copy of it, or wait until it is written.",
            )


def _report(
    target: Path,
    plan: ConvertPlan,
    reports: tuple[SourceReport, ...],
    account: Account,
    totals: ConvertTotals,
) -> ConvertReport:
    options = {
        **plan.options.to_dict(),
        "map": dict(plan.read_options.columns),
        "winner": dict(plan.read_options.winner),
        "label": dict(plan.read_options.label),
        "dimension": plan.read_options.dimension,
        "ignore": list(plan.read_options.ignore),
        "missing": plan.read_options.missing,
    }
    return ConvertReport(
        **report_fields(account, totals, grouped=plan.sources[0].grouped),
        output=str(target),
        kind=plan.kind,
        sources=reports,
        leaks=0,
        dimensions={name: counts._asdict() for name, counts in sorted(totals.dimensions.items())},
        overlap=_overlap(plan, totals),
        options=options,
        seconds=0.0,
    )


def _overlap(plan: ConvertPlan, totals: ConvertTotals) -> tuple[OverlapReport, ...] | None:
    if len(plan.sources) > MOST_SOURCES:
        return None
    return tuple(
        OverlapReport((plan.names[one], plan.names[other]), *shared)
        for (one, other), shared in sorted(totals.overlap.items())
    )
