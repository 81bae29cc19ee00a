"""The options that several commands share, and what they mean to the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, TypeVar, cast

import click

from prefdata.errors import UsageError
from prefdata.transforms.options import AGGREGATES, CONFLICTS, STRATEGIES

if TYPE_CHECKING:
    from prefdata.formats import ReadOptions
    from prefdata.transforms.options import Options

Command = TypeVar("Command", bound=Callable[..., object])


def format_names(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """The formats that start as typed, for the shell."""
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
                metavar="a=…,b=…,tie=…",
                help="What the winner column's values mean; negative and positive are words too.",
            ),
            click.option(
                "--label",
                multiple=True,
                metavar="true=…,false=…",
                help="What the label column's values mean.",
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
        )
    ):
        command = option(command)
    return command


def pairing(command: Command) -> Command:
    """The options of every command that makes pairs."""
    for option in reversed(
        (
            click.option(
                "--strategy",
                default="best-worst",
                show_default=True,
                type=click.Choice(STRATEGIES),
                help="Which responses to a prompt are paired.",
            ),
            click.option(
                "--aggregate",
                default="mean",
                show_default=True,
                type=click.Choice(AGGREGATES),
                help="How several ratings of one response become one score.",
            ),
            click.option(
                "--conflicts",
                default="majority",
                show_default=True,
                type=click.Choice(CONFLICTS),
                help="What to do where verdicts on the same two responses point both ways.",
            ),
            click.option(
                "--min-margin",
                default=0.0,
                show_default=True,
                metavar="N",
                help="Least difference in score that makes a pair.",
            ),
            click.option(
                "--test-size",
                default=0.1,
                show_default=True,
                metavar="SHARE",
                help="Share of prompts in the test split.",
            ),
            click.option(
                "--seed", default=0, show_default=True, help="Seed of the split and of best-random."
            ),
            click.option(
                "--weights",
                multiple=True,
                metavar="NAME=N,…",
                help="Dimensions decide by their weighted mean; below 0, less is better.",
            ),
            click.option(
                "--lexicographic",
                multiple=True,
                metavar="NAME,…",
                help="The first of these dimensions that differs decides.",
            ),
            click.option(
                "--pareto",
                multiple=True,
                is_flag=False,
                flag_value="all",
                metavar="[NAME,…]",
                help="Only pairs that are better on one dimension and worse on none.",
            ),
            click.option(
                "--veto",
                multiple=True,
                metavar="NAME,…",
                help="Refuse pairs whose chosen response is worse on this dimension; "
                "--strategy all looks for others.",
            ),
            click.option(
                "--split-by",
                type=click.Choice(["prompt", "conversation"]),
                help="What stays on one side of the split.  [default: as the format needs]",
            ),
            click.option(
                "--keep",
                multiple=True,
                metavar="COLUMN,…",
                help="Pass columns on, as keep_COLUMN; may hold * and ?.",
            ),
            click.option(
                "--cap",
                multiple=True,
                metavar="SOURCE=N,…",
                help="Take at most so many rows of a source; may hold * and ?.",
            ),
            click.option(
                "--mix",
                multiple=True,
                metavar="SOURCE=SHARE,…",
                help="Take rows of the sources in these shares.",
            ),
        )
    ):
        command = option(command)
    return command


def options_from(how: Mapping[str, object]) -> Options:
    """The options of `pairing` as the library has them."""
    from prefdata.transforms.options import Options

    texts = {name: cast("tuple[str, ...]", how[name]) for name in LISTS}
    numbers = {name: _numbers(f"--{name}", texts[name]) for name in ("weights", "cap", "mix")}
    named = {name: _listed(texts[name]) for name in LISTS if name not in numbers}
    rest = {name: value for name, value in how.items() if name not in LISTS}
    return Options(
        **{**rest, "split_by": rest["split_by"] or ""},  # type: ignore[arg-type]
        **named,  # type: ignore[arg-type]
        weights=numbers["weights"],
        mix=numbers["mix"],
        caps={n: int(c) if c.is_integer() else c for n, c in numbers["cap"].items()},  # type: ignore[misc]
    )


LISTS = ("weights", "lexicographic", "pareto", "veto", "keep", "cap", "mix")


def _listed(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def _numbers(option: str, texts: Sequence[str]) -> dict[str, float]:
    """Names with a number each; a name may hold a sign of equality, the number does not."""
    found: dict[str, float] = {}
    for part in _listed(texts):
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
        if name in found:
            raise UsageError(f"{option} names {name} twice", hint="Give each name one number.")
        found[name] = value
    return found


def assigned(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """The parts of `FIELD=VALUE,…`, in their order."""
    parts = [part for text in texts for part in text.split(",") if part.strip()]
    for part in parts:
        if "=" not in part:
            raise UsageError(
                f"{option} {part!r} has no '='", hint=f"Write it as in {option} {EXAMPLES[option]}."
            )
    return [(key.strip(), value.strip()) for key, value in (part.split("=", 1) for part in parts)]


EXAMPLES = {
    "--map": "prompt=question,response=answer",
    "--winner": "a=1,b=2,tie=3",
    "--label": "true=good,false=bad",
    "--weights": "helpfulness=0.7,safety=0.3",
    "--cap": "'helpsteer*.jsonl=5000'",
    "--mix": "a.jsonl=0.7,b.jsonl=0.3",
}


def read_options_from(
    columns: Sequence[str], winner: Sequence[str], label: Sequence[str], dimension: str
) -> ReadOptions:
    """What the user said about the source, with the words on the left checked."""
    from prefdata.errors import UnknownNameError
    from prefdata.formats import ReadOptions
    from prefdata.formats.winner_values import value_key

    sides, labels = assigned("--winner", winner), assigned("--label", label)
    for option, given, words in (
        ("--winner", sides, ("a", "b", "tie")),
        ("--label", labels, ("true", "false")),
    ):
        for word, _ in given:
            if word not in words:
                raise UnknownNameError("word", word, words, where=option)
        _check_once(option, "value", [value_key(value) for _, value in given])
    mapped = assigned("--map", columns)
    _check_once("--map", "field", [field for field, _ in mapped])
    return ReadOptions(
        columns={field: tuple(filter(None, names.split("+"))) for field, names in mapped},
        winner={value: side for side, value in sides},
        label={value: word == "true" for word, value in labels},
        dimension=dimension,
    )


def _check_once(option: str, what: str, given: Sequence[str]) -> None:
    """No part of an option takes back another."""
    if twice := next((each for each in given if given.count(each) > 1), None):
        raise UsageError(f"{option} names the {what} {twice!r} twice", hint="Name it once.")


def limit_of(text: str | None) -> Callable[[int], float] | None:
    """How many rejects are allowed of so many rows: a number, or a share in percent."""
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
    """The least agreement that is asked for: a share, as 0.8 or 80%."""
    if text is None:
        return None
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise UsageError(f"--min-agreement {text!r} is not a share", hint="Write 0.8 or 80%.")
    return number
