"""The one evaluator: scores rows for `pref eval`, and inside a training run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from prefdata.errors import InputError
from prefdata.io.dataset.dataset_reader import DatasetDirectory
from prefdata.records.splits import held_out_split
from prefdata.report.progress import Log
from prefdata.training.config.methods import Measure
from prefdata.training.data.dataset_views import COMPLETIONS, load_view
from prefdata.training.data.preflight import examine
from prefdata.training.data.tokenize import EncodedRow, ViewRow, encode
from prefdata.training.evaluation.logprobs import CompletionScore, score_rows
from prefdata.training.evaluation.metrics import ExampleResult, compute_metrics, slice_metrics
from prefdata.training.evaluation.result import DatasetResult
from prefdata.training.model import distributed

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Evaluator:
    """Scores rows with a model, and with its reference where there is one.

    Each row is scored by itself, so that neither the batch size nor the order of the rows changes
    a score.

    Args:
        model: in evaluation mode.
        tokenizer: of the model.
        measure: what a reward is.
        beta: the scale of the rewards.
        max_length: tokens of prompt and completion together.
        batch_size: sequences per forward pass.
        reference: in evaluation mode; None without one, and for a reward model.
    """

    model: torch.nn.Module
    tokenizer: PreTrainedTokenizerBase
    measure: Measure
    beta: float
    max_length: int
    batch_size: int
    reference: torch.nn.Module | None = None

    def score(
        self, rows: Iterable[ViewRow], sides: Sequence[str]
    ) -> Iterator[list[CompletionScore]]:
        """Score rows.

        Args:
            rows: as `load_view` gives them.
            sides: the columns that hold completions.

        Yields:
            One list per row, with one score per completion.
        """
        return self.score_encoded(encode(row, sides, self.tokenizer) for row in rows)

    def score_encoded(self, rows: Iterable[EncodedRow]) -> Iterator[list[CompletionScore]]:
        """Score rows of token ids."""
        return score_rows(
            rows,
            self.model,
            reference=self.reference,
            reward_model=self.measure == "reward",
            max_length=self.max_length,
            batch_size=self.batch_size,
        )

    def reward(self, score: CompletionScore) -> float | None:
        """The reward of a completion; None where it takes a reference and there is none."""
        return score.reward(self.measure, self.beta)

    def evaluate_dataset(
        self, name: str, dataset: DatasetDirectory, *, seed: int, log: Log
    ) -> tuple[list[ExampleResult], DatasetResult]:
        """Evaluate the test split of a data set, else its validation split, else its train split.

        Args:
            name: of the data set.
            dataset: its directory.
            seed: of the order of labelled answers.
            log: called with a line of progress.

        Raises:
            InputError: no row can be compared within `max_length`.
        """
        split = held_out_split(dataset.rows, "test", "validation")
        sides = COMPLETIONS[dataset.kind]
        with TemporaryDirectory(prefix="prefdata-") as cache:
            rows = load_view(
                dataset,
                split,
                view=dataset.kind,
                chat=bool(self.tokenizer.chat_template),
                seed=seed,
                cache=Path(cache),
                extra=_slice_columns(dataset.files[split]),
            )
            left_out = set(
                examine(
                    rows,
                    sides,
                    self.tokenizer,
                    self.max_length,
                    drops_long=self.measure == "reward",
                ).lost_rows
            )
            log(f"{name}, {split} split: {len(rows):,} rows, {len(left_out):,} left out")
            if len(left_out) == len(rows):
                raise InputError(
                    f"{dataset.path}: no row of the {split} split can be compared within "
                    f"{self.max_length:,} tokens",
                    hint="Measure with a higher --max-length.",
                )
            positions = [position for position in range(len(rows)) if position not in left_out]
            examples = self._examples(name, rows, positions, sides)
        metrics, slices = compute_metrics(examples), slice_metrics(examples)
        return examples, DatasetResult(
            name, str(dataset.path), split, len(left_out), metrics, slices
        )

    def _examples(
        self, name: str, rows: Dataset, positions: Sequence[int], sides: Sequence[str]
    ) -> list[ExampleResult]:
        """The results of the rows at some positions; each of several processes scores a share."""
        own = positions[distributed.rank() :: distributed.world_size()]
        encoded, to_score = tee(encode(rows[position], sides, self.tokenizer) for position in own)
        scores = self.score_encoded(to_score)
        examples = [
            self._example(name, position, rows[position], tokens, row_scores)
            for position, tokens, row_scores in zip(own, encoded, scores, strict=True)
        ]
        return sorted(distributed.all_gather(examples), key=lambda example: example.row)

    def _example(
        self,
        name: str,
        position: int,
        row: Mapping[str, Any],
        encoded: EncodedRow,
        scores: Sequence[CompletionScore],
    ) -> ExampleResult:
        chosen, rejected = scores[0], scores[1] if len(scores) > 1 else None
        divergences = [score.kl for score in scores if score.kl is not None]
        lengths = [len(ids) for ids in encoded.completions]
        return ExampleResult(
            set=name,
            row=position,
            id=row.get("id"),
            source=row.get("source"),
            label=row.get("label"),
            data_margin=row.get("margin"),
            chosen_logp=chosen.logp,
            rejected_logp=None if rejected is None else rejected.logp,
            chosen_reference_logp=chosen.reference_logp,
            rejected_reference_logp=None if rejected is None else rejected.reference_logp,
            chosen_tokens=chosen.tokens,
            rejected_tokens=None if rejected is None else rejected.tokens,
            chosen_length=lengths[0],
            rejected_length=None if rejected is None else lengths[1],
            chosen_reward=self.reward(chosen),
            rejected_reward=None if rejected is None else self.reward(rejected),
            kl=sum(divergences) / len(divergences) if divergences else None,
        )


def _slice_columns(files: Sequence[str]) -> list[str]:
    """What rows are named and sliced by, of the columns that all files have."""
    import pyarrow.parquet as pq

    columns = [set(pq.read_schema(file).names) for file in files]
    return [name for name in ("id", "source", "margin") if all(name in c for c in columns)]
