"""WebGPT comparisons (OpenAI): two answers with quotes, and a score for each."""

from __future__ import annotations

from prefdata.formats.numbers import number_of
from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.records import reasons


def _opposite(row: RawRow) -> RawRow:
    """The two scores must be each other's opposite."""
    first, second = number_of(row.get("score_0")), number_of(row.get("score_1"))
    if first is None or second is None:
        return row
    if (first > 0) != (second < 0) or (first < 0) != (second > 0):
        raise InvalidRow(reasons.CONFLICT, "score_1", f"the scores are {first:g} and {second:g}")
    return row


FORMATS = (
    format_of(
        FormatSpec(
            name="webgpt",
            kind="comparisons",
            summary="one row per two answers to a question: scores from -1 to 1",
            fields={
                "prompt": "question.full_text",
                "response_a": "answer_0",
                "response_b": "answer_1",
                "winner": "score_0",
            },
            values={"positive": "a", "negative": "b"},
            needs=("question.full_text", "answer_0", "answer_1", "score_0", "score_1"),
            prepare=_opposite,
            polarity="a positive score_0: the first is better; a negative one: the second",
            ties="scores of 0",
            sets=("openai/webgpt_comparisons",),
            licence="the data set's card states none",
            notes="The quotes that an answer cites as [1], [2] differ from side to side and are no "
            "part of the prompt. Rejected: scores that are not each other's opposite.",
            example={
                "question": {"full_text": "What is 2 + 2?"},
                "answer_0": "4",
                "score_0": 0.5,
                "answer_1": "5",
                "score_1": -0.5,
            },
        )
    ),
)
