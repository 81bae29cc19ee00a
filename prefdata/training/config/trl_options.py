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
from prefdata.training.config.removed import REMOVED_LOSSES, REMOVED_OPTIONS, RENAMED_OPTIONS

AUTO = "auto"
"""The value of an option that is to be measured on the data."""

SMOOTHING = (
    "Use loss_type: cdpo for conservative DPO, which label_smoothing with sigmoid once was, or "
    "robust where labels are known to be flipped."
)

AUTO_OPTIONS = {
    "label_smoothing": ("dpo", "cpo", "simpo"),
    "desirable_weight": ("kto",),
    "undesirable_weight": ("kto",),
}
"""Options that may be ``auto``, and the methods where they may."""

NEEDS = {
    "f_alpha_divergence_coef": ("f_divergence_type", "alpha_divergence"),
    "ref_model_mixup_alpha": ("sync_ref_model", True),
    "ref_model_sync_steps": ("sync_ref_model", True),
    "packing_strategy": ("packing", True),
    "eval_packing": ("packing", True),
}
"""Options that are ignored unless another one has a certain value."""

SWITCHES = ("fsdp",)
"""Options that are declared as text and take true or false as well."""

DIVERGENCES = ("reverse_kl", "forward_kl", "js_divergence", "alpha_divergence")

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
        sources: the files that declare the fields, relative to site-packages; first wins.

    Returns:
        The options by name; empty where a source is missing.

    Example:
        >>> from prefdata.training.config.methods import METHODS
        >>> option_types(METHODS["dpo"].config_sources)["beta"].annotation
        'float'
    """
    trees = [_parsed(source) for source in sources]
    enums = _enums(_parsed(_ENUMS), *trees)
    found: dict[str, Option] = {}
    for tree in trees:
        if tree is None:
            return {}
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name.endswith(("Config", "Arguments")):
                for name, option in _fields(node, enums):
                    found.setdefault(name, option)
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
        >>> from prefdata.training.config.methods import METHODS
        >>> check_options({"beta": "0.2"}, METHODS["dpo"], where="dpo.yaml")
        {'beta': 0.2}
    """
    known = option_types(method.config_sources)
    checked: dict[str, JsonValue] = {}
    for name, value in options.items():
        _check_name(name, known, method, where)
        measured = value == AUTO and method.name in AUTO_OPTIONS.get(name, ())
        checked[name] = value if measured else _check_type(name, value, known.get(name), where)
    _check_losses(checked, method, where)
    _check_effects(checked, method, where)
    return checked


@functools.cache
def _parsed(source: str) -> ast.Module | None:
    package, _, rest = source.partition("/")
    spec = find_spec(package)
    path = Path(spec.origin).parent / rest if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        return None
    return ast.parse(path.read_text(encoding="utf-8"))


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
            named = [enums[part] for part in annotation.split(" | ") if part in enums]
            yield item.target.id, Option(annotation, named[0] if named else _choices(item.value))


def _choices(value: ast.expr | None) -> tuple[str, ...]:
    """What ``field(metadata={"choices": […]})`` lists, where it lists plain texts."""
    for node in ast.walk(value) if value else ():
        if isinstance(node, ast.Dict):
            for key, listed in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "choices":
                    texts = getattr(listed, "elts", [])
                    return tuple(str(t.value) for t in texts if isinstance(t, ast.Constant))
    return ()


def _check_name(name: str, known: Mapping[str, Option], method: Method, where: str) -> None:
    if name in REMOVED_OPTIONS:
        raise RecipeError(
            f"{where}: option {name!r} is no longer there in TRL", hint=REMOVED_OPTIONS[name]
        )
    if known and name not in known:
        near = difflib.get_close_matches(name, [*known, *RENAMED_OPTIONS], n=2)
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
    """TRL finds an unknown loss at the first step only."""
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
    wrong = [n for n in names if n != "sft" and "f_divergence_type" not in method.losses[n].reads]
    if wrong and kind != "reverse_kl":
        raise RecipeError(
            f"{where}: loss_type {wrong[0]} has no form for f_divergence_type {kind}",
            hint="Leave it out, or use a loss of the margin, such as sigmoid.",
        )


def _check_effects(options: Mapping[str, JsonValue], method: Method, where: str) -> None:
    """Options that TRL takes and ignores."""
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
    for name in sorted(set(options) & set(NEEDS)):
        other, value = NEEDS[name]
        if options.get(other) != value:
            shown = str(value).lower() if isinstance(value, bool) else value
            raise RecipeError(
                f"{where}: {name} has no effect without {other}: {shown}",
                hint=f"Leave it out, or set {other}.",
            )
    if options.get("padding_free") and method.name != "sft":
        raise RecipeError(f"{where}: padding_free has no effect in TRL 1.16", hint="Leave it out.")
    if options.get("use_weighting") and any(x.in_batch for x in method.chosen_losses(options)):
        raise RecipeError(
            f"{where}: use_weighting does not work with losses that sort the batch",
            hint="Leave it out, or use another loss_type than aot and aot_unpaired.",
        )
