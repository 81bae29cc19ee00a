"""Columns that change what an answer means: read, refused or asked about, never merely ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from prefdata.errors import QuestionError, UnknownNameError, UsageError
from prefdata.formats.closed_list import filled, is_filled, kind_of
from prefdata.records import reasons
from tests.roundtrip import converted, jsonl, make, pair, rated

TEXT = "A green herb with a strong smell."
NAMES = {
    "context": [
        *("context", "Contexts", "passage", "document", "documents", "evidence", "background"),
        *("reference_text", "retrieved_docs", "source document", "search_context"),
        "conversation",
    ],
    "tools": ["tools", "functions", "tool_definitions", "function_schemas", "rejected_tools"],
    "reasoning": [
        *("reasoning", "thinking", "reasoning_content", "chosen_reasoning", "rejected_cot"),
        *("chosen_rationale", "thoughts", "response_a_thinking", "reasoning_chosen"),
    ],
    "template": ["chat_template_kwargs"],
    "prefix": ["initial_reason_steps", "prefix", "partial_answer", "answer_prefix", "prefill"],
    "media": ["image", "images", "image_path", "audio", "video_url", "Pictures", "rejected_images"],
    "system": ["system", "sys", "system_message", "developer", "custom_system_prompt"],
}
OTHERS = ["context_id", "lang", "split", "source", "documented", "toolset_size", "operating_system"]
OTHERS += ["rationale", "critique", "id", "preface", "imagination"]


@pytest.mark.parametrize(
    ("kind", "name"), [(k, name) for k, names in NAMES.items() for name in names]
)
def test_a_column_of_the_list_has_its_kind(kind: str, name: str) -> None:
    """Whatever its case and however its words are joined."""
    assert kind_of(name) == kind


@pytest.mark.parametrize("name", OTHERS)
def test_other_columns_are_not_on_the_list(name: str) -> None:
    """A judge's critique, an id, a language change no answer."""
    assert kind_of(name) == ""


def asked_of(caught: pytest.ExceptionInfo[QuestionError]) -> list[Any]:
    """The questions of an error."""
    return cast("list[Any]", caught.value.questions)


ASKED = [
    name
    for kind in ("context", "tools", "reasoning", "prefix")
    for name in NAMES[kind]
    if name != "tools"
]


@pytest.mark.parametrize("name", ASKED)
def test_a_filled_column_is_asked_about(tmp_path: Path, name: str) -> None:
    """With its count, an example and lines that settle it when they are copied."""
    rows = [pair("good", "bad", "Q1", **{name: TEXT}), pair("good", "bad", "Q2", **{name: ""})]
    with pytest.raises(QuestionError) as asked:
        make(tmp_path / "asked", rows)
    (question,) = asked_of(asked)
    assert question["columns"] == (name,)
    assert [(each["value"], each["rows"]) for each in question["values"]] == [(TEXT, 1)]
    assert len(make(tmp_path / "ignored", rows, ignore=[name]).rows) == 2
    with pytest.raises(QuestionError):
        make(tmp_path / "kept", rows, keep=[name])


NESTED: list[object] = [
    [{"type": "function", "function": {"name": "f"}}],
    [{"name": "f", "content": None}],
    {"name": "f"},
    ["a text", "another"],
    [["x"]],
]


@pytest.mark.parametrize("value", NESTED)
@pytest.mark.parametrize("name", ["functions", "documents", "thinking"])
def test_lists_and_objects_are_asked_about(tmp_path: Path, name: str, value: object) -> None:
    """A value need not be text to change what an answer means."""
    with pytest.raises(QuestionError):
        make(tmp_path, [pair("good", "bad", **{name: value})])  # type: ignore[arg-type]


def test_the_line_that_joins_a_context_with_the_prompt_works(tmp_path: Path) -> None:
    """The context stands before the question."""
    rows = [
        {"question": "What is it?", "context": "A herb.", "chosen": "good", "rejected": "bad"},
        {"question": "What is it?", "context": "A block.", "chosen": "good", "rejected": "bad"},
    ]
    with pytest.raises(QuestionError) as asked:
        make(tmp_path / "asked", rows)
    assert "--map prompt=context+question" in asked_of(asked)[0]["lines"]
    made = make(tmp_path / "read", rows, columns={"prompt": ["context", "question"]})
    assert {row["prompt"] for row in made.rows} == {"A herb.\nWhat is it?", "A block.\nWhat is it?"}


@pytest.mark.parametrize("value", ["", " ", None, [], {}, "[]", "{}", "null", "NaN", 0, 3, False])
def test_an_empty_column_is_not_asked_about(tmp_path: Path, value: object) -> None:
    """Empty, missing, a number or a flag: there is no text that an answer could rest on."""
    made = make(tmp_path, [pair("good", "bad", context=value, tools=value, image=value)])
    assert made.answers == [("good", "bad")]


@pytest.mark.parametrize(
    "values", [["a", "", None, "1"], [["x"], [], None], [{"p": "x"}, {"p": ""}]]
)
def test_a_column_is_filled_where_each_value_is(values: list[object]) -> None:
    """Of a whole column and of one value the same is said."""
    assert filled(pl.Series(values)).to_list() == [is_filled(value) for value in values]


