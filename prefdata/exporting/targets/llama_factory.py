"""LLaMA-Factory: its sharegpt shape for ranking (DPO, ORPO, SimPO, reward) and for KTO.

Its converter skips rows whose turns do not alternate, with a warning only: such rows are refused
here instead. A call of a tool is a turn of its own there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import yaml

from prefdata.exporting.base import (
    DatasetFacts,
    DatasetRow,
    ExportedData,
    Refusal,
    Target,
    TargetRow,
    Turn,
    answers,
    named_call,
    thought_and_text,
)
from prefdata.exporting.checks import TEXT_AND_CALLS, alternating, first_of, one_message
from prefdata.exporting.notes import class_weights, thought_notes, weight_notes

TAGS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
CALLS = "function_call"


def _turn(turn: Turn) -> dict[str, str]:
    if calls := turn.get("tool_calls"):
        all_calls = [named_call(call) for call in calls]
        value = all_calls[0] if len(all_calls) == 1 else all_calls
        return {"from": CALLS, "value": json.dumps(value, ensure_ascii=False)}
    return {"from": TAGS[turn["role"]], "value": thought_and_text(turn)}


def _no_text_with_calls(row: DatasetRow) -> Refusal | None:
    for side, turns in {"prompt": row["prompt"], **answers(row)}.items():
        if any(turn.get("tool_calls") and thought_and_text(turn).strip() for turn in turns):
            return Refusal(TEXT_AND_CALLS, f"in the {side}")
    return None


def _row(row: DatasetRow, facts: DatasetFacts) -> TargetRow:
    turns = [_turn(turn) for turn in row["prompt"]]
    tools = {"tools": row.get("tools") or ""} if "tools" in facts.columns else {}
    if facts.view == "unpaired":
        conversation = [*turns, _turn(row["completion"][0])]
        return {"conversations": conversation, "label": row["label"], **tools}
    chosen, rejected = _turn(row["chosen"][0]), _turn(row["rejected"][0])
    return {"conversations": turns, "chosen": chosen, "rejected": rejected, **tools}


def _entry(data: ExportedData, split: str) -> dict[str, object]:
    columns = {"messages": "conversations"}
    pairs = data.facts.view == "pairs"
    columns |= {"chosen": "chosen", "rejected": "rejected"} if pairs else {"kto_tag": "label"}
    columns |= {"tools": "tools"} if "tools" in data.facts.columns else {}
    return {
        "file_name": str(data.files[split].relative_to(data.folder)),
        "formatting": "sharegpt",
        **({"ranking": True} if pairs else {}),
        "columns": columns,
    }


def _stanza(data: ExportedData) -> Mapping[str, str]:
    names = {split: f"{data.name}_{split}" for split in data.files}
    info = {names[split]: _entry(data, split) for split in data.files}
    keys: dict[str, object] = {
        "stage": "dpo" if data.facts.view == "pairs" else "kto",
        "do_train": True,
        "dataset_dir": str(data.folder),
        "dataset": names["train"],
    }
    if data.eval_split:
        keys |= {"eval_dataset": names[data.eval_split], "eval_strategy": "epoch"}
    if data.facts.view == "unpaired":
        desirable, undesirable = class_weights(data.good, data.bad)
        keys |= {"kto_chosen_weight": desirable, "kto_rejected_weight": undesirable}
    keys["output_dir"] = f"{data.folder}-{keys['stage']}"
    return {
        "dataset_info.json": json.dumps(info, indent=2, ensure_ascii=False) + "\n",
        "train.yaml": yaml.safe_dump(keys, sort_keys=False, allow_unicode=True),
    }


def _next_step(data: ExportedData) -> str:
    recipe = data.shell_path("train.yaml")
    return f"llamafactory-cli train {recipe} model_name_or_path=MODEL template=TEMPLATE"


def _notes(data: ExportedData) -> list[str]:
    weights = weight_notes(data) if data.facts.view == "unpaired" else []
    return [*weights, *thought_notes(data)]


LLAMA_FACTORY = Target(
    name="llama-factory",
    order=5,
    help="sharegpt ranking or KTO, with dataset_info.json",
    summary="LLaMA-Factory: sharegpt ranking or KTO, with its dataset_info.json",
    views=("pairs", "unpaired"),
    suffix=".jsonl",
    row=_row,
    stanza=_stanza,
    next_step=_next_step,
    carries=("tools",),
    refuse=first_of(one_message, alternating, _no_text_with_calls),
    notes=_notes,
)
