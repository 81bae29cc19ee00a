"""AlpacaFarm and AlpacaEval (tatsu-lab): which of two outputs people, or a model, preferred."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.formats.value_key import value_key
from prefdata.formats.verdict_words import NONE
from prefdata.records import reasons

ASKED = {"instruction": "What is 2 + 2?"}
MIDDLE = 1.5


def _first_or_second(rows: list[RawRow]) -> bool:
    """Whether preferences are 1 and 2; other numbers are for their owner to explain."""
    words = [value_key(row.get("preference")) for row in rows]
    words = [word for word in words if word not in NONE]
    return sum(word in ("1", "2") for word in words) >= 0.9 * len(words)


def _between(row: RawRow) -> RawRow:
    """A preference stands between 1 and 2; a 0 is how a draw was written before."""
    word = value_key(row.get("preference"))
    try:
        value = float(word)
    except ValueError:
        return row
    if value == 0:
        return {**row, "preference": MIDDLE}
    if not 1 <= value <= 2:
        raise InvalidRow(reasons.UNKNOWN_WINNER, "preference", f"found {word}, expected 1 to 2")
    return row


FORMATS = (
    format_of(
        FormatSpec(
            name="alpaca-farm",
            kind="comparisons",
            summary="one row per choice between two outputs: 1 or 2",
            fields={
                "prompt": ("instruction", "input"),
                "response_a": "output_1",
                "response_b": "output_2",
                "winner": "preference",
                "annotator": "annotator",
            },
            values={"1": "a", "2": "b"},
            needs=("instruction",),
            accepts=_first_or_second,
            polarity="1: output_1 is better; 2: output_2",
            ties="none",
            absent="a preference that is null",
            sets=("tatsu-lab/alpaca_farm",),
            licence="CC-BY-NC-4.0, in the data set's card",
            notes="raw_preference is not read: preference says the same.",
            example={**ASKED, "input": "", "output_1": "4", "output_2": "5", "preference": 1},
        )
    ),
    format_of(
        FormatSpec(
            name="alpaca-eval",
            kind="comparisons",
            summary="one row per verdict on two outputs: a number from 1 to 2",
            fields={
                "prompt": "instruction",
                "response_a": "output_1",
                "response_b": "output_2",
                "winner": "preference",
                "annotator": "annotator",
                "model_a": "generator_1",
                "model_b": "generator_2",
                "source": "dataset",
            },
            values={"negative": "a", "positive": "b"},
            middle=MIDDLE,
            needs=(
                *("instruction", "output_1", "output_2", "preference"),
                *("generator_1", "generator_2"),
            ),
            prepare=_between,
            extra_columns=("annotator", "dataset"),
            polarity="below 1.5: output_1 is better; above: output_2",
            ties="1.5, or a 0 in older files",
            absent="a preference that is null: the judge failed",
            sets=("tatsu-lab/alpaca_eval",),
            licence="CC-BY-NC-4.0, in the data set's card",
            notes="The strength of a verdict is its distance from 1.5, 0.5 at most.",
            example={
                **ASKED,
                "output_1": "4",
                "generator_1": "north",
                "output_2": "5",
                "generator_2": "south",
                "annotator": "judge",
                "preference": 1.1,
            },
        )
    ),
)
