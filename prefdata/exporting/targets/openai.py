"""OpenAI preference fine-tuning, and the services that took over its format.

Its guide: https://developers.openai.com/api/docs/guides/direct-preference-optimization
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from prefdata.errors import InputError
from prefdata.exporting.base import (
    DatasetFacts,
    DatasetRow,
    ExportedData,
    Target,
    TargetRow,
    Turn,
    template_columns,
)
from prefdata.exporting.checks import first_of, no_reasoning, one_message

FEWEST = 10
"""Examples that a job needs."""

LARGEST = 512 * 10**6
"""Bytes of the largest file that can be uploaded."""

LONGEST = 65_536
"""Tokens of an example; what is beyond is cut off from its end, the answer first."""

OPEN_TO = (
    "OpenAI takes new jobs from existing users of fine-tuning only; Azure, Fireworks and Together "
    "read the same format"
)
LONG = f"more than {LONGEST:,} bytes"


def _row(row: DatasetRow, _facts: DatasetFacts) -> TargetRow:
    tools = template_columns(row).get("tools")
    return {
        "input": {"messages": row["prompt"], **({"tools": json.loads(tools)} if tools else {})},
        "preferred_output": row["chosen"],
        "non_preferred_output": row["rejected"],
    }


def _long(row: DatasetRow) -> list[str]:
    """Whether an example may have too many tokens; no token is shorter than a byte."""
    answer = max(_bytes(row["chosen"]), _bytes(row["rejected"]))
    return [LONG] if _bytes(row["prompt"]) + answer > LONGEST else []


def _bytes(turns: Sequence[Turn]) -> int:
    return sum(len(turn["content"].encode()) for turn in turns)


def _stanza(data: ExportedData) -> Mapping[str, str]:
    body: dict[str, object] = {
        "model": "gpt-4.1-mini-2025-04-14",
        "training_file": "the id that the upload of the train file gives",
        "method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}},
    }
    if data.eval_split:
        body["validation_file"] = f"the id that the upload of the {data.eval_split} file gives"
    return {"job.json": json.dumps(body, indent=2) + "\n"}


def _next_step(data: ExportedData) -> str:
    files = " and ".join(str(path) for path in data.files.values())
    return (
        f"upload {files} with the purpose fine-tune, and post {data.shell_path('job.json')} to "
        "/v1/fine_tuning/jobs"
    )


def _notes(data: ExportedData) -> list[str]:
    notes = [OPEN_TO]
    if several := data.features.get("earlier turns", 0):
        many = "1 row has" if several == 1 else f"{several:,} rows have"
        notes.append(f"{many} earlier turns: only the last answer is trained on")
    if long := data.features.get(LONG, 0):
        many = "1 row has" if long == 1 else f"{long:,} rows have"
        notes.append(
            f"{many} more than {LONGEST:,} bytes, and perhaps more than the {LONGEST:,} tokens of "
            "an example: what is beyond is cut off"
        )
    return notes


def _check_limits(data: ExportedData) -> None:
    if data.rows["train"] < FEWEST:
        raise InputError(
            f"OpenAI takes {FEWEST} examples or more; the train split gives {data.rows['train']}",
            hint="Convert more data, or a smaller share of it to the test split.",
        )
    for split, size in data.sizes.items():
        if size > LARGEST:
            raise InputError(
                f"OpenAI takes files of up to {LARGEST // 10**6} MB; the {split} file has "
                f"{size // 10**6:,} MB",
                hint="Export fewer rows: convert a part of the sources.",
            )


OPENAI = Target(
    name="openai",
    order=10,
    help="preference fine-tuning, limits checked",
    summary="OpenAI preference fine-tuning, with its limits checked",
    views=("pairs",),
    suffix=".jsonl",
    row=_row,
    stanza=_stanza,
    next_step=_next_step,
    carries=("tools",),
    refuse=first_of(one_message, no_reasoning),
    features=_long,
    notes=_notes,
    check_limits=_check_limits,
)
