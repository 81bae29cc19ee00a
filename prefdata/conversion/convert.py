"""The main job as one call: sources in, a data set directory out, every row accounted for."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypedDict

from prefdata.conversion.check_dimensions import (
    ask_which,
    check_chosen,
    check_names,
    check_rule,
    not_so_far,
)
from prefdata.conversion.conversation_groups import ConversationGroups, split_by
from prefdata.conversion.ingest import DetectedSource, ingest
from prefdata.conversion.kept_columns import chosen
from prefdata.conversion.plan import MOST_SOURCES, ConvertPlan, ConvertTotals
from prefdata.conversion.report import (
    RunReport,
    SourceReport,
    report_fields,
    source_reports,
    write_manifest_and_card,
)
from prefdata.conversion.write_bucketed import assemble
from prefdata.conversion.write_streamed import stream
from prefdata.errors import InputError, UsageError
from prefdata.formats import ReadOptions, detect
from prefdata.formats.base import Format
from prefdata.io.dataset.atomic_dir import refuse_existing, replacing
from prefdata.io.dataset.dataset_writer import dataset_schema
from prefdata.io.dataset.row_log import RowLog
from prefdata.io.readers.memory import Sources
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import Source, open_sources
from prefdata.io.store.record_store import RecordStore
from prefdata.transforms import filters
from prefdata.transforms.accounting import Account
from prefdata.transforms.mixing import match_sources
from prefdata.transforms.options import Options

Progress = Callable[[str, int, int], None]
"""Is told the stage, how much of it is done, and of how much (0 where that is not known)."""

EXPANSION = {"gz": 4, "zst": 4, "": 1}
"""How many times larger a source is when it is read, to choose the number of buckets."""


LIGHT = 2
"""How many times fewer buckets records need without their texts, which are most of them."""


class Shared(TypedDict):
    """What both halves of a conversion work on."""

    store: RecordStore
    row_log: RowLog
    account: Account


@dataclass(frozen=True)
class OverlapReport:
    """What two sources have in common, before caps and shares.

    Attributes:
        sources: their names.
        prompts: prompts that both have.
        pairs: pairs, or labelled answers, that each of them gives by itself.
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
    options: Options | None = None,
    read_options: ReadOptions | None = None,
    format: str = "",
    encoding: str = "",
    force: bool = False,
    progress: Progress | None = None,
) -> ConvertReport:
    """Convert feedback to a data set directory.

    Args:
        sources: one or several: paths, globs, folders, ``"-"`` for standard input, frames of
            Polars, pandas, PyArrow or datasets, lists of dictionaries or records.
        output: the directory to write; it appears when all is done, or not at all.
        options: how pairs are made.
        read_options: what the sources do not say themselves, such as which column is which.
        format: the format of all sources, where detection is not wanted.
        encoding: the encoding of text sources, if not UTF-8.
        force: replace a data set directory that exists.
        progress: is called now and then.

    Returns:
        The account of every row, and what was written.

    Raises:
        UsageError: the request cannot be met as it was made.
        InputError: a source cannot be used, or nothing in it gives a pair.

    Example:
        >>> report = convert(["examples/ratings.csv"], "pairs")  # doctest: +SKIP
        >>> report.rows_read == report.rows_used + report.rows_rejected  # doctest: +SKIP
        True
    """
    begun, options, read_options = (
        time.monotonic(),
        options or Options(),
        read_options or ReadOptions(),
    )
    tell = progress or (lambda _stage, _done, _total: None)
    target = Path(output)
    existing = refuse_existing(target, force=force, marker="manifest.json")
    with (
        open_sources(sources) as files,
        ThreadPoolExecutor(1) as hasher,
    ):
        hashes = [hasher.submit(each.sha256) for each in files]
        begun_as = _stamps(files)
        try:
            recognised = detect_sources(files, read_options, format, encoding, options=options)
            job = _job(recognised, options, encoding)
            check_rule(options, read_options, recognised)
            with replacing(target, existing) as folder:
                account, made = _run(folder, job, read_options, tell)
                _refuse_changed(files, begun_as)
                read = [each.result() for each in hashes]
                reports = source_reports(recognised, read, account, made.by_source)
                report = _report(target, job, reports, account, made, read_options)
                report = replace(report, seconds=round(time.monotonic() - begun, 2))
                write_manifest_and_card(folder, report)
        finally:
            for each in hashes:
                each.cancel()
    return report


