"""Stack Exchange questions (Hugging Face H4): answers with scores made of votes."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec

FORMATS = (
    format_of(
        FormatSpec(
            name="stack-exchange",
            kind="ratings",
            summary="one row per question: a list of answers, each with a score made of its votes",
            fields={
                "prompt": "question",
                "response": "answers[].text",
                "score": "answers[].pm_score",
            },
            needs=("question", "answers[0].pm_score"),
            polarity="a higher pm_score is better; it grows with the logarithm of the votes",
            ties="equal scores, which are frequent",
            sets=("HuggingFaceH4/stack-exchange-preferences",),
            licence="CC-BY-SA-4.0, in the data set's card: authors must be named, and derived "
            "data shared alike",
            notes="Questions and answers are HTML and are kept as they are. Whether the asker "
            "selected an answer is part of the score, and is not read again.",
            example={
                "qid": 1,
                "question": "<p>What is 2 + 2?</p>",
                "answers": [
                    {"answer_id": 2, "text": "<p>4</p>", "pm_score": 5, "selected": True},
                    {"answer_id": 3, "text": "<p>5</p>", "pm_score": -1, "selected": False},
                ],
            },
        )
    ),
)
