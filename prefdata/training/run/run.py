"""`pref train`: a training run from start to end, on TRL's own trainer."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from prefdata.errors import InputError, TrainingError
from prefdata.io.dataset.atomic_dir import replacing
from prefdata.report.progress import Display, LineDisplay, Log, silent
from prefdata.training.config.load_recipe import load_recipe
from prefdata.training.config.plan import Plan, resolve
from prefdata.training.config.recipe import Recipe
from prefdata.training.data.prepare import prepare_once, shared_cache
from prefdata.training.model import distributed
from prefdata.training.model.load import load_tokenizer
from prefdata.training.run.card import recipe_yaml, write_model_files
from prefdata.training.run.context import RunContext
from prefdata.training.run.fit import FitResult, fit
from prefdata.training.run.report_page import write_page
from prefdata.training.run.result import TrainingResult
from prefdata.training.run.run_dir import RunDir, open_run_dir
from prefdata.training.run.samples import sample_notes

TRAIN_ROWS_EVALUATED = 200
"""Rows of the train split that are evaluated at most, where there is no test split."""


def train(
    recipe: Recipe | str | Path | None = None,
    *,
    force: bool = False,
    resume: bool = False,
    display: Display | None = None,
    log: Log = silent,
    **keys: JsonValue | Path,
) -> TrainingResult:
    """Train a model on a data set directory, evaluate it before and after, and save it.

    The output folder holds the model, its tokenizer, a card, the effective recipe and the metrics;
    it appears whole at the end, or not at all. Until then, checkpoints and curves are kept beside
    it, in a folder of its name and ``.run``, from which an interrupted run is resumed.

    Args:
        recipe: what to train, on what, and how; or the YAML file that says so.
        force: replace an existing output, and throw an interrupted run away.
        resume: go on with an interrupted run.
        display: shows the numbers during training; by default as lines through `log`.
        log: called with one line of progress at a time.
        **keys: keys of the recipe, such as ``model``, ``data``, ``method`` or ``options``; they win
            over those in `recipe`.

    Raises:
        RecipeError: the recipe does not fit the data, the model or TRL; or not the run to resume.
        UsageError: a path is not what it should be, or the output exists.
        InputError: the data cannot be trained on, or more of it would be lost than is allowed.
        TrainingError: the reference is not the starting model, or the run diverged.
        Interrupted: the user stopped it, and it can be resumed.
        MissingExtraError: the extra ``train`` is not installed.
    """
    start_time = time.monotonic()
    plan = resolve(_as_recipe(recipe, keys), force=force)
    log = log if distributed.is_main() else silent
    distributed.barrier()  # nothing is written before all have found the plan in order
    run_dir = RunDir.of(plan.output)
    with distributed.main_process_first():
        if distributed.is_main():
            open_run_dir(plan, force=force, resume=resume)
    try:
        source = _train_first_stage(plan, run_dir, display, log) if plan.recipe.first else None
        log("loading torch, transformers and TRL")
        from prefdata.training.model.library_output import suppress_output

        with (
            suppress_output(),
            _tensorboard_in(run_dir),
            _output_folder(plan) as folder,
            _prepared(plan, run_dir, source, display or LineDisplay(log), log) as run,
        ):
            result = _fit_and_save(run, folder, start_time)
    except BaseException:
        if distributed.is_main() and not run_dir.has_progress():
            with suppress(InputError):  # the first error is the one to report
                run_dir.remove()
        raise
    if distributed.is_main():
        try:
            run_dir.remove()
        except InputError as error:
            log(f"note: the model is saved, and {error}")
    distributed.barrier()
    return result


def _as_recipe(recipe: Recipe | str | Path | None, keys: Mapping[str, JsonValue | Path]) -> Recipe:
    """The recipe with some keys replaced."""
    if isinstance(recipe, Recipe) and not keys:
        return recipe
    flags = {key: str(value) if isinstance(value, Path) else value for key, value in keys.items()}
    if isinstance(recipe, Recipe):
        flags = recipe.model_dump(mode="json", exclude_unset=True) | flags
        recipe = None
    return load_recipe(None if recipe is None else Path(recipe), flags=flags, where="train")


@contextmanager
def _output_folder(plan: Plan) -> Iterator[Path]:
    """The folder that becomes the output; of several processes, the first one writes it."""
    if distributed.is_main():
        with replacing(plan.output, plan.existing) as folder:
            yield folder
        return
    with TemporaryDirectory() as unused:
        yield Path(unused)


def _train_first_stage(plan: Plan, run_dir: RunDir, display: Display | None, log: Log) -> str:
    """The model of the first stage, trained now or before the run was interrupted."""
    first, recipe = plan.recipe.first, plan.recipe
    resume = distributed.broadcast(RunDir.of(run_dir.first).path.is_dir())
    finished = distributed.broadcast((run_dir.first / "recipe.yaml").is_file())
    if first is not None and not finished:
        stage = recipe.model_copy(
            update={
                "method": "sft",
                "trainer": "",
                "first": None,
                "output": str(run_dir.first),
                "reference": "",
                "reference_cache": "auto",
                "evaluation": None,
                "learning_rate": first.learning_rate,
                "epochs": first.epochs,
                "max_steps": first.max_steps,
                "batch_size": first.batch_size or recipe.batch_size,
                "lora": recipe.lora and recipe.lora.model_copy(update={"merge": True}),
                "options": first.options,
            }
        )
        log("first stage: supervised fine-tuning on the chosen answers")
        train(stage, resume=resume, display=display, log=log)
        log("second stage")
    return str(run_dir.first)


@contextmanager
def _tensorboard_in(run_dir: RunDir) -> Iterator[None]:
    """Have TensorBoard write into the run's directory, unless the user has set another."""
    name = "TENSORBOARD_LOGGING_DIR"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(run_dir.tensorboard)
    try:
        yield
    finally:
        os.environ.pop(name, None)


