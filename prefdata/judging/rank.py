"""Many responses to one prompt: what is known between them, their ranking, and its pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import polars as pl

from prefdata.judging.comparisons import RANKED
from prefdata.judging.tournament import (
    Outcome,
    RankedPair,
    Ranking,
    next_comparisons,
    rank,
    ranked_pairs,
)
from prefdata.records import reasons
from prefdata.transforms.options import Pairing

Strategy = Literal["judged", Pairing]

SCORES: dict[str, float] = {"a": 1.0, "b": 0.0, "tie": 0.5}
"""What a winner is worth to a; of no verdict nothing is known."""

SETTLED = pl.Schema(
    {
        "case": pl.UInt32(),
        "prompt_id": pl.UInt128(),
        "a_id": pl.UInt128(),
        "b_id": pl.UInt128(),
        "ranked": pl.Boolean(),
        "winner": pl.String(),
        "reason": pl.String(),
        "flagged_a": pl.Boolean(),
        "flagged_b": pl.Boolean(),
        "veto_a": pl.Float64(),
        "veto_b": pl.Float64(),
    }
)
"""What a ranking must know of a comparison: which response won, or why none did; whether a
response speaks to the judge; the scores on the criterion that must not be lost."""

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
FATES = pl.Schema({"group": pl.UInt32(), "number": pl.UInt32(), "reason": pl.String()})
PAIRS = pl.Schema(
    {
        "group": pl.UInt32(),
        "better": pl.UInt32(),
        "worse": pl.UInt32(),
        "score_chosen": pl.Float64(),
        "score_rejected": pl.Float64(),
        "margin": pl.Float64(),
    }
)


class Ranked(NamedTuple):
    """The rankings of a bucket.

    Attributes:
        responses: one row per response of a prompt that was compared to the end: the columns of
            `prefdata.judging.comparisons.responses`, ``strength`` (in log-odds), its standard
            ``error``, ``compared`` (how often it was), ``cycle`` (the number of the group of
            cycles that it is in; null for none).
        pairs: what the strategy makes of them: ``prompt_id``, ``chosen_id``, ``rejected_id``,
            ``score_chosen``, ``score_rejected``, ``margin``, the models, ``origin``, and
            ``at_chosen`` and ``at_rejected``, the ratings that have the texts.
        fates: ``prompt_id``, ``response_id``, and why it is in no pair.
        prompts: how many were ranked.
        cycles: how many of these have a cycle.
    """

    responses: pl.DataFrame
    pairs: pl.DataFrame
    fates: pl.DataFrame
    prompts: int
    cycles: int


@dataclass
class Field:
    """What is known of the responses to one prompt, which go by their numbers.

    Attributes:
        size: how many there are.
        drawn: whether a tournament says which are compared.
        outcomes: of their comparisons.
        pending: whether one of these was not judged yet.
        beaten: winner and loser of each comparison.
        flagged: responses that speak to the judge.
        scores: what each scored on the criterion that must not be lost.
        apart: comparisons that stand in a row of their own, and make their own pair, with what
            became of each.
        why: why the last comparison of a response gave no pair.
    """

    size: int
    drawn: bool
    outcomes: list[Outcome] = field(default_factory=list)
    pending: bool = False
    beaten: set[tuple[int, int]] = field(default_factory=set)
    flagged: set[int] = field(default_factory=set)
    scores: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    apart: dict[frozenset[int], str] = field(default_factory=dict)
    why: dict[int, str] = field(default_factory=dict)


class Paired(NamedTuple):
    """What a field gives: its ranking, its pairs, and why the other responses are in none."""

    ranking: Ranking
    pairs: list[RankedPair]
    fates: dict[int, str]


def ranked(
    responses: pl.DataFrame,
    settled: pl.DataFrame,
    strategy: Strategy,
    *,
    most: int | None,
    drop_flagged: bool,
) -> Ranked:
    """Rank the responses of each prompt that has three or more, and pair them.

    Args:
        responses: all that stand by themselves, as in `prefdata.judging.comparisons`.
        settled: the columns of `SETTLED`: what became of the comparisons.
        strategy: which responses are paired; none for ``"judged"``.
        most: the most comparisons among the responses to one prompt.
        drop_flagged: whether a response that speaks to the judge may not be chosen.
    """
    responses = responses.filter(pl.col("n") >= RANKED)
    rows: list[tuple[object, ...]] = []
    fates: list[tuple[int, int, str]] = []
    pairs: list[tuple[object, ...]] = []
    prompts = cycles = 0
    for group, of in fields(responses, settled).items():
        if of.pending or next_comparisons(of.size, of.outcomes, most=most if of.drawn else None):
            fates += [(group, number, reasons.NOT_JUDGED) for number in range(of.size)]
            continue
        made = _paired(of, strategy, drop_flagged=drop_flagged)
        prompts += 1
        cycles += bool(made.ranking.cycles)
        rows += [(group, *row) for row in _rows(of, made.ranking)]
        fates += [(group, number, reason) for number, reason in made.fates.items()]
        scores = made.ranking.scores
        pairs += [(group, b, w, scores[b], scores[w], margin) for b, w, margin in made.pairs]
    told = pl.DataFrame(rows, RESPONSES, orient="row")
    on = ["group", "number"]
    return Ranked(
        responses.join(told, on=on, how="inner", maintain_order="left"),
        _with_facts(pl.DataFrame(pairs, PAIRS, orient="row"), responses),
        pl.DataFrame(fates, FATES, orient="row")
        .join(responses, on=on, how="left", maintain_order="left")
        .select("prompt_id", "response_id", "reason"),
        prompts,
        cycles,
    )


def fields(responses: pl.DataFrame, settled: pl.DataFrame) -> dict[int, Field]:
    """What is known of the responses to each prompt, by the number of the prompt.

    A Python loop over comparisons; each takes a few microseconds, and two calls or more.
    """
    first = responses.filter(pl.col("number") == 0).sort("group")
    found = {group: Field(n, drawn) for group, n, drawn in first["group", "n", "drawn"].rows()}
    for group, a, b, row in _numbered(responses, settled):
        _note(found[group], a, b, row)
    return found


def _numbered(
    responses: pl.DataFrame, settled: pl.DataFrame
) -> Iterator[tuple[int, int, int, Mapping[str, object]]]:
    """The comparisons between two of the responses, which go by their numbers."""
    names = responses.select("prompt_id", "response_id", "group", "number")
    for side in "ab":
        one = names.rename({"response_id": f"{side}_id", "number": side})
        one = one.drop("group") if side == "b" else one
        settled = settled.join(
            one, on=["prompt_id", f"{side}_id"], how="inner", maintain_order="left"
        )
    for row in settled.drop("prompt_id", "a_id", "b_id").iter_rows(named=True):
        yield row["group"], row["a"], row["b"], row


def _note(of: Field, a: int, b: int, row: Mapping[str, object]) -> None:
    """Take up what became of a comparison."""
    winner, reason = str(row["winner"]), str(row["reason"])
    of.outcomes.append(Outcome(a, b, SCORES.get(winner)))
    of.pending |= reason == reasons.NOT_JUDGED
    if not row["ranked"]:
        of.apart[frozenset((a, b))] = reason
    if winner in ("a", "b"):
        of.beaten.add((a, b) if winner == "a" else (b, a))
    for number, side in ((a, "a"), (b, "b")):
        if row[f"flagged_{side}"]:
            of.flagged.add(number)
        score = row[f"veto_{side}"]
        if isinstance(score, float):
            of.scores[number].append(score)
        if reason != reasons.KEPT:
            of.why[number] = reason


def _paired(of: Field, strategy: Strategy, *, drop_flagged: bool) -> Paired:
    """Rank the responses to one prompt, and pair them."""
    ranking = rank(of.size, of.outcomes)
    if strategy == "judged":
        return Paired(ranking, [], {})
    pairs: list[RankedPair] = []
    refused: dict[int, str] = {}
    for pair in ranked_pairs(ranking, strategy):
        reason = _refusal(pair, of, drop_flagged=drop_flagged)
        if reason:
            refused |= dict.fromkeys(pair[:2], reason)
        else:
            pairs.append(pair)
    paired = {number for pair in pairs for number in pair[:2]}
    level = max(ranking.scores) - min(ranking.scores) < 1e-9
    fates = {}
    for number in set(range(of.size)) - paired:
        other = reasons.MIDDLE if not level else of.why.get(number, reasons.TIED)
        in_cycle = ranking.circles[number] >= 0
        fates[number] = refused.get(number) or (reasons.CYCLE if in_cycle else other)
    return Paired(ranking, pairs, fates)


def _refusal(pair: RankedPair, of: Field, *, drop_flagged: bool) -> str:
    """Why a ranked pair is not to be trained on; ``""`` where it may be."""
    if own := of.apart.get(frozenset(pair[:2])):
        return reasons.DUPLICATE if own == reasons.KEPT else own
    if drop_flagged and pair.better in of.flagged:
        return reasons.INJECTION
    if (pair.worse, pair.better) in of.beaten:
        return reasons.CONFLICT
    better, worse = (of.scores.get(number) for number in pair[:2])
    if better and worse and _mean(better) < _mean(worse):
        return reasons.VETO
    return ""


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


def _rows(of: Field, ranking: Ranking) -> Iterator[tuple[object, ...]]:
    """One row of `RESPONSES` per response, without the number of the prompt."""
    compared = [0] * of.size
    for each in of.outcomes:
        compared[each.a] += 1
        compared[each.b] += 1
    for number in range(of.size):
        cycle = ranking.circles[number]
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
