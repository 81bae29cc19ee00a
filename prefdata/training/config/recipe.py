"""Recipes: what to train, on what, and how; checked without loading torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, cast

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from prefdata.errors import PrefdataError, RecipeError
from prefdata.training.config.losses import LOSS_OPTIONS
from prefdata.training.config.methods import METHODS, find_method
from prefdata.training.config.misfits import misfits
from prefdata.training.config.removed import GONE, OWNED
from prefdata.training.config.settings import EvaluationSettings, FirstStage, LoraSettings
from prefdata.training.config.trl_options import check_options, option_types
from prefdata.yamlfile import DuplicateKeyError, parse_yaml, read_yaml

TINY = "tiny"
"""The model name that stands for a small random-weight model made on the spot."""

TINY_LEARNING_RATE = 1e-3


def _or_defaults(model: type[BaseModel]) -> BeforeValidator:
    """``lora: true`` means its defaults, ``lora: false`` goes without."""

    def read(value: object) -> object:
        if value is True:
            return model()
        return None if value is False else value

    return BeforeValidator(read)


class Recipe(BaseModel):
    """What to train, on what, and how: one YAML file.

    The defaults follow the literature: a peak learning rate of 1e-6 for a full fine-tune and ten
    times that for LoRA, beta 0.1, a cosine schedule, warm-up over the first tenth, one epoch.

    Args:
        model: a local folder, a LoRA adapter's folder, a name on the hub, or ``tiny``.
        revision: branch, tag or commit of a model on the hub.
        dtype: of the loaded weights; by default float32, and bfloat16 for the frozen weights below
            LoRA on a GPU.
        attention: attention implementation, in the words of transformers, such as ``sdpa``.
        quantization: ``4bit`` or ``8bit`` for the frozen weights below LoRA, by bitsandbytes.
        trust_remote_code: run code that comes with the model.
        chat_template: a Jinja file that replaces the tokenizer's template; ``none`` for plain text.
        data: the data set directory that ``pref convert`` wrote.
        output: where the model goes; by default ``<data>-<method>``.
        method: a name in `METHODS`.
        first: a first stage of supervised fine-tuning on the chosen answers.
        reference: what the model is compared with, a folder or a name on the hub; by default the
            model that training starts from.
        reference_cache: compute the reference's log-probabilities once and keep them on disk;
            ``auto`` does so where a run passes over all rows.
        lora: LoRA settings, or None for a full fine-tune.
        learning_rate: peak learning rate; by default what suits the method, LoRA and model.
        epochs: passes over the train split.
        max_steps: stop after that many steps; overrides epochs.
        batch_size: rows per device and step.
        max_length: tokens of prompt and completion together; longer ones lose their end.
        allow_drops: how many rows may be lost to `max_length` before the run is refused.
        margin_scale: the reward model's answers are to differ by so much times the column
            ``margin``; by default the column is not used.
        smaller_on_oom: when memory runs out, halve the batch and double the accumulation.
        evaluation: how to measure while training, stop early and keep the best.
        samples: held-out prompts that ``report.html`` shows answers to, before and after.
        seed: of the weights (tiny, LoRA), the shuffling and the sampling.
        options: any option of TRL's own config for the method, under TRL's own name.

    Example:
        >>> Recipe(model="tiny", data="pairs").resolved().output
        'pairs-dpo'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = ""
    revision: str = ""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    attention: str = ""
    quantization: Literal["4bit", "8bit"] | None = None
    trust_remote_code: bool = False
    chat_template: str = ""
    data: str = ""
    output: str = ""
    method: str = "dpo"
    first: Annotated[FirstStage | None, _or_defaults(FirstStage)] = None
    reference: str = ""
    reference_cache: Literal["auto"] | bool = "auto"
    lora: Annotated[LoraSettings | None, _or_defaults(LoraSettings)] = None
    learning_rate: float | None = Field(None, gt=0)
    epochs: float = Field(1.0, gt=0)
    max_steps: int | None = Field(None, ge=1)
    batch_size: int = Field(8, ge=1)
    max_length: int = Field(1024, ge=8)
    allow_drops: int = Field(0, ge=0)
    margin_scale: float | None = Field(None, gt=0)
    smaller_on_oom: bool = True
    evaluation: Annotated[EvaluationSettings | None, _or_defaults(EvaluationSettings)] = None
    samples: int = Field(3, ge=0)
    seed: int = Field(42, ge=0)
    options: dict[str, JsonValue] = {}

    def resolved(self) -> Self:
        """The effective recipe: every default filled in.

        Example:
            >>> Recipe(model="tiny", data="pairs").resolved().learning_rate
            0.001
        """
        method = find_method(self.method)
        rate = method.learning_rate * (10 if self.lora else 1)
        if self.model == TINY:
            rate = TINY_LEARNING_RATE
        shared: dict[str, JsonValue] = {"lr_scheduler_type": "cosine", "warmup_steps": 0.1}
        options = {**shared, **method.defaults, **self.options}
        unread = {
            name
            for name in LOSS_OPTIONS & set(method.defaults)
            if method.losses and not method.reads(name, options)
        }
        return self.model_copy(
            update={
                "output": self.output or f"{self.data.rstrip('/')}-{self.method}",
                "learning_rate": self.learning_rate or rate,
                "options": {k: v for k, v in options.items() if k not in unread},
            }
        )


