"""What the steps of one training run share: its plan, its model's start, its data, its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.report.progress import Display, Log
from prefdata.training.config.plan import Plan
from prefdata.training.data.preflight import Preflight
from prefdata.training.run.run_dir import RunDir

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class RunContext:
    """One training run, ready to be trained.

    Args:
        plan: of the run.
        run_dir: its checkpoints and curves.
        source: the folder or hub name of the starting model.
        tokenizer: of that model.
        views: per split, the rows as the trainer reads them.
        eval_rows: the rows that are evaluated.
        preflight: per split, what tokenizer and max_length do to the rows.
        display: where the run shows its progress.
        log: called with one line of progress at a time.
        notes: the notes so far, for the page.
    """

    plan: Plan
    run_dir: RunDir
    source: str
    tokenizer: PreTrainedTokenizerBase
    views: Mapping[str, Dataset]
    eval_rows: Dataset
    preflight: Mapping[str, Preflight]
    display: Display
    log: Log
    notes: list[str] = field(default_factory=list)

    @property
    def train_rows(self) -> Dataset:
        """The rows of the train split."""
        return self.views["train"]

    @property
    def start_is_temporary(self) -> bool:
        """Whether the starting model was made by this run and lies in its directory."""
        return Path(self.source) in (self.run_dir.start, self.run_dir.first)

    def note(self, text: str) -> None:
        """Log a note, and keep it for the page."""
        self.notes.append(text)
        self.log(f"note: {text}")
