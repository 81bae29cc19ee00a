"""LLaMA-Factory: its sharegpt shape for ranking (DPO, ORPO, SimPO, reward) and for KTO.

Its converter skips rows whose turns do not alternate, with a warning only: such rows are refused
here instead. A call of a tool is a turn of its own there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import yaml

from prefdata.exporting.base import Call, Facts, Job, Made, Refusal, Row, Target, Turn, answers
from prefdata.exporting.checks import TEXT_AND_CALLS, alternating, first_of, one_message
from prefdata.exporting.trl import class_weights
from prefdata.exporting.weights import weights

TAGS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
CALLS = "function_call"


def _turn(turn: Turn) -> dict[str, str]:
    if calls := turn.get("tool_calls"):
        made = [_call(call) for call in calls]
        held = made[0] if len(made) == 1 else made
        return {"from": CALLS, "value": json.dumps(held, ensure_ascii=False)}
    return {"from": TAGS[turn["role"]], "value": turn["content"]}


def _call(call: Call) -> dict[str, object]:
    function = call["function"]
    return {"name": function["name"], "arguments": parsed(function["arguments"])}


def parsed(arguments: str) -> object:
    """The arguments of a call as an object; as they are where they are no JSON.

    Example:
        >>> parsed('{"city": "Rome"}'), parsed("Rome")
        ({'city': 'Rome'}, 'Rome')
    """
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _no_text_with_calls(row: Row) -> Refusal | None:
    for side, turns in {"prompt": row["prompt"], **answers(row)}.items():
        if any(turn.get("tool_calls") and turn["content"].strip() for turn in turns):
            return Refusal(TEXT_AND_CALLS, f"in the {side}")
    return None


def _row(row: Row, facts: Facts) -> Made:
    turns = [_turn(turn) for turn in row["prompt"]]
    if facts.view == "unpaired":
        return {"conversations": [*turns, _turn(row["completion"][0])], "label": row["label"]}
    chosen, rejected = _turn(row["chosen"][0]), _turn(row["rejected"][0])
    return {"conversations": turns, "chosen": chosen, "rejected": rejected}


def _entry(job: Job, split: str) -> dict[str, object]:
    columns = {"messages": "conversations"}
    pairs = job.facts.view == "pairs"
    columns |= {"chosen": "chosen", "rejected": "rejected"} if pairs else {"kto_tag": "label"}
    return {
        "file_name": str(job.files[split].relative_to(job.folder)),
        "formatting": "sharegpt",
        **({"ranking": True} if pairs else {}),
        "columns": columns,
    }


def _stanza(job: Job) -> Mapping[str, str]:
    names = {split: f"{job.name}_{split}" for split in job.files}
    info = {names[split]: _entry(job, split) for split in job.files}
    keys: dict[str, object] = {
        "stage": "dpo" if job.facts.view == "pairs" else "kto",
        "do_train": True,
        "dataset_dir": str(job.folder),
        "dataset": names["train"],
    }
    if "test" in names:
        keys |= {"eval_dataset": names["test"], "eval_strategy": "epoch"}
    if job.facts.view == "unpaired":
        desirable, undesirable = weights(job.good, job.bad)
        keys |= {"kto_chosen_weight": desirable, "kto_rejected_weight": undesirable}
    keys["output_dir"] = f"{job.folder}-{keys['stage']}"
    return {
        "dataset_info.json": json.dumps(info, indent=2, ensure_ascii=False) + "\n",
        "train.yaml": yaml.safe_dump(keys, sort_keys=False, allow_unicode=True),
    }


def _following(job: Job) -> str:
    return (
        f"llamafactory-cli train {job.at('train.yaml')} model_name_or_path=MODEL template=TEMPLATE"
    )


def _notes(job: Job) -> list[str]:
    return class_weights(job) if job.facts.view == "unpaired" else []


LLAMA_FACTORY = Target(
    name="llama-factory",
    summary="LLaMA-Factory: sharegpt ranking or KTO, with its dataset_info.json",
    views=("pairs", "unpaired"),
    suffix=".jsonl",
    row=_row,
    stanza=_stanza,
    following=_following,
    refuse=first_of(one_message, alternating, _no_text_with_calls),
    notes=_notes,
)
