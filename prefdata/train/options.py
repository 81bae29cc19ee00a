"""Names and types of TRL's own options, read from its installed source without importing it."""

from __future__ import annotations

import ast
import difflib
import functools
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError

from prefdata.errors import RecipeError
from prefdata.train.methods import Method, loss_types

OWNED = {
    "output_dir": "output",
    "learning_rate": "learning_rate",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "max_steps": "max_steps",
    "max_length": "max_length",
    "seed": "seed",
}
"""TRL's options that a recipe sets under a key of its own: TRL's name, then the recipe's key."""

GONE = {
    "rpo_alpha": "Use loss_type: [sigmoid, sft] with loss_weights: [1.0, rpo_alpha].",
    "reference_free": "Use a method without a reference; DPO always has one.",
    "model_adapter_name": "Set lora in the recipe; the trainer names the adapter itself.",
    "ref_adapter_name": "Set lora in the recipe; the reference is the model with the adapter off.",
    "ref_model_init_kwargs": "Use model_init_kwargs: the reference is loaded as the model is.",
    "max_prompt_length": "Use max_length: it bounds prompt and completion together.",
    "max_completion_length": "Use max_length: it bounds prompt and completion together.",
    "max_target_length": "Use max_length: it bounds prompt and completion together.",
    "generate_during_eval": "Generate after training, with the saved model.",
    "label_pad_token_id": "Leave it out: completions are masked, not padded with a label.",
    "padding_value": "Set the tokenizer's pad token.",
    "pad_token": "Set the tokenizer's pad token.",
    "is_encoder_decoder": "Leave it out: only decoder models are trained.",
    "use_liger_loss": "Leave it out: the trainer's own head no longer builds the full logits.",
    "use_liger_kernel": "Use model_init_kwargs: {use_kernels: true}.",
    "tokenizer": "Leave it out: the tokenizer comes with the model.",
    "dataset_test_split": "Split with pref convert: the test split comes with the data set.",
    "warmup_ratio": "Use warmup_steps: below 1 it is a share of all steps, such as 0.1.",
    "logging_dir": "Set the environment variable TENSORBOARD_LOGGING_DIR.",
    "overwrite_output_dir": "Use pref train --force.",
    "evaluation_strategy": "Use eval_strategy.",
    "save_safetensors": "Leave it out: models are always saved as safetensors.",
    "group_by_length": "Use train_sampling_strategy: group_by_length.",
    "no_cuda": "Use use_cpu.",
    "per_gpu_train_batch_size": "Use batch_size.",
}
"""Arguments of older recipes that TRL or transformers no longer take, and the new way."""

GONE_LOSSES = {
    "kto_pair": "Use method: kto, which also takes pairs.",
    "aot_pair": "Use loss_type: aot.",
    "bco": "Use loss_type: bco_pair.",
    "simpo": "SimPO is not among the losses of method dpo; loss_type: sigmoid_norm comes closest.",
    "orpo": "ORPO is not among the losses of method dpo.",
}
"""Losses of older recipes, and the new way."""

SMOOTHED = ("robust", "exo_pair", "aot", "aot_unpaired")
"""The losses that read label_smoothing; all others ignore it without a word."""

_CHECKED_TYPES: dict[str, type] = {"float": float, "int": int, "bool": bool, "str": str}


@functools.cache
def option_types(sources: tuple[str, ...]) -> dict[str, str]:
    """Each option of a TRL config and its annotation, as the installed source declares them.

    Reading the source takes 0.1 s where importing the config takes 4 s.

    Args:
        sources: the files that declare the fields, relative to site-packages; first wins.

    Returns:
        Option to annotation, such as ``{"beta": "float"}``; empty where a source is missing.

    Example:
        >>> from prefdata.train.methods import METHODS
        >>> option_types(METHODS["dpo"].config_sources)["beta"]
        'float'
    """
    found: dict[str, str] = {}
    for source in sources:
        package, _, rest = source.partition("/")
        spec = find_spec(package)
        path = Path(spec.origin).parent / rest if spec is not None and spec.origin else None
        if path is None or not path.is_file():
            return {}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith(("Config", "Arguments")):
                for name, annotation in _fields(node):
                    found.setdefault(name, annotation)
    return found


