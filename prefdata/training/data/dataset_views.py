"""The splits of a data set directory as the trainer reads them: messages or plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.io.dataset.dataset_reader import COLUMNS, DatasetDirectory
from prefdata.records.plain_text import completion_text, prompt_text, with_arguments
from prefdata.training.data.prompts import Messages

if TYPE_CHECKING:
    from datasets import Dataset

COMPLETIONS = {
    "pairs": ("chosen", "rejected"),
    "unpaired": ("completion",),
    "chosen": ("completion",),
}
"""Per view, the columns that hold completions."""

TOOLS = "tools"
"""The column, where the data has it, of the tools that a row's model may call, as JSON."""


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
        columns=[*COLUMNS[dataset.kind], *extra, *_tools(dataset.files[split])],
    )
    if view == "unpaired" and dataset.kind == "pairs":
        from trl import unpair_preference_dataset

        rows = unpair_preference_dataset(rows)
    if view == "chosen":
        rows = _chosen(rows, dataset.kind)
    if view == "unpaired":
        rows = rows.shuffle(seed=seed)
    return _as_messages(rows) if chat else rows.map(_as_text)


def _tools(files: Sequence[str]) -> list[str]:
    import pyarrow.parquet as pq

    return [TOOLS] if all(TOOLS in pq.read_schema(file).names for file in files) else []


def _chosen(rows: Dataset, kind: str) -> Dataset:
    """The answers to imitate: the chosen ones of pairs, those labelled good of the others."""
    if kind == "pairs":
        return rows.remove_columns("rejected").rename_column("chosen", "completion")
    good = [position for position, label in enumerate(rows["label"]) if label]
    return rows.select(good).remove_columns("label")


def _as_messages(rows: Dataset) -> Dataset:
    """Messages with the fields that they have, and the arguments of tool calls as objects.

    Columns of one type give every message every field, and chat templates ask whether a field is
    there; and most of them write arguments as JSON themselves, which would quote ours twice.
    """
    from datasets import Features, Json, List

    columns = [name for name in ("prompt", *SIDES) if name in rows.column_names]
    if not any(TOOL_FIELDS & set(_fields(rows.features[name])) for name in columns):
        return rows
    features = Features({**rows.features, **{name: List(Json()) for name in columns}})

    def clean(row: Mapping[str, Messages]) -> dict[str, list[dict[str, object]]]:
        return {name: [_message(message) for message in row[name]] for name in columns}

    return rows.map(clean, features=features)


SIDES = ("chosen", "rejected", "completion")
TOOL_FIELDS = {"name", "tool_call_id", "tool_calls"}


def _fields(feature: object) -> Mapping[str, object]:
    inner = getattr(feature, "feature", {})
    return inner if isinstance(inner, Mapping) else {}


def _message(message: Mapping[str, object]) -> dict[str, object]:
    """A message without the fields that are not set, and with arguments read from their JSON."""
    fields = {name: value for name, value in message.items() if value is not None}
    calls = fields.get("tool_calls")
    if isinstance(calls, list):
        fields["tool_calls"] = [with_arguments(call) for call in calls]
    return fields


def _as_text(row: Mapping[str, Messages]) -> dict[str, str]:
    return {
        "prompt": prompt_text(row["prompt"]),
        **{side: completion_text(row[side]) for side in SIDES if side in row},
    }
