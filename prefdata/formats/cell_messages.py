"""Messages that stand as text in single cells, whatever the other cells of the column hold.

What certainly is messages is read: JSON, or what Python or NumPy prints, whose items have a known
role and a content; and what begins with ``Human:`` and goes on with ``Assistant:`` on a line of its
own after a blank one. What has a role in it but cannot be parsed is refused. All else, also an
answer that is JSON, stays the text that it is.
"""

from __future__ import annotations

import json
import re

from prefdata.formats.message import MEDIA_KEYS
from prefdata.formats.roles import ROLES
from prefdata.formats.text_shapes import parse_cell

CELL_BEGINS = r"\A\s*(?:\[*\s*\{|array\(|Human\s*:)"
"""How a cell begins that may hold messages; a cheap look before the closer one."""

OBJECT = re.compile(r"\s*(?:\[|array\()*\s*\{")
ROLE = re.compile(rf"""['"](?:role|from)['"]\s*:\s*['"](?:{"|".join(ROLES)})['"]""", re.IGNORECASE)
HUMAN = re.compile(r"\s*Human\s*:")
ASSISTANT = "\n\nAssistant:"
KEYS = (("role", "content"), ("role", "text"), ("from", "value"))
CALLS = ("tool_calls", "function_call")
MORE_KEYS = {
    *("name", "id", "type", "weight", "tool_call_id", "reasoning_content", "reasoning"),
    *("thinking", "refusal", "annotations", "metadata", "options", *CALLS, *MEDIA_KEYS),
}
"""What a message has beside its role and its content."""


def is_hh_transcript(text: str) -> bool:
    """Whether a text is certainly a transcript, with both speakers as in the HH-RLHF files.

    Example:
        >>> is_hh_transcript("\\n\\nHuman: Hi\\n\\nAssistant: Hello"), is_hh_transcript("Human: Hi")
        (True, False)
    """
    return bool(HUMAN.match(text)) and ASSISTANT in text


def cell_messages(text: str) -> tuple[object, bool]:
    """What a cell holds if that certainly is messages, and whether it looks so but is broken.

    Example:
        >>> cell_messages('{"role": "user", "content": "Hi"}')
        ({'role': 'user', 'content': 'Hi'}, False)
        >>> cell_messages('[{"role": "user", "content": "Hi'), cell_messages('{"a": 1}')
        ((None, True), (None, False))
    """
    if not OBJECT.match(text) or not ROLE.search(text):
        return None, False
    content = parse_cell(text)
    if content is None:
        return None, not _begins_with_json(text)
    return (content, False) if are_messages(content) else (None, False)


def are_messages(content: object) -> bool:
    """Whether a value is a message or a list of messages, at least one of them by a known role.

    Example:
        >>> are_messages([{"role": "user", "content": "Hi"}]), are_messages([{"role": "king"}])
        (True, False)
    """
    items = content if isinstance(content, list) else [content]
    roles = [_role(item, alone=not isinstance(content, list)) for item in items]
    return None not in roles and any(role in ROLES for role in roles)


def _role(item: object, *, alone: bool) -> str | None:
    """The role of a message in small letters; None where it is no message."""
    if not isinstance(item, dict):
        return None
    for speaker, content in KEYS:
        role = item.get(speaker)
        if isinstance(role, str) and (content in item or any(key in item for key in CALLS)):
            extra = set(item) - MORE_KEYS - {speaker, content}
            return None if alone and extra else role.lower()
    return None


def _begins_with_json(text: str) -> bool:
    """Whether a whole JSON value stands at the beginning, and other text behind it."""
    try:
        _, end = json.JSONDecoder().raw_decode(text.strip())
    except (ValueError, RecursionError):
        return False
    return end < len(text.strip())
