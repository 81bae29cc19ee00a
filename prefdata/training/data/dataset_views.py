"""The splits of a data set directory as the trainer reads them: messages or plain text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdata.io.dataset.dataset_reader import COLUMNS, DatasetDirectory
from prefdata.records.plain_text import as_template_message, completion_text, prompt_text
from prefdata.training.data.prompts import Messages

if TYPE_CHECKING:
    from datasets import Dataset

COMPLETIONS = {
    "pairs": ("chosen", "rejected"),
    "unpaired": ("completion",),
    "chosen": ("completion",),
}
"""Per view, the columns that hold completions."""

TOOLS, ARGUMENTS = "tools", "chat_template_kwargs"
"""The columns, where the data has them, of the tools that a row's model may call, and of further
arguments of the chat template: JSON in the files, objects in the view."""


def load_view(
    dataset: DatasetDirectory,
    split: str,
    *,
    view: str,
    chat: bool,
    seed: int,
    cache: Path,
    extra: Sequence[str] = (),
) -> Dataset:
    """One split as the trainer takes it, memory-mapped rather than loaded.

    Unpaired rows are shuffled: KTO reads its rows in order, and a block of one class, which
    unpairing alone would make of every batch, teaches it nothing.

    Args:
        dataset: the data set directory.
        split: ``train`` or ``test``.
        view: ``pairs``, ``unpaired`` or ``chosen``; pairs can be viewed as any of them.
        chat: whether the tokenizer has a chat template; without one, messages become plain text.
        seed: of the shuffling.
        cache: the folder of the memory-mapped copy.
        extra: further columns of the files to keep.
    """
    from datasets import Dataset

    rows = Dataset.from_parquet(
        dataset.files[split],
        split=split,
        cache_dir=str(cache),
        columns=[*COLUMNS[dataset.kind], *extra, *_template(dataset.files[split])],
    )
    if view == "unpaired" and dataset.kind == "pairs":
        from trl import unpair_preference_dataset

        rows = unpair_preference_dataset(rows)
    if view == "chosen":
        rows = _chosen(rows, dataset.kind)
    if view == "unpaired":
        rows = rows.shuffle(seed=seed)
    return _as_messages(rows) if chat else rows.map(_as_text)


def _template(files: Sequence[str]) -> list[str]:
    import pyarrow.parquet as pq

    names = [set(pq.read_schema(file).names) for file in files]
    return [name for name in (TOOLS, ARGUMENTS) if all(name in each for each in names)]


def _chosen(rows: Dataset, kind: str) -> Dataset:
    """The answers to imitate: the chosen ones of pairs, those labelled good of the others."""
    if kind == "pairs":
        return rows.remove_columns("rejected").rename_column("chosen", "completion")
    good = [position for position, label in enumerate(rows["label"]) if label]
    return rows.select(good).remove_columns("label")


def _as_messages(rows: Dataset) -> Dataset:
    """Messages with the fields that they have; JSON as the objects that it stands for."""
    from datasets import Features, Json, List

    columns = [name for name in ("prompt", *SIDES) if name in rows.column_names]
    extended = any(EXTENSIONS & set(_fields(rows.features[name])) for name in columns)
    template = [name for name in (TOOLS, ARGUMENTS) if name in rows.column_names]
    if not extended and not template:
        return rows
    messages = dict.fromkeys(columns, List(Json())) if extended else {}
    features = Features({**rows.features, **messages, **dict.fromkeys(template, Json())})

    def clean(row: Mapping[str, Any]) -> dict[str, object]:
        turns = {name: [as_template_message(each) for each in row[name]] for name in messages}
        return {**turns, **{name: _object(name, row[name]) for name in template}}

    return rows.map(clean, features=features)


SIDES = ("chosen", "rejected", "completion")
EXTENSIONS = {"reasoning_content", "tool_calls", "tool_call_id", "name"}


def _object(name: str, text: str | None) -> object:
    """What JSON says; TRL takes no tools as none, and wants arguments in every row."""
    empty: object = {} if name == ARGUMENTS else None
    return json.loads(text) if text else empty


def _fields(feature: object) -> Mapping[str, object]:
    inner = getattr(feature, "feature", {})
    return inner if isinstance(inner, Mapping) else {}


def _as_text(row: Mapping[str, Messages]) -> dict[str, str]:
    return {
        "prompt": prompt_text(row["prompt"]),
        **{side: completion_text(row[side]) for side in SIDES if side in row},
    }
