"""HH-RLHF (Anthropic): whole conversations as transcripts."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of, refused_format
from prefdata.formats.spec.spec import FormatSpec, RawRow
from prefdata.formats.transcript import is_transcript

EXAMPLE = {
    "chosen": "\n\nHuman: What is 2 + 2?\n\nAssistant: 4",
    "rejected": "\n\nHuman: What is 2 + 2?\n\nAssistant: 5",
}


def _transcripts(rows: list[RawRow]) -> bool:
    values = [value for row in rows for value in (row.get("chosen"), row.get("rejected"))]
    texts = [value for value in values if isinstance(value, str)]
    return len(texts) * 2 > len(values) and sum(map(is_transcript, texts)) >= 0.9 * len(texts)


def _nothing_else(rows: list[RawRow]) -> bool:
    return _transcripts(rows) and all("prompt" not in row for row in rows)


FORMATS = (
    format_of(
        FormatSpec(
            name="hh-rlhf",
            kind="pairs",
            summary="one row per pair: two transcripts that differ in the last answer",
            fields={"chosen": "chosen", "rejected": "rejected"},
            accepts=_nothing_else,
            polarity="the chosen transcript ends with the better answer",
            ties="none; some pairs are identical, and are rejected",
            sets=("Anthropic/hh-rlhf",),
            licence="MIT, in the data set's card",
            notes="Rejected: transcripts that differ before the last answer, end with an empty "
            "answer or with the human, or hold a broken marker such as 'Hum:'.",
            example=EXAMPLE,
        )
    ),
    refused_format(
        "hh-rlhf-red-team",
        "one row per attack on a model: a transcript and how harmful it was",
        ("transcript", "min_harmlessness_score_transcript", "task_description"),
        "It holds one conversation a row and nothing to compare it with: no pair can be made. "
        "Leave the red-team files out.",
        sets=("Anthropic/hh-rlhf",),
    ),
)
