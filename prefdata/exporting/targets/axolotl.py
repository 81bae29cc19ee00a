"""Axolotl: `chat_template.default` for pairs, `chatml.argilla_chat` for KTO.

Axolotl renders an answer with the chat template and then looks the answer's own text up in the
result. Where the template trims the text, or holds it before the answer, it takes the wrong piece:
outer white space is therefore taken off, and an answer that templates hold themselves is refused.
"""

from __future__ import annotations

import re
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
)
from prefdata.exporting.checks import (
    FOUND_ELSEWHERE,
    first_of,
    no_reasoning,
    no_tool_calls,
    one_message,
)
from prefdata.exporting.notes import class_weights, weight_notes

BEFORE = (
    "<s><|begin_of_text|><|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    "<|im_start|>user\n[[dummy_message]]<|im_end|>\n<|im_start|>assistant\n"
    "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
    "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
    "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    "<bos><start_of_turn>user\n<end_of_turn>\n<start_of_turn>model\n"
    "[INST] [/INST] <<SYS>>\n\n<</SYS>>\n\n<|user|>\n<|end|>\n<|assistant|>\n<think>\n\n</think>"
    "### Instruction:\n### Response:\nUSER: ASSISTANT: Human: Assistant: User: System:"
)
"""What common templates write before an answer, around axolotl's own stand-in for the prompt."""

DATE = re.compile(r"[\s\d:,./-]{1,10}|[A-Z]?[a-z]{0,8}\.?")
"""What a template may write as today's date, and any lone short word: too short to be looked up."""


def _found_elsewhere(row: DatasetRow) -> Refusal | None:
    for side, turns in answers(row).items():
        text = turns[0]["content"].strip()
        if text in BEFORE or DATE.fullmatch(text):
            return Refusal(FOUND_ELSEWHERE, f"{side} is {text!r}")
    return None


def _refuse_pair(row: DatasetRow) -> Refusal | None:
    """KTO rows are joined, not looked up, so that any text will do there."""
    return _found_elsewhere(row) if "chosen" in row else None


def _message(turn: Turn) -> dict[str, str]:
    return {"role": turn["role"], "content": turn["content"]}


def _answer(turn: Turn) -> dict[str, str]:
    return {"role": turn["role"], "content": turn["content"].strip()}


def _row(row: DatasetRow, facts: DatasetFacts) -> TargetRow:
    turns = [_message(turn) for turn in row["prompt"]]
    if facts.view == "unpaired":
        return {"completion": [*turns, _message(row["completion"][0])], "label": row["label"]}
    chosen, rejected = _answer(row["chosen"][0]), _answer(row["rejected"][0])
    return {"messages": turns, "chosen": chosen, "rejected": rejected}


def _stanza(data: ExportedData) -> Mapping[str, str]:
    pairs = data.facts.view == "pairs"
    keys: dict[str, object] = {"rl": "dpo" if pairs else "kto"}
    if pairs:
        keys["chat_template"] = "tokenizer_default"
    else:
        desirable, undesirable = class_weights(data.good, data.bad)
        keys |= {
            "remove_unused_columns": False,
            "kto_desirable_weight": desirable,
            "kto_undesirable_weight": undesirable,
        }
    keys["datasets"] = [_dataset(data, "train")]
    if data.eval_split:
        keys["test_datasets"] = [_dataset(data, data.eval_split)]
    keys["output_dir"] = f"{data.folder}-{keys['rl']}"
    return {"axolotl.yaml": yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)}


def _dataset(data: ExportedData, split: str) -> dict[str, str]:
    source = {"path": str(data.files[split]), "ds_type": "json", "split": "train"}
    if data.facts.view == "unpaired":
        return {**source, "type": "chatml.argilla_chat"}
    return {
        **source,
        "type": "chat_template.default",
        "field_messages": "messages",
        "field_chosen": "chosen",
        "field_rejected": "rejected",
    }


def _notes(data: ExportedData) -> list[str]:
    if data.facts.view == "pairs":
        return ["answers lose the white space at their ends, by which axolotl would miss them"]
    chatml = "axolotl writes KTO data as ChatML; for Llama 3 set type: llama3.argilla_chat"
    return [*weight_notes(data), chatml]


AXOLOTL = Target(
    name="axolotl",
    order=6,
    help="pairs or KTO, with its YAML",
    summary="Axolotl: pairs for its chat templates or KTO, with its YAML",
    views=("pairs", "unpaired"),
    suffix=".jsonl",
    row=_row,
    stanza=_stanza,
    next_step=lambda data: f"axolotl train {data.shell_path('axolotl.yaml')} --base-model MODEL",
    refuse=first_of(one_message, no_tool_calls, no_reasoning, _refuse_pair),
    notes=_notes,
)
