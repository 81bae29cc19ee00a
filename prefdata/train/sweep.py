"""Sweeps: one run per combination of values, on one reference, and the best of them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import JsonValue

from prefdata.errors import RecipeError, UsageError
from prefdata.io.staging import refuse_existing, remove_folder
from prefdata.train import processes
from prefdata.train.chart import chart, html_table, page
from prefdata.train.display import Display
from prefdata.train.plan import Plan, make_plan
from prefdata.train.recipe import load_recipe
from prefdata.train.run import train
from prefdata.train.runfolder import check_same, identity, run_folder
from prefdata.train.written import of_a_sweep

if TYPE_CHECKING:
    from rich.table import Table

Say = Callable[[str], None]
Metric = Literal["accuracy", "margin", "loss"]

STATE, PAGE = "sweep.json", "sweep.html"
LOGGED: Mapping[str, str] = {
    "accuracy": "rewards/accuracies",
    "margin": "rewards/margins",
    "loss": "loss",
}
"""Per metric, what a run calls it."""


@dataclass(frozen=True)
class SweptRun:
    """One run of a sweep.

    Args:
        name: of its folder.
        settings: by key, the value that it was given.
        before: metrics of the starting model.
        after: metrics of the trained model, on the held-out rows.
    """

    name: str
    settings: dict[str, str]
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    Args:
        output: its folder, with one model per run.
        data: the data set directory of the first run.
        metric: what the best is best by.
        runs: in the order of the grid.
    """

    output: str
    data: str
    metric: Metric
    runs: tuple[SweptRun, ...]

    @property
    def best(self) -> SweptRun:
        """The run with the highest metric, or the lowest loss; of equal ones the first.

        Example:
            >>> sweep.best.settings  # doctest: +SKIP
            {'beta': '0.1'}
        """
        sign = 1 if self.metric == "loss" else -1
        return min(self.runs, key=lambda run: sign * run.after[LOGGED[self.metric]])

    @property
    def tied(self) -> int:
        """How many runs are as good as the best."""
        key = LOGGED[self.metric]
        return sum(run.after[key] == self.best.after[key] for run in self.runs)

    def as_json(self) -> dict[str, JsonValue]:
        """The sweep as JSON values.

        Example:
            >>> sweep.as_json()["metric"]  # doctest: +SKIP
            'accuracy'
        """
        runs: list[JsonValue] = [
            {
                "name": run.name,
                "output": str(Path(self.output) / run.name),
                "settings": dict(run.settings),
                "before": dict(run.before),
                "after": dict(run.after),
            }
            for run in self.runs
        ]
        return {
            "output": self.output,
            "metric": self.metric,
            "best": self.best.name,
            "tied": self.tied,
            "runs": runs,
        }

    def table(self) -> Table:
        """A row per run, as a Rich table; the best has a star.

        Example:
            >>> sweep.table().row_count  # doctest: +SKIP
            3
        """
        from rich.table import Table

        head, rows = self._rows()
        table = Table(title=f"sweep, best by held-out {self.metric}", title_justify="left")
        for column in head:
            table.add_column(column, justify="right")
        for row in rows:
            table.add_row(*row)
        return table

    def next_step(self) -> str:
        """What comes next.

        Example:
            >>> sweep.next_step()  # doctest: +SKIP
            'pref eval pairs-dpo-sweep/beta-0.1 --data pairs'
        """
        return f"pref eval {Path(self.output) / self.best.name} --data {self.data}"

    def write_page(self) -> None:
        """Write sweep.html: the table, and a chart of the metric over every numeric key.

        Example:
            >>> sweep.write_page()  # doctest: +SKIP
        """
        body = f"<p>Best by held-out {self.metric}: <b>{self.best.name}</b></p>"
        charts = "".join(self._chart(key) for key in self.runs[0].settings)
        body += f'{html_table(*self._rows())}<h2>Curves</h2><div class="charts">{charts}</div>'
        (Path(self.output) / PAGE).write_text(page(Path(self.output).name, body), encoding="utf-8")

    def _rows(self) -> tuple[list[str], list[list[str]]]:
        keys, metrics = list(self.runs[0].settings), list(self.runs[0].after)
        rows = [
            [
                "★" if run is self.best else "",
                *run.settings.values(),
                *(f"{run.after[name]:.4f}" for name in metrics),
            ]
            for run in self.runs
        ]
        return ["", *keys, *metrics], rows

    def _chart(self, key: str) -> str:
        """The metric over one key, a line per combination of the others; nothing for words."""
        series: dict[str, list[tuple[float, float]]] = {}
        for run in self.runs:
            others = {name: value for name, value in run.settings.items() if name != key}
            line = ", ".join(f"{name}={value}" for name, value in others.items()) or self.metric
            try:
                point = float(run.settings[key]), run.after[LOGGED[self.metric]]
            except ValueError:
                return ""
            series.setdefault(line, []).append(point)
        ordered = {name: sorted(points) for name, points in series.items()}
        return chart(f"{self.metric} by {key}", ordered, x_label=key)


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
    base = load_recipe(source, flags=flags, settings=settings).resolved()
    given = base.output != f"{base.data.rstrip('/')}-{base.method}"
    output = Path(base.output if given else f"{base.output}-sweep")
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
    if processes.is_main():
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
    begun = processes.agreed(run_folder(planned.plan).begun)
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
        plans.append(Planned(name, dict(values), make_plan(recipe, check_output=False)))
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
    with processes.first_alone():
        if processes.is_main():
            ours = of_a_sweep(output / STATE, PAGE)
            refuse_existing(output, force=force, made_of=STATE, ours=ours)
            remove_folder(output)
            output.mkdir(parents=True)
            _write_state(output, {})
    return {}


def _write_state(output: Path, done: Mapping[str, JsonValue]) -> None:
    if processes.is_main():
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
