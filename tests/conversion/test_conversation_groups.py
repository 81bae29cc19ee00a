"""The split by conversation: what begins with the same user turn stays together."""

from __future__ import annotations

import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.conversion import conversation_groups
from prefdata.conversion.conversation_groups import ConversationGroups
from prefdata.conversion.inspect import inspect
from prefdata.errors import PrefdataError
from prefdata.transforms.split import SPLIT
from tests.roundtrip import Converted, Row, converted, labelled, make, pair, rated

FEW = settings(max_examples=12)
SHAPES: dict[str, Callable[[object], list[Row]]] = {
    "pairs": lambda prompt: [{**pair("good", "bad"), "prompt": prompt}],
    "ratings": lambda prompt: [
        {**rated("good", 2), "prompt": prompt},
        {**rated("bad", 1), "prompt": prompt},
    ],
    "labels": lambda prompt: [{**labelled("good", True), "prompt": prompt}],
}
"""Rows of each kind on one prompt."""


def turns(first: str, *, depth: int, system: str = "") -> list[Row]:
    """A prompt some turns into the conversation that a user turn begins."""
    opening = [{"role": "system", "content": system}] if system else []
    more = [
        {"role": role, "content": f"{role} {n}"}
        for n in range(depth)
        for role in ("assistant", "user")
    ]
    return [*opening, {"role": "user", "content": first}, *more]


def sides(made: Converted) -> dict[str, set[object]]:
    """The splits that each conversation is in, by its first user turn."""
    found: dict[str, set[object]] = defaultdict(set)
    for row in made.rows:
        spoken = str(row["prompt"]).split(" | ")
        found[next(turn for turn in spoken if turn.startswith("first"))].add(row["split"])
    return found


TREE = [turns(f"first {n}", depth=depth) for n in range(40) for depth in range(3)]


@pytest.mark.parametrize("shape", list(SHAPES))
def test_no_conversation_is_in_two_splits(tmp_path: Path, shape: str) -> None:
    """By prompt the turns of a session fall on both sides; by conversation they never do."""
    rows = [row for prompt in TREE for row in SHAPES[shape](prompt)]
    apart = make(tmp_path / "prompt", rows, test_size=0.3, split_by="prompt")
    together = make(tmp_path / "talk", rows, test_size=0.3, split_by="conversation")
    assert any(len(found) == 2 for found in sides(apart).values())
    assert all(len(found) == 1 for found in sides(together).values())
    splits = together.report.splits
    assert sum(split["conversations"] for split in splits.values()) == 40
    assert set(splits) == {"train", "test"}


@FEW
@given(
    drawn=st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 3), st.sampled_from(["", "Be brief."])),
        min_size=1,
        max_size=25,
    ),
    shape=st.sampled_from(list(SHAPES)),
    seed=st.integers(0, 3),
)
def test_the_split_is_by_the_first_user_turn_alone(
    drawn: list[tuple[int, int, str]], shape: str, seed: int
) -> None:
    """Whatever the system prompt, the depth and the order of the rows, no conversation leaks."""
    prompts = [turns(f"first {n}", depth=depth, system=system) for n, depth, system in drawn]
    rows = [row for prompt in prompts for row in SHAPES[shape](prompt)]
    shuffled = random.Random(1).sample(rows, len(rows))  # noqa: S311  # not a secret
    with tempfile.TemporaryDirectory() as work:
        how = {"test_size": 0.5, "seed": seed, "split_by": "conversation"}
        one = make(Path(work) / "one", rows, **how)  # type: ignore[arg-type]
        two = make(Path(work) / "two", shuffled, **how)  # type: ignore[arg-type]
        few = make(Path(work) / "few", rows[: len(rows) // 2 + 2], **how)  # type: ignore[arg-type]
    assert sides(one) == sides(two)
    assert all(len(found) == 1 for found in sides(one).values())
    assert all(sides(one)[first] == found for first, found in sides(few).items())


def test_a_prompt_of_one_turn_stays_where_it_is_either_way(tmp_path: Path) -> None:
    """For single turns both ways of splitting are the same."""
    rows = [pair("good", "bad", f"prompt {n}") for n in range(60)]
    by_prompt = make(tmp_path / "1", rows, test_size=0.3, split_by="prompt")
    by_talk = make(tmp_path / "2", rows, test_size=0.3, split_by="conversation")
    assert [(r["id"], r["split"]) for r in by_prompt.rows] == [
        (r["id"], r["split"]) for r in by_talk.rows
    ]


def attempt(n: int) -> Row:
    """A row as UltraInteract has it: the step that a trajectory was in when it forked."""
    steps = [{"from": "user", "value": f"first {n // 3}"}]
    for depth in range(n % 3):
        steps += [{"from": "assistant", "value": f"{depth}"}, {"from": "user", "value": "go on"}]
    return {
        "id": f"{n}",
        "parent_id": f"{n - 1}",
        "task": "Coding",
        "dataset": "codecontest",
        "trajectory": steps,
        "chosen": f"good {n}",
        "rejected": f"bad {n}",
    }


ULTRA = [attempt(n) for n in range(90)]
"""Several turns of each of thirty problems."""


def test_the_format_says_what_the_split_goes_by(tmp_path: Path) -> None:
    """A set of trees is split by conversation, unless the user wants otherwise; all say so."""
    made = make(tmp_path / "1", ULTRA, test_size=0.4)
    assert made.report.split_by == "conversation"
    assert all(len(found) == 1 for found in sides(made).values())
    manifest = json.loads((tmp_path / "1" / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["split_by"] == "conversation"
    assert "No conversation" in (tmp_path / "1" / "out" / "README.md").read_text("utf-8")
    assert inspect([tmp_path / "1" / "0.jsonl"])[0].split_by == "conversation"
    forced = make(tmp_path / "2", ULTRA, test_size=0.4, split_by="prompt")
    assert forced.report.split_by == "prompt"
    (found,) = inspect([tmp_path / "1" / "0.jsonl"], split_by="prompt")
    assert found.split_by == "prompt"


def test_a_data_set_keeps_its_way_of_splitting(tmp_path: Path) -> None:
    """Converted again, every row is in the split in which it was."""
    rows = SHAPES["pairs"]
    made = make(
        tmp_path,
        [row for prompt in TREE for row in rows(prompt)],
        test_size=0.3,
        split_by="conversation",
    )
    again = converted([tmp_path / "out"], tmp_path / "again", test_size=0.3)
    assert again.report.split_by == "conversation"
    assert {r["id"]: r["split"] for r in made.rows} == {r["id"]: r["split"] for r in again.rows}


def put(groups: ConversationGroups, ids: list[int], split: str) -> None:
    column = pl.Series(ids, dtype=pl.UInt128)
    groups.put(pl.DataFrame({"group_id": column}).with_columns(split=pl.lit(split, SPLIT)))


def test_a_leak_would_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check looks at conversations of all buckets together, however few at once."""
    monkeypatch.setattr(conversation_groups, "AT_ONCE", 1)
    groups = ConversationGroups(tmp_path / "groups")
    for ids, split in (([1, 2, 3], "train"), ([4, 5], "test")):
        put(groups, ids, split)
    assert groups.count() == {"train": 3, "test": 2}
    put(groups, [4], "train")
    with pytest.raises(PrefdataError, match="1 conversations are in two splits"):
        groups.count()
