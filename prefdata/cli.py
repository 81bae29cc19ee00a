"""The command `pref`: Click wiring only. A command parses, makes one library call, and prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from prefdata import __version__
from prefdata.errors import PrefdataError, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from prefdata.formats import Wishes

Command = TypeVar("Command", bound=Callable[..., object])

KEEP_MEMORY = "dirty_decay_ms:5000,muzzy_decay_ms:-1"
"""Polars gives memory back at once, only for a conversion to take it again a moment later."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


EXIT_CODES = (
    "Exit codes: 0 done, 1 the data or the run failed, 2 wrong usage, 3 done but a threshold was "
    "missed, 130 interrupted."
)


@click.group(context_settings=CONTEXT, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="pref")
def pref() -> None:
    """Feedback in, preference pairs out, every row accounted for.

    \b
      pref demo
      pref convert ratings.csv -o pairs
    """


def _formats(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
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
                metavar="NAME",
                shell_complete=_formats,
                help="Do not detect: read as this format.",
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
                type=click.Choice(["best-worst", "best-rest", "best-random", "adjacent", "all"]),
                help="Which responses to a prompt are paired.",
            ),
            click.option(
                "--aggregate",
                default="mean",
                show_default=True,
                type=click.Choice(["mean", "median", "majority"]),
                help="How several ratings of one response become one score.",
            ),
            click.option(
                "--conflicts",
                default="majority",
                show_default=True,
                type=click.Choice(["majority", "drop", "keep"]),
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
        )
    ):
        command = option(command)
    return command


