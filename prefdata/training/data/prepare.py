"""The data of a run as its trainer reads it, without the rows that it could not learn from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prefdata.report.progress import Log
from prefdata.training.config.plan import Plan
from prefdata.training.config.recipe import Recipe
from prefdata.training.data.dataset_views import COMPLETIONS, load_view
from prefdata.training.data.preflight import Preflight, examine, preflight_summary, refuse_losses
from prefdata.training.model import distributed

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


@contextmanager
def shared_cache(folder: Path) -> Iterator[Path]:
    """A temporary folder for prepared data, the same one in all processes.

    Example:
        >>> with shared_cache(Path(".")) as cache:
        ...     cache.is_dir()
        True
    """
    is_main = distributed.is_main()
    temporary = TemporaryDirectory(prefix=".cache-", dir=folder) if is_main else None
    try:
        yield Path(distributed.broadcast(temporary.name if temporary else ""))
    finally:
        if temporary:
            temporary.cleanup()


def prepare_once(
    plan: Plan, tokenizer: PreTrainedTokenizerBase, cache: Path, log: Log
) -> tuple[dict[str, Dataset], dict[str, Preflight]]:
    """As `prepare`, by the first of several processes; the others read the files that it wrote."""
    if distributed.world_size() == 1:
        return prepare(plan, tokenizer, cache, log)
    from datasets import load_from_disk

    preflights: dict[str, Preflight] = {}
    with distributed.main_process_first():
        if distributed.is_main():
            views, preflights = prepare(plan, tokenizer, cache, log)
            for split, view in views.items():
                view.save_to_disk(cache / f"view-{split}")
    preflights = distributed.broadcast(preflights)
    return {split: load_from_disk(cache / f"view-{split}") for split in preflights}, preflights


def prepare(
    plan: Plan, tokenizer: PreTrainedTokenizerBase, cache: Path, log: Log
) -> tuple[dict[str, Dataset], dict[str, Preflight]]:
    """The splits of a run as the trainer reads them, without rows that it could not learn from.

    Args:
        plan: of the run.
        tokenizer: of the model.
        cache: the folder of the memory-mapped copies.
        log: called with one line at a time.

    Returns:
        By split, its rows, and the counts of what becomes of them.

    Raises:
        InputError: more rows would be lost than the recipe allows.
    """
    chat, recipe = bool(tokenizer.chat_template), plan.recipe
    log(
        "chat template found: rows go in as messages"
        if chat
        else "no chat template: turns are written out as 'User: …' and 'Assistant: …'"
    )
    view = plan.method.views[plan.dataset.kind]
    views, preflights = {}, {}
    for split in dict.fromkeys(("train", plan.eval_split)):
        rows = load_view(
            plan.dataset,
            split,
            view=view,
            chat=chat,
            seed=recipe.seed,
            cache=cache,
            extra=["margin"] if recipe.margin_scale else [],
        )
        preflight = examine(
            rows,
            COMPLETIONS[view],
            tokenizer,
            recipe.max_length,
            drops_long=plan.method.drops_long,
        )
        refuse_losses(
            preflight, max_length=recipe.max_length, allow_drops=recipe.allow_drops, split=split
        )
        log(preflight_summary(preflight, split=split, max_length=recipe.max_length))
        lost_rows = set(preflight.lost_rows)
        learnable = [row for row in range(preflight.rows) if row not in lost_rows]
        rows = rows.select(learnable) if lost_rows else rows
        views[split] = _with_margins(rows, recipe.margin_scale)
        preflights[split] = preflight
    _log_balance(preflights["train"], recipe, log)
    return views, preflights


def _with_margins(rows: Dataset, scale: float | None) -> Dataset:
    if scale is None:
        return rows
    return rows.map(lambda row: {"margin": scale * row["margin"]})


def _log_balance(preflight: Preflight, recipe: Recipe, log: Log) -> None:
    """KTO's classes should weigh alike, within a third (arXiv 2402.01306, eq. 8)."""
    weights = [
        float(str(recipe.options.get(f"{side}_weight", 1.0)))
        for side in ("desirable", "undesirable")
    ]
    good, bad = preflight.good * weights[0], preflight.bad * weights[1]
    if recipe.method == "kto" and good and bad and not 1 <= good / bad <= 4 / 3:
        rarer = "desirable" if good < bad else "undesirable"
        log(
            f"note: good and bad answers weigh {good / bad:.2f} to 1, and KTO wants 1 to 1.33; "
            f"--set {rarer}_weight=auto does it"
        )
