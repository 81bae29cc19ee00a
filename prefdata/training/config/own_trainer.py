"""A trainer of the user's own: a subclass of one of TRL's, which a recipe names by import path."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from prefdata.errors import RecipeError
from prefdata.training.config.losses import any_loss
from prefdata.training.config.methods import METHODS, Method, find_method
from prefdata.training.config.recipe import Recipe


def method_of(recipe: Recipe, where: str = "recipe") -> Method:
    """The method of a recipe; where the recipe names a trainer, with that trainer in it.

    Importing the trainer runs the code of its module, and loads TRL.

    Args:
        recipe: its method is taken from the trainer's base class where it sets none.
        where: the name of the recipe, for messages.

    Raises:
        UnknownNameError: there is no such method.
        RecipeError: the trainer cannot be imported, or is no subclass of one that TRL has for the
            method.

    Example:
        >>> method_of(Recipe(method="kto")).trainer
        'trl:KTOTrainer'
    """
    if not recipe.trainer:
        return find_method(recipe.method)
    where = f"{where}: trainer {recipe.trainer}"
    trainer = _import_trainer(recipe.trainer, where)
    bases = [method for method in METHODS.values() if method.trainer_name in _trl_bases(trainer)]
    if not bases:
        names = dict.fromkeys(method.trainer_name for method in METHODS.values())
        raise RecipeError(
            f"{where}: it is not a subclass of a trainer that a method uses",
            hint=f"Derive it from one of TRL's: {', '.join(names)}.",
        )
    method = bases[0]
    if "method" in recipe.model_fields_set:
        method = find_method(recipe.method)
        if method not in bases:
            raise RecipeError(
                f"{where}: it is a {bases[0].trainer_name}, and method {method.name} trains with "
                f"{method.trainer_name}",
                hint=f"Use method: {bases[0].name}, or leave method out.",
            )
    return _with_trainer(method, recipe.trainer, trainer, where)


def _with_trainer(method: Method, path: str, trainer: type, where: str) -> Method:
    """The method with the user's trainer and config, whose loss may read every option."""
    config: type | None = getattr(trainer, "config_class", None)
    own = replace(
        method,
        trainer=path,
        summary=f"`{path}`, a subclass of TRL's {method.trainer_name}",
        losses={name: any_loss(loss) for name, loss in method.losses.items()},
    )
    if config is None:
        return own
    if method.config_name not in _trl_bases(config):
        raise RecipeError(
            f"{where}: its config_class is not a subclass of {method.config_name}",
            hint=f"Derive it from TRL's {method.config_name}, as a dataclass.",
        )
    source = str(sys.modules[config.__module__].__file__)
    return replace(
        own,
        config=f"{config.__module__}:{config.__qualname__}",
        config_sources=(source, *method.config_sources),
    )


def _import_trainer(path: str, where: str) -> type:
    """The class at an import path, from installed packages or the working directory."""
    if not re.fullmatch(r"\w+(\.\w+)*:\w+", path):
        raise RecipeError(
            f"{where}: it is not written as module:Class",
            hint="Write it like my_trainers:MyDPOTrainer.",
        )
    module, _, name = path.partition(":")
    attributes = _import_attributes(module, where)
    trainer = attributes.get(name)
    if not isinstance(trainer, type):
        near = difflib.get_close_matches(name, _classes(attributes), n=1)
        raise RecipeError(
            f"{where}: there is no class {name} in {module}",
            hint=f"Did you mean {near[0]}?" if near else f"Define it in {module}.",
        )
    return trainer


def _import_attributes(module: str, where: str) -> Mapping[str, Any]:
    """What a module holds; last of all places, it is looked for in the working directory."""
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return vars(import_module(module))
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise RecipeError(
                f"{where}: {module} imports {error.name}, which is not there",
                hint=f"Install {error.name}.",
            ) from error
        raise RecipeError(
            f"{where}: there is no module {error.name}",
            hint="Start pref in the folder that holds it, or install its package.",
        ) from None
    except Exception as error:
        raise RecipeError(
            f"{where}: importing {module} fails with {type(error).__name__}: {error}",
            hint=f"See where, with: python -c 'import {module}'.",
        ) from error


def _classes(attributes: Mapping[str, Any]) -> Sequence[str]:
    return [name for name, value in attributes.items() if isinstance(value, type)]


def _trl_bases(cls: type) -> set[str]:
    """The names of the classes of TRL that a class is, or derives from.

    By name, since importing all trainers of TRL to compare with takes up to 9 s.
    """
    return {base.__name__ for base in cls.__mro__ if base.__module__.partition(".")[0] == "trl"}
