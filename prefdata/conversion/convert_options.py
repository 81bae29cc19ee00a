"""The options of `convert` and `inspect` by keyword, and the objects that they become inside."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Literal, TypedDict, cast

from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats import ReadOptions
from prefdata.transforms.options import (
    Aggregate,
    Conflicts,
    Options,
    SplitBy,
    SplitChoice,
    Strategy,
)

Side = Literal["a", "b", "tie", "both_bad", "none"]
SIDES: tuple[Side, ...] = ("a", "b", "tie", "both_bad", "none")
NAME_LISTS = ("lexicographic", "pareto", "veto", "keep")


class SourceOptions(TypedDict, total=False):
    """What sources do not say themselves, as in `prefdata.formats.ReadOptions`.

    Attributes:
        columns: field to its column, or to several that are joined; ``()`` leaves the field out.
        winner: value of the winner column, as text, to the side that it means; ``"none"`` where it
            carries no preference.
        label: value of the label column, as text, to what it means; None where it carries no
            preference.
        dimension: the dimension whose ratings count.
        ignore: columns that are left out knowingly, so that they are not asked about.
        format: the name of the format of all sources, or a YAML file that describes it; without it
            the format is detected.
        encoding: of text files, where it is not UTF-8.
        missing: words that stand for no value, in every kind of file; without it, in CSV only,
            ``nan`` does. An empty cell and a spreadsheet error are no value in CSV anyway.
    """

    columns: Mapping[str, str | Sequence[str]]
    winner: Mapping[str, Side]
    label: Mapping[str, bool | None]
    dimension: str
    ignore: Sequence[str]
    format: str | os.PathLike[str]
    encoding: str
    missing: Sequence[str]


class ConvertOptions(SourceOptions, total=False):
    """Every option of `prefdata.convert`; see `prefdata.transforms.options.Options` for the rest.

    Where several names are expected, one may be given as a text.
    """

    strategy: Strategy
    aggregate: Aggregate
    conflicts: Conflicts
    min_margin: float
    test_size: float | None
    seed: int
    weights: Mapping[str, float]
    lexicographic: Sequence[str]
    pareto: Sequence[str]
    veto: Sequence[str]
    split: SplitChoice
    split_by: SplitBy
    keep: Sequence[str]
    caps: Mapping[str, int]
    mix: Mapping[str, float]
    filters: Mapping[str, float | None]


@dataclass(frozen=True)
class ConvertConfig:
    """The options of a conversion, checked.

    Attributes:
        options: how pairs are made.
        read_options: what the sources do not say themselves.
        format: the format of all sources; ``""`` to detect it.
        encoding: of text files; ``""`` for UTF-8.
    """

    options: Options = field(default_factory=Options)
    read_options: ReadOptions = field(default_factory=ReadOptions)
    format: str = ""
    encoding: str = ""


def convert_config(options: ConvertOptions) -> ConvertConfig:
    """Check options and bring them to the objects that are used inside.

    Raises:
        TypeError: there is no such option.
        UsageError: a value is out of range, or two options contradict each other.
        UnknownNameError: a value is not among those that the option takes.

    Example:
        >>> config = convert_config({"strategy": "all", "columns": {"prompt": "question"}})
        >>> config.options.strategy, config.read_options.columns
        ('all', {'prompt': ('question',)})
    """
    _refuse_unknown(options)
    values = cast("dict[str, object]", options)
    pairing = {
        each.name: _names(values[each.name]) if each.name in NAME_LISTS else values[each.name]
        for each in fields(Options)
        if each.name in values
    }
    return ConvertConfig(
        Options(**pairing),  # type: ignore[arg-type]
        read_options(options),
        os.fspath(options.get("format", "")),
        options.get("encoding", ""),
    )


def read_options(options: SourceOptions) -> ReadOptions:
    """Check the options of reading.

    Raises:
        UnknownNameError: a value of the winner column means something other than a side.
        UsageError: a value of the label column means something other than true, false or None.

    Example:
        >>> read_options({"winner": {"1": "a", "2": "b"}}).winner
        {'1': 'a', '2': 'b'}
    """
    # A number is as good as its text, whatever the type says.
    winner = {str(value): side for value, side in options.get("winner", {}).items()}
    label = {str(value): meaning for value, meaning in options.get("label", {}).items()}
    for side in winner.values():
        if side not in SIDES:
            raise UnknownNameError("side", str(side), SIDES, where="winner")
    for value, meaning in label.items():
        if not (meaning is None or isinstance(meaning, bool)):
            raise UsageError(
                f"label says that {value!r} means {meaning!r}; expected True, False or None",
                hint="Write it as in label={'good': True, 'bad': False}.",
            )
    columns = {name: _names(value) for name, value in options.get("columns", {}).items()}
    ignore = _names(options.get("ignore", ()))
    missing = _names(options["missing"]) if "missing" in options else None
    dimension = options.get("dimension", "")
    return ReadOptions(columns, winner, label, dimension, ignore=ignore, missing=missing)


def _refuse_unknown(options: ConvertOptions) -> None:
    names = ConvertOptions.__annotations__
    for name in options:
        if name not in names:
            near = "".join(
                f"; did you mean {each!r}?" for each in get_close_matches(name, names, 1)
            )
            raise TypeError(f"there is no option {name!r}{near}")


def _names(value: object) -> tuple[str, ...]:
    """One name or several; an empty text is none."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(cast("Sequence[str]", value))
