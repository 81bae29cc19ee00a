"""The plan of a run: all that can be checked in a second, before anything heavy is loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pydantic import JsonValue

from prefdata.errors import InputError, MissingExtraError, RecipeError, UsageError
from prefdata.io.directory import DatasetDirectory, open_dataset
from prefdata.io.staging import Stood, refuse_existing
from prefdata.train.loading import PLAIN
from prefdata.train.measured import fill_measured
from prefdata.train.methods import Method, find_method
from prefdata.train.recipe import TINY, Recipe
from prefdata.train.written import OF_A_MODEL

NEEDED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tensorboard")


@dataclass(frozen=True)
class Plan:
    """A checked recipe and what it stands for.

    Args:
        recipe: the effective recipe, every default filled in.
        method: its table entry.
        dataset: the data set directory.
        output: where the model goes.
        stood: what stood there when it was looked at.
    """

    recipe: Recipe
    method: Method
    dataset: DatasetDirectory
    output: Path
    stood: Stood | None = None

    @property
    def eval_split(self) -> str:
        """The split that is measured before and after: test, or train where there is no test."""
        return "test" if "test" in self.dataset.rows else "train"


def make_plan(recipe: Recipe, *, force: bool = False, check_output: bool = True) -> Plan:
    """Check a recipe against the disk, and fill in its defaults.

    Args:
        recipe: what to train, on what, and how.
        force: whether an existing output may be replaced.
        check_output: whether the output is looked at; a sweep has one of its own.

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
    if recipe.reference:
        check_model(recipe.reference, recipe.max_length)
    _check_files(recipe)
    effective = fill_measured(recipe.resolved(), dataset)
    output = Path(effective.output)
    stood = None
    if check_output:
        stood = refuse_existing(output, force=force, made_of="recipe.yaml", ours=OF_A_MODEL)
    return Plan(effective, method, dataset, output, stood)


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
    if is_adapter(folder):
        _check_adapter(model, folder, max_length)
        return
    config = _read_json(folder / "config.json")
    if config is None:
        raise UsageError(
            f"{model}: not a model, there is no readable config.json in it",
            hint="Give a folder that holds config.json, a name on the hub, or tiny.",
        )
    _check_weights(model, folder)
    _check_tokenizer(model, folder, config)
    longest = config.get("max_position_embeddings")
    if isinstance(longest, int) and max_length and max_length > longest:
        raise RecipeError(
            f"max_length {max_length:,} is more than the {longest:,} tokens that {model} can hold",
            hint=f"Use --max-length {longest}.",
        )


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds a LoRA adapter rather than a whole model.

    Example:
        >>> is_adapter(Path("no/such/folder"))
        False
    """
    return (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file()


def adapter_base(folder: Path) -> str:
    """The base model that an adapter names, or nothing.

    Example:
        >>> adapter_base(Path("no/such/folder"))
        ''
    """
    config = _read_json(folder / "adapter_config.json") or {}
    return str(config.get("base_model_name_or_path") or "")


def _check_adapter(model: str, folder: Path, max_length: int | None) -> None:
    base = adapter_base(folder)
    if not base:
        raise UsageError(
            f"{model}: a LoRA adapter that does not say what it adapts",
            hint="Set base_model_name_or_path in its adapter_config.json.",
        )
    try:
        check_model(base, max_length)
    except UsageError as error:
        raise UsageError(
            f"{model}: a LoRA adapter, and its base model is not there: {error}",
            hint="Set base_model_name_or_path in its adapter_config.json to where it is.",
        ) from None


def _read_json(path: Path) -> dict[str, JsonValue] | None:
    """A JSON object, or None where the file is not there or holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _check_weights(model: str, folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    if any(folder.glob("*.bin")):
        raise UsageError(
            f"{model}: its weights are pickled, and pickles run what they hold; "
            "only safetensors are read",
            hint="Save the model as safetensors, with transformers' save_pretrained.",
        )
    raise UsageError(
        f"{model}: there are no weights in it",
        hint="Give a folder that holds config.json and weights, a name on the hub, or tiny.",
    )


TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")


def _check_tokenizer(model: str, folder: Path, config: Mapping[str, JsonValue]) -> None:
    """A model without a tokenizer, or with one that knows tokens which the model does not."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise UsageError(
            f"{model}: there is no tokenizer in it",
            hint="Save the model's tokenizer into the same folder.",
        )
    tokenizer, known = _read_json(folder / "tokenizer.json") or {}, config.get("vocab_size")
    inner = tokenizer.get("model")
    vocabulary = inner.get("vocab") if isinstance(inner, dict) else None
    if not isinstance(vocabulary, dict) or not isinstance(known, int):
        return
    highest = max((place for place in vocabulary.values() if isinstance(place, int)), default=0)
    if highest >= known:
        raise UsageError(
            f"{model}: its tokenizer makes token {highest:,}, and the model knows {known:,} tokens",
            hint="Put the tokenizer that belongs to the model into its folder.",
        )


def _check_files(recipe: Recipe) -> None:
    template = recipe.chat_template
    if template and template != PLAIN and not Path(template).expanduser().is_file():
        raise UsageError(
            f"{template}: no such chat template",
            hint="Give a Jinja file, or none for plain text.",
        )
    if recipe.quantization and find_spec("bitsandbytes") is None:
        raise RecipeError(
            f"quantization {recipe.quantization} needs the package bitsandbytes, "
            "which is not installed",
            hint="Install it with: pip install bitsandbytes, or leave quantization out.",
        )
    if recipe.options.get("deepspeed") and find_spec("deepspeed") is None:
        raise RecipeError(
            "option 'deepspeed' needs the package deepspeed, which is not installed",
            hint="Install it with: pip install deepspeed, or use fsdp: true.",
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
        _check_classes(dataset, needed=(True,) if method.name == "sft" else (True, False))
    if recipe.margin_scale:
        _check_margins(dataset)


def _check_classes(dataset: DatasetDirectory, *, needed: Sequence[bool]) -> None:
    """Labels that are all the same teach nothing, and without good ones nothing is to imitate."""
    import pyarrow.parquet as pq

    seen: set[bool] = set()
    for file in dataset.files["train"]:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(columns=["label"]):
                seen |= set(batch.column(0).unique().to_pylist())
        if set(needed) <= seen:
            return
    raise InputError(
        f"{dataset.path}: every label in the train split is {str(next(iter(seen))).lower()}",
        hint="Training needs both good and bad completions; check the labels of the source.",
    )


def _check_margins(dataset: DatasetDirectory) -> None:
    """The reward model's margins have to be there, in every row."""
    import pyarrow.parquet as pq

    missing = total = 0
    for file in (file for files in dataset.files.values() for file in files):
        rows, names = pq.read_metadata(file).num_rows, pq.read_schema(file).names
        total += rows
        here = "margin" in names
        missing += pq.read_table(file, columns=["margin"])[0].null_count if here else rows
    if missing:
        raise RecipeError(
            f"margin_scale needs a margin for every pair: {missing:,} of {total:,} have none",
            hint="Leave margin_scale out, or convert a source that has scores.",
        )
