"""Ids and splits: hashes of the content, the same on every machine and for ever."""

from __future__ import annotations

import polars as pl
import pytest
import xxhash

from prefdata.records.ids import content_ids, hexed, joined_ids
from prefdata.transforms.split import in_test
from tests.roundtrip import pair, rated
from tests.transforms.from_records import Paired, paired

ROWS = [pair(f"good {n}", f"bad {n}", f"prompt {n}") for n in range(200)]


def splits(made: Paired) -> dict[object, object]:
    return {row["prompt_id"]: row["split"] for row in made.rows}


def digest(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode())


def test_the_hash_is_xxh3_128() -> None:
    """The id of a text is the published XXH3-128 of its role, a separator and the text."""
    assert digest("") == "99aa06d3014798d86001c324468d497f"
    frame = pl.DataFrame({"prompt": ["What is 2 + 2?"], "chosen": ["4"]})
    frame = content_ids(frame, {"prompt": "p", "chosen": "c"})
    assert hexed(frame["p"]).item() == digest("user\x1fWhat is 2 + 2?")
    assert hexed(frame["c"]).item() == digest("assistant\x1f4")
    joined = joined_ids(frame, ["p", "c"], "both")
    text = f"{hexed(frame['p']).item()} {hexed(frame['c']).item()}"
    assert hexed(joined["both"]).item() == digest(text)


@pytest.mark.parametrize(
    ("seed", "test"),
    [
        (0, ["prompt 0", "prompt 14", "prompt 17", "prompt 18", "prompt 7"]),
        (1, ["prompt 0", "prompt 9"]),
        (10**40, ["prompt 15", "prompt 17"]),
    ],
)
def test_splits_are_what_they_were(seed: int, test: list[str]) -> None:
    """Written down: which of twenty prompts are in the test split, for three seeds."""
    made = paired(ROWS[:20], test_size=0.2, seed=seed)
    assert sorted(str(r["prompt"]) for r in made.rows if r["split"] == "test") == test


def test_a_prompt_stays_in_its_split_when_data_is_added() -> None:
    """What was in the test split of 100 rows is there in 200 rows too, in any order."""
    before = splits(paired(ROWS[:100], test_size=0.3))
    after = splits(paired(ROWS[::-1], test_size=0.3))
    assert set(before.values()) == {"train", "test"}
    assert before.items() <= after.items()


def test_a_larger_test_split_holds_the_smaller_one() -> None:
    """Raising the test size moves prompts to the test split, and none back."""
    small, large = (splits(paired(ROWS, test_size=s)) for s in (0.1, 0.4))
    assert {p for p, s in small.items() if s == "test"} < {
        p for p, s in large.items() if s == "test"
    }


def test_all_pairs_of_a_prompt_are_in_one_split() -> None:
    """Pairs, spellings and sources of a prompt stay together."""
    rows = [rated(f"answer {k}", k, f"prompt {n}") for n in range(60) for k in range(4)]
    more = [pair("x", "y", f" prompt {n}\r\n") for n in range(60)]
    made = paired(rows, more, test_size=0.4, strategy="all")
    both = {(row["prompt_id"], row["split"]) for row in made.rows}
    assert len({prompt for prompt, _ in both}) == len(both) == 60
    assert len(made.rows) == 60 * 7


def test_another_seed_gives_another_split() -> None:
    """The seed enters the hash."""
    one, two = (splits(paired(ROWS, test_size=0.5, seed=s)) for s in (0, 1))
    same = sum(one[prompt] == two[prompt] for prompt in one)
    assert 60 < same < 140


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64, 10**40, -(10**40)])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    """However large the seed, there is a split."""
    rows = [rated("x", 2), rated("y", 1), rated("z", 0)]
    assert len(paired(rows, test_size=0.5, seed=seed, strategy="best-random").rows) == 1


def test_the_share_is_about_what_was_asked_for() -> None:
    """Of 100,000 prompts, one in ten, give or take half a percent."""
    ids = hexed(pl.Series(range(100_000), dtype=pl.UInt128))
    assert abs(in_test(ids, 0.1, 0).mean() - 0.1) < 0.005  # type: ignore[operator]
