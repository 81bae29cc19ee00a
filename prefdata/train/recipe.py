"""Recipes: what to train, on what, and how; checked without loading torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from prefdata.errors import RecipeError, UsageError
from prefdata.train.methods import METHODS, find_method
from prefdata.train.options import GONE, OWNED, check_options, option_types

TINY = "tiny"
"""The model name that stands for a small random-weight model made on the spot."""

TINY_LEARNING_RATE = 1e-3


class LoraSettings(BaseModel):
    """LoRA, in the words of ``peft.LoraConfig``.

    Example:
        >>> LoraSettings().r
        16
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    r: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: str | list[str] = "all-linear"


def _lora_or_not(value: object) -> object:
    """``lora: true`` means the defaults, ``lora: false`` a full fine-tune."""
    if value is True:
        return LoraSettings()
    return None if value is False else value


class Recipe(BaseModel):
    """What to train, on what, and how: one YAML file.

    The defaults follow the literature: a peak learning rate of 1e-6 for a full fine-tune and ten
    times that for LoRA, beta 0.1, a cosine schedule, warm-up over the first tenth, one epoch.

    Args:
        model: a local folder, a name on the hub, or ``tiny``.
        data: the data set directory that ``pref convert`` wrote.
        output: where the model goes; by default ``<data>-<method>``.
        method: a name in `METHODS`.
        lora: LoRA settings, or None for a full fine-tune.
        learning_rate: peak learning rate; by default what suits the method, LoRA and model.
        epochs: passes over the train split.
        max_steps: stop after that many steps; overrides epochs.
        batch_size: rows per device and step.
        max_length: tokens of prompt and completion together; longer ones lose their end.
        allow_drops: how many rows may be lost to `max_length` before the run is refused.
        seed: of the weights (tiny, LoRA), the shuffling and the sampling.
        options: any option of TRL's own config for the method, under TRL's own name.

    Example:
        >>> Recipe(model="tiny", data="pairs").resolved().output
        'pairs-dpo'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = ""
    data: str = ""
    output: str = ""
    method: str = "dpo"
    lora: Annotated[LoraSettings | None, BeforeValidator(_lora_or_not)] = None
    learning_rate: float | None = Field(None, gt=0)
    epochs: float = Field(1.0, gt=0)
    max_steps: int | None = Field(None, ge=1)
    batch_size: int = Field(8, ge=1)
    max_length: int = Field(1024, ge=8)
    allow_drops: int = Field(0, ge=0)
    seed: int = Field(42, ge=0)
    options: dict[str, JsonValue] = {}

    def resolved(self) -> Self:
        """The effective recipe: every default filled in, paths absolute where they are local.

        Example:
            >>> Recipe(model="tiny", data="pairs").resolved().learning_rate
            0.001
        """
        method = find_method(self.method)
        rate = method.learning_rate * (10 if self.lora else 1)
        if self.model == TINY:
            rate = TINY_LEARNING_RATE
        shared: dict[str, JsonValue] = {"lr_scheduler_type": "cosine", "warmup_steps": 0.1}
        return self.model_copy(
            update={
                "output": self.output or f"{self.data.rstrip('/')}-{self.method}",
                "learning_rate": self.learning_rate or rate,
                "options": {**shared, **method.defaults, **self.options},
            }
        )


def load_recipe(
    source: Path | None = None,
    *,
    flags: Mapping[str, JsonValue] | None = None,
    settings: Sequence[str] = (),
) -> Recipe:
    """A recipe from a YAML file, from flags, or from both; flags win.

    Args:
        source: a recipe in YAML; None to use flags and defaults only.
        flags: recipe keys and values; a value of None says nothing.
        settings: ``key=value`` texts: a recipe key, ``lora.r``, or any option of TRL's config.

    Raises:
        RecipeError: an unknown, removed or ill-typed key; the hint has the near or new one.
        UsageError: the file cannot be read.

    Example:
        >>> load_recipe(flags={"model": "tiny", "data": "pairs"}, settings=["beta=0.2"]).options
        {'beta': 0.2}
    """
    where = source.name if source else "command line"
    keys = _read_yaml(source) if source else {}
    keys |= {name: value for name, value in (flags or {}).items() if value is not None}
    for setting in settings:
        _apply(setting, keys)
    _check_keys(keys, Recipe, where)
    lora, options = keys.get("lora"), keys.get("options")
    if isinstance(lora, dict):
        _check_keys(lora, LoraSettings, f"{where}: lora")
    try:
        recipe = Recipe.model_validate({**keys, "options": {} if options is None else options})
    except ValidationError as error:
        raise _ill_typed(error, where) from None
    checked = check_options(recipe.options, find_method(recipe.method), where=where)
    if recipe.lora and recipe.lora.dropout and checked.get("disable_dropout", True):
        raise RecipeError(
            f"{where}: lora.dropout has no effect: TRL switches dropout off",
            hint="Leave it out, or set the option disable_dropout to false.",
        )
    return recipe.model_copy(update={"options": checked})


def _read_yaml(source: Path) -> dict[str, JsonValue]:
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{source}: cannot be read ({error.strerror})", hint="Check the path of the recipe."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise RecipeError(
            f"{source.name}: not YAML{line}", hint="A recipe is a list of lines like 'epochs: 1'."
        ) from None
    if not isinstance(content, dict):
        raise RecipeError(
            f"{source.name}: expected keys and values, found {type(content).__name__}",
            hint="A recipe is a list of lines like 'epochs: 1'.",
        )
    return {str(key): value for key, value in content.items()}


def _apply(setting: str, keys: dict[str, JsonValue]) -> None:
    """Put one ``key=value`` where it belongs: the recipe, its lora settings, or TRL's options."""
    name, equals, text = setting.partition("=")
    if not equals or not name:
        raise RecipeError(
            f"--set {setting!r} is not key=value", hint="Write it like --set beta=0.2."
        )
    value = _value(text)
    head, dot, tail = name.partition(".")
    if dot and head in ("lora", "options"):
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
        value: JsonValue = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value


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


def _ill_typed(error: ValidationError, where: str) -> RecipeError:
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"] if part != "LoraSettings"]
    return RecipeError(
        f"{where}: {'.'.join(parts)} is {first['input']!r}",
        hint=f"{first['msg'].replace('Input should', 'It should')}.",
    )
