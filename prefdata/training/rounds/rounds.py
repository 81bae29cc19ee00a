"""Rounds of training: data sets in turn, each from the last accepted model, each behind a gate.

A round is accepted, or failed (it missed its gate, or diverged), or stopped (something was in its
way, and the next run tries again). All that happened is in state.json, so that the same command can
be run at any time: what was accepted is left alone, what was interrupted goes on, what failed is
tried again once it has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from prefdata.errors import InputError, RecipeError, TrainingError, UsageError
from prefdata.io.dataset.atomic_dir import remove_folder
from prefdata.report.progress import Display, Say
from prefdata.stats.gates import check_gate, parse_gate
from prefdata.stats.intervals import Estimate
from prefdata.training.data.prompts import Prompting
from prefdata.training.evaluation.evalreport import ANSWERS
from prefdata.training.evaluation.metrics import METRICS
from prefdata.training.model import distributed
from prefdata.training.rounds.commands import run_command
from prefdata.training.rounds.plan import WIN_RATE, RoundSpec, RoundsPlan
from prefdata.training.rounds.result import RoundsResult
from prefdata.training.rounds.roundcheck import check_rounds
from prefdata.training.rounds.state import read_state, round_identity, write_state
from prefdata.training.rounds.steps import Steps
from prefdata.training.run.run_dir import RunFolder

WinRate = Callable[[Sequence[Path]], Estimate]
"""How often the answers after training win, from judged comparisons of before and after."""

ACCEPTED = "accepted"


def run_rounds(
    source: Path,
    *,
    force: bool = False,
    each_in: int = 1,
    win_rate: WinRate | None = None,
    display: Display | None = None,
    say: Say | None = None,
) -> RoundsResult:
    """Run the rounds of a plan that are not done yet.

    The link ``accepted`` in the output always names the last accepted model; it is moved in one
    step, and only once a model has met its gate.

    Args:
        source: the plan.
        force: run accepted rounds again whose data, recipe or gate has changed, and all after them.
        each_in: how many processes answer prompts, train and measure, in every round.
        win_rate: what counts the wins of judged answers, for plans with a gate on ``win_rate``.
        display: what the numbers are shown on while a round trains in one process.
        say: gets a line of progress at a time; None to say nothing.

    Raises:
        RecipeError: the plan cannot be run, or an accepted round has changed.
        UsageError: a path is not what it should be.
        Interrupted: the user stopped it; the same command goes on.

    Example:
        >>> run_rounds(Path("plan.yaml")).passed  # doctest: +SKIP
        True
    """
    if distributed.world_size() > 1:
        raise UsageError(
            "the rounds of a plan were started by a launcher, once in every process",
            hint="Start them once; --processes N has each round use several.",
        )
    plan = check_rounds(source)
    if win_rate is None and any(map(plan.judges_answers, plan.rounds)):
        raise UsageError(
            f"{source.name}: a gate asks for win_rate, and nothing is given that counts wins",
            hint="Use pref train --rounds, or give run_rounds a win_rate.",
        )
    folder = Path(plan.output)
    rounds = Rounds(plan, folder, Steps(each_in, display, say), win_rate, read_state(folder))
    return rounds.go(force=force)


@dataclass
class Rounds:
    """The rounds of a plan under way.

    Args:
        plan: what is to be done.
        folder: of models and state.
        steps: what answers, trains and measures.
        win_rate: what counts the wins of judged answers.
        state: by name of the round, what came of it.
    """

    plan: RoundsPlan
    folder: Path
    steps: Steps
    win_rate: WinRate | None = None
    state: dict[str, dict[str, Any]] = field(default_factory=dict)

    def _say(self, line: str) -> None:
        if self.steps.say:
            self.steps.say(line)

    def go(self, *, force: bool) -> RoundsResult:
        """Run what is not done."""
        model, chain, names = self.plan.model, self.plan.model, [r.name for r in self.plan.rounds]
        for number, one in enumerate(self.plan.rounds, 1):
            rests_on = round_identity(self.plan, one, chain)
            known = self.state.get(one.name, {})
            same = known.get("rests_on") == rests_on
            if known.get("status") == "accepted" and not same:
                self._forget(one, names[number - 1 :], force=force)
                known = {}
            if known.get("status") in ("accepted", "failed") and same:
                self._say(f"round {number}, {one.name}: {known['status']} before, and nothing new")
            else:
                self._say(f"round {number} of {len(names)}, {one.name}: from {model}")
                known = self._run(one, number, model, rests_on, begun=bool(known) and same)
            if known["status"] == "accepted":
                self._point_to(str(known["model"]))
                model, chain = str(self.folder / str(known["model"])), rests_on
            elif self.plan.after_failure == "stop":
                return self._result(model, names[:number], names[number:])
        return self._result(model, names)

    def _result(self, model: str, names: Sequence[str], left: Sequence[str] = ()) -> RoundsResult:
        done = {name: self.state[name] for name in names}
        return RoundsResult(str(self.folder), model, done, tuple(left))

    def _forget(self, one: RoundSpec, names: Sequence[str], *, force: bool) -> None:
        if not force:
            raise RecipeError(
                f"round {one.name} was accepted, and has changed since: data, recipe, gate, or a "
                "round before it",
                hint="Give what is new a name of its own at the end of the plan, or run this round "
                "and all after it again with --force.",
            )
        for name in names:
            self.state.pop(name, None)
        self._write()

    def _run(
        self, one: RoundSpec, number: int, model: str, rests_on: str, *, begun: bool
    ) -> dict[str, Any]:
        """One round: data, training, gate."""
        name = f"{number:02d}-{one.name}"
        output = self.folder / name
        if not begun:
            for ending in ("", ".run", ".data", ".answers"):
                remove_folder(self.folder / f"{name}{ending}")
        self._set(one, status="begun", rests_on=rests_on, model=name, why="")
        try:
            data = one.data or str(self._made(one, model, self.folder / f"{name}.data"))
            if not (output / "recipe.yaml").is_file():
                recipe = self.plan.recipe_of(one, data=data, model=model, output=output)
                resume = RunFolder(self.folder / f"{name}.run").begun
                self.steps.train(recipe, resume=resume)
            return self._judged(one, data, name, rests_on)
        except TrainingError as error:
            self._failed(one, name, rests_on, str(error))
            hint = error.hint
        except InputError as error:
            self._set(one, status="stopped", rests_on=rests_on, model=name, why=str(error))
            self._say(f"round {one.name} stopped: {error}")
            hint = error.hint
        if hint:
            self._say(f"Hint: {hint}")
        return self.state[one.name]

    def _judged(self, one: RoundSpec, data: str, name: str, rests_on: str) -> dict[str, Any]:
        """Hold the model of a round against its gate."""
        found = self._measured(one, data, name)
        checked = check_gate(parse_gate(self.plan.gate_of(one), METRICS), found, METRICS)
        for each in checked:
            self._say(f"gate: {each}")
        figures: dict[str, JsonValue] = {key: estimate.to_dict() for key, estimate in found.items()}
        missed = [str(each) for each in checked if not each.met]
        if missed:
            return self._failed(one, name, rests_on, "; ".join(missed), figures=figures)
        why = "; ".join(map(str, checked))
        self._set(one, status="accepted", rests_on=rests_on, model=name, why=why, figures=figures)
        return self.state[one.name]

    def _measured(self, one: RoundSpec, data: str, name: str) -> dict[str, Estimate]:
        """The figures that the gate may ask for, those on answers where it does."""
        compare, answers = self.plan.compare_of(one), self.folder / f"{name}.answers"
        prompting, output = None, None
        if compare:
            asked = Path(compare.prompts) if compare.prompts else None
            prompting = Prompting(asked, most=compare.most, max_new_tokens=compare.max_new_tokens)
            output = answers / "eval"
        found = self.steps.evaluate(
            str(self.folder / name),
            one.evaluate or [data],
            self.plan.reference or None,
            prompting=prompting,
            output=output,
        )
        if compare and self.win_rate and self.plan.judges_answers(one):
            generations, judged = answers / "eval" / ANSWERS, answers / "judged"
            if judged.is_dir():
                remove_folder(judged)
            judged.unlink(missing_ok=True)
            run_command(compare.judge, {"generations": generations, "judged": judged}, self._say)
            found[WIN_RATE] = self.win_rate([generations, judged])
        return found

    def _point_to(self, name: str) -> None:
        """Have the link ``accepted`` name a model, in one step."""
        link, new = self.folder / ACCEPTED, self.folder / f".{ACCEPTED}"
        if not link.is_symlink() or link.readlink() != Path(name):
            new.unlink(missing_ok=True)
            new.symlink_to(name)
            new.replace(link)

    def _failed(
        self, one: RoundSpec, name: str, rests_on: str, why: str, **more: JsonValue
    ) -> dict[str, Any]:
        """Put the model of a failed round aside, and keep the last good one."""
        output, aside = self.folder / name, self.folder / f"{name}.failed"
        remove_folder(aside)
        if output.is_dir():
            output.rename(aside)
        self._set(one, status="failed", rests_on=rests_on, model=aside.name, why=why, **more)
        self._say(f"round {one.name} failed: {why}")
        return self.state[one.name]

    def _made(self, one: RoundSpec, model: str, folder: Path) -> Path:
        """The pairs of a round from prompts: answers of the model, judged, as a data set."""
        pairs, candidates = folder / "pairs", folder / "candidates.jsonl"
        verdicts = folder / "verdicts.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        if (pairs / "manifest.json").is_file():
            return pairs
        if not candidates.is_file():
            prompting = Prompting(
                Path(one.prompts), one.answers, None, one.max_new_tokens, one.temperature
            )
            self.steps.answer(model, prompting, candidates)
        places = {"candidates": candidates, "pairs": pairs, "verdicts": verdicts}
        run_command(one.judge, places, self._say)
        if "{verdicts}" in one.judge:
            run_command("pref convert {verdicts} -o {pairs}", places, self._say)
        return pairs

    def _set(self, one: RoundSpec, **known: JsonValue) -> None:
        self.state[one.name] = known
        self._write()

    def _write(self) -> None:
        write_state(self.folder, self.state)
