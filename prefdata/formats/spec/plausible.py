"""What a format in YAML says must be able to hold for some row: checks that need no data."""

from __future__ import annotations

from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats.generic.comparisons import SIGNED
from prefdata.formats.numbers import number_of
from prefdata.formats.spec.paths import Path, slots
from prefdata.formats.spec.spec import GENERIC, HOT, FormatSpec

BOTH = {"pairs": ("chosen", "rejected"), "comparisons": ("response_a", "response_b")}
NUMERIC = "Write values: {negative: a, positive: b}: below the middle, and above it."


def check_plausible(layout: FormatSpec) -> None:
    """Hold what a layout says against itself.

    Raises:
        UsageError: as it stands, it would refuse every row, or pass something over in silence.
        UnknownNameError: ``optional`` names a field that it does not have.

    Example:
        >>> fields = {"response": "answers[]", "score": "stars"}
        >>> check_plausible(FormatSpec("mine", "ratings", "", fields, "", file="mine.yaml"))
        Traceback (most recent call last):
        prefdata.errors.UsageError: mine.yaml: fields: response is a list, but score is not
    """
    _check_paths(layout)
    _check_lists(layout)
    _check_winner(layout)
    _check_middle(layout)
    _check_weights(layout)
    _check_optional(layout)


def _check_paths(layout: FormatSpec) -> None:
    """Every path says something of its own."""
    for name, paths in layout.paths.items():
        texts = [path.text for path in paths]
        if not slots(str(layout.fields[name])) and len(set(texts)) < len(texts):
            twice = next(text for text in texts if texts.count(text) > 1)
            raise UsageError(
                f"{layout.where}: fields: {name} names {twice!r} twice", hint="Keep one of them."
            )
        if _is_template(layout, name) and (listed := next((p for p in paths if p.each), None)):
            raise UsageError(
                f"{layout.where}: fields: {name}: {listed.text!r} is a list, "
                "which a text with braces cannot hold",
                hint="Take one item, as in {turns[0]}, or name the path without braces.",
            )
    first, second = BOTH.get(layout.kind, ("", ""))
    if first and layout.fields[first] == layout.fields[second]:
        raise UsageError(
            f"{layout.where}: fields: {first} and {second} stand at the same place, "
            f"{layout.fields[first]!r}",
            hint="Each of the two responses needs a path of its own.",
        )


def _is_template(layout: FormatSpec, name: str) -> bool:
    given = layout.fields[name]
    return isinstance(given, str) and bool(slots(given))


def _check_lists(layout: FormatSpec) -> None:
    """Responses of a list have scores of their own."""
    if layout.kind != "ratings" or layout.order or not _each(layout.paths["response"]):
        return
    name = next(name for name in ("score", "rank") if name in layout.fields)
    if not _each(layout.paths[name]):
        raise UsageError(
            f"{layout.where}: fields: response is a list, but {name} is not",
            hint=f"Write the path of {name} with [], or rank the list with 'order: best-first'.",
        )


def _each(paths: tuple[Path, ...]) -> bool:
    return any(path.each for path in paths)


def _check_winner(layout: FormatSpec) -> None:
    """One way of saying who won, and values that belong to it."""
    hot = [name for name in HOT if name in layout.fields]
    if "winner" in layout.fields and hot:
        raise UsageError(
            f"{layout.where} says twice what is better: by winner and by {' and by '.join(hot)}",
            hint="Leave one of them out.",
        )
    if hot and layout.values:
        raise UsageError(
            f"{layout.where}: values: {', '.join(hot)} are 1 or 0, and have no values",
            hint="Leave 'values' out, or use winner.",
        )
    given = SIGNED & set(layout.values)
    if len(given) == 1:
        (other,) = SIGNED - given
        raise UsageError(
            f"{layout.where}: values: there is {given.pop()} but no {other}",
            hint="Say what both mean: every number is one of them, or 0.",
        )


def _check_middle(layout: FormatSpec) -> None:
    """A middle tells below from above: what numbers mean cannot be said in another way too."""
    if not layout.middle:
        return
    if "winner" not in layout.fields:
        raise UsageError(
            f"{layout.where}: middle: there is no winner that it could be taken off",
            hint="Leave 'middle' out.",
        )
    if not set(layout.values) >= SIGNED:
        raise UsageError(
            f"{layout.where}: middle: values do not say what lies below and above it", hint=NUMERIC
        )
    if odd := next((word for word in layout.values if number_of(word) is not None), ""):
        raise UsageError(
            f"{layout.where}: values: {odd} is a number, which 'middle' reads as below or above it",
            hint=f"Leave {odd} out of the values; the middle itself is a tie.",
        )


def _check_weights(layout: FormatSpec) -> None:
    """Weights that can be meant."""
    for name, weight in layout.dimensions.items():
        if weight < 0:
            raise UsageError(
                f"{layout.where}: dimensions: the weight of {name} is {weight:g}; "
                "expected 0 or more",
                hint="--weights takes a negative weight, where less of something is better.",
            )
    counting = [name for name, weight in layout.dimensions.items() if weight]
    if layout.kind == "comparisons" and len(counting) > 1:
        raise UsageError(
            f"{layout.where}: dimensions: {' and '.join(counting)} cannot both say who won",
            hint="Give one of them a weight; --weights lets several decide.",
        )
    if layout.dimensions and not counting:
        raise UsageError(
            f"{layout.where}: dimensions: no weight is above 0, so that nothing decides",
            hint=f"Write what counts, as in dimensions: {{{next(iter(layout.dimensions))}: 1}}.",
        )


def _check_optional(layout: FormatSpec) -> None:
    needed = {name for group in GENERIC[layout.kind].needs for name in group}
    for name in layout.optional:
        if name not in layout.fields:
            raise UnknownNameError("field", name, layout.fields, where=f"{layout.where}: optional")
        if name in needed:
            raise UsageError(
                f"{layout.where}: optional: {name} cannot be missing",
                hint=f"Without it, {layout.kind} say nothing. Leave it out of 'optional'.",
            )
