"""UltraInteract (OpenBMB): trees of reasoning, a right and a wrong next step to each."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec

FORMATS = (
    format_of(
        FormatSpec(
            name="ultrainteract",
            kind="pairs",
            summary="one row per pair: the turns so far, a right and a wrong next step",
            fields={
                "prompt": "trajectory",
                "chosen": "chosen",
                "rejected": "rejected",
                "source": "dataset",
            },
            needs=("task", "trajectory[0].value"),
            polarity="the chosen step leads to the right answer",
            ties="none",
            group="conversation",
            sets=("openbmb/UltraInteract_pair",),
            licence="MIT, in the data set's card",
            notes="Rows of one tree begin with the same task, and are kept in the same split.",
            example={
                "task": "Math_CoT",
                "dataset": "gsm8k",
                "trajectory": [{"from": "user", "value": "What is 2 + 2?"}],
                "chosen": "2 + 2 is 4.",
                "rejected": "2 + 2 is 5.",
                "id": "1_1",
                "parent_id": "1_0",
            },
        )
    ),
)
