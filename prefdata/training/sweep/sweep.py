"""Sweeps: one run per combination of values, on one reference, and the best of them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from prefdata.errors import RecipeError, UsageError
from prefdata.io.dataset.atomic_dir import refuse_existing, remove_folder
from prefdata.report.progress import Display, Say
from prefdata.training.config.load_recipe import load_recipe
from prefdata.training.config.output_files import sweep_output_files
from prefdata.training.config.plan import Plan, resolve
from prefdata.training.model import distributed
from prefdata.training.run.run import train
from prefdata.training.run.run_dir import check_same, identity, run_folder
from prefdata.training.sweep.result import LOGGED, PAGE, Metric, Sweep, SweptRun

STATE = "sweep.json"


def parse_sweep(texts: Sequence[str]) -> list[dict[str, str]]:
    """The combinations that a sweep runs over, the first key slowest.

    Args:
        texts: such as ``beta=0.01,0.1``; a list is one value in brackets.

    Raises:
        RecipeError: a text is not key=value,value.

    Example:
        >>> parse_sweep(["beta=0.1,0.5", "loss_type=[sigmoid,sft],ipo"])[1]
        {'beta': '0.1', 'loss_type': 'ipo'}
    """
    grid: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        found = [value.strip() for value in re.split(r",(?![^\[]*\])", values)]
        if not equals or not key or "" in found or key in grid or len(set(found)) < len(found):
            raise RecipeError(
                f"--sweep {text!r} is not key=value,value,…, each once",
                hint="Write it like --sweep beta=0.01,0.1,0.5.",
            )
        grid[key] = found
    combinations = itertools.product(*grid.values())
    return [dict(zip(grid, values, strict=True)) for values in combinations]


def sweep(
    source: Path | None,
    grid: Sequence[Mapping[str, str]],
    *,
    flags: Mapping[str, JsonValue] | None = None,
    settings: Sequence[str] = (),
    metric: Metric | None = None,
    force: bool = False,
    resume: bool = False,
    display: Display | None = None,
    say: Say = lambda _line: None,
) -> Sweep:
    """Train one model per combination of values, and find the best.

    The reference's log-probabilities are computed once, for the first run that needs them. All
    recipes are checked before the first one is run. The folder holds a model per run, the results
    so far in sweep.json, and a page.

    Args:
        source: a recipe in YAML; None to use flags and defaults only.
        grid: of `parse_sweep`.
        flags: recipe keys and values.
        settings: ``key=value`` texts, as in `load_recipe`.
        metric: what the best is best by; accuracy by default, or loss where there is none.
        force: replace an existing sweep.
        resume: go on with an interrupted sweep; what is done is not run again.
        display: what the numbers are shown on while a run trains.
        say: gets a line of progress at a time.

    Raises:
        RecipeError: a combination cannot be run, or is not the one of the interrupted sweep.
        UsageError: a sweep is there already, or there is none to resume.

    Example:
        >>> sweep(None, parse_sweep(["beta=0.1,0.5"]), flags={"model": "tiny", "data": "pairs"})
        ... # doctest: +SKIP
    """
    flags = dict(flags or {})
    base = load_recipe(source, flags=flags, settings=settings)
    output = Path(base.output or f"{base.default_output}-sweep")
    plans = _plans(source, grid, flags, settings, output)
    metric = metric or _metric(plans)
    _check_metric(metric, plans)
    done = _open(output, force=force, resume=resume)
    runs: list[SweptRun] = []
    for number, planned in enumerate(plans, 1):
        told = ", ".join(f"{key}={value}" for key, value in planned.settings.items())
        before = ": done before" if planned.name in done else ""
        say(f"run {number} of {len(plans)}: {told}{before}")
        _run(planned, output, done, display=display, say=say)
        runs.append(_result(planned, output / planned.name))
    found = Sweep(str(output), base.data, metric, tuple(runs))
    if distributed.is_main():
        found.write_page()
    return found


class Planned(NamedTuple):
    """One run of a sweep, checked.

    Args:
        name: of its folder.
        settings: by key, the value that it is given.
        plan: of the run.
    """

    name: str
    settings: dict[str, str]
    plan: Plan


def _run(
    planned: Planned,
    output: Path,
    done: dict[str, JsonValue],
    *,
    display: Display | None,
    say: Say,
) -> None:
    """Train one model, unless it is there; go on where it was interrupted."""
    rests_on = identity(planned.plan)
    if planned.name in done:
        check_same(_as_mapping(done[planned.name]), rests_on)
        return
    begun = distributed.broadcast(run_folder(planned.plan).begun)
    done[planned.name] = rests_on
    _write_state(output, done)
    train(planned.plan.recipe, resume=begun, display=display, say=say)


def _plans(
    source: Path | None,
    grid: Sequence[Mapping[str, str]],
    flags: Mapping[str, JsonValue],
    settings: Sequence[str],
    output: Path,
) -> list[Planned]:
    """Every run, checked."""
    plans: list[Planned] = []
    for values in grid:
        if "output" in values:
            raise RecipeError("a sweep names the outputs itself", hint="Name its folder with -o.")
        name = "_".join(f"{key}-{value}" for key, value in values.items())
        name = re.sub(r"[^\w.+-]+", "-", name).strip("-")
        over = [*settings, *(f"{key}={value}" for key, value in values.items())]
        own = {**flags, "output": str(output / name)}
        recipe = load_recipe(source, flags=own, settings=over)
        if name in [other.name for other in plans]:
            raise RecipeError(f"two runs would be called {name}", hint="Sweep over other values.")
        plans.append(Planned(name, dict(values), resolve(recipe, check_output=False)))
    return plans


def _metric(plans: Sequence[Planned]) -> Metric:
    accurate = all(LOGGED["accuracy"] in one.plan.method.metrics for one in plans)
    return "accuracy" if accurate else "loss"


def _check_metric(metric: Metric, plans: Sequence[Planned]) -> None:
    for _, _, plan in plans:
        if LOGGED[metric] not in plan.method.metrics:
            raise RecipeError(
                f"method {plan.method.name} has no {metric}",
                hint="Use --best loss, or leave it out.",
            )


def _open(output: Path, *, force: bool, resume: bool) -> dict[str, JsonValue]:
    """What an interrupted sweep has done, or nothing in a new folder."""
    state = output / STATE
    if resume:
        if not state.is_file():
            raise UsageError(
                f"there is no sweep to resume in {output}", hint="Start it without --resume."
            )
        found: dict[str, JsonValue] = json.loads(state.read_text(encoding="utf-8"))
        return {name: known for name, known in found.items() if (output / name).is_dir()}
    with distributed.main_process_first():
        if distributed.is_main():
            ours = sweep_output_files(output / STATE, PAGE)
            refuse_existing(output, force=force, marker=STATE, own_files=ours)
            remove_folder(output)
            output.mkdir(parents=True)
            _write_state(output, {})
    return {}


def _write_state(output: Path, done: Mapping[str, JsonValue]) -> None:
    if distributed.is_main():
        new = output / f".{STATE}"
        new.write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")
        new.replace(output / STATE)


def _result(planned: Planned, folder: Path) -> SweptRun:
    """What a run wrote last into its metrics: before and after."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    before, after = (json.loads(line) for line in lines[-2:])
    return SweptRun(planned.name, planned.settings, before["before"], after["after"])


def _as_mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
