"""What messages think and call, and what rows pass to the template: held, or refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from prefdata.exporting.registry import TARGETS
from tests.conversion.test_extensions import TOOLS, called, path_of, turn
from tests.conversion.test_extensions import pair as pair_of
from tests.exporting.made import Row, again, dataset, exported, refused, stored, written

FINE: list[Row] = [
    pair_of(f"good {n}, in words", f"bad {n}, in words", f"Q{n}?") for n in range(12)
]
THOUGHT = turn("Yes, it is warm.", reasoning_content="It is summer.")
ROWS: dict[str, Row] = {
    "reasoning": pair_of([THOUGHT], "No, it is cold."),
    "tool calls": pair_of([called("Oslo")], "No, it is cold."),
    "an answer of several messages": pair_of(path_of("Oslo"), path_of("Rome")),
    "tools on offer": pair_of("Yes, it is warm.", "No, it is cold.", "With tools?", tools=TOOLS),
    "arguments of the chat template": pair_of(
        *("Yes, it is warm.", "No, it is cold.", "With arguments?"),
        chat_template_kwargs={"enable_thinking": False},
    ),
    "reasoning before a call": pair_of(
        [{**called("Oslo"), "reasoning_content": "Look it up."}], "No, it is cold."
    ),
}
PLAIN_ONLY = {
    "reasoning": "reasoning",
    "tool calls": "tool calls",
    "an answer of several messages": "an answer of several messages",
    "tools on offer": "tools on offer",
    "arguments of the chat template": "arguments of the chat template",
    "reasoning before a call": "tool calls",
}
ALL = dict.fromkeys(ROWS, "")
REFUSED: dict[str, Mapping[str, str]] = {
    **dict.fromkeys(("trl", "trl-reward", "kto", "sft", "csv"), ALL),
    "llama-factory": {
        **ALL,
        "an answer of several messages": "an answer of several messages",
        "arguments of the chat template": "arguments of the chat template",
        "reasoning before a call": "a turn with both text and tool calls",
    },
    "ms-swift": {**ALL, "arguments of the chat template": "arguments of the chat template"},
    "openai": {
        **PLAIN_ONLY,
        "tool calls": "",
        "tools on offer": "",
        "reasoning before a call": "reasoning",
    },
    "axolotl": PLAIN_ONLY,
    "nemo-rl": PLAIN_ONLY,
    "openrlhf": {**PLAIN_ONLY, "an answer of several messages": "tool calls"},
}
"""Target to what it says of each row; nothing where it holds the row."""


def test_every_target_is_listed() -> None:
    """A new one says here what it can hold."""
    assert set(REFUSED) == set(TARGETS)


@pytest.mark.parametrize("target", list(REFUSED))
def test_a_target_holds_a_row_or_says_why_not(target: str, tmp_path: Path) -> None:
    """No row loses a part of it on the way."""
    for number, (name, row) in enumerate(ROWS.items()):
        source = dataset(tmp_path / str(number), [row, *FINE])
        report, output = exported(source, target)
        reason = REFUSED[target][name]
        assert {each["reason"] for each in refused(output)} == ({reason} if reason else set()), name
        assert not {"tools", "chat_template_kwargs"} & set(report.lost)


def test_tools_and_arguments_are_refused_in_plain_text(tmp_path: Path) -> None:
    """They are for a chat template; reasoning and calls are written out."""
    source = dataset(tmp_path / "in", [*ROWS.values(), *FINE])
    _, output = exported(source, "trl", plain=True)
    assert {row["reason"] for row in refused(output)} == {
        "tools on offer",
        "arguments of the chat template",
    }
    texts = [str(row["chosen"]) for row in written(output)]
    assert " <think>\nIt is summer.\n</think>\n\nYes, it is warm." in texts


def row_of(target: str, name: str, folder: Path) -> dict[str, Any]:
    """The one row of an export that is not of `FINE`."""
    _, output = exported(dataset(folder, [ROWS[name], *FINE]), target)
    text = "words"
    return next(row for row in written(output) if text not in json.dumps(row, default=str))


def test_llama_factory_has_tools_and_thoughts_where_it_reads_them(tmp_path: Path) -> None:
    """A column of JSON text, named in its description; thinking in the text."""
    row = row_of("llama-factory", "tools on offer", tmp_path / "tools")
    assert json.loads(row["tools"]) == TOOLS
    info = json.loads((tmp_path / "tools" / "for llama-factory" / "dataset_info.json").read_text())
    assert all(each["columns"]["tools"] == "tools" for each in info.values())
    row = row_of("llama-factory", "reasoning", tmp_path / "thought")
    assert row["chosen"]["value"] == "<think>\nIt is summer.\n</think>\n\nYes, it is warm."


def test_ms_swift_has_tools_and_thoughts_where_it_reads_them(tmp_path: Path) -> None:
    """And thoughts stand before the call that they lead to."""
    assert json.loads(row_of("ms-swift", "tools on offer", tmp_path / "tools")["tools"]) == TOOLS
    row = row_of("ms-swift", "reasoning before a call", tmp_path / "call")
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant", "tool_call"]
    assert row["messages"][1]["content"] == "<think>\nLook it up.\n</think>\n\n"


def test_openai_has_the_tools_in_the_request(tmp_path: Path) -> None:
    """As a list, as its guide has them."""
    assert row_of("openai", "tools on offer", tmp_path)["input"]["tools"] == TOOLS


@pytest.mark.parametrize("target", ["csv", "trl"])
def test_an_export_that_holds_everything_is_read_back_the_same(target: str, tmp_path: Path) -> None:
    """The same ids, messages, tools and arguments."""
    source = dataset(tmp_path / "in", [*ROWS.values(), *FINE])
    _, output = exported(source, target)
    back, first = again(output), stored(source)
    assert back.keys() == first.keys()
    for key, row in first.items():
        for name in ("prompt", "chosen", "rejected", "tools", "chat_template_kwargs"):
            assert back[key][name] == row[name]
