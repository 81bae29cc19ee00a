"""One message as it stands in a source, to turns: what it says, thinks, calls and answers.

The spellings are those of chat APIs and of trainers: fields beside the text, blocks inside it
(Anthropic), items of their own (Responses API), and roles that stand for a call (LLaMA-Factory,
ms-swift). A turn has only the fields that are set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from prefdata.formats.roles import ROLES
from prefdata.formats.text_shapes import CONTENT, SPEAKER, parse_cell
from prefdata.formats.transcript import Turn, Turns
from prefdata.records import reasons

CALL_ROLES = ("function_call", "tool_call", "tool_calls")
"""Roles of turns that are a call, written as JSON."""

REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
CALL_KEYS = ("tool_calls", "function_call")
MEDIA_KEYS = ("image", "images", "image_url", "audio", "audios", "video", "videos")
"""Keys of a message that stand for more than text, which is all that is read."""

EXTENSION_KEYS = (*REASONING_KEYS, *CALL_KEYS, "tool_call_id", "name")
"""Keys of a message that say more than who speaks, and what."""

TEXT_BLOCKS = ("text", "input_text", "output_text", "summary_text", "reasoning_text")
REASONING_BLOCKS = ("thinking", "reasoning", "redacted_thinking")
CALL_BLOCKS = ("tool_use", "tool_call", "function_call")
RESULT_BLOCKS = ("tool_result", "function_call_output")
EXTENDED_BLOCKS = (*REASONING_BLOCKS, *CALL_BLOCKS, *RESULT_BLOCKS)
"""Kinds of blocks, and of items in the place of messages, that are more than text."""

PART = "@part"
"""Marks a turn that belongs to another turn of the assistant beside it, until they are joined."""


class UnreadableError(ValueError):
    """Why a message cannot be read.

    Attributes:
        reason: one of `prefdata.records.reasons`.
        detail: what it is in this message.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def is_extended(value: object) -> bool:
    """Whether a value holds messages of which some have more than a role and a text.

    Example:
        >>> is_extended([{"role": "assistant", "content": "4", "reasoning_content": "2 + 2"}])
        True
        >>> is_extended([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}])
        False
    """
    if isinstance(value, list):
        return any(is_extended(item) for item in value)
    if not isinstance(value, dict):
        return False
    if value.get("type") in EXTENDED_BLOCKS:
        return True
    spoken = "content" in value or any(key in value for key in SPEAKER)
    if spoken and any(value.get(key) for key in (*EXTENSION_KEYS, *MEDIA_KEYS)):
        return True
    return isinstance(content := value.get("content"), list) and is_extended(content)


def without_nulls(value: object) -> object:
    """A value of a typed column, without the keys that only other rows have.

    Example:
        >>> without_nulls([{"role": "user", "name": None}])
        [{'role': 'user'}]
    """
    if isinstance(value, Mapping):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def message_turns(value: Mapping[str, object], role: str) -> Turns:
    """The turns of one message: one as a rule, more where it holds answers of tools.

    Args:
        value: the message.
        role: who speaks where it does not say.

    Raises:
        UnreadableError: it cannot be read.

    Example:
        >>> message_turns({"from": "gpt", "value": "4", "thinking": "2 + 2"}, "user")
        [{'role': 'assistant', 'content': '4', 'reasoning_content': '2 + 2'}]
    """
    if rows := _rows_of_columns(value):
        return [turn for row in rows for turn in message_turns(row, role)]
    if media := [key for key in MEDIA_KEYS if value.get(key)]:
        raise UnreadableError(reasons.NOT_TEXT, f"found {' and '.join(media)}")
    speaker = next((value[key] for key in SPEAKER if value.get(key) is not None), None)
    if speaker is None and value.get("type") in EXTENDED_BLOCKS:
        return _item(value)
    speaker = role if speaker is None else speaker
    content = next((value[key] for key in CONTENT if value.get(key) is not None), None)
    if str(speaker).lower() in CALL_ROLES:
        return [_part(calls=_calls(content), kind="calls")]
    usual_role = ROLES.get(str(speaker).lower())
    if isinstance(content, list):
        turns = _block_turns(content, usual_role or "")
    else:
        turns = [{"role": usual_role or "", "content": content}]
    if usual_role is None:
        raise UnreadableError(reasons.BAD_TURNS, f"unknown role {speaker!r}")
    fields = _fields(value)
    turns[-1] |= fields | _joined_fields(fields, turns[-1])
    for turn in turns:
        turn["content"] = _content(turn)
    return turns


