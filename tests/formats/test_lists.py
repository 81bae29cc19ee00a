"""Rows that hold lists of records, as a format in YAML may describe them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from prefdata import inspect
from prefdata.errors import UsageError
from tests.roundtrip import Row, converted, jsonl


def described(folder: Path, **keys: object) -> str:
    """A format in YAML."""
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(keys), "utf-8")
    return str(path)


def test_each_label_of_a_list_stays_with_its_answer(tmp_path: Path) -> None:
    """The second answer of a row is not taken for the first."""
    fields = {"prompt": "q", "completion": "answers[].text", "label": "answers[].good"}
    rows: list[Row] = [
        {"q": "One?", "answers": [{"text": "4", "good": True}, {"text": "5", "good": False}]},
        {"q": "Two?", "answers": [{"text": "5", "good": False}, {"text": "4", "good": True}]},
        {"q": "Three?", "answers": [{"text": "", "good": False}, {"text": "4", "good": True}]},
    ]
    source, mine = (
        jsonl(tmp_path / "x.jsonl", rows),
        described(tmp_path, kind="unpaired", fields=fields),
    )
    assert converted(source, format=mine).labels == {
        ("One?", "4", True),
        ("One?", "5", False),
        ("Two?", "5", False),
        ("Two?", "4", True),
        ("Three?", "4", True),
    }
    (report,) = inspect([source], format=mine)
    assert report.outcomes == {"kept": {"kept": 3}}


def test_each_verdict_of_a_list_stays_with_its_answers(tmp_path: Path) -> None:
    """Two comparisons in a row give two pairs, each with its own texts."""
    fields = {"prompt": "q", "response_a": "p[].a", "response_b": "p[].b", "winner": "p[].won"}
    verdicts = [{"a": "good", "b": "bad", "won": "a"}, {"a": "worse", "b": "better", "won": "b"}]
    source = jsonl(tmp_path / "x.jsonl", [{"q": "One?", "p": verdicts}])
    mine = described(tmp_path, kind="comparisons", fields=fields)
    assert converted(source, format=mine).pairs == {
        ("One?", "good", "bad"),
        ("One?", "better", "worse"),
    }


def test_ratings_may_have_a_prompt_for_each_item(tmp_path: Path) -> None:
    """Answers are compared with those to the same prompt, system turn included."""
    fields = {"prompt": "q", "system": "a[].rule", "response": "a[].text", "score": "a[].score"}
    answers = [
        {"rule": "Be brief.", "text": "4", "score": 5},
        {"rule": "Be brief.", "text": "5", "score": 1},
        {"rule": "Be kind.", "text": "4!", "score": 2},
        {"rule": "Be kind.", "text": "four", "score": 3},
    ]
    source = jsonl(tmp_path / "x.jsonl", [{"q": "One?", "a": answers}])
    mine = described(tmp_path, kind="ratings", fields=fields)
    assert converted(source, format=mine).pairs == {
        ("Be brief. | One?", "4", "5"),
        ("Be kind. | One?", "four", "4!"),
    }


def test_a_comparison_has_one_prompt(tmp_path: Path) -> None:
    """A prompt in a list is refused before anything is read."""
    fields = {"prompt": "p[].q", "response_a": "p[].a", "response_b": "p[].b", "winner": "p[].w"}
    source = jsonl(tmp_path / "x.jsonl", [{"p": [{"q": "One?", "a": "4", "b": "5", "w": "a"}]}])
    with pytest.raises(UsageError) as error:
        converted(source, format=described(tmp_path, kind="comparisons", fields=fields))
    assert str(error.value).endswith(
        "mine.yaml: the prompt stands in a list, and the comparisons of a row have one"
    )
    assert error.value.hint == "Only ratings can have a prompt for each item of a list."
