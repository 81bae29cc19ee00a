"""What the trainer reads: the splits as data sets, as messages or as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.io.directory import COLUMNS, DatasetDirectory
from prefdata.io.plain import completion_text, prompt_text

if TYPE_CHECKING:
    from datasets import Dataset

Messages = Sequence[Mapping[str, str]]

COMPLETIONS = {"pairs": ("chosen", "rejected"), "unpaired": ("completion",)}
"""Per view, the columns that hold completions."""


def load_view(
    dataset: DatasetDirectory, split: str, *, view: str, chat: bool, seed: int, cache: Path
) -> Dataset:
    """One split as the trainer takes it, read from its files and never held in memory.

    Unpaired rows are shuffled: KTO reads its rows in order, and a block of one class, which
    unpairing alone would make of every batch, teaches it nothing.

    Args:
        dataset: the data set directory.
        split: ``train`` or ``test``.
        view: ``pairs`` or ``unpaired``; pairs can be viewed as unpaired.
        chat: whether the tokenizer has a chat template; without one, messages become plain text.
        seed: of the shuffling.
        cache: where the memory-mapped copy goes.

    Example:
        >>> load_view(dataset, "test", view="pairs", chat=True, seed=42, cache=Path("cache"))
        ... # doctest: +SKIP
    """
    from datasets import Dataset

    rows = Dataset.from_parquet(
        dataset.files[split],
        split=split,
        cache_dir=str(cache),
        columns=list(COLUMNS[dataset.kind]),
    )
    if view != dataset.kind:
        from trl import unpair_preference_dataset

        rows = unpair_preference_dataset(rows)
    if view == "unpaired":
        rows = rows.shuffle(seed=seed)
    return rows if chat else rows.map(_as_text)


def _as_text(row: Mapping[str, Messages]) -> dict[str, str]:
    sides = [side for view in COMPLETIONS.values() for side in view if side in row]
    return {
        "prompt": prompt_text(row["prompt"]),
        **{side: completion_text(row[side]) for side in sides},
    }
