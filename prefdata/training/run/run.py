"""A training run, start to end, on TRL's own trainer."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prefdata.errors import InputError, TrainingError
from prefdata.io.dataset.atomic_dir import replacing
from prefdata.report.progress import Display, LineDisplay, Say
from prefdata.training.config.plan import Plan, resolve
from prefdata.training.config.recipe import Recipe
from prefdata.training.data.preflight import Preflight
from prefdata.training.data.prepare import prepare_once, shared_cache
from prefdata.training.model import distributed
from prefdata.training.model.load import load_tokenizer
from prefdata.training.run.card import recipe_yaml, write_records
from prefdata.training.run.report_page import write_page
from prefdata.training.run.result import TrainingResult
from prefdata.training.run.run_dir import RunFolder, open_run, run_folder
from prefdata.training.run.samples import Sample, sample_notes
from prefdata.training.run.training import Trained, Training

if TYPE_CHECKING:
    from datasets import Dataset


TRAIN_ROWS_MEASURED = 200
"""Where there is no test split, so many rows of the train split stand in for it."""


def train(
    recipe: Recipe,
    *,
    force: bool = False,
    resume: bool = False,
    display: Display | None = None,
    say: Say = lambda _line: None,
) -> TrainingResult:
    """Train a model on a data set directory, measure it before and after, and save it.

    The output folder holds the model, its tokenizer, a card, the effective recipe and the metrics;
    it appears whole at the end, or not at all. Until then, checkpoints and curves are kept beside
    it, in a folder of its name and ``.run``, from which an interrupted run goes on.

    Args:
        recipe: what to train, on what, and how.
        force: replace an existing output, and throw an interrupted run away.
        resume: go on with an interrupted run.
        display: what the numbers are shown on while it trains; by default lines to `say`.
        say: gets a line of progress at a time.

    Raises:
        RecipeError: the recipe does not fit the data, the model or TRL; or not the run to resume.
        UsageError: a path is not what it should be, or the output exists.
        InputError: the data cannot be trained on, or more of it would be lost than is allowed.
        TrainingError: the reference is not the starting model, or the run diverged.
        Interrupted: the user stopped it, and it can be resumed.
        MissingExtraError: the extra ``train`` is not installed.

    Example:
        >>> train(Recipe(model="tiny", data="pairs")).after["loss"]  # doctest: +SKIP
        0.41
    """
    began = time.monotonic()
    plan = resolve(recipe, force=force)
    say = say if distributed.is_main() else lambda _line: None
    distributed.barrier()  # nothing is written before all have found the plan in order
    with distributed.main_process_first():
        folder = run_folder(plan)
        if distributed.is_main():
            open_run(plan, force=force, resume=resume)
    try:
        source = _first_stage(plan, folder, display, say) if plan.recipe.first else None
        say("loading torch, transformers and TRL")
        from prefdata.training.model.library_output import suppress_output

        with suppress_output(), _tensorboard(folder), _written(plan) as output:
            run = Run(plan, folder, output, display or LineDisplay(say), say)
            result = run.go(source, began)
    except BaseException:
        if distributed.is_main() and not folder.worth_keeping():
            with suppress(InputError):  # what went wrong before is what has to be told
                folder.remove()
        raise
    if distributed.is_main():
        try:
            folder.remove()
        except InputError as error:
            say(f"note: the model is saved, and {error}")
    distributed.barrier()
    return result


@contextmanager
def _written(plan: Plan) -> Iterator[Path]:
    """The folder that becomes the output; of several processes, the first one writes it."""
    if distributed.is_main():
        with replacing(plan.output, plan.existing) as folder:
            yield folder
        return
    with TemporaryDirectory() as unused:
        yield Path(unused)


def _first_stage(plan: Plan, folder: RunFolder, display: Display | None, say: Say) -> str:
    """The model of the first stage, trained now or before the run was interrupted."""
    first, recipe = plan.recipe.first, plan.recipe
    begun = distributed.broadcast(folder.first.with_name(f"{folder.first.name}.run").is_dir())
    done = distributed.broadcast((folder.first / "recipe.yaml").is_file())
    if first is not None and not done:
        stage = recipe.model_copy(
            update={
                "method": "sft",
                "first": None,
                "output": str(folder.first),
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
        say("first stage: supervised fine-tuning on the chosen answers")
        train(stage, resume=begun, display=display, say=say)
        say("second stage")
    return str(folder.first)


@contextmanager
def _tensorboard(folder: RunFolder) -> Iterator[None]:
    """Have TensorBoard's files in the run's folder, unless the user says where."""
    name = "TENSORBOARD_LOGGING_DIR"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(folder.tensorboard)
    try:
        yield
    finally:
        os.environ.pop(name, None)


@dataclass
class Run:
    """One run under way.

    Args:
        plan: what is run.
        folder: its checkpoints and curves.
        output: the folder that becomes the model's.
        display: what the numbers are shown on.
        say: gets a line of progress at a time.
        notes: what was warned of, for the page.
    """

    plan: Plan
    folder: RunFolder
    output: Path
    display: Display
    say: Say
    notes: list[str] = field(default_factory=list)

    def _tell(self, line: str) -> None:
        """Say a line, and keep it for the page where it is a note."""
        if line.startswith("note: "):
            self.notes.append(line.removeprefix("note: "))
        self.say(line)

    def go(self, source: str | None, began: float) -> TrainingResult:
        """Prepare, train, measure, save.

        Args:
            source: what the first stage left; None without one.
            began: when the run began, on the monotonic clock.
        """
        from prefdata.training.run.callbacks import close_curves
        from prefdata.training.run.save import save_model
        from prefdata.training.run.start import starting_model

        plan, recipe = self.plan, self.plan.recipe
        self._tell_processes()
        with distributed.main_process_first():
            source = source or starting_model(plan, self.folder.start, self.say)
        tokenizer = load_tokenizer(
            source,
            chat_template=recipe.chat_template,
            revision=recipe.revision,
            trust_remote_code=recipe.trust_remote_code,
        )
        with shared_cache(self.folder.path) as cache:
            views, found = prepare_once(plan, tokenizer, cache, self.say)
            measured = views[plan.eval_split]
            if plan.eval_split == "train":
                measured = measured.select(range(min(len(measured), TRAIN_ROWS_MEASURED)))
            trained = Training(
                plan,
                self.folder,
                source,
                tokenizer,
                views["train"],
                measured,
                self.display,
                self._tell,
            ).run()
            result = self._result(views, found, len(measured), trained)
            result = replace(result, seconds=round(time.monotonic() - began, 1))
            samples = trained.samples.now()
            close_curves(trained.trainer)
            save_model(trained.trainer, tokenizer, self.output, plan, source)
        if distributed.is_main():
            self._write(result, trained.trainer.state.log_history, samples, source)
        return result

    def _tell_processes(self) -> None:
        recipe, ids = self.plan.recipe, distributed.all_gather([os.getpid()])
        if len(ids) > 1:
            passes = int(str(recipe.options.get("gradient_accumulation_steps") or 1))
            rows = len(ids) * recipe.batch_size * passes
            named = ", ".join(map(str, ids))
            self.say(f"{len(ids)} processes ({named}): {rows:,} rows a step")

    def _result(
        self,
        views: Mapping[str, Dataset],
        found: Mapping[str, Preflight],
        measured: int,
        trained: Trained,
    ) -> TrainingResult:
        """What came of the run, once its model is found to be one."""
        plan, recipe = self.plan, self.plan.recipe
        after, steps = trained.meter.metrics(), trained.trainer.state.global_step
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
            rows={name: len(view) for name, view in views.items()},
            lost={name: len(flight.lost_rows) for name, flight in found.items()},
            cut={name: flight.cut for name, flight in found.items()},
            steps=steps,
            seconds=0.0,
            split=plan.eval_split,
            measured=measured,
            before=trained.before,
            after=after,
        )

    def _write(
        self,
        result: TrainingResult,
        history: list[dict[str, float]],
        samples: list[Sample],
        source: str,
    ) -> None:
        """Write what stands beside the model: its reference, card, curves and page."""
        from prefdata.training.run.save import keep_start

        keep_start(self.folder, source, self.output)
        write_records(self.output, self.plan, result, history)
        for note in sample_notes(samples).values():
            self._tell(f"note: {note}")
        recipe = recipe_yaml(self.plan.recipe)
        write_page(self.output / "report.html", result, recipe, history, self.notes, samples)
        if self.folder.tensorboard.is_dir():
            self.folder.tensorboard.rename(self.output / "tensorboard")
