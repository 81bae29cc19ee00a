"""Conversations as plain text, for models that have no chat template."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def prompt_text(messages: Sequence[Mapping[str, object]]) -> str:
    """A prompt as plain text, ending where the assistant is about to speak.

    The prompt ends in ``Assistant:`` and the completion starts with a space, so that tokens do
    not merge across the boundary.

    Args:
        messages: the turns before the answer.

    Example:
        >>> prompt_text([{"role": "user", "content": "Name a colour."}])
        'User: Name a colour.\\n\\nAssistant:'
    """
    turns = [f"{_speaker(message)}: {_turn_text(message)}" for message in messages]
    return "\n\n".join([*turns, "Assistant:"])


def completion_text(messages: Sequence[Mapping[str, object]]) -> str:
    """A completion as plain text, to stand right behind `prompt_text`.

    Example:
        >>> completion_text([{"role": "assistant", "content": "Blue."}])
        ' Blue.'
    """
    first, *rest = messages
    turns = [f"{_speaker(message)}: {_turn_text(message)}" for message in rest]
    return "\n\n".join([f" {_turn_text(first)}", *turns])


def with_arguments(call: Mapping[str, object]) -> dict[str, object]:
    """A tool call with its arguments parsed from JSON, and without fields that are null.

    Example:
        >>> with_arguments({"id": None, "function": {"name": "add", "arguments": '{"a": 1}'}})
        {'function': {'name': 'add', 'arguments': {'a': 1}}}
    """
    fields = {name: value for name, value in call.items() if value is not None}
    function = fields.get("function")
    if isinstance(function, Mapping) and isinstance(function.get("arguments"), str):
        fields["function"] = {**function, "arguments": _parse(function["arguments"])}
    return fields


def _speaker(message: Mapping[str, object]) -> str:
    role = str(message["role"])
    return SPEAKERS.get(role, role.capitalize())


def _turn_text(message: Mapping[str, object]) -> str:
    """The text of a turn, and below it its tool calls, one JSON object a line."""
    calls = message.get("tool_calls")
    parsed = [with_arguments(call) for call in calls] if isinstance(calls, list) else []
    lines = [json.dumps(call.get("function", call), ensure_ascii=False) for call in parsed]
    texts = [str(message["content"])] if message["content"] or not lines else []
    return "\n".join([*texts, *lines])


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
