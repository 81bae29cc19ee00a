"""What sources are never mixed, and that an inspection says what a conversion does."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.conversion.convert import convert
from prefdata.conversion.inspect import inspect
from prefdata.errors import UsageError
from prefdata.formats import ReadOptions
from prefdata.transforms.options import Options
from tests.roundtrip import jsonl, make, pair, rated


def test_unpaired_and_paired_are_not_mixed(tmp_path: Path) -> None:
    """They make two kinds of data set."""
    with pytest.raises(UsageError, match="holds unpaired preferences"):
        make(tmp_path, [pair("x", "y")], [{"prompt": "Q", "completion": "x", "label": True}])


def test_ranks_and_scores_are_not_mixed(tmp_path: Path) -> None:
    """Rank 1 in one file and a score of 5 in another cannot be compared: refused, not averaged."""
    ranks = [
        {"prompt": "Q", "response": "x", "rank": 1},
        {"prompt": "Q", "response": "y", "rank": 2},
    ]
    scores = [rated("x", 1), rated("z", 5)]
    with pytest.raises(
        UsageError, match=r"rank 1 is best, in .* a higher score is better"
    ) as error:
        make(tmp_path, ranks, scores)
    assert error.value.hint.startswith("Convert them separately")


def test_inspect_and_convert_say_the_same(tmp_path: Path) -> None:
    """What inspect announces of a small file is what convert does."""
    rows = [rated("x", 5), rated("y", 1), rated("z", 3), rated("x", "N/A", "other"), rated("", 1)]
    source = jsonl(tmp_path / "in.jsonl", rows)
    (seen,) = inspect([source])
    report = convert([source], tmp_path / "out", options=Options(test_size=0))
    refused = sum(problem.rows for problem in seen.problems)
    assert (seen.rows, refused) == (report.rows_read, report.rows_rejected) == (5, 2)
    assert seen.outcomes["kept"] == report.outcomes["kept"]
    assert seen.outcomes["left over"] == report.outcomes["left over"]
    assert seen.example == report.example


HELP = [rated("x", 5, dimension="help"), rated("y", 1, dimension="help")]


SAFE = [rated("x", 1, dimension="safe"), rated("y", 5, dimension="safe")]


def test_dimensions_are_not_mixed(tmp_path: Path) -> None:
    """Help and safety are two questions: one is chosen, whether they share a file or not."""
    for sources in ([[*HELP, *SAFE]], [HELP, SAFE]):
        with pytest.raises(UsageError, match="ratings on several dimensions: help, safe"):
            make(tmp_path, *sources)
        made = make(tmp_path, *sources, read_options=ReadOptions(dimension="safe"))
        assert made.answers == [("y", "x")]
        assert made.manifest["outcomes"]["left over"] == {"rating of another dimension": 2}


def test_inspect_does_not_mix_dimensions(tmp_path: Path) -> None:
    """What convert would refuse, inspect refuses; what it would leave over, inspect announces."""
    source = jsonl(tmp_path / "in.jsonl", [*HELP, *SAFE])
    with pytest.raises(UsageError, match="ratings on several dimensions: help, safe"):
        inspect([source])
    (seen,) = inspect([source], read_options=ReadOptions(dimension="help"))
    assert seen.outcomes == {
        "kept": {"kept": 2},
        "left over": {"rating of another dimension": 2},
    }
