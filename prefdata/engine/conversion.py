"""The main job as one call: sources in, a data set directory out, every row accounted for."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

from prefdata import __version__
from prefdata.engine.assemble import Assembled, assemble
from prefdata.engine.ingest import Recognised, ingest, one_dimension
from prefdata.engine.stream import stream
from prefdata.errors import InputError, UsageError
from prefdata.formats import Wishes, detect
from prefdata.io.dataset import SCHEMA_VERSION
from prefdata.io.read import sample
from prefdata.io.sources import Source, found
from prefdata.io.spool import Spool
from prefdata.io.staging import refuse_existing, replacing
from prefdata.io.trail import Trail
from prefdata.report.card import card
from prefdata.transforms.account import Account
from prefdata.transforms.options import Options

Progress = Callable[[str, int, int], None]
"""Is told the stage, how much of it is done, and of how much (0 where that is not known)."""

UNPACKED = {"gz": 4, "zst": 4, "": 1}
"""How many times larger a source is when it is read, to choose the number of buckets."""


LIGHT = 2
"""How many times fewer buckets records need without their texts, which are most of them."""


class Shared(TypedDict):
    """What both halves of a conversion work on."""

    spool: Spool
    trail: Trail
    account: Account


@dataclass(frozen=True)
class SourceReport:
    """What was read from one source.

    Attributes:
        name: its path, or ``stdin``.
        size: bytes on disk.
        sha256: the hash of these bytes.
        format: what it was recognised as.
        why: what was seen, a phrase each.
        polarity: which value means better.
        rows: rows read.
        outcomes: rows by outcome and reason.
    """

    name: str
    size: int
    sha256: str
    format: str
    why: tuple[str, ...]
    polarity: str
    rows: int
    outcomes: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class ConvertReport:
    """What a conversion did.

    Attributes:
        output: the data set directory.
        kind: ``"pairs"`` or ``"unpaired"``.
        sources: one report per source.
        rows_read: rows read in all.
        rows_used: of these, in a pair, merged with another row, or left over.
        rows_rejected: the others; they lie in ``rejects/``.
        outcomes: rows by outcome and reason.
        splits: rows and distinct prompts by split.
        leaks: prompts in more than one split; always 0, or the run would have failed.
        example: the first row of the data set.
        options: what was asked for.
        seconds: wall time.
    """

    output: str
    kind: str
    sources: tuple[SourceReport, ...]
    rows_read: int
    rows_used: int
    rows_rejected: int
    outcomes: Mapping[str, Mapping[str, int]]
    splits: Mapping[str, Mapping[str, int]]
    leaks: int
    example: Mapping[str, object]
    options: Mapping[str, object]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows of the data set, all splits together."""
        return sum(split["rows"] for split in self.splits.values())

    def to_dict(self) -> dict[str, object]:
        """The report as plain values that JSON can hold."""
        return asdict(self)


