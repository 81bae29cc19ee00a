"""Several dimensions: which of two responses is better, what a veto refuses, what is counted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.errors import UsageError
from prefdata.records import reasons
from prefdata.transforms.options import ALL, Options
from tests.rated_on_dimensions import ANCHOR, KIND, long, scored, sides
from tests.roundtrip import How, Row
from tests.transforms.from_records import Paired, paired

FEW = settings(max_examples=12)


def test_the_score_is_on_the_scale_of_the_source() -> None:
    """Weights are shares: a mean of 4 and 1 by 3 to 1 is 3.25, and so is it by 0.3 to 0.1."""
    for scale in (1.0, 0.1):
        weights = {"helpfulness": 3 * scale, "correctness": scale}
        row = paired(KIND, weights=weights).only
        assert (row["score_chosen"], row["score_rejected"]) == (3.25, 2.25)


def test_the_margin_of_an_order_is_that_of_the_dimension_that_decides() -> None:
    """Equal on the first: the second decides, with its own scores."""
    row = paired(KIND, lexicographic=("coherence", "correctness")).only
    assert (row["score_chosen"], row["score_rejected"], row["margin"]) == (3, 1, 2)
    small = paired(
        [*KIND, scored("a", 1, 3, "R"), scored("b", 1, 0, "R")],
        lexicographic=("coherence", "correctness"),
        min_margin=2.5,
    )
    assert small.answers == [("a", "b")]
    assert small.became(1) == [("left over", reasons.SMALL_MARGIN)]


def test_better_on_one_and_worse_on_another_is_no_pair() -> None:
    """Where neither dominates there is a reason, also where the means are equal."""
    rows = [
        *KIND,
        scored("best", 4, 4, "R"),
        scored("worst", 1, 1, "R"),
        scored("up", 4, 2, "S"),
        scored("down", 1, 3, "S"),
    ]
    made = paired(rows, pareto=ALL)
    assert made.answers == [("best", "worst")]
    for line in (1, 2, 5, 6):
        assert made.became(line) == [("left over", reasons.NOT_PARETO)]


@pytest.mark.parametrize("write", [list, long])
def test_a_veto_refuses_what_is_worse(write: type[list[Row]]) -> None:
    """The chosen answer must be as good at least on the dimension that has the veto."""
    rows = write([*KIND, scored("good", 4, 3, "R"), scored("bad", 1, 3, "R")])
    made = paired(rows, weights={"helpfulness": 1}, veto=("correctness",))
    assert made.answers == [("good", "bad")]
    assert ("left over", reasons.VETOED) in made.became(1)


@pytest.mark.parametrize("how", [{"weights": {"help": 1}, "veto": ("safe",)}, {"pareto": ALL}])
def test_what_is_refused_is_made_up_for_by_no_other_pair(how: How) -> None:
    """The strategy has chosen before; the one that makes all pairs leaves those that stand."""
    of_each = {"best": (9, 2), "middle": (5, 5), "worst": (1, 4)}
    rows: list[Row] = [
        {"prompt": "Q", "response": response, "score": score, "dimension": name}
        for response, scores in of_each.items()
        for name, score in zip(("help", "safe"), scores, strict=True)
    ]
    assert paired(rows, **how).rows == []
    every: How = {**how, "strategy": "all"}
    made = paired(rows, **every)
    assert made.answers == [("middle", "worst")]


def test_a_response_without_a_score_that_is_needed_is_in_no_pair() -> None:
    """A mean over other dimensions is another mean: such a response is compared with none."""
    rows = long([*KIND, {**scored("half", 4, 0), "correctness": None}])
    weighed = How(weights={"helpfulness": 3, "correctness": 1})
    for how in (weighed, How(lexicographic=("helpfulness", "correctness"))):
        made = paired(rows, **how)
        assert "half" not in str(made.answers)
        assert made.became(11) == [("left over", reasons.MISSING_DIMENSION)]


def labelled(better: int, safer: int, prompt: str) -> Row:
    """A pair of a data set made before, with a label for each dimension."""
    both = [("help", better), ("safety", safer)]
    return {
        "prompt": prompt,
        "chosen": "left",
        "rejected": "right",
        "dimensions": [
            {"dimension": name, "chosen": 1.0 - side, "rejected": float(side)}
            for name, side in both
        ],
    }


def test_two_labels_are_weighed_and_vetoed_like_ratings() -> None:
    """A verdict that the rule turns round is turned round; one that a veto hits is refused."""
    rows = [labelled(0, 0, "both left"), labelled(1, 1, "both right"), labelled(0, 1, "divided")]
    by_help = paired(rows, weights={"help": 1}, veto=("safety",))
    assert by_help.answers == [("left", "right"), ("right", "left")]
    assert by_help.became(3) == [("rejected", reasons.VETOED)]
    first = paired(rows, lexicographic=("safety", "help"))
    assert first.answers == [("left", "right"), ("right", "left"), ("right", "left")]
    strict = paired(rows, pareto=ALL)
    assert strict.became(3) == [("rejected", reasons.NOT_PARETO)]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (How(weights={"a": 1}, pareto=ALL), "cannot both decide"),
        (How(weights={"a": 0}), "the weight of a is 0"),
        (How(weights={"a": float("nan")}), "the weight of a is nan"),
        (How(veto=("a", "a")), "names a twice"),
    ],
)
def test_rules_that_make_no_sense_are_refused(how: How, says: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match=says):
        Options(**how)


NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 0.1, 0.7])


ROWS = st.lists(
    st.builds(scored, st.sampled_from("abcdef"), NUMBERS, NUMBERS, st.sampled_from(["P", "Q"])),
    min_size=2,
    max_size=10,
)


RULES = st.sampled_from(
    [
        How(),
        How(weights={"helpfulness": 0.7, "correctness": 0.3}),
        How(weights={"helpfulness": 1, "correctness": -0.5}),
        How(lexicographic=("helpfulness", "correctness")),
        How(pareto=("helpfulness", "correctness")),
        How(pareto=ALL),
    ]
)


STRATEGY = st.sampled_from(["best-worst", "best-rest", "adjacent", "all", "best-random"])


def outcome(made: Paired) -> dict[object, object]:
    names = ("score_chosen", "score_rejected", "margin", "votes", "agreement", "dimensions")
    return {row["id"]: [row[name] for name in names] for row in made.rows}


@FEW
@given(rows=ROWS, how=RULES, strategy=STRATEGY, veto=st.booleans(), as_long=st.booleans())
def test_laws_of_every_rule(
    rows: list[Row], how: How, strategy: str, *, veto: bool, as_long: bool
) -> None:
    """The order of rows does not matter, chosen is above rejected, and a veto holds."""
    rows = [*ANCHOR, *rows]
    asked: How = {**how, "strategy": strategy}  # type: ignore[typeddict-item]
    if veto:
        asked["veto"] = ("helpfulness",)
    written = long(rows) if as_long and how else rows
    made = paired(written, **asked)
    back = paired(written[::-1], **asked)
    assert outcome(made) == outcome(back)
    assert made.by_row == back.by_row
    assert {entry["line"] for entry in made.outcomes} == set(range(1, len(written) + 1))
    for row in made.rows:
        assert row["score_chosen"] > row["score_rejected"]
        helpful, correct = sides(row, "helpfulness"), sides(row, "correctness")
        if veto:
            assert helpful[0] >= helpful[1]  # type: ignore[operator]
        if how.get("pareto"):
            each = [helpful, correct]
            assert all(a >= b for a, b in each)  # type: ignore[operator]
            assert any(a > b for a, b in each)  # type: ignore[operator]
        if how.get("lexicographic"):
            a, b = helpful if helpful[0] != helpful[1] else correct
            assert (row["score_chosen"], row["score_rejected"]) == (a, b)


@FEW
@given(rows=ROWS, scale=st.sampled_from([0.1, 3, 1000, 1 / 3]))
def test_only_the_proportion_of_weights_counts(rows: list[Row], scale: float) -> None:
    """Seven to three is the same as 0.7 to 0.3."""
    weights = {"helpfulness": 0.7, "correctness": 0.3, "verbosity": -0.2}
    rows = [*ANCHOR, *rows]
    made = paired(rows, weights=weights)
    scaled = {name: weight * scale for name, weight in weights.items()}
    other = paired(rows, weights=scaled)
    assert [row["id"] for row in made.rows] == [row["id"] for row in other.rows]
    for one, two in zip(made.rows, other.rows, strict=True):
        assert one["margin"] == pytest.approx(two["margin"])
    assert made.by_row == other.by_row
    assert made.dimensions == other.dimensions
