"""TRL: pairs for DPO and reward models, labelled answers for KTO, best answers for SFT.

Parquet, as the column types are then the same in every row. The configuration is what
``trl dpo --config`` and its siblings read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import yaml

from prefdata.exporting.base import CellKind, Facts, Job, Made, Row, Target, Turn, answers, margin
from prefdata.exporting.weights import said, weights
from prefdata.records.plain_text import completion_text, prompt_text


def texts(row: Row, facts: Facts) -> dict[str, object]:
    """The prompt and the answers of a row, as messages or as plain text."""
    if not facts.plain:
        return {"prompt": row["prompt"], **answers(row)}
    plain = {side: completion_text(_said(turns)) for side, turns in answers(row).items()}
    return {"prompt": prompt_text(_said(row["prompt"])), **plain}


def _said(turns: Sequence[Turn]) -> Sequence[Mapping[str, str]]:
    return cast("Sequence[Mapping[str, str]]", turns)


def _columns(*sides: str) -> Callable[[Facts], Mapping[str, CellKind]]:
    def columns(facts: Facts) -> Mapping[str, CellKind]:
        kind: CellKind = "text" if facts.plain else "turns"
        return dict.fromkeys(("prompt", *sides), kind)

    return columns


def _reward_row(row: Row, facts: Facts) -> Made:
    return texts(row, facts) | ({"margin": margin(row)} if facts.margins else {})


def _reward_columns(facts: Facts) -> Mapping[str, CellKind]:
    more: dict[str, CellKind] = {"margin": "number"} if facts.margins else {}
    return {**_columns("chosen", "rejected")(facts), **more}


def _kto_row(row: Row, facts: Facts) -> Made:
    return {**texts(row, facts), "label": row["label"]}


def _kto_columns(facts: Facts) -> Mapping[str, CellKind]:
    return {**_columns("completion")(facts), "label": "flag"}


def _stanza(command: str) -> Callable[[Job], Mapping[str, str]]:
    def stanza(job: Job) -> Mapping[str, str]:
        keys: dict[str, object] = {
            "dataset_name": str(job.folder / "data"),
            "dataset_train_split": "train",
        }
        if "test" in job.files:
            keys |= {"dataset_test_split": "test", "eval_strategy": "epoch"}
        keys["output_dir"] = f"{job.folder}-{command}"
        if command == "kto":
            desirable, undesirable = weights(job.good, job.bad)
            keys |= {"desirable_weight": desirable, "undesirable_weight": undesirable}
        return {f"{command}.yaml": yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)}

    return stanza


def _following(command: str) -> Callable[[Job], str]:
    return lambda job: (
        f"trl {command} --config {job.at(f'{command}.yaml')} --model_name_or_path MODEL"
    )


def margins(job: Job) -> list[str]:
    """What became of the margins, where the target can use them."""
    if not job.facts.margins:
        return ["no row has a margin: the loss is the plain one"]
    if without := job.seen.get("no margin", 0):
        many = "1 row has" if without == 1 else f"{without:,} rows have"
        return [f"{many} no margin: 0 is written there, which is the plain loss"]
    return []


def class_weights(job: Job) -> list[str]:
    """The class weights that are suggested, and why."""
    return said(job.good, job.bad)


TRL = Target(
    name="trl",
    summary="TRL's DPO trainer and its kin: prompt, chosen, rejected as messages",
    views=("pairs",),
    suffix=".parquet",
    row=texts,
    columns=_columns("chosen", "rejected"),
    stanza=_stanza("dpo"),
    following=_following("dpo"),
    plain=True,
)
REWARD = Target(
    name="trl-reward",
    summary="TRL's reward trainer: pairs with their margin",
    views=("pairs",),
    suffix=".parquet",
    carries=("margin",),
    row=_reward_row,
    columns=_reward_columns,
    stanza=_stanza("reward"),
    following=_following("reward"),
    notes=margins,
    plain=True,
)
KTO = Target(
    name="kto",
    summary="TRL's KTO trainer: prompt, completion, label, mixed, with class weights",
    views=("unpaired",),
    suffix=".parquet",
    row=_kto_row,
    columns=_kto_columns,
    stanza=_stanza("kto"),
    following=_following("kto"),
    notes=class_weights,
    plain=True,
)
SFT = Target(
    name="sft",
    summary="TRL's SFT trainer: the best answer to each prompt",
    views=("answers",),
    suffix=".parquet",
    row=texts,
    columns=_columns("completion"),
    stanza=_stanza("sft"),
    following=_following("sft"),
    plain=True,
)
