"""The command that trains: `train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from prefdata.cli.launch import without_processes
from prefdata.cli.output import (
    console,
    nothing,
    results_alone,
    say,
    show_json,
    show_result,
    show_table,
)

if TYPE_CHECKING:
    from prefdata.report.progress import Display
    from prefdata.training.config.recipe import Recipe


def _methods(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """The training methods that start as typed, for the shell."""
    from prefdata.training import METHODS

    return [name for name in METHODS if name.startswith(typed)]


@contextmanager
def _shown(
    *, quiet: bool, live: bool = True
) -> Iterator[tuple[Display | None, Callable[[str], None]]]:
    """A live table on a terminal, lines elsewhere; and what says a line beside it."""
    target = console()
    if quiet or not live or not target.is_terminal:
        yield None, nothing if quiet else say
        return
    from prefdata.report.progress import TableDisplay

    with TableDisplay(target) as table:
        yield table, target.print


@click.command()
@click.argument("source", metavar="OUT|RECIPE", required=False, type=click.Path(path_type=Path))
@click.option("-m", "--model", metavar="PATH|NAME", help="A folder, a name on the hub, or tiny.")
@click.option("-o", "--output", metavar="DIR", help="Folder of the model.  [default: OUT-METHOD]")
@click.option(
    "--method",
    metavar="NAME",
    shell_complete=_methods,
    help="dpo, kto, orpo, cpo, simpo, reward or sft.  [default: dpo]",
)
@click.option("--lora/--full", "lora", default=None, help="LoRA or all weights.  [default: full]")
@click.option("--epochs", type=float, help="Passes over the train split.  [default: 1]")
@click.option("--max-steps", type=int, help="Stop after so many steps; overrides --epochs.")
@click.option("--lr", "learning_rate", type=float, help="Peak rate.  [default: by method]")
@click.option("--batch-size", type=int, help="Rows per device and step.  [default: 8]")
@click.option("--max-length", type=int, help="Tokens of prompt and answer.  [default: 1024]")
@click.option("--allow-drops", type=int, help="Rows that --max-length may cost.  [default: 0]")
@click.option("--seed", type=int, help="Seed of weights and shuffling.  [default: 42]")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any option of TRL.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Devices of this machine to train on.",
)
@click.option("--sweep", "grid", multiple=True, metavar="KEY=V,V,…", help="A run per value.")
@click.option(
    "--best",
    type=click.Choice(["accuracy", "margin", "loss"]),
    help="What a sweep is decided by.  [default: accuracy, if there is one]",
)
@click.option("--rounds", metavar="PLAN", type=click.Path(path_type=Path), help="Rounds and gates.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing model.")
@click.option("-n", "--dry-run", is_flag=True, help="Check all, print the recipe, train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no table.")
@results_alone()
def train(
    source: Path | None,
    settings: tuple[str, ...],
    processes: int,
    grid: tuple[str, ...],
    best: Literal["accuracy", "margin", "loss"] | None,
    rounds: Path | None,
    resume: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **flags: str | float | bool | None,
) -> int:
    """Train a model on a data set directory, or as a recipe says.

    \b
      pref train pairs --model tiny
      pref train train/dpo-lora.yaml --set beta=0.2

    --sweep trains a model per value, on one pass of the reference, and names the best. --rounds
    trains on data sets in turn, each from the last accepted model, each behind a gate.
    """
    from prefdata.training import load_recipe, recipe_yaml, resolve
    from prefdata.training.model.distributed import is_main, launch

    if rounds is not None:
        if source is not None or settings or grid or any(v is not None for v in flags.values()):
            raise click.UsageError("--rounds takes data, model and recipe from its plan alone")
        return _rounds(
            rounds, processes, force=force, dry_run=dry_run, as_json=as_json, quiet=quiet
        )
    if source is None:
        raise click.UsageError("name a data set directory or a recipe, or a plan with --rounds")
    is_recipe = source.suffix in (".yaml", ".yml")
    named = source if is_recipe else None
    known = flags if is_recipe else {**flags, "data": str(source)}
    recipe = load_recipe(named, flags=known, settings=settings)
    if dry_run:
        show_result(recipe_yaml(resolve(recipe, force=force).recipe))
        return 0
    if processes > 1:
        resolve(recipe, force=force, check_output=not grid)
        return launch(processes, without_processes())
    quiet, as_json = quiet or not is_main(), as_json and is_main()
    how = {"force": force, "resume": resume}
    if grid:
        asked = {"flags": known, "settings": settings, "metric": best, **how}
        return _sweep(named, grid, asked, as_json=as_json, quiet=quiet)
    return _one(recipe, how, as_json=as_json, quiet=quiet)


def _one(recipe: Recipe, how: Mapping[str, bool], *, as_json: bool, quiet: bool) -> int:
    """Train one model."""
    from prefdata.training import train as run

    with _shown(quiet=quiet) as (display, told):
        result = run(recipe, **how, display=display, say=told)
    if not quiet:
        show_table(result.table())
        say(f"saved {result.output} after {result.steps:,} steps, {result.seconds:.0f} s")
        say(f"next: {result.next_step()}")
    if as_json:
        show_json(result.as_json())
    return 0


def _sweep(
    source: Path | None,
    grid: Sequence[str],
    asked: Mapping[str, Any],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Train a model per value, and name the best."""
    from prefdata.training.sweep.sweep import parse_sweep, sweep

    with _shown(quiet=quiet) as (display, told):
        swept = sweep(source, parse_sweep(grid), **asked, display=display, say=told)
    if not quiet:
        show_table(swept.table())
        others = f", and {swept.tied - 1} as good" if swept.tied > 1 else ""
        say(f"best by {swept.metric}: {swept.best.name}{others}; see {swept.output}/sweep.html")
        say(f"next: {swept.next_step()}")
    if as_json:
        show_json(swept.as_json())
    return 0


def _rounds(
    plan: Path, processes: int, *, force: bool, dry_run: bool, as_json: bool, quiet: bool
) -> int:
    """Run the rounds of a plan; 3 where one of them was not accepted."""
    from prefdata.cli.eval import win_rate
    from prefdata.training.rounds.roundcheck import check_rounds
    from prefdata.training.rounds.rounds import run_rounds

    if dry_run:
        show_result(check_rounds(plan).as_yaml())
        return 0
    with _shown(quiet=quiet, live=processes == 1) as (display, told):
        done = run_rounds(
            plan,
            force=force,
            each_in=processes,
            win_rate=win_rate,
            display=display,
            say=None if quiet else told,
        )
    if not quiet:
        show_table(done.table())
        say(f"next: {done.next_step()}")
    if as_json:
        show_json(done.as_json())
    return 0 if done.passed else 3
