"""Caps and shares: how much each source gives, chosen by a hash.

Every row has a place in one long order that its id and the seed decide. What a source may give is
the beginning of that order, so that more data, or a larger cap, takes nothing away that was there
before, as far as the numbers allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
import polars as pl
import polars_hash as plh

from prefdata.errors import UnknownNameError, UsageError
from prefdata.records import reasons
from prefdata.transforms.make_pairs import PairResult
from prefdata.transforms.options import Options
from prefdata.transforms.row_outcomes import OUTCOME

Places = Mapping[int, np.ndarray]
"""The places of the rows that each source gives."""


class Parts(NamedTuple):
    """Which sources are capped together, and which have a share together.

    Attributes:
        caps: pattern to the numbers of the sources that it fits.
        mix: the same for shares.
    """

    caps: Mapping[str, tuple[int, ...]]
    mix: Mapping[str, tuple[int, ...]]


def parts(options: Options, names: Sequence[str]) -> Parts:
    """Find the sources that caps and shares speak of.

    Args:
        options: the caps and shares.
        names: the sources.

    Raises:
        UnknownNameError: a pattern fits no source.
        UsageError: a source is meant twice, or has no share where others have one.

    Example:
        >>> parts(Options(caps={"a*": 5}), ["in/a1.jsonl", "in/a2.jsonl", "in/b.jsonl"]).caps
        {'a*': (0, 1)}
    """
    caps = _fitting("--cap", options.caps, names)
    mix = _fitting("--mix", options.mix, names)
    left = set(range(len(names))) - {each for found in mix.values() for each in found}
    if mix and left:
        raise UsageError(
            f"{names[min(left)]} has no share",
            hint="Give every source a share in --mix, or leave the source out.",
        )
    return Parts(caps, mix)


def _fitting(
    option: str, patterns: Mapping[str, float], names: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    taken: dict[int, str] = {}
    for pattern in patterns:
        fits = tuple(at for at, name in enumerate(names) if _fits(name, pattern))
        if not fits:
            short = [PurePath(name).name for name in names]
            raise UnknownNameError("source", pattern, dict.fromkeys(short), where=option)
        for at in fits:
            if at in taken:
                raise UsageError(
                    f"{names[at]} is meant by {taken[at]!r} and by {pattern!r} in {option}",
                    hint="Let each source fit one name.",
                )
            taken[at] = pattern
        found[pattern] = fits
    return found


def _fits(name: str, pattern: str) -> bool:
    """Whether a pattern is the name of a source, its last part, or a folder that it lies in."""
    path, folder = PurePath(name), pattern.rstrip("/")
    said = (name, path.name, *(str(parent) for parent in path.parents))
    return any(each == folder or fnmatchcase(each, pattern) for each in said if each != ".")


def placed(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The place of each row in the order: ``id``, ``from_source`` and ``place``.

    Args:
        rows: the rows of a data set.
        seed: another seed gives another order.
    """
    text = pl.format("mix {} {}", pl.lit(str(seed)), pl.col("id")).alias("place")
    hashed = rows.select(text).select(plh.col("place").nchash.xxh3_64())
    return rows.select("id", "from_source").hstack(hashed)


def limits(places: Places, wanted: Parts, options: Options) -> dict[int, int]:
    """The place before which the rows of a source are taken; all where a source is not named.

    Args:
        places: what each source gives; sources that give nothing may be left out.
        wanted: what `parts` found.
        options: the caps and shares.
    """
    held = {at: np.sort(found) for at, found in places.items()}
    ends: dict[int, int] = {}
    for pattern, sources in wanted.caps.items():
        _cut(held, ends, sources, int(options.caps[pattern]))
    counts = {p: sum(_count(held, at) for at in found) for p, found in wanted.mix.items()}
    total = sum(options.mix.values())
    shares = {pattern: options.mix[pattern] / total for pattern in wanted.mix}
    whole = min((counts[pattern] / share for pattern, share in shares.items()), default=0.0)
    for pattern, sources in wanted.mix.items():
        _cut(held, ends, sources, min(counts[pattern], round(shares[pattern] * whole)))
    return ends


def _count(held: Mapping[int, np.ndarray], source: int) -> int:
    return len(held.get(source, ()))


def _cut(
    held: dict[int, np.ndarray], ends: dict[int, int], sources: Sequence[int], most: int
) -> None:
    """Leave the first rows of some sources, and note where they end."""
    found = [held[at] for at in sources if at in held]
    if sum(map(len, found)) <= most:
        return
    end = np.partition(np.concatenate(found), most)[most]
    for at in sources:
        ends[at] = int(end)
        if at in held:
            held[at] = held[at][held[at] < end]


def mixed(decided: PairResult, ends: Mapping[int, int], seed: int) -> PairResult:
    """Leave over the rows that are more than a source may give.

    Args:
        decided: what a bucket gives.
        ends: what `limits` gave.
        seed: as in `placed`.
    """
    end = pl.DataFrame(
        {"from_source": list(ends), "end": list(ends.values())},
        schema={"from_source": pl.UInt16, "end": pl.UInt64},
    )
    order = placed(decided.rows, seed).join(end, on="from_source")
    gone = order.filter(pl.col("place") >= pl.col("end"))["id"]
    if not len(gone):
        return decided
    lost = pl.col("pair").is_in(gone.implode())
    used = lost & pl.col("outcome").is_in(["kept", "merged"])
    ledger = decided.ledger.with_columns(
        pl.when(used).then(pl.lit("left over", OUTCOME)).otherwise("outcome").alias("outcome"),
        pl.when(used).then(pl.lit(reasons.SURPLUS)).otherwise("reason").alias("reason"),
        pl.when(~lost.fill_null(value=False)).then("pair").alias("pair"),
    )
    rows = decided.rows.filter(~pl.col("id").is_in(gone.implode()))
    return PairResult(rows, ledger)
