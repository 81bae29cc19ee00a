"""A conversation written as one text, with `Human:` and `Assistant:` before the turns.

The HH-RLHF files (Anthropic) write ``\\n\\nHuman: …\\n\\nAssistant: …``; chat tools export
``User:`` and ``Assistant:`` at the beginning of a line. Reading is strict: what does not parse is
refused with the reason, and no later turn stays inside an answer.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from prefdata.records import reasons

Turn = dict[str, Any]
"""A message: its role, its content, and where it has them the fields of extended messages."""

Turns = list[Turn]

ROLES = {"human": "user", "user": "user", "assistant": "assistant", "system": "system"}
HH = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
LINES = re.compile(r"(?:\A|\n)[ \t]*(Human|User|Assistant|System)[ \t]*:", re.IGNORECASE)
VICUNA = re.compile(r"(?:\A|\s|</s>)(USER|ASSISTANT):")
"""The turns as Vicuna's template writes them, all on one line."""

IS_VICUNA = re.compile(r"\s*USER:.*[ \t]ASSISTANT:", re.DOTALL)
BROKEN = re.compile(r"\n\n(Hum|Huma|Humans|Assist|Assistan|Asistant|Assitant) ?:")
BEGINNING = re.compile(r"\s*(human|user|system|assistant)[ \t]*:", re.IGNORECASE)


def is_transcript(text: str) -> bool:
    """Whether a text begins like a transcript.

    Example:
        >>> is_transcript("\\n\\nHuman: Hi\\n\\nAssistant: Hello"), is_transcript("Human nature")
        (True, False)
    """
    return bool(BEGINNING.match(text))


def parse_transcript(text: str) -> tuple[Turns, str, str]:
    """Split a transcript into turns: ``(messages, "", "")``, or ``([], reason, detail)``.

    Example:
        >>> parse_transcript("\\n\\nHuman: Hi\\n\\nAssistant: Hello")[0]
        [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello'}]
        >>> parse_transcript("USER: Hi ASSISTANT: Hello")[0][1]
        {'role': 'assistant', 'content': 'Hello'}
    """
    if not is_transcript(text):
        return [], reasons.BAD_TURNS, "it does not begin with Human:, User: or System:"
    if broken := BROKEN.search(text):
        return [], reasons.BAD_TURNS, f"found {broken[1] + ':'!r}"
    markers = VICUNA if IS_VICUNA.match(text) else LINES
    if text.lstrip().startswith(("Human:", "Assistant:")):
        markers, text = HH, "\n\n" + text.lstrip()
    _, *pieces = markers.split(text)
    messages = [
        {"role": ROLES[role.lower()], "content": content.strip()}
        for role, content in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    twice = next((i for i, (x, y) in enumerate(pairwise(messages), 1) if x["role"] == y["role"]), 0)
    if twice:
        return (
            [],
            reasons.BAD_TURNS,
            f"turns {twice} and {twice + 1} are both the {messages[twice]['role']}'s",
        )
    return messages, "", ""