def load_recipe(
    source: Path | None = None,
    *,
    flags: Mapping[str, JsonValue] | None = None,
    settings: Sequence[str] = (),
    where: str = "command line",
) -> Recipe:
    """A recipe from a YAML file, from flags, or from both; flags win.

    Args:
        source: a recipe in YAML; None to use flags and defaults only.
        flags: recipe keys and values; a value of None says nothing.
        settings: ``key=value`` texts: a recipe key, ``lora.r``, or any option of TRL's config.
        where: flags and settings stand, for messages on what the file does not say.

    Raises:
        RecipeError: an unknown, removed or ill-typed key; the hint has the near or new one.
        UsageError: the file cannot be read, or is no YAML.

    Example:
        >>> load_recipe(flags={"model": "tiny", "data": "pairs"}, settings=["beta=0.2"]).options
        {'beta': 0.2}
    """
    written = _read_yaml(source) if source else {}
    keys = written | {name: value for name, value in (flags or {}).items() if value is not None}
    for setting in settings:
        _apply(setting, keys)
    try:
        return _made(keys, where)
    except RecipeError as error:
        if source is not None:
            _blame(written, source.name, str(error).removeprefix(where))
        raise


def _blame(keys: Mapping[str, JsonValue], file: str, wrong: str) -> None:
    """Raise where a file by itself has what is wrong, in the name of the file."""
    try:
        _made(keys, file)
    except RecipeError as error:
        if str(error).removeprefix(file) == wrong:
            raise
    except PrefdataError:
        return


def _made(given: Mapping[str, JsonValue], where: str) -> Recipe:
    """The recipe of some keys, checked; `where` they stand."""
    keys = dict(given)
    _check_keys(keys, Recipe, where)
    for name, model in NESTED.items():
        inner = keys.get(name)
        if isinstance(inner, dict):
            _check_keys(inner, model, f"{where}: {name}")
    _lift_owned(keys, where)
    try:
        recipe = Recipe.model_validate(keys)
    except ValidationError as error:
        raise _ill_typed(error, where) from None
    return _checked(recipe, where)


NESTED: dict[str, type[BaseModel]] = {
    "lora": LoraSettings,
    "evaluation": EvaluationSettings,
    "first": FirstStage,
}
"""The keys of a recipe that hold keys of their own."""


