"""Nectar (Berkeley): seven answers to a prompt, ranked by a model."""

from __future__ import annotations

import re

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.formats.transcript import is_transcript
from prefdata.records import reasons

LEAK = re.compile(r"(?:\A|\n)\s*(Human|Assistant):")


def _without_leaks(row: RawRow) -> RawRow:
    """Refuse each answer in which the conversation goes on."""
    prompt, answers = row.get("prompt"), row.get("answers")
    if isinstance(prompt, str) and not is_transcript(prompt):
        raise InvalidRow(reasons.BAD_TURNS, "prompt", "it does not begin with Human:")
    if not isinstance(answers, list):
        return row
    return {**row, "answers": [_looked_at(each) for each in answers]}


def _looked_at(answer: object) -> object:
    text = answer.get("answer") if isinstance(answer, dict) else None
    leak = LEAK.search(text) if isinstance(text, str) else None
    if not isinstance(answer, dict) or not leak:
        return answer
    return {
        **answer,
        "answer": InvalidRow(reasons.BAD_TURNS, "answers", f"found {leak[1] + ':'!r}"),
    }


FORMATS = (
    format_of(
        FormatSpec(
            name="nectar",
            kind="ratings",
            summary="one row per prompt: a list of answers with their ranks",
            fields={
                "prompt": "prompt",
                "response": "answers[].answer",
                "rank": "answers[].rank",
                "model": "answers[].model",
            },
            needs=("prompt", "answers[0].answer", "answers[0].rank"),
            prepare=_without_leaks,
            polarity="a lower rank is better; rank 1 is best",
            ties="equal ranks",
            sets=("berkeley-nest/Nectar",),
            licence="Apache-2.0, in the data set's card",
            notes="An answer in which a turn of 'Human:' or 'Assistant:' follows is left out; "
            "the other answers of its row are used.",
            example={
                "prompt": "\n\nHuman: What is 2 + 2?\n\nAssistant: ",
                "answers": [
                    {"answer": "5", "model": "x", "rank": 2.0},
                    {"answer": "4", "model": "y", "rank": 1.0},
                ],
            },
        )
    ),
)
