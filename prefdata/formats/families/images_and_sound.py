"""Sets about images and sounds: recognised so that they can be refused with the reason."""

from __future__ import annotations

from prefdata.formats.spec.as_format import refused_format

ONLY_TEXT = "Only text is covered: rows with images or audio give no pairs."

FORMATS = (
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
    refused_format(
        "rlaif-v",
        "one row per pair: two answers to a question about an image",
        ("question", "chosen", "rejected", "image"),
        "The answers speak of an image, and only text is covered: without it the pairs mean "
        "nothing. Train on it with a tool for vision language models.",
        sets=("openbmb/RLAIF-V-Dataset",),
    ),
)
