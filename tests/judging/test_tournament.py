"""Rankings of many answers: exact strengths, bounded schedules, circles."""

from __future__ import annotations

import math
from itertools import combinations
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.errors import InputError
from prefdata.judging.tournament import PairScore, next_comparisons, rank, ranked_pairs
from prefdata.transforms.options import Pairing


def played(answers: int, most: int | None, seed: int = 0) -> list[PairScore]:
    """A whole tournament in which the smaller number always wins."""
    outcomes: list[PairScore] = []
    while asked := next_comparisons(answers, outcomes, most=most, seed=seed):
        outcomes += [PairScore(a, b, float(a < b)) for a, b in asked]
    return outcomes


def test_strengths_of_two_are_their_odds() -> None:
    """Three wins to one, without a prior: the difference is the log of three."""
    found = rank(2, [PairScore(0, 1, 1.0, 3), PairScore(0, 1, 0.0)], prior=1e-12)
    assert found.scores[0] - found.scores[1] == pytest.approx(math.log(3))
    assert sum(found.scores) == pytest.approx(0)


def test_strengths_of_three_that_fit_exactly() -> None:
    """Strengths of 4, 2 and 1, and outcomes in just these proportions, give them back."""
    strength = [4, 2, 1]
    outcomes = [
        PairScore(a, b, strength[a] / (strength[a] + strength[b]))
        for a, b in combinations(range(3), 2)
    ]
    scores = rank(3, outcomes, prior=1e-12).scores
    assert scores == pytest.approx([math.log(2), 0, -math.log(2)])


def test_a_tie_is_half_a_win_for_each() -> None:
    """Two ties are as good as a win and a defeat."""
    ties = rank(3, [PairScore(0, 1, 0.5, 2), PairScore(1, 2, 1.0)])
    split = rank(3, [PairScore(0, 1, 1.0), PairScore(1, 0, 1.0), PairScore(1, 2, 1.0)])
    assert ties.scores == pytest.approx(split.scores)


def test_an_answer_that_won_all_stays_finite() -> None:
    """The prior holds it; without one there is no answer, and that is said."""
    outcomes = [PairScore(0, 1, 1.0), PairScore(0, 2, 1.0), PairScore(1, 2, 1.0)]
    found = rank(3, outcomes)
    assert found.order == (0, 1, 2)
    assert 0 < found.scores[0] < 5
    with pytest.raises(InputError, match="one side always wins"):
        rank(3, outcomes, prior=0)


def test_what_was_never_compared_is_in_the_middle() -> None:
    """And its error is the widest."""
    found = rank(3, [PairScore(0, 1, 1.0), PairScore(0, 1, None), PairScore(0, 2, None)])
    assert found.order == (0, 2, 1)
    assert found.scores[2] == pytest.approx(0)
    assert max(found.errors) == found.errors[2]


@given(st.permutations(range(6)))
def test_numbers_mean_nothing(order: list[int]) -> None:
    """Answers in another order get the same strengths."""
    outcomes = [PairScore(a, b, float(a < b)) for a, b in combinations(range(6), 2)]
    turned = [PairScore(order[o.a], order[o.b], o.score) for o in outcomes]
    scores = rank(6, turned).scores
    assert [scores[at] for at in order] == pytest.approx(rank(6, outcomes).scores)


def test_a_circle_is_found_and_gives_no_pairs() -> None:
    """0, 1 and 2 beat each other in a circle; all of them beat 3."""
    ring = [PairScore(0, 1, 1.0), PairScore(1, 2, 1.0), PairScore(2, 0, 1.0)]
    found = rank(4, [*ring, *(PairScore(at, 3, 1.0) for at in range(3))])
    assert found.cycles == ((0, 1, 2),)
    assert found.cycle_groups == (0, 0, 0, -1)
    assert [(p.better, p.worse) for p in ranked_pairs(found, "all")] == [(0, 3), (1, 3), (2, 3)]


def test_the_shortest_circle_of_a_group_is_shown() -> None:
    """A circle of four with a short cut is a circle of three."""
    wins = [(0, 1), (1, 2), (2, 3), (3, 0), (2, 0)]
    assert rank(4, [PairScore(a, b, 1.0) for a, b in wins]).cycles == ((0, 1, 2),)


