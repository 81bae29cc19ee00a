"""The command `pref`: Click wiring only. Each command parses, makes one library call, and prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefdata import __version__
from prefdata.errors import PrefdataError

if TYPE_CHECKING:
    from rich.table import Table

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="pref")
def pref() -> None:
    """Feedback in, preference pairs out, every row accounted for.

    \b
      pref demo
      pref convert ratings.csv -o pairs
    """


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
@click.option("--seed", type=int, help="Of weights and shuffling.  [default: 42]")
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
@click.option("-d", "--data", metavar="OUT", type=click.Path(path_type=Path), required=True)
@click.option("--reference", metavar="PATH|NAME", help="What the model started from.")
@click.option("--batch-size", type=click.IntRange(1), default=8, help="Answers per forward pass.")
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


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Exit codes: 0 done, 1 the data or the run failed, 2 wrong usage, 3 done but a threshold was
    missed, 130 interrupted.
    """
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
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. Nothing was left half written; run the same command again.", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _say(line: str) -> None:
    """A line of progress: to stderr, as stdout is for data."""
    click.echo(line, err=True)


def _nothing(_line: str) -> None:
    """Say nothing."""


def _show(table: Table) -> None:
    """A table, to stderr."""
    from rich.console import Console

    Console(stderr=True).print(table)
