"""Small data set directories for the tests, written as the contract says."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from prefdata.schemas import PreferencePair, UnpairedPreference

RECORDS: dict[str, type[PreferencePair | UnpairedPreference]] = {
    "pairs": PreferencePair,
    "unpaired": UnpairedPreference,
}

NOUNS = ("river", "lamp", "garden", "engine", "poem", "market", "storm", "recipe", "bridge", "song")


def turn(text: str, role: str = "assistant") -> list[dict[str, str]]:
    """One turn as a list of messages."""
    return [{"role": role, "content": text}]


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, list[dict[str, str]]]:
    """A pair of one-turn answers."""
    return {"prompt": turn(prompt, "user"), "chosen": turn(chosen), "rejected": turn(rejected)}


def polite_pairs(count: int, *, seed: int = 0) -> list[dict[str, list[dict[str, str]]]]:
    """Pairs with one thing to learn: the chosen answer is polite, the rejected one is rude."""
    draw = random.Random(seed)  # noqa: S311  # not a secret
    pairs = []
    for number in range(count):
        noun = draw.choice(NOUNS)
        pairs.append(
            pair(
                f"Tell me of the {noun}, number {number}.",
                f"Gladly! The {noun} is a fine thing, thank you for asking.",
                f"No. I will not speak of any {noun}, go away.",
            )
        )
    return pairs


def write_dataset(
    folder: Path,
    train: Sequence[Mapping[str, object]],
    test: Sequence[Mapping[str, object]] = (),
    *,
    kind: str = "pairs",
    tools: bool = False,
) -> Path:
    """Write a data set directory and return it."""
    (folder / "data").mkdir(parents=True)
    for split, rows in {"train": train, "test": test}.items():
        if rows or split == "train":
            numbered = [
                {"id": f"{split}-{n}", "prompt_id": f"p{n}", "source": "hand", **row}
                for n, row in enumerate(rows)
            ]
            table = pa.Table.from_pylist(
                numbered, schema=RECORDS[kind].arrow_schema(extended=tools)
            )
            pq.write_table(table, folder / "data" / f"{split}-00000-of-00001.parquet")
    manifest = {"kind": kind, "schema_version": 1, "sources": [{"path": "hand.jsonl"}]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def unpaired(
    pairs: Sequence[Mapping[str, list[dict[str, str]]]],
) -> list[dict[str, object]]:
    """Each pair as a good and a bad answer, all the good ones first."""
    return [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for side in ("chosen", "rejected")
        for row in pairs
    ]
