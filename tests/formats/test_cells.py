"""Every cell counts by itself: messages among texts, and texts that only look like messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from prefdata.formats.cell_messages import cell_messages
from prefdata.formats.numpy_print import parse_python
from prefdata.formats.text_shapes import parse_cell
from prefdata.records import reasons
from tests.roundtrip import Row, converted, jsonl, make, pair


def turns(answer: str, prompt: str = "Name a tool.") -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def numpy_print(messages: list[dict[str, str]]) -> str:
    return "[" + "\n ".join(map(repr, messages)) + "]"


MESSAGES = [
    json.dumps(turns("An adze.")),
    json.dumps(turns("An adze."), indent=2),
    json.dumps(turns("An adze.")[1:]),
    json.dumps(turns("An adze.")[1]),
    repr(turns("An adze.")),
    repr(turns("An adze.")[1]),
    numpy_print(turns("An adze.")),
    numpy_print(turns("An adze.")).replace("\n", ""),
    f"array([{turns('An adze.')[0]!r},\n       {turns('An adze.')[1]!r}], dtype=object)",
    '[{"from": "human", "value": "Name a tool."}, {"from": "gpt", "value": "An adze."}]',
    '  [{"content": "Name a tool.", "role": "user"}, {"content": "An adze.", "role": "model"}]\n',
    "\n\nHuman: Name a tool.\n\nAssistant: An adze.",
    "Human: Name a tool.\n\nAssistant: An adze.",
]
"""One answer, with or without its prompt, in all the ways in which a cell may hold it."""

BROKEN = [
    json.dumps(turns("An adze."))[:-3],
    json.dumps(turns("An adze."))[:40],
    repr(turns("An adze."))[:-1],
    repr(turns("It's")).replace('"It\'s"', "'It's'"),
    numpy_print(turns("An adze."))[:-5],
    numpy_print(turns("An adze.")).replace("\n ", "\n ...\n "),
    '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "She said "no"."}]',
    '[{"role": "assistant", "content": "a\nb}',
    "{'role': 'assistant', 'content': 'don't'}",
    '[{"from": "human", "value": "Hi"} {"from": "gpt"',
    "[{'role': 'user', 'content': datetime(2024, 1, 1)}]",
]
"""Cells that look like messages, and are none that can be read."""

TEXTS = [
    '{"name": "adze", "edge": 1}',
    '[{"name": "adze"}, {"name": "awl"}]',
    '["adze", "awl"]',
    "['adze' 'awl']",
    "[1, 2, 3]",
    "{",
    "[sic] is Latin.",
    '{"role": "king", "content": "a crown"}',
    '{"role": "user", "content": "Hi", "level": 3, "town": "Rome"}',
    '{"messages": [{"role": "user", "content": "Hi"}]}',
    '[{"role": "user", "content": "Hi"}] is how a request begins.',
    "Human: a word for people",
    "array([1, 2])",
    "5",
    "null",
    "const f = {role: 'user'}",
]
"""Answers that stay the texts that they are."""

PLAIN = [pair(f"An awl {i}.", "A cloud.", f"Name tool {i}.") for i in range(12)]


def csv_file(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows with every cell quoted."""
    lines = [",".join('"' + str(v).replace('"', '""') + '"' for v in row.values()) for row in rows]
    path.write_text("prompt,chosen,rejected\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("majority", ["texts", "messages"])
def test_messages_among_texts_are_read(tmp_path: Path, kind: str, majority: str) -> None:
    """In any of their spellings, in single cells of a column of plain texts."""
    rows: list[Row] = []
    for number, cell in enumerate(MESSAGES):
        mine = cell.replace("a tool", f"tool {number}")
        answers = mine.replace("An adze.", "Yes."), mine.replace("An adze.", "No.")
        rows.append(pair(*answers, f"Name tool {number}."))
    texts = [
        pair("Yes.", "No.", f"Name word {i}.") for i in range(30 if majority == "texts" else 3)
    ]
    if kind == "csv":
        result = converted(csv_file(tmp_path / "cells.csv", [*rows, *texts]), test_size=0.0)
    else:
        result = make(tmp_path, [*rows, *texts])
    assert not result.rejects
    assert result.pairs == {
        *((f"Name tool {number}.", "Yes.", "No.") for number in range(len(MESSAGES))),
        *((str(row["prompt"]), "Yes.", "No.") for row in texts),
    }


def test_broken_messages_are_refused(tmp_path: Path) -> None:
    """What looks like messages and cannot be read is never an answer."""
    result = make(tmp_path, [*PLAIN, *(pair(cell, "A cloud.") for cell in BROKEN)])
    fault = ("chosen", reasons.BROKEN_JSON)
    assert [(each.field, each.reason) for each in result.refused] == [fault] * len(BROKEN)
    assert len(result.pairs) == len(PLAIN)


@pytest.mark.parametrize("majority", ["texts", "messages"])
def test_other_json_stays_text(tmp_path: Path, majority: str) -> None:
    """Data, code and lists are answers, whatever most cells of the column hold."""
    usual = [pair("An awl.", "A cloud.", f"Name tool {i}.") for i in range(2 * len(TEXTS))]
    if majority == "messages":
        usual = [{**row, "chosen": json.dumps(turns("An awl.")[1:])} for row in usual]
    result = make(tmp_path, [*usual, *(pair(cell, "A cloud.") for cell in TEXTS)])
    assert not result.rejects
    assert {row["chosen"] for row in result.rows} == {*TEXTS, "An awl."}


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("kind", ["text", "list"])
def test_the_place_of_the_odd_row_does_not_count(tmp_path: Path, place: str, kind: str) -> None:
    """A list among texts, or a text among lists, is read at the end as at the beginning."""
    answers = {"chosen": turns("An adze.")[1:], "rejected": turns("A cloud.")[1:]}
    listed: Row = {"prompt": "Name a tool.", **answers}
    texts = [pair("An awl.", "A cloud.", f"Name tool {i}.") for i in range(1_500)]
    lists: list[Row] = [
        {**row, "chosen": turns("An awl.")[1:], "rejected": turns("No.")[1:]} for row in texts
    ]
    odd, usual = (listed, texts) if kind == "text" else (pair("An adze.", "A cloud."), lists)
    rows = [odd, *usual] if place == "first" else [*usual, odd]
    result = make(tmp_path, rows)
    assert len(result.rows) == 1_501
    assert "An adze." in {row["chosen"] for row in result.rows}
    assert not result.rejects


def test_a_number_among_texts_stays_a_slip(tmp_path: Path) -> None:
    """It is refused, and the column stays one of texts."""
    result = make(tmp_path, [*PLAIN, {**pair("", "A cloud."), "chosen": 5}])
    assert [each.reason for each in result.refused] == [reasons.WRONG_TYPE]


def test_lists_as_numpy_prints_them(tmp_path: Path) -> None:
    """Responses and scores in cells without commas."""
    path = tmp_path / "lists.csv"
    rows = [f"Name tool {i}.,['An awl.' 'A cloud {i}.'],[5. {i}.5]" for i in range(3)]
    path.write_text("prompt,responses,scores\n" + "\n".join(rows) + "\n", encoding="utf-8")
    result = converted(path, test_size=0.0)
    assert result.pairs == {(f"Name tool {i}.", "An awl.", f"A cloud {i}.") for i in range(3)}
    assert {row["score_rejected"] for row in result.rows} == {0.5, 1.5, 2.5}


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("['a' 'b']", ["a", "b"]),
        ("['a'\n 'b' 'c']", ["a", "b", "c"]),
        ("['a', 'b']", ["a", "b"]),
        ('["it\'s" \'"no"\']', ["it's", '"no"']),
        ("[5. 1.]", [5.0, 1.0]),
        ("[1 -2  30]", [1, -2, 30]),
        ("[[1 2]\n [3 4]]", [[1, 2], [3, 4]]),
        ("[0.5 nan]", [0.5, None]),
        ("array(['a', 'b'], dtype='<U1')", None),
        ("array(['a', 'b'], dtype=object)", ["a", "b"]),
        ("[array([1, 2]) array([3])]", [[1, 2], [3]]),
        ("[{'a': '} {'} {'a': 'x y'}]", [{"a": "} {"}, {"a": "x y"}]),
        ("[1 2 ... 9]", None),
        ("['a' 'b", None),
        ("[sic]", None),
        ("a b", None),
    ],
)
def test_python_and_numpy_lists(text: str, content: object) -> None:
    """Two texts side by side are two; what was cut short is none."""
    assert parse_python(text) == content
    assert parse_cell(text) == content


