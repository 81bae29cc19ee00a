"""OpenAssistant (oasst1, oasst2): trees of messages in which people ranked the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.formats.value_key import value_key
from prefdata.records import reasons

READY = "ready_for_export"
FLAGS = ("rank", "deleted", "synthetic", "review_result", "model_name")
UNUSABLE = {"deleted": ("true", "1"), "synthetic": ("true", "1"), "review_result": ("false", "0")}
"""What says that a message is not to be used, also as text in a CSV file."""

POLARITY = "a lower rank is better; rank 0 is best among the answers to one message"
SETS = ("OpenAssistant/oasst1", "OpenAssistant/oasst2")
LICENCE = "Apache-2.0, in the data set's card"
NOTES = (
    "Answers to one message are compared with each other, under the conversation up to it. Not "
    "used: trees that are not ready for export, and answers that were deleted, failed their "
    "review or are synthetic, or that follow such a message. All languages are used."
)
GOOD = {"message_id": "2", "parent_id": "1", "role": "assistant", "text": "4", "rank": 0}
BAD = {**GOOD, "message_id": "3", "text": "5", "rank": 1}
ASKED = {"message_id": "1", "role": "prompter", "text": "What is 2 + 2?", "replies": [GOOD, BAD]}


def _in_tree(row: RawRow) -> RawRow:
    """All answers of a tree."""
    _ready(row)
    root = row.get("prompt")
    if not isinstance(root, Mapping):
        raise InvalidRow(reasons.WRONG_TYPE, "prompt", "expected a message with its replies")
    return {"answers": list(_answers(root))}


def _below(row: RawRow) -> RawRow:
    """All answers of a tree whose first message is the row itself."""
    _ready(row)
    if _id(row, "parent_id"):
        raise InvalidRow(
            reasons.MISSING, "parent_id", "the message that it follows is not in its row"
        )
    return {"answers": list(_answers(row))}


def _ready(row: RawRow) -> None:
    state = row.get("tree_state")
    if state and state != READY:
        raise InvalidRow(reasons.SET_ASIDE, "tree_state", str(state))


def _answers(root: RawRow) -> Iterator[RawRow]:
    """Each answer with the messages before it, in the order of the tree."""
    stack: list[tuple[RawRow, tuple[RawRow, ...]]] = [(root, ())]
    while stack:
        message, before = stack.pop()
        here = (*before, message)
        replies = message.get("replies")
        listed = replies if isinstance(replies, list) else []
        sound = [each for each in listed if isinstance(each, Mapping)]
        answers = [each for each in sound if each.get("role") == "assistant"]
        if len(sound) < len(listed):
            yield {"text": InvalidRow(reasons.WRONG_TYPE, "replies", "expected messages")}
        yield from (_answer(each, here, alone=len(answers) == 1) for each in answers)
        stack.extend((each, here) for each in reversed(sound))


def _answer(message: RawRow, before: Sequence[RawRow], *, alone: bool) -> RawRow:
    parent_id = before[-1].get("message_id")
    return {
        "prompt": [{"role": m.get("role"), "content": m.get("text")} for m in before],
        "text": _invalid(message, before, alone=alone) or message.get("text"),
        "rank": message.get("rank"),
        "model": message.get("model_name"),
        "asked": repr([m.get("text") for m in before]) if parent_id is None else parent_id,
    }


def _invalid(message: RawRow, before: Sequence[RawRow], *, alone: bool) -> InvalidRow | None:
    """Why an answer cannot be used, if it cannot."""
    for each in (message, *before):
        where = "" if each is message else "of a message before it"
        for flag, wrong in UNUSABLE.items():
            if value_key(each.get(flag)) in wrong:
                return InvalidRow(reasons.SET_ASIDE, flag, where)
    if alone and message.get("rank") is None:
        return InvalidRow(reasons.ALONE, "rank")
    return None


def _from_all(rows: Sequence[RawRow]) -> list[RawRow | InvalidRow]:
    """Each answer of a flat file with the messages before it, wherever they stand."""
    by_id: dict[str, RawRow] = {}
    for row in rows:
        if name := _id(row, "message_id"):
            by_id.setdefault(name, row)
    answers = Counter(
        _id(row, "parent_id") for row in by_id.values() if row.get("role") == "assistant"
    )
    return [_answer_of(row, by_id, answers) for row in rows]


def _answer_of(
    row: RawRow, by_id: Mapping[str, RawRow], answers: Counter[str]
) -> RawRow | InvalidRow:
    role, name = row.get("role"), _id(row, "message_id")
    if role == "prompter":
        return InvalidRow(reasons.USER_TURN, "role")
    if role != "assistant":
        return InvalidRow(reasons.BAD_TURNS, "role", f"unknown role {role!r}")
    if by_id.get(name) is not row:
        reason = reasons.DUPLICATE_KEY if name else reasons.MISSING
        return InvalidRow(reason, "message_id", f"{name} stands twice" if name else "")
    try:
        _ready(row)
        before = _before(row, by_id)
    except InvalidRow as invalid:
        return invalid
    answer = _answer(row, before, alone=answers[_id(row, "parent_id")] == 1)
    return answer["text"] if isinstance(answer["text"], InvalidRow) else answer


def _id(row: RawRow, field: str) -> str:
    """The id in a field, ``""`` where there is none."""
    value = row.get(field)
    return str(value) if isinstance(value, str | int) else ""


def _before(row: RawRow, by_id: Mapping[str, RawRow]) -> list[RawRow]:
    """The messages that lead to a row, the first one first."""
    messages: list[RawRow] = []
    visited = {_id(row, "message_id")}
    parent = _id(row, "parent_id")
    if not parent:
        raise InvalidRow(reasons.MISSING, "parent_id", "an answer follows a message")
    while parent:
        message = by_id.get(parent)
        if message is None:
            raise InvalidRow(reasons.MISSING, "parent_id", f"there is no message {parent}")
        if parent in visited:
            raise InvalidRow(reasons.BAD_TURNS, "parent_id", "it follows itself")
        visited.add(parent)
        messages.append(message)
        parent = _id(message, "parent_id")
    return messages[::-1]


def _nested(rows: list[RawRow]) -> bool:
    return any(row.get("replies") for row in rows)


def _flat(rows: list[RawRow]) -> bool:
    return not _nested(rows)


IN_TREE = {
    "prompt": "answers[].prompt",
    "response": "answers[].text",
    "rank": "answers[].rank",
    "model": "answers[].model",
    "list": "answers[].asked",
}

FORMATS = (
    format_of(
        FormatSpec(
            name="oasst-trees",
            kind="ratings",
            summary="one row per tree: a first message with its replies, and theirs",
            fields=IN_TREE,
            needs=("message_tree_id", "prompt.text", "prompt.role", "prompt.replies"),
            extra_columns=("tree_state",),
            prepare=_in_tree,
            polarity=POLARITY,
            ties="equal ranks",
            absent="no rank",
            group="conversation",
            sets=SETS,
            licence=LICENCE,
            notes=NOTES,
            example={"message_tree_id": "1", "tree_state": READY, "prompt": ASKED},
        )
    ),
    format_of(
        FormatSpec(
            name="oasst-nested",
            kind="ratings",
            summary="one row per tree: the first message itself, with its replies, and theirs",
            fields=IN_TREE,
            needs=("message_id", "text", "role", "replies"),
            extra_columns=("parent_id", "tree_state", *FLAGS),
            accepts=_nested,
            prepare=_below,
            polarity=POLARITY,
            ties="equal ranks",
            absent="no rank",
            group="conversation",
            sets=SETS,
            licence=LICENCE,
            notes=NOTES,
            example=ASKED,
        )
    ),
    format_of(
        FormatSpec(
            name="oasst-messages",
            kind="ratings",
            summary="one row per message, which names the message that it follows",
            fields={
                "prompt": "prompt",
                "response": "text",
                "rank": "rank",
                "model": "model",
                "list": "asked",
            },
            needs=("message_id", "parent_id", "text", "role", "rank"),
            extra_columns=("tree_state", "replies", *FLAGS[1:]),
            accepts=_flat,
            prepare_all=_from_all,
            polarity=POLARITY,
            ties="equal ranks",
            absent="no rank",
            group="conversation",
            sets=SETS,
            licence=LICENCE,
            notes=f"{NOTES} The file is read in one piece, since a message may follow any other.",
            example=GOOD,
        )
    ),
)
