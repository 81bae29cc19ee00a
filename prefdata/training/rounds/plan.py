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
from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.stats.gates import parse_gate
from prefdata.training.config.load_recipe import load_recipe
from prefdata.training.config.plan import require_train, resolve
from prefdata.training.config.recipe import Recipe
from prefdata.training.data.prompts import check_prompts
from prefdata.training.evaluation.metrics import METRICS, REWARD_MODEL_METRICS
from prefdata.yamlfile import read_yaml

WIN_RATE, SAMPLED_KL = "win_rate", "sampled_kl"
"""Figures that rest on answers of the model."""


class AnswerComparison(BaseModel):
    """How a round's model is compared with its reference, for a gate on answers.

    Args:
        prompts: a file of prompts, or a data set directory whose held-out prompts are taken; by
            default those of the first that the gate is measured on.
        most: prompts that both answer at most.
        max_new_tokens: of an answer.
        judge: the command that says which answers are better, for ``win_rate``. ``{generations}``
            stands for the file of answers, and ``{judged}`` for what the command writes: a data
            set directory, or a file of comparisons.

    Example:
        >>> AnswerComparison().most
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
        evaluate: data set directories that the gate is measured on; by default the round's own.
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
    compare: AnswerComparison | None = None


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
    compare: AnswerComparison | None = None
    reference: str = ""
    after_failure: Literal["continue", "stop"] = "continue"
    rounds: list[RoundSpec] = Field(min_length=1)

    def recipe_of(
        self, spec: RoundSpec, *, data: str, model: str, output: Path, where: str = "the plan"
    ) -> Recipe:
        """The recipe of a round.

        Args:
            spec: the round.
            data: its data set directory.
            model: what it starts from.
            output: where its model goes.
            where: the place of its keys, for error messages.

        Raises:
            RecipeError: the plan sets what no recipe has.
        """
        file = spec.recipe or self.recipe
        settings = [f"{key}={json.dumps(value)}" for key, value in {**self.set, **spec.set}.items()]
        flags: dict[str, JsonValue] = {"data": data, "model": model, "output": str(output)}
        return load_recipe(
            Path(file) if file else None, flags=flags, settings=settings, where=where
        )

    def gate_of(self, spec: RoundSpec) -> str:
        """The gate of a round, as text."""
        return spec.gate or self.gate

    def as_yaml(self) -> str:
        """The plan as YAML that can be run again, without keys at their defaults."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True
        )

    def compare_of(self, spec: RoundSpec) -> AnswerComparison | None:
        """How the answers of a round are compared; None where its gate needs no answers."""
        if not self.figures_of(spec) & {WIN_RATE, SAMPLED_KL}:
            return None
        return spec.compare or self.compare or AnswerComparison()

    def judges_answers(self, spec: RoundSpec) -> bool:
        """Whether the gate of a round needs to know who gives the better answers."""
        return WIN_RATE in self.figures_of(spec)

    def figures_of(self, spec: RoundSpec) -> frozenset[str]:
        """The names of the figures in the gate of a round."""
        return frozenset(each.name for each in parse_gate(self.gate_of(spec), METRICS))


def check_rounds(source: Path) -> RoundsPlan:
    """Read a plan, and check all that can be before its first round is run.

    Args:
        source: the plan.

    Raises:
        RecipeError: the plan cannot be run.
        UsageError: a path is not what it should be.
        MissingExtraError: the extra ``train`` is not installed.
    """
    require_train("pref train")
    plan = load_rounds(source)
    for spec in plan.rounds:
        where = f"{source.name}: round {spec.name}"
        for data in spec.evaluate:
            open_dataset(Path(data))
        if spec.data:
            unused = Path(plan.output) / f".{spec.name}"
            recipe = plan.recipe_of(
                spec, data=spec.data, model=plan.model, output=unused, where=where
            )
            resolve(recipe, check_output=False)
        else:
            recipe = plan.recipe_of(spec, data="", model=plan.model, output=Path(), where=where)
            check_prompts(Path(spec.prompts))
        compare = plan.compare_of(spec)
        if recipe.method == "reward":
            _check_figures(plan.gate_of(spec), where)
        if compare and compare.prompts:
            check_prompts(Path(compare.prompts))
    return plan


def _check_figures(gate: str, where: str) -> None:
    """Raise where the gate of a reward model has a figure that only a language model has."""
    for condition in parse_gate(gate, METRICS):
        figure = condition.name.rpartition("/")[2]
        if figure not in REWARD_MODEL_METRICS:
            raise RecipeError(
                f"{where}: its gate asks for {figure}, which a reward model does not have",
                hint=f"Hold it to {', '.join(REWARD_MODEL_METRICS)}, or train with another method.",
            )


