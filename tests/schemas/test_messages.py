"""Messages, prompts and completions: what is accepted, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from prefdata.schemas import FunctionCall, Message, PreferencePair, ToolCall

USER = {"role": "user", "content": "Weather in Oslo?"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"function": {"name": "w", "arguments": "{}"}}],
}
TOOL = {"role": "tool", "content": "Rain.", "name": "w"}


def prompt(*messages: Mapping[str, object]) -> list[Message]:
    pair = {"prompt": list(messages), "chosen": "Rain.", "rejected": "Sun."}
    return PreferencePair.model_validate(pair).prompt


def completion(*messages: Mapping[str, object]) -> list[Message]:
    pair = {"prompt": "Weather?", "chosen": list(messages), "rejected": "Sun."}
    return PreferencePair.model_validate(pair).chosen


def test_text_is_one_message_of_the_side_that_speaks() -> None:
    """A prompt given as text is the user's, a response given as text the assistant's."""
    pair = PreferencePair.model_validate({"prompt": "Hi", "chosen": "Hello!", "rejected": "No."})
    assert pair.prompt == [Message(role="user", content="Hi")]
    assert pair.chosen == [Message(role="assistant", content="Hello!")]


def test_a_prompt_may_end_with_a_tool() -> None:
    """After a tool has answered, it is the assistant's turn."""
    assert [message.role for message in prompt(USER, CALL, TOOL)] == ["user", "assistant", "tool"]


def test_a_completion_may_call_a_tool_and_go_on() -> None:
    """An answer may consist of several messages and begin with a call without text."""
    assert len(completion(CALL, TOOL, {"role": "assistant", "content": "Rain."})) == 3


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "List should have at least 1 item"),
        ([USER, CALL], "a prompt ends with the user or a tool, not the assistant"),
        (
            [{"role": "system", "content": "Be kind."}],
            "a prompt ends with the user or a tool, not the system",
        ),
        ([{"role": "user", "content": " \n"}], "the last turn of the prompt is empty"),
        (
            [{"role": "human", "content": "Hi"}],
            "Input should be 'system', 'user', 'assistant' or 'tool'",
        ),
        ([{**USER, "from": "me"}], "Extra inputs are not permitted"),
    ],
)
def test_a_prompt_that_is_none_is_refused(messages: list[dict[str, object]], message: str) -> None:
    """Each rule of a prompt has words of its own."""
    with pytest.raises(ValidationError, match=message):
        prompt(*messages)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "List should have at least 1 item"),
        ([USER], "a response begins with the assistant, not the user"),
        ([{"role": "assistant", "content": " "}], "the response is empty"),
    ],
)
def test_a_completion_that_is_none_is_refused(
    messages: list[dict[str, object]], message: str
) -> None:
    """Each rule of a completion has words of its own."""
    with pytest.raises(ValidationError, match=message):
        completion(*messages)


def test_empty_text_is_refused_like_an_empty_message() -> None:
    """The convenience of text opens no way around the rules."""
    with pytest.raises(ValidationError, match="the last turn of the prompt is empty"):
        PreferencePair.model_validate({"prompt": "", "chosen": "a", "rejected": "b"})


def test_the_arguments_of_a_call_are_kept_as_text() -> None:
    """A call written with a dict, as chat templates like it, is stored as JSON."""
    call = ToolCall.model_validate({"function": {"name": "w", "arguments": {"city": "Oslo"}}})
    assert call.function == FunctionCall(name="w", arguments='{"city": "Oslo"}')


def test_trl_gets_no_field_that_is_not_set() -> None:
    """A chat template that looks for tool calls finds none where there are none."""
    assert Message(role="user", content="Hi").to_trl() == {"role": "user", "content": "Hi"}
    assert Message.model_validate(TOOL).to_trl() == TOOL


def test_a_message_cannot_be_changed() -> None:
    """Records are values: a change makes a new one."""
    with pytest.raises(ValidationError, match="Instance is frozen"):
        Message(role="user", content="Hi").content = "Bye"  # type: ignore[misc]
