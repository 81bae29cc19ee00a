"""Mixtures of preference sets: Argilla's, mlabonne's, Skywork's and those of Tulu 3."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec

ASKED = {"role": "user", "content": "What is 2 + 2?"}
GOOD = [ASKED, {"role": "assistant", "content": "4"}]
BAD = [ASKED, {"role": "assistant", "content": "5"}]
WHOLE = "the chosen conversation ends with the better answer"
PARTS = "in the data set's card; its parts have licences of their own"

FORMATS = (
    format_of(
        FormatSpec(
            name="dpo-mix",
            kind="pairs",
            summary="one row per pair: two whole conversations with ratings, and no prompt",
            fields={
                "chosen": "chosen",
                "rejected": "rejected",
                "score_chosen": "chosen_rating",
                "score_rejected": "rejected_rating",
                "source": "dataset",
            },
            by_name=True,
            polarity=f"{WHOLE}, of the higher rating",
            ties="equal ratings",
            sets=("argilla/dpo-mix-7k",),
            licence=PARTS,
            notes="The prompt is what both conversations begin with.",
            example={
                "dataset": "capybara",
                "chosen": GOOD,
                "chosen_rating": 5,
                "rejected": BAD,
                "rejected_rating": 2,
            },
        )
    ),
    format_of(
        FormatSpec(
            name="kto-mix",
            kind="unpaired",
            summary="one row per conversation: whether its last answer was good",
            fields={"completion": "completion", "label": "label"},
            values={"true": "true", "false": "false"},
            by_name=True,
            polarity="true: the last answer was the chosen one of its pair",
            ties="none",
            sets=("argilla/kto-mix-15k",),
            licence=PARTS,
            notes="The column completion holds the whole conversation: the prompt is taken off it.",
            example={"completion": GOOD, "label": True},
        )
    ),
    format_of(
        FormatSpec(
            name="orpo-dpo-mix",
            kind="pairs",
            summary="one row per pair: two whole conversations, of seven data sets",
            fields={"chosen": "chosen", "rejected": "rejected", "source": "source"},
            by_name=True,
            polarity=WHOLE,
            ties="none are marked",
            sets=("mlabonne/orpo-dpo-mix-40k",),
            licence=PARTS,
            notes="The prompt is what both conversations begin with; the columns prompt and "
            "question, one of them often empty, are not read. The source toxic-dpo-v0.2 prefers "
            "harmful answers: leave those rows out unless that is what you want.",
            example={"source": "Airoboros", "chosen": GOOD, "rejected": BAD},
        )
    ),
    format_of(
        FormatSpec(
            name="skywork-preference",
            kind="pairs",
            summary="one row per pair: two whole conversations and the set they come from",
            fields={"chosen": "chosen", "rejected": "rejected", "source": "source"},
            by_name=True,
            polarity=WHOLE,
            ties="none are marked",
            sets=(
                "Skywork/Skywork-Reward-Preference-80K-v0.1",
                "Skywork/Skywork-Reward-Preference-80K-v0.2",
            ),
            licence=PARTS,
            notes="4,957 pairs of v0.1 have prompts of RewardBench: take v0.2, or leave them out "
            "before a model is measured there.",
            example={"chosen": GOOD, "rejected": BAD, "source": "magpie"},
        )
    ),
    format_of(
        FormatSpec(
            name="tulu-3-preference",
            kind="pairs",
            summary="one row per pair: a prompt as text and two whole conversations",
            fields={
                "prompt": "prompt",
                "chosen": "chosen",
                "rejected": "rejected",
                "score_chosen": "chosen_rating",
                "score_rejected": "rejected_rating",
                "model_chosen": "chosen_model",
                "model_rejected": "rejected_model",
                "source": "source",
            },
            needs=("prompt",),
            by_name=True,
            polarity=f"{WHOLE}; the 405b mixture has ratings as well",
            ties="equal ratings, where there are any",
            sets=(
                "allenai/llama-3.1-tulu-3-8b-preference-mixture",
                "allenai/llama-3.1-tulu-3-70b-preference-mixture",
                "allenai/llama-3.1-tulu-3-405b-preference-mixture",
            ),
            licence=PARTS,
            notes="The prompt stands in both conversations too, and is taken off them.",
            example={
                "id": "1",
                "prompt": "What is 2 + 2?",
                "chosen": GOOD,
                "rejected": BAD,
                "source": "ultrafeedback",
            },
        )
    ),
)