@pref.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.option("-o", "--output", metavar="OUT", required=True, help="Data set directory to write.")
@reading
@pairing
@click.option("--max-rejects", metavar="N|P%", help="Exit with 3 if more rows are rejected.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing data set directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
def convert(
    sources: tuple[str, ...],
    output: str,
    columns: tuple[str, ...],
    winner: tuple[str, ...],
    label: tuple[str, ...],
    dimension: str,
    format_: str,
    encoding: str,
    max_rejects: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **how: str | float,
) -> int:
    """Turn feedback into a data set directory of clean pairs.

    \b
      pref convert ratings.csv -o pairs
      pref convert votes/*.jsonl -o pairs --map prompt=question --winner a=left,b=right

    SOURCE is a file, a glob, a folder, or - for standard input: JSON, JSONL, CSV, TSV, Parquet or
    Arrow, also as .gz or .zst. What it is, and which column is which, is recognised;
    'pref inspect' says how.
    """
    from prefdata.engine.conversion import convert as run
    from prefdata.engine.terminal import show_conversion
    from prefdata.report.progress import progress
    from prefdata.transforms.options import Options

    limit = _limit(max_rejects)
    console = _console()
    with progress(console, quiet=quiet) as tell:
        report = run(
            sources,
            output,
            options=Options(**how),  # type: ignore[arg-type]
            wishes=_wishes(columns, winner, label, dimension),
            format=format_,
            encoding=encoding,
            force=force,
            progress=tell,
        )
    if not quiet:
        show_conversion(report, console)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    if limit is not None and report.rows_rejected > limit(report.rows_read):
        click.echo(
            f"{report.rows_rejected:,} of {report.rows_read:,} rows were rejected; "
            f"--max-rejects allows {max_rejects}",
            err=True,
        )
        return 3
    return 0


@pref.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@reading
@pairing
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def inspect(
    sources: tuple[str, ...],
    columns: tuple[str, ...],
    winner: tuple[str, ...],
    label: tuple[str, ...],
    dimension: str,
    format_: str,
    encoding: str,
    as_json: bool,
    **how: str | float,
) -> None:
    """Say what a file is, why, and what would become of its rows.

    \b
      pref inspect ratings.csv
      pref inspect votes.jsonl --json

    Looks at the first rows only, and writes nothing.
    """
    from prefdata.engine.inspection import inspect as run
    from prefdata.engine.terminal import show_inspection
    from prefdata.transforms.options import Options

    found = run(
        sources,
        options=Options(**how),  # type: ignore[arg-type]
        wishes=_wishes(columns, winner, label, dimension),
        format=format_,
        encoding=encoding,
    )
    if as_json:
        click.echo(json.dumps([each.to_dict() for each in found], indent=2, ensure_ascii=False))
        return
    for each in found:
        show_inspection(each, _console(stderr=False))


@pref.command()
@click.argument("name", required=False, shell_complete=_formats)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def formats(name: str | None, as_json: bool) -> None:
    """List the formats that are recognised, or explain one.

    \b
      pref formats
      pref formats ratings-long
    """
    from prefdata.formats import FORMATS, named
    from prefdata.report.catalogue import catalogue, described, facts

    if name and not as_json:
        click.echo(described(named(name)))
    elif as_json:
        chosen = [named(name)] if name else list(FORMATS.values())
        click.echo(json.dumps([facts(each) for each in chosen], indent=2, ensure_ascii=False))
    else:
        click.echo(catalogue())


@pref.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON Schema of a record, or list the records.

    \b
      pref schema
      pref schema preference-pair
    """
    from prefdata.errors import UnknownNameError
    from prefdata.schemas import RECORDS

    if name and name not in RECORDS:
        raise UnknownNameError("record", name, RECORDS)
    shown = json.dumps(RECORDS[name].json_schema(), indent=2) if name else "\n".join(RECORDS)
    click.echo(shown)


def _methods(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """The training methods that start as typed, for the shell."""
    from prefdata.train import METHODS

    return [name for name in METHODS if name.startswith(typed)]


@pref.command()
@click.argument("source", metavar="OUT|RECIPE", type=click.Path(path_type=Path))
@click.option("-m", "--model", metavar="PATH|NAME", help="A folder, a name on the hub, or tiny.")
@click.option("-o", "--output", metavar="DIR", help="Folder of the model.  [default: OUT-METHOD]")
@click.option("--method", metavar="NAME", shell_complete=_methods, help="dpo (default) or kto.")
@click.option("--lora/--full", "lora", default=None, help="LoRA or all weights.  [default: full]")
@click.option("--epochs", type=float, help="Passes over the train split.  [default: 1]")
@click.option("--max-steps", type=int, help="Stop after so many steps; overrides --epochs.")
@click.option("--lr", "learning_rate", type=float, help="Peak rate.  [default: 1e-6, LoRA 1e-5]")
@click.option("--batch-size", type=int, help="Rows per device and step.  [default: 8]")
@click.option("--max-length", type=int, help="Tokens of prompt and answer.  [default: 1024]")
@click.option("--allow-drops", type=int, help="Rows that --max-length may cost.  [default: 0]")
@click.option("--seed", type=int, help="Seed of weights and shuffling.  [default: 42]")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any option of TRL.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing model.")
@click.option("-n", "--dry-run", is_flag=True, help="Check all, print the recipe, train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no table.")
def train(
    source: Path,
    settings: tuple[str, ...],
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **flags: str | float | bool | None,
) -> None:
    """Train a model on a data set directory, or as a recipe says.

    \b
      pref train pairs --model tiny
      pref train train/dpo-lora.yaml --set beta=0.2
    """
    from prefdata.train import load_recipe, make_plan, recipe_yaml
    from prefdata.train import train as run

    is_recipe = source.suffix in (".yaml", ".yml")
    known = flags if is_recipe else {**flags, "data": str(source)}
    recipe = load_recipe(source if is_recipe else None, flags=known, settings=settings)
    if dry_run:
        click.echo(recipe_yaml(make_plan(recipe, force=force).recipe), nl=False)
        return
    result = run(recipe, force=force, say=_nothing if quiet else _say)
    if not quiet:
        _show(result.table())
        _say(f"saved {result.output} after {result.steps:,} steps, {result.seconds:.0f} s")
        _say(f"next: {result.next_step()}")
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2))


@pref.command("eval")
@click.argument("model")
@click.option(
    "-d",
    "--data",
    metavar="OUT",
    type=click.Path(path_type=Path),
    required=True,
    help="Data set directory to measure on.",
)
@click.option("--reference", metavar="PATH|NAME", help="What the model started from.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="N",
    default=8,
    show_default=True,
    help="Answers per forward pass.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no table.")
def evaluate(
    model: str, data: Path, reference: str | None, batch_size: int, as_json: bool, quiet: bool
) -> None:
    """Measure a model on the held-out pairs of a data set directory.

    \b
      pref eval pairs-dpo --data pairs
      pref eval pairs-dpo --data pairs --json

    \b
    accuracy         how often the chosen answer is the likelier one
    reward_accuracy  how often it has the higher implicit reward, against the reference
    reward_margin    by how much, on average
    kl               how far the model has moved, in nats per answer
    """
    from prefdata.train import evaluate as measure

    say = _nothing if quiet else _say
    found = measure(model, data=data, reference=reference, batch_size=batch_size, say=say)
    if not quiet:
        _show(found.table())
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))


@pref.command("demo")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="pref-demo",
    show_default=True,
    help="Folder for the ratings, the data set and the model.",
)
def show(output: Path) -> None:
    """Do the whole job on a small built-in example, in a minute.

    \b
      pref demo
      pref demo -o try

    Looks at ratings, converts them, trains a tiny model on the pairs and measures it on held-out
    ones. Each command is printed before it runs, so that you can repeat it.
    """
    from prefdata.demo import demo

    demo(output, run=lambda args: pref.main(args=args, standalone_mode=False), say=_say)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code, one of `EXIT_CODES`."""
    os.environ.setdefault("_RJEM_MALLOC_CONF", KEEP_MEMORY)
    try:
        code = pref.main(args=args, prog_name="pref", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PrefdataError as error:
        click.echo(f"Error: {error}", err=True)
        if error.hint:
            click.echo(f"Hint: {error.hint}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (KeyboardInterrupt, click.Abort):
        click.echo(
            "Interrupted. Nothing was left half written; run the same command again.", err=True
        )
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _assigned(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
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
}


def _wishes(
    columns: Sequence[str], winner: Sequence[str], label: Sequence[str], dimension: str
) -> Wishes:
    """What the user said about the source, with the words on the left checked."""
    from prefdata.errors import UnknownNameError
    from prefdata.formats import Wishes

    sides, labels = _assigned("--winner", winner), _assigned("--label", label)
    for option, given, words in (
        ("--winner", sides, ("a", "b", "tie")),
        ("--label", labels, ("true", "false")),
    ):
        for word, _ in given:
            if word not in words:
                raise UnknownNameError("word", word, words, where=option)
    return Wishes(
        columns={f: tuple(filter(None, c.split("+"))) for f, c in _assigned("--map", columns)},
        winner={value: side for side, value in sides},
        label={value: word == "true" for word, value in labels},
        dimension=dimension,
    )


def _limit(text: str | None) -> Callable[[int], float] | None:
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


def _console(*, stderr: bool = True) -> Console:
    """A console as wide as the terminal, or 100 columns where there is none."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=100)


def _say(line: str) -> None:
    """A line of progress: to stderr, as stdout is for data."""
    click.echo(line, err=True)


def _nothing(_line: str) -> None:
    """Say nothing."""


def _show(table: Table) -> None:
    """A table, to stderr."""
    from rich.console import Console

    Console(stderr=True).print(table)