def convert(
    sources: Sequence[str | Path],
    output: str | Path,
    *,
    options: Options | None = None,
    wishes: Wishes | None = None,
    format: str = "",
    encoding: str = "",
    force: bool = False,
    progress: Progress | None = None,
) -> ConvertReport:
    """Convert feedback to a data set directory.

    Args:
        sources: files, globs, folders, or ``"-"`` for standard input.
        output: the directory to write; it appears when all is done, or not at all.
        options: how pairs are made.
        wishes: what the sources do not say themselves, such as which column is which.
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
    begun, options, wishes = time.monotonic(), options or Options(), wishes or Wishes()
    tell = progress or (lambda _stage, _done, _total: None)
    target = Path(output)
    refuse_existing(target, force=force, made_of="manifest.json")
    with found([str(source) for source in sources]) as files, ThreadPoolExecutor(1) as hasher:
        hashes = [hasher.submit(_sha256, each.local) for each in files]
        begun_as = _stamps(files)
        try:
            recognised = recognise(files, wishes, format, encoding)
            kind = _one_kind(recognised)
            with replacing(target) as folder:
                account, made = _run(folder, recognised, kind, options, wishes, encoding, tell)
                _refuse_changed(files, begun_as)
                reports = _source_reports(recognised, hashes, account)
                report = _report(target, kind, reports, account, made, options, wishes)
                report = _timed(report, time.monotonic() - begun)
                _write_about(folder, report)
        finally:
            for each in hashes:
                each.cancel()
    return report


def recognise(
    files: Sequence[Source], wishes: Wishes, format: str = "", encoding: str = ""
) -> list[Recognised]:
    """Recognise each source by its first rows.

    Raises:
        InputError: one of them is not of a known shape.
        UsageError: one of them can be read in two ways.
    """
    recognised = []
    for each in files:
        first = sample(each, encoding)
        detection = detect(first, wishes, name=each.name, format=format)
        recognised.append(Recognised(each, first, detection))
    return recognised


def _one_kind(recognised: Sequence[Recognised]) -> str:
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
    folder: Path,
    recognised: Sequence[Recognised],
    kind: str,
    options: Options,
    wishes: Wishes,
    encoding: str,
    tell: Progress,
) -> tuple[Account, Assembled]:
    names = [each.source.name for each in recognised]
    size = sum(e.source.local.stat().st_size * UNPACKED[e.source.packed] for e in recognised)
    gathered = any(each.detection.format.kind == "ratings" for each in recognised)
    account, trail = Account(), Trail(folder, names)
    spool = Spool(folder.parent / "spool", size if gathered else size // LIGHT, texts=gathered)
    read = 0

    def reading(rows: int) -> None:
        nonlocal read
        read += rows
        tell("reading", read, 0)

    shared = Shared(spool=spool, trail=trail, account=account)
    dimensions: set[str] = set()
    for number, each in enumerate(recognised):
        dimensions |= ingest(each, number, wishes, encoding, **shared, progress=reading)
        one_dimension(dimensions, wishes, ", ".join(names[: number + 1]))
    spool.close()
    if gathered:
        made = assemble(folder, options, **shared, progress=partial(tell, "pairing"))
    else:
        writing = partial(tell, "writing")
        made = stream(folder, kind, recognised, encoding, options, **shared, progress=writing)
    trail.close()
    shutil.rmtree(spool.folder)
    account.check(names)
    if not sum(made.rows.values()):
        raise _nothing(account, names)
    return account, made


def _nothing(account: Account, names: Sequence[str]) -> InputError:
    """No row gave a pair: say why in the order of how often."""
    why = [
        f"{count:,} of {reason!r}"
        for by_reason in account.outcomes().values()
        for reason, count in by_reason.items()
    ]
    return InputError(
        f"none of the {sum(account.read.values()):,} rows of {', '.join(names[:3])} gave a pair: "
        f"{', '.join(why[:4])}",
        hint="'pref inspect' shows how the source was read; nothing was written.",
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _source_reports(
    recognised: Sequence[Recognised], hashes: Sequence[Future[str]], account: Account
) -> tuple[SourceReport, ...]:
    return tuple(
        SourceReport(
            name=each.source.name,
            size=each.source.local.stat().st_size,
            sha256=hashes[number].result(),
            format=each.detection.format.name,
            why=each.detection.match.why,
            polarity=each.detection.match.polarity,
            rows=account.read[number],
            outcomes=account.outcomes(number),
        )
        for number, each in enumerate(recognised)
    )


def _report(
    target: Path,
    kind: str,
    reports: tuple[SourceReport, ...],
    account: Account,
    made: Assembled,
    options: Options,
    wishes: Wishes,
) -> ConvertReport:
    outcomes = account.outcomes()
    rejected = sum(outcomes.get("rejected", {}).values())
    read = sum(account.read.values())
    splits = {
        s: {"rows": made.rows[s], "prompts": made.prompts[s]} for s in made.rows if made.rows[s]
    }
    asked = {
        **asdict(options),
        "map": dict(wishes.columns),
        "winner": dict(wishes.winner),
        "label": dict(wishes.label),
        "dimension": wishes.dimension,
    }
    return ConvertReport(
        str(target),
        kind,
        reports,
        read,
        read - rejected,
        rejected,
        outcomes,
        splits,
        0,
        made.example,
        asked,
        0.0,
    )


def _timed(report: ConvertReport, seconds: float) -> ConvertReport:
    return ConvertReport(**{**report.__dict__, "seconds": round(seconds, 2)})


def _write_about(folder: Path, report: ConvertReport) -> None:
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "program": "prefdata",
        "program_version": __version__,
        **report.to_dict(),
    }
    del manifest["output"]
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(manifest), encoding="utf-8")