def _lift_owned(keys: dict[str, JsonValue], where: str) -> None:
    """Options that the recipe has keys of its own for, moved there."""
    options = keys.get("options")
    if options is None:
        keys["options"] = {}
    if not isinstance(options, dict):
        return
    kept = dict(options)
    for name in set(options) & set(OWNED):
        key = OWNED[name]
        if keys.get(key, options[name]) != options[name]:
            raise RecipeError(
                f"{where}: option {name!r} is {options[name]!r}, and the key {key!r} is "
                f"{keys[key]!r}",
                hint=f"Say it once, with the key {key!r}.",
            )
        keys[key] = kept.pop(name)
    keys["options"] = kept


def _checked(recipe: Recipe, where: str) -> Recipe:
    """The recipe with its options checked, once its keys are found to fit each other."""
    method = find_method(recipe.method)
    options = check_options(recipe.options, method, where=where)
    first = recipe.first
    if first is not None:
        known = check_options(first.options, METHODS["sft"], where=f"{where}: first")
        first = first.model_copy(update={"options": known})
    wrong = next(misfits(recipe, options, method), None)
    if wrong is not None:
        raise RecipeError(f"{where}: {wrong.message}", hint=wrong.hint)
    return recipe.model_copy(update={"options": options, "first": first})


LINES = "A recipe is a list of lines like 'epochs: 1'."


def _read_yaml(source: Path) -> dict[str, JsonValue]:
    content = read_yaml(source, hint=LINES)
    if not isinstance(content, dict):
        raise RecipeError(
            f"{source.name}: expected keys and values, found {type(content).__name__}", hint=LINES
        )
    return {str(key): value for key, value in content.items()}


def _apply(setting: str, keys: dict[str, JsonValue]) -> None:
    """Put one ``key=value`` where it belongs: the recipe, its nested parts, or TRL's options."""
    name, equals, text = setting.partition("=")
    if not equals or not name:
        raise RecipeError(
            f"--set {setting!r} is not key=value", hint="Write it like --set beta=0.2."
        )
    value = _value(text)
    head, dot, tail = name.partition(".")
    if dot and head in ("options", *NESTED):
        inner = keys.get(head)
        keys[head] = {**(inner if isinstance(inner, dict) else {}), tail: value}
    elif name in Recipe.model_fields:
        keys[name] = value
    elif name in OWNED:
        keys[OWNED[name]] = value
    else:
        options = keys.get("options")
        keys["options"] = {**(options if isinstance(options, dict) else {}), name: value}


def _value(text: str) -> JsonValue:
    """The value that YAML would read: 0.2 is a number, [a, b] a list."""
    try:
        return cast("JsonValue", parse_yaml(text))
    except DuplicateKeyError as error:
        raise RecipeError(f"--set: {error.problem} in {text!r}", hint="Keep one of them.") from None
    except (yaml.YAMLError, RecursionError):
        return text


def _check_keys(keys: Mapping[str, JsonValue], model: type[BaseModel], where: str) -> None:
    for key in keys:
        if key not in model.model_fields:
            raise RecipeError(f"{where}: unknown key {key!r}", hint=_key_hint(key, model))


def _key_hint(key: str, model: type[BaseModel]) -> str:
    if model is Recipe:
        if key in GONE:
            return f"TRL no longer takes it. {GONE[key]}"
        if key in OWNED or key == "lr":
            return f"A recipe calls it {OWNED.get(key, 'learning_rate')!r}."
        if any(key in option_types(method.config_sources) for method in METHODS.values()):
            return "It is an option of TRL: put it under 'options'."
    near = difflib.get_close_matches(key, model.model_fields, n=2)
    guess = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    return f"{guess}Known: {', '.join(model.model_fields)}."


MODELS = {model.__name__ for model in NESTED.values()} | {"bool"}


def _ill_typed(error: ValidationError, where: str) -> RecipeError:
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"] if part not in MODELS]
    return RecipeError(
        f"{where}: {'.'.join(parts)} is {first['input']!r}",
        hint=f"{first['msg'].replace('Input should', 'It should')}.",
    )
