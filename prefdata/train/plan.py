"""The plan of a run: all that can be checked in a second, before anything heavy is loaded."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from prefdata.errors import InputError, MissingExtraError, RecipeError, UsageError
from prefdata.io.directory import DatasetDirectory, open_dataset
from prefdata.io.staging import refuse_existing
from prefdata.train.methods import Method, find_method
from prefdata.train.recipe import TINY, Recipe

NEEDED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


@dataclass(frozen=True)
class Plan:
    """A checked recipe and what it stands for.

    Args:
        recipe: the effective recipe, every default filled in.
        method: its table entry.
        dataset: the data set directory.
        output: where the model goes.
    """

    recipe: Recipe
    method: Method
    dataset: DatasetDirectory
    output: Path

    @property
    def eval_split(self) -> str:
        """The split that is measured before and after: test, or train where there is no test."""
        return "test" if "test" in self.dataset.rows else "train"


def make_plan(recipe: Recipe, *, force: bool = False) -> Plan:
    """Check a recipe against the disk, and fill in its defaults.

    Args:
        recipe: what to train, on what, and how.
        force: whether an existing output may be replaced.

    Raises:
        RecipeError: no model or data is named, or the method does not fit the data.
        UsageError: the data, the model or the output is not what it should be.
        InputError: the data set cannot be trained on.
        MissingExtraError: the extra ``train`` is not installed.

    Example:
        >>> make_plan(Recipe(model="tiny", data="pairs")).eval_split  # doctest: +SKIP
        'test'
    """
    require_train("pref train")
    if not recipe.data:
        raise RecipeError("the recipe names no data", hint="Set data: to a data set directory.")
    if not recipe.model:
        raise RecipeError(
            "no model is named",
            hint="Use --model tiny to try the whole path, or a local folder, or a name on the hub.",
        )
    method = find_method(recipe.method)
    dataset = open_dataset(Path(recipe.data))
    _check_fit(recipe, method, dataset)
    if recipe.model != TINY:
        check_model(recipe.model, recipe.max_length)
    effective = recipe.resolved()
    refuse_existing(Path(effective.output), force=force, made_of="recipe.yaml")
    return Plan(effective, method, dataset, Path(effective.output))


def require_train(needed_for: str) -> None:
    """Raise unless the extra ``train`` is installed.

    Raises:
        MissingExtraError: one of its packages is not there.

    Example:
        >>> require_train("pref train")
    """
    if any(find_spec(name) is None for name in NEEDED):
        raise MissingExtraError("train", needed_for=needed_for)


def is_local(model: str) -> bool:
    """Whether a model is named by a path rather than by its name on the hub.

    Example:
        >>> is_local("./model"), is_local("org/model")
        (True, False)
    """
    return (
        Path(model).expanduser().exists()
        or model.startswith((".", "/", "~"))
        or model.endswith(("/", os.sep))
        or model.count("/") > 1
    )


def check_model(model: str, max_length: int | None = None) -> None:
    """Raise where a model is missing, not one, or too short for `max_length`.

    A name on the hub is taken as it is; only its form is checked, and when offline the cache.

    Raises:
        UsageError: no such folder, or not a model.
        RecipeError: an adapter, or a `max_length` that the model cannot hold.

    Example:
        >>> check_model("org/model-on-the-hub")
    """
    if not is_local(model):
        _check_hub_name(model)
        return
    folder = Path(model).expanduser()
    if not folder.exists():
        raise UsageError(
            f"{model}: no such model",
            hint="Give a folder that holds config.json, a name on the hub, or tiny.",
        )
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise RecipeError(
            f"{model}: a LoRA adapter, expected a whole model",
            hint="Merge it into its base model first, with peft's merge_and_unload.",
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError(
            f"{model}: not a model, there is no readable config.json in it",
            hint="Give a folder that holds config.json, a name on the hub, or tiny.",
        ) from None
    longest = config.get("max_position_embeddings") if isinstance(config, dict) else None
    if isinstance(longest, int) and max_length and max_length > longest:
        raise RecipeError(
            f"max_length {max_length:,} is more than the {longest:,} tokens that {model} can hold",
            hint=f"Use --max-length {longest}.",
        )


def _check_hub_name(model: str) -> None:
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = isinstance(try_to_load_from_cache(model, "config.json"), str)
        well_formed = "/" in model
    except HFValidationError:
        cached = well_formed = False
    if cached or (well_formed and not constants.HF_HUB_OFFLINE):
        return
    where = "in the cache, and the hub is switched off" if well_formed else "as a folder here"
    raise UsageError(
        f"{model}: no such model {where}",
        hint="Give a folder that holds config.json, a hub name like owner/name, or tiny.",
    )


def _check_fit(recipe: Recipe, method: Method, dataset: DatasetDirectory) -> None:
    if dataset.kind not in method.views:
        other = next((m for m in ("dpo", "kto") if dataset.kind in find_method(m).views), "")
        raise RecipeError(
            f"method {method.name} needs {' or '.join(method.views)}, "
            f"and {dataset.path} holds {dataset.kind} preferences",
            hint=f"Use --method {other}.",
        )
    if recipe.batch_size < method.min_batch_size:
        raise RecipeError(
            f"method {method.name} cannot learn from batches of {recipe.batch_size}",
            hint=f"Use --batch-size {method.min_batch_size} or more.",
        )
    if dataset.kind == "unpaired":
        _check_classes(dataset)


def _check_classes(dataset: DatasetDirectory) -> None:
    """Labels that are all the same teach nothing."""
    import pyarrow.parquet as pq

    seen: set[bool] = set()
    for file in dataset.files["train"]:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(columns=["label"]):
                seen |= set(batch.column(0).unique().to_pylist())
        if {True, False} <= seen:
            return
    raise InputError(
        f"{dataset.path}: every label in the train split is {str(next(iter(seen))).lower()}",
        hint="Training needs both good and bad completions; check the labels of the source.",
    )
