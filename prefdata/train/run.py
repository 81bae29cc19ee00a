"""A training run, start to end, on TRL's own trainer."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prefdata.errors import Interrupted, TrainingError
from prefdata.io.staging import replacing
from prefdata.train import processes
from prefdata.train.card import recipe_yaml, write_records
from prefdata.train.display import Display, Lines
from prefdata.train.loading import load_tokenizer
from prefdata.train.plan import Plan, make_plan
from prefdata.train.preflight import Preflight, examine, preflight_lines, refuse_losses
from prefdata.train.recipe import Recipe
from prefdata.train.result import TrainingResult
from prefdata.train.runfolder import RunFolder, open_run, run_folder
from prefdata.train.runpage import Sample, answers, sample_notes, write_page
from prefdata.train.view import COMPLETIONS, load_view

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer

    from prefdata.train.measure import Meter
    from prefdata.train.trainer import Batches

Say = Callable[[str], None]

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
    plan = make_plan(recipe, force=force)
    say = say if processes.is_main() else lambda _line: None
    with processes.first_alone():
        folder = run_folder(plan)
        if processes.is_main():
            open_run(plan, force=force, resume=resume)
    try:
        source = _first_stage(plan, folder, display, say) if plan.recipe.first else None
        say("loading torch, transformers and TRL")
        from prefdata.train.quiet import hushed

        with hushed(), _tensorboard(folder), _written(plan.output) as output:
            run = Run(plan, folder, output, display or Lines(say), say)
            result = run.go(source, began)
    except BaseException:
        if processes.is_main() and not folder.worth_keeping():
            folder.remove()
        raise
    if processes.is_main():
        folder.remove()
    processes.wait()
    return result


@contextmanager
def _written(output: Path) -> Iterator[Path]:
    """The folder that becomes the output; of several processes, the first one writes it."""
    if processes.is_main():
        with replacing(output) as folder:
            yield folder
        return
    with TemporaryDirectory() as unused:
        yield Path(unused)


def _first_stage(plan: Plan, folder: RunFolder, display: Display | None, say: Say) -> str:
    """The model of the first stage, trained now or before the run was interrupted."""
    first, recipe = plan.recipe.first, plan.recipe
    begun = processes.agreed(folder.first.with_name(f"{folder.first.name}.run").is_dir())
    done = processes.agreed((folder.first / "recipe.yaml").is_file())
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
        before: prompts, and what the model answered before training.
    """

    plan: Plan
    folder: RunFolder
    output: Path
    display: Display
    say: Say
    notes: list[str] = field(default_factory=list)
    before: list[tuple[str, str]] = field(default_factory=list)

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
        from prefdata.train.save import keep_start, save_model
        from prefdata.train.start import starting_model

        plan, recipe = self.plan, self.plan.recipe
        self._tell_processes()
        with processes.first_alone():
            source = source or starting_model(plan, self.folder.start, self.say)
        tokenizer = load_tokenizer(
            source,
            chat_template=recipe.chat_template,
            revision=recipe.revision,
            trust_remote_code=recipe.trust_remote_code,
        )
        with _cache(self.folder.path) as cache:
            views, found = prepared_once(plan, tokenizer, cache, self.say)
            measured = views[plan.eval_split]
            if plan.eval_split == "train":
                measured = measured.select(range(min(len(measured), TRAIN_ROWS_MEASURED)))
            trainer, meter, before = self._trained(source, tokenizer, views["train"], measured)
            after = meter.metrics()
            steps = trainer.state.global_step
            if not math.isfinite(after["loss"]):
                raise TrainingError(
                    f"the loss is {after['loss']} after {steps:,} steps: training diverged",
                    hint=f"Use a lower rate than --lr {recipe.learning_rate:g}, or a higher beta.",
                )
            result = self._result(views, found, len(measured), steps, before, after)
            result = replace(result, seconds=round(time.monotonic() - began, 1))
            samples = self._samples(trainer, tokenizer, measured)
            save_model(trainer, tokenizer, self.output, plan, source)
        if not processes.is_main():
            return result
        keep_start(self.folder, source, self.output)
        write_records(self.output, plan, result, trainer.state.log_history)
        notes = [*self.notes, *sample_notes(samples)]
        for note in sample_notes(samples):
            self.say(f"note: {note}")
        text, history = recipe_yaml(recipe), trainer.state.log_history
        write_page(self.output / "report.html", result, text, history, notes, samples)
        if self.folder.tensorboard.is_dir():
            self.folder.tensorboard.rename(self.output / "tensorboard")
        return result

    def _samples(
        self, trainer: Trainer, tokenizer: PreTrainedTokenizerBase, rows: Dataset
    ) -> list[Sample]:
        """Answers of the trained model beside those from before."""
        after = self._answers(trainer, tokenizer, rows)
        return [
            Sample(prompt, old, new)
            for (prompt, old), (_, new) in zip(self.before, after, strict=True)
        ]

    def _answers(
        self, trainer: Trainer, tokenizer: PreTrainedTokenizerBase, rows: Dataset
    ) -> list[tuple[str, str]]:
        """Prompts and answers as the model is now; a reward model, or one in parts, gives none."""
        spread = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
        speaks = self.plan.method.task == "CAUSAL_LM" and processes.is_main() and not spread
        if not speaks or not self.plan.recipe.samples:
            return []
        return answers(trainer, tokenizer, rows, self.plan.recipe.samples)

    def _trained(
        self, source: str, tokenizer: PreTrainedTokenizerBase, rows: Dataset, measured: Dataset
    ) -> tuple[Trainer, Meter, dict[str, float]]:
        """The trainer once it has trained; with smaller batches where memory runs out."""
        import torch

        from prefdata.train.trainer import Batches, accumulation

        batches = Batches(self.plan.recipe.batch_size, accumulation(self.plan.recipe))
        while True:
            try:
                return self._attempt(source, tokenizer, rows, measured, batches)
            except torch.OutOfMemoryError as error:
                smaller = self._smaller(batches, error)
            self.say(
                f"out of memory with batches of {batches.rows}: again with {smaller.rows}, "
                f"{smaller.accumulation} to a step"
            )
            batches = smaller
            torch.cuda.empty_cache()

    def _smaller(self, batches: Batches, error: Exception) -> Batches:
        """Batches that need less memory and are the same step, where there are any."""
        plan, recipe = self.plan, self.plan.recipe
        in_batch = any(loss.in_batch for loss in plan.method.chosen_losses(recipe.options))
        least = plan.method.min_batch_size
        alone = processes.count() == 1
        if recipe.smaller_on_oom and alone and not in_batch and batches.rows > least:
            smaller = batches.smaller()
            if smaller.rows >= least:
                return smaller
        lora = "" if recipe.lora else "lora: true, "
        raise TrainingError(
            f"out of memory with batches of {batches.rows} rows of {recipe.max_length:,} tokens",
            hint=(
                f"Try {lora}a smaller --max-length, --set gradient_checkpointing=true, "
                f"{'a smaller --batch-size, ' if batches.rows > least else ''}or a smaller model."
            ),
        ) from error

    def _attempt(
        self,
        source: str,
        tokenizer: PreTrainedTokenizerBase,
        rows: Dataset,
        measured: Dataset,
        batches: Batches,
    ) -> tuple[Trainer, Meter, dict[str, float]]:
        from prefdata.train.advice import Adviser
        from prefdata.train.callbacks import OwnAccuracy, SavedLogs, Stop, Watch
        from prefdata.train.disk import check_disk
        from prefdata.train.guard import check_first_batch
        from prefdata.train.measure import Meter
        from prefdata.train.trainer import build_trainer

        plan, recipe = self.plan, self.plan.recipe
        trainer = build_trainer(
            plan, source, tokenizer, rows, measured, self.folder.checkpoints, batches
        )
        check_disk(trainer, self.folder.path, self.say)
        self._tell_reference(trainer)
        own = recipe.reference not in ("", recipe.model)
        start_loss = None if own else plan.method.start_loss(recipe.options)
        check_first_batch(trainer, start_loss)
        meter = Meter(trainer, measured, tokenizer, plan)
        meter.take_reference()
        before = meter.metrics()
        self.before = self._answers(trainer, tokenizer, measured)
        processes.unprepare(trainer)

        adviser, stop = Adviser(recipe.learning_rate or 0.0), Stop()
        for callback in (
            SavedLogs(),
            Watch(self.display, adviser, self._tell, self.folder.metrics),
            OwnAccuracy(meter),
            stop,
        ):
            trainer.add_callback(callback)
        if recipe.evaluation and recipe.evaluation.patience:
            from transformers import EarlyStoppingCallback

            trainer.add_callback(EarlyStoppingCallback(recipe.evaluation.patience))
        with stop.listening(self.say):
            self._train(trainer)
        if stop.asked and trainer.state.global_step < trainer.state.max_steps:
            raise Interrupted(
                f"stopped after step {trainer.state.global_step:,} of {trainer.state.max_steps:,}, "
                f"saved in {self.folder.path.name}; go on with the same command and --resume"
            )
        return trainer, meter, before

    def _train(self, trainer: Trainer) -> None:
        """Train from the start, or from where an interrupted run was saved."""
        from transformers import TrainerState

        checkpoint = self.folder.last_checkpoint()
        if checkpoint is None:
            trainer.train()
            return
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        self.say(f"going on after step {state.global_step:,} of {state.max_steps:,}")
        if state.global_step >= state.max_steps:
            trainer._load_from_checkpoint(str(checkpoint))  # noqa: SLF001  # train() takes a step more
            trainer.state = state
            return
        seen = [entry["num_tokens"] for entry in state.log_history if "num_tokens" in entry]
        if seen and hasattr(trainer, "_total_train_tokens"):
            trainer._total_train_tokens = seen[-1]  # noqa: SLF001  # which TRL counts anew
        trainer.train(resume_from_checkpoint=str(checkpoint))

    def _tell_processes(self) -> None:
        recipe, ids = self.plan.recipe, processes.gathered([os.getpid()])
        if len(ids) > 1:
            passes = int(str(recipe.options.get("gradient_accumulation_steps") or 1))
            rows = len(ids) * recipe.batch_size * passes
            named = ", ".join(map(str, ids))
            self.say(f"{len(ids)} processes ({named}): {rows:,} rows a step")

    def _tell_reference(self, trainer: Trainer) -> None:
        keys = getattr(trainer, "reference_keys", [])
        if keys:
            hits = trainer.reference_hits
            found = "found in the cache" if hits == len(keys) else "computed once, and kept"
            self.say(f"reference: its log-probabilities are {found}")

    def _result(
        self,
        views: dict[str, Dataset],
        found: dict[str, Preflight],
        measured: int,
        steps: int,
        before: dict[str, float],
        after: dict[str, float],
    ) -> TrainingResult:
        plan, recipe = self.plan, self.plan.recipe
        return TrainingResult(
            output=str(plan.output),
            model=recipe.model,
            data=recipe.data,
            method=recipe.method,
            lora=recipe.lora is not None,
            rows={name: len(view) for name, view in views.items()},
            lost={name: len(flight.lost) for name, flight in found.items()},
            cut={name: flight.cut for name, flight in found.items()},
            steps=steps,
            seconds=0.0,
            split=plan.eval_split,
            measured=measured,
            before=before,
            after=after,
        )


