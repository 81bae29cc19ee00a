"""The page of a run: curves, figures, warnings, and answers before and after, in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdata.train.chart import chart, html_table, page

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer

    from prefdata.train.result import TrainingResult

CURVES: Mapping[str, Mapping[str, str]] = {
    "loss": {"train": "loss", "held out": "eval_loss"},
    "accuracy": {"train": "rewards/accuracies", "held out": "eval_accuracy"},
    "accuracy of the reward model": {"train": "accuracy"},
    "margin": {"train": "rewards/margins", "held out": "eval_rewards/margins"},
    "rewards": {"chosen": "rewards/chosen", "rejected": "rewards/rejected"},
    "log-probabilities": {"chosen": "logps/chosen", "rejected": "logps/rejected"},
    "kl": {"train": "kl"},
    "gradient norm": {"train": "grad_norm"},
    "learning rate": {"train": "learning_rate"},
}
"""Per chart, the lines and the logs that they show."""

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
        after: the answer of the trained model.
    """

    prompt: str
    before: str
    after: str


def answers(
    trainer: Trainer, tokenizer: PreTrainedTokenizerBase, rows: Dataset, count: int
) -> list[tuple[str, str]]:
    """What the trainer's model answers now to the prompts of the first rows, each prompt once.

    Args:
        trainer: with a language model that is not spread over devices.
        tokenizer: of the model.
        rows: the view of the split that is measured.
        count: how many prompts.

    Returns:
        Prompts and answers.

    Example:
        >>> answers(trainer, tokenizer, rows, 3)  # doctest: +SKIP
        [('Tell me of the river.', 'Gladly! The river …')]
    """
    from prefdata.train.generation import generate, prompt_ids

    prompts: dict[str, list[int]] = {}
    for row in rows.select(range(min(len(rows), 10 * count))):
        prompt: Any = row["prompt"]
        text = prompt if isinstance(prompt, str) else str(prompt[-1]["content"])
        if text not in prompts and len(prompts) < count:
            plain = isinstance(prompt, str)
            ids = tokenizer(text=prompt)["input_ids"] if plain else prompt_ids(prompt, tokenizer)
            prompts[text] = list(ids)
    model = trainer.accelerator.unwrap_model(trainer.model)
    was_training = model.training
    model.eval()
    try:
        made = generate(model, list(prompts.values()), tokenizer, max_new_tokens=NEW_TOKENS)
    finally:
        model.train(was_training)
    texts = [str(tokenizer.decode(ids, skip_special_tokens=True)).strip() for ids in made]
    return list(zip(prompts, texts, strict=True))


def sample_notes(samples: Sequence[Sample]) -> list[str]:
    """What the sample answers warn of: much longer ones, and ones that repeat themselves.

    Example:
        >>> sample_notes([Sample("Hi", "Yes.", "no no no no no no no no no")])[0][:27]
        'the sample answers are 9.0 '
    """
    notes = []
    lengths = [sum(len(text.split()) for text in side) for side in _sides(samples)]
    if lengths[0] and lengths[1] > LONGER * lengths[0]:
        notes.append(
            f"the sample answers are {lengths[1] / lengths[0]:.1f} times as long as before: "
            "preferences for length are easily learned; look at pref check for the bias of the data"
        )
    before, after = (sum(map(_repeats, side)) for side in _sides(samples))
    if after > before:
        notes.append(
            f"{after} of {len(samples)} sample answers repeat themselves, {before} before: the "
            "rate may be too high, or the run too long"
        )
    return notes


def _sides(samples: Sequence[Sample]) -> tuple[list[str], list[str]]:
    return [one.before for one in samples], [one.after for one in samples]


def _repeats(text: str) -> bool:
    words = text.split()
    runs = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
    return len(runs) >= 4 and 1 - len(set(runs)) / len(runs) > REPEATED


def write_page(
    path: Path,
    result: TrainingResult,
    recipe: str,
    history: Sequence[Mapping[str, float]],
    notes: Sequence[str],
    samples: Sequence[Sample],
) -> None:
    """Write the page of a run.

    Args:
        path: of the file.
        result: what came of the run.
        recipe: the effective recipe as YAML.
        history: the trainer's logs in order.
        notes: what was warned of, a sentence each.
        samples: answers before and after; none for a reward model.

    Example:
        >>> write_page(Path("report.html"), result, recipe, history, [], [])  # doctest: +SKIP
    """
    figures = [
        [name, f"{value:.4f}", f"{result.after[name]:.4f}"] for name, value in result.before.items()
    ]
    where = f"{result.measured:,} rows of the {result.split} split"
    used = ", ".join(f"{count:,} {split}" for split, count in result.rows.items())
    about = (
        f"<p>{escape(result.method)} from <code>{escape(result.model)}</code> on "
        f"<code>{escape(result.data)}</code>: {used} rows, {result.steps:,} steps, "
        f"{result.seconds:,.0f} s.</p>"
    )
    parts = [
        about,
        *(f'<p class="note">{escape(note)}</p>' for note in notes),
        f"<h2>Before and after, on {where}</h2>",
        html_table(["metric", "before", "after"], figures),
        "<h2>Curves</h2>",
        f'<div class="charts">{"".join(_charts(history))}</div>',
        *_answers(samples),
        "<h2>Recipe</h2>",
        f"<pre>{escape(recipe)}</pre>",
    ]
    path.write_text(page(Path(result.output).name, "\n".join(parts)), encoding="utf-8")


def _charts(history: Sequence[Mapping[str, float]]) -> list[str]:
    found = []
    for title, lines in CURVES.items():
        series = {
            name: [(entry["step"], entry[key]) for entry in history if key in entry]
            for name, key in lines.items()
        }
        series = {name: points for name, points in series.items() if len(points) > 1}
        if series:
            found.append(chart(title, series))
    return found


def _answers(samples: Sequence[Sample]) -> list[str]:
    if not samples:
        return []
    shown = (
        f"<p><b>{escape(one.prompt)}</b></p>"
        f'<div class="answers"><div>before<pre>{escape(one.before) or "—"}</pre></div>'
        f"<div>after<pre>{escape(one.after) or '—'}</pre></div></div>"
        for one in samples
    )
    return ["<h2>Answers before and after</h2>", *shown]
