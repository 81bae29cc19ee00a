"""Ids and splits of a whole conversion."""

from __future__ import annotations

from pathlib import Path

import xxhash

from tests.roundtrip import labelled, make, pair

ROWS = [pair(f"good {n}", f"bad {n}", f"prompt {n}") for n in range(200)]


def digest(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode())


def test_ids_are_what_they_were(tmp_path: Path) -> None:
    """Written down: a change of these values would move prompts between splits and break links."""
    found = make(tmp_path, [pair("4", "5", "What is 2 + 2?")]).only
    assert found["prompt_id"] == "d352a41a8162e560cf17e5c7ea4b0b51"
    assert found["id"] == "8b8824bc3a36e50cb9d2c6d69fd6ddff"
    found = make(tmp_path, [labelled("4", True, "What is 2 + 2?")]).only
    assert found["prompt_id"] == "d352a41a8162e560cf17e5c7ea4b0b51"
    assert found["id"] == "91e7d50b6fff405f44b44585a9c5ea43"


def test_the_id_of_a_conversation_is_the_hash_of_its_turns(tmp_path: Path) -> None:
    """Roles and texts of all turns, separated by control characters that no text holds."""
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello!"), ("user", "Bye")]
    prompt = [{"role": role, "content": text} for role, text in turns]
    row = {"prompt": prompt, "chosen": "Bye!", "rejected": "No."}
    expected = digest("\x1e".join(f"{role}\x1f{text}" for role, text in turns))
    assert make(tmp_path, [row]).only["prompt_id"] == expected


def test_no_test_split_if_none_is_wanted(tmp_path: Path) -> None:
    """With a test size of 0 there is no file of a test split, and no mention of one."""
    made = make(tmp_path, ROWS, test_size=0)
    assert [p.name for p in (tmp_path / "out" / "data").iterdir()] == [
        "train-00000-of-00001.parquet"
    ]
    assert list(made.manifest["splits"]) == ["train"]
