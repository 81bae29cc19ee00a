"""NeMo-RL: its `PreferenceDataset`, a context and two ranked completions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

import yaml

from prefdata.exporting.base import DatasetFacts, DatasetRow, ExportedData, Target, TargetRow, Turn
from prefdata.exporting.checks import first_of, no_reasoning, no_tool_calls, one_message


def _turns(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]


def _row(row: DatasetRow, _facts: DatasetFacts) -> TargetRow:
    ranked = enumerate((row["chosen"], row["rejected"]))
    completions = [{"rank": rank, "completion": _turns(turns)} for rank, turns in ranked]
    return {"context": _turns(row["prompt"]), "completions": completions}


def _places(data: ExportedData) -> dict[str, str]:
    """What NeMo-RL calls the splits."""
    return {"train": "train", data.eval_split or "test": "validation"}


def _stanza(data: ExportedData) -> Mapping[str, str]:
    places = {place: _place(data, split) for split, place in _places(data).items()}
    text = yaml.safe_dump({"data": places}, sort_keys=False, allow_unicode=True)
    return {"nemo-rl.yaml": f"# For the part `data` of NeMo-RL's dpo.yaml or rm.yaml.\n{text}"}


def _place(data: ExportedData, split: str) -> dict[str, str] | None:
    """Where a split stands; the rows of a local file are its split ``train``."""
    if split not in data.files:
        return None
    path = str(data.files[split])
    return {"dataset_name": "PreferenceDataset", "data_path": path, "split": "train"}


def _next_step(data: ExportedData) -> str:
    """What to run: ``++`` sets a key whether NeMo-RL's own example has it or not."""
    overrides = []
    for split, place in _places(data).items():
        keys = _place(data, split)
        if keys is None:
            overrides.append(f"data.{place}=null")
            continue
        overrides += [shlex.quote(f"++data.{place}.{key}={value}") for key, value in keys.items()]
    return f"uv run examples/run_dpo.py {' '.join(overrides)}"


NEMO_RL = Target(
    name="nemo-rl",
    order=8,
    help="context and ranked completions",
    summary="NeMo-RL's PreferenceDataset: a context and two ranked completions",
    views=("pairs",),
    suffix=".jsonl",
    row=_row,
    stanza=_stanza,
    next_step=_next_step,
    refuse=first_of(one_message, no_tool_calls, no_reasoning),
)
