"""The registry finds what stands in the folder of families."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.formats import FORMATS, ReadOptions, Sample, families
from prefdata.formats.registry import GENERIC, ORDER, Registry

SURVEY = """\
summary: one row per choice between two slogans
kind: comparisons
fields: {prompt: brief, response_a: slogan_1, response_b: slogan_2, winner: pick}
values: {1: a, 2: b}
"""


def test_the_order_names_every_format_of_the_catalogue_once() -> None:
    """What is listed is there, and nothing of today's catalogue is at its end by oversight."""
    assert list(FORMATS) == [*(each.name for each in GENERIC), *ORDER]


def test_a_yaml_file_in_the_folder_is_a_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recognised without a flag, and listed behind the others."""
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    (tmp_path / "survey.yaml").write_text(SURVEY, encoding="utf-8")
    registry = Registry()
    assert list(registry)[-1] == "survey"
    row = {"brief": "Tea", "slogan_1": "Hot.", "slogan_2": "Wet.", "pick": 1}
    match = registry["survey"].match(Sample(list(row), [row]), ReadOptions())
    assert match
    assert match.evidence == ("it has slogan_1, slogan_2, pick",)
    other = {name: value for name, value in row.items() if name != "pick"}
    assert registry["survey"].match(Sample(list(other), [other]), ReadOptions()) is None
