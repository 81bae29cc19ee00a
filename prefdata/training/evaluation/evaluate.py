"""`pref eval`: accuracy, rewards and divergence on held-out data, per example, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from prefdata.errors import UsageError
from prefdata.io.dataset.dataset_reader import DatasetDirectory, open_dataset
from prefdata.report.progress import Log, silent
from prefdata.stats.intervals import Estimate, mean
from prefdata.training.config.check_model import adapter_base, check_model, is_adapter
from prefdata.training.config.load_recipe import read_recipe
from prefdata.training.config.losses import beta_of
from prefdata.training.config.methods import Measure, find_method
from prefdata.training.config.plan import require_train
from prefdata.training.config.recipe import TINY, Recipe
from prefdata.training.data.prompts import Prompting, check_prompts, read_prompts
from prefdata.training.evaluation.evaluator import Evaluator
from prefdata.training.evaluation.generate import GeneratedAnswer, generate_answers
from prefdata.training.evaluation.metrics import ExampleResult
from prefdata.training.evaluation.result import DatasetResult, EvaluationResult

Dtype = Literal["float32", "bfloat16", "float16"]


def evaluate(
    model: str | Path,
    *,
    data: str | Path | Sequence[str | Path],
    reference: str | Path | None = None,
    batch_size: int = 8,
    max_length: int | None = None,
    dtype: Dtype = "float32",
    prompting: Prompting | None = None,
    log: Log = silent,
) -> EvaluationResult:
    """Evaluate a model on the held-out rows of data set directories.

    Each row is scored by itself, so that neither the batch size, nor the order of the rows, nor
    the number of processes changes a metric. What a reward is, beta and max_length come from the
    recipe saved with the model, if there is one.

    Args:
        model: a folder or a name on the hub: a language model, or a reward model.
        data: one data set directory, or several.
        reference: the model that it started from; by default the one saved with it, or the one
            that its recipe names.
        batch_size: sequences per forward pass.
        max_length: tokens of prompt and answer; by default that of the recipe.
        dtype: of the weights during evaluation. In less than float32, metrics depend on the batch
            size by a rounding.
        prompting: have model and reference answer prompts as well.
        log: called with one line of progress at a time.

    Raises:
        UsageError: a path is not what it should be.
        InputError: the data holds no rows that can be compared.
        MissingExtraError: the extra ``train`` is not installed.
    """
    require_train("pref eval")
    model, reference = str(model), None if reference is None else str(reference)
    paths = [Path(data)] if isinstance(data, str | Path) else [Path(path) for path in data]
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
    log("loading torch and transformers")
    from prefdata.training.model.library_output import suppress_output

    with suppress_output():
        evaluator = _load(model, reference, recipe, batch_size, dtype)
        rows: list[ExampleResult] = []
        results: list[DatasetResult] = []
        for name, dataset in datasets.items():
            examples, result = evaluator.evaluate_dataset(name, dataset, seed=recipe.seed, log=log)
            rows += examples
            results.append(result)
        answers: list[GeneratedAnswer] = []
        if prompting is not None:
            answers = _answers(model, evaluator, prompting, next(iter(datasets.values())), log)
    return EvaluationResult(
        model,
        None if evaluator.reference is None else reference,
        evaluator.beta,
        evaluator.measure,
        tuple(results),
        tuple(rows),
        _sampled_kl(answers),
        tuple(answers),
    )


def _load(
    model: str, reference: str | None, recipe: Recipe, batch_size: int, dtype: Dtype
) -> Evaluator:
    """Load a model and its reference; a reward model has none."""
    from prefdata.training.model.load import is_reward_model, load_model, load_tokenizer

    is_reward = is_reward_model(model)
    measure: Measure = "reward" if is_reward else find_method(recipe.method).measure
    if measure == "loss" or (measure == "reward" and not is_reward):
        measure = "implicit"
    trust = recipe.trust_remote_code
    return Evaluator(
        model=load_model(model, reward=is_reward, dtype=dtype, trust_remote_code=trust),
        tokenizer=load_tokenizer(model, trust_remote_code=trust),
        measure=measure,
        beta=beta_of(recipe.options),
        max_length=recipe.max_length,
        batch_size=batch_size,
        reference=load_model(reference, dtype=dtype, trust_remote_code=trust)
        if reference and not is_reward
        else None,
    )


def _answers(
    model: str,
    evaluator: Evaluator,
    prompting: Prompting,
    dataset: DatasetDirectory,
    log: Log,
) -> list[GeneratedAnswer]:
    """The answers of model and reference; by default, to the held-out prompts of the data set."""
    if evaluator.measure == "reward":
        raise UsageError(
            f"{model} is a reward model: it gives no answers",
            hint="Leave --prompts and --generate out.",
        )
    return generate_answers(
        read_prompts(prompting.source or dataset.path, most=prompting.most),
        evaluator.model,
        evaluator.reference,
        evaluator.tokenizer,
        prompting,
        batch_size=evaluator.batch_size,
        log=log,
    )


def _sampled_kl(answers: Sequence[GeneratedAnswer]) -> dict[str, Estimate]:
    divergences = [answer.kl for answer in answers if answer.kl is not None]
    return {"sampled_kl": mean(divergences)} if divergences else {}


def saved_recipe(model: str) -> Recipe:
    """The recipe that `pref train` saved with the model, or the defaults.

    Example:
        >>> saved_recipe("no/such/model").method
        'dpo'
    """
    saved = Path(model).expanduser() / "recipe.yaml"
    return read_recipe(saved) if saved.is_file() else Recipe()


def saved_reference(model: str, recipe: Recipe) -> str | None:
    """What a model started from, as far as it is saved with it or named by its recipe.

    Example:
        >>> saved_reference("no/such/model", Recipe(model="org/base"))
        'org/base'
    """
    folder = Path(model).expanduser()
    if (folder / "reference" / "config.json").is_file():
        return str(folder / "reference")
    start = recipe.reference or recipe.model
    if start in ("", TINY):
        return adapter_base(folder) or None if is_adapter(folder) else None
    return start


def _names(paths: Sequence[Path]) -> list[str]:
    """A short name for each data set, no two the same."""
    names: list[str] = []
    for path in paths:
        name, number = path.absolute().name, 2
        while name in names:
            name, number = f"{path.absolute().name}-{number}", number + 1
        names.append(name)
    return names
