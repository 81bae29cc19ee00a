"""Every usual spelling of what a message says, thinks, calls and answers is read as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prefdata.formats.conversation import from_value
from tests.roundtrip import converted, jsonl

Turn = dict[str, Any]


def user(text: object = "Warm?", **more: object) -> Turn:
    return {"role": "user", "content": text, **more}


def bot(content: object = "", **more: object) -> Turn:
    return {"role": "assistant", "content": content, **more}


def call(arguments: str = '{"city": "Oslo"}', id: str | None = "c1", name: str = "weather") -> Turn:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


CALLED = bot(tool_calls=[call()])
THOUGHT = bot("4", reasoning_content="2 + 2")
ANSWERED = {"role": "tool", "content": "12 C", "tool_call_id": "c1"}
OBJECT = {"name": "weather", "arguments": {"city": "Oslo"}}

SPELLINGS: dict[str, tuple[object, list[Turn]]] = {
    "reasoning_content": (THOUGHT, [THOUGHT]),
    "reasoning": (bot("4", reasoning="2 + 2"), [THOUGHT]),
    "thinking": (bot("4", thinking="2 + 2"), [THOUGHT]),
    "two names for one reasoning": (bot("4", reasoning="2 + 2", thinking="2 + 2"), [THOUGHT]),
    "reasoning that is blank": (bot("4", reasoning_content=" ", reasoning=None), [bot("4")]),
    "a block of thinking": (
        bot([{"type": "thinking", "thinking": "2 + 2"}, {"type": "text", "text": "4"}]),
        [THOUGHT],
    ),
    "a block of reasoning": (
        bot([{"type": "reasoning", "text": "2 + 2"}, {"type": "output_text", "text": "4"}]),
        [THOUGHT],
    ),
    "thinking in the text stays there": (
        bot("<think>2 + 2</think>4"),
        [bot("<think>2 + 2</think>4")],
    ),
    "an item of reasoning": (
        [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "2 + 2"}]},
            {"type": "message", **bot([{"type": "output_text", "text": "4"}])},
        ],
        [THOUGHT],
    ),
    "input_text": (user([{"type": "input_text", "text": "Warm?"}]), [user()]),
    "arguments as text": (CALLED, [CALLED]),
    "arguments as an object": (
        bot(None, tool_calls=[{"id": "c1", "type": "function", "function": OBJECT}]),
        [CALLED],
    ),
    "a flat call": (bot(None, tool_calls=[{"id": "c1", **OBJECT}]), [CALLED]),
    "calls as text": (bot(None, tool_calls=json.dumps([call()])), [CALLED]),
    "no calls": (bot("4", tool_calls=[], function_call=None), [bot("4")]),
    "function_call": (
        bot(None, function_call=OBJECT),
        [bot(tool_calls=[call(id=None)])],
    ),
    "a turn of a call": (
        [{"from": "function_call", "value": json.dumps(OBJECT)}],
        [bot(tool_calls=[call(id=None)])],
    ),
    "turns of calls behind a text": (
        [bot("Let me look."), *[{"role": "tool_call", "content": json.dumps(OBJECT)}] * 2],
        [bot("Let me look.", tool_calls=[call(id=None)] * 2)],
    ),
    "a block of a call": (
        bot(
            [
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}},
            ]
        ),
        [bot("Let me look.", tool_calls=[call()])],
    ),
    "a block of a result, and a question": (
        user(
            [
                {"type": "tool_result", "tool_use_id": "c1", "content": "12 C"},
                {"type": "text", "text": "And?"},
            ]
        ),
        [ANSWERED, user("And?")],
    ),
    "items of a call and its result": (
        [
            {"type": "function_call", "call_id": "c1", **OBJECT},
            {"type": "function_call_output", "call_id": "c1", "output": "12 C"},
        ],
        [CALLED, ANSWERED],
    ),
    "a result that is an object": (
        {"role": "tool", "content": {"t": 12}, "tool_call_id": "c1"},
        [{**ANSWERED, "content": '{"t": 12}'}],
    ),
    "arguments that are no JSON": (
        bot(tool_calls=[call("Oslo!")]),
        [bot(tool_calls=[call("Oslo!")])],
    ),
    "names": (user(name="ann"), [user(name="ann")]),
    "an empty system turn": ([{"role": "system", "content": " \n"}, user()], [user()]),
    "roles and texts as lists": (
        {"role": ["user", "assistant"], "content": ["Warm?", "4"]},
        [user(), bot("4")],
    ),
    "roles and texts as lists of other names": (
        {"from": ["human", "gpt"], "value": ["Warm?", "4"], "thinking": [None, "2 + 2"]},
        [user(), THOUGHT],
    ),
}


@pytest.mark.parametrize(("value", "turns"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_spelling_is_read(value: object, turns: list[Turn]) -> None:
    """As the same turns, whatever wrote it."""
    assert from_value(value, "user") == (turns, "", "")


REFUSALS: dict[str, tuple[object, str, str]] = {
    "an image": (
        user([{"type": "image_url", "image_url": {"url": "x"}}]),
        "images and audio are not covered",
        "found image_url",
    ),
    "sound beside thinking": (
        bot([{"type": "thinking", "thinking": "2"}, {"type": "input_audio", "data": "x"}]),
        "images and audio are not covered",
        "found input_audio",
    ),
    "a result with an image": (
        user([{"type": "tool_result", "content": [{"type": "image", "source": "x"}]}]),
        "images and audio are not covered",
        "found image",
    ),
    "a call without a name": (
        bot(tool_calls=[{"id": "c1"}]),
        "tools or calls cannot be read",
        "a call without a name",
    ),
    "a call that is a word": (
        bot(tool_calls=["weather"]),
        "tools or calls cannot be read",
        "a call is no object",
    ),
    "a call of another type": (
        bot(tool_calls=[{"type": "custom", "custom": {"name": "x"}}]),
        "tools or calls cannot be read",
        "a call of the type 'custom'",
    ),
    "two reasonings": (
        bot("4", reasoning="2", thinking="3"),
        "reasoning cannot be read",
        "reasoning and thinking differ",
    ),
    "reasoning that is no text": (
        bot("4", reasoning={"effort": "high"}),
        "reasoning cannot be read",
        "reasoning is not text",
    ),
    "encrypted thinking": (
        bot([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "4"}]),
        "reasoning cannot be read",
        "it is encrypted",
    ),
    "no content and no call": (bot(None), "field is missing", "content"),
    "lists that differ in length": (
        {"role": ["user", "assistant"], "content": ["Warm?"]},
        "turns cannot be told apart",
        "its roles and its texts differ in number",
    ),
    "nothing but an empty system turn": ({"role": "system", "content": ""}, "text is empty", ""),
}


@pytest.mark.parametrize(("value", "reason", "detail"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_read_says_what_it_is(value: object, reason: str, detail: str) -> None:
    """Not something near it."""
    turns, *problem = from_value([user(), value], "user")
    if reason == "text is empty":
        turns, *problem = from_value(value, "user")
    assert (turns, problem) == ([], [reason, detail or problem[1]])


def test_a_prompt_of_instructions_only_has_no_user_turn(tmp_path: Path) -> None:
    """It does not end with the assistant, as it would have been said."""
    only = [{"role": "system", "content": "Be kind."}]
    rows = [
        {"prompt": [*only, user("Bird?")], "chosen": "Wren.", "rejected": "A spoon."},
        {"prompt": only, "chosen": "Basil.", "rejected": "A brick."},
        {"prompt": [*only, *only], "chosen": "Basil.", "rejected": "A brick."},
    ]
    outcome = converted(jsonl(tmp_path / "rows.jsonl", rows))
    assert [reject[:3] for reject in outcome.refused] == [
        (line, "prompt", "the prompt has no user turn") for line in (2, 3)
    ]


def test_an_empty_system_turn_on_one_side_makes_no_other_prompt(tmp_path: Path) -> None:
    """Whole conversations, of which one has a system turn that says nothing."""
    blank = {"role": "system", "content": " "}
    rows = [
        {
            "chosen": [blank, user("Herb?"), bot("Basil")],
            "rejected": [user("Herb?"), bot("Brick")],
        },
        {"chosen": [user("Gas?"), bot("Neon")], "rejected": [blank, user("Gas?"), bot("Chair")]},
    ]
    outcome = converted(jsonl(tmp_path / "rows.jsonl", rows))
    assert outcome.pairs == {("Herb?", "Basil", "Brick"), ("Gas?", "Neon", "Chair")}
