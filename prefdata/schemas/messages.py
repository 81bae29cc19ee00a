"""Messages, and the two runs of them that everything is made of: the prompt and the completion."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from prefdata.records.plain_text import with_arguments
from prefdata.schemas.record import Record, Stored

Role = Literal["system", "user", "assistant", "tool"]
EXTENDED = Stored(only_with="extended")


def _as_json(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


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
    reasoning_content: Annotated[str | None, EXTENDED] = None
    """What the assistant thinks before it speaks."""
    tool_calls: Annotated[list[ToolCall] | None, EXTENDED] = None
    """The calls that the assistant makes."""
    tool_call_id: Annotated[str | None, EXTENDED] = None
    """The call that is answered."""
    name: Annotated[str | None, EXTENDED] = None
    """The tool that answers, or who speaks."""

    @property
    def blank(self) -> bool:
        """Whether the turn says nothing and calls nothing."""
        return not self.content.strip() and not self.tool_calls

    def to_trl(self) -> dict[str, object]:
        """Give the message as TRL takes it: without unset fields, with arguments as objects."""
        message = self.model_dump(exclude_none=True)
        if self.tool_calls:
            message["tool_calls"] = [with_arguments(call) for call in message["tool_calls"]]
        return message


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


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


def _list_of_objects(text: str | None) -> str | None:
    if text is None:
        return None
    tools = _parsed(text)
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ValueError("tools are a list of objects")
    return text


def _object(text: str | None) -> str | None:
    if text is not None and not isinstance(_parsed(text), dict):
        raise ValueError("arguments of the chat template are an object")
    return text


Prompt = Annotated[
    list[Message],
    Field(min_length=1),
    BeforeValidator(_text_by("user")),
    AfterValidator(_prompt),
]
"""The messages before the answer, ending in a user or tool turn; text is one user message."""

Tools = Annotated[
    str | None,
    BeforeValidator(_as_json),
    AfterValidator(_list_of_objects),
    Stored(only_with="tools"),
]
"""The tools on offer: a list of their schemas as JSON; given as a list, it is written as JSON."""

TemplateArguments = Annotated[
    str | None,
    BeforeValidator(_as_json),
    AfterValidator(_object),
    Stored(only_with="chat_template_kwargs"),
]
"""Arguments of the chat template: an object as JSON; given as a dict, it is written as JSON."""

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


def template_to_trl(tools: str | None, chat_template_kwargs: str | None) -> dict[str, object]:
    """Give what the chat template takes beside the messages, as TRL takes it, where it is set.

    Example:
        >>> template_to_trl(None, '{"enable_thinking": false}')
        {'chat_template_kwargs': {'enable_thinking': False}}
    """
    texts = {"tools": tools, "chat_template_kwargs": chat_template_kwargs}
    return {name: json.loads(text) for name, text in texts.items() if text is not None}
