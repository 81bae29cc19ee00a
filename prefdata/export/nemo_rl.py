"""NeMo-RL: its `PreferenceDataset`, a context and two ranked completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from prefdata.export.base import Facts, Job, Made, Row, Target, Turn
from prefdata.export.checks import first_of, no_tool_calls, one_message


def _turns(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]


def _row(row: Row, _facts: Facts) -> Made:
    ranked = enumerate((row["chosen"], row["rejected"]))
    completions = [{"rank": rank, "completion": _turns(turns)} for rank, turns in ranked]
    return {"context": _turns(row["prompt"]), "completions": completions}


def _stanza(job: Job) -> Mapping[str, str]:
    places = {"train": "train", "test": "validation"}
    data: dict[str, object] = {
        place: {"dataset_name": "PreferenceDataset", "data_path": str(job.files[split])}
        for split, place in places.items()
        if split in job.files
    }
    data.setdefault("validation", None)
    text = yaml.safe_dump({"data": data}, sort_keys=False, allow_unicode=True)
    return {"nemo-rl.yaml": f"# The part `data` of examples/configs/dpo.yaml or rm.yaml.\n{text}"}


def _following(job: Job) -> str:
    """What to run; `~` takes a key of NeMo-RL's own example away."""
    name = "data.{}.dataset_name=PreferenceDataset data.{}.data_path={}"
    test = "~data.validation"
    if "test" in job.files:
        test = name.format("validation", "validation", job.files["test"])
        test += " data.validation.split=train"
    train = name.format("train", "train", job.files["train"])
    return f"uv run examples/run_dpo.py {train} {test}"


NEMO_RL = Target(
    name="nemo-rl",
    summary="NeMo-RL's PreferenceDataset: a context and two ranked completions",
    views=("pairs",),
    suffix=".jsonl",
    row=_row,
    stanza=_stanza,
    following=_following,
    refuse=first_of(one_message, no_tool_calls),
)
