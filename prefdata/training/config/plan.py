"""The plan of a run: a recipe with everything filled in, before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pydantic import JsonValue

from prefdata.errors import InputError, MissingExtraError, RecipeError, UsageError
from prefdata.io.dataset.atomic_dir import ExistingOutput, refuse_existing
from prefdata.io.dataset.dataset_reader import DatasetDirectory, open_dataset
from prefdata.records.splits import held_out_split
from prefdata.training.config.auto_options import fill_auto_options
from prefdata.training.config.check_model import PLAIN, check_model
from prefdata.training.config.losses import LOSS_OPTIONS
from prefdata.training.config.methods import Method, find_method
from prefdata.training.config.output_files import OUTPUT_FILES
from prefdata.training.config.own_trainer import method_of
from prefdata.training.config.recipe import TINY, Recipe

TINY_LEARNING_RATE = 1e-3

TRAIN_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tensorboard")


@dataclass(frozen=True)
class Plan:
    """What a run does: the recipe with everything filled in, and what its keys stand for.

    Args:
        recipe: the effective recipe, every default and ``auto`` filled in.
        method: its table entry, with the trainer of the recipe where it names its own.
        dataset: the data set directory.
        output: the folder of the model.
        existing: what the output folder held when the plan was made.
    """

    recipe: Recipe
    method: Method
    dataset: DatasetDirectory
    output: Path
    existing: ExistingOutput | None = None

    @property
    def eval_split(self) -> str:
        """The split that is measured before and after: validation, else test, else train.

        Where there is a validation split, the test split is left for `pref eval`.
        """
        return held_out_split(self.dataset.rows, "validation", "test")

    @property
    def trainer_label(self) -> str:
        """The trainer as messages and cards name it."""
        return self.recipe.trainer or f"TRL's {self.method.trainer_name}"


def resolve(recipe: Recipe, *, force: bool = False, check_output: bool = True) -> Plan:
    """Check a recipe against the disk, and fill in everything that it leaves open.

    The one way from a recipe to a run: training, dry runs, sweeps and rounds all resolve their
    recipes here. The recipe of a plan resolves to the same plan again.

    Args:
        recipe: what to train, on what, and how.
        force: whether an existing output may be replaced.
        check_output: whether an existing output is refused; a sweep does so for its whole folder.

    Raises:
        RecipeError: no model or data is named, or the method does not fit the data.
        UsageError: the data, the model or the output is not what it should be.
        InputError: the data set cannot be trained on.
        MissingExtraError: the extra ``train`` is not installed.
    """
    require_train("pref train")
    _check_required_keys(recipe)
    method = method_of(recipe)
    recipe = recipe.model_copy(update={"method": method.name})
    dataset = open_dataset(Path(recipe.data))
    _check_fit(recipe, method, dataset)
    _check_models(recipe)
    _check_files(recipe)
    effective = fill_auto_options(with_defaults(recipe, method), dataset)
    output = Path(effective.output)
    existing = None
    if check_output:
        existing = refuse_existing(
            output, force=force, marker="recipe.yaml", own_files=OUTPUT_FILES
        )
    return Plan(effective, method, dataset, output, existing)


def with_defaults(recipe: Recipe, method: Method) -> Recipe:
    """The recipe with output, learning rate, schedule and the method's own options filled in.

    Args:
        recipe: a checked recipe.
        method: of the recipe.

    Example:
        >>> with_defaults(Recipe(model="tiny", data="pairs"), find_method("dpo")).learning_rate
        0.001
    """
    rate = method.learning_rate * (10 if recipe.lora else 1)
    if recipe.model == TINY:
        rate = TINY_LEARNING_RATE
    options: dict[str, JsonValue] = {
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.1,
        **method.defaults,
        **recipe.options,
    }
    unread = {
        name
        for name in LOSS_OPTIONS & set(method.defaults)
        if method.losses and not method.reads(name, options)
    }
    return recipe.model_copy(
        update={
            "output": recipe.output or recipe.default_output,
            "learning_rate": recipe.learning_rate or rate,
            "options": {k: v for k, v in options.items() if k not in unread},
        }
    )


def require_train(needed_for: str) -> None:
    """Raise unless the extra ``train`` is installed.

    Raises:
        MissingExtraError: one of its packages is not there.

    Example:
        >>> require_train("pref train")
    """
    if any(find_spec(name) is None for name in TRAIN_PACKAGES):
        raise MissingExtraError("train", needed_for=needed_for)


def _check_required_keys(recipe: Recipe) -> None:
    if not recipe.data:
        raise RecipeError("the recipe names no data", hint="Set data: to a data set directory.")
    if not recipe.model:
        raise RecipeError(
            "no model is named",
            hint="Use --model tiny to try the whole path, or a local folder, or a name on the hub.",
        )


def _check_models(recipe: Recipe) -> None:
    if recipe.model != TINY:
        check_model(recipe.model, recipe.max_length)
    if recipe.reference:
        check_model(recipe.reference, recipe.max_length)


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
    """Raise where a label that the method needs is missing: one class alone teaches nothing."""
    import pyarrow.parquet as pq

    labels: set[bool] = set()
    for file in dataset.files["train"]:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(columns=["label"]):
                labels |= set(batch.column(0).unique().to_pylist())
        if set(needed) <= labels:
            return
    raise InputError(
        f"{dataset.path}: every label in the train split is {str(next(iter(labels))).lower()}",
        hint="Training needs both good and bad completions; check the labels of the source.",
    )


def _check_margins(dataset: DatasetDirectory) -> None:
    """Raise where a row lacks the margin that a reward model is to learn."""
    import pyarrow.parquet as pq

    missing = total = 0
    for file in (file for files in dataset.files.values() for file in files):
        rows, names = pq.read_metadata(file).num_rows, pq.read_schema(file).names
        total += rows
        if "margin" in names:
            rows = pq.read_table(file, columns=["margin"])[0].null_count
        missing += rows
    if missing:
        raise RecipeError(
            f"margin_scale needs a margin for every pair: {missing:,} of {total:,} have none",
            hint="Leave margin_scale out, or convert a source that has scores.",
        )
