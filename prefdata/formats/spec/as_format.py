"""Formats of the catalogue: read as a layout says, or recognised only so as to be refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from prefdata.errors import InputError
from prefdata.formats.base import Format, FormatFacts, Match, ReadOptions
from prefdata.formats.sample import Sample
from prefdata.formats.spec.build import build
from prefdata.formats.spec.match import KNOWN, match, required
from prefdata.formats.spec.spec import FormatSpec
from prefdata.formats.spec.validate import fit


@dataclass(frozen=True, kw_only=True)
class SpecFormat(Format):
    """A format that reads what a layout describes.

    Attributes:
        layout: where its fields stand.
    """

    layout: FormatSpec


def format_of(layout: FormatSpec) -> SpecFormat:
    """The format that reads what a layout describes.

    Example:
        >>> made = FormatSpec(
        ...     "mine", "pairs", "a pair", {"chosen": "good", "rejected": "bad"}, "good"
        ... )
        >>> format_of(made).kind
        'comparisons'
    """
    return SpecFormat(
        name=layout.name,
        kind=layout.record_kind,
        summary=layout.summary,
        fields=tuple(layout.fields),
        polarity=layout.polarity,
        example=layout.example,
        match=partial(fit if layout.file else match, layout),
        build=partial(build, layout),
        layout=layout,
        facts=FormatFacts(
            layout.ties,
            layout.absent,
            layout.group,
            layout.sets,
            layout.licence,
            layout.notes,
            layout.dimensions,
            required(layout),
            by_name=not layout.distinct,
        ),
    )


def refused(
    name: str,
    summary: str,
    needs: tuple[str, ...],
    why: str,
    sets: tuple[str, ...] = (),
    holds: Callable[[Sample], bool] | None = None,
) -> Format:
    """A format that is recognised so that it can be refused with the reason.

    Args:
        name: what ``pref formats`` calls it.
        summary: one line: what a row is.
        needs: the columns that tell it.
        why: what the user is told.
        sets: the data sets that are written so.
        holds: a further look at the first rows.
    """

    def fits(sample: Sample, read_options: ReadOptions) -> Match | None:
        if read_options.columns or not set(needs) <= set(sample.names):
            return None
        if holds and not holds(sample):
            return None
        return Match(name, KNOWN + len(needs), {}, why=(f"it has {', '.join(needs)}",))

    def never(_frame: pl.DataFrame, _match: Match) -> pl.DataFrame:
        raise InputError(f"{name}: {why}", hint=f"'pref formats {name}' says what it is.")

    return Format(
        name,
        "comparisons",
        summary,
        (),
        why,
        {},
        fits,
        never,
        FormatFacts(sets=sets, needs=needs, refusal=why),
    )
