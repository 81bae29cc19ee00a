"""What a target is: a trainer or a service that takes preference data in a shape of its own.

A target is one function from a row of the data set to a row of its file, one that says which rows
it cannot hold, and one that writes the configuration with which it finds the data. Reading,
counting and writing are the same for all.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Required, TypedDict, cast

View = Literal["pairs", "unpaired", "answers"]
"""What a target takes: pairs, labelled answers (KTO), or the best answer to each prompt (SFT)."""

CellKind = Literal["turns", "text", "number", "flag"]
"""What a column of a Parquet file holds."""


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
    """One message; the fields for tools are there only where they are set."""

    role: Required[str]
    content: Required[str]
    name: str
    tool_call_id: str
    tool_calls: list[Call]


class Row(TypedDict, total=False):
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


Made = Mapping[str, object]
"""A row as the target has it."""


class Refusal(NamedTuple):
    """Why a row cannot be carried.

    Attributes:
        reason: the phrase that is counted.
        detail: what was found in this row.
    """

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known of the whole data set before its first row is written.

    Attributes:
        view: what the target takes.
        columns: the columns of the data set.
        plain: whether texts are wanted instead of messages.
        margins: whether any row has a margin.
        texts: the columns of messages in which every row is one turn that can stand as bare text.
    """

    view: View
    columns: tuple[str, ...] = ()
    plain: bool = False
    margins: bool = False
    texts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Job:
    """What was written, for the configuration and the words that go with it.

    Attributes:
        folder: where the export will stand, absolute.
        facts: what was known beforehand.
        files: the data file of each split that has rows, absolute.
        rows: rows written by split.
        sizes: bytes written by split.
        good: rows of the train split with a good answer, of those that have a label.
        bad: the same with a bad one.
        seen: of the rows written, how many have what some targets cannot use.
    """

    folder: Path
    facts: Facts
    files: Mapping[str, Path]
    rows: Mapping[str, int]
    sizes: Mapping[str, int] = field(default_factory=dict)
    good: int = 0
    bad: int = 0
    seen: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the data in the target's configuration: that of the folder.

        Example:
            >>> Job(Path("/data/my pairs"), Facts("pairs"), {}, {}).name
            'my_pairs'
        """
        return "".join(c if c.isalnum() or c in "-_." else "_" for c in self.folder.name)

    def at(self, name: str) -> str:
        """Where a file of the export stands, as a shell takes it.

        Example:
            >>> Job(Path("/data/my pairs"), Facts("pairs"), {}, {}).at("dpo.yaml")
            "'/data/my pairs/dpo.yaml'"
        """
        return shlex.quote(str(self.folder / name))


def _none_refused(_row: Row) -> Refusal | None:
    return None


def _no_notes(_job: Job) -> list[str]:
    return []


def _nothing_seen(_row: Row) -> list[str]:
    return []


def _no_limits(_job: Job) -> None:
    return None


def _by_the_row(_facts: Facts) -> Mapping[str, CellKind]:
    return {}


@dataclass(frozen=True)
class Target:
    """A trainer or a service, and how it takes preference data.

    Attributes:
        name: what ``--to`` calls it.
        summary: one line: what is written.
        views: what it takes; pairs become the first of them, unless the user asks otherwise.
        suffix: of its data files: how they are written.
        carries: columns of the data set that reach it beyond the messages and the label.
        row: turns a row of the view into a row of the file.
        stanza: file name to text: the configuration that finds the data.
        following: what to run next.
        refuse: why a row of the view cannot be carried; None where it can.
        columns: the columns of the file, where its kind has a fixed set.
        sees: what the target counts in a row beyond what all do; goes to ``Job.seen``.
        notes: what else the user has to know.
        limits: raises `InputError` where the whole cannot be taken by the target.
        plain: whether it can be written as plain text.
    """

    name: str
    summary: str
    views: tuple[View, ...]
    suffix: Literal[".jsonl", ".csv", ".parquet"]
    row: Callable[[Row, Facts], Made]
    stanza: Callable[[Job], Mapping[str, str]]
    following: Callable[[Job], str]
    carries: tuple[str, ...] = ()
    refuse: Callable[[Row], Refusal | None] = _none_refused
    columns: Callable[[Facts], Mapping[str, CellKind]] = _by_the_row
    sees: Callable[[Row], list[str]] = _nothing_seen
    notes: Callable[[Job], list[str]] = _no_notes
    limits: Callable[[Job], None] = _no_limits
    plain: bool = False


SIDES = ("chosen", "rejected", "completion")
"""The columns that hold answers."""


def answers(row: Row) -> dict[str, list[Turn]]:
    """The answers of a row, by their column.

    Example:
        >>> answers({"prompt": [], "completion": [{"role": "assistant", "content": "4"}]})
        {'completion': [{'role': 'assistant', 'content': '4'}]}
    """
    held = cast("Mapping[str, list[Turn]]", row)
    return {side: held[side] for side in SIDES if side in held}


def margin(row: Row) -> float:
    """The margin of a row; 0, which is the loss without a margin, where it has none."""
    return row.get("margin") or 0.0
