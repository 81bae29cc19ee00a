"""Sample answers of a run: to a few held-out prompts, before training, meanwhile and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from prefdata.training.config.plan import Plan
from prefdata.training.model import distributed
from prefdata.training.model.sharding import is_sharded

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer

NEW_TOKENS = 64
LONGER = 1.5
"""Answers that grew by so much are worth a word."""
REPEATED = 0.5
"""So many of an answer's runs of four words seen before: it repeats itself."""


@dataclass(frozen=True)
class Sample:
    """What the model answered to one held-out prompt.

    Args:
        prompt: the last turn before the answer.
        before: the answer of the model that training started from.
        after: the answer of the model as it is now.
    """

    prompt: str
    before: str
    after: str


class Samples:
    """The prompts of the first rows, each once, and what the model answered before training.

    A reward model gives no answers; a model that is spread over devices, none that one process
    could ask for.

    Args:
        trainer: TRL's.
        tokenizer: of the model.
        rows: the view of the split that is measured.
        plan: of the run.
    """

    def __init__(
        self, trainer: Trainer, tokenizer: PreTrainedTokenizerBase, rows: Dataset, plan: Plan
    ) -> None:
        self.trainer, self.tokenizer = trainer, tokenizer
        speaks = plan.method.task == "CAUSAL_LM" and distributed.is_main()
        speaks = speaks and not is_sharded(trainer)
        self.prompts = self._first(rows, plan.recipe.samples) if speaks else {}
        self.before = self._answers()

    def now(self) -> list[Sample]:
        """The answers of the model as it is, beside those from before."""
        both = zip(self.prompts, self.before, self._answers(), strict=True)
        return [Sample(prompt, before, after) for prompt, before, after in both]

    def _first(self, rows: Dataset, count: int) -> dict[str, list[int]]:
        from prefdata.training.evaluation.generate import prompt_ids

        prompts: dict[str, list[int]] = {}
        for row in rows.select(range(min(len(rows), 10 * count))):
            prompt: Any = row["prompt"]
            plain = isinstance(prompt, str)
            text = prompt if plain else str(prompt[-1]["content"])
            if text not in prompts and len(prompts) < count:
                ids = (
                    self.tokenizer(text=prompt)["input_ids"]
                    if plain
                    else prompt_ids(prompt, self.tokenizer)
                )
                prompts[text] = list(ids)
        return prompts

    def _answers(self) -> list[str]:
        from prefdata.training.evaluation.generate import generate

        if not self.prompts:
            return []
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        was_training = model.training
        model.eval()
        try:
            made = generate(
                model, list(self.prompts.values()), self.tokenizer, max_new_tokens=NEW_TOKENS
            )
        finally:
            model.train(was_training)
        return [str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip() for ids in made]


def sample_figures(samples: Sequence[Sample]) -> dict[str, float]:
    """How long the answers are now, in words, and how many of them repeat themselves.

    Example:
        >>> sample_figures([Sample("Hi", "Yes.", "Yes, I am here.")])
        {'samples/words': 4.0, 'samples/repeating': 0.0}
    """
    if not samples:
        return {}
    return {
        "samples/words": fmean(len(one.after.split()) for one in samples),
        "samples/repeating": float(sum(_repeats(one.after) for one in samples)),
    }


def sample_notes(samples: Sequence[Sample]) -> Mapping[str, str]:
    """What the answers warn of: ``longer`` than before, or that they repeat themselves (``loops``).

    Example:
        >>> sample_notes([Sample("Hi", "Yes.", "no no no no no no no no no")])["longer"][:27]
        'the sample answers are 9.0 '
    """
    notes: dict[str, str] = {}
    before, after = [one.before for one in samples], [one.after for one in samples]
    short, long = (sum(len(text.split()) for text in side) for side in (before, after))
    if short and long > LONGER * short:
        notes["longer"] = (
            f"the sample answers are {long / short:.1f} times as long as before: "
            "preferences for length are easily learned; look at pref check for the bias of the data"
        )
    then, now = (sum(map(_repeats, side)) for side in (before, after))
    if now > then:
        notes["loops"] = (
            f"{now} of {len(samples)} sample answers repeat themselves, {then} before: the "
            "rate may be too high, or the run too long"
        )
    return notes


def _repeats(text: str) -> bool:
    words = text.split()
    runs = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
    return len(runs) >= 4 and 1 - len(set(runs)) / len(runs) > REPEATED
