"""Verdicts and rankings as comparisons for the one maker of pairs, and the pairs that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from prefdata.judging.decide import PairDecision
from prefdata.records.frames import COLUMNS
from prefdata.records.ids import conversation_ids
from prefdata.transforms.filter_columns import with_measures
from prefdata.transforms.filters import needed_columns
from prefdata.transforms.make_pairs import PairResult, make_pairs
from prefdata.transforms.mixing import apply_limits
from prefdata.transforms.options import Options
from prefdata.transforms.pair_texts import with_texts

RECORD = pl.Schema(
    {
        "index": pl.UInt32(),
        "winner": pl.Int8(),
        "score_a": pl.Float64(),
        "score_b": pl.Float64(),
        "margin": pl.Float64(),
        "votes": pl.Int64(),
        "agreement": pl.Float64(),
        "refusal": pl.String(),
    }
)
"""What a verdict says of the comparison at ``index`` in a part."""


def verdict_records(
    part: pl.DataFrame, decisions: Sequence[PairDecision], keep: Sequence[str]
) -> pl.DataFrame:
    """The decided comparisons of a part as records; one that has no winner brings its refusal.

    Args:
        part: comparisons with their texts.
        decisions: what became of each.
        keep: the columns of the sources that are passed on.
    """
    rows: list[tuple[object, ...]] = []
    for index, decision in enumerate(decisions):
        for pair in decision.pairs:
            a_won = pair.winner == "a"
            scores = (pair.chosen, pair.rejected) if a_won else (pair.rejected, pair.chosen)
            refusal = pair.refusal and pair.refusal.reason
            rest = (pair.margin, pair.votes, pair.agreement, refusal)
            rows.append((index, 1 if a_won else -1, *scores, *rest))
        if not decision.pairs:
            rows.append((index, 0, *[None] * 5, decision.reason))
    verdicts = pl.DataFrame(rows, RECORD, orient="row")
    return part[verdicts["index"]].select(
        "comparison",
        *("prompt_id", "a_id", "b_id", "model_a", "model_b", "origin", "prompt"),
        pl.col("response_a").alias("a"),
        pl.col("response_b").alias("b"),
        *(
            pl.when(verdicts["winner"] == 1).then(f"{name}_a").otherwise(f"{name}_b").alias(name)
            for name in ("source", *keep)
        ),
        *verdicts.drop("index"),
    )


def ranking_records(
    pairs: pl.DataFrame, ratings: pl.DataFrame, keep: Sequence[str]
) -> pl.DataFrame:
    """Pairs that follow from rankings as records, where a is the better response.

    Args:
        pairs: those of `prefdata.judging.rank.RankResult`.
        ratings: the records of the bucket.
        keep: the columns of the sources that are passed on.
    """
    better = ratings[pairs["at_chosen"]]
    return pairs.select(
        *("prompt_id", "origin", "margin", "refusal"),
        pl.col("chosen_id").alias("a_id"),
        pl.col("rejected_id").alias("b_id"),
        pl.col("model_chosen").alias("model_a"),
        pl.col("model_rejected").alias("model_b"),
        pl.col("score_chosen").alias("score_a"),
        pl.col("score_rejected").alias("score_b"),
        better["prompt"],
        better["response"].alias("a"),
        ratings["response"].gather(pairs["at_rejected"]).alias("b"),
        pl.lit(1, pl.Int8).alias("winner"),
        pl.lit(None, pl.Int64).alias("votes"),
        pl.lit(None, pl.Float64).alias("agreement"),
        *(better[name] for name in ("source", *keep)),
    )


def pair_records(
    records: pl.DataFrame,
    options: Options,
    keep: Sequence[str],
    *,
    grouped: bool,
    ends: Mapping[int, int],
) -> PairResult:
    """Make pairs of records.

    Args:
        records: those of `verdict_records` or `ranking_records`.
        options: how pairs are made.
        keep: the columns of the sources that are passed on.
        grouped: whether the split goes by conversation.
        ends: where the rows of each source end, by its cap or share.

    Returns:
        The rows with their texts, in the order of the records; and of each record, which is called
        ``row`` there, the reason and the pair.
    """
    records = records.with_columns(
        pl.int_range(pl.len(), dtype=pl.UInt64).alias("row"),
        pl.lit(None, pl.UInt64).alias("line"),
        pl.lit(0, pl.UInt32).alias("item"),
        pl.lit(None, pl.Float64).alias("strength"),
        pl.lit(None, COLUMNS["comparisons"]["dimensions"]).alias("dimensions"),
        *([conversation_ids(records["prompt"])] if grouped else []),
    )
    needs = needed_columns(options.filters)
    records = with_measures(records, "comparisons", needs)
    ratings = with_measures(_no_ratings(records, keep), "ratings", needs)
    result = make_pairs(ratings, records, options)
    result = apply_limits(result, ends, options.seed) if ends else result
    rows = with_texts(result.rows.sort("of_row"), ratings, records, keep)
    return PairResult(rows.drop("dimensions"), result.outcomes)


def _no_ratings(records: pl.DataFrame, keep: Sequence[str]) -> pl.DataFrame:
    """No ratings at all, with all columns that ratings have beside such records."""
    shared = ("prompt_id", "source", "row", "line", "item", "group_id", *keep)
    columns = {name: records.schema[name] for name in shared if name in records.columns}
    ids = dict.fromkeys(("response_id", "scope"), pl.UInt128())
    return pl.DataFrame(schema={**COLUMNS["ratings"], **columns, **ids})
