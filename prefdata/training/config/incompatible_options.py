"""Keys of a recipe that do not go together, each with its message and remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from prefdata.training.config.losses import Options
from prefdata.training.config.methods import Method
from prefdata.training.config.recipe import EvaluationSettings, Recipe


class Incompatible(NamedTuple):
    """Two keys that contradict each other, or one that has no effect beside another.

    Args:
        message: the contradiction.
        hint: the remedy.
    """

    message: str
    hint: str


def incompatible_options(
    recipe: Recipe, options: Options, method: Method
) -> Iterator[Incompatible]:
    """Every contradiction within a recipe.

    Args:
        recipe: with keys that are each right by themselves.
        options: of TRL's config, checked.
        method: of the recipe.

    Yields:
        Those of the weights first, of the method next, of the evaluation last.

    Example:
        >>> from prefdata.training.config.methods import METHODS
        >>> next(incompatible_options(Recipe(quantization="4bit"), {}, METHODS["dpo"])).message
        'quantization 4bit without lora: quantised weights cannot be trained'
    """
    yield from _weights(recipe, options)
    yield from _method(recipe, method)
    yield from _reference(recipe, options, method)
    yield from _evaluation(recipe.evaluation or EvaluationSettings(), method)


def _weights(recipe: Recipe, options: Options) -> Iterator[Incompatible]:
    lora = recipe.lora
    if recipe.quantization and not lora:
        yield Incompatible(
            f"quantization {recipe.quantization} without lora: quantised weights cannot be trained",
            "Add lora: true, or leave quantization out.",
        )
    if lora and lora.dropout and options.get("disable_dropout", True):
        yield Incompatible(
            "lora.dropout has no effect: TRL switches dropout off",
            "Leave it out, or set the option disable_dropout to false.",
        )
    if lora and options.get("sync_ref_model"):
        yield Incompatible(
            "sync_ref_model does not work with lora, whose reference is the model without adapter",
            "Leave one of them out.",
        )
    if lora and "lm_head" in lora.target_modules:
        yield Incompatible(
            "lora.target_modules names lm_head, which TRL multiplies past the adapter",
            "Leave lm_head out.",
        )


def _method(recipe: Recipe, method: Method) -> Iterator[Incompatible]:
    if recipe.margin_scale and method.name != "reward":
        yield Incompatible(
            f"margin_scale has no effect with method {method.name}",
            "Leave it out, or use method: reward.",
        )
    if recipe.first and method.name == "sft":
        yield Incompatible(
            "first is supervised fine-tuning, and so is method sft", "Leave first out."
        )


def _reference(recipe: Recipe, options: Options, method: Method) -> Iterator[Incompatible]:
    if recipe.reference and not method.reference:
        yield Incompatible(
            f"method {method.name} has no reference",
            "Leave reference out, or use method: dpo.",
        )
    if recipe.reference_cache is True and not method.reference:
        yield Incompatible(
            f"method {method.name} has no reference to cache", "Leave reference_cache out."
        )
    if recipe.reference_cache is True and recipe.trainer:
        yield Incompatible(
            f"reference_cache does not work with trainer {recipe.trainer}, "
            "which may compute its reference in another way than TRL's",
            "Leave one of them out.",
        )
    if recipe.reference_cache is True and options.get("sync_ref_model"):
        yield Incompatible(
            "reference_cache and sync_ref_model contradict each other: the reference moves",
            "Leave one of them out.",
        )


def _evaluation(evaluation: EvaluationSettings, method: Method) -> Iterator[Incompatible]:
    if evaluation.patience and not evaluation.best:
        yield Incompatible(
            "evaluation.patience needs evaluation.best: better by what?",
            "Set evaluation.best to loss or accuracy.",
        )
    if evaluation.best == "accuracy" and "rewards/accuracies" not in method.metrics:
        yield Incompatible(f"method {method.name} has no accuracy", "Set evaluation.best to loss.")
