"""Conversations as text: for models that have no chat template, for judges and for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

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


def labelled_parts(turn: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What a turn says, thinks and calls, each with who does it, for a reader.

    Example:
        >>> call = {"function": {"name": "add", "arguments": '{"a": 1}'}}
        >>> turn = {"role": "assistant", "content": "", "tool_calls": [call]}
        >>> list(labelled_parts(turn))
        [('assistant calls add', '{"a": 1}')]
        >>> list(labelled_parts({"role": "tool", "content": "3", "name": "add"}))
        [('tool add', '3')]
    """
    role, calls = str(turn["role"]), turn.get("tool_calls")
    if thought := turn.get("reasoning_content"):
        yield f"{role} reasoning", str(thought)
    calls = calls if isinstance(calls, list) else []
    if turn["content"] or not calls:
        yield " ".join(filter(None, (role, str(turn.get("name") or "")))), str(turn["content"])
    for call in calls:
        yield f"{role} calls {call['function']['name']}", str(call["function"]["arguments"])


def is_plain(turn: Mapping[str, object]) -> bool:
    """Whether a turn has a role and a text, and no more.

    Example:
        >>> is_plain({"role": "user", "content": "Hi", "name": None})
        True
    """
    return not any(value for key, value in turn.items() if key not in ("role", "content"))


def as_template_message(message: Mapping[str, object]) -> dict[str, object]:
    """A message as chat templates take it: without unset fields, with arguments as objects.

    Columns of one type give every message every field, and templates ask whether a field is there;
    and most of them write arguments as JSON themselves, which would quote ours twice.

    Example:
        >>> as_template_message({"role": "user", "content": "Hi", "tool_calls": None})
        {'role': 'user', 'content': 'Hi'}
    """
    fields = {name: value for name, value in message.items() if value is not None}
    calls = fields.get("tool_calls")
    if isinstance(calls, list):
        fields["tool_calls"] = [with_arguments(call) for call in calls]
    return fields


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
    """The text of a turn behind what it thinks, and below it its calls, one JSON object a line."""
    calls = message.get("tool_calls")
    parsed = [with_arguments(call) for call in calls] if isinstance(calls, list) else []
    lines = [json.dumps(call.get("function", call), ensure_ascii=False) for call in parsed]
    texts = [str(message["content"])] if message["content"] or not lines else []
    thought = turn_thought(message)
    return thought + "\n".join([*texts, *lines])


def turn_thought(message: Mapping[str, object]) -> str:
    """What a turn thinks, between the marks of most models that think; ``""`` where it does not."""
    thought = message.get("reasoning_content")
    return f"<think>\n{thought}\n</think>\n\n" if thought else ""


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
