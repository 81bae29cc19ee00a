"""Which responses to a prompt are paired, and what is said of the others."""

from __future__ import annotations

import pytest

from prefdata.errors import UsageError
from prefdata.transforms import strategies
from prefdata.transforms.options import STRATEGIES, Strategy
from tests.roundtrip import rated
from tests.transforms.from_records import paired

LADDER = [rated("three", 3), rated("one", 1), rated("four", 4), rated("two", 2)]


"""Four responses, each with its name as its score."""


@pytest.mark.parametrize(
    ("strategy", "pairs"),
    [
        ("best-worst", [("four", "one")]),
        ("best-rest", [("four", "one"), ("four", "three"), ("four", "two")]),
        ("adjacent", [("four", "three"), ("three", "two"), ("two", "one")]),
        (
            "all",
            [
                ("four", "one"),
                ("four", "three"),
                ("four", "two"),
                ("three", "one"),
                ("three", "two"),
                ("two", "one"),
            ],
        ),
    ],
)
def test_strategies(strategy: Strategy, pairs: list[tuple[str, str]]) -> None:
    """Of four responses, each strategy pairs those that its name says."""
    assert paired(LADDER, strategy=strategy).answers == pairs


def test_best_random_draws_one_of_the_others() -> None:
    """The best response is paired once; over many seeds every worse one is drawn."""
    drawn = set()
    for seed in range(20):
        ((chosen, rejected),) = paired(LADDER, strategy="best-random", seed=seed).answers
        assert chosen == "four"
        drawn.add(rejected)
    assert drawn == {"one", "two", "three"}


def test_best_random_draws_the_same_for_the_same_seed() -> None:
    """The draw is by content, so it is the same today and on another machine (golden)."""
    found = [paired(LADDER, strategy="best-random", seed=s).answers[0][1] for s in range(4)]
    again = [paired(LADDER[::-1], strategy="best-random", seed=s).answers[0][1] for s in range(4)]
    assert found == again == ["one", "three", "three", "two"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ties_never_pair(strategy: Strategy) -> None:
    """Two share the best score, two the worst: whatever is paired, the scores differ."""
    rows = [rated("a", 5), rated("b", 5), rated("c", 2), rated("d", 2), rated("e", 3)]
    made = paired(rows, strategy=strategy)
    assert made.rows
    assert all(row["score_chosen"] > row["score_rejected"] for row in made.rows)
    assert not {("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")} & set(made.answers)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equal_scores_give_no_pair(strategy: Strategy) -> None:
    """Where all scores of a prompt are equal, its rows are left over, with the reason."""
    rows = [*LADDER, rated("x", 3, "flat"), rated("y", 3, "flat")]
    made = paired(rows, strategy=strategy)
    assert not [row for row in made.rows if row["prompt"] == "flat"]
    assert made.became(5) == made.became(6) == [("left over", "all scores are equal")]


def test_lone_and_middle_responses_are_named() -> None:
    """The ledger says of each row that is in no pair why not, and of the others in which."""
    made = paired([*LADDER, rated("alone", 5, "another prompt")])
    assert made.became(1) == made.became(4) == [("left over", "middle rank")]
    assert made.became(2) == made.became(3) == [("kept", "kept")]
    assert made.became(5) == [("left over", "the only response to its prompt")]
    assert {e["pair"] for e in made.outcomes} == {made.only["id"], None}
    assert made.by_row == {
        "kept": {"kept": 2},
        "left over": {"middle rank": 2, "the only response to its prompt": 1},
    }


def test_a_row_in_several_pairs_has_an_entry_for_each() -> None:
    """The best of four goes into three pairs, and is still one row."""
    made = paired(LADDER, strategy="best-rest")
    entries = [e for e in made.outcomes if e["line"] == 3]
    assert sorted(str(e["pair"]) for e in entries) == sorted(str(row["id"]) for row in made.rows)
    assert made.by_row == {"kept": {"kept": 4}}


def test_min_margin_is_inclusive() -> None:
    """A margin of exactly the least one is enough; below it the rows say so."""
    near = [rated("x", 3, "near"), rated("y", 2, "near")]
    made = paired([*LADDER, *near], strategy="adjacent", min_margin=1)
    assert len(made.rows) == 4
    made = paired([*LADDER, *near], min_margin=1.5)
    assert made.answers == [("four", "one")]
    assert made.became(5) == made.became(6) == [("left over", "margin is too small")]


def test_min_margin_counts_decimals_as_they_are_written() -> None:
    """4.1 - 3.9 is a trace less than 0.2 to the computer, and 0.2 to everybody else."""
    rows = [rated("x", 4.1), rated("y", 3.9)]
    assert paired(rows, min_margin=0.2).answers == [("x", "y")]
    assert paired(rows, min_margin=0.21).rows == []


def test_all_is_refused_where_it_would_fill_the_memory() -> None:
    """5,000 responses to one prompt are 12 million pairs: refused before they are made."""
    rows = [rated(f"answer {number}", number) for number in range(5_000)]
    with pytest.raises(UsageError, match=r"5,000 responses.*12,497,500 pairs") as error:
        paired(rows, strategy="all")
    assert "best-rest" in error.value.hint
    assert len(paired(rows, strategy="best-rest").rows) == 4_999
    assert len(paired(rows, strategy="adjacent").rows) == 4_999


def test_all_is_allowed_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is not too many."""
    monkeypatch.setattr(strategies, "MOST", 4)
    assert len(paired(LADDER, strategy="all").rows) == 6
    with pytest.raises(UsageError, match="5 responses"):
        paired([*LADDER, rated("five", 5)], strategy="all")
