"""Rounds of training: data sets in turn, each from the last accepted model, each behind a gate.

A round is accepted, or failed (it missed its gate, or diverged), or stopped (something was in its
way, and the next run tries again). All that happened is in state.json, so that the same command can
be run at any time: what was accepted is left alone, what was interrupted goes on, what failed is
tried again once it has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from prefdata.errors import InputError, RecipeError, TrainingError, UsageError
from prefdata.io.dataset.atomic_dir import remove_folder
from prefdata.report.progress import Log
from prefdata.stats.gates import check_gate, parse_gate
from prefdata.stats.intervals import Estimate
from prefdata.training.data.prompts import Prompting
from prefdata.training.evaluation.judged import judged_win_rate
from prefdata.training.evaluation.metrics import METRICS
from prefdata.training.evaluation.result import ANSWERS_FILE
from prefdata.training.model import distributed
from prefdata.training.rounds.plan import WIN_RATE, RoundSpec, RoundsPlan, check_rounds
from prefdata.training.rounds.result import RoundsResult
from prefdata.training.rounds.state import read_state, round_identity, write_state
from prefdata.training.rounds.steps import Steps, run_command
from prefdata.training.run.run_dir import RunDir

ACCEPTED = "accepted"


def run_rounds(
    source: Path,
    *,
    force: bool = False,
    processes: int = 1,
    live: bool = False,
    log: Log | None = None,
) -> RoundsResult:
    """Run the rounds of a plan that are not done yet.

    The link ``accepted`` in the output always names the last accepted model; it is moved in one
    step, and only once a model has met its gate.

    Args:
        source: the plan.
        force: run accepted rounds again whose data, recipe or gate has changed, and all after them.
        processes: how many answer prompts, train and measure, in every round.
        live: leave stderr to the commands that do so, which show more on a terminal than lines.
        log: gets a line of progress at a time; None for no progress.

    Raises:
        RecipeError: the plan cannot be run, or an accepted round has changed.
        UsageError: a path is not what it should be.
        Interrupted: the user stopped it; the same command goes on.
    """
    if distributed.world_size() > 1:
        raise UsageError(
            "the rounds of a plan were started by a launcher, once in every process",
            hint="Start them once; --processes N has each round use several.",
        )
    plan = check_rounds(source)
    folder = Path(plan.output)
    rounds = Rounds(plan, folder, Steps(processes, log, live), read_state(folder))
    return rounds.run(force=force)


@dataclass
class Rounds:
    """The rounds of a plan under way.

    Args:
        plan: of the rounds.
        folder: of models and state.
        steps: answers, trains and measures.
        state: the entry of each round in state.json, by name.
    """

    plan: RoundsPlan
    folder: Path
    steps: Steps
    state: dict[str, dict[str, Any]] = field(default_factory=dict)

    def _log(self, line: str) -> None:
        if self.steps.log:
            self.steps.log(line)

    def run(self, *, force: bool) -> RoundsResult:
        """Run what is not done."""
        model, chain = self.plan.model, self.plan.model
        names = [spec.name for spec in self.plan.rounds]
        for number, spec in enumerate(self.plan.rounds, 1):
            rests_on = round_identity(self.plan, spec, chain)
            entry = self.state.get(spec.name, {})
            same = entry.get("rests_on") == rests_on
            if entry.get("status") == "accepted" and not same:
                self._forget(spec, names[number - 1 :], force=force)
                entry = {}
            if entry.get("status") in ("accepted", "failed") and same:
                self._log(f"round {number}, {spec.name}: {entry['status']} before, and nothing new")
            else:
                self._log(f"round {number} of {len(names)}, {spec.name}: from {model}")
                entry = self._run(spec, number, model, rests_on, begun=bool(entry) and same)
            if entry["status"] == "accepted":
                self._point_to(str(entry["model"]))
                model, chain = str(self.folder / str(entry["model"])), rests_on
            elif self.plan.after_failure == "stop":
                return self._result(model, names[:number], names[number:])
        return self._result(model, names)

    def _result(
        self, model: str, names: Sequence[str], not_run: Sequence[str] = ()
    ) -> RoundsResult:
        rounds = {name: self.state[name] for name in names}
        return RoundsResult(str(self.folder), model, rounds, tuple(not_run))

    def _forget(self, spec: RoundSpec, names: Sequence[str], *, force: bool) -> None:
        if not force:
            raise RecipeError(
                f"round {spec.name} was accepted, and has changed since: data, recipe, gate, or a "
                "round before it",
                hint="Give what is new a name of its own at the end of the plan, or run this round "
                "and all after it again with --force.",
            )
        for name in names:
            self.state.pop(name, None)
        self._write()

    def _run(
        self, spec: RoundSpec, number: int, model: str, rests_on: str, *, begun: bool
    ) -> dict[str, Any]:
        """One round: data, training, gate."""
        name = f"{number:02d}-{spec.name}"
        output = self.folder / name
        if not begun:
            for ending in ("", ".run", ".data", ".answers"):
                remove_folder(self.folder / f"{name}{ending}")
        self._set(spec, status="begun", rests_on=rests_on, model=name, why="")
        try:
            data = spec.data or str(self._make_pairs(spec, model, self.folder / f"{name}.data"))
            if not (output / "recipe.yaml").is_file():
                recipe = self.plan.recipe_of(spec, data=data, model=model, output=output)
                resume = RunDir.of(output).exists
                self.steps.train(recipe, resume=resume)
            return self._hold_to_gate(spec, data, name, rests_on)
        except TrainingError as error:
            self._fail(spec, name, rests_on, str(error))
            hint = error.hint
        except InputError as error:
            self._set(spec, status="stopped", rests_on=rests_on, model=name, why=str(error))
            self._log(f"round {spec.name} stopped: {error}")
            hint = error.hint
        if hint:
            self._log(f"Hint: {hint}")
        return self.state[spec.name]

    def _hold_to_gate(self, spec: RoundSpec, data: str, name: str, rests_on: str) -> dict[str, Any]:
        """Measure the model of a round, and accept it where its gate holds."""
        estimates = self._measure(spec, data, name)
        checks = check_gate(parse_gate(self.plan.gate_of(spec), METRICS), estimates, METRICS)
        for check in checks:
            self._log(f"gate: {check}")
        figures: dict[str, JsonValue] = {
            key: estimate.to_dict() for key, estimate in estimates.items()
        }
        missed = [str(check) for check in checks if not check.met]
        if missed:
            return self._fail(spec, name, rests_on, "; ".join(missed), figures=figures)
        reason = "; ".join(map(str, checks))
        self._set(
            spec, status="accepted", rests_on=rests_on, model=name, why=reason, figures=figures
        )
        return self.state[spec.name]

    def _measure(self, spec: RoundSpec, data: str, name: str) -> dict[str, Estimate]:
        """The figures that the gate may have, those on answers where it has them."""
        compare, answers = self.plan.compare_of(spec), self.folder / f"{name}.answers"
        prompting, output = None, None
        if compare:
            prompts = Path(compare.prompts) if compare.prompts else None
            prompting = Prompting(prompts, most=compare.most, max_new_tokens=compare.max_new_tokens)
            output = answers / "eval"
        estimates = self.steps.evaluate(
            str(self.folder / name),
            spec.evaluate or [data],
            self.plan.reference or None,
            prompting=prompting,
            output=output,
        )
        if compare and self.plan.judges_answers(spec):
            generations, judged = answers / "eval" / ANSWERS_FILE, answers / "judged"
            if judged.is_dir():
                remove_folder(judged)
            judged.unlink(missing_ok=True)
            run_command(compare.judge, {"generations": generations, "judged": judged}, self._log)
            estimates[WIN_RATE] = judged_win_rate([generations, judged])
        return estimates

    def _point_to(self, name: str) -> None:
        """Have the link ``accepted`` name a model, in one step."""
        link, new = self.folder / ACCEPTED, self.folder / f".{ACCEPTED}"
        if not link.is_symlink() or link.readlink() != Path(name):
            new.unlink(missing_ok=True)
            new.symlink_to(name)
            new.replace(link)

    def _fail(
        self, spec: RoundSpec, name: str, rests_on: str, reason: str, **more: JsonValue
    ) -> dict[str, Any]:
        """Put the model of a failed round aside, and keep the last good one."""
        output, aside = self.folder / name, self.folder / f"{name}.failed"
        remove_folder(aside)
        if output.is_dir():
            output.rename(aside)
        self._set(spec, status="failed", rests_on=rests_on, model=aside.name, why=reason, **more)
        self._log(f"round {spec.name} failed: {reason}")
        return self.state[spec.name]

    def _make_pairs(self, spec: RoundSpec, model: str, folder: Path) -> Path:
        """The pairs of a round from prompts: answers of the model, judged, as a data set."""
        pairs, candidates = folder / "pairs", folder / "candidates.jsonl"
        verdicts = folder / "verdicts.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        if (pairs / "manifest.json").is_file():
            return pairs
        if not candidates.is_file():
            prompting = Prompting(
                Path(spec.prompts), spec.answers, None, spec.max_new_tokens, spec.temperature
            )
            self.steps.generate(model, prompting, candidates)
        places = {"candidates": candidates, "pairs": pairs, "verdicts": verdicts}
        run_command(spec.judge, places, self._log)
        if "{verdicts}" in spec.judge:
            run_command("pref convert {verdicts} -o {pairs}", places, self._log)
        return pairs

    def _set(self, spec: RoundSpec, **entry: JsonValue) -> None:
        self.state[spec.name] = entry
        self._write()

    def _write(self) -> None:
        write_state(self.folder, self.state)
