"""The page of a run: curves, figures, warnings, and answers before and after, in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.training.run.chart import chart, html_table, page
from prefdata.training.run.samples import Sample

if TYPE_CHECKING:
    from prefdata.training.run.result import TrainingResult

CURVES: Mapping[str, Mapping[str, str]] = {
    "loss": {"train": "loss", "held out": "eval_loss"},
    "accuracy": {"train": "rewards/accuracies", "held out": "eval_accuracy"},
    "accuracy of the reward model": {"train": "accuracy"},
    "margin": {"train": "rewards/margins", "held out": "eval_rewards/margins"},
    "rewards": {"chosen": "rewards/chosen", "rejected": "rewards/rejected"},
    "log-probabilities": {"chosen": "logps/chosen", "rejected": "logps/rejected"},
    "kl": {"train": "kl"},
    "drift from the reference": {"train": "drift"},
    "words of the sample answers": {"held out": "samples/words"},
    "sample answers that repeat themselves": {"held out": "samples/repeating"},
    "gradient norm": {"train": "grad_norm"},
    "learning rate": {"train": "learning_rate"},
}
"""Per chart, the lines and the logs that they show."""


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