@pytest.mark.parametrize("name", NAMES["media"])
def test_rows_with_an_image_are_refused(tmp_path: Path, name: str) -> None:
    """Only where one is filled in; with --ignore they are used."""
    rows = [pair("good", "bad", "Q1", **{name: "a.png"}), pair("good", "bad", "Q2", **{name: ""})]
    made = make(tmp_path / "refused", rows)
    assert [(each.field, each.reason) for each in made.refused] == [(name, reasons.NOT_TEXT)]
    assert len(make(tmp_path / "ignored", rows, ignore=[name]).rows) == 2


@pytest.mark.parametrize("name", NAMES["system"])
def test_a_system_prompt_is_read_by_any_name(tmp_path: Path, name: str) -> None:
    """Answers to one prompt under two system prompts are never compared."""
    rows = [
        rated("good", 5, **{name: "Be kind."}),
        rated("bad", 1, **{name: "Be kind."}),
        rated("rude", 3, **{name: "Be rude."}),
    ]
    made = make(tmp_path, rows)
    assert made.answers == [("good", "bad")]
    assert "Be kind." in made.only["prompt"]


def test_two_system_columns_are_asked_about(tmp_path: Path) -> None:
    """One of them would be left out in silence."""
    with pytest.raises(QuestionError, match="two ways"):
        make(tmp_path, [pair("good", "bad", system="Be kind.", developer="Be brief.")])


def test_a_system_column_of_single_words_is_asked_about(tmp_path: Path) -> None:
    """They may be names of models; each line that is offered settles it."""
    rows = [rated("good", 5, system="gpt2"), rated("bad", 1, system="base")]
    with pytest.raises(QuestionError) as asked:
        make(tmp_path / "asked", rows)
    assert asked_of(asked)[0]["lines"][0] == "--map model=system"
    made = make(tmp_path / "model", rows, columns={"model": "system"})
    assert (made.only["model_chosen"], made.only["model_rejected"]) == ("gpt2", "base")
    more = [*rows, rated("bad", 1, system="gpt2")]
    assert len(make(tmp_path / "system", more, columns={"system": "system"}).rows) == 1
    assert make(tmp_path / "ignored", rows, ignore=["system"]).answers == [("good", "bad")]


def test_a_system_column_against_a_system_turn_is_asked_about(tmp_path: Path) -> None:
    """The turn counts where the column is left out; else such rows are refused."""
    turns = [{"role": "system", "content": "Be rude."}, {"role": "user", "content": "Q"}]
    rows = [
        pair("good", "bad", turns, system="Be kind."),  # type: ignore[arg-type]
        pair("good", "bad", "Q", system="Be kind."),
    ]
    with pytest.raises(QuestionError):
        make(tmp_path / "asked", rows)
    made = make(tmp_path / "turn", rows, ignore=["system"])
    assert any("Be rude." in row["prompt"] for row in made.rows)
    made = make(tmp_path / "column", rows, columns={"system": "system"})
    assert [each.reason for each in made.refused] == [reasons.OTHER_SYSTEM]


def test_messages_that_repeat_the_pair_are_not_asked_about(tmp_path: Path) -> None:
    """They say nothing that the columns which are read do not say."""
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "good"}]
    assert make(tmp_path / "a", [pair("good", "bad", messages=turns)]).answers == [("good", "bad")]
    earlier = [{"role": "user", "content": "Earlier."}, *turns]
    with pytest.raises(QuestionError):
        make(tmp_path / "b", [pair("good", "bad", messages=earlier)])


def test_a_name_that_no_source_has_cannot_be_ignored(tmp_path: Path) -> None:
    """The error names what is near."""
    with pytest.raises(UnknownNameError, match="contxt"):
        make(tmp_path, [pair("good", "bad", context="x y")], ignore=["contxt"])


def test_a_column_is_not_both_read_and_ignored(tmp_path: Path) -> None:
    """Two options that contradict each other are refused."""
    with pytest.raises(UsageError, match="both read as prompt and left out"):
        make(
            tmp_path,
            [pair("good", "bad", context="x y")],
            ignore=["context"],
            columns={"prompt": ["context", "prompt"]},
        )


ODD = [
    {"context": "A herb."},
    {"tools": '[{"name": "f"}]'},
    {"image": "a.png"},
    {"system_prompt": "Be kind."},
    {"chosen_reasoning": "Let me think."},
    {"lang": "en"},
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_the_place_of_an_odd_row_changes_nothing(
    tmp_path: Path, odd: dict[str, object], kind: str
) -> None:
    """The first row or the last of a file that is longer than the sample: the same outcome."""
    outcomes: list[object] = []
    for place in (0, 2999):
        rows = [dict(pair("good", "bad", f"What is {n}?")) for n in range(3000)]
        rows[place] |= odd
        path = tmp_path / f"{place}.{kind}"
        frame = pl.DataFrame(rows, infer_schema_length=None)
        if kind == "jsonl":
            jsonl(path, rows)
        else:
            frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
        try:
            made = converted([path], tmp_path / f"out{place}{kind}", test_size=0.0)
        except QuestionError as error:
            outcomes.append([{**q, "source": "", "values": ""} for q in error.questions])
            continue
        uses = {(each.name, each.status) for each in made.report.sources[0].column_uses}
        outcomes.append([made.report.outcomes, uses])
    assert outcomes[0] == outcomes[1]
