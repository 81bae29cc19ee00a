"""Many responses to one prompt: what is known between them, their ranking, and its pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, cast

import polars as pl

from prefdata.judging.comparisons import MIN_RANKED
from prefdata.judging.tournament import (
    PairScore,
    RankedPair,
    Ranking,
    next_comparisons,
    rank,
    ranked_pairs,
)
from prefdata.records import reasons
from prefdata.transforms.options import Pairing

Strategy = Literal["judged", Pairing]

DECIDED = pl.Schema(
    {
        "comparison": pl.UInt32(),
        "prompt_id": pl.UInt128(),
        "a_id": pl.UInt128(),
        "b_id": pl.UInt128(),
        "ranked": pl.Boolean(),
        "score": pl.Float64(),
        "reason": pl.String(),
        "flagged_a": pl.Boolean(),
        "flagged_b": pl.Boolean(),
        "veto_a": pl.Float64(),
        "veto_b": pl.Float64(),
    }
)
"""What a ranking must know of a comparison: the score of a (null where there is no verdict), the
reason why it gave no pair, whether a response speaks to the judge, the scores on the criterion with
a veto."""

RESPONSES = pl.Schema(
    {
        "group": pl.UInt32(),
        "number": pl.UInt32(),
        "strength": pl.Float64(),
        "error": pl.Float64(),
        "compared": pl.Int32(),
        "cycle": pl.Int32(),
    }
)
UNPAIRED = pl.Schema({"group": pl.UInt32(), "number": pl.UInt32(), "reason": pl.String()})
PAIRS = pl.Schema(
    {
        "group": pl.UInt32(),
        "better": pl.UInt32(),
        "worse": pl.UInt32(),
        "score_chosen": pl.Float64(),
        "score_rejected": pl.Float64(),
        "margin": pl.Float64(),
        "refusal": pl.String(),
    }
)


class RankResult(NamedTuple):
    """The rankings of a bucket.

    Attributes:
        responses: one row per response of a prompt that was compared to the end: the columns of
            `prefdata.judging.comparisons.responses`, ``strength`` (in log-odds), its standard
            ``error``, ``compared`` (how often it was), ``cycle`` (the number of the group of
            cycles that it is in; null for none).
        pairs: what the strategy makes of them: ``prompt_id``, ``chosen_id``, ``rejected_id``,
            ``score_chosen``, ``score_rejected``, ``margin``, ``refusal`` (why it must not be a
            pair), the models, ``origin``, and ``at_chosen`` and ``at_rejected``, the ratings that
            have the texts.
        unpaired: ``prompt_id``, ``response_id`` and ``reason`` of responses that the strategy does
            not pair.
        prompts: how many were ranked.
        cycles: how many of these have a cycle.
    """

    responses: pl.DataFrame
    pairs: pl.DataFrame
    unpaired: pl.DataFrame
    prompts: int
    cycles: int


@dataclass
class ResponseGroup:
    """What is known of the responses to one prompt, which go by their numbers.

    Attributes:
        size: how many there are.
        in_tournament: whether a tournament says which are compared.
        results: of their comparisons.
        pending: whether one of these was not judged yet.
        beaten: winner and loser of each comparison.
        flagged: responses that speak to the judge.
        scores: what each scored on the criterion with a veto.
        apart: comparisons that stand in a row of their own, and make their own pair, with what
            became of each.
        reasons: why the last comparison of a response gave no pair.
    """

    size: int
    in_tournament: bool
    results: list[PairScore] = field(default_factory=list)
    pending: bool = False
    beaten: set[tuple[int, int]] = field(default_factory=set)
    flagged: set[int] = field(default_factory=set)
    scores: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    apart: dict[frozenset[int], str] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


class GroupPairs(NamedTuple):
    """The ranking of the responses to one prompt.

    Attributes:
        ranking: the ranking.
        pairs: the pairs of the strategy, each with the reason why it must not be one.
        unpaired: why the other responses are in no pair.
    """

    ranking: Ranking
    pairs: list[tuple[RankedPair, str | None]]
    unpaired: dict[int, str]


def rank_responses(
    responses: pl.DataFrame,
    decided: pl.DataFrame,
    strategy: Strategy,
    *,
    max_comparisons: int | None,
    drop_flagged: bool,
) -> RankResult:
    """Rank the responses of each prompt that has three or more, and pair them.

    Args:
        responses: all that stand by themselves, as in `prefdata.judging.comparisons`.
        decided: the columns of `DECIDED`: what became of the comparisons.
        strategy: which responses are paired; none for ``"judged"``.
        max_comparisons: the most comparisons among the responses to one prompt.
        drop_flagged: whether a response that speaks to the judge may not be chosen.
    """
    responses = responses.filter(pl.col("n") >= MIN_RANKED)
    rows: list[tuple[object, ...]] = []
    unpaired: list[tuple[int, int, str]] = []
    pairs: list[tuple[object, ...]] = []
    prompts = cycles = 0
    for prompt, group in response_groups(responses, decided).items():
        most = max_comparisons if group.in_tournament else None
        if group.pending or next_comparisons(group.size, group.results, most=most):
            unpaired += [(prompt, number, reasons.NOT_JUDGED) for number in range(group.size)]
            continue
        result = _pairs(group, strategy, drop_flagged=drop_flagged)
        prompts += 1
        cycles += bool(result.ranking.cycles)
        rows += [(prompt, *row) for row in _rows(group, result.ranking)]
        unpaired += [(prompt, number, reason) for number, reason in result.unpaired.items()]
        scores = result.ranking.scores
        pairs += [
            (prompt, b, w, scores[b], scores[w], margin, refusal)
            for (b, w, margin), refusal in result.pairs
        ]
    ranked = pl.DataFrame(rows, RESPONSES, orient="row")
    on = ["group", "number"]
    return RankResult(
        responses.join(ranked, on=on, how="inner", maintain_order="left"),
        _with_facts(pl.DataFrame(pairs, PAIRS, orient="row"), responses),
        pl.DataFrame(unpaired, UNPAIRED, orient="row")
        .join(responses, on=on, how="left", maintain_order="left")
        .select("prompt_id", "response_id", "reason"),
        prompts,
        cycles,
    )


def response_groups(responses: pl.DataFrame, decided: pl.DataFrame) -> dict[int, ResponseGroup]:
    """What is known of the responses to each prompt, by the number of the prompt.

    A Python loop over comparisons; each takes a few microseconds, and two calls or more.
    """
    first = responses.filter(pl.col("number") == 0).sort("group")
    rows = first["group", "n", "in_tournament"].rows()
    groups = {prompt: ResponseGroup(n, in_tournament) for prompt, n, in_tournament in rows}
    for prompt, a, b, row in _numbered(responses, decided):
        _add_comparison(groups[prompt], a, b, row)
    return groups


def _numbered(
    responses: pl.DataFrame, decided: pl.DataFrame
) -> Iterator[tuple[int, int, int, Mapping[str, object]]]:
    """The comparisons between two of the responses, which go by their numbers."""
    names = responses.select("prompt_id", "response_id", "group", "number")
    for side in "ab":
        one = names.rename({"response_id": f"{side}_id", "number": side})
        one = one.drop("group") if side == "b" else one
        decided = decided.join(
            one, on=["prompt_id", f"{side}_id"], how="inner", maintain_order="left"
        )
    for row in decided.drop("prompt_id", "a_id", "b_id").iter_rows(named=True):
        yield row["group"], row["a"], row["b"], row


def _add_comparison(group: ResponseGroup, a: int, b: int, row: Mapping[str, object]) -> None:
    """Add what became of a comparison."""
    score, reason = cast("float | None", row["score"]), str(row["reason"])
    group.results.append(PairScore(a, b, score))
    group.pending |= reason == reasons.NOT_JUDGED
    if not row["ranked"]:
        group.apart[frozenset((a, b))] = reason
    if score in (1.0, 0.0):
        group.beaten.add((a, b) if score else (b, a))
    for number, side in ((a, "a"), (b, "b")):
        if row[f"flagged_{side}"]:
            group.flagged.add(number)
        veto_score = row[f"veto_{side}"]
        if isinstance(veto_score, float):
            group.scores[number].append(veto_score)
        if reason != reasons.KEPT:
            group.reasons[number] = reason


def _pairs(group: ResponseGroup, strategy: Strategy, *, drop_flagged: bool) -> GroupPairs:
    """Rank the responses to one prompt, and pair them."""
    ranking = rank(group.size, group.results)
    if strategy == "judged":
        return GroupPairs(ranking, [], {})
    pairs = [
        (pair, _refusal(pair, group, drop_flagged=drop_flagged))
        for pair in ranked_pairs(ranking, strategy)
    ]
    paired = {number for pair, _ in pairs for number in pair[:2]}
    level = max(ranking.scores) - min(ranking.scores) < 1e-9
    unpaired = {}
    for number in set(range(group.size)) - paired:
        other = reasons.MIDDLE if not level else group.reasons.get(number, reasons.TIED)
        in_cycle = ranking.cycle_groups[number] >= 0
        unpaired[number] = reasons.CYCLE if in_cycle else other
    return GroupPairs(ranking, pairs, unpaired)


def _refusal(pair: RankedPair, group: ResponseGroup, *, drop_flagged: bool) -> str | None:
    """Why a ranked pair is not to be trained on; None where it may be."""
    if own := group.apart.get(frozenset(pair[:2])):
        return reasons.DUPLICATE if own == reasons.KEPT else own
    if drop_flagged and pair.better in group.flagged:
        return reasons.INJECTION
    if (pair.worse, pair.better) in group.beaten:
        return reasons.CONFLICT
    better, worse = (group.scores.get(number) for number in pair[:2])
    if better and worse and _mean(better) < _mean(worse):
        return reasons.VETO
    return None


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


def _rows(group: ResponseGroup, ranking: Ranking) -> Iterator[tuple[object, ...]]:
    """One row of `RESPONSES` per response, without the number of the prompt."""
    compared = [0] * group.size
    for each in group.results:
        compared[each.a] += 1
        compared[each.b] += 1
    for number in range(group.size):
        cycle = ranking.cycle_groups[number]
        yield (
            number,
            ranking.scores[number],
            ranking.errors[number],
            compared[number],
            cycle if cycle >= 0 else None,
        )


def _with_facts(pairs: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """Pairs of numbers with the ids, models and texts' places of the responses."""
    facts = responses.select("group", "number", "response_id", "model", "at")
    prompts = responses.filter(pl.col("number") == 0).select("group", "prompt_id", "origin")
    for name, side in (("better", "chosen"), ("worse", "rejected")):
        one = facts.select(
            "group",
            pl.col("number").alias(name),
            pl.col("response_id").alias(f"{side}_id"),
            pl.col("model").alias(f"model_{side}"),
            pl.col("at").alias(f"at_{side}"),
        )
        pairs = pairs.join(one, on=["group", name], how="left", maintain_order="left")
    return pairs.join(prompts, on="group", how="left", maintain_order="left")
