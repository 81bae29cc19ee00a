"""RLAIF-V (OpenBMB): answers to questions about images."""

from __future__ import annotations

from prefdata.formats.spec.as_format import refused_format

FORMATS = (
    refused_format(
        "rlaif-v",
        "one row per pair: two answers to a question about an image",
        ("question", "chosen", "rejected", "image"),
        "The answers speak of an image, and only text is covered: without it the pairs mean "
        "nothing. Train on it with a tool for vision language models.",
        sets=("openbmb/RLAIF-V-Dataset",),
    ),
)
