"""Checks that named dimensions exist, and the question where several exist and none is named."""

from __future__ import annotations

from collections.abc import Collection

from prefdata.conversion.detected_source import DetectedSource
from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats import ReadOptions
from prefdata.transforms.options import Options


def check_rule(
    options: Options, read_options: ReadOptions, sources: Collection[DetectedSource]
) -> None:
    """Check the options against what is known of the sources before they are read.

    Raises:
        UsageError: a source has no scores by dimension, or two options would both decide.
        UnknownNameError: a dimension is in no row of a source.
    """
    if read_options.dimension and options.rule:
        raise UsageError(
            f"--dimension and --{options.rule} cannot both decide which is better",
            hint="Choose one of them; --veto goes with each.",
        )
    for each in sources:
        match = each.detection.match
        named_by_rows = {"dimension", "dimensions"} & set(match.columns)
        if not named_by_rows:
            check_names(options, set(match.dimensions), each.source.name)


def check_names(options: Options, dimensions: Collection[str], name: str) -> None:
    """Check that a source has the dimensions that the options name.

    Raises:
        UsageError: it has none.
        UnknownNameError: it has not all of them.
    """
    option = options.rule or ("veto" if options.veto else "")
    if option and not dimensions:
        raise UsageError(
            f"{name} has no scores by dimension, which --{option} needs",
            hint="Name the column that says which dimension a rating is on, as in "
            "--map dimension=aspect, or convert this source by itself.",
        )
    for dimension in options.all_dimensions:
        if dimension not in dimensions:
            raise UnknownNameError("dimension", dimension, sorted(dimensions), where=name)


def check_chosen(read_options: ReadOptions, dimensions: Collection[str], name: str) -> None:
    """Check that rows are on the one dimension that counts.

    Raises:
        UnknownNameError: no row is on it.
    """
    chosen = read_options.dimension
    if chosen and dimensions and chosen not in dimensions:
        raise UnknownNameError("dimension", chosen, sorted(dimensions), where=name)


def missing_so_far(read_options: ReadOptions, options: Options, dimensions: Collection[str]) -> str:
    """The named dimensions that no row is on so far, for the line of progress.

    It is no error before the end: the rows may be in the order of their dimensions.

    Example:
        >>> missing_so_far(ReadOptions(dimension="saftey"), Options(), {"safety", "clarity"})
        ' (none on saftey so far, but on clarity, safety)'
    """
    names = dict.fromkeys((*filter(None, [read_options.dimension]), *options.all_dimensions))
    missing = ", ".join(name for name in names if name not in dimensions)
    present = ", ".join(sorted(dimensions)[:8])
    return f" (none on {missing} so far, but on {present})" if missing and present else ""


def ask_which(
    dimensions: Collection[str], read_options: ReadOptions, options: Options, name: str
) -> None:
    """Stop where ratings on different dimensions would count as ratings on one.

    Args:
        dimensions: the dimensions that rows are on.
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
