"""Sample answers of a run: to a few held-out prompts, before training, during it and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from prefdata.training.evaluation.generate import decode_answer, generate_ids, prompt_ids
from prefdata.training.model import distributed
from prefdata.training.model.sharding import is_sharded
from prefdata.training.run.context import RunContext

if TYPE_CHECKING:
    from transformers import Trainer

NEW_TOKENS = 64
LONGER = 1.5
"""Answers whose words grew by this factor are noted."""
REPEATED = 0.5
"""An answer repeats itself where more than this share of its runs of four words came before."""


@dataclass(frozen=True)
class SampleAnswer:
    """The model's answers to one held-out prompt.

    Args:
        prompt: the last turn before the answer.
        before: the answer of the model that training started from.
        after: the answer of the model as it is now.
    """

    prompt: str
    before: str
    after: str


class AnswerSampler:
    """Samples answers to the prompts of the first rows, each once.

    A reward model gives no answers; a model that is spread over devices, none that one process
    could ask for.

    Args:
        trainer: TRL's, before training.
        run: what it trains.
    """

    def __init__(self, trainer: Trainer, run: RunContext) -> None:
        self.trainer, self.run = trainer, run
        generates = run.plan.method.task == "CAUSAL_LM" and distributed.is_main()
        self.prompts = self._prompts() if generates and not is_sharded(trainer) else {}
        self.before = self._answers()

    def sample(self) -> list[SampleAnswer]:
        """The answers of the model as it is now, beside those before training."""
        answers = zip(self.prompts, self.before, self._answers(), strict=True)
        return [SampleAnswer(prompt, before, after) for prompt, before, after in answers]

    def _prompts(self) -> dict[str, list[int]]:
        """By the text of its last turn, the token ids of each prompt."""
        rows, count = self.run.eval_rows, self.run.plan.recipe.samples
        prompts: dict[str, list[int]] = {}
        for row in rows.select(range(min(len(rows), 10 * count))):
            prompt: Any = row["prompt"]
            text = prompt if isinstance(prompt, str) else str(prompt[-1]["content"])
            if text not in prompts and len(prompts) < count:
                prompts[text] = prompt_ids(prompt, self.run.tokenizer)
        return prompts

    def _answers(self) -> list[str]:
        if not self.prompts:
            return []
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        tokenizer = self.run.tokenizer
        was_training = model.training
        model.eval()
        try:
            answers = generate_ids(
                model, list(self.prompts.values()), tokenizer, max_new_tokens=NEW_TOKENS
            )
        finally:
            model.train(was_training)
        return [decode_answer(ids, tokenizer) for ids in answers]


def sample_metrics(samples: Sequence[SampleAnswer]) -> dict[str, float]:
    """Mean length of the answers now, in words, and how many of them repeat themselves.

    Example:
        >>> sample_metrics([SampleAnswer("Hi", "Yes.", "Yes, I am here.")])
        {'samples/words': 4.0, 'samples/repeating': 0.0}
    """
    if not samples:
        return {}
    return {
        "samples/words": fmean(len(one.after.split()) for one in samples),
        "samples/repeating": float(sum(_repeats(one.after) for one in samples)),
    }


def sample_notes(samples: Sequence[SampleAnswer]) -> Mapping[str, str]:
    """What the answers warn of: ``longer`` than before, or that they repeat themselves (``loops``).

    Example:
        >>> sample_notes([SampleAnswer("Hi", "Yes.", "no no no no no no no no no")])["longer"][:27]
        'the sample answers are 9.0 '
    """
    notes: dict[str, str] = {}
    before, after = [one.before for one in samples], [one.after for one in samples]
    words_before, words = (sum(len(text.split()) for text in texts) for texts in (before, after))
    if words_before and words > LONGER * words_before:
        notes["longer"] = (
            f"the sample answers are {words / words_before:.1f} times as long as before: "
            "preferences for length are easily learned; pref eval says what length alone explains"
        )
    repeating_before, repeating = (sum(map(_repeats, texts)) for texts in (before, after))
    if repeating > repeating_before:
        notes["loops"] = (
            f"{repeating} of {len(samples)} sample answers repeat themselves, "
            f"{repeating_before} before: the rate may be too high, or the run too long"
        )
    return notes


def _repeats(text: str) -> bool:
    words = text.split()
    runs = [tuple(words[start : start + 4]) for start in range(len(words) - 3)]
    return len(runs) >= 4 and 1 - len(set(runs)) / len(runs) > REPEATED
