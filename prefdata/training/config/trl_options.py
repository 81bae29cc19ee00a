"""TRL's own options: names, types and choices read from its installed source, not imported."""

from __future__ import annotations

import ast
import difflib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError

from prefdata.errors import RecipeError
from prefdata.training.config.losses import LOSS_OPTIONS, loss_types, loss_weights, number
from prefdata.training.config.methods import Method

AUTO = "auto"
"""The value of an option that is computed from the data."""

SMOOTHING = (
    "Use loss_type: cdpo for conservative DPO, which label_smoothing with sigmoid once was, or "
    "robust where labels are known to be flipped."
)

AUTO_OPTIONS = {
    "label_smoothing": ("dpo", "cpo", "simpo"),
    "desirable_weight": ("kto",),
    "undesirable_weight": ("kto",),
}
"""Options that may be ``auto``, each with the methods that allow it."""

REQUIRED_OPTIONS = {
    "f_alpha_divergence_coef": ("f_divergence_type", "alpha_divergence"),
    "ref_model_mixup_alpha": ("sync_ref_model", True),
    "ref_model_sync_steps": ("sync_ref_model", True),
    "packing_strategy": ("packing", True),
    "eval_packing": ("packing", True),
}
"""Options that TRL ignores unless another one has a certain value."""

SWITCHES = ("fsdp",)
"""Options that are declared as text and take true or false as well."""

DIVERGENCES = ("reverse_kl", "forward_kl", "js_divergence", "alpha_divergence")

RENAMED_OPTIONS = {
    "output_dir": "output",
    "learning_rate": "learning_rate",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "max_steps": "max_steps",
    "max_length": "max_length",
    "seed": "seed",
    "trust_remote_code": "trust_remote_code",
    "precompute_ref_log_probs": "reference_cache",
    "chat_template_path": "chat_template",
}
"""TRL's options that a recipe holds under a key of its own: TRL's name, then the recipe's key."""

REMOVED_OPTIONS = {
    "rpo_alpha": "Use loss_type: [sigmoid, sft] with loss_weights: [1.0, rpo_alpha].",
    "reference_free": "Use method orpo, cpo or simpo; DPO always has a reference.",
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
    "test_split_size": "Split with pref convert: the test split comes with the data set.",
    "warmup_ratio": "Use warmup_steps: below 1 it is a share of all steps, such as 0.1.",
    "logging_dir": "Set the environment variable TENSORBOARD_LOGGING_DIR.",
    "overwrite_output_dir": "Use pref train --force.",
    "resume_from_checkpoint": "Use pref train --resume.",
    "evaluation_strategy": "Use eval_strategy.",
    "save_safetensors": "Leave it out: models are always saved as safetensors.",
    "group_by_length": "Use train_sampling_strategy: group_by_length.",
    "no_cuda": "Use use_cpu.",
    "per_gpu_train_batch_size": "Use batch_size.",
    "auto_find_batch_size": "Use smaller_on_oom: true, which keeps the effective batch size.",
}
"""Options of older recipes that TRL or transformers no longer take, and the new way."""

DEPRECATED_OPTIONS = {
    "auto_find_batch_size",
    "generate_during_eval",
    "is_encoder_decoder",
    "max_completion_length",
    "pad_token",
    "padding_value",
    "resume_from_checkpoint",
    "use_liger_kernel",
}
"""Removed options that some config of TRL still declares: deprecated, without effect on a decoder
model, or done better here."""

REMOVED_LOSSES = {
    "kto_pair": "Use method: kto, which also takes pairs.",
    "aot_pair": "Use loss_type: aot.",
    "bco": "Use loss_type: bco_pair.",
    "simpo": "Use method: simpo.",
    "orpo": "Use method: orpo.",
    "cpo": "Use method: cpo.",
    "rpo": "Use loss_type: [sigmoid, sft].",
}
"""Losses of older recipes, and the new way."""

_CHECKED_TYPES: dict[str, type] = {"float": float, "int": int, "bool": bool, "str": str}
_ENUMS = "transformers/trainer_utils.py"


@dataclass(frozen=True)
class Option:
    """One field of a TRL config.

    Args:
        annotation: its type as the source writes it, such as ``float | None``.
        choices: the values that it takes, where the source lists them.
    """

    annotation: str
    choices: tuple[str, ...] = ()


