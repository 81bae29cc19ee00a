"""A model and its reference, loaded and ready to be measured, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from prefdata.errors import InputError, UsageError
from prefdata.io.dataset.dataset_reader import DatasetDirectory
from prefdata.report.progress import Say
from prefdata.stats.intervals import mean
from prefdata.training.config.losses import beta_of
from prefdata.training.config.methods import Measure, find_method
from prefdata.training.config.recipe import Recipe
from prefdata.training.data.prompts import Prompting, read_prompts
from prefdata.training.evaluation.generate import Generated, answered
from prefdata.training.evaluation.metrics import EvalRow, figures, slices
from prefdata.training.evaluation.result import EvaluatedSet, Evaluation
from prefdata.training.model import distributed

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from prefdata.training.data.tokenize import EncodedRow

Dtype = Literal["float32", "bfloat16", "float16"]


@dataclass
class Subject:
    """A model and its reference, loaded and ready to be measured.

    Args:
        name: of the model.
        reference_name: of its reference, if there is one.
        model: the model.
        reference: its reference; None without one, and for a reward model.
        tokenizer: of the model.
        recipe: that the model was trained with, or the defaults.
        measure: what a reward is.
        batch_size: sequences per forward pass.
    """

    name: str
    reference_name: str | None
    model: torch.nn.Module
    reference: torch.nn.Module | None
    tokenizer: PreTrainedTokenizerBase
    recipe: Recipe
    measure: Measure
    batch_size: int

    @classmethod
    def load(
        cls, model: str, reference: str | None, recipe: Recipe, batch_size: int, dtype: Dtype
    ) -> Subject:
        """Load what is to be measured."""
        from prefdata.training.model.load import is_reward_model, load_model, load_tokenizer

        rewards = is_reward_model(model)
        measure: Measure = "reward" if rewards else find_method(recipe.method).measure
        if measure == "loss" or (measure == "reward" and not rewards):
            measure = "implicit"
        reference = None if rewards else reference
        trust = recipe.trust_remote_code
        return cls(
            model,
            reference,
            load_model(model, reward=rewards, dtype=dtype, trust_remote_code=trust),
            load_model(reference, dtype=dtype, trust_remote_code=trust) if reference else None,
            load_tokenizer(model, trust_remote_code=trust),
            recipe,
            measure,
            batch_size,
        )

    @property
    def beta(self) -> float:
        """The scale of the implicit rewards."""
        return beta_of(self.recipe.options)

    def measured(
        self, datasets: Mapping[str, DatasetDirectory], prompting: Prompting | None, say: Say
    ) -> Evaluation:
        """Measure on every data set, and have prompts answered."""
        sets, rows = [], []
        for name, dataset in datasets.items():
            found, one = self._on(name, dataset, say)
            sets.append(one)
            rows += found
        made: list[Generated] = []
        if prompting is not None:
            made = self._answered(prompting, next(iter(datasets.values())), say)
        others = {}
        if any(one.kl is not None for one in made):
            others = {"sampled_kl": mean([one.kl for one in made if one.kl is not None])}
        return Evaluation(
            self.name,
            self.reference_name,
            self.beta,
            self.measure,
            tuple(sets),
            tuple(rows),
            others,
            tuple(made),
        )

    def _on(
        self, name: str, dataset: DatasetDirectory, say: Say
    ) -> tuple[list[EvalRow], EvaluatedSet]:
        from prefdata.training.data.dataset_views import COMPLETIONS, load_view
        from prefdata.training.data.preflight import examine
        from prefdata.training.data.tokenize import encode

        split = "test" if "test" in dataset.rows else "train"
        sides, length = COMPLETIONS[dataset.kind], self.recipe.max_length
        with TemporaryDirectory(prefix="prefdata-") as cache:
            rows = load_view(
                dataset,
                split,
                view=dataset.kind,
                chat=bool(self.tokenizer.chat_template),
                seed=self.recipe.seed,
                cache=Path(cache),
                extra=_extra(dataset.files[split]),
            )
            found = examine(rows, sides, self.tokenizer, length, drops_long=self._drops_long)
            lost = set(found.lost_rows)
            say(f"{name}, {split} split: {len(rows):,} rows, {len(lost):,} left out")
            if len(lost) == len(rows):
                raise InputError(
                    f"{dataset.path}: no row of the {split} split can be compared within "
                    f"{length:,} tokens",
                    hint="Measure with a higher --max-length.",
                )
            kept = [position for position in range(len(rows)) if position not in lost]
            mine = kept[distributed.rank() :: distributed.world_size()]

            encoded = (encode(rows[position], sides, self.tokenizer) for position in mine)
            shown, scored = tee(encoded)
            measured = [
                self._row(name, position, rows[position], row, numbers)
                for position, row, numbers in zip(mine, shown, self._numbers(scored), strict=True)
            ]
        together = sorted(distributed.all_gather(measured), key=lambda row: row.row)
        one = EvaluatedSet(
            name, str(dataset.path), split, len(lost), figures(together), slices(together)
        )
        return together, one

    @property
    def _drops_long(self) -> bool:
        return self.measure == "reward"

    def _numbers(self, rows: Iterator[EncodedRow]) -> Iterator[list[Numbers]]:
        """Per row and completion, what model and reference make of it."""
        from prefdata.training.evaluation.logprobs import score, score_rewards

        how = {"max_length": self.recipe.max_length, "batch_size": self.batch_size}
        if self.measure == "reward":
            for values in score_rewards(rows, self.model, **how):
                yield [Numbers(reward=value) for value in values]
            return
        for scores in score(rows, self.model, reference=self.reference, **how):
            yield [
                Numbers(
                    logp=one.logp,
                    reference=one.reference,
                    kl=one.kl,
                    tokens=one.tokens,
                    reward=self._reward(one.logp, one.reference, one.tokens),
                )
                for one in scores
            ]

    def _reward(self, logp: float, reference: float | None, tokens: int) -> float | None:
        if self.measure == "likelihood":
            return self.beta * logp
        if self.measure == "mean_likelihood":
            return self.beta * logp / tokens
        return None if reference is None else self.beta * (logp - reference)

    def _row(
        self,
        name: str,
        position: int,
        asis: Mapping[str, Any],
        row: EncodedRow,
        numbers: Sequence[Numbers],
    ) -> EvalRow:
        chosen, rejected = numbers[0], numbers[1] if len(numbers) > 1 else Numbers()
        divergences = [one.kl for one in numbers if one.kl is not None]
        lengths = [len(ids) for ids in row.completions]
        return EvalRow(
            set=name,
            row=position,
            id=asis.get("id"),
            source=asis.get("source"),
            label=asis.get("label"),
            data_margin=asis.get("margin"),
            chosen_logp=chosen.logp,
            rejected_logp=rejected.logp,
            chosen_reference_logp=chosen.reference,
            rejected_reference_logp=rejected.reference,
            chosen_tokens=chosen.tokens or lengths[0],
            rejected_tokens=rejected.tokens or (lengths[1] if len(lengths) > 1 else None),
            chosen_length=lengths[0],
            rejected_length=lengths[1] if len(lengths) > 1 else None,
            chosen_reward=chosen.reward,
            rejected_reward=rejected.reward,
            kl=sum(divergences) / len(divergences) if divergences else None,
        )

    def _answered(
        self, prompting: Prompting, dataset: DatasetDirectory, say: Say
    ) -> list[Generated]:
        if self.measure == "reward":
            raise UsageError(
                f"{self.name} is a reward model: it gives no answers",
                hint="Leave --prompts and --generate out.",
            )
        prompts = read_prompts(prompting.source or dataset.path, most=prompting.most)
        say(f"answering {len(prompts):,} prompts, {prompting.answers} times each")
        return answered(
            prompts,
            self.model,
            self.reference,
            self.tokenizer,
            answers=prompting.answers,
            max_new_tokens=prompting.max_new_tokens,
            temperature=prompting.temperature,
            seed=prompting.seed,
            batch_size=self.batch_size,
        )


@dataclass(frozen=True)
class Numbers:
    """What model and reference make of one completion; what cannot be had is None.

    Args:
        logp: its log-probability in nats.
        reference: the same under the reference.
        kl: the divergence at its tokens, in nats.
        tokens: how many were scored.
        reward: its reward.
    """

    logp: float | None = None
    reference: float | None = None
    kl: float | None = None
    tokens: int | None = None
    reward: float | None = None


def _extra(files: Sequence[str]) -> list[str]:
    """What the figures are sliced by, of the columns that all files have."""
    import pyarrow.parquet as pq

    known = [set(pq.read_schema(file).names) for file in files]
    return [name for name in ("id", "source", "margin") if all(name in found for found in known)]
