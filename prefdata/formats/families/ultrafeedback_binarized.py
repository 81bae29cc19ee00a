"""UltraFeedback made into pairs (Hugging Face H4, Argilla), and into labels for KTO."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec

ASKED = {"role": "user", "content": "What is 2 + 2?"}
GOOD = [ASKED, {"role": "assistant", "content": "4"}]
BAD = [ASKED, {"role": "assistant", "content": "5"}]
LICENCE = "MIT, in the data set's card"
EQUAL = "equal scores"

FORMATS = (
    format_of(
        FormatSpec(
            name="ultrafeedback-binarized",
            kind="pairs",
            summary="one row per pair: a prompt, two whole conversations and their scores",
            fields={
                "prompt": "prompt",
                "chosen": "chosen",
                "rejected": "rejected",
                "score_chosen": "score_chosen",
                "score_rejected": "score_rejected",
            },
            needs=("prompt", "prompt_id", "messages", "score_chosen", "score_rejected"),
            polarity="the chosen conversation ends with the better answer, of the higher score",
            ties=EQUAL,
            sets=("HuggingFaceH4/ultrafeedback_binarized",),
            licence=LICENCE,
            notes="Take the *_prefs splits: the others are made for other training and repeat "
            "rows. The column messages repeats chosen and is not read.",
            example={
                "prompt": "What is 2 + 2?",
                "prompt_id": "0f",
                "chosen": GOOD,
                "rejected": BAD,
                "messages": GOOD,
                "score_chosen": 8.5,
                "score_rejected": 4.0,
            },
        )
    ),
    format_of(
        FormatSpec(
            name="ultrafeedback-argilla",
            kind="pairs",
            summary="one row per pair: two answers as text, each with its mean rating",
            fields={
                "prompt": "instruction",
                "chosen": "chosen_response",
                "rejected": "rejected_response",
                "score_chosen": "chosen_avg_rating",
                "score_rejected": "rejected_avg_rating",
                "model_chosen": "chosen_model",
                "source": "source",
            },
            needs=("instruction", "chosen_avg_rating", "rejected_avg_rating"),
            polarity="the chosen answer is better, and has the higher mean rating",
            ties="equal mean ratings",
            sets=("argilla/ultrafeedback-binarized-preferences",),
            licence=LICENCE,
            notes="It holds prompts of TruthfulQA; the cleaned version does not.",
            example={
                "source": "evol_instruct",
                "instruction": "What is 2 + 2?",
                "chosen_response": "4",
                "rejected_response": "5",
                "chosen_avg_rating": 5.0,
                "rejected_avg_rating": 1.5,
                "chosen_model": "gpt-4",
            },
        )
    ),
    format_of(
        FormatSpec(
            name="ultrafeedback-cleaned",
            kind="pairs",
            summary="one row per pair: two whole conversations, columns written with hyphens",
            fields={
                "prompt": "prompt",
                "chosen": "chosen",
                "rejected": "rejected",
                "score_chosen": "chosen-rating",
                "score_rejected": "rejected-rating",
                "model_chosen": "chosen-model",
                "model_rejected": "rejected-model",
                "source": "source",
            },
            needs=("prompt", "chosen-rating", "rejected-rating"),
            polarity="the chosen conversation ends with the better answer, of the higher rating",
            ties="equal ratings",
            sets=("argilla/ultrafeedback-binarized-preferences-cleaned",),
            licence=LICENCE,
            example={
                "source": "evol_instruct",
                "prompt": "What is 2 + 2?",
                "chosen": GOOD,
                "chosen-rating": 5.0,
                "chosen-model": "gpt-4",
                "rejected": BAD,
                "rejected-rating": 1.5,
                "rejected-model": "alpaca-7b",
            },
        )
    ),
    format_of(
        FormatSpec(
            name="ultrafeedback-cleaned-kto",
            kind="unpaired",
            summary="one row per answer: the cleaned pairs taken apart, each answer with its label",
            fields={"prompt": "prompt", "completion": "completion", "label": "label"},
            values={"true": "true", "false": "false"},
            needs=("prompt",),
            by_name=True,
            polarity="true: the answer was the chosen one of its pair",
            ties="none",
            sets=("argilla/ultrafeedback-binarized-preferences-cleaned-kto",),
            licence=LICENCE,
            notes="A label says how the answer compared with one other answer; where a column "
            "rating stands beside it, the label is what counts.",
            example={"prompt": "What is 2 + 2?", "completion": "4", "label": True},
        )
    ),
)