@pytest.mark.parametrize("cell", [cell for cell in MESSAGES if "Human:" not in cell])
def test_certain_cells(cell: str) -> None:
    """The closer look takes each of them."""
    content, broken = cell_messages(cell)
    assert content
    assert not broken


def test_a_message_may_have_a_text(tmp_path: Path) -> None:
    """As some sources call the content."""
    cells = ('{"role": "assistant", "text": "Yes."}', "{'role': 'bot', 'text': 'No.'}")
    result = make(tmp_path, [*PLAIN, pair(*cells, "Is it?")])
    assert ("Is it?", "Yes.", "No.") in result.pairs


def test_transcripts_need_both_speakers(tmp_path: Path) -> None:
    """Where only one speaks it is a text, and where others write it is noted."""
    rows = [
        *PLAIN,
        pair("User: Hi\nAssistant: Hello", "A cloud.", "Write a short dialogue."),
        pair("Human: one word", "A cloud.", "Name a noun."),
    ]
    result = make(tmp_path, rows)
    assert ("Name a noun.", "Human: one word", "A cloud.") in result.pairs
    notes = result.manifest["sources"][0]["notes"]
    assert [(each["column"], each["rows"]) for each in notes] == [("chosen", 1)]
    assert "transcript" in notes[0]["text"]


