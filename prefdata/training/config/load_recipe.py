"""Reading a recipe from its file, flags and settings, and checking what it says."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import yaml
from pydantic import BaseModel, JsonValue, ValidationError

from prefdata.errors import PrefdataError, RecipeError
from prefdata.training.config.incompatible_options import incompatible_options
from prefdata.training.config.methods import METHODS
from prefdata.training.config.own_trainer import method_of
from prefdata.training.config.recipe import NESTED, Recipe
from prefdata.training.config.trl_options import (
    REMOVED_OPTIONS,
    RENAMED_OPTIONS,
    check_options,
    option_types,
)
from prefdata.yamlfile import DuplicateKeyError, parse_yaml, read_yaml


def load_recipe(
    source: Path | None = None,
    *,
    flags: Mapping[str, JsonValue] | None = None,
    settings: Sequence[str] = (),
    where: str = "command line",
) -> Recipe:
    """Read a recipe from a YAML file, from flags, or from both; flags win.

    Args:
        source: a recipe in YAML; None to use flags and defaults only.
        flags: recipe keys and values; those that are None are left out.
        settings: ``key=value`` texts: a recipe key, ``lora.r``, or any option of TRL's config.
        where: the name of flags and settings, for messages on what is not in the file.

    Raises:
        RecipeError: an unknown, removed or ill-typed key; the hint has the near or new one.
        UsageError: the file cannot be read, or is no YAML.

    Example:
        >>> load_recipe(flags={"model": "tiny", "data": "pairs"}, settings=["beta=0.2"]).options
        {'beta': 0.2}
    """
    file_keys = _read_keys(source) if source else {}
    keys = file_keys | {name: value for name, value in (flags or {}).items() if value is not None}
    for setting in settings:
        _apply_setting(setting, keys)
    try:
        return check_recipe(_parse(keys, where), where)
    except RecipeError as error:
        if source is not None:
            _raise_for_file(file_keys, source.name, str(error).removeprefix(where))
        raise


def read_recipe(source: Path) -> Recipe:
    """Read a recipe that was checked when it was saved; only its keys and their types are checked.

    Raises:
        RecipeError: an unknown or ill-typed key.
        UsageError: the file cannot be read, or is no YAML.
    """
    return _parse(_read_keys(source), source.name)


def check_recipe(recipe: Recipe, where: str = "recipe") -> Recipe:
    """The recipe with its options as TRL takes them, once they are found right.

    Args:
        recipe: with keys that are each of the right type.
        where: the name of the recipe, for messages.

    Raises:
        RecipeError: an option is unknown, removed or ill-typed, or two keys contradict each other.
        UnknownNameError: there is no such method.

    Example:
        >>> check_recipe(Recipe(options={"beta": "0.2"})).options
        {'beta': 0.2}
    """
    method = method_of(recipe, where)
    options = check_options(recipe.options, method, where=where)
    first = recipe.first
    if first is not None:
        first_options = check_options(first.options, METHODS["sft"], where=f"{where}: first")
        first = first.model_copy(update={"options": first_options})
    problem = next(incompatible_options(recipe, options, method), None)
    if problem is not None:
        raise RecipeError(f"{where}: {problem.message}", hint=problem.hint)
    return recipe.model_copy(update={"method": method.name, "options": options, "first": first})


def _raise_for_file(keys: Mapping[str, JsonValue], file: str, message: str) -> None:
    """Raise an error in the name of the file, where the file alone gives the same error."""
    try:
        check_recipe(_parse(keys, file), file)
    except RecipeError as error:
        if str(error).removeprefix(file) == message:
            raise
    except PrefdataError:
        return


def _parse(raw: Mapping[str, JsonValue], where: str) -> Recipe:
    """The recipe of some keys, their names and types checked."""
    keys = dict(raw)
    _check_keys(keys, Recipe, where)
    for name, model in NESTED.items():
        inner = keys.get(name)
        if isinstance(inner, dict):
            _check_keys(inner, model, f"{where}: {name}")
    _move_renamed(keys, where)
    try:
        return Recipe.model_validate(keys)
    except ValidationError as error:
        raise _ill_typed(error, where) from None


def _move_renamed(keys: dict[str, JsonValue], where: str) -> None:
    """Move options that the recipe has keys of its own for to these keys."""
    options = keys.get("options")
    if options is None:
        keys["options"] = {}
    if not isinstance(options, dict):
        return
    others = dict(options)
    for name in set(options) & set(RENAMED_OPTIONS):
        key = RENAMED_OPTIONS[name]
        if keys.get(key, options[name]) != options[name]:
            raise RecipeError(
                f"{where}: option {name!r} is {options[name]!r}, and the key {key!r} is "
                f"{keys[key]!r}",
                hint=f"Say it once, with the key {key!r}.",
            )
        keys[key] = others.pop(name)
    keys["options"] = others


SYNTAX = "A recipe is a list of lines like 'epochs: 1'."


def _read_keys(source: Path) -> dict[str, JsonValue]:
    content = read_yaml(source, hint=SYNTAX)
    if not isinstance(content, dict):
        raise RecipeError(
            f"{source.name}: expected keys and values, found {type(content).__name__}", hint=SYNTAX
        )
    return {str(key): value for key, value in content.items()}


def _apply_setting(setting: str, keys: dict[str, JsonValue]) -> None:
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
    elif name in RENAMED_OPTIONS:
        keys[RENAMED_OPTIONS[name]] = value
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
        if key in REMOVED_OPTIONS:
            return f"TRL no longer takes it. {REMOVED_OPTIONS[key]}"
        if key in RENAMED_OPTIONS or key == "lr":
            return f"A recipe calls it {RENAMED_OPTIONS.get(key, 'learning_rate')!r}."
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