def joined(turns: Turns) -> Turns:
    """Conversations without empty system turns, and with the parts of a turn put together.

    Example:
        >>> joined([{"role": "system", "content": " "}, {"role": "user", "content": "Hi"}])
        [{'role': 'user', 'content': 'Hi'}]
    """
    whole: Turns = []
    for turn in turns:
        if turn["role"] == "system" and not turn["content"].strip():
            continue
        before = whole[-1] if whole and whole[-1]["role"] == turn["role"] == "assistant" else {}
        if before.get(PART) == "thought" or (before and turn.get(PART) == "calls"):
            whole[-1] = _as_one(before, turn)
        else:
            whole.append(turn)
    return [{key: value for key, value in turn.items() if key != PART} for turn in whole]


def _as_one(before: Turn, turn: Turn) -> Turn:
    """Two parts of what the assistant said in one go."""
    calls = [*before.get("tool_calls", ()), *turn.get("tool_calls", ())]
    thoughts = [each["reasoning_content"] for each in (before, turn) if "reasoning_content" in each]
    return {
        **before,
        **turn,
        "content": before["content"] + turn["content"],
        **({"reasoning_content": "\n".join(thoughts)} if thoughts else {}),
        **({"tool_calls": calls} if calls else {}),
        PART: turn.get(PART),
    }


def _rows_of_columns(value: Mapping[str, object]) -> list[dict[str, object]]:
    """The messages of a conversation whose roles are one list, and whose texts are another."""
    roles = next((value[key] for key in SPEAKER if isinstance(value.get(key), list)), None)
    if not isinstance(roles, list):
        return []
    lists = {key: each for key, each in value.items() if isinstance(each, list)}
    if any(len(each) != len(roles) for each in lists.values()):
        raise UnreadableError(reasons.BAD_TURNS, "its roles and its texts differ in number")
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _item(value: Mapping[str, object]) -> Turns:
    """The turn of an item that stands in the place of a message."""
    kind = value["type"]
    if kind in CALL_BLOCKS:
        return [_part(calls=[_call(value)], kind="calls")]
    if kind in RESULT_BLOCKS:
        return [_result(value)]
    thought = _thought(value)
    return [_part(thought=thought, kind="thought")] if thought else []


def _part(*, kind: str, calls: Sequence[object] = (), thought: str = "") -> Turn:
    more = {"tool_calls": list(calls)} if calls else {}
    thoughts = {"reasoning_content": thought} if thought else {}
    return {"role": "assistant", "content": "", **thoughts, **more, PART: kind}


def _fields(value: Mapping[str, object]) -> Turn:
    """What a message has beside its text, under the names of our fields."""
    fields: Turn = {}
    if thought := _reasoning(value):
        fields["reasoning_content"] = thought
    if calls := [call for key in CALL_KEYS if value.get(key) for call in _calls(value[key])]:
        fields["tool_calls"] = calls
    for key in ("tool_call_id", "name"):
        if (text := value.get(key)) is not None and str(text).strip():
            fields[key] = str(text)
    return fields


def _joined_fields(fields: Turn, turn: Turn) -> Turn:
    """The fields that a message has in blocks as well as beside its text."""
    both: Turn = {}
    if "tool_calls" in fields and "tool_calls" in turn:
        both["tool_calls"] = [*turn["tool_calls"], *fields["tool_calls"]]
    thoughts = {each.get("reasoning_content") for each in (fields, turn)} - {None}
    if len(thoughts) > 1:
        raise UnreadableError(reasons.REASONING, "two that differ")
    return both


def _reasoning(value: Mapping[str, object]) -> str:
    texts = {key: value[key] for key in REASONING_KEYS if value.get(key)}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise UnreadableError(reasons.REASONING, f"{key} is not text")
    filled = {key: text for key, text in texts.items() if str(text).strip()}
    if len(set(filled.values())) > 1:
        raise UnreadableError(reasons.REASONING, f"{' and '.join(filled)} differ")
    return str(next(iter(filled.values()), ""))


def _content(turn: Turn) -> str:
    """The text of a turn; a turn that calls or thinks needs none."""
    content = turn["content"]
    if content is None and ("tool_calls" in turn or "reasoning_content" in turn):
        return ""
    if content is None:
        raise UnreadableError(reasons.MISSING, "content")
    if isinstance(content, str):
        return content
    if turn["role"] == "tool":
        return json.dumps(content, ensure_ascii=False)
    raise UnreadableError(reasons.WRONG_TYPE, "content is not text")


