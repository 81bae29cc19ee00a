"""`convert` and `inspect` from Python: options by keyword, one source or several, plain results."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import polars as pl
import pytest

from prefdata.conversion.convert import convert
from prefdata.conversion.convert_options import ConvertOptions, convert_config
from prefdata.conversion.inspect import inspect
from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats import ReadOptions
from prefdata.io.readers.memory import SourceLike
from prefdata.transforms.options import Options
from tests.roundtrip import jsonl, judged, pair, pickled, rated, read

RATINGS = [rated("best", 3), rated("middle", 2), rated("worst", 1)]


def test_there_is_a_keyword_for_every_option() -> None:
    """What the command line can say, a program can; the rule is passed on to the readers inside."""
    inside = {each.name for each in (*fields(Options), *fields(ReadOptions))} - {"deciding"}
    assert {*inside, "format", "encoding"} == set(ConvertOptions.__annotations__)


def test_options_are_keywords(tmp_path: Path) -> None:
    """One path is one source; names may be one text or several."""
    source = jsonl(tmp_path / "in.jsonl", [{**row, "lang": "en", "id": 1} for row in RATINGS])
    report = convert(source, tmp_path / "out", strategy="all", test_size=0, keep="lang")
    assert (report.rows, report.options["strategy"]) == (3, "all")
    more = convert([source], tmp_path / "more", strategy="all", test_size=0, keep=["lang", "id"])
    assert set(more.example) - set(report.example) == {"keep_id"}


def test_columns_and_values_are_named_by_keyword(tmp_path: Path) -> None:
    """A column by its name, a value as a text or as the number that it is."""
    rows = [{**judged("x", "y", 7), "question": "Q"}, {**judged("z", "y", 9), "question": "Q"}]
    for row in rows:
        del row["prompt"]
    source = str(jsonl(tmp_path / "in.jsonl", rows))
    out = tmp_path / "out"
    columns = {"prompt": "question"}
    numbers = {7: "a", 9: "b"}
    convert(source, out / "numbers", columns=columns, winner=numbers)  # type: ignore[arg-type]
    convert(source, out / "texts", columns=columns, winner={"7": "a", "9": "b"})
    for name in ("numbers", "texts"):
        assert read(out / name).answers == [("x", "y"), ("y", "z")]


def test_frames_are_inspected_and_converted_alike(tmp_path: Path) -> None:
    """A frame is one source, next to a file or alone."""
    frame = pl.DataFrame(RATINGS)
    assert inspect(frame, strategy="all")[0].outcomes["kept"] == {"kept": 3}
    source = jsonl(tmp_path / "in.jsonl", [rated("best", 3, "R"), rated("worst", 1, "R")])
    sources: list[SourceLike] = [frame, source]
    report = convert(sources, tmp_path / "out")
    assert [each.gave for each in report.sources] == [1, 1]


def test_an_option_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(TypeError, match="no option 'stratgy'; did you mean 'strategy'"):
        convert("no such file", tmp_path / "out", stratgy="all")  # type: ignore[call-arg]
    with pytest.raises(UnknownNameError, match="unknown strategy 'alll'"):
        convert("no such file", tmp_path / "out", strategy="alll")  # type: ignore[arg-type]


def test_what_a_value_means_is_checked() -> None:
    """A side is a, b or a tie, and a label true, false or none: a text would count as true."""
    with pytest.raises(UnknownNameError, match="unknown side 'left' in winner"):
        convert_config({"winner": {"1": "left"}})  # type: ignore[dict-item]
    with pytest.raises(
        UsageError, match="label says that 'bad' means 'no'; expected True, False or None"
    ):
        convert_config({"label": {"bad": "no"}})  # type: ignore[dict-item]


def test_reports_are_frozen_and_go_to_other_processes(tmp_path: Path) -> None:
    """And to JSON, all that they hold."""
    source = jsonl(tmp_path / "in.jsonl", [pair("x", "y", score_chosen=2), pair("", "y"), "{"])
    report = convert(source, tmp_path / "out", columns={"margin": ()}, mix={"in.jsonl": 1})
    (inspection,) = inspect(source)
    for each in (report, inspection):
        assert pickled(each) == each
        assert json.loads(json.dumps(each.to_dict()))["outcomes"] == each.outcomes
    with pytest.raises(FrozenInstanceError):
        report.rows_read = 0  # type: ignore[misc]
