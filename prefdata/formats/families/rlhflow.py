"""RLHFlow: many sets brought into one standard, two whole conversations a row."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec

ASKED = {"role": "user", "content": "What is 2 + 2?"}

FORMATS = (
    format_of(
        FormatSpec(
            name="rlhflow",
            kind="pairs",
            summary="one row per pair: two conversations that differ in the last answer",
            fields={
                "chosen": "chosen",
                "rejected": "rejected",
                "score_chosen": "chosen_score",
                "score_rejected": "rejected_score",
                "margin": "margin",
            },
            by_name=True,
            polarity="the chosen conversation ends with the better answer",
            ties="equal scores, where there are scores",
            sets=(
                "RLHFlow/HH-RLHF-Helpful-standard",
                "RLHFlow/HH-RLHF-Harmless-and-RedTeam-standard",
                "RLHFlow/Helpsteer-preference-standard",
                "RLHFlow/Orca-distibalel-standard",
                "RLHFlow/PKU-SafeRLHF-30K-standard",
                "RLHFlow/SHP-standard",
                "RLHFlow/UltraFeedback-preference-standard",
            ),
            licence="that of the set it was made of, in the data set's card",
            notes="Recognised by the set's name in the path; elsewhere the same columns are read "
            "as pairs.",
            example={
                "chosen": [ASKED, {"role": "assistant", "content": "4"}],
                "rejected": [ASKED, {"role": "assistant", "content": "5"}],
            },
        )
    ),
)
