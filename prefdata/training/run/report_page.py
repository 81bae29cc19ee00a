"""The page of a run: curves, metrics, notes, and answers before and after, in one HTML file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.training.run.samples import SampleAnswer

if TYPE_CHECKING:
    from prefdata.training.run.result import TrainingResult

CHARTS: Mapping[str, Mapping[str, str]] = {
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
"""Title of each chart to its lines, and the log that each line shows."""


def write_page(
    path: Path,
    result: TrainingResult,
    recipe: str,
    history: Sequence[Mapping[str, float]],
    notes: Sequence[str],
    samples: Sequence[SampleAnswer],
) -> None:
    """Write the page of a run.

    Args:
        path: of the file.
        result: of the run.
        recipe: the effective recipe as YAML.
        history: the trainer's logs in order.
        notes: a sentence each.
        samples: answers before and after; none for a reward model.
    """
    metrics = [
        [name, f"{value:.4f}", f"{result.after[name]:.4f}"] for name, value in result.before.items()
    ]
    evaluated = f"{result.measured:,} rows of the {result.split} split"
    rows = ", ".join(f"{count:,} {split}" for split, count in result.rows.items())
    about = (
        f"<p>{escape(result.method)} from <code>{escape(result.model)}</code> on "
        f"<code>{escape(result.data)}</code>: {rows} rows, {result.steps:,} steps, "
        f"{result.seconds:,.0f} s.</p>"
    )
    parts = [
        about,
        *(f'<p class="note">{escape(note)}</p>' for note in notes),
        f"<h2>Before and after, on {evaluated}</h2>",
        html_table(["metric", "before", "after"], metrics),
        "<h2>Curves</h2>",
        f'<div class="charts">{"".join(_charts(history))}</div>',
        *_answers(samples),
        "<h2>Recipe</h2>",
        f"<pre>{escape(recipe)}</pre>",
    ]
    path.write_text(page(Path(result.output).name, "\n".join(parts)), encoding="utf-8")


def _charts(history: Sequence[Mapping[str, float]]) -> list[str]:
    charts = []
    for title, lines in CHARTS.items():
        series = {
            name: [(entry["step"], entry[key]) for entry in history if key in entry]
            for name, key in lines.items()
        }
        series = {name: points for name, points in series.items() if len(points) > 1}
        if series:
            charts.append(chart(title, series))
    return charts


def _answers(samples: Sequence[SampleAnswer]) -> list[str]:
    if not samples:
        return []
    answers = (
        f"<p><b>{escape(one.prompt)}</b></p>"
        f'<div class="answers"><div>before<pre>{escape(one.before) or "—"}</pre></div>'
        f"<div>after<pre>{escape(one.after) or '—'}</pre></div></div>"
        for one in samples
    )
    return ["<h2>Answers before and after</h2>", *answers]


Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 420, 200
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 28
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df")


def chart(title: str, series: Mapping[str, Points], *, x_label: str = "step") -> str:
    """A line chart with its title and legend, as an HTML figure.

    Args:
        title: what is shown.
        series: by name, points in order of x; what is not finite is left out.
        x_label: what x is.

    Example:
        >>> "polyline" in chart("loss", {"train": [(1, 0.69), (2, 0.5)]})
        True
    """
    finite = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in series.items()
    }
    all_points = [point for points in finite.values() for point in points]
    if not all_points:
        return ""
    axes = _Axes(all_points)
    lines = [
        _line(name, points, axes, COLOURS[number % len(COLOURS)])
        for number, (name, points) in enumerate(finite.items())
        if points
    ]
    legend = " ".join(
        f'<span style="color:{COLOURS[number % len(COLOURS)]}">● {escape(name)}</span>'
        for number, name in enumerate(finite)
    )
    legend = legend if len(finite) > 1 else ""
    return (
        f"<figure><figcaption><b>{escape(title)}</b> {legend}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{axes.svg(x_label)}{''.join(lines)}</svg></figure>"
    )


class _Axes:
    """The axes of a chart: their ranges, and where a point is drawn."""

    def __init__(self, points: Points) -> None:
        xs, ys = zip(*points, strict=True)
        self.x, self.y = (min(xs), max(xs)), _never_empty(min(ys), max(ys))

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1.0)
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    def svg(self, x_label: str) -> str:
        bottom, left = HEIGHT - BOTTOM, LEFT
        marks = []
        for share in (0.0, 0.5, 1.0):
            value = self.y[0] + share * (self.y[1] - self.y[0])
            _, y = self.place(self.x[0], value)
            marks.append(
                f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" class="grid"/>'
                f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>'
            )
        ends = (
            f'<text x="{left}" y="{bottom + 18}">{self.x[0]:g}</text>'
            f'<text x="{WIDTH - RIGHT}" y="{bottom + 18}" text-anchor="end">'
            f"{escape(x_label)} {self.x[1]:g}</text>"
        )
        return "".join(marks) + ends


def _never_empty(low: float, high: float) -> tuple[float, float]:
    """The range, or one around it where it is a single value."""
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 2, low + (abs(low) or 1.0) / 2)


def _line(name: str, points: Points, axes: _Axes, colour: str) -> str:
    placed = [axes.place(x, y) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    dots = "".join(
        f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.5" fill="{colour}">'
        f"<title>{escape(name)} {x:g}: {y:.4g}</title></circle>"
        for (px, py), (x, y) in zip(placed, points, strict=True)
    )
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'


STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;
color:#1f2328;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.25rem .75rem;border-bottom:1px solid #d1d9e0;
text-align:right}td:first-child,th:first-child{text-align:left}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(320px,1fr));gap:1rem}
figure{margin:0}figcaption{font-size:.9rem}svg{width:100%}svg text{font-size:11px;fill:#59636e}
.grid{stroke:#e5e9ed}.note{background:#fff8c5;border-left:4px solid #d4a72c;padding:.5rem .75rem;
margin:.5rem 0}.answers{display:grid;grid-template-columns:1fr 1fr;gap:1rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f8fa;padding:.75rem;margin:.25rem 0}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}
.note{background:#272115}.grid{stroke:#21262d}td,th{border-color:#30363d}}
"""


def page(title: str, body: str) -> str:
    """A whole HTML page that loads nothing.

    Example:
        >>> page("a run", "<p>Done.</p>").startswith("<!doctype html>")
        True
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; every cell is escaped.

    Example:
        >>> html_table(["a"], [["<1"]])
        '<table><tr><th>a</th></tr><tr><td>&lt;1</td></tr></table>'
    """
    lines = [f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"
