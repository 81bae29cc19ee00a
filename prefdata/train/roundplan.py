"""The plan of several rounds of training: a YAML file, checked before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from prefdata.errors import RecipeError, UnknownNameError, UsageError
from prefdata.train.gates import parse_gate
from prefdata.train.recipe import Recipe, load_recipe


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


class RoundsPlan(BaseModel):
    """Rounds of training, each from the last accepted model, each behind a gate.

    Args:
        model: what the first round starts from.
        output: the folder of models and state.
        recipe: a recipe for all rounds.
        set: recipe keys for all rounds.
        gate: the conditions for rounds that name none.
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
    reference: str = ""
    after_failure: Literal["continue", "stop"] = "continue"
    rounds: list[RoundSpec] = Field(min_length=1)

    def recipe_of(self, one: RoundSpec, *, data: str, model: str, output: Path) -> Recipe:
        """The recipe of a round.

        Args:
            one: the round.
            data: its data set directory.
            model: what it starts from.
            output: where its model goes.

        Raises:
            RecipeError: the plan sets what no recipe has.
        """
        named = one.recipe or self.recipe
        settings = [f"{k}={json.dumps(v)}" for k, v in {**self.set, **one.set}.items()]
        flags: dict[str, JsonValue] = {"data": data, "model": model, "output": str(output)}
        return load_recipe(Path(named) if named else None, flags=flags, settings=settings)

    def gate_of(self, one: RoundSpec) -> str:
        """The gate of a round, as text."""
        return one.gate or self.gate


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
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{source}: cannot be read ({error.strerror})", hint="Check the path of the plan."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise RecipeError(f"{source.name}: not YAML", hint=SHAPE) from None
    if not isinstance(content, dict):
        raise RecipeError(f"{source.name}: no keys and values", hint=SHAPE)
    _check_keys(content, RoundsPlan, source.name)
    for one in content.get("rounds") or []:
        if isinstance(one, dict):
            _check_keys(one, RoundSpec, f"{source.name}: a round")
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


def _from_folder(plan: RoundsPlan, folder: Path) -> RoundsPlan:
    """The plan with its paths made absolute, those that are there or that it writes."""

    def path(text: str) -> str:
        found = folder / Path(text).expanduser()
        return str(found) if text and found.exists() else text

    rounds = [
        one.model_copy(
            update={
                "data": path(one.data),
                "prompts": path(one.prompts),
                "recipe": path(one.recipe),
                "evaluate": [path(data) for data in one.evaluate],
            }
        )
        for one in plan.rounds
    ]
    return plan.model_copy(
        update={
            "model": path(plan.model),
            "reference": path(plan.reference),
            "recipe": path(plan.recipe),
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
        for condition in parse_gate(plan.gate_of(one)):
            if condition.name in ("win_rate", "sampled_kl"):
                raise RecipeError(
                    f"{where}: round {one.name}: {condition.name} is not measured in rounds",
                    hint="Gate on held-out pairs, such as accuracy, reward_accuracy or kl.",
                )
