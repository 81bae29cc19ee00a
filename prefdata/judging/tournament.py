"""Many answers to one prompt: which to compare next, and the ranking that follows.

All functions are pure: the outcomes so far go in, so a tournament can stop and go on anywhere. A
judge asks what `next_comparisons` gives until it gives nothing, then calls `rank`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prefdata.errors import InputError
from prefdata.stats.regression import logistic
from prefdata.transforms.options import Pairing

PRIOR = 0.25
"""The precision of the strengths' normal prior: two log-odds of standard deviation."""


SHORTEST_CYCLE = 3
"""No circle is shorter: of two answers only one can be ahead of the other."""


class PairScore(NamedTuple):
    """What came of one comparison.

    Attributes:
        a: the number of the first answer, from 0.
        b: the number of the second.
        score: 1 where a is better, 0 where b is, 0.5 for a tie, a probability in between; ``None``
            where there is no verdict: it was asked for, and is not asked for again.
        weight: how much it counts.

    Example:
        >>> PairScore(0, 2, 1.0).weight
        1.0
    """

    a: int
    b: int
    score: float | None
    weight: float = 1.0


class Ranking(NamedTuple):
    """What the outcomes say about the answers.

    Attributes:
        order: the answers, best first; equal ones by their number.
        scores: the strength of each answer in log-odds, 0 on average: the difference of two is the
            log-odds that the first is better. By answer, not by rank.
        errors: the standard error of each score.
        cycles: answers that beat each other in a circle, each as a shortest such circle: the first
            beats the second, …, the last beats the first.
        cycle_groups: for each answer, the number of the group of cycles that it is in, or -1:
            between answers of one group the results give no order.
    """

    order: tuple[int, ...]
    scores: tuple[float, ...]
    errors: tuple[float, ...]
    cycles: tuple[tuple[int, ...], ...]
    cycle_groups: tuple[int, ...]


class RankedPair(NamedTuple):
    """A better and a worse answer, and by how much in log-odds."""

    better: int
    worse: int
    margin: float


def next_comparisons(
    answers: int, results: Sequence[PairScore], *, most: int | None = None, seed: int = 0
) -> list[tuple[int, int]]:
    """Say which answers to compare next; what it gives can be asked at once.

    All pairs are compared where they may be. Where they may not, a knock-out comes first, in which
    the best of each group meet until all are in one, which takes one comparison less than there
    are answers; then neighbours in the ranking meet, as in a Swiss tournament.

    Args:
        answers: how many there are.
        results: what has been compared so far, in whichever order; those without verdict too.
        most: how many comparisons there may be in all; no limit by default.
        seed: decides the draw, where nothing else does.

    Returns:
        Pairs of answers that were not compared yet, none twice; empty where all is done.

    Raises:
        InputError: ``most`` is too small to rank that many answers, or an outcome names an answer
            that is not there.

    Example:
        >>> next_comparisons(3, [])
        [(0, 1), (0, 2), (1, 2)]
        >>> played = []
        >>> while asked := next_comparisons(8, played, most=9):
        ...     played += [PairScore(a, b, float(a < b)) for a, b in asked]
        >>> len(played), rank(8, played).order[0]
        (9, 0)
    """
    _check(answers, results)
    compared = {frozenset((each.a, each.b)) for each in results}
    all_pairs = answers * (answers - 1) // 2
    if most is None or most >= all_pairs:
        return [pair for pair in combinations(range(answers), 2) if frozenset(pair) not in compared]
    if most < answers - 1:
        raise InputError(
            f"{most} comparisons cannot rank {answers} answers: {answers - 1} are needed",
            hint="Allow more comparisons, or give fewer answers.",
        )
    ranking = rank(answers, results)
    standings = sorted(
        range(answers), key=lambda at: (-round(ranking.scores[at], 9), _draw_order(at, seed))
    )
    groups = _groups(answers, results)
    if len(set(groups)) > 1:
        best: dict[int, int] = {}
        for at in standings:
            best.setdefault(groups[at], at)
        leaders = list(best.values())
        chosen = list(zip(leaders[::2], leaders[1::2], strict=False))
    else:
        chosen = _neighbours(standings, compared)
    return [(min(pair), max(pair)) for pair in chosen[: max(0, most - len(compared))]]


def _draw_order(answer: int, seed: int) -> bytes:
    """A place in the draw, the same on every machine."""
    return hashlib.blake2b(f"{seed} {answer}".encode(), digest_size=8).digest()


def _groups(answers: int, results: Iterable[PairScore]) -> list[int]:
    """Which answers are linked by comparisons: one number for all of a group."""
    group = list(range(answers))
    for each in results:
        old, new = group[each.b], group[each.a]
        group = [new if at == old else at for at in group]
    return group


def _neighbours(standings: Sequence[int], compared: set[frozenset[int]]) -> list[tuple[int, int]]:
    """Pair each answer with the next in line that it has not met, from the top down."""
    unpaired, pairs = list(standings), []
    while unpaired:
        first = unpaired.pop(0)
        other = next((at for at in unpaired if frozenset((first, at)) not in compared), None)
        if other is not None:
            unpaired.remove(other)
            pairs.append((first, other))
    return pairs


