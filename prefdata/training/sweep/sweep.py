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
from prefdata.report.progress import Display, Log, silent
from prefdata.training.config.load_recipe import load_recipe
from prefdata.training.config.output_files import sweep_output_files
from prefdata.training.config.plan import Plan, resolve
from prefdata.training.model import distributed
from prefdata.training.run.run import train
from prefdata.training.run.run_dir import RunDir, check_identity, run_identity
from prefdata.training.sweep.result import LOGGED, PAGE, Metric, SweepResult, SweepRun

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
        choices = [value.strip() for value in re.split(r",(?![^\[]*\])", values)]
        if (
            not equals
            or not key
            or "" in choices
            or key in grid
            or len(set(choices)) < len(choices)
        ):
            raise RecipeError(
                f"--sweep {text!r} is not key=value,value,…, each once",
                hint="Write it like --sweep beta=0.01,0.1,0.5.",
            )
        grid[key] = choices
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
    log: Log = silent,
) -> SweepResult:
    """Train one model per combination of values, and find the best.

    The reference's log-probabilities are computed once, for the first run that needs them. All
    recipes are checked before the first one is run. The folder holds a model per run, the results
    so far in sweep.json, and a page.

    Args:
        source: a recipe in YAML; None to use flags and defaults only.
        grid: of `parse_sweep`.
        flags: recipe keys and values.
        settings: ``key=value`` texts, as in `load_recipe`.
        metric: decides which run is the best; accuracy by default, or loss where there is none.
        force: replace an existing sweep.
        resume: go on with an interrupted sweep; what is done is not run again.
        display: shows the numbers while a run trains.
        log: gets a line of progress at a time.

    Raises:
        RecipeError: a combination cannot be run, or is not the one of the interrupted sweep.
        UsageError: a sweep is there already, or there is none to resume.
    """
    flags = dict(flags or {})
    base = load_recipe(source, flags=flags, settings=settings)
    has_default_output = base.output in ("", base.default_output)
    output = Path(f"{base.default_output}-sweep" if has_default_output else base.output)
    plans = _plans(source, grid, flags, settings, output)
    metric = metric or _metric(plans)
    _check_metric(metric, plans)
    done = _open(output, force=force, resume=resume)
    runs: list[SweepRun] = []
    for number, planned in enumerate(plans, 1):
        values = ", ".join(f"{key}={value}" for key, value in planned.settings.items())
        before = ": done before" if planned.name in done else ""
        log(f"run {number} of {len(plans)}: {values}{before}")
        _run(planned, output, done, display=display, log=log)
        runs.append(_result(planned, output / planned.name))
    result = SweepResult(str(output), base.data, metric, tuple(runs))
    if distributed.is_main():
        result.write_page()
    return result


class PlannedRun(NamedTuple):
    """One run of a sweep, checked.

    Args:
        name: of its folder.
        settings: the value of each key of the sweep.
        plan: of the run.
    """

    name: str
    settings: dict[str, str]
    plan: Plan


def _run(
    planned: PlannedRun,
    output: Path,
    done: dict[str, JsonValue],
    *,
    display: Display | None,
    log: Log,
) -> None:
    """Train one model, unless it is there; go on where it was interrupted."""
    rests_on = run_identity(planned.plan)
    if planned.name in done:
        check_identity(_as_mapping(done[planned.name]), rests_on)
        return
    begun = distributed.broadcast(RunDir.of(planned.plan.output).exists)
    done[planned.name] = rests_on
    _write_state(output, done)
    train(planned.plan.recipe, resume=begun, display=display, log=log)


def _plans(
    source: Path | None,
    grid: Sequence[Mapping[str, str]],
    flags: Mapping[str, JsonValue],
    settings: Sequence[str],
    output: Path,
) -> list[PlannedRun]:
    """Every run, checked."""
    plans: list[PlannedRun] = []
    for values in grid:
        if "output" in values:
            raise RecipeError("a sweep names the outputs itself", hint="Name its folder with -o.")
        name = "_".join(f"{key}-{value}" for key, value in values.items())
        name = re.sub(r"[^\w.+-]+", "-", name).strip("-")
        recipe = load_recipe(
            source,
            flags={**flags, "output": str(output / name)},
            settings=[*settings, *(f"{key}={value}" for key, value in values.items())],
        )
        if any(name == other.name for other in plans):
            raise RecipeError(f"two runs would be called {name}", hint="Sweep over other values.")
        plans.append(PlannedRun(name, dict(values), resolve(recipe, check_output=False)))
    return plans


def _metric(plans: Sequence[PlannedRun]) -> Metric:
    accurate = all(LOGGED["accuracy"] in planned.plan.method.metrics for planned in plans)
    return "accuracy" if accurate else "loss"


def _check_metric(metric: Metric, plans: Sequence[PlannedRun]) -> None:
    for _, _, plan in plans:
        if LOGGED[metric] not in plan.method.metrics:
            raise RecipeError(
                f"method {plan.method.name} has no {metric}",
                hint="Use --best loss, or leave it out.",
            )


def _open(output: Path, *, force: bool, resume: bool) -> dict[str, JsonValue]:
    """The runs that an interrupted sweep has finished; none in a new folder."""
    state = output / STATE
    if resume:
        if not state.is_file():
            raise UsageError(
                f"there is no sweep to resume in {output}", hint="Start it without --resume."
            )
        runs: dict[str, JsonValue] = json.loads(state.read_text(encoding="utf-8"))
        return {name: rests_on for name, rests_on in runs.items() if (output / name).is_dir()}
    with distributed.main_process_first():
        if distributed.is_main():
            files = sweep_output_files(output / STATE, PAGE)
            refuse_existing(output, force=force, marker=STATE, own_files=files)
            remove_folder(output)
            output.mkdir(parents=True)
            _write_state(output, {})
    return {}


def _write_state(output: Path, done: Mapping[str, JsonValue]) -> None:
    if distributed.is_main():
        new = output / f".{STATE}"
        new.write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")
        new.replace(output / STATE)


def _result(planned: PlannedRun, folder: Path) -> SweepRun:
    """The result of a run, from the last two lines of its metrics: before and after."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    before, after = (json.loads(line) for line in lines[-2:])
    return SweepRun(planned.name, planned.settings, before["before"], after["after"])


def _as_mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