def check_options(
    options: Mapping[str, JsonValue], method: Method, *, where: str
) -> dict[str, JsonValue]:
    """The options as TRL will get them, once every name and simple type is found right.

    Args:
        options: what the recipe says under ``options``.
        method: the method whose TRL config takes them.
        where: the recipe's name for messages.

    Raises:
        RecipeError: an unknown, removed, ineffective or ill-typed option; the hint has the new way.

    Example:
        >>> from prefdata.train.methods import METHODS
        >>> check_options({"beta": "0.2"}, METHODS["dpo"], where="dpo.yaml")
        {'beta': 0.2}
    """
    known = option_types(method.config_sources)
    checked: dict[str, JsonValue] = {}
    for name, value in options.items():
        _check_name(name, known, method, where)
        checked[name] = _check_type(name, value, known.get(name, ""), where)
    _check_losses(checked, method, where)
    return checked


def _fields(node: ast.ClassDef) -> list[tuple[str, str]]:
    return [
        (item.target.id, ast.unparse(item.annotation))
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]


def _check_name(name: str, known: Mapping[str, str], method: Method, where: str) -> None:
    if name in GONE:
        raise RecipeError(f"{where}: option {name!r} is no longer there in TRL", hint=GONE[name])
    if name in OWNED:
        raise RecipeError(
            f"{where}: option {name!r} is set by the recipe itself",
            hint=f"Use the key {OWNED[name]!r} at the top level of the recipe.",
        )
    if known and name not in known:
        near = difflib.get_close_matches(name, [*known, *OWNED], n=2)
        guess = " or ".join(repr(OWNED.get(n, n)) for n in near)
        raise RecipeError(
            f"{where}: {method.config} has no option {name!r}",
            hint=f"Did you mean {guess}?" if near else f"See the documentation of {method.config}.",
        )


def _check_type(name: str, value: JsonValue, annotation: str, where: str) -> JsonValue:
    """The value as its type; only simple types are checked, the rest is TRL's to judge."""
    parts = annotation.split(" | ")
    expected = _CHECKED_TYPES.get(parts[0])
    if expected is None or set(parts[1:]) - {"None"} or (value is None and "None" in parts):
        return value
    if isinstance(value, bool) == (expected is bool):
        try:
            return cast("JsonValue", _adapter(expected).validate_python(value))
        except ValidationError:
            pass
    raise RecipeError(
        f"{where}: option {name!r} is {value!r}, expected {annotation}",
        hint=f"Give {name} a value of the type {parts[0]}.",
    )


@functools.cache
def _adapter(expected: type) -> TypeAdapter[object]:
    return TypeAdapter(expected, config=ConfigDict(coerce_numbers_to_str=True))


def _check_losses(options: Mapping[str, JsonValue], method: Method, where: str) -> None:
    """TRL finds an unknown loss at the first step only, and never tells of an ignored option."""
    losses = loss_types(options)
    for loss in losses:
        if loss not in method.losses:
            near = difflib.get_close_matches(loss, method.losses, n=1)
            guess = f"Did you mean {near[0]!r}? " if near else ""
            raise RecipeError(
                f"{where}: method {method.name} has no loss_type {loss!r}",
                hint=GONE_LOSSES.get(loss) or f"{guess}Known: {', '.join(method.losses)}.",
            )
    weights = options.get("loss_weights")
    if isinstance(weights, list) and len(weights) != max(len(losses), 1):
        raise RecipeError(
            f"{where}: {len(weights)} loss_weights for {max(len(losses), 1)} loss_type",
            hint="Give one weight for each loss.",
        )
    if options.get("label_smoothing") and not set(losses) & set(SMOOTHED):
        raise RecipeError(
            f"{where}: label_smoothing has no effect with loss_type "
            f"{' + '.join(losses) or next(iter(method.losses))}",
            hint=f"Use loss_type: robust, or another of {', '.join(SMOOTHED)}.",
        )
    if options.get("padding_free"):
        raise RecipeError(f"{where}: padding_free has no effect in TRL 1.16", hint="Leave it out.")