@functools.cache
def option_types(sources: tuple[str, ...]) -> dict[str, Option]:
    """Each option of a TRL config, as the installed source declares it.

    Reading the source takes 0.1 s where importing the config takes 4 s.

    Args:
        sources: the files that declare the fields, absolute or relative to site-packages; the
            first wins.

    Returns:
        The options by name; empty where a source is missing.

    Example:
        >>> from prefdata.training.config.methods import METHODS
        >>> option_types(METHODS["dpo"].config_sources)["beta"].annotation
        'float'
    """
    trees = [_parse(source) for source in sources]
    enums = _enums(_parse(_ENUMS), *trees)
    options: dict[str, Option] = {}
    for tree in trees:
        if tree is None:
            return {}
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name.endswith(("Config", "Arguments")):
                for name, option in _fields(node, enums):
                    options.setdefault(name, option)
    return options


def check_options(
    options: Mapping[str, JsonValue], method: Method, *, where: str
) -> dict[str, JsonValue]:
    """The options as TRL will get them, once every name and simple type is found right.

    Args:
        options: of the recipe.
        method: the method whose TRL config takes them.
        where: the recipe's name for messages.

    Raises:
        RecipeError: an unknown, removed, ineffective or ill-typed option; the hint has the new way.

    Example:
        >>> from prefdata.training.config.methods import METHODS
        >>> check_options({"beta": "0.2"}, METHODS["dpo"], where="dpo.yaml")
        {'beta': 0.2}
    """
    types = option_types(method.config_sources)
    checked: dict[str, JsonValue] = {}
    for name, value in options.items():
        _check_name(name, types, method, where)
        is_auto = value == AUTO and method.name in AUTO_OPTIONS.get(name, ())
        checked[name] = value if is_auto else _check_type(name, value, types.get(name), where)
    _check_losses(checked, method, where)
    _check_effects(checked, method, where)
    return checked


@functools.cache
def _parse(source: str) -> ast.Module | None:
    path = Path(source)
    if not path.is_absolute():
        package, _, rest = source.partition("/")
        spec = find_spec(package)
        path = Path(spec.origin).parent / rest if spec is not None and spec.origin else path
    return ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else None


def _enums(*trees: ast.Module | None) -> dict[str, tuple[str, ...]]:
    """The values of the enumerations that the sources declare, by name."""
    return {
        node.name: tuple(
            item.value.value
            for item in node.body
            if isinstance(item, ast.Assign)
            and isinstance(item.value, ast.Constant)
            and isinstance(item.value.value, str)
        )
        for tree in trees
        if tree is not None
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "ExplicitEnum" for base in node.bases)
    }


def _fields(
    node: ast.ClassDef, enums: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, Option]]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            annotation = ast.unparse(item.annotation)
            values = [enums[part] for part in annotation.split(" | ") if part in enums]
            yield item.target.id, Option(annotation, values[0] if values else _choices(item.value))


def _choices(value: ast.expr | None) -> tuple[str, ...]:
    """What ``field(metadata={"choices": […]})`` lists, where it lists plain texts."""
    for node in ast.walk(value) if value else ():
        if isinstance(node, ast.Dict):
            for key, listed in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "choices":
                    texts = getattr(listed, "elts", [])
                    return tuple(str(t.value) for t in texts if isinstance(t, ast.Constant))
    return ()


def _check_name(name: str, types: Mapping[str, Option], method: Method, where: str) -> None:
    if name in REMOVED_OPTIONS:
        raise RecipeError(
            f"{where}: option {name!r} is no longer there in TRL", hint=REMOVED_OPTIONS[name]
        )
    if types and name not in types:
        near = difflib.get_close_matches(name, [*types, *RENAMED_OPTIONS], n=2)
        guess = " or ".join(repr(RENAMED_OPTIONS.get(n, n)) for n in near)
        hint = (
            f"Did you mean {guess}?" if near else f"See the documentation of {method.config_name}."
        )
        raise RecipeError(f"{where}: {method.config_name} has no option {name!r}", hint=hint)


def _check_type(name: str, value: JsonValue, option: Option | None, where: str) -> JsonValue:
    """The value as its type; only simple types are checked, the rest is TRL's to judge."""
    if option is None:
        return value
    parts = option.annotation.split(" | ")
    if (value is None and "None" in parts) or (isinstance(value, bool) and name in SWITCHES):
        return value
    if option.choices and isinstance(value, str) and name != "loss_type":
        if value not in option.choices:
            near = difflib.get_close_matches(value, option.choices, n=1)
            guess = f"Did you mean {near[0]!r}? " if near else ""
            raise RecipeError(
                f"{where}: option {name!r} is {value!r}",
                hint=f"{guess}Known: {', '.join(option.choices)}.",
            )
        return value
    expected = _CHECKED_TYPES.get(parts[0])
    if expected is None or set(parts[1:]) - {"None"}:
        return value
    if isinstance(value, bool) == (expected is bool):
        try:
            return cast("JsonValue", _adapter(expected).validate_python(value))
        except ValidationError:
            pass
    raise RecipeError(
        f"{where}: option {name!r} is {value!r}, expected {option.annotation}",
        hint=f"Give {name} a value of the type {parts[0]}.",
    )


