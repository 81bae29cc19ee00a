"""The plan of several rounds of training: a YAML file, checked before anything is loaded."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from prefdata.errors import RecipeError, UnknownNameError
from prefdata.stats.gates import parse_gate
from prefdata.training.config.load_recipe import load_recipe
from prefdata.training.config.recipe import Recipe
from prefdata.training.evaluation.metrics import METRICS
from prefdata.yamlfile import read_yaml

WIN_RATE, SAMPLED_KL = "win_rate", "sampled_kl"
"""Figures that rest on answers of the model."""


class Comparing(BaseModel):
    """How a round's model is compared with its reference, for a gate on answers.

    Args:
        prompts: a file of prompts, or a data set directory whose held-out prompts are taken; by
            default those of the first that the gate is held on.
        most: prompts that both answer at most.
        max_new_tokens: of an answer.
        judge: the command that says which answers are better, for ``win_rate``. ``{generations}``
            stands for the file of answers, and ``{judged}`` for what the command writes: a data
            set directory, or a file of comparisons.

    Example:
        >>> Comparing().most
        200
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompts: str = ""
    most: int = Field(200, ge=1)
    max_new_tokens: int = Field(256, ge=1)
    judge: str = ""


class RoundSpec(BaseModel):
    """One round: a data set, or prompts from which one is made; how to train; what to meet.

    Args:
        name: of the round, and of its folder.
        data: the data set directory to train on.
        prompts: instead of data: a file of prompts, or a data set directory whose held-out prompts
            are taken, which the last accepted model answers.
        answers: to each prompt.
        temperature: at which they are sampled.
        max_new_tokens: of an answer.
        judge: the command that makes pairs of the answers. ``{candidates}`` stands for the file of
            answers, ``{pairs}`` for the data set directory to write; or ``{verdicts}`` for a file
            of comparisons, which is then converted.
        recipe: a recipe to start from; by default that of the plan.
        set: recipe keys that this round sets.
        evaluate: data set directories that the gate is held on; by default the round's own.
        gate: the conditions on the figures of `pref eval`; by default that of the plan.
        compare: how answers are compared, where the gate has ``win_rate`` or ``sampled_kl``; by
            default that of the plan.

    Example:
        >>> RoundSpec(name="safety", data="pairs-safety").answers
        4
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[\w.-]+$")
    data: str = ""
    prompts: str = ""
    answers: int = Field(4, ge=2)
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(256, ge=1)
    judge: str = ""
    recipe: str = ""
    set: dict[str, JsonValue] = {}
    evaluate: list[str] = []
    gate: str = ""
    compare: Comparing | None = None


class RoundsPlan(BaseModel):
    """Rounds of training, each from the last accepted model, each behind a gate.

    Args:
        model: what the first round starts from.
        output: the folder of models and state.
        recipe: a recipe for all rounds.
        set: recipe keys for all rounds.
        gate: the conditions for rounds that name none.
        compare: how answers are compared, for rounds that do not say.
        reference: what the gate's figures are measured against; by default what the round started
            from.
        after_failure: ``continue`` with the next round from the last accepted model, or ``stop``.
        rounds: in turn.

    Example:
        >>> plan = RoundsPlan(model="tiny", output="rounds", rounds=[{"name": "a", "data": "d"}])
        >>> plan.after_failure
        'continue'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    output: str
    recipe: str = ""
    set: dict[str, JsonValue] = {}
    gate: str = ""
    compare: Comparing | None = None
    reference: str = ""
    after_failure: Literal["continue", "stop"] = "continue"
    rounds: list[RoundSpec] = Field(min_length=1)

    def recipe_of(
        self, one: RoundSpec, *, data: str, model: str, output: Path, where: str = "the plan"
    ) -> Recipe:
        """The recipe of a round.

        Args:
            one: the round.
            data: its data set directory.
            model: what it starts from.
            output: where its model goes.
            where: the round stands, for messages on what it sets.

        Raises:
            RecipeError: the plan sets what no recipe has.
        """
        named = one.recipe or self.recipe
        settings = [f"{k}={json.dumps(v)}" for k, v in {**self.set, **one.set}.items()]
        flags: dict[str, JsonValue] = {"data": data, "model": model, "output": str(output)}
        file = Path(named) if named else None
        return load_recipe(file, flags=flags, settings=settings, where=where)

    def gate_of(self, one: RoundSpec) -> str:
        """The gate of a round, as text."""
        return one.gate or self.gate

    def as_yaml(self) -> str:
        """The plan as YAML that can be run again, without the keys that say nothing."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True
        )

    def compare_of(self, one: RoundSpec) -> Comparing | None:
        """How the answers of a round are compared; None where its gate asks for none."""
        asked = {condition.name for condition in parse_gate(self.gate_of(one), METRICS)}
        if not asked & {WIN_RATE, SAMPLED_KL}:
            return None
        return one.compare or self.compare or Comparing()

    def judges_answers(self, one: RoundSpec) -> bool:
        """Whether the gate of a round asks who gives the better answers."""
        return any(
            condition.name == WIN_RATE for condition in parse_gate(self.gate_of(one), METRICS)
        )


def load_rounds(source: Path) -> RoundsPlan:
    """Read a plan, paths in it being relative to its folder.

    Args:
        source: the YAML file.

    Raises:
        UsageError: the file cannot be read, or a gate is no gate.
        RecipeError: a key is missing, unknown or ill-typed.

    Example:
        >>> load_rounds(Path("plan.yaml")).rounds[0].name  # doctest: +SKIP
        'helpfulness'
    """
    content = read_yaml(source, hint=SHAPE)
    if not isinstance(content, dict):
        raise RecipeError(f"{source.name}: no keys and values", hint=SHAPE)
    _check_keys(content, RoundsPlan, source.name)
    for one in content.get("rounds") or []:
        if isinstance(one, dict):
            _check_keys(one, RoundSpec, f"{source.name}: a round")
    _check_compared(content, source.name)
    try:
        plan = RoundsPlan.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecipeError(f"{source.name}: {where}: {first['msg']}", hint=SHAPE) from None
    plan = _from_folder(plan, source.absolute().parent)
    _check(plan, source.name)
    return plan


SHAPE = "A plan has model, output, gate, and rounds: a list of name and data."


def _check_keys(keys: Mapping[object, object], model: type[BaseModel], where: str) -> None:
    for key in keys:
        if key not in model.model_fields:
            raise UnknownNameError("key", str(key), model.model_fields, where=where)


def _check_compared(content: Mapping[str, object], where: str) -> None:
    """The keys of every ``compare``, of the plan and of its rounds."""
    rounds = content.get("rounds")
    for one in (content, *(rounds if isinstance(rounds, list) else ())):
        compare = one.get("compare") if isinstance(one, dict) else None
        if isinstance(compare, dict):
            _check_keys(compare, Comparing, f"{where}: compare")


def _from_folder(plan: RoundsPlan, folder: Path) -> RoundsPlan:
    """The plan with its paths made absolute, those that are there or that it writes."""

    def path(text: str) -> str:
        found = folder / Path(text).expanduser()
        return str(found) if text and found.exists() else text

    def compared(compare: Comparing | None) -> Comparing | None:
        return compare and compare.model_copy(update={"prompts": path(compare.prompts)})

    rounds = [
        one.model_copy(
            update={
                "data": path(one.data),
                "prompts": path(one.prompts),
                "recipe": path(one.recipe),
                "evaluate": [path(data) for data in one.evaluate],
                "compare": compared(one.compare),
            }
        )
        for one in plan.rounds
    ]
    return plan.model_copy(
        update={
            "model": path(plan.model),
            "reference": path(plan.reference),
            "recipe": path(plan.recipe),
            "compare": compared(plan.compare),
            "output": str(folder / Path(plan.output).expanduser()),
            "rounds": rounds,
        }
    )


def _check(plan: RoundsPlan, where: str) -> None:
    names = [one.name for one in plan.rounds]
    for one in plan.rounds:
        wrong = ""
        if names.count(one.name) > 1:
            wrong = "another round has the same name"
        elif bool(one.data) == bool(one.prompts):
            wrong = "a round has data, or prompts and judge"
        elif one.prompts and not one.judge:
            wrong = "prompts without judge: nothing says which answer is better"
        elif one.prompts and not one.evaluate:
            wrong = "a round from prompts needs evaluate: the held-out pairs for its gate"
        elif not plan.gate_of(one):
            wrong = "no gate, here or in the plan"
        if wrong:
            raise RecipeError(f"{where}: round {one.name}: {wrong}", hint=SHAPE)
        compare = plan.compare_of(one)
        if plan.judges_answers(one) and not (compare and compare.judge):
            raise RecipeError(
                f"{where}: round {one.name}: win_rate without compare.judge: "
                "nothing says which answer is better",
                hint="Set judge: pref judge {generations} -o {judged} --model NAME",
            )
        here = f"{where}: round {one.name}"
        _check_command(one.judge, "candidates", ("pairs", "verdicts"), f"{here}: judge")
        judge = compare.judge if compare else ""
        _check_command(judge, "generations", ("judged",), f"{here}: compare.judge")


def _check_command(command: str, read: str, written: Sequence[str], where: str) -> None:
    """Raise where the words of a command cannot be told, or name a place that there is not.

    Args:
        command: of a plan; empty where it has none.
        read: the place that it may read.
        written: the places of which it must write one.
        where: the command stands.
    """
    if not command:
        return
    places = (read, *written)
    try:
        found = [part for word in shlex.split(command) for part in Formatter().parse(word)]
    except ValueError as error:
        raise RecipeError(
            f"{where}: {error}",
            hint="Close every quote, and double a brace that stands for itself.",
        ) from None
    named = {name for _, name, _, _ in found if name is not None}
    if any(form or conversion for _, _, form, conversion in found):
        raise RecipeError(
            f"{where}: there is more than a name between braces",
            hint=f"Write a place by its name alone, as in {{{read}}}.",
        )
    for name in sorted(named - {*places}):
        raise UnknownNameError("place", f"{{{name}}}", [f"{{{p}}}" for p in places], where=where)
    if not named & set(written):
        outputs = " or ".join(f"{{{name}}}" for name in written)
        raise RecipeError(
            f"{where}: nothing says where it writes",
            hint=f"Have the command name {outputs}, which stands for what it is to write.",
        )
