"""TRL: pairs for DPO and reward models, labelled answers for KTO, best answers for SFT.

Parquet, as the column types are then the same in every row. The configuration is what
``trl dpo --config`` and its siblings read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import yaml

from prefdata.exporting.base import (
    ColumnKind,
    DatasetFacts,
    DatasetRow,
    ExportedData,
    Target,
    TargetRow,
    Turn,
    answers,
    margin_or_zero,
    template_columns,
)
from prefdata.exporting.notes import class_weights, margin_notes, weight_notes
from prefdata.records.frames import TEMPLATE
from prefdata.records.plain_text import as_template_message, completion_text, prompt_text


def _texts(row: DatasetRow, facts: DatasetFacts) -> dict[str, object]:
    """The prompt and the answers of a row, as messages or as plain text."""
    if not facts.plain:
        sides: dict[str, object] = {**_sides(row)}
        if facts.extended:
            sides = {name: list(map(_json, turns)) for name, turns in _sides(row).items()}
        return {**sides, **_template(row, facts)}
    plain = {side: completion_text(_mappings(turns)) for side, turns in answers(row).items()}
    return {"prompt": prompt_text(_mappings(row["prompt"])), **plain}


def _sides(row: DatasetRow) -> dict[str, list[Turn]]:
    return {"prompt": row["prompt"], **answers(row)}


def _json(turn: Turn) -> str:
    """A turn as JSON, with the arguments of its calls as objects, as templates write them."""
    return json.dumps(as_template_message(cast("Mapping[str, object]", turn)), ensure_ascii=False)


def _template(row: DatasetRow, facts: DatasetFacts) -> dict[str, str | None]:
    """Tools and template arguments where the data set has them; TRL wants arguments in each row."""
    texts = template_columns(row)
    absent = {"tools": None, "chat_template_kwargs": "{}"}
    return {name: texts.get(name, absent[name]) for name in TEMPLATE if name in facts.columns}


def _mappings(turns: Sequence[Turn]) -> Sequence[Mapping[str, str]]:
    return cast("Sequence[Mapping[str, str]]", turns)


def _columns(*sides: str) -> Callable[[DatasetFacts], Mapping[str, ColumnKind]]:
    def columns(facts: DatasetFacts) -> Mapping[str, ColumnKind]:
        if facts.plain:
            return dict.fromkeys(("prompt", *sides), "text")
        kind: ColumnKind = "json turns" if facts.extended else "turns"
        template: list[str] = [name for name in TEMPLATE if name in facts.columns]
        return {**dict.fromkeys(("prompt", *sides), kind), **dict.fromkeys(template, "json")}

    return columns


def _reward_row(row: DatasetRow, facts: DatasetFacts) -> TargetRow:
    return _texts(row, facts) | ({"margin": margin_or_zero(row)} if facts.margins else {})


def _reward_columns(facts: DatasetFacts) -> Mapping[str, ColumnKind]:
    more: dict[str, ColumnKind] = {"margin": "number"} if facts.margins else {}
    return {**_columns("chosen", "rejected")(facts), **more}


def _kto_row(row: DatasetRow, facts: DatasetFacts) -> TargetRow:
    return {**_texts(row, facts), "label": row["label"]}


def _kto_columns(facts: DatasetFacts) -> Mapping[str, ColumnKind]:
    return {**_columns("completion")(facts), "label": "flag"}


def _stanza(command: str) -> Callable[[ExportedData], Mapping[str, str]]:
    def stanza(data: ExportedData) -> Mapping[str, str]:
        keys: dict[str, object] = {
            "dataset_name": str(data.folder / "data"),
            "dataset_train_split": "train",
        }
        if data.eval_split:
            keys |= {"dataset_test_split": data.eval_split, "eval_strategy": "epoch"}
        keys["output_dir"] = f"{data.folder}-{command}"
        if command == "kto":
            desirable, undesirable = class_weights(data.good, data.bad)
            keys |= {"desirable_weight": desirable, "undesirable_weight": undesirable}
        return {f"{command}.yaml": yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)}

    return stanza


def _next_step(command: str) -> Callable[[ExportedData], str]:
    return lambda data: (
        f"trl {command} --config {data.shell_path(f'{command}.yaml')} --model_name_or_path MODEL"
    )


TRL = Target(
    name="trl",
    order=1,
    help="pairs as messages, for DPO and its kin",
    summary="TRL's DPO trainer and its kin: prompt, chosen, rejected as messages",
    views=("pairs",),
    suffix=".parquet",
    row=_texts,
    carries=TEMPLATE,
    columns=_columns("chosen", "rejected"),
    stanza=_stanza("dpo"),
    next_step=_next_step("dpo"),
    plain=True,
)
REWARD = Target(
    name="trl-reward",
    order=2,
    help="the same with the margin",
    summary="TRL's reward trainer: pairs with their margin",
    views=("pairs",),
    suffix=".parquet",
    carries=("margin", *TEMPLATE),
    row=_reward_row,
    columns=_reward_columns,
    stanza=_stanza("reward"),
    next_step=_next_step("reward"),
    notes=margin_notes,
    plain=True,
)
KTO = Target(
    name="kto",
    order=3,
    help="labelled answers, mixed, with class weights",
    summary="TRL's KTO trainer: prompt, completion, label, mixed, with class weights",
    views=("unpaired",),
    suffix=".parquet",
    row=_kto_row,
    carries=TEMPLATE,
    columns=_kto_columns,
    stanza=_stanza("kto"),
    next_step=_next_step("kto"),
    notes=weight_notes,
    plain=True,
)
SFT = Target(
    name="sft",
    order=4,
    help="the best answer to each prompt",
    summary="TRL's SFT trainer: the best answer to each prompt",
    views=("answers",),
    suffix=".parquet",
    row=_texts,
    carries=TEMPLATE,
    columns=_columns("completion"),
    stanza=_stanza("sft"),
    next_step=_next_step("sft"),
    plain=True,
)
