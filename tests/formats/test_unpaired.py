"""Unpaired preferences: one response and whether it was good."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from prefdata.errors import InputError, UsageError
from prefdata.formats import ReadOptions
from tests.roundtrip import Converted, Reject, Row, converted, jsonl


def labelled(
    folder: Path, *labels: object, declared: Mapping[str, bool | None] | None = None
) -> Converted:
    rows = [
        {"prompt": f"{i}?", "completion": f"answer {i}", "label": label}
        for i, label in enumerate(labels)
    ]
    return converted(
        jsonl(folder / "labels.jsonl", rows), read_options=ReadOptions(label=declared or {})
    )


SPELLINGS = [
    (True, False),
    (1, 0),
    (1.0, 0.0),
    ("1", "0"),
    ("True", "FALSE"),
    ("good", "bad"),
    ("yes", "no"),
    ("thumbs up", "thumbs down"),
    ("👍", "👎"),
    ("desirable", "undesirable"),
    ("chosen", "rejected"),
    (1, -1),
    ("+1", "-1"),
]


@pytest.mark.parametrize(("good", "bad"), SPELLINGS, ids=map(str, SPELLINGS))
def test_the_good_label_is_true(good: object, bad: object, tmp_path: Path) -> None:
    """Whatever the words, the first row was liked and the second was not."""
    outcome = labelled(tmp_path, good, bad)
    assert outcome.labels == {("0?", "answer 0", True), ("1?", "answer 1", False)}


SETTLE = (
    "which is good, which is bad? say so with --label 'true=?,false=?,none=?' "
    "(none= is for what carries no preference)"
)
ASKED = {
    "words": ("fail", "pass"),
    "1 and 2": (1, 2),
    "0, 1 and 2": (0, 1, 2),
    "-1, 0 and 1": (-1, 0, 1),
    "-1 and 0": (-1, 0),
    "a word that repeats": ("good", "bad", "meh", "meh"),
}


@pytest.mark.parametrize("labels", ASKED.values(), ids=ASKED)
def test_labels_that_do_not_speak_are_asked_about(
    labels: tuple[object, ...], tmp_path: Path
) -> None:
    """Each value is there with its count and a row; the option to copy holds no polarity."""
    with pytest.raises(UsageError, match=r"looks like unpaired, but can be read in two ways$") as e:
        labelled(tmp_path, *labels)
    assert e.value.hint.endswith(SETTLE)
    asked = {"meh": 2} if "meh" in labels else dict.fromkeys(labels, 1)
    for value, count in asked.items():
        assert f"{value} ({count} row{'s' if count > 1 else ''}, such as " in e.value.hint


def test_the_option_settles_it(tmp_path: Path) -> None:
    """What the user declared goes before everything else."""
    outcome = labelled(tmp_path, "fail", "pass", declared={"pass": True, "fail": False})
    assert outcome.labels == {("0?", "answer 0", False), ("1?", "answer 1", True)}


def test_a_label_without_a_preference_is_left_over(tmp_path: Path) -> None:
    """None says that a value carries none: its rows are no rejects."""
    declared = {"fail": False, "pass": True, "unsure": None}
    labels = ("fail", "pass", "unsure", "unsure")
    rows = [{"prompt": f"{i}?", "completion": f"c {i}", "label": v} for i, v in enumerate(labels)]
    read_options = ReadOptions(label=declared)
    outcome = converted(jsonl(tmp_path / "labels.jsonl", rows), read_options=read_options)
    assert outcome.labels == {("0?", "c 0", False), ("1?", "c 1", True)}
    assert not outcome.refused
    assert outcome.manifest["outcomes"]["left over"] == {"no preference given": 2}


def test_an_empty_cell_is_a_label_where_the_user_says_so(tmp_path: Path) -> None:
    """And missing where not."""
    file = tmp_path / "labels.csv"
    file.write_text("prompt,completion,label\na?,b,\n", encoding="utf-8")
    meanings = {"good": True, "": False}
    assert converted(file, read_options=ReadOptions(label=meanings)).labels == {("a?", "b", False)}
    with pytest.raises(InputError, match="1 of 'field is missing'"):
        converted(file, read_options=ReadOptions(label={"good": True, "bad": False}))


def test_a_label_that_is_no_label_is_refused(tmp_path: Path) -> None:
    """An unknown word and a missing label are neither true nor false."""
    outcome = labelled(tmp_path, "good", "bad", "meh", None)
    assert len(outcome.labels) == 2
    assert outcome.refused == [
        Reject(3, "label", "label is neither true nor false", "found meh"),
        Reject(4, "label", "field is missing", ""),
    ]


def user(text: str) -> Row:
    return {"role": "user", "content": text}


SHAPES: dict[str, Row] = {
    "whole conversation in completion": {
        "completion": [user("0?"), {"role": "assistant", "content": "answer 0"}],
        "label": True,
    },
    "whole conversation in messages": {
        "messages": [user("0?"), {"role": "assistant", "content": "answer 0"}],
        "label": True,
    },
    "thumbs": {"prompt": "0?", "response": "answer 0", "feedback": "like"},
    "a score of true and false": {"prompt": "0?", "response": "answer 0", "score": True},
}


@pytest.mark.parametrize("row", SHAPES.values(), ids=SHAPES)
def test_every_shape_gives_prompt_completion_and_label(row: Row, tmp_path: Path) -> None:
    """The prompt never stays inside the completion."""
    outcome = converted(jsonl(tmp_path / "labels.jsonl", [row]))
    assert outcome.labels == {("0?", "answer 0", True)}


def test_a_rating_beside_a_kto_label_only_explains_it(tmp_path: Path) -> None:
    """With completion and label the file is for KTO: a rating makes no ratings of it."""
    rows: list[Row] = [
        {"prompt": "0?", "completion": "good", "label": True, "rating": 2.5},
        {"prompt": "0?", "completion": "bad", "label": False, "rating": 4.5},
    ]
    outcome = converted(jsonl(tmp_path / "labels.jsonl", rows))
    assert outcome.labels == {("0?", "good", True), ("0?", "bad", False)}


def test_a_rating_that_the_user_names_goes_before_the_label(tmp_path: Path) -> None:
    """The same file gives pairs where the rating is asked for."""
    rows: list[Row] = [
        {"prompt": "0?", "completion": "bad", "label": True, "rating": 2.5},
        {"prompt": "0?", "completion": "good", "label": False, "rating": 4.5},
    ]
    source = jsonl(tmp_path / "labels.jsonl", rows)
    outcome = converted(source, read_options=ReadOptions(columns={"score": ("rating",)}))
    assert outcome.pairs == {("0?", "good", "bad")}


def test_a_label_beside_a_rating_counts_in_csv_as_in_json(tmp_path: Path) -> None:
    """What KTO trainers read is labels: the same rows give the same, as words too."""
    rows = [
        {"prompt": "One?", "completion": "good", "label": True, "score": 5},
        {"prompt": "One?", "completion": "bad", "label": False, "score": 1},
        {"prompt": "Two?", "completion": "fine", "label": True, "score": 1},
    ]
    lines = [f"{r['prompt']},{r['completion']},{r['label']},{r['score']}" for r in rows]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["prompt,completion,label,score", *lines]) + "\n")
    assert converted(path).labels == converted(jsonl(tmp_path / "rows.jsonl", rows)).labels
