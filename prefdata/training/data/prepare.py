"""The data of a run as its trainer reads them, without the rows that it could not learn from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prefdata.report.progress import Say
from prefdata.training.config.plan import Plan
from prefdata.training.config.recipe import Recipe
from prefdata.training.data.dataset_views import COMPLETIONS, load_view
from prefdata.training.data.preflight import Preflight, examine, preflight_lines, refuse_losses
from prefdata.training.model import distributed

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


@contextmanager
def prepared_folder(folder: Path) -> Iterator[Path]:
    """A folder for prepared data, the same one in all processes, for as long as they need it.

    Example:
        >>> with prepared_folder(Path(".")) as cache:
        ...     cache.is_dir()
        True
    """
    made = TemporaryDirectory(prefix=".cache-", dir=folder) if distributed.is_main() else None
    try:
        yield Path(distributed.agreed(made.name if made else ""))
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
    if distributed.count() == 1:
        return prepare(plan, tokenizer, cache, say)
    from datasets import load_from_disk

    found: dict[str, Preflight] = {}
    with distributed.first_alone():
        if distributed.is_main():
            views, found = prepare(plan, tokenizer, cache, say)
            for split, view in views.items():
                view.save_to_disk(cache / f"view-{split}")
    found = distributed.agreed(found)
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