def rank(answers: int, results: Sequence[PairScore], *, prior: float = PRIOR) -> Ranking:
    """Turn outcomes into strengths and an order.

    The model is that of Bradley and Terry, where the log-odds that one answer is better than
    another are the difference of their strengths. A tie counts as half a win for each. The prior
    keeps an answer that won or lost all at a finite strength.

    Args:
        answers: how many there are.
        results: of comparisons between them; those without verdict are left out.
        prior: how strongly strengths are held at 0, as the precision of a normal distribution.

    Raises:
        InputError: an outcome names an answer that is not there; or there is no prior, and an
            answer won or lost all.

    Source:
        Bradley and Terry (1952), Rank analysis of incomplete block designs.

    Example:
        >>> ranking = rank(3, [PairScore(0, 1, 1.0), PairScore(1, 2, 1.0), PairScore(2, 0, 1.0)])
        >>> ranking.cycles, ranking.scores
        (((0, 1, 2),), (0.0, 0.0, 0.0))
    """
    _check(answers, results)
    scored = [each for each in results if each.score is not None and each.weight > 0]
    design = np.zeros((len(scored), answers))
    for row, each in enumerate(scored):
        design[row, each.a], design[row, each.b] = 1.0, -1.0
    scores_won = np.array([each.score for each in scored], np.float64)
    weights = np.array([each.weight for each in scored], np.float64)
    basis = _without_mean(answers)
    fit = logistic(design @ basis, scores_won, weights, ridge=prior)
    scores = basis @ fit.coefficients
    variances = np.diag(basis @ fit.covariance @ basis.T)
    cycles, cycle_groups = _cycles(answers, scored)
    return Ranking(
        tuple(sorted(range(answers), key=lambda at: (-round(float(scores[at]), 9), at))),
        tuple(round(float(score), 12) + 0.0 for score in scores),
        tuple(float(variance) ** 0.5 for variance in variances),
        cycles,
        cycle_groups,
    )


def _without_mean(answers: int) -> NDArray[np.float64]:
    """An orthonormal basis (answers, answers - 1) of the strengths that are 0 on average."""
    middle = np.eye(answers) - 1 / answers
    return np.asarray(np.linalg.svd(middle)[0][:, : answers - 1], np.float64)


def _cycles(
    answers: int, scored: Iterable[PairScore]
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Shortest circles of wins, one for each group of answers that reach each other."""
    net = np.zeros((answers, answers))
    for each in scored:
        if each.score is not None:
            lead = each.weight * (each.score - 0.5)
            net[each.a, each.b] += lead
            net[each.b, each.a] -= lead
    beats = net > 1e-12
    reaches = beats.copy()
    for middle in range(answers):
        reaches |= np.outer(reaches[:, middle], reaches[middle])
    both = reaches & reaches.T
    cycle_groups = tuple(int(np.argmax(row)) if row.any() else -1 for row in both)
    firsts = sorted({first for first in cycle_groups if first >= 0})
    return tuple(
        _shortest_cycle(beats, [a for a in range(answers) if cycle_groups[a] == f]) for f in firsts
    ), (cycle_groups)


def _shortest_cycle(beats: NDArray[np.bool_], group: Sequence[int]) -> tuple[int, ...]:
    """A shortest circle of wins inside a group, from its smallest number on."""
    best: tuple[int, ...] = ()
    for first in group:
        cycle = _shortest_way_back(beats, first)
        best = cycle if not best or len(cycle) < len(best) else best
        if len(best) == SHORTEST_CYCLE:
            break
    return best


def _shortest_way_back(beats: NDArray[np.bool_], first: int) -> tuple[int, ...]:
    """A shortest way from an answer, by wins, back to itself."""
    paths: list[tuple[int, ...]] = [(first,)]
    visited = {first}
    for path in paths:
        for after in np.flatnonzero(beats[path[-1]]).tolist():
            if after == first:
                return path
            if after not in visited:
                visited.add(after)
                paths.append((*path, after))
    return (first,)


def ranked_pairs(ranking: Ranking, strategy: Pairing = "best-worst") -> list[RankedPair]:
    """Pairs of a better and a worse answer, the widest margin first.

    Answers of one circle, and answers of one strength, have no order: they are not paired.

    Args:
        ranking: says which is better.
        strategy: ``"best-worst"`` gives the first and the last, ``"best-rest"`` the first with each
            other, ``"adjacent"`` each with the next, ``"all"`` every two.

    Example:
        >>> ranking = rank(3, [PairScore(0, 1, 1.0), PairScore(1, 2, 1.0), PairScore(0, 2, 1.0)])
        >>> [(pair.better, pair.worse) for pair in ranked_pairs(ranking, "all")]
        [(0, 2), (0, 1), (1, 2)]
    """
    standings = ranking.order
    candidates = {
        "best-worst": [(standings[0], standings[-1])],
        "best-rest": [(standings[0], other) for other in standings[1:]],
        "adjacent": list(pairwise(standings)),
        "all": list(combinations(standings, 2)),
    }[strategy]
    pairs = [RankedPair(a, b, ranking.scores[a] - ranking.scores[b]) for a, b in candidates]
    sound = [pair for pair in pairs if pair.margin > 1e-9 and not _in_one_cycle(ranking, pair)]
    return sorted(sound, key=lambda pair: -pair.margin)


def _in_one_cycle(ranking: Ranking, pair: RankedPair) -> bool:
    one, other = ranking.cycle_groups[pair.better], ranking.cycle_groups[pair.worse]
    return one == other and one >= 0


def _check(answers: int, results: Iterable[PairScore]) -> None:
    if answers < 2:
        raise InputError(f"{answers} answers cannot be compared", hint="Give two or more.")
    for each in results:
        if each.a == each.b or not (0 <= each.a < answers and 0 <= each.b < answers):
            raise InputError(
                f"an outcome is between the answers {each.a} and {each.b}, of {answers}",
                hint=f"Answers are numbered from 0 to {answers - 1}.",
            )
        if each.score is not None and not 0 <= each.score <= 1:
            raise InputError(
                f"an outcome is {each.score:g}, and must be from 0 to 1",
                hint="Write 1 where the first is better, 0 where the second is, 0.5 for a tie.",
            )