def _block_turns(blocks: Sequence[object], role: str) -> Turns:
    """The turns of a content that is a list of blocks, in their order."""
    _refuse_kinds(blocks)
    turns: Turns = []
    for block in blocks:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind in RESULT_BLOCKS and isinstance(block, dict):
            turns.append(_result(block))
            continue
        if not turns or turns[-1]["role"] != role or "tool_call_id" in turns[-1]:
            turns.append({"role": role, "content": None})
        _add_block(turns[-1], block, kind)
    return turns or [{"role": role, "content": ""}]


def _refuse_kinds(blocks: Sequence[object]) -> None:
    readable = {*TEXT_BLOCKS, *EXTENDED_BLOCKS}
    kinds = {str(b["type"]) for b in blocks if isinstance(b, dict) and b.get("type")}
    if odd := sorted(kinds - readable):
        tools = all("tool" in kind for kind in odd)
        reason = reasons.TOOLS if tools else reasons.NOT_TEXT
        raise UnreadableError(reason, f"found {', '.join(odd)}")


def _add_block(turn: Turn, block: object, kind: object) -> None:
    """Add a block to the turn that it belongs to."""
    if kind in CALL_BLOCKS and isinstance(block, dict):
        turn.setdefault("tool_calls", []).append(_call(block))
    elif kind in REASONING_BLOCKS and isinstance(block, dict):
        if thought := _thought(block):
            before = [turn["reasoning_content"]] if "reasoning_content" in turn else []
            turn["reasoning_content"] = "\n".join([*before, thought])
    else:
        turn["content"] = (turn["content"] or "") + _block_text(block)


def _block_text(block: object) -> str:
    if isinstance(block, dict):
        return str(next((block[key] for key in ("text", "value", "content") if block.get(key)), ""))
    return str(block)


def _thought(block: Mapping[str, object]) -> str:
    """The text of a block of reasoning; ``""`` where it is empty."""
    for key in ("thinking", "reasoning", "text", "value", "content", "summary"):
        value = block.get(key)
        text = "\n".join(map(_block_text, value)) if isinstance(value, list) else value
        if isinstance(text, str) and text.strip():
            return text
    if block.get("encrypted_content") or block["type"] == "redacted_thinking":
        raise UnreadableError(reasons.REASONING, "it is encrypted")
    return ""


def _result(block: Mapping[str, object]) -> Turn:
    """The turn of a tool that answers a call."""
    content = next((block[key] for key in ("content", "output") if block.get(key)), "")
    if isinstance(content, list):
        _refuse_kinds(content)
        content = "".join(map(_block_text, content))
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    answered = next((block[key] for key in ("tool_use_id", "call_id") if block.get(key)), "")
    return {
        "role": "tool",
        "content": text,
        **({"tool_call_id": str(answered)} if answered else {}),
    }


def _calls(value: object) -> list[Turn]:
    """Calls, one or several, as a list, an object or the text of either."""
    content = parse_cell(value) if isinstance(value, str) else value
    calls = content if isinstance(content, list) else [content]
    return [_call(call) for call in calls]


def _only(calls: list[Turn]) -> Turn:
    if len(calls) != 1:
        raise UnreadableError(reasons.TOOLS, f"{len(calls)} calls in the place of one")
    return calls[0]


def _call(value: object) -> Turn:
    """One call in the spelling of chat APIs, its arguments as JSON."""
    if not isinstance(value, Mapping):
        raise UnreadableError(reasons.TOOLS, "a call is no object")
    kind = value.get("type")
    if kind not in (None, "function", *CALL_BLOCKS):
        raise UnreadableError(reasons.TOOLS, f"a call of the type {kind!r}")
    if "name" not in value and isinstance(value.get("value"), str):  # LLaMA-Factory's blocks
        return _only(_calls(value["value"]))
    inner = value.get("function")
    function = inner if isinstance(inner, Mapping) else value
    name = inner if isinstance(inner, str) else function.get("name")
    if not isinstance(name, str) or not name:
        raise UnreadableError(reasons.TOOLS, "a call without a name")
    given: object = next((function[key] for key in ARGUMENTS if function.get(key) is not None), {})
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    identity = next((value[key] for key in ("call_id", "id") if value.get(key)), None)
    return {
        "id": None if identity is None else str(identity),
        "type": "function",
        "function": {"name": name, "arguments": arguments.strip() or "{}"},
    }


ARGUMENTS = ("arguments", "parameters", "input", "args")
"""Keys under which the arguments of a call stand."""
