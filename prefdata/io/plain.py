"""Conversations as plain text, for models that have no chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def prompt_text(messages: Sequence[Mapping[str, str]]) -> str:
    """A prompt as plain text, ending where the assistant is about to speak.

    The prompt ends in ``Assistant:`` and the completion starts with a space, so that tokens do
    not merge across the boundary.

    Args:
        messages: the turns before the answer.

    Example:
        >>> prompt_text([{"role": "user", "content": "Name a colour."}])
        'User: Name a colour.\\n\\nAssistant:'
    """
    turns = [f"{_speaker(message)}: {message['content']}" for message in messages]
    return "\n\n".join([*turns, "Assistant:"])


def completion_text(messages: Sequence[Mapping[str, str]]) -> str:
    """A completion as plain text, to stand right behind `prompt_text`.

    Example:
        >>> completion_text([{"role": "assistant", "content": "Blue."}])
        ' Blue.'
    """
    first, *rest = messages
    turns = [f"{_speaker(message)}: {message['content']}" for message in rest]
    return "\n\n".join([f" {first['content']}", *turns])


def _speaker(message: Mapping[str, str]) -> str:
    return SPEAKERS.get(message["role"], message["role"].capitalize())