@contextmanager
def _cache(folder: Path) -> Iterator[Path]:
    """A folder for prepared data, the same one in all processes."""
    made = TemporaryDirectory(prefix=".cache-", dir=folder) if processes.is_main() else None
    try:
        yield Path(processes.agreed(made.name if made else ""))
    finally:
        if made:
            made.cleanup()


def prepared_once(
    plan: Plan, tokenizer: PreTrainedTokenizerBase, cache: Path, say: Say
) -> tuple[dict[str, Dataset], dict[str, Preflight]]:
    """As `prepare`, by the first of several processes; the others read what it wrote.

    Example:
        >>> prepared_once(plan, tokenizer, Path("cache"), print)  # doctest: +SKIP
    """
    if processes.count() == 1:
        return prepare(plan, tokenizer, cache, say)
    from datasets import load_from_disk

    found: dict[str, Preflight] = {}
    with processes.first_alone():
        if processes.is_main():
            views, found = prepare(plan, tokenizer, cache, say)
            for split, view in views.items():
                view.save_to_disk(cache / f"view-{split}")
    found = processes.agreed(found)
    return {split: load_from_disk(cache / f"view-{split}") for split in found}, found


def prepare(
    plan: Plan, tokenizer: PreTrainedTokenizerBase, cache: Path, say: Say
) -> tuple[dict[str, Dataset], dict[str, Preflight]]:
    """Each split as the trainer reads it, without the rows that it could not learn from.

    Args:
        plan: of the run.
        tokenizer: of the model.
        cache: where the memory-mapped copies go.
        say: gets a line per finding.

    Raises:
        InputError: more rows would be lost than the recipe allows.

    Example:
        >>> prepare(plan, tokenizer, Path("cache"), print)  # doctest: +SKIP
    """
    chat, recipe = bool(tokenizer.chat_template), plan.recipe
    say(
        "chat template found: rows go in as messages"
        if chat
        else "no chat template: turns are written out as 'User: …' and 'Assistant: …'"
    )
    view = plan.method.views[plan.dataset.kind]
    views, found = {}, {}
    for split in plan.dataset.rows:
        rows = load_view(
            plan.dataset,
            split,
            view=view,
            chat=chat,
            seed=recipe.seed,
            cache=cache,
            extra=["margin"] if recipe.margin_scale else [],
        )
        flight = examine(
            rows,
            COMPLETIONS[view],
            tokenizer,
            recipe.max_length,
            drops_long=plan.method.drops_long,
        )
        refuse_losses(
            flight, max_length=recipe.max_length, allow_drops=recipe.allow_drops, split=split
        )
        for line in preflight_lines(flight, split=split, max_length=recipe.max_length):
            say(line)
        lost = set(flight.lost)
        keep = [position for position in range(flight.rows) if position not in lost]
        rows = rows.select(keep) if lost else rows
        views[split] = _with_margins(rows, recipe.margin_scale)
        found[split] = flight
    _tell_balance(found["train"], recipe, say)
    return views, found


def _with_margins(rows: Dataset, scale: float | None) -> Dataset:
    if scale is None:
        return rows
    return rows.map(lambda row: {"margin": scale * row["margin"]})


def _tell_balance(found: Preflight, recipe: Recipe, say: Say) -> None:
    """KTO's classes should weigh alike, within a third (arXiv 2402.01306, eq. 8)."""
    weights = [
        float(str(recipe.options.get(f"{side}_weight", 1.0)))
        for side in ("desirable", "undesirable")
    ]
    good, bad = found.good * weights[0], found.bad * weights[1]
    if recipe.method == "kto" and good and bad and not 1 <= good / bad <= 4 / 3:
        rarer = "desirable" if good < bad else "undesirable"
        say(
            f"note: good and bad answers weigh {good / bad:.2f} to 1, and KTO wants 1 to 1.33; "
            f"--set {rarer}_weight=auto does it"
        )
