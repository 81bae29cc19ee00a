"""ms-swift: `messages` with `rejected_messages` for pairs, with `label` for KTO.

Both conversations are written whole, which needs ms-swift 3.8 and holds answers of several
messages. A call of a tool is a turn of its own, as ms-swift writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import yaml

from prefdata.exporting.base import (
    DatasetFacts,
    DatasetRow,
    ExportedData,
    Target,
    TargetRow,
    Turn,
    margin_or_zero,
    named_call,
    template_columns,
    thought_and_text,
)
from prefdata.exporting.notes import class_weights, margin_notes, thought_notes, weight_notes


def _turns(turns: Sequence[Turn]) -> Iterator[dict[str, str]]:
    for turn in turns:
        calls = turn.get("tool_calls") or []
        content = thought_and_text(turn)
        if content or not calls:
            yield {"role": turn["role"], "content": content}
        for call in calls:
            call_text = json.dumps(named_call(call), ensure_ascii=False)
            yield {"role": "tool_call", "content": call_text}


def _row(row: DatasetRow, facts: DatasetFacts) -> TargetRow:
    prompt, tools = list(_turns(row["prompt"])), template_columns(row)
    if facts.view == "unpaired":
        messages = [*prompt, *_turns(row["completion"])]
        return {"messages": messages, "label": row["label"], **tools}
    both = {
        "messages": [*prompt, *_turns(row["chosen"])],
        "rejected_messages": [*prompt, *_turns(row["rejected"])],
        **tools,
    }
    return {**both, "margin": margin_or_zero(row)} if facts.margins else both


def _stanza(data: ExportedData) -> Mapping[str, str]:
    pairs = data.facts.view == "pairs"
    keys: dict[str, object] = {
        "rlhf_type": "dpo" if pairs else "kto",
        "dataset": [str(data.files["train"])],
    }
    if data.eval_split:
        keys["val_dataset"] = [str(data.files[data.eval_split])]
    if not pairs:
        desirable, undesirable = class_weights(data.good, data.bad)
        keys |= {"desirable_weight": desirable, "undesirable_weight": undesirable}
    keys["output_dir"] = f"{data.folder}-{keys['rlhf_type']}"
    return {"swift.yaml": yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)}


def _notes(data: ExportedData) -> list[str]:
    thoughts = thought_notes(data)
    if data.facts.view == "unpaired":
        return [*weight_notes(data), *thoughts]
    reward = "the margin counts with rlhf_type: rm only"
    return [*margin_notes(data), *([reward] if data.facts.margins else []), *thoughts]


MS_SWIFT = Target(
    name="ms-swift",
    order=7,
    help="pairs with margin or KTO, with its YAML",
    summary="ms-swift: messages and rejected_messages, or KTO, with its YAML",
    views=("pairs", "unpaired"),
    suffix=".jsonl",
    carries=("margin", "tools"),
    row=_row,
    stanza=_stanza,
    next_step=lambda data: f"swift rlhf {data.shell_path('swift.yaml')} --model MODEL",
    notes=_notes,
)
