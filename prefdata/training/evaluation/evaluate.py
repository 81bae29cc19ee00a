"""Evaluation on held-out data, per example: accuracy, rewards, divergence, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.report.progress import Say
from prefdata.training.config.check_model import adapter_base, check_model, is_adapter
from prefdata.training.config.load_recipe import read_recipe
from prefdata.training.config.plan import require_train
from prefdata.training.config.recipe import TINY, Recipe
from prefdata.training.data.prompts import Prompting, check_prompts
from prefdata.training.evaluation.evaluator import Dtype, Subject
from prefdata.training.evaluation.result import Evaluation


def evaluate(
    model: str,
    *,
    data: Path | Sequence[Path],
    reference: str | None = None,
    batch_size: int = 8,
    max_length: int | None = None,
    dtype: Dtype = "float32",
    prompting: Prompting | None = None,
    say: Say = lambda _line: None,
) -> Evaluation:
    """Measure a model on the held-out rows of data set directories.

    Each row is scored by itself, so that neither the batch size, nor the order of the rows, nor
    the number of processes changes a figure. What a reward is, beta and max_length come from the
    recipe saved with the model, if there is one.

    Args:
        model: a folder or a name on the hub: a language model, or a reward model.
        data: one data set directory, or several.
        reference: the model that it started from; by default the one saved with it, or the one
            that its recipe names.
        batch_size: sequences per forward pass.
        max_length: tokens of prompt and answer; by default that of the recipe.
        dtype: of the weights while they are measured. In less than float32, figures depend on the
            batch size by a rounding.
        prompting: have model and reference answer prompts as well.
        say: gets a line of progress at a time.

    Raises:
        UsageError: a path is not what it should be.
        InputError: the data holds no rows that can be compared.
        MissingExtraError: the extra ``train`` is not installed.

    Example:
        >>> evaluate("pairs-dpo", data=Path("pairs")).estimates["accuracy"]  # doctest: +SKIP
        Estimate(value=0.71, low=0.62, high=0.79, n=120, hits=None)
    """
    require_train("pref eval")
    paths = [data] if isinstance(data, Path) else list(data)
    datasets = dict(zip(_names(paths), map(open_dataset, paths), strict=True))
    check_model(model, max_length)
    recipe = saved_recipe(model)
    if max_length is not None:
        recipe = recipe.model_copy(update={"max_length": max_length})
    reference = reference or saved_reference(model, recipe)
    if reference is not None:
        check_model(reference)
    if prompting is not None:
        check_prompts(prompting.source)
    say("loading torch and transformers")
    from prefdata.training.model.library_output import suppress_output

    with suppress_output():
        subject = Subject.load(model, reference, recipe, batch_size, dtype)
        return subject.measured(datasets, prompting, say)


def saved_recipe(model: str) -> Recipe:
    """The recipe that `pref train` saved with the model, or the defaults.

    Example:
        >>> saved_recipe("no/such/model").method
        'dpo'
    """
    saved = Path(model).expanduser() / "recipe.yaml"
    return read_recipe(saved) if saved.is_file() else Recipe()


def saved_reference(model: str, recipe: Recipe) -> str | None:
    """What a model started from, where that is known: saved with it, or named by its recipe.

    Example:
        >>> saved_reference("no/such/model", Recipe(model="org/base"))
        'org/base'
    """
    folder = Path(model).expanduser()
    if (folder / "reference" / "config.json").is_file():
        return str(folder / "reference")
    named = recipe.reference or recipe.model
    if named in ("", TINY):
        return adapter_base(folder) or None if is_adapter(folder) else None
    return named


def _names(paths: Sequence[Path]) -> list[str]:
    """A short name for each data set, no two the same."""
    names: list[str] = []
    for path in paths:
        name, number = path.absolute().name, 2
        while name in names:
            name, number = f"{path.absolute().name}-{number}", number + 1
        names.append(name)
    return names
