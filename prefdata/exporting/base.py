"""What a target is: a trainer or a service that takes preference data in a shape of its own.

A target is one function from a row of the data set to a row of its file, one that says which rows
it cannot hold, and one that writes the configuration with which it finds the data. Reading,
counting and writing are the same for all.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Required, TypedDict, cast

from prefdata.records.frames import TEMPLATE
from prefdata.records.plain_text import turn_thought
from prefdata.records.splits import held_out_split

View = Literal["pairs", "unpaired", "answers"]
"""What a target takes: pairs, labelled answers (KTO), or the best answer to each prompt (SFT)."""

ColumnKind = Literal["turns", "json turns", "text", "json", "number", "flag"]
"""What a column of a Parquet file holds; JSON is text that `datasets` gives as objects."""


class Function(TypedDict):
    """Which function is called, and with what: a JSON object, as text."""

    name: str
    arguments: str


class Call(TypedDict, total=False):
    """One call of a tool."""

    id: str
    type: str
    function: Required[Function]


class Turn(TypedDict, total=False):
    """One message; what is beyond role and content is there only where it is set."""

    role: Required[str]
    content: Required[str]
    reasoning_content: str
    tool_calls: list[Call]
    tool_call_id: str
    name: str


class DatasetRow(TypedDict, total=False):
    """A row of a data set, pair or labelled answer, as `prefdata.schemas` describes it."""

    id: str
    prompt_id: str
    prompt: Required[list[Turn]]
    chosen: list[Turn]
    rejected: list[Turn]
    completion: list[Turn]
    label: bool
    score_chosen: float | None
    score_rejected: float | None
    margin: float | None
    votes: int | None
    agreement: float | None
    weight: float | None
    model_chosen: str | None
    model_rejected: str | None
    source: str | None
    tools: str | None
    chat_template_kwargs: str | None


TargetRow = Mapping[str, object]
"""A row of the target's file."""


