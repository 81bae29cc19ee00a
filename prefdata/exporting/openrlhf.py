"""OpenRLHF: its reward data set, which DPO reads too: prompt, chosen, rejected, margin."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from prefdata.exporting.base import Facts, Job, Made, Row, Target, Turn, margin
from prefdata.exporting.checks import no_tool_calls
from prefdata.exporting.trl import margins


def _turns(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]


def _row(row: Row, facts: Facts) -> Made:
    made: dict[str, object] = {
        "prompt": _turns(row["prompt"]),
        "chosen": _turns(row["chosen"]),
        "rejected": _turns(row["rejected"]),
    }
    return {**made, "margin": margin(row)} if facts.margins else made


def _script(job: Job, program: str, more: Sequence[str]) -> str:
    options = [
        '--model.model_name_or_path "$1"',
        f"--data.dataset {shlex.quote(str(job.files['train']))}",
        "--data.dataset_split train",
        "--data.prompt_key prompt",
        "--data.chosen_key chosen",
        "--data.rejected_key rejected",
        "--data.apply_chat_template",
        *more,
        f"--ckpt.output_dir {shlex.quote(f'{job.folder}-{program}')}",
    ]
    if "test" in job.files:
        options += [
            f"--eval.dataset {shlex.quote(str(job.files['test']))}",
            "--eval.split train",
        ]
    lines = [f"deepspeed --module openrlhf.cli.train_{program}", *options]
    return "#!/bin/sh\n" + " \\\n  ".join(lines) + "\n"


def _stanza(job: Job) -> Mapping[str, str]:
    with_margin = ["--model.margin_loss_enable"] if job.facts.margins else []
    return {"dpo.sh": _script(job, "dpo", []), "rm.sh": _script(job, "rm", with_margin)}


def _notes(job: Job) -> list[str]:
    names = "dpo.sh and rm.sh name options as OpenRLHF 0.11 does; older releases leave out 'data.'"
    return [*margins(job), names]


OPENRLHF = Target(
    name="openrlhf",
    summary="OpenRLHF: DPO and reward data as messages, with the commands that read them",
    views=("pairs",),
    suffix=".jsonl",
    carries=("margin",),
    row=_row,
    stanza=_stanza,
    following=lambda job: f"sh {job.at('dpo.sh')} MODEL",
    refuse=no_tool_calls,
    notes=_notes,
)
