"""Messages, and the two runs of them that everything is made of: the prompt and the completion."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from prefdata.schemas.record import Record, Stored

Role = Literal["system", "user", "assistant", "tool"]
TOOLS = Stored(only_with="tools")


def _as_json(arguments: object) -> object:
    return json.dumps(arguments) if isinstance(arguments, dict) else arguments


class FunctionCall(Record):
    """Which function is called, and with what."""

    name: str
    arguments: Annotated[str, BeforeValidator(_as_json)]
    """A JSON object, as text; given as a dict, it is written as JSON."""


class ToolCall(Record):
    """One call of a tool by the assistant, as chat APIs write it."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: FunctionCall


class Message(Record):
    """One turn of a conversation.

    Example:
        >>> Message(role="user", content="Hi").to_trl()
        {'role': 'user', 'content': 'Hi'}
    """

    role: Role
    content: str
    """The text; may be empty where the turn consists of tool calls."""
    name: Annotated[str | None, TOOLS] = None
    """The tool that answers."""
    tool_call_id: Annotated[str | None, TOOLS] = None
    """The call that is answered."""
    tool_calls: Annotated[list[ToolCall] | None, TOOLS] = None
    """The calls that the assistant makes."""

    @property
    def blank(self) -> bool:
        """Whether the turn says nothing and calls nothing."""
        return not self.content.strip() and not self.tool_calls

    def to_trl(self) -> dict[str, object]:
        """Give the message as TRL takes it: a dict without the fields that are not set."""
        return self.model_dump(exclude_none=True)


def _text_by(role: Role) -> Callable[[object], object]:
    def as_messages(value: object) -> object:
        return [{"role": role, "content": value}] if isinstance(value, str) else value

    return as_messages


def _prompt(messages: list[Message]) -> list[Message]:
    if messages[-1].role not in ("user", "tool"):
        raise ValueError(f"a prompt ends with the user or a tool, not the {messages[-1].role}")
    if messages[-1].blank:
        raise ValueError("the last turn of the prompt is empty")
    return messages


def _completion(messages: list[Message]) -> list[Message]:
    if messages[0].role != "assistant":
        raise ValueError(f"a response begins with the assistant, not the {messages[0].role}")
    if all(message.blank for message in messages):
        raise ValueError("the response is empty")
    return messages


Prompt = Annotated[
    list[Message],
    Field(min_length=1),
    BeforeValidator(_text_by("user")),
    AfterValidator(_prompt),
]
"""The messages before the answer, ending in a user or tool turn; text is one user message."""

Completion = Annotated[
    list[Message],
    Field(min_length=1),
    BeforeValidator(_text_by("assistant")),
    AfterValidator(_completion),
]
"""The answer: its first message is the assistant's; text is one assistant message."""


def to_trl(messages: Sequence[Message]) -> list[dict[str, object]]:
    """Give messages as TRL takes them.

    Example:
        >>> to_trl([Message(role="assistant", content="Hello")])
        [{'role': 'assistant', 'content': 'Hello'}]
    """
    return [message.to_trl() for message in messages]