@functools.cache
def _adapter(expected: type) -> TypeAdapter[object]:
    return TypeAdapter(expected, config=ConfigDict(coerce_numbers_to_str=True))


def _check_losses(options: Mapping[str, JsonValue], method: Method, where: str) -> None:
    """Raise where a loss is unknown, which TRL would find at the first step only."""
    losses = loss_types(options)
    for loss in losses:
        if loss not in method.losses:
            near = difflib.get_close_matches(loss, method.losses, n=1)
            guess = f"Did you mean {near[0]!r}? " if near else ""
            raise RecipeError(
                f"{where}: method {method.name} has no loss_type {loss!r}",
                hint=REMOVED_LOSSES.get(loss) or f"{guess}Known: {', '.join(method.losses)}.",
            )
    if len(loss_weights(options)) != max(len(losses), 1):
        raise RecipeError(
            f"{where}: {len(loss_weights(options))} loss_weights for {max(len(losses), 1)} "
            "loss_type",
            hint="Give one weight for each loss.",
        )
    _check_smoothing(options, losses, where)
    _check_divergence(options, method, where)


def _check_smoothing(options: Mapping[str, JsonValue], losses: list[str], where: str) -> None:
    value = options.get("label_smoothing")
    flip = 0.1 if value == AUTO else number(value)
    if "exo_pair" in losses and flip <= 0:
        raise RecipeError(
            f"{where}: loss_type exo_pair needs label_smoothing above 0",
            hint="Set label_smoothing to 1e-3, as its paper does.",
        )
    if not 0 <= flip < 0.5 and {"robust", "cdpo"} & set(losses):
        raise RecipeError(
            f"{where}: label_smoothing is {flip:g}, the share of labels that are flipped",
            hint="Give it a value from 0 to below 0.5.",
        )
    if "alphapo" in losses and not options.get("alpha"):
        raise RecipeError(
            f"{where}: loss_type alphapo without alpha is SimPO",
            hint="Set alpha, such as 0.25, or use loss_type: simpo.",
        )


def _check_divergence(options: Mapping[str, JsonValue], method: Method, where: str) -> None:
    kind = options.get("f_divergence_type")
    if kind is None:
        return
    if kind not in DIVERGENCES:
        near = difflib.get_close_matches(str(kind), DIVERGENCES, n=1)
        guess = f"Did you mean {near[0]!r}? " if near else ""
        raise RecipeError(
            f"{where}: option 'f_divergence_type' is {kind!r}",
            hint=f"{guess}Known: {', '.join(DIVERGENCES)}.",
        )
    names = loss_types(options) or list(method.losses)[:1]
    others = [n for n in names if n != "sft" and "f_divergence_type" not in method.losses[n].reads]
    if others and kind != "reverse_kl":
        raise RecipeError(
            f"{where}: loss_type {others[0]} has no form for f_divergence_type {kind}",
            hint="Leave it out, or use a loss of the margin, such as sigmoid.",
        )


def _check_effects(options: Mapping[str, JsonValue], method: Method, where: str) -> None:
    """Raise where TRL would take an option and ignore it."""
    for name in sorted(set(options) & LOSS_OPTIONS):
        readers = [loss for loss, entry in method.losses.items() if name in entry.reads]
        # Zero smoothing says what leaving it out says, and recipes often spell it out.
        if not readers or method.reads(name, options) or not options[name]:
            continue
        chosen = " + ".join(loss_types(options)) or next(iter(method.losses))
        raise RecipeError(
            f"{where}: {name} has no effect with loss_type {chosen}",
            hint=SMOOTHING
            if name == "label_smoothing" and method.name == "dpo"
            else f"Leave it out; it is read by {', '.join(readers)}.",
        )
    for name in sorted(set(options) & set(REQUIRED_OPTIONS)):
        other, value = REQUIRED_OPTIONS[name]
        if options.get(other) != value:
            text = str(value).lower() if isinstance(value, bool) else value
            raise RecipeError(
                f"{where}: {name} has no effect without {other}: {text}",
                hint=f"Leave it out, or set {other}.",
            )
    if options.get("padding_free") and method.name != "sft":
        raise RecipeError(f"{where}: padding_free has no effect in TRL 1.16", hint="Leave it out.")
    if options.get("use_weighting") and any(x.in_batch for x in method.chosen_losses(options)):
        raise RecipeError(
            f"{where}: use_weighting does not work with losses that sort the batch",
            hint="Leave it out, or use another loss_type than aot and aot_unpaired.",
        )
