"""PKU-SafeRLHF (PKU-Alignment): which of two answers is more helpful, and which is safer."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of, refused_format
from prefdata.formats.spec.spec import FormatSpec

PAIR = {
    "prompt": "prompt",
    "response_a": "response_0",
    "response_b": "response_1",
    "model_a": "response_0_source",
    "model_b": "response_1_source",
}
FIRST_OR_SECOND = {"0": "a", "1": "b"}
LICENCE = "CC-BY-NC-4.0, in the data set's card"
EXAMPLE = {"prompt": "What is 2 + 2?", "response_0": "4", "response_1": "5"}
ONLY_TEXT = "Only text is covered: rows with images or audio give no pairs."

FORMATS = (
    format_of(
        FormatSpec(
            name="pku-saferlhf",
            kind="comparisons",
            summary="one row per two answers: which is more helpful, and which is safer",
            fields={
                **PAIR,
                "winner": {"helpfulness": "better_response_id", "safety": "safer_response_id"},
            },
            values=FIRST_OR_SECOND,
            needs=("prompt", "better_response_id", "safer_response_id"),
            dimensions={"helpfulness": 1.0},
            polarity="an id is that of the better answer: 0 is the first, 1 the second",
            ties="none",
            absent="an id that is null",
            sets=(
                "PKU-Alignment/PKU-SafeRLHF",
                "PKU-Alignment/PKU-SafeRLHF-10K",
                "PKU-Alignment/PKU-SafeRLHF-30K",
                "PKU-Alignment/PKU-SafeRLHF-v0",
            ),
            licence=LICENCE,
            notes="Pairs rest on helpfulness; --dimension safety takes the safer answer, which is "
            "often the other one. Whether an answer is safe as such is not read.",
            example={**EXAMPLE, "better_response_id": 0, "safer_response_id": 0},
        )
    ),
    format_of(
        FormatSpec(
            name="pku-saferlhf-single",
            kind="comparisons",
            summary="one row per two answers: which is better, all in all",
            fields={**PAIR, "winner": "better_response_id"},
            values=FIRST_OR_SECOND,
            needs=("prompt",),
            polarity="better_response_id is the better answer: 0 is the first, 1 the second",
            ties="none",
            absent="an id that is null",
            sets=("PKU-Alignment/PKU-SafeRLHF-single-dimension",),
            licence=LICENCE,
            example={**EXAMPLE, "better_response_id": 0},
        )
    ),
    refused_format(
        "saferlhf-v",
        "one row per two answers on an image",
        ("question", "image", "response_1", "response_2", "more_helpful_response_id"),
        ONLY_TEXT,
        sets=("PKU-Alignment/BeaverTails-V", "PKU-Alignment/SafeRLHF-V"),
    ),
    refused_format(
        "align-anything-image",
        "one row per two answers on an image",
        ("image", "response_1", "response_2", "overall_response"),
        ONLY_TEXT,
        sets=("PKU-Alignment/align-anything",),
    ),
    refused_format(
        "align-anything-audio",
        "one row per two answers on a sound",
        ("audio_path", "response_1", "response_2", "overall_response"),
        ONLY_TEXT,
        sets=("PKU-Alignment/align-anything",),
    ),
)
