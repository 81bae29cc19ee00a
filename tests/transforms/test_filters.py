"""Filters by name, with their thresholds, and what they need to know of texts."""

from __future__ import annotations

import math

import polars as pl
import pytest

from prefdata.errors import UnknownNameError, UsageError
from prefdata.records.frames import as_messages
from prefdata.transforms import filter_columns, filters
from prefdata.transforms.filters import Filter, remedies, with_thresholds
from prefdata.transforms.options import Options

LONG = Filter(
    name="long",
    reason="too long",
    remedy="Shorten it.",
    refuses=lambda pair, most: pair.chosen_chars > most,
    needs=("chosen_chars",),
    threshold=8,
)
EMPTY = Filter(
    name="empty",
    reason="empty",
    remedy="Fill it in.",
    refuses=lambda pair, _: pair.chosen_words == 0,
    needs=("chosen_words", "prompt_words"),
    answers=True,
)


@pytest.fixture(autouse=True)
def _two_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with a number, one without."""
    monkeypatch.setattr(filters, "FILTERS", (LONG, EMPTY))


def test_a_filter_has_its_own_threshold_unless_another_is_given() -> None:
    """One without a number has none."""
    assert with_thresholds({"long": None, "empty": None}) == {"long": 8, "empty": None}
    assert with_thresholds({"long": 3}) == {"long": 3}
    assert Options(filters={"long": None}).to_dict()["filters"] == {"long": 8}


def test_options_without_filters_do_not_speak_of_them() -> None:
    """So that what they wrote before is what they write now."""
    assert "filters" not in Options().to_dict()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"empty": 3.0}, "the filter empty takes no number"),
        ({"long": math.inf}, "the threshold of long is inf; expected a number"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(
    chosen: dict[str, float | None], message: str
) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match=message):
        Options(filters=chosen)


def test_an_unknown_filter_is_answered_with_those_that_are() -> None:
    """A slip of the pen refuses nothing."""
    with pytest.raises(UnknownNameError, match="unknown filter 'lnog'") as error:
        Options(filters={"lnog": None})
    assert "Did you mean 'long'?" in error.value.hint


def test_the_reasons_of_filters_have_their_remedies() -> None:
    """In the one table of all reasons."""
    assert remedies()["too long"] == "Shorten it."
    assert remedies()["tie"] == "None is needed: a tie never becomes a pair."


def test_texts_are_measured_where_they_stand() -> None:
    """Both answers of a comparison; turns of messages are joined by line breaks."""
    frame = pl.DataFrame({"prompt": ["a b"], "a": ["one two three"], "b": [""]})
    needs = ("chosen_words", "prompt_chars")
    assert filter_columns.measured_schema("comparisons", needs) == {
        "a_words": pl.UInt32,
        "b_words": pl.UInt32,
        "prompt_chars": pl.UInt32,
    }
    turns = frame.with_columns(as_messages(frame[name]) for name in frame.columns)
    for records in (frame, turns):
        measured = filter_columns.with_measures(records, "comparisons", needs)
        assert measured.select("a_words", "b_words", "prompt_chars").row(0) == (3, 0, 3)


def test_a_labelled_answer_is_one_side_of_a_pair() -> None:
    """Chosen where its label is true, else rejected; the other side is not known."""
    records = pl.DataFrame({"label": [True, False], "response_chars": [1, 2], "prompt_chars": 3})
    sides = records.select(
        filter_columns.of_answers(("prompt_chars", "chosen_chars", "rejected_chars"))
    )
    assert sides.rows() == [(3, 1, None), (3, None, 2)]


def test_the_first_filter_that_refuses_a_pair_gives_the_reason() -> None:
    """In the order of the table, not of the options; what is not known refuses nothing."""
    pairs = pl.DataFrame({"chosen_chars": [9, 1, 9, None], "chosen_words": [0, 0, 2, None]})
    refusal = filter_columns.refusal({"empty": None, "long": None})
    assert pairs.select(refusal).to_series().to_list() == ["too long", "empty", "too long", None]
