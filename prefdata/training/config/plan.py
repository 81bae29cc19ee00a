"""The plan of a run: all that can be checked in a second, before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from prefdata.errors import InputError, MissingExtraError, RecipeError, UsageError
from prefdata.io.dataset.atomic_dir import ExistingOutput, refuse_existing
from prefdata.io.dataset.dataset_reader import DatasetDirectory, open_dataset
from prefdata.training.config.auto_options import fill_measured
from prefdata.training.config.check_model import PLAIN, check_model
from prefdata.training.config.methods import Method, find_method
from prefdata.training.config.output_files import OF_A_MODEL
from prefdata.training.config.recipe import TINY, Recipe

NEEDED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tensorboard")


@dataclass(frozen=True)
class Plan:
    """A checked recipe and what it stands for.

    Args:
        recipe: the effective recipe, every default filled in.
        method: its table entry.
        dataset: the data set directory.
        output: where the model goes.
        existing: what stood there when it was looked at.
    """

    recipe: Recipe
    method: Method
    dataset: DatasetDirectory
    output: Path
    existing: ExistingOutput | None = None

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
    existing = None
    if check_output:
        existing = refuse_existing(output, force=force, marker="recipe.yaml", own_files=OF_A_MODEL)
    return Plan(effective, method, dataset, output, existing)


def require_train(needed_for: str) -> None:
    """Raise unless the extra ``train`` is installed.

    Raises:
        MissingExtraError: one of its packages is not there.

    Example:
        >>> require_train("pref train")
    """
    if any(find_spec(name) is None for name in NEEDED):
        raise MissingExtraError("train", needed_for=needed_for)


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
