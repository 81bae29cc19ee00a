"""What is said of a source that no format fits: what it is, and the line that settles it."""

from __future__ import annotations

from typing import NamedTuple

from prefdata.errors import InputError, UsageError
from prefdata.formats.base import Format, ReadOptions
from prefdata.formats.generic.column_names import ALIASES, plain
from prefdata.formats.guess import Guess, guess
from prefdata.formats.leaves import Leaf, counted, leaves, listed, shown
from prefdata.formats.registry import FORMATS
from prefdata.formats.sample import Sample
from prefdata.formats.spec.as_format import SpecFormat
from prefdata.formats.spec.paths import parse_path
from prefdata.formats.unread_shapes import unread_shape

MOST_MISSES = 2
LONGEST_HINT = 1300
"""Characters up to which a hint is printed whole, so that its lines can be copied."""

SECONDARY = {
    plain(name)
    for of in ("system", "annotator", "model", "source", "dimension", "votes", "agreement")
    for name in (*ALIASES[of], of)
}
"""Columns that say neither what was asked and answered nor which answer is better."""


class NearMiss(NamedTuple):
    """A format that would fit, but for a few columns that the source lacks."""

    format: str
    missing: tuple[str, ...]


def near_misses(sample: Sample) -> tuple[NearMiss, ...]:
    """Known formats of which the source has all columns that decide, and lacks others.

    Example:
        >>> near_misses(Sample(["system", "question", "chosen"], []))
        ()
    """
    misses = []
    for each in FORMATS.values():
        missing = tuple(name for name in each.facts.needs if name not in sample.names)
        present = len(each.facts.needs) - len(missing)
        useless = each.facts.refusal or each.facts.by_name or set(missing) & _decisive(each)
        if missing and present >= 2 and present >= len(missing) and not useless:
            misses.append((present / len(each.facts.needs), present, NearMiss(each.name, missing)))
    misses.sort(key=lambda item: (-item[0], -item[1], item[2].format))
    return tuple(each for *_, each in misses[:MOST_MISSES])


def _decisive(format: Format) -> set[str]:
    """The columns without which nothing is left of a format."""
    needs = set(format.facts.needs)
    if isinstance(format, SpecFormat) and not format.spec.is_prepared:
        others = {parse_path(each).column for each in format.spec.needs}
        read = {path.column for paths in format.spec.paths.values() for path in paths}
        return needs - (others - read) - {name for name in needs if plain(name) in SECONDARY}
    return {name for name in needs if plain(name) not in SECONDARY}


def no_match_error(
    sample: Sample, read_options: ReadOptions, name: str, only: Format | None
) -> InputError:
    """The error for a source that no format fits.

    Args:
        sample: its first rows.
        read_options: the user's options for reading it.
        name: the source.
        only: the one format that was tried, if the user named it.
    """
    missing = [each for each in only.facts.needs if each not in sample.names] if only else []
    if only and missing:
        return InputError(
            f"{name} is not {only.name}: it has no column {listed(missing)}",
            hint=f"Its columns are {listed(sample.names)}. Leave --format out to have it "
            "recognised, or describe it in a YAML file.",
        )
    options = [n for n in ("winner", "label") if getattr(read_options, n)] + ["map"] * bool(
        read_options.columns
    )
    if only and only.facts.needs and options:
        return UsageError(
            f"the format {only.name} says itself what its columns and values mean",
            hint=f"Leave --{options[0]} out, or --format.",
        )
    if read_options.columns:
        return UsageError(
            f"no format has the fields {', '.join(read_options.columns)} and what else it needs "
            f"in {name} (columns: {listed(sample.names)})",
            hint="'pref formats' lists the fields of each format.",
        )
    return _unknown_shape(sample, name)


def _unknown_shape(sample: Sample, name: str) -> InputError:
    places = leaves(sample)
    shape = unread_shape(sample, places, name)
    if shape:
        return InputError(f"{name} {shape.what}", hint=shape.remedy)
    nearest = "".join(
        f"It is {near.format}, if {' and '.join(near.missing)} were there. "
        for near in near_misses(sample)
    )
    best = guess(places)
    remedy = nearest + _settled_by(best) if best else ""
    return InputError(
        f"{name} is not of a known shape (columns: {listed(sample.names)})",
        hint=remedy if 0 < len(remedy) <= LONGEST_HINT else nearest + _what_is_there(places),
    )


def _settled_by(best: Guess) -> str:
    """The line, or the file, that says how to read the source."""
    unknown = ", with the right word for each '?'" if best.has_unknown else ""
    values = f"{shown(best.code.name)} holds {counted(best.code.counts)}. " if best.code else ""
    kind = "unpaired preferences" if best.kind == "unpaired" else best.kind
    if not best.nested:
        return f"{values}If it holds {kind}, say which column is which{unknown}: {best.lines}"
    return (
        f"{values}If it holds {kind}, save this as my.yaml{unknown}, and add --format my.yaml:\n"
        f"{best.lines}"
    )


def _what_is_there(places: list[Leaf]) -> str:
    """Which columns look like what, where nothing more is known."""
    kinds = {
        "texts": [leaf.path for leaf in places if leaf.holds_texts],
        "numbers": [leaf.path for leaf in places if leaf.kind == "number"],
        "words that repeat": [leaf.path for leaf in places if leaf.kind == "code"],
    }
    there = "; ".join(f"{kind} in {listed(paths, 6)}" for kind, paths in kinds.items() if paths)
    return (
        "Say which column is which, as in --map 'prompt=?,response=?,score=?', "
        "--map 'prompt=?,chosen=?,rejected=?' or --map 'prompt=?,response_a=?,response_b=?,"
        f"winner=?'{f' ({there})' if there else ''}; or where nested fields stand, in a YAML file "
        "for --format."
    )
