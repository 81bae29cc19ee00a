"""UltraFeedback (OpenBMB), as it was published: four answers to an instruction, each rated."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec

ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")


def _annotated(ratings: dict[str, str], **fields: object) -> dict[str, object]:
    return {"annotations": {name: {"Rating": value} for name, value in ratings.items()}, **fields}


FORMATS = (
    format_of(
        FormatSpec(
            name="ultrafeedback",
            kind="ratings",
            summary="one row per instruction: answers, each with four ratings and an overall score",
            fields={
                "prompt": "instruction",
                "response": "completions[].response",
                "model": "completions[].model",
                "score": {
                    **{name: f"completions[].annotations.{name}.Rating" for name in ASPECTS},
                    "overall": "completions[].overall_score",
                },
            },
            needs=("instruction", "completions[0].annotations"),
            dimensions=dict.fromkeys(ASPECTS, 1.0),
            polarity="a higher rating is better; 'N/A' is no rating",
            ties="equal means",
            absent="'N/A' on every aspect",
            sets=("openbmb/UltraFeedback",),
            licence="MIT, in the data set's card",
            notes="Pairs rest on the mean of the four aspects that an answer was rated on; "
            "--dimension overall takes overall_score instead. In files from before 2023-12-29, "
            "2,628 overall scores of 1 read 10. Each answer was written under a "
            "custom_system_prompt of its own; it is no part of the prompt.",
            example={
                "instruction": "What is 2 + 2?",
                "models": ["x", "y"],
                "completions": [
                    _annotated(dict.fromkeys(ASPECTS, "5"), model="x", response="4"),
                    _annotated(dict.fromkeys(ASPECTS, "1"), model="y", response="5"),
                ],
            },
        )
    ),
)