@contextmanager
def _prepared(
    plan: Plan, run_dir: RunDir, source: str | None, display: Display, log: Log
) -> Iterator[RunContext]:
    """The run with its tokenizer and its rows.

    Args:
        plan: of the run.
        run_dir: its checkpoints and curves.
        source: the model of the first stage; None without one.
        display: where the run shows its progress.
        log: called with one line of progress at a time.
    """
    from prefdata.training.run.start import starting_model

    recipe = plan.recipe
    _log_processes(recipe, log)
    with distributed.main_process_first():
        source = source or starting_model(plan, run_dir.start, log)
    tokenizer = load_tokenizer(
        source,
        chat_template=recipe.chat_template,
        revision=recipe.revision,
        trust_remote_code=recipe.trust_remote_code,
    )
    with shared_cache(run_dir.path) as cache:
        views, preflight = prepare_once(plan, tokenizer, cache, log)
        eval_rows = views[plan.eval_split]
        if plan.eval_split == "train":
            eval_rows = eval_rows.select(range(min(len(eval_rows), TRAIN_ROWS_EVALUATED)))
        yield RunContext(
            plan, run_dir, source, tokenizer, views, eval_rows, preflight, display, log
        )


def _log_processes(recipe: Recipe, log: Log) -> None:
    from prefdata.training.run.trainer import accumulation

    ids = distributed.all_gather([os.getpid()])
    if len(ids) > 1:
        rows = len(ids) * recipe.batch_size * accumulation(recipe)
        log(f"{len(ids)} processes ({', '.join(map(str, ids))}): {rows:,} rows a step")


def _fit_and_save(run: RunContext, folder: Path, start_time: float) -> TrainingResult:
    """Train, evaluate, and write the model's folder.

    Args:
        run: what to train.
        folder: that becomes the output.
        start_time: of the run, on the monotonic clock.
    """
    from prefdata.training.run.callbacks import close_tensorboard
    from prefdata.training.run.save import save_model

    trained = fit(run)
    result = _result(run, trained, start_time)
    samples = trained.sampler.sample()
    close_tensorboard(trained.trainer)
    save_model(trained.trainer, run, folder)
    if distributed.is_main():
        for note in sample_notes(samples).values():
            run.note(note)
        history = trained.trainer.state.log_history
        write_model_files(folder, run.plan, result, history)
        recipe = recipe_yaml(run.plan.recipe)
        write_page(folder / "report.html", result, recipe, history, run.notes, samples)
        _move_from_run_dir(run, folder)
    return result


def _result(run: RunContext, trained: FitResult, start_time: float) -> TrainingResult:
    """The result of the run.

    Raises:
        TrainingError: the trained model has no finite loss.
    """
    plan, recipe = run.plan, run.plan.recipe
    after, steps = trained.online_eval.metrics(), trained.trainer.state.global_step
    if not math.isfinite(after["loss"]):
        raise TrainingError(
            f"the loss is {after['loss']} after {steps:,} steps: training diverged",
            hint=f"Use a lower rate than --lr {recipe.learning_rate:g}, or a higher beta.",
        )
    return TrainingResult(
        output=str(plan.output),
        model=recipe.model,
        data=recipe.data,
        method=recipe.method,
        lora=recipe.lora is not None,
        rows={split: len(view) for split, view in run.views.items()},
        lost={split: len(preflight.lost_rows) for split, preflight in run.preflight.items()},
        cut={split: preflight.cut for split, preflight in run.preflight.items()},
        steps=steps,
        seconds=round(time.monotonic() - start_time, 1),
        split=plan.eval_split,
        measured=len(run.eval_rows),
        before=trained.before,
        after=after,
    )


def _move_from_run_dir(run: RunContext, folder: Path) -> None:
    """Move what outlives the run's directory into the model's folder."""
    from prefdata.training.run.save import keep_start

    keep_start(run, folder)
    if run.run_dir.tensorboard.is_dir():
        run.run_dir.tensorboard.rename(folder / "tensorboard")