def detect_sources(
    files: Sequence[Source],
    read_options: ReadOptions,
    format: str = "",
    encoding: str = "",
    others: Mapping[str, Format] | None = None,
    *,
    options: Options | None = None,
) -> list[DetectedSource]:
    """Recognise each source by its first rows, and say how it is read.

    Args:
        files: the sources.
        read_options: what they do not say themselves.
        format: the format of all of them, where detection is not wanted.
        encoding: their encoding, if not UTF-8.
        others: formats beyond the registered ones.
        options: what the split goes by, which columns are kept and which filters there are; by
            default prompts, and none.

    Raises:
        InputError: one of them is not of a known shape.
        UsageError: one of them can be read in two ways, or a filter cannot be applied to it.
        UnknownNameError: a column that is to be kept is in none of them.
    """
    options = options or Options(split_by="prompt")
    told = replace(read_options, deciding=tuple(options.rule_dimensions))
    samples = [read_sample(each, encoding) for each in files]
    detections = [
        detect(first, told, name=each.name, format=format, others=others)
        for each, first in zip(files, samples, strict=True)
    ]
    grouped = split_by(options, zip(files, detections, strict=True)) == "conversation"
    keep = chosen(options.keep, [each.names for each in samples])
    for file, detection in zip(files, detections, strict=True):
        if detection.format.kind == "unpaired":
            filters.check_answers(options.filters, file.name)
    needs = filters.needed_columns(options.filters)
    return [
        DetectedSource(file, first, found, read_options.dimension, grouped, kept, needs)
        for file, first, found, kept in zip(files, samples, detections, keep, strict=True)
    ]


def _job(recognised: Sequence[DetectedSource], options: Options, encoding: str) -> ConvertPlan:
    kind = _one_kind(recognised)
    match_sources(options, [each.source.name for each in recognised])
    keep = tuple(recognised[0].keep)
    return ConvertPlan(kind, recognised, encoding, options, dataset_schema(kind, keep=keep), keep)


def _one_kind(recognised: Sequence[DetectedSource]) -> str:
    kinds = {each.detection.format.kind == "unpaired": each for each in recognised}
    if len(kinds) > 1:
        raise UsageError(
            f"{kinds[True].source.name} holds unpaired preferences, "
            f"{kinds[False].source.name} does not",
            hint="Convert them separately: they make two kinds of data set.",
        )
    senses = {
        e.detection.match.polarity: e for e in recognised if e.detection.format.kind == "ratings"
    }
    if len(senses) > 1:
        one, other = senses.items()
        raise UsageError(
            f"in {one[1].source.name} {one[0]}, in {other[1].source.name} {other[0]}",
            hint="Convert them separately: ranks and scores cannot be compared with each other.",
        )
    return "unpaired" if True in kinds else "pairs"


def _run(
    folder: Path, job: ConvertPlan, read_options: ReadOptions, tell: Progress
) -> tuple[Account, ConvertTotals]:
    names = [each.source.name for each in job.recognised]
    grouped = job.recognised[0].grouped
    account, row_log = Account(), RowLog(folder, names)
    store = _spool(folder.parent / "spool", job)
    shared = Shared(store=store, row_log=row_log, account=account)
    with store:
        rated = _read(job, read_options, shared, tell)
    made = ConvertTotals(
        groups=ConversationGroups(store.folder / "groups", store.budget) if grouped else None
    )
    job = replace(job, schema=dataset_schema(job.kind, dimensions=rated, keep=job.keep))
    if store.texts:
        spread = frozenset(
            n for n, e in enumerate(job.recognised) if e.detection.match.multi_prompt
        )
        pairing = partial(tell, "pairing")
        assemble(folder, job, made, **shared, spread=spread, progress=pairing)
    else:
        stream(folder, job, made, **shared, progress=partial(tell, "writing"))
    row_log.close()
    made.conversations = made.groups.counted() if made.groups else Counter()
    shutil.rmtree(store.folder)
    account.check(names)
    if not sum(made.rows.values()):
        raise _nothing(account, names)
    return account, made


