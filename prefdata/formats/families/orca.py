"""Orca pairs (Intel) that a model judged anew (Argilla), in pairs or in labels."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.formats.value_key import value_key
from prefdata.records import reasons

LICENCE = "Apache-2.0, in the data set's card"
JUDGED = ("unchanged", "swapped")
ABSENT = (None, "")


def _judged(row: RawRow) -> RawRow:
    """Rows that the judge settled, with what it rated the better and the worse answer."""
    status, rating = value_key(row.get("status") or ""), row.get("rating", ())
    if status == "tie":
        raise InvalidRow(reasons.TIE, "status")
    if rating in ABSENT or status in ABSENT:
        raise InvalidRow(reasons.NO_WINNER, "rating" if rating in ABSENT else "status")
    if status not in JUDGED:
        raise InvalidRow(reasons.UNKNOWN_WINNER, "status", f"found {status}")
    if not isinstance(rating, list) or not rating:
        return row
    if not all(isinstance(each, int | float) for each in rating):
        raise InvalidRow(reasons.NO_WINNER, "rating", "a rating is missing")
    return {**row, "best": max(rating), "worst": min(rating)}


FORMATS = (
    format_of(
        FormatSpec(
            name="orca-dpo-pairs-judged",
            kind="pairs",
            summary="one row per pair: Orca pairs with a judge's ratings and what they changed",
            fields={
                "system": "system",
                "prompt": "input",
                "chosen": "chosen",
                "rejected": "rejected",
                "score_chosen": "best",
                "score_rejected": "worst",
            },
            needs=("input", "chosen", "rejected", "status", "chosen_score", "in_gsm8k_train"),
            extra_columns=("system", "rating"),
            prepare=_judged,
            polarity="the chosen answer has the higher rating; status says whether the pair was "
            "swapped for that, and it is not to be swapped again",
            ties="status 'tie'",
            absent="rating or status is missing",
            sets=("argilla/distilabel-intel-orca-dpo-pairs",),
            licence=LICENCE,
            notes="Questions from GSM8K's training set are marked in in_gsm8k_train and are kept: "
            "leave them out before a model is measured on GSM8K. The card advises to keep rows "
            "whose chosen_score is 8 or more.",
            example={
                "system": "",
                "input": "What is 2 + 2?",
                "chosen": "4",
                "rejected": "5",
                "generations": ["5", "4"],
                "rating": [1.0, 10.0],
                "status": "swapped",
                "chosen_score": 10.0,
                "in_gsm8k_train": False,
            },
        )
    ),
    format_of(
        FormatSpec(
            name="orca-kto",
            kind="unpaired",
            summary="one row per answer: the judged Orca pairs taken apart, each with its label",
            fields={
                "system": "system",
                "prompt": "prompt",
                "completion": "completion",
                "label": "label",
            },
            values={"true": "true", "false": "false"},
            needs=("prompt", "completion", "label", "status", "in_gsm8k_train"),
            extra_columns=("system", "rating"),
            prepare=_judged,
            polarity="true: the answer was the better one of its pair",
            ties="status 'tie': the label tells nothing",
            absent="rating or status is missing",
            sets=("argilla/distilabel-intel-orca-kto",),
            licence=LICENCE,
            notes="Questions from GSM8K's training set are marked in in_gsm8k_train and are kept.",
            example={
                "system": "",
                "prompt": "What is 2 + 2?",
                "completion": "4",
                "label": True,
                "rating": 10.0,
                "status": "unchanged",
                "in_gsm8k_train": False,
            },
        )
    ),
)
