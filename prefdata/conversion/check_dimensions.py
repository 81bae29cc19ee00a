"""Whether the dimensions that were named are there, and which question there is where none was."""

from __future__ import annotations

from collections.abc import Collection

from prefdata.conversion.ingest import DetectedSource
from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats import ReadOptions
from prefdata.transforms.options import Options


def check_rule(
    options: Options, read_options: ReadOptions, recognised: Collection[DetectedSource]
) -> None:
    """Hold what was asked against what is known of the sources before they are read.

    Raises:
        UsageError: a source has no scores by dimension, or two options would both decide.
        UnknownNameError: a dimension is in no row of a source.
    """
    if read_options.dimension and options.rule:
        raise UsageError(
            f"--dimension and --{options.rule} cannot both decide which is better",
            hint="Choose one of them; --veto goes with each.",
        )
    for each in recognised:
        match = each.detection.match
        told_by_rows = {"dimension", "dimensions"} & set(match.columns)
        if not told_by_rows:
            check_names(options, set(match.dimensions), each.source.name)


def check_names(options: Options, found: Collection[str], name: str) -> None:
    """Hold the dimensions that were named against those that a source has.

    Raises:
        UsageError: it has none.
        UnknownNameError: it has not all of them.
    """
    asked = options.rule or ("veto" if options.veto else "")
    if asked and not found:
        raise UsageError(
            f"{name} has no scores by dimension, which --{asked} needs",
            hint="Name the column that says which dimension a rating is on, as in "
            "--map dimension=aspect, or convert this source by itself.",
        )
    for dimension in options.all_dimensions:
        if dimension not in found:
            raise UnknownNameError("dimension", dimension, sorted(found), where=name)


def check_chosen(read_options: ReadOptions, found: Collection[str], name: str) -> None:
    """Hold the one dimension that counts against those that rows are on.

    Raises:
        UnknownNameError: no row is on it.
    """
    if read_options.dimension and found and read_options.dimension not in found:
        raise UnknownNameError("dimension", read_options.dimension, sorted(found), where=name)


def not_so_far(read_options: ReadOptions, options: Options, found: Collection[str]) -> str:
    """Which of the dimensions that were named no row was on so far, for the line of progress.

    It is no error before the end: the rows may be in the order of their dimensions.

    Example:
        >>> not_so_far(ReadOptions(dimension="saftey"), Options(), {"safety", "clarity"})
        ' (none on saftey so far, but on clarity, safety)'
    """
    named = dict.fromkeys((*filter(None, [read_options.dimension]), *options.all_dimensions))
    absent = ", ".join(name for name in named if name not in found)
    there = ", ".join(sorted(found)[:8])
    return f" (none on {absent} so far, but on {there})" if absent and there else ""


def ask_which(
    dimensions: Collection[str], read_options: ReadOptions, options: Options, name: str
) -> None:
    """Stop where ratings of different things would be taken for ratings of one.

    Args:
        dimensions: those that rows are on.
        read_options: may say which one counts.
        options: may say how they decide together.
        name: the source or sources, for the message.

    Raises:
        UsageError: there are several, and nothing says how they decide.
    """
    if len(dimensions) < 2 or read_options.dimension or options.rule:
        return
    first, second = sorted(dimensions)[:2]
    raise UsageError(
        f"{name} has ratings on several dimensions: {', '.join(sorted(dimensions)[:8])}",
        hint=f"Say what decides: one of them (--dimension {first}), their weighted mean "
        f"(--weights {first}=0.7,{second}=0.3), the first that differs "
        f"(--lexicographic {first},{second}), or only what is better on one and worse on none "
        "(--pareto).",
    )