def _read(job: ConvertPlan, read_options: ReadOptions, shared: Shared, tell: Progress) -> bool:
    """Read all sources into the spool; whether any of them has scores by dimension."""
    read, absent = 0, ""

    def reading(rows: int) -> None:
        nonlocal read
        read += rows
        tell(f"reading{absent}", read, 0)

    dimensions: set[str] = set()
    by_row: set[str] = set()
    for number, each in enumerate(job.recognised):

        def seen(found: set[str], each: DetectedSource = each, number: int = number) -> None:
            nonlocal absent
            _ask_which(each, by_row, read_options, job, number, found)
            absent = (
                not_so_far(read_options, job.options, by_row | found) if each.rated_by_row else ""
            )

        found = ingest(each, number, job.encoding, **shared, progress=reading, seen=seen)
        dimensions |= found
        if each.rated_by_row:
            by_row.update(found)
        else:
            check_names(job.options, found, each.source.name)
    if rated := [each.source.name for each in job.recognised if each.rated_by_row]:
        # Each dimension may have a file of its own.
        check_names(job.options, by_row, ", ".join(rated[:3]))
        check_chosen(read_options, by_row, ", ".join(rated[:3]))
    return bool(dimensions)


def _ask_which(
    each: DetectedSource,
    before: set[str],
    read_options: ReadOptions,
    job: ConvertPlan,
    number: int,
    found: set[str],
) -> None:
    """Ask as soon as a second dimension is seen: what follows in the file answers no question."""
    if each.rated_by_row:
        names = ", ".join(other.source.name for other in job.recognised[: number + 1])
        ask_which(before | found, read_options, job.options, names)


def _spool(folder: Path, job: ConvertPlan) -> RecordStore:
    """Ratings need their texts on disk: those of a pair may stand anywhere in the sources."""
    size = sum(e.source.local.stat().st_size * EXPANSION[e.source.packed] for e in job.recognised)
    gathered = any(each.detection.format.kind == "ratings" for each in job.recognised)
    return RecordStore(
        folder,
        size if gathered else size // LIGHT,
        texts=gathered,
        grouped=job.recognised[0].grouped,
        keep=job.keep,
        needs=job.recognised[0].needs,
    )


def _nothing(account: Account, names: Sequence[str]) -> InputError:
    """No row gave a pair: say why in the order of how often."""
    why = [
        f"{count:,} of {reason!r}"
        for by_reason in account.outcomes().values()
        for reason, count in by_reason.items()
    ]
    commonest = next(iter(next(iter(account.outcomes().values()), {})), "")
    look = "'pref inspect' shows how the source was read and what was found; nothing was written."
    return InputError(
        f"none of the {account.rows_read.total():,} rows of {', '.join(names[:3])} gave a pair: "
        f"{', '.join(why[:4])}",
        hint=f"{filters.remedies().get(commonest, '')} {look}".lstrip(),
    )


def _stamps(files: Sequence[Source]) -> list[tuple[int, int]]:
    """Size and time of change of each source."""
    found = [each.local.stat() for each in files]
    return [(each.st_size, each.st_mtime_ns) for each in found]


def _refuse_changed(files: Sequence[Source], begun_as: Sequence[tuple[int, int]]) -> None:
    for each, before, now in zip(files, begun_as, _stamps(files), strict=True):
        if before != now:
            raise InputError(
                f"{each.name} changed while it was read; nothing was written",
                hint="Convert a copy of it, or wait until it is written.",
            )


def _report(
    target: Path,
    job: ConvertPlan,
    reports: tuple[SourceReport, ...],
    account: Account,
    made: ConvertTotals,
    read_options: ReadOptions,
) -> ConvertReport:
    asked = {
        **job.options.to_dict(),
        "map": dict(read_options.columns),
        "winner": dict(read_options.winner),
        "label": dict(read_options.label),
        "dimension": read_options.dimension,
    }
    return ConvertReport(
        **report_fields(account, made, grouped=job.recognised[0].grouped),
        output=str(target),
        kind=job.kind,
        sources=reports,
        leaks=0,
        dimensions={name: found._asdict() for name, found in sorted(made.dimensions.items())},
        overlap=_overlap(job, made),
        options=asked,
        seconds=0.0,
    )


def _overlap(job: ConvertPlan, made: ConvertTotals) -> tuple[OverlapReport, ...] | None:
    if len(job.recognised) > MOST_SOURCES:
        return None
    return tuple(
        OverlapReport((job.names[one], job.names[other]), *common)
        for (one, other), common in sorted(made.overlap.items())
    )
