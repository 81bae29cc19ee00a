"""A training run, start to end, on TRL's own trainer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prefdata.errors import TrainingError
from prefdata.io.staging import replacing
from prefdata.train.card import write_records
from prefdata.train.loading import load_tokenizer
from prefdata.train.plan import Plan, is_local, make_plan
from prefdata.train.preflight import (
    Preflight,
    encode,
    examine,
    preflight_lines,
    refuse_losses,
)
from prefdata.train.recipe import TINY, Recipe
from prefdata.train.result import TrainingResult
from prefdata.train.view import COMPLETIONS, load_view

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer

Say = Callable[[str], None]

TRAIN_ROWS_MEASURED = 200
"""Where there is no test split, so many rows of the train split stand in for it."""


def train(recipe: Recipe, *, force: bool = False, say: Say = lambda _line: None) -> TrainingResult:
    """Train a model on a data set directory, measure it before and after, and save it.

    The output folder holds the model (LoRA merged in), its tokenizer, a card, the effective
    recipe and the metrics; it appears whole at the end, or not at all.

    Args:
        recipe: what to train, on what, and how.
        force: replace an existing output.
        say: gets a line of progress at a time.

    Raises:
        RecipeError: the recipe does not fit the data, the model or TRL.
        UsageError: a path is not what it should be, or the output exists.
        InputError: the data cannot be trained on, or more of it would be lost than is allowed.
        TrainingError: the reference is not the starting model, or the run diverged.
        MissingExtraError: the extra ``train`` is not installed.

    Example:
        >>> train(Recipe(model="tiny", data="pairs")).after["loss"]  # doctest: +SKIP
        0.41
    """
    began = time.monotonic()
    plan = make_plan(recipe, force=force)
    say("loading torch, transformers and TRL")
    from prefdata.train.quiet import hushed

    with (
        hushed(),
        replacing(plan.output) as folder,
        TemporaryDirectory(prefix=".scratch-", dir=folder) as scratch,
    ):
        return _run(plan, Path(scratch), folder, began, say)


def _run(plan: Plan, scratch: Path, folder: Path, began: float, say: Say) -> TrainingResult:
    from prefdata.train.trainer import build_trainer

    recipe, split = plan.recipe, plan.eval_split
    source = _starting_model(plan, scratch, say)
    tokenizer = load_tokenizer(source)
    views, found = _prepare(plan, tokenizer, scratch / "cache", say)
    measured = views[split]
    if split == "train":
        measured = measured.select(range(min(len(measured), TRAIN_ROWS_MEASURED)))
    trainer = build_trainer(plan, source, tokenizer, views["train"], measured, scratch, say)

    before_logps = _logps(trainer, measured, tokenizer, plan)
    before = _measure(trainer, measured, before_logps, before_logps, plan)
    steps = trainer.train().global_step
    after_logps = _logps(trainer, measured, tokenizer, plan)
    after = _measure(trainer, measured, before_logps, after_logps, plan)
    if not math.isfinite(after["loss"]):
        raise TrainingError(
            f"the loss is {after['loss']} after {steps:,} steps: training diverged",
            hint=f"Use a lower rate than --lr {recipe.learning_rate:g}, or a higher beta.",
        )
    result = TrainingResult(
        output=str(plan.output),
        model=recipe.model,
        data=recipe.data,
        method=recipe.method,
        lora=recipe.lora is not None,
        rows={name: len(view) for name, view in views.items()},
        lost={name: len(flight.lost) for name, flight in found.items()},
        cut={name: flight.cut for name, flight in found.items()},
        steps=steps,
        seconds=round(time.monotonic() - began, 1),
        split=split,
        measured=len(measured),
        before=before,
        after=after,
    )
    _save_model(trainer, tokenizer, folder, merge=result.lora)
    if recipe.model == TINY:
        Path(source).rename(folder / "reference")
    write_records(folder, plan, result, trainer.state.log_history)
    return result


def _starting_model(plan: Plan, scratch: Path, say: Say) -> str:
    model = plan.recipe.model
    if model != TINY and is_local(model):
        return str(Path(model).expanduser())
    if model != TINY:
        say(f"loading {model} from the cache or the hub")
        return model
    from prefdata.train.tiny import make_tiny

    say("making a tiny model with random weights, and a tokenizer from the data")
    folder = scratch / "reference"
    make_tiny(folder, plan.dataset, seed=plan.recipe.seed, max_length=plan.recipe.max_length)
    return str(folder)


def _prepare(
    plan: Plan, tokenizer: PreTrainedTokenizerBase, cache: Path, say: Say
) -> tuple[dict[str, Dataset], dict[str, Preflight]]:
    """Each split as the trainer reads it, without the rows that it could not learn from."""
    chat, recipe = bool(tokenizer.chat_template), plan.recipe
    say(
        "chat template found: rows go in as messages"
        if chat
        else "no chat template: turns are written out as 'User: …' and 'Assistant: …'"
    )
    view = plan.method.views[plan.dataset.kind]
    views, found = {}, {}
    for split in plan.dataset.rows:
        rows = load_view(plan.dataset, split, view=view, chat=chat, seed=recipe.seed, cache=cache)
        flight = examine(rows, COMPLETIONS[view], tokenizer, recipe.max_length)
        refuse_losses(
            flight, max_length=recipe.max_length, allow_drops=recipe.allow_drops, split=split
        )
        for line in preflight_lines(flight, split=split, max_length=recipe.max_length):
            say(line)
        lost = set(flight.lost)
        keep = [position for position in range(flight.rows) if position not in lost]
        views[split] = rows.select(keep) if lost else rows
        found[split] = flight
    return views, found


def _logps(
    trainer: Trainer, rows: Dataset, tokenizer: PreTrainedTokenizerBase, plan: Plan
) -> list[list[float]]:
    """Per row, the log-probability of each completion under the model as it is now."""
    from prefdata.train.scoring import score

    model: torch.nn.Module = trainer.accelerator.unwrap_model(trainer.model).eval()
    sides = COMPLETIONS[plan.method.views[plan.dataset.kind]]
    encoded = (encode(row, sides, tokenizer) for row in rows)
    scored = score(
        encoded, model, max_length=plan.recipe.max_length, batch_size=plan.recipe.batch_size
    )
    return [[one.logp for one in scores] for scores in scored]


def _measure(
    trainer: Trainer,
    rows: Dataset,
    before: list[list[float]],
    now: list[list[float]],
    plan: Plan,
) -> dict[str, float]:
    """The loss by TRL; rewards per example, where TRL averages the averages of batches.

    The model at the start is its own reference, so `before` holds the reference's numbers. Equal
    rewards count one half towards the accuracy.
    """
    beta = float(str(plan.recipe.options["beta"]))
    rewards = [
        [beta * (a - b) for a, b in zip(new, old, strict=True)]
        for new, old in zip(now, before, strict=True)
    ]
    found = {"loss": float(trainer.evaluate()["eval_loss"])}
    if "label" in rows.column_names:
        good = [reward[0] for reward, label in zip(rewards, rows["label"], strict=True) if label]
        bad = [reward[0] for reward, label in zip(rewards, rows["label"], strict=True) if not label]
        return found | {"rewards/margins": _mean(good) - _mean(bad)}
    margins = [chosen - rejected for chosen, rejected in rewards]
    wins = [1.0 if margin > 0 else 0.5 if margin == 0 else 0.0 for margin in margins]
    return found | {"rewards/accuracies": _mean(wins), "rewards/margins": _mean(margins)}


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else math.nan


def _save_model(
    trainer: Trainer, tokenizer: PreTrainedTokenizerBase, folder: Path, *, merge: bool
) -> None:
    model = trainer.accelerator.unwrap_model(trainer.model)
    if merge:
        model = model.merge_and_unload()
    model.config.use_cache = True  # switched off for training; generation needs it
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