def test_an_answer_that_holds_another_prompt_is_refused(tmp_path: Path) -> None:
    """A transcript in a cell must be of the row's own prompt."""
    cell = "\n\nHuman: Name a sea.\n\nAssistant: The Baltic."
    result = make(tmp_path, [*PLAIN, pair(cell, cell + "!", "Name a tool.")])
    assert [each.reason for each in result.refused] == [reasons.OTHER_PROMPT]


def test_prompts_may_be_messages_too(tmp_path: Path) -> None:
    """A prompt of several turns in one cell of a column of plain prompts."""
    prompt = json.dumps([*turns("An awl."), {"role": "user", "content": "Another."}])
    result = make(tmp_path, [*PLAIN, pair("An adze.", "A cloud.", prompt)])
    assert "Name a tool. | An awl. | Another." in {row["prompt"] for row in result.rows}


def test_the_same_ids_wherever_the_messages_stand(tmp_path: Path) -> None:
    """A text and the one message that says the same are one answer."""
    plain = jsonl(tmp_path / "plain.jsonl", PLAIN)
    packed = [{**row, "chosen": json.dumps(turns(str(row["chosen"]))[1:])} for row in PLAIN]
    some = jsonl(tmp_path / "some.jsonl", [*PLAIN[:9], *packed[9:]])
    assert converted(plain, tmp_path / "a").ids == converted(some, tmp_path / "b").ids


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("has_prompt", [False, True])
def test_lists_of_whole_conversations(tmp_path: Path, as_text: bool, has_prompt: bool) -> None:
    """The prompt is taken off each of them, and every answer keeps its score and its model."""
    answers = [turns("An adze."), turns("A cloud.")]
    row: dict[str, object] = {
        "responses": [json.dumps(each) if as_text else each for each in answers],
        "scores": [1, 5],
        "models": ["x", "y"],
    }
    made = make(tmp_path, [{"prompt": "Name a tool.", **row} if has_prompt else row])
    assert made.answers == [("A cloud.", "An adze.")]
    assert [(r["score_chosen"], r["model_chosen"]) for r in made.rows] == [(5, "y")]


@pytest.mark.parametrize("key", ["images", "audio", "video"])
@pytest.mark.parametrize("as_text", [False, True])
def test_what_a_message_holds_beside_text_refuses_its_row(
    tmp_path: Path, key: str, as_text: bool
) -> None:
    """In a message and in the text of one; an empty list of images is none."""
    seen = [{"role": "assistant", "content": "A cat.", key: ["x.png"]}]
    none = [{"role": "assistant", "content": "A cat.", key: []}]
    rows = [
        {**pair("", "b", f"Q{number}"), "chosen": json.dumps(each) if as_text else each}
        for number, each in enumerate([seen, none, none])
    ]
    made = make(tmp_path, rows)
    assert [reject.reason for reject in made.refused] == [reasons.NOT_TEXT]
    assert len(made.rows) == 2
    (source,) = made.report.sources
    assert ("refused", f"chosen[].{key}") in [(u.status, u.name) for u in source.column_uses]


def test_an_answer_that_ends_with_the_user_is_refused(tmp_path: Path) -> None:
    """It would train the model to speak for the user."""
    odd = [{"role": "assistant", "content": "A."}, {"role": "user", "content": "And?"}]
    made = make(tmp_path, [{**pair("", "b"), "chosen": odd}, pair("good", "bad", "R")])
    assert [reject.reason for reject in made.refused] == [reasons.NO_ANSWER]


def test_turns_on_one_line_as_vicuna_writes_them(tmp_path: Path) -> None:
    """They are told apart by their marks in capitals."""
    text = "USER: Name a tool. ASSISTANT: An adze.</s>USER: Another. ASSISTANT:"
    made = make(tmp_path, [{**pair("A saw.", "A cloud."), "prompt": text}] * 2)
    assert made.rows[0]["prompt"] == "Name a tool. | An adze. | Another."
