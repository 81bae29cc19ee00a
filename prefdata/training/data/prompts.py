"""Prompts for a model to answer: from a file, or the held-out ones of a data set directory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from prefdata.errors import InputError, UsageError
from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.records.plain_text import as_template_message
from prefdata.records.splits import held_out_split

Messages = list[dict[str, Any]]

ENDINGS = (".jsonl", ".json", ".parquet", ".csv", ".txt")


@dataclass(frozen=True)
class Prompting:
    """How a model and its reference are asked for answers.

    Args:
        source: a data set directory, or a file of prompts; None for the held-out prompts of the
            first data set.
        answers: per prompt.
        most: the largest number of prompts; None for all.
        max_new_tokens: of an answer.
        temperature: of the sampling; 0 decodes greedily.
        seed: of the sampling.

    Example:
        >>> Prompting().answers
        1
    """

    source: Path | None = None
    answers: int = 1
    most: int | None = None
    max_new_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0


def check_prompts(source: Path | None) -> None:
    """Raise, before anything heavy is loaded, where there are no prompts to read.

    Raises:
        UsageError: there is no such file, or it is of no kind that is read.

    Example:
        >>> check_prompts(None)
    """
    if source is None or source.is_dir():
        return
    if not source.exists():
        raise UsageError(f"{source}: no such file of prompts", hint="Check the path.")
    if source.suffix not in ENDINGS:
        raise UsageError(
            f"{source}: prompts are not read from {source.suffix or 'such'} files",
            hint=f"Give a data set directory, or a file that ends in {', '.join(ENDINGS)}.",
        )


def read_prompts(source: Path, *, most: int | None = None) -> list[Messages]:
    """The prompts of a file or a data set directory, each once, in their order.

    Args:
        source: a data set directory, whose held-out prompts are read; a text file with a prompt a
            line; or a JSON, JSONL, CSV or Parquet file with a column ``prompt``, text or a list
            of messages.
        most: the largest number of prompts.

    Raises:
        UsageError: there is no such file.
        InputError: a row holds no prompt, or there is none.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        ...     print("Name a colour.", file=file, flush=True)
        ...     read_prompts(Path(file.name))
        [[{'role': 'user', 'content': 'Name a colour.'}]]
    """
    check_prompts(source)
    prompts: dict[str, Messages] = {}
    for number, value in enumerate(_values(source), 1):
        prompt = _as_messages(value)
        if prompt is None:
            raise InputError(
                f"{source}: row {number} holds no prompt",
                hint="Expected a column 'prompt': text, or a list of messages that ends in a "
                "user's.",
            )
        prompts.setdefault(json.dumps(prompt, sort_keys=True), prompt)
        if len(prompts) == most:
            break
    if not prompts:
        raise InputError(f"{source} holds no prompt", hint="Give a file with a prompt a line.")
    return list(prompts.values())


def _values(source: Path) -> Iterator[object]:
    """The value where a prompt is expected, row by row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from prefdata.io.readers.csv import LONGEST_CELL  # which loads polars

    if source.is_dir():
        dataset = open_dataset(source)
        files = dataset.files[held_out_split(dataset.files, "test", "validation")]
        for file in files:
            yield from pq.read_table(file, columns=["prompt"])[0].to_pylist()
        return
    try:
        if source.suffix == ".parquet":
            table = pq.read_table(source)
            yield from (row.get("prompt") for row in table.to_pylist())
            return
        text = source.read_text(encoding="utf-8-sig")
        lines = [line for line in text.split("\n") if line.strip()]
        if source.suffix == ".txt":
            yield from lines
        elif source.suffix == ".csv":
            csv.field_size_limit(LONGEST_CELL)
            yield from (row.get("prompt") for row in csv.DictReader(StringIO(text)))
        else:
            is_list = text.lstrip().startswith("[")
            rows = json.loads(text) if is_list else map(json.loads, lines)
            yield from (row.get("prompt") if isinstance(row, dict) else row for row in rows)
    except (ValueError, csv.Error, pa.ArrowInvalid) as error:
        raise InputError(
            f"{source}: not what its name says ({str(error).splitlines()[0]})",
            hint="Expected UTF-8 text; JSON has one object a line, or one list.",
        ) from None


def _as_messages(value: object) -> Messages | None:
    """A prompt as messages, or None where it is none."""
    if isinstance(value, str) and value.strip():
        return [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        return None
    messages = [as_template_message(message) for message in value if isinstance(message, dict)]
    complete = len(messages) == len(value) and all(
        {"role", "content"} <= message.keys() for message in messages
    )
    return messages if complete and messages[-1]["role"] in ("user", "tool") else None