def test_votes_that_cancel_out_are_no_win() -> None:
    """One to one is a tie: no circle goes through it."""
    wins = [(0, 1), (1, 2), (2, 0), (0, 2)]
    assert rank(3, [PairScore(a, b, 1.0) for a, b in wins]).cycles == ()


def test_pairs_of_a_ranking() -> None:
    """Each way of pairing, the widest margin first."""
    found = rank(4, played(4, None))
    pairs = {
        how: [(pair.better, pair.worse) for pair in ranked_pairs(found, how)]
        for how in get_args(Pairing)
    }
    assert pairs["best-worst"] == [(0, 3)]
    assert pairs["best-rest"] == [(0, 3), (0, 2), (0, 1)]
    assert sorted(pairs["adjacent"]) == [(0, 1), (1, 2), (2, 3)]
    assert len(pairs["all"]) == 6


def test_equal_answers_are_not_paired() -> None:
    """A margin of nothing is no preference."""
    assert ranked_pairs(rank(2, [PairScore(0, 1, 0.5)])) == []


def test_without_a_limit_every_two_meet_once() -> None:
    """In one go, so that they can be asked at once."""
    assert next_comparisons(5, []) == list(combinations(range(5), 2))
    assert next_comparisons(5, [PairScore(3, 1, None)], most=10) == [
        pair for pair in combinations(range(5), 2) if pair != (1, 3)
    ]


@given(st.integers(2, 14), st.integers(0, 40), st.integers(0, 5))
def test_a_tournament_keeps_to_its_limit_and_links_all(answers: int, more: int, seed: int) -> None:
    """Exactly as many as allowed, none twice, no answer left out, and the best is found."""
    every = answers * (answers - 1) // 2
    most = min(every, answers - 1 + more)
    outcomes = played(answers, most, seed)
    assert len({frozenset((o.a, o.b)) for o in outcomes}) == len(outcomes) == most
    linked = {0}
    for _ in range(answers):
        linked |= {at for o in outcomes if {o.a, o.b} & linked for at in (o.a, o.b)}
    assert linked == set(range(answers))
    assert rank(answers, outcomes).order[0] == 0


@given(st.integers(2, 9), st.integers(0, 10))
def test_a_tournament_ends_without_any_verdict(answers: int, more: int) -> None:
    """A judge that never answers is not asked for ever."""
    outcomes: list[PairScore] = []
    most = min(answers - 1 + more, answers * (answers - 1) // 2)
    while asked := next_comparisons(answers, outcomes, most=most):
        outcomes += [PairScore(a, b, None) for a, b in asked]
    assert len(outcomes) == most


def test_a_tournament_goes_on_where_it_stopped() -> None:
    """Only the outcomes count, not the order in which they came."""
    outcomes = played(8, 12, seed=3)
    part = outcomes[:5]
    assert next_comparisons(8, part, most=12, seed=3) == next_comparisons(
        8, part[::-1], most=12, seed=3
    )
    assert next_comparisons(8, outcomes, most=12, seed=3) == []


def test_the_draw_depends_on_the_seed_only() -> None:
    """The same on every machine."""
    assert next_comparisons(6, [], most=5) == next_comparisons(6, [], most=5)
    assert len({tuple(next_comparisons(6, [], most=5, seed=seed)) for seed in range(9)}) > 1


@pytest.mark.parametrize(
    ("answers", "outcomes", "most", "message"),
    [
        (1, [], None, "1 answers cannot be compared"),
        (5, [], 3, "3 comparisons cannot rank 5 answers: 4 are needed"),
        (2, [PairScore(0, 2, 1.0)], None, "an outcome is between the answers 0 and 2, of 2"),
        (2, [PairScore(1, 1, 1.0)], None, "an outcome is between the answers 1 and 1, of 2"),
        (2, [PairScore(0, 1, 7.0)], None, "an outcome is 7, and must be from 0 to 1"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    answers: int, outcomes: list[PairScore], most: int | None, message: str
) -> None:
    """With what was wrong."""
    with pytest.raises(InputError) as raised:
        next_comparisons(answers, outcomes, most=most)
    assert str(raised.value) == message
    assert raised.value.hint
