"""ms-swift: `messages` with `rejected_messages` for pairs, with `label` for KTO.

Both conversations are written whole, which needs ms-swift 3.8 and holds answers of several
messages. A call of a tool is a turn of its own, as ms-swift writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import yaml

from prefdata.exporting.base import Facts, Job, Made, Row, Target, Turn, margin
from prefdata.exporting.llama_factory import parsed
from prefdata.exporting.trl import class_weights, margins
from prefdata.exporting.weights import weights


def _turns(turns: Sequence[Turn]) -> Iterator[dict[str, str]]:
    for turn in turns:
        calls = turn.get("tool_calls") or []
        if turn["content"] or not calls:
            yield {"role": turn["role"], "content": turn["content"]}
        for call in calls:
            function = call["function"]
            held = {"name": function["name"], "arguments": parsed(function["arguments"])}
            yield {"role": "tool_call", "content": json.dumps(held, ensure_ascii=False)}


def _row(row: Row, facts: Facts) -> Made:
    prompt = list(_turns(row["prompt"]))
    if facts.view == "unpaired":
        return {"messages": [*prompt, *_turns(row["completion"])], "label": row["label"]}
    made = {
        "messages": [*prompt, *_turns(row["chosen"])],
        "rejected_messages": [*prompt, *_turns(row["rejected"])],
    }
    return {**made, "margin": margin(row)} if facts.margins else made


def _stanza(job: Job) -> Mapping[str, str]:
    pairs = job.facts.view == "pairs"
    keys: dict[str, object] = {
        "rlhf_type": "dpo" if pairs else "kto",
        "dataset": [str(job.files["train"])],
    }
    if "test" in job.files:
        keys["val_dataset"] = [str(job.files["test"])]
    if not pairs:
        desirable, undesirable = weights(job.good, job.bad)
        keys |= {"desirable_weight": desirable, "undesirable_weight": undesirable}
    keys["output_dir"] = f"{job.folder}-{keys['rlhf_type']}"
    return {"swift.yaml": yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)}


def _notes(job: Job) -> list[str]:
    if job.facts.view == "unpaired":
        return class_weights(job)
    reward = "the margin counts with rlhf_type: rm only"
    return [*margins(job), *([reward] if job.facts.margins else [])]


MS_SWIFT = Target(
    name="ms-swift",
    summary="ms-swift: messages and rejected_messages, or KTO, with its YAML",
    views=("pairs", "unpaired"),
    suffix=".jsonl",
    carries=("margin",),
    row=_row,
    stanza=_stanza,
    following=lambda job: f"swift rlhf {job.at('swift.yaml')} --model MODEL",
    notes=_notes,
)
