"""The options that several commands share, and how the library takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any, TypeVar

import click

from prefdata.errors import UsageError
from prefdata.transforms import filters
from prefdata.transforms.options import AGGREGATES, CONFLICTS, STRATEGIES

if TYPE_CHECKING:
    from prefdata.conversion.convert_options import ConvertConfig
    from prefdata.formats import ReadOptions
    from prefdata.transforms.options import Options

Command = TypeVar("Command", bound=Callable[..., object])


def format_names(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """The formats that start with the typed text, for the shell."""
    from prefdata.formats import FORMATS

    return [name for name in FORMATS if name.startswith(typed)]


def reading(command: Command) -> Command:
    """The options of every command that reads feedback."""
    for option in reversed(
        (
            click.option(
                "--map",
                "columns",
                multiple=True,
                metavar="FIELD=COLUMN,…",
                help="Which column is which; join several with +, leave one out with FIELD=.",
            ),
            click.option(
                "--winner",
                multiple=True,
                metavar="a=…,b=…,tie=…,none=…",
                help="What the winner column's values mean, none= of those without a preference; "
                "negative, positive and probability are words too.",
            ),
            click.option(
                "--label",
                multiple=True,
                metavar="true=…,false=…,none=…",
                help="What the label column's values mean, none= of those without a preference.",
            ),
            click.option(
                "--ignore",
                multiple=True,
                metavar="COLUMN,…",
                help="Leave these columns out knowingly: they are not asked about.",
            ),
            click.option(
                "--dimension", default="", metavar="NAME", help="Use the ratings of this dimension."
            ),
            click.option(
                "--format",
                "format_",
                default="",
                metavar="NAME|YAML",
                shell_complete=format_names,
                help="Do not detect: read as this format, or as a YAML file describes.",
            ),
            click.option(
                "--encoding",
                default="",
                metavar="NAME",
                help="Encoding of text files.  [default: utf-8]",
            ),
            click.option(
                "--missing",
                multiple=True,
                metavar="WORD,…",
                help="Cells that hold no value.  [default: nan, in CSV and TSV]",
            ),
        )
    ):
        command = option(command)
    return command


class FilterOption(click.Option):
    """``--filter``, which help shows where there are filters."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of help, with the names of all filters."""
        record = super().get_help_record(ctx)
        if not record or not filters.FILTERS:
            return None
        names = ", ".join(each.name for each in filters.FILTERS)
        return record[0], f"{record[1]} One or more of: {names}."


