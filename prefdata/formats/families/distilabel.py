"""What Argilla's distilabel writes: rated generations, and the pairs published from them."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec

LICENCE = "Apache-2.0, in the data set's card"
ASKED = {"role": "user", "content": "What is 2 + 2?"}

FORMATS = (
    format_of(
        FormatSpec(
            name="distilabel",
            kind="ratings",
            summary="one row per instruction: lists of generations, their ratings and models",
            fields={
                "prompt": "instruction",
                "response": "generations[]",
                "score": "ratings[]",
                "model": "generation_models[]",
            },
            needs=("instruction",),
            polarity="a higher rating is better",
            ties="equal ratings",
            absent="a rating of null, or no list of ratings",
            licence="that of the data set it was made from",
            notes="A missing rating concerns one generation alone; it is never read as a number.",
            example={
                "instruction": "What is 2 + 2?",
                "generations": ["4", "5"],
                "ratings": [5, 1],
                "generation_models": ["one", "other"],
            },
        )
    ),
    format_of(
        FormatSpec(
            name="distilabel-0",
            kind="ratings",
            summary="one row per input: lists of generations, rating and models (before 1.0)",
            fields={
                "prompt": "input",
                "response": "generations[]",
                "score": "rating[]",
                "model": "generation_model[]",
            },
            needs=("input", "rating[]"),
            polarity="a higher rating is better",
            ties="equal ratings",
            absent="a rating of null, or no list of ratings: the labelling failed",
            licence="that of the data set it was made from",
            notes="A missing rating concerns one generation alone; it is never read as a number.",
            example={
                "input": "What is 2 + 2?",
                "generation_model": ["one", "other"],
                "generations": ["4", "5"],
                "rating": [5, 1],
            },
        )
    ),
    format_of(
        FormatSpec(
            name="capybara-dpo",
            kind="pairs",
            summary="one row per pair: two whole conversations of several turns, with ratings",
            fields={
                "chosen": "chosen",
                "rejected": "rejected",
                "score_chosen": "rating_chosen",
                "score_rejected": "rating_rejected",
                "model_chosen": "chosen_model",
                "model_rejected": "rejected_model",
                "source": "source",
            },
            by_name=True,
            polarity="the chosen conversation ends with the better answer, of the higher rating",
            ties="equal ratings",
            sets=("argilla/distilabel-capybara-dpo-7k-binarized",),
            licence=LICENCE,
            notes="The prompt is what both conversations begin with; the columns prompt and "
            "conversation are not read.",
            example={
                "source": "Airoboros",
                "chosen": [ASKED, {"role": "assistant", "content": "4"}],
                "rejected": [ASKED, {"role": "assistant", "content": "5"}],
                "rating_chosen": 5,
                "rating_rejected": 2,
            },
        )
    ),
    format_of(
        FormatSpec(
            name="math-preference-dpo",
            kind="pairs",
            summary="one row per pair: two solutions of a mathematical task as text, with ratings",
            fields={
                "prompt": "instruction",
                "chosen": "chosen_response",
                "rejected": "rejected_response",
                "score_chosen": "chosen_rating",
                "score_rejected": "rejected_rating",
            },
            needs=("instruction",),
            by_name=True,
            polarity="the chosen solution is better, and has the higher rating",
            ties="equal ratings",
            sets=("argilla/distilabel-math-preference-dpo",),
            licence=LICENCE,
            example={
                "instruction": "What is 2 + 2?",
                "chosen_response": "4",
                "chosen_rating": 9,
                "rejected_response": "5",
                "rejected_rating": 4,
            },
        )
    ),
)