def load_rounds(source: Path) -> RoundsPlan:
    """Read a plan; paths in it are relative to its folder.

    Args:
        source: the YAML file.

    Raises:
        UsageError: the file cannot be read, or a gate is no gate.
        RecipeError: a key is missing, unknown or ill-typed.
    """
    content = read_yaml(source, hint=SHAPE)
    if not isinstance(content, dict):
        raise RecipeError(f"{source.name}: no keys and values", hint=SHAPE)
    _check_keys(content, RoundsPlan, source.name)
    for spec in content.get("rounds") or []:
        if isinstance(spec, dict):
            _check_keys(spec, RoundSpec, f"{source.name}: a round")
    _check_compare_keys(content, source.name)
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


def _check_compare_keys(content: Mapping[str, object], where: str) -> None:
    """The keys of every ``compare``, of the plan and of its rounds."""
    rounds = content.get("rounds")
    for keys in (content, *(rounds if isinstance(rounds, list) else ())):
        compare = keys.get("compare") if isinstance(keys, dict) else None
        if isinstance(compare, dict):
            _check_keys(compare, AnswerComparison, f"{where}: compare")


def _from_folder(plan: RoundsPlan, folder: Path) -> RoundsPlan:
    """The plan with its paths made absolute: those that exist, and the output."""

    def absolute(text: str) -> str:
        path = folder / Path(text).expanduser()
        return str(path) if text and path.exists() else text

    def with_prompts(compare: AnswerComparison | None) -> AnswerComparison | None:
        return compare and compare.model_copy(update={"prompts": absolute(compare.prompts)})

    rounds = [
        spec.model_copy(
            update={
                "data": absolute(spec.data),
                "prompts": absolute(spec.prompts),
                "recipe": absolute(spec.recipe),
                "evaluate": [absolute(data) for data in spec.evaluate],
                "compare": with_prompts(spec.compare),
            }
        )
        for spec in plan.rounds
    ]
    return plan.model_copy(
        update={
            "model": absolute(plan.model),
            "reference": absolute(plan.reference),
            "recipe": absolute(plan.recipe),
            "compare": with_prompts(plan.compare),
            "output": str(folder / Path(plan.output).expanduser()),
            "rounds": rounds,
        }
    )


def _check(plan: RoundsPlan, where: str) -> None:
    names = [spec.name for spec in plan.rounds]
    for spec in plan.rounds:
        problem = ""
        if names.count(spec.name) > 1:
            problem = "another round has the same name"
        elif bool(spec.data) == bool(spec.prompts):
            problem = "a round has data, or prompts and judge"
        elif spec.prompts and not spec.judge:
            problem = "prompts without judge: nothing says which answer is better"
        elif spec.prompts and not spec.evaluate:
            problem = "a round from prompts needs evaluate: the held-out pairs for its gate"
        elif not plan.gate_of(spec):
            problem = "no gate, here or in the plan"
        if problem:
            raise RecipeError(f"{where}: round {spec.name}: {problem}", hint=SHAPE)
        compare = plan.compare_of(spec)
        if plan.judges_answers(spec) and not (compare and compare.judge):
            raise RecipeError(
                f"{where}: round {spec.name}: win_rate without compare.judge: "
                "nothing says which answer is better",
                hint="Set judge: pref judge {generations} -o {judged} --model NAME",
            )
        here = f"{where}: round {spec.name}"
        _check_command(spec.judge, "candidates", ("pairs", "verdicts"), f"{here}: judge")
        judge = compare.judge if compare else ""
        _check_command(judge, "generations", ("judged",), f"{here}: compare.judge")


def _check_command(command: str, source: str, outputs: Sequence[str], where: str) -> None:
    """Raise where a command cannot be split into words, or has a place that there is not.

    Args:
        command: of a plan; empty where it has none.
        source: the place that it may read.
        outputs: the places of which it must write one.
        where: the key of the command, for error messages.
    """
    if not command:
        return
    places = (source, *outputs)
    try:
        parts = [part for word in shlex.split(command) for part in Formatter().parse(word)]
    except ValueError as error:
        raise RecipeError(
            f"{where}: {error}",
            hint="Close every quote, and double a brace that stands for itself.",
        ) from None
    names = {name for _, name, _, _ in parts if name is not None}
    if any(form or conversion for _, _, form, conversion in parts):
        raise RecipeError(
            f"{where}: there is more than a name between braces",
            hint=f"Write a place by its name alone, as in {{{source}}}.",
        )
    for name in sorted(names - {*places}):
        raise UnknownNameError("place", f"{{{name}}}", [f"{{{p}}}" for p in places], where=where)
    if not names & set(outputs):
        choices = " or ".join(f"{{{name}}}" for name in outputs)
        raise RecipeError(
            f"{where}: nothing says where it writes",
            hint=f"Have the command name {choices}, which stands for what it is to write.",
        )
