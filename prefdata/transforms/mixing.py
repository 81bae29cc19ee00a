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


class SourceMatches(NamedTuple):
    """Which sources are capped together, and which have a share together.

    Attributes:
        caps: pattern to the numbers of the sources that it matches.
        mix: the same for shares.
    """

    caps: Mapping[str, tuple[int, ...]]
    mix: Mapping[str, tuple[int, ...]]


def match_sources(options: Options, names: Sequence[str]) -> SourceMatches:
    """Find the sources that the patterns of caps and shares match.

    Args:
        options: the caps and shares.
        names: the sources.

    Raises:
        UnknownNameError: a pattern matches no source.
        UsageError: two patterns match a source, or it has no share where others have one.

    Example:
        >>> match_sources(Options(caps={"a*": 5}), ["in/a1.csv", "in/a2.csv", "in/b.csv"]).caps
        {'a*': (0, 1)}
    """
    caps = _match_patterns("--cap", options.caps, names)
    mix = _match_patterns("--mix", options.mix, names)
    without_share = set(range(len(names))) - {n for numbers in mix.values() for n in numbers}
    if mix and without_share:
        raise UsageError(
            f"{names[min(without_share)]} has no share",
            hint="Give every source a share in --mix, or leave the source out.",
        )
    return SourceMatches(caps, mix)


def _match_patterns(
    option: str, patterns: Mapping[str, float], names: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    matches: dict[str, tuple[int, ...]] = {}
    pattern_of: dict[int, str] = {}
    for pattern in patterns:
        numbers = tuple(number for number, name in enumerate(names) if _fits(name, pattern))
        if not numbers:
            short = [PurePath(name).name for name in names]
            raise UnknownNameError("source", pattern, dict.fromkeys(short), where=option)
        for number in numbers:
            if number in pattern_of:
                raise UsageError(
                    f"{names[number]} is meant by {pattern_of[number]!r} and by "
                    f"{pattern!r} in {option}",
                    hint="Let each source fit one name.",
                )
            pattern_of[number] = pattern
        matches[pattern] = numbers
    return matches


def _fits(name: str, pattern: str) -> bool:
    """Whether a pattern is the name of a source, its last part, or a folder that it lies in."""
    path, folder = PurePath(name), pattern.rstrip("/")
    names = (name, path.name, *(str(parent) for parent in path.parents))
    return any(each == folder or fnmatchcase(each, pattern) for each in names if each != ".")


def place_rows(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The place of each row in the order: ``id``, ``from_source`` and ``place``.

    Args:
        rows: the rows of a data set.
        seed: another seed gives another order.
    """
    text = pl.format("mix {} {}", pl.lit(str(seed)), pl.col("id")).alias("place")
    hashed = rows.select(text).select(plh.col("place").nchash.xxh3_64())
    return rows.select("id", "from_source").hstack(hashed)


def limits(places: Places, matches: SourceMatches, options: Options) -> dict[int, int]:
    """The place at which the rows of a source end; sources that are not listed give all.

    Args:
        places: those of the rows of each source; sources without rows may be missing.
        matches: the result of `match_sources`.
        options: the caps and shares.
    """
    remaining = {source: np.sort(own) for source, own in places.items()}
    ends: dict[int, int] = {}
    for pattern, sources in matches.caps.items():
        _cut(remaining, ends, sources, int(options.caps[pattern]))
    counts = {p: sum(_count(remaining, n) for n in numbers) for p, numbers in matches.mix.items()}
    total = sum(options.mix.values())
    shares = {pattern: options.mix[pattern] / total for pattern in matches.mix}
    whole = min((counts[pattern] / share for pattern, share in shares.items()), default=0.0)
    for pattern, sources in matches.mix.items():
        _cut(remaining, ends, sources, min(counts[pattern], round(shares[pattern] * whole)))
    return ends


def _count(places: Mapping[int, np.ndarray], source: int) -> int:
    return len(places.get(source, ()))


def _cut(
    places: dict[int, np.ndarray], ends: dict[int, int], sources: Sequence[int], most: int
) -> None:
    """Keep the first rows of some sources, and record where they end."""
    own = [places[source] for source in sources if source in places]
    if sum(map(len, own)) <= most:
        return
    end = np.partition(np.concatenate(own), most)[most]
    for source in sources:
        ends[source] = int(end)
        if source in places:
            places[source] = places[source][places[source] < end]


def apply_limits(result: PairResult, ends: Mapping[int, int], seed: int) -> PairResult:
    """Remove the rows that exceed the cap or share of their source.

    Args:
        result: the rows of a bucket.
        ends: those of `limits`.
        seed: as in `place_rows`.
    """
    end = pl.DataFrame(
        {"from_source": list(ends), "end": list(ends.values())},
        schema={"from_source": pl.UInt16, "end": pl.UInt64},
    )
    order = place_rows(result.rows, seed).join(end, on="from_source")
    surplus = order.filter(pl.col("place") >= pl.col("end"))["id"]
    if not len(surplus):
        return result
    affected = pl.col("pair").is_in(surplus.implode())
    used = affected & pl.col("outcome").is_in(["kept", "merged"])
    outcomes = result.outcomes.with_columns(
        pl.when(used).then(pl.lit("left over", OUTCOME)).otherwise("outcome").alias("outcome"),
        pl.when(used).then(pl.lit(reasons.SURPLUS)).otherwise("reason").alias("reason"),
        pl.when(~affected.fill_null(value=False)).then("pair").alias("pair"),
    )
    rows = result.rows.filter(~pl.col("id").is_in(surplus.implode()))
    return PairResult(rows, outcomes)
