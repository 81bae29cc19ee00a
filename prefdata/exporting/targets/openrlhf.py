"""OpenRLHF: its reward data set, which DPO reads too: prompt, chosen, rejected, margin."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from prefdata.exporting.base import (
    DatasetFacts,
    DatasetRow,
    ExportedData,
    Target,
    TargetRow,
    Turn,
    margin_or_zero,
)
from prefdata.exporting.checks import first_of, no_reasoning, no_tool_calls
from prefdata.exporting.notes import margin_notes


def _turns(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]


def _row(row: DatasetRow, facts: DatasetFacts) -> TargetRow:
    messages: dict[str, object] = {
        "prompt": _turns(row["prompt"]),
        "chosen": _turns(row["chosen"]),
        "rejected": _turns(row["rejected"]),
    }
    return {**messages, "margin": margin_or_zero(row)} if facts.margins else messages


def _script(data: ExportedData, program: str, more: Sequence[str]) -> str:
    options = [
        '--model.model_name_or_path "$1"',
        f"--data.dataset {shlex.quote(str(data.files['train']))}",
        "--data.dataset_split train",
        "--data.prompt_key prompt",
        "--data.chosen_key chosen",
        "--data.rejected_key rejected",
        "--data.apply_chat_template",
        *more,
        f"--ckpt.output_dir {shlex.quote(f'{data.folder}-{program}')}",
    ]
    if data.eval_split:
        options += [
            f"--eval.dataset {shlex.quote(str(data.files[data.eval_split]))}",
            "--eval.split train",
        ]
    lines = [f"deepspeed --module openrlhf.cli.train_{program}", *options]
    return "#!/bin/sh\n" + " \\\n  ".join(lines) + "\n"


def _stanza(data: ExportedData) -> Mapping[str, str]:
    with_margin = ["--model.margin_loss_enable"] if data.facts.margins else []
    return {"dpo.sh": _script(data, "dpo", []), "rm.sh": _script(data, "rm", with_margin)}


def _notes(data: ExportedData) -> list[str]:
    names = "dpo.sh and rm.sh name options as OpenRLHF 0.11 does; older releases leave out 'data.'"
    return [*margin_notes(data), names]


OPENRLHF = Target(
    name="openrlhf",
    order=9,
    help="pairs with margin, with the commands",
    summary="OpenRLHF: DPO and reward data as messages, with the commands that read them",
    views=("pairs",),
    suffix=".jsonl",
    carries=("margin",),
    row=_row,
    stanza=_stanza,
    next_step=lambda data: f"sh {data.shell_path('dpo.sh')} MODEL",
    refuse=first_of(no_tool_calls, no_reasoning),
    notes=_notes,
)
