"""HelpSteer (NVIDIA): ratings on five dimensions, and graded preferences between two answers."""

from __future__ import annotations

from prefdata.formats.fill import format_of
from prefdata.formats.layout import Layout

ASPECTS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
LICENCE = "CC-BY-4.0, in the data set's card"

FORMATS = (
    format_of(
        Layout(
            name="helpsteer",
            kind="ratings",
            summary="one row per response: five ratings from 0 to 4",
            fields={
                "prompt": "prompt",
                "response": "response",
                "score": {name: name for name in ASPECTS},
            },
            needs=ASPECTS,
            dimensions={"helpfulness": 1.0},
            polarity="a higher rating is better; complexity and verbosity are no merit as such",
            ties="equal ratings",
            sets=("nvidia/HelpSteer", "nvidia/HelpSteer2"),
            licence=LICENCE,
            notes="Pairs rest on helpfulness, unless --dimension or --weights says otherwise.",
            example={
                "prompt": "What is 2 + 2?",
                "response": "4",
                "helpfulness": 4,
                "correctness": 4,
                "coherence": 4,
                "complexity": 0,
                "verbosity": 0,
            },
        )
    ),
    format_of(
        Layout(
            name="helpsteer2-preference",
            kind="comparisons",
            summary="one row per two responses: a strength from -3 to 3",
            fields={
                "prompt": "prompt",
                "response_a": "response_1",
                "response_b": "response_2",
                "winner": "preference_strength",
            },
            values={"-100": "none", "negative": "a", "positive": "b"},
            polarity="a negative strength: the first is better; a positive one: the second",
            ties="a strength of 0",
            absent="a strength of -100: neither response is valid",
            sets=("nvidia/HelpSteer2",),
            licence=LICENCE,
            example={
                "prompt": "What is 2 + 2?",
                "response_1": "4",
                "response_2": "5",
                "preference_strength": -3,
            },
        )
    ),
)