class Refusal(NamedTuple):
    """Why a row cannot be carried.

    Attributes:
        reason: the phrase that is counted.
        detail: what it is in this row.
    """

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of the whole data set before its first row is written.

    Attributes:
        view: what the target takes.
        columns: the columns of the data set.
        plain: whether the user wants texts instead of messages.
        margins: whether any row has a margin.
        texts: the columns of messages in which every row is one turn that can stand as bare text.
        extended: whether messages may have more than a role and a text.
    """

    view: View
    columns: tuple[str, ...] = ()
    plain: bool = False
    margins: bool = False
    texts: frozenset[str] = frozenset()
    extended: bool = False


@dataclass(frozen=True)
class ExportedData:
    """The data files of an export, for the configuration and the notes that go with them.

    Attributes:
        folder: where the export will stand, absolute.
        facts: what was known beforehand.
        files: the data file of each split that has rows, absolute.
        rows: how many rows each split has.
        sizes: how many bytes each split has.
        good: rows of the train split with a good answer, of those that have a label.
        bad: the same with a bad one.
        features: how many rows have what some targets cannot use, by its name.
    """

    folder: Path
    facts: DatasetFacts
    files: Mapping[str, Path]
    rows: Mapping[str, int]
    sizes: Mapping[str, int] = field(default_factory=dict)
    good: int = 0
    bad: int = 0
    features: Mapping[str, int] = field(default_factory=dict)

    @property
    def eval_split(self) -> str:
        """The split to measure on while training: validation, else test; ``""`` without both."""
        held_out = held_out_split(self.files, "validation", "test")
        return "" if held_out == "train" else held_out

    @property
    def name(self) -> str:
        """The name of the data in the target's configuration: that of the folder.

        Example:
            >>> ExportedData(Path("/data/my pairs"), DatasetFacts("pairs"), {}, {}).name
            'my_pairs'
        """
        return "".join(c if c.isalnum() or c in "-_." else "_" for c in self.folder.name)

    def shell_path(self, name: str) -> str:
        """The path of a file of the export, as a shell takes it.

        Example:
            >>> data = ExportedData(Path("/data/my pairs"), DatasetFacts("pairs"), {}, {})
            >>> data.shell_path("dpo.yaml")
            "'/data/my pairs/dpo.yaml'"
        """
        return shlex.quote(str(self.folder / name))


def _none_refused(_row: DatasetRow) -> Refusal | None:
    return None


def _no_notes(_data: ExportedData) -> list[str]:
    return []


def _no_features(_row: DatasetRow) -> list[str]:
    return []


def _no_limits(_data: ExportedData) -> None:
    return None


def _no_columns(_facts: DatasetFacts) -> Mapping[str, ColumnKind]:
    return {}


@dataclass(frozen=True)
class Target:
    """A trainer or a service, and how it takes preference data.

    Attributes:
        name: what ``--to`` calls it.
        summary: one line: what is written.
        help: the same in a few words, for the list that ``pref export --help`` shows.
        order: its place in that list and in all others: lower first, then by name.
        views: what it takes; pairs become the first of them, unless the user asks otherwise.
        suffix: of its data files: how they are written.
        carries: columns of the data set that reach it beyond the messages and the label. Rows with
            tools, or arguments of the chat template, are refused where these are not among them.
        row: turns a row of the view into a row of the file.
        stanza: file name to text: the configuration that finds the data.
        next_step: what to run next.
        refuse: why a row of the view cannot be carried; None where it can.
        columns: the columns of the file, where its kind has a fixed set.
        features: what the target counts in a row beyond what all do: `ExportedData.features`.
        notes: what else the user has to know.
        check_limits: raises `InputError` where the whole cannot be taken by the target.
        plain: whether it can be written as plain text.
    """

    name: str
    summary: str
    help: str
    views: tuple[View, ...]
    suffix: Literal[".jsonl", ".csv", ".parquet"]
    row: Callable[[DatasetRow, DatasetFacts], TargetRow]
    stanza: Callable[[ExportedData], Mapping[str, str]]
    next_step: Callable[[ExportedData], str]
    order: int = 100
    carries: tuple[str, ...] = ()
    refuse: Callable[[DatasetRow], Refusal | None] = _none_refused
    columns: Callable[[DatasetFacts], Mapping[str, ColumnKind]] = _no_columns
    features: Callable[[DatasetRow], list[str]] = _no_features
    notes: Callable[[ExportedData], list[str]] = _no_notes
    check_limits: Callable[[ExportedData], None] = _no_limits
    plain: bool = False


ANSWERS = ("chosen", "rejected", "completion")
"""The columns that hold answers."""

MESSAGES = ("prompt", *ANSWERS)
"""The columns that hold messages."""


def answers(row: DatasetRow) -> dict[str, list[Turn]]:
    """The answers of a row, by their column.

    Example:
        >>> answers({"prompt": [], "completion": [{"role": "assistant", "content": "4"}]})
        {'completion': [{'role': 'assistant', 'content': '4'}]}
    """
    columns = cast("Mapping[str, list[Turn]]", row)
    return {name: columns[name] for name in ANSWERS if name in columns}


def margin_or_zero(row: DatasetRow) -> float:
    """The margin of a row; 0, which is the loss without a margin, where it has none."""
    return row.get("margin") or 0.0


def template_columns(row: DatasetRow) -> dict[str, str]:
    """What a row passes to the chat template beside its messages, as JSON text.

    Example:
        >>> template_columns({"prompt": [], "tools": "[{}]", "chat_template_kwargs": None})
        {'tools': '[{}]'}
    """
    columns = cast("Mapping[str, str | None]", row)
    return {name: text for name in TEMPLATE if (text := columns.get(name))}


def thought_and_text(turn: Turn) -> str:
    """The text of a turn behind what it thinks, for targets that read thinking in the text."""
    return turn_thought(cast("Mapping[str, object]", turn)) + turn["content"]


def named_call(call: Call) -> dict[str, object]:
    """The name and the arguments of a call; arguments that are no JSON stay text.

    Example:
        >>> named_call({"function": {"name": "weather", "arguments": '{"city": "Rome"}'}})
        {'name': 'weather', 'arguments': {'city': 'Rome'}}
        >>> named_call({"function": {"name": "weather", "arguments": "Rome"}})
        {'name': 'weather', 'arguments': 'Rome'}
    """
    function = call["function"]
    try:
        arguments: object = json.loads(function["arguments"])
    except ValueError:
        arguments = function["arguments"]
    return {"name": function["name"], "arguments": arguments}
