"""ms-swift: a conversation that ends with the better answer, and the rejected one beside it."""

from __future__ import annotations

from collections.abc import Mapping

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.formats.text_only import COLUMNS, text_only
from prefdata.records import reasons


def _rejects(rows: list[RawRow]) -> bool:
    """Whether a rejected answer stands beside the conversations."""
    return any(row.get("rejected_response") or row.get("rejected_messages") for row in rows)


def _both(row: RawRow) -> RawRow:
    """Two whole conversations: the rejected answer stands in for all after the last question."""
    text_only(row)
    if conversation := row.get("rejected_messages"):
        return {**row, "rejected": [conversation]}
    rejected = row.get("rejected_response")
    answers = rejected if isinstance(rejected, list) else [rejected]
    before = _question(row.get("messages"))
    answered = [
        None if text is None else [*before, {"role": "assistant", "content": text}]
        for text in answers
    ]
    return {**row, "rejected": answered}


def _question(messages: object) -> list[object]:
    """A conversation up to what the user, or a tool, said last."""
    if not isinstance(messages, list):
        raise InvalidRow(reasons.MISSING if messages is None else reasons.WRONG_TYPE, "messages")
    end = len(messages)
    while (
        end and isinstance(turn := messages[end - 1], Mapping) and turn.get("role") == "assistant"
    ):
        end -= 1
    return messages[:end]


FORMATS = (
    format_of(
        FormatSpec(
            name="ms-swift",
            kind="pairs",
            summary="one row per pair: messages with the better answer, and the rejected one",
            fields={
                "system": "system",
                "chosen": "messages",
                "rejected": "rejected[]",
                "margin": "margin",
            },
            needs=("messages",),
            extra_columns=("system", "margin", "rejected_response", "rejected_messages", *COLUMNS),
            lists=("rejected_response",),
            accepts=_rejects,
            prepare=_both,
            polarity="messages end with the better answer",
            ties="a margin of 0",
            licence="in the data set's card",
            notes="A list of rejected responses gives a pair for each. Labelled conversations, as "
            "for KTO, are kto-messages.",
            example={
                "messages": [
                    {"role": "user", "content": "What is 2 + 2?"},
                    {"role": "assistant", "content": "4"},
                ],
                "rejected_response": "5",
            },
        )
    ),
)