def filter_names(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """The filters that start as typed, for the shell."""
    return [each.name for each in filters.FILTERS if each.name.startswith(typed)]


PAIRING = {
    "strategy": click.option(
        "--strategy",
        default="best-worst",
        show_default=True,
        type=click.Choice(STRATEGIES),
        help="Which responses to a prompt are paired.",
    ),
    "aggregate": click.option(
        "--aggregate",
        default="mean",
        show_default=True,
        type=click.Choice(AGGREGATES),
        help="How several ratings of one response become one score.",
    ),
    "conflicts": click.option(
        "--conflicts",
        default="majority",
        show_default=True,
        type=click.Choice(CONFLICTS),
        help="What to do where verdicts on the same two responses point both ways.",
    ),
    "min_margin": click.option(
        "--min-margin",
        default=0.0,
        show_default=True,
        metavar="N",
        help="Least difference in score that makes a pair.",
    ),
    "test_size": click.option(
        "--test-size",
        type=float,
        metavar="SHARE",
        help="Split anew, with this share of prompts in the test split.  [default: 0.1]",
    ),
    "seed": click.option(
        "--seed", default=0, show_default=True, help="Seed of the split and of best-random."
    ),
    "weights": click.option(
        "--weights",
        multiple=True,
        metavar="NAME=N,…",
        help="Dimensions decide by their weighted mean; below 0, less is better.",
    ),
    "lexicographic": click.option(
        "--lexicographic",
        multiple=True,
        metavar="NAME,…",
        help="The first of these dimensions that differs decides.",
    ),
    "pareto": click.option(
        "--pareto",
        multiple=True,
        is_flag=False,
        flag_value="all",
        metavar="[NAME,…]",
        help="Only pairs that are better on one dimension and worse on none.",
    ),
    "veto": click.option(
        "--veto",
        multiple=True,
        metavar="NAME,…",
        help="Refuse pairs whose chosen response is worse on this dimension; "
        "--strategy all looks for others.",
    ),
    "filter": click.option(
        "--filter",
        "filters",
        cls=FilterOption,
        multiple=True,
        metavar="NAME[=N],…",
        shell_complete=filter_names,
        help="Refuse what these filters refuse.",
    ),
    "split": click.option(
        "--split",
        type=click.Choice(["keep", "anew"]),
        help="Keep the splits that the sources say, or split anew.  [default: keep, where all "
        "rows say one]",
    ),
    "split_by": click.option(
        "--split-by",
        type=click.Choice(["prompt", "conversation"]),
        help="What stays on one side of the split.  [default: as the format needs]",
    ),
    "keep": click.option(
        "--keep",
        multiple=True,
        metavar="COLUMN,…",
        help="Pass columns on, as keep_COLUMN; may hold * and ?.",
    ),
    "cap": click.option(
        "--cap",
        multiple=True,
        metavar="SOURCE=N,…",
        help="Take at most so many rows of a source; may hold * and ?.",
    ),
    "mix": click.option(
        "--mix",
        multiple=True,
        metavar="SOURCE=SHARE,…",
        help="Take rows of the sources in these shares.",
    ),
}
"""The options of commands that make pairs, in the order in which help lists them."""

OF_VERDICTS = (
    *("conflicts", "min_margin", "test_size", "filter", "split", "split_by"),
    *("keep", "cap", "mix"),
)
"""Those of them that go for pairs of verdicts too."""


def pairing(command: Command) -> Command:
    """The options of every command that makes pairs of what the sources say."""
    for option in reversed(PAIRING.values()):
        command = option(command)
    return command


def verdict_pairing(command: Command) -> Command:
    """The options of every command that makes pairs of verdicts."""
    for name in reversed(OF_VERDICTS):
        command = PAIRING[name](command)
    return command


def config_from(values: Mapping[str, Any]) -> ConvertConfig:
    """The options of `reading` and `pairing` as the library takes them."""
    from prefdata.conversion.convert_options import ConvertConfig

    options = dict(values)
    format, encoding = options.pop("format_"), options.pop("encoding")
    reading = {name: options.pop(name) for name in READING}
    return ConvertConfig(_pairing_from(options), read_options_from(**reading), format, encoding)


def _pairing_from(values: Mapping[str, Any]) -> Options:
    from prefdata.transforms.options import Options

    options = verdict_pairing_from(values)
    for name in ("lexicographic", "pareto", "veto"):
        options[name] = _split(values[name])
    options["weights"] = _numbers("--weights", values["weights"])
    return Options(**options)


def verdict_pairing_from(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `verdict_pairing`, and others as they are, by their names in the library."""
    options = {**values, **{name: values[name] or "" for name in ("split", "split_by")}}
    caps = _numbers("--cap", options.pop("cap"))
    return {
        **options,
        "keep": _split(values["keep"]),
        "caps": {name: int(cap) if cap.is_integer() else cap for name, cap in caps.items()},
        "mix": _numbers("--mix", values["mix"]),
        "filters": _thresholds(values["filters"]),
    }


def _split(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def _numbers(option: str, texts: Sequence[str]) -> dict[str, float]:
    """Names with a number each; a name may have an equals sign in it."""
    numbers: dict[str, float] = {}
    for part in _split(texts):
        name, equals, number = part.rpartition("=")
        name = name.strip()
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not equals or not name or isnan(value):
            raise UsageError(
                f"{option} {part!r} is not a name with a number",
                hint=f"Write it as in {option} {EXAMPLES[option]}.",
            )
        if name in numbers:
            raise UsageError(f"{option} names {name} twice", hint="Give each name one number.")
        numbers[name] = value
    return numbers


def _thresholds(texts: Sequence[str]) -> dict[str, float | None]:
    """Names of filters, each with its number; None for the filter's own."""
    parts = _split(texts)
    plain = [part for part in parts if "=" not in part]
    numbers = _numbers("--filter", [part for part in parts if "=" in part])
    _check_once("--filter", "filter", [*plain, *numbers])
    return {**dict.fromkeys(plain), **numbers}


def assigned(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """The parts of `FIELD=VALUE,…`, in their order."""
    parts = [part for text in texts for part in text.split(",") if part.strip()]
    for part in parts:
        if "=" not in part:
            raise UsageError(
                f"{option} {part!r} has no '='", hint=f"Write it as in {option} {EXAMPLES[option]}."
            )
    return [(key.strip(), value.strip()) for key, value in (part.split("=", 1) for part in parts)]


def meant(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """The parts of `MEANING=VALUE,…`, in their order; further values belong to the meaning before.

    Example:
        >>> meant("--winner", ["a=left,links,none=skip,unsure"])
        [('a', 'left'), ('a', 'links'), ('none', 'skip'), ('none', 'unsure')]
    """
    parts: list[tuple[str, str]] = []
    for text in texts:
        meaning = ""
        for part in filter(str.strip, text.split(",")):
            if "=" in part or not meaning:
                ((meaning, value),) = assigned(option, [part])
            else:
                value = part.strip()
            parts.append((meaning, value))
    return parts


LABELS = {"true": True, "false": False, "none": None}
"""What ``--label`` can say of a value."""

EXAMPLES = {
    "--map": "prompt=question,response=answer",
    "--winner": "a=1,b=2,tie=3",
    "--label": "true=good,false=bad",
    "--weights": "helpfulness=0.7,safety=0.3",
    "--cap": "'helpsteer*.jsonl=5000'",
    "--mix": "a.jsonl=0.7,b.jsonl=0.3",
    "--filter": "NAME=8",
}


READING = ("columns", "winner", "label", "dimension", "ignore", "missing")
"""The options that make `prefdata.formats.ReadOptions`, in the order in which they do."""


def read_options_from(
    columns: Sequence[str],
    winner: Sequence[str],
    label: Sequence[str],
    dimension: str,
    ignore: Sequence[str] = (),
    missing: Sequence[str] = (),
) -> ReadOptions:
    """The options of reading, with the words on the left checked."""
    from prefdata.conversion.convert_options import SIDES
    from prefdata.errors import UnknownNameError
    from prefdata.formats import ReadOptions
    from prefdata.formats.value_key import value_key

    sides, labels = meant("--winner", winner), meant("--label", label)
    for option, values, words in (
        ("--winner", sides, SIDES),
        ("--label", labels, tuple(LABELS)),
    ):
        for word, _ in values:
            if word not in words:
                raise UnknownNameError("word", word, words, where=option)
        _check_once(option, "value", [value_key(value) for _, value in values])
    mapped = assigned("--map", columns)
    _check_once("--map", "field", [field for field, _ in mapped])
    return ReadOptions(
        columns={field: tuple(filter(None, names.split("+"))) for field, names in mapped},
        winner={value: side for side, value in sides},
        label={value: LABELS[word] for word, value in labels},
        dimension=dimension,
        ignore=_split(ignore),
        missing=_split(missing) if missing else None,
    )


def _check_once(option: str, what: str, names: Sequence[str]) -> None:
    """Check that no part of an option contradicts another."""
    if duplicate := next((each for each in names if names.count(each) > 1), None):
        raise UsageError(f"{option} names the {what} {duplicate!r} twice", hint="Name it once.")


def limit_of(text: str | None) -> Callable[[int], float] | None:
    """The number of rejects that is allowed of a number of rows: a number, or percent."""
    if text is None:
        return None
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise UsageError(
            f"--max-rejects {text!r} is not a number of rows or percent", hint="Write 100 or 5%."
        )
    return (lambda rows: rows * number / 100) if text.endswith("%") else (lambda _rows: number)


def share_of(text: str | None) -> float | None:
    """The least agreement: a share, as 0.8 or 80%."""
    if text is None:
        return None
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise UsageError(f"--min-agreement {text!r} is not a share", hint="Write 0.8 or 80%.")
    return number
