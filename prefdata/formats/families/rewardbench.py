"""RewardBench 2 (Ai2): to measure reward models on, and to keep out of training data."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.records import reasons

EVAL = (
    "It is a benchmark: do not train on it. Use it to measure a model, and to find its prompts "
    "in training data."
)
LICENCE = "ODC-BY, in the data set's card; the answers keep the terms of the models they come from"


def _listed(row: RawRow) -> RawRow:
    """Right answers score 1 and wrong ones 0, so that no two right ones are paired."""
    right, wrong = _texts(row, "chosen"), _texts(row, "rejected")
    if any(text in wrong for text in right):
        raise InvalidRow(reasons.CONFLICT, "chosen", "an answer is chosen and rejected")
    scores = [1] * len(right) + [0] * len(wrong)
    return {**row, "responses": [*right, *wrong], "scores": scores}


def _texts(row: RawRow, name: str) -> list[object]:
    texts = row.get(name)
    if not isinstance(texts, list):
        raise InvalidRow(reasons.WRONG_TYPE, name, "expected a list")
    if not texts:
        raise InvalidRow(reasons.ONE_RESPONSE, name, "the list is empty")
    return texts


FORMATS = (
    format_of(
        FormatSpec(
            name="reward-bench-2",
            kind="ratings",
            summary="one row per prompt: a list of right answers and a list of wrong ones",
            fields={
                "prompt": "prompt",
                "response": "responses[]",
                "score": "scores[]",
                "source": "subset",
            },
            needs=("prompt", "chosen", "rejected", "num_correct", "total_completions", "subset"),
            prepare=_listed,
            polarity="each chosen answer is better than each rejected one",
            ties="answers of one list; the subset Ties has several right ones",
            sets=("allenai/reward-bench-2",),
            licence=LICENCE,
            notes=f"{EVAL} A right answer counts 1, a wrong one 0; --strategy all pairs each right "
            "answer with each wrong one.",
            example={
                "id": "1",
                "prompt": "What is 2 + 2?",
                "chosen": ["4"],
                "rejected": ["5", "3", "22"],
                "num_correct": 1,
                "total_completions": 4,
                "subset": "Math",
            },
        )
    ),
)
