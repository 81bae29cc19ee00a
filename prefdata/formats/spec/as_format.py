"""Formats of the catalogue: read as a description says, or recognised only to be refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from prefdata.errors import InputError
from prefdata.formats.base import Format, FormatFacts, Match, ReadOptions
from prefdata.formats.sample import Sample
from prefdata.formats.spec.build import build_from_spec
from prefdata.formats.spec.match import SPEC_SCORE, match_spec, required_columns
from prefdata.formats.spec.spec import FormatSpec
from prefdata.formats.spec.validate import match_strictly


@dataclass(frozen=True, kw_only=True)
class SpecFormat(Format):
    """A format that is given by its description.

    Attributes:
        spec: where its fields stand.
    """

    spec: FormatSpec


def format_of(spec: FormatSpec) -> SpecFormat:
    """The format that a description gives.

    Example:
        >>> fields = {"chosen": "good", "rejected": "bad"}
        >>> format_of(FormatSpec("mine", "pairs", "a pair", fields, "good is better")).kind
        'comparisons'
    """
    return SpecFormat(
        name=spec.name,
        kind=spec.record_kind,
        summary=spec.summary,
        fields=tuple(spec.fields),
        polarity=spec.polarity,
        example=spec.example,
        match=partial(match_strictly if spec.file else match_spec, spec),
        build=partial(build_from_spec, spec),
        spec=spec,
        facts=FormatFacts(
            spec.ties,
            spec.absent,
            spec.group,
            spec.sets,
            spec.licence,
            spec.notes,
            spec.dimensions,
            required_columns(spec),
            by_name=spec.by_name,
        ),
    )


def refused_format(
    name: str,
    summary: str,
    needs: tuple[str, ...],
    refusal: str,
    sets: tuple[str, ...] = (),
    accepts: Callable[[Sample], bool] | None = None,
) -> Format:
    """A format that is recognised so that it can be refused with the reason.

    Args:
        name: what ``pref formats`` calls it.
        summary: one line: what a row is.
        needs: the columns by which it is recognised.
        refusal: why its rows are not converted, for the user.
        sets: the data sets that are written so.
        accepts: a further check of the first rows.
    """

    def match(sample: Sample, read_options: ReadOptions) -> Match | None:
        if read_options.columns or not set(needs) <= set(sample.names):
            return None
        if accepts and not accepts(sample):
            return None
        return Match(name, SPEC_SCORE + len(needs), {}, evidence=(f"it has {', '.join(needs)}",))

    def build(_frame: pl.DataFrame, _match: Match) -> pl.DataFrame:
        raise InputError(f"{name}: {refusal}", hint=f"'pref formats {name}' says what it is.")

    return Format(
        name,
        "comparisons",
        summary,
        (),
        refusal,
        {},
        match,
        build,
        FormatFacts(sets=sets, needs=needs, refusal=refusal),
    )
