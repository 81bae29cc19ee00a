"""The page of a run: one file that loads nothing, with curves, figures, warnings and answers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from prefdata.training import TrainingResult
from prefdata.training.run.report_page import chart, write_page
from prefdata.training.run.samples import SampleAnswer, sample_notes

HISTORY = [
    {"step": 1, "loss": 0.69, "rewards/chosen": 0.0, "rewards/rejected": 0.0},
    {"step": 10, "loss": 0.41, "rewards/chosen": -0.5, "rewards/rejected": -2.0},
    {"step": 10, "eval_loss": 0.5},
    {"step": 20, "eval_loss": float("nan")},
    {"step": 20, "loss": 0.2, "rewards/chosen": -1.0, "rewards/rejected": -4.0},
]


class Tags(HTMLParser):
    """What a browser would load, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count it."""
        self.loads += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "line", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close it."""
        if tag not in ("line", "circle"):
            assert self.open.pop() == tag


def test_a_run_leaves_its_page_beside_the_model(trained: TrainingResult) -> None:
    """With the curves, the figures, and what the model said before and after."""
    text = (Path(trained.output) / "report.html").read_text("utf-8")
    tags = Tags(text)
    assert tags.open == []
    assert tags.loads == []
    for title in ("loss", "accuracy", "margin", "rewards", "gradient norm", "learning rate"):
        assert f"<b>{title}</b>" in text
    assert f"<td>rewards/margins</td><td>0.0000</td><td>{trained.after['rewards/margins']:.4f}" in (
        text
    )
    assert text.count("<div>before<pre>") == 3
    assert "Tell me of the" in text
    assert "method: dpo" in text
    for svg in re.findall(r"<svg.*?</svg>", text):
        ET.fromstring(svg)  # noqa: S314  # written by us a moment ago


def test_whatever_a_model_says_stays_text(trained: TrainingResult, tmp_path: Path) -> None:
    """Answers, notes and names are escaped."""
    bad = "<script>alert(1)</script>"
    result = replace(trained, data=bad, model=bad)
    samples = [SampleAnswer(bad, bad, bad)]
    write_page(tmp_path / "r.html", result, bad, HISTORY, [bad], samples)
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 7
    assert Tags(text).open == []


def test_a_chart_shows_every_finite_point() -> None:
    """And says nothing of one that is not a number, or of no points at all."""
    svg = chart("loss", {"train": [(1, 0.7), (2, float("inf")), (3, 0.2)], "held out": [(2, 0.5)]})
    assert svg.count("<circle") == 3
    assert "inf" not in svg
    assert svg.count("<polyline") == 2
    assert chart("loss", {"train": [(1, float("nan"))]}) == ""
    assert chart("flat", {"train": [(1, 2.0), (2, 2.0)]}).count("<circle") == 2


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        ("A short answer.", "A far longer answer than there was.", "2.3 times as long"),
        ("a b c d e f g h", "no no no no no no no no", "1 of 1 sample answers repeat themselves"),
    ],
)
def test_answers_that_grow_or_repeat_are_warned_of(before: str, after: str, note: str) -> None:
    """In plain words; and what stayed as it was is not."""
    notes = sample_notes([SampleAnswer("Hi", before, after)])
    assert [note in text for text in notes.values()] == [True]
    assert sample_notes([SampleAnswer("Hi", before, before)]) == {}
