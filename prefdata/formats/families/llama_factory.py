"""LLaMA-Factory: its alpaca and sharegpt shapes for pairs and for KTO, and the messages of v1."""

from __future__ import annotations

from collections.abc import Mapping

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, RawRow
from prefdata.formats.text_only import COLUMNS, text_only
from prefdata.formats.value_key import value_key
from prefdata.formats.verdict_words import NONE

QUESTION = "What is 2 + 2?"
ASKED = {"from": "human", "value": QUESTION}
TALK = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "4"}]
LABELS = {"true": "true", "false": "false", "1": "true", "0": "false"}
GOOD = "true: the answer was good; false: it was bad"
OTHERS = ("chosen", "rejected", "rejected_response", "rejected_messages", "prompt", "completion")


def _weighted(rows: list[RawRow]) -> bool:
    """Whether messages have weights, which no other format gives them."""
    turns = [turn for row in rows for turn in _list(row.get("chosen_messages"))]
    return any(isinstance(turn, Mapping) and "loss_weight" in turn for turn in turns)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _only_labels(rows: list[RawRow]) -> bool:
    """Whether labels are true and false, and nothing else is there to be compared."""
    words = [word for row in rows if (word := value_key(row.get("label"))) not in NONE]
    boolean = sum(word in LABELS for word in words) >= 0.9 * len(words)
    return boolean and not any(row.get(name) for row in rows for name in OTHERS)


def _turn(text: str, weight: float, role: str = "assistant") -> dict[str, object]:
    return {"role": role, "content": [{"type": "text", "value": text}], "loss_weight": weight}


FORMATS = (
    format_of(
        FormatSpec(
            name="llama-factory",
            kind="pairs",
            summary="one row per pair: instruction, input, chosen, rejected and the turns before",
            fields={
                "prompt": ("instruction", "input"),
                "system": "system",
                "history": "history",
                "chosen": "chosen",
                "rejected": "rejected",
            },
            needs=("instruction", "chosen", "rejected"),
            extra_columns=("input", "system", "history", *COLUMNS),
            prepare=text_only,
            by_name=True,
            polarity="the chosen column holds the better answer",
            ties="none",
            sets=("LLaMA-Factory",),
            licence="in the data set's card",
            notes="Recognised where LLaMA-Factory stands in the path; elsewhere the same columns "
            "are read as pairs.",
            example={"instruction": QUESTION, "input": "", "chosen": "4", "rejected": "5"},
        )
    ),
    format_of(
        FormatSpec(
            name="llama-factory-sharegpt",
            kind="pairs",
            summary="one row per pair: conversations up to the question, and two messages",
            fields={
                "prompt": "conversations",
                "system": "system",
                "chosen": "chosen",
                "rejected": "rejected",
            },
            needs=("conversations", "chosen.value", "rejected.value"),
            extra_columns=("system", *COLUMNS),
            prepare=text_only,
            polarity="the chosen column holds the better answer",
            ties="none",
            sets=("llamafactory/DPO-En-Zh-20k",),
            licence="in the data set's card",
            example={
                "conversations": [ASKED],
                "chosen": {"from": "gpt", "value": "4"},
                "rejected": {"from": "gpt", "value": "5"},
            },
        )
    ),
    format_of(
        FormatSpec(
            name="llama-factory-kto",
            kind="unpaired",
            summary="one row per answer: instruction, input, output and whether it was good",
            fields={
                "prompt": ("instruction", "input"),
                "system": "system",
                "history": "history",
                "completion": "output",
                "label": "kto_tag",
            },
            values=LABELS,
            needs=("instruction", "output", "kto_tag"),
            extra_columns=("input", "system", "history", *COLUMNS),
            prepare=text_only,
            polarity=GOOD,
            licence="in the data set's card",
            example={"instruction": QUESTION, "input": "", "output": "4", "kto_tag": True},
        )
    ),
    format_of(
        FormatSpec(
            name="llama-factory-kto-sharegpt",
            kind="unpaired",
            summary="one row per conversation, and whether its last answer was good",
            fields={"system": "system", "completion": "conversations", "label": "kto_tag"},
            values=LABELS,
            needs=("conversations", "kto_tag"),
            extra_columns=("system", *COLUMNS),
            prepare=text_only,
            polarity=GOOD,
            licence="in the data set's card",
            example={"conversations": [ASKED, {"from": "gpt", "value": "4"}], "kto_tag": True},
        )
    ),
    format_of(
        FormatSpec(
            name="kto-messages",
            kind="unpaired",
            summary="one row per conversation in messages, and whether its last answer was good",
            fields={"system": "system", "completion": "messages", "label": "label"},
            values=LABELS,
            needs=("messages", "label"),
            extra_columns=("system", *OTHERS, *COLUMNS),
            accepts=_only_labels,
            prepare=text_only,
            polarity=GOOD,
            licence="in the data set's card",
            notes="As LLaMA-Factory's demo and ms-swift write KTO data.",
            example={"messages": TALK, "label": True},
        )
    ),
    format_of(
        FormatSpec(
            name="llama-factory-v1",
            kind="pairs",
            summary="one row per pair: two whole conversations of messages with weights",
            fields={"chosen": "chosen_messages", "rejected": "rejected_messages"},
            accepts=_weighted,
            polarity="chosen_messages end with the better answer",
            ties="none",
            licence="in the data set's card",
            notes="Weights are not read: a pair is trained on by its answers.",
            example={
                "chosen_messages": [_turn(QUESTION, 0.0, "user"), _turn("4", 1.0)],
                "rejected_messages": [_turn(QUESTION, 0.0, "user"), _turn("5", 1.0)],
            },
        )
    ),
)
