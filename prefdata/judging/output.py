"""The last part of a judging run: pairs, comparisons, calls and rankings as Parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa

from prefdata.conversion.conversation_groups import ConversationGroups
from prefdata.conversion.plan import ConvertTotals, by_split
from prefdata.io.dataset.dataset_writer import (
    dataset_schema,
    first_row,
    number_shards,
    write_parquet,
)
from prefdata.judging.store import ComparisonStore
from prefdata.judging.client.journal import Journal
from prefdata.judging.comparisons import PART, MIN_RANKED, records_with_comparisons, parts
from prefdata.judging.decide import VerdictCounts, PairDecision, Judge, JudgeTotals, VerdictPolicy, decide, decided_frame
from prefdata.judging.rank import DECIDED, rank_responses
from prefdata.records import reasons
from prefdata.records.frames import as_messages
from prefdata.records.ids import conversation_ids, hexed, joined_ids
from prefdata.schemas import Comparison
from prefdata.transforms.row_outcomes import REJECTS, as_outcomes, best_by_row
from prefdata.transforms.split import SPLITS, in_test

PAIRS = dataset_schema("pairs")
CALLS = pa.schema(
    [
        ("comparison", pa.string()),
        ("judge", pa.string()),
        ("order", pa.string()),
        ("round", pa.int32()),
        ("winner", pa.string()),
        ("cause", pa.string()),
        ("margin", pa.float64()),
        ("model", pa.string()),
        ("fingerprint", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("reasoning_tokens", pa.int64()),
        ("reply", pa.string()),
    ]
)
"""One row per order that a judge was asked in: what came back, word for word."""

RANKINGS = pa.schema(
    [
        ("prompt_id", pa.string()),
        PAIRS.field("prompt"),
        pa.field("response", PAIRS.field("chosen").type),
        ("model", pa.string()),
        ("source", pa.string()),
        ("score", pa.float64()),
        ("error", pa.float64()),
        ("compared", pa.int32()),
        ("cycle", pa.int32()),
    ]
)
"""One row per response of a prompt with three or more: its strength in log-odds by the model of
Bradley and Terry, the standard error of that, how often it was compared, and the number of the
group of cycles that it is in."""

FOLDERS = ("comparisons", "calls", "rankings")


@dataclass
class OutputTotals:
    """What a run wrote.

    Attributes:
        pairs: the pairs.
        judges: what the comparisons came to.
        ranked: prompts whose responses were ranked.
        cycles: those of them with responses that beat each other in a circle.
    """

    pairs: ConvertTotals
    judges: JudgeTotals
    ranked: int = 0
    cycles: int = 0


@dataclass
class OutputWriter:
    """Writes what a run came to.

    Args:
        folder: the data set directory that is being made.
        store: what was judged.
        judges: who was asked.
        policy: what makes a verdict a pair.
        journal: holds the replies.
    """

    folder: Path
    store: ComparisonStore
    judges: Sequence[Judge]
    policy: VerdictPolicy
    journal: Journal
    totals: OutputTotals = field(init=False)

    def __post_init__(self) -> None:
        budget = self.store.buckets.frames.budget
        groups = (
            ConversationGroups(self.folder.parent / "groups", budget)
            if self.store.grouped
            else None
        )
        by_judge = {judge.name: VerdictCounts() for judge in self.judges}
        self.totals = OutputTotals(ConvertTotals(groups=groups), JudgeTotals(by_judge=by_judge))

    def write(self, on_progress: Callable[[int, int], None]) -> OutputTotals:
        """Write pairs, comparisons, calls and rankings, and settle every row.

        Args:
            on_progress: is told how many buckets are done, of how many.
        """
        for name in ("data", *FOLDERS):
            (self.folder / name).mkdir()
        for bucket in range(len(self.store.buckets)):
            self._write_bucket(bucket)
            on_progress(bucket + 1, len(self.store.buckets))
        pairs = self.totals.pairs
        if not pairs.rows:
            self._write(PAIRS, pl.DataFrame(PAIRS.empty_table()), "data/train-0.parquet")
        if pairs.groups:
            pairs.conversations = pairs.groups.counted()
        for split in SPLITS:
            number_shards(self.folder / "data", split)
        for name in FOLDERS:
            number_shards(self.folder / name, name)
        return self.totals

    def _write(self, schema: pa.Schema, frame: pl.DataFrame, name: str) -> None:
        write_parquet(frame, self.folder / name, schema)

    def _write_bucket(self, bucket: int) -> None:
        """Decide the comparisons of a bucket, pair what is to be paired, and settle its rows."""
        outcomes, counted = [], []
        decided = [pl.DataFrame(schema=DECIDED)]
        ranks = self.store.buckets.get("responses", bucket) is not None
        for number, part in enumerate(parts(self.store.buckets, bucket)):
            result = decide(part, self.judges, self.policy, self.journal)
            self.result.result.add(result.result)
            name = f"{bucket:06d}-{number:06d}.parquet"
            records = _comparison_records(part, result.decisions)
            self._write(Comparison.arrow_schema(), records, f"comparisons/comparisons-{name}")
            if result.calls:
                calls = pl.DataFrame(pa.Table.from_pylist(result.calls, schema=CALLS))
                self._write(CALLS, calls, f"calls/calls-{name}")
            rows = self._with_ids(_judged_pairs(part, result.decisions, by_rank=self._pairs_by_rank))
            counted.append(self._write_pairs(rows, f"judged-{name}"))
            outcomes.append(_comparison_outcomes(part, result.decisions, rows))
            if ranks:
                decided.append(decided_frame(part, result.decisions))
        responses = pl.DataFrame(schema=RESPONSE_OUTCOMES)
        if ranks:
            responses = self._rank(bucket, pl.concat(decided), counted)
        if counted:
            self.result.pairs.count(pl.concat(counted))
        self._account(bucket, outcomes, responses)

    @property
    def _pairs_by_rank(self) -> bool:
        """Whether responses are paired by their ranking."""
        return self.policy.strategy != "judged"

    def _rank(self, bucket: int, decided: pl.DataFrame, counted: list[pl.DataFrame]) -> pl.DataFrame:
        """Rank the responses of a bucket, write that and the pairs that follow from it.

        Returns:
            The columns of `RESPONSE_OUTCOMES`: each response with a pair that it is in, or why it is in none.
        """
        responses = self.store.buckets.get("responses", bucket)
        ratings = self.store.buckets.get("ratings", bucket)
        if responses is None or ratings is None:
            return pl.DataFrame(schema=RESPONSE_OUTCOMES)
        result = rank_responses(
            responses,
            decided,
            self.policy.strategy,
            most=self.store.most,
            drop_flagged=self.policy.drop_flagged,
        )
        self.totals.rank_responses += result.prompts
        self.totals.cycles += result.cycles
        for number, part in enumerate(result.responses.iter_slices(PART)):
            name = f"rankings/rankings-{bucket:06d}-{number:06d}.parquet"
            self._write(RANKINGS, _ranking_rows(part, ratings), name)
        outcomes = [result.outcomes.with_columns(pl.lit(None, pl.String).alias("pair"))]
        for number, part in enumerate(result.pairs.iter_slices(PART)):
            rows = self._with_ids(_ranked_pairs(part, ratings))
            counted.append(self._write_pairs(rows, f"ranked-{bucket:06d}-{number:06d}.parquet"))
            outcomes.append(_kept_responses(rows))
        return pl.concat(each.select(list(RESPONSE_OUTCOMES)) for each in outcomes)

    def _with_ids(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Pairs with their ids, and with the split that they go to."""
        frame = joined_ids(frame, ["prompt_id", "chosen_id", "rejected_id"], "id")
        group = frame["prompt_id"]
        if self.store.grouped:
            group = conversation_ids(frame["prompt"])
        test = in_test(hexed(group), self.policy.test_size, self.policy.seed)
        return frame.with_columns(
            hexed(frame["id"]),
            hexed(frame["prompt_id"]),
            pl.col("prompt_id").alias("prompt_number"),
            pl.col("origin").alias("source"),
            group.alias("group_id"),
            test.alias("test"),
        )

    def _write_pairs(self, rows: pl.DataFrame, name: str) -> pl.DataFrame:
        """Write pairs, each into its split; gives what is to be counted of them."""
        for split, these in by_split(rows).items():
            if these.height:
                self._write(PAIRS, these, f"data/{split}-{name}")
                self.totals.pairs.example = self.totals.pairs.example or first_row(these)
        return rows.select("prompt_id", "group_id", "test")

    def _account(self, bucket: int, outcomes: Sequence[pl.DataFrame], responses: pl.DataFrame) -> None:
        """Say of each row of a bucket what became of it."""
        rows = records_with_comparisons(self.store.buckets, bucket)
        if rows is None:
            return
        rows = rows.with_columns(pl.col("n").fill_null(0) if "n" in rows.columns else ZERO)
        ranked_by = (pl.col("n") >= MIN_RANKED) & self._pairs_by_rank
        of_comparisons = _outcomes_of_rows(rows.filter(~ranked_by), outcomes)
        ledger = pl.concat(
            [
                as_outcomes(of_comparisons.filter("rated"), rated=True),
                as_outcomes(of_comparisons.filter(~pl.col("rated")), rated=False),
                *([_outcomes_of_responses(rows.filter(ranked_by), responses)] if self._pairs_by_rank else []),
            ]
        )
        by_row_outcomes = best_by_row(ledger)
        rejects = by_row_outcomes.filter(pl.col("outcome") == "rejected").select(
            "source", "row", "line", "reason"
        )
        details = of_comparisons.unique(["source", "row"], keep="first").select(
            "source", "row", "detail", "raw"
        )
        rejects = rejects.join(details, on=["source", "row"], how="left", maintain_order="left")
        rejected = rejects.with_columns(pl.lit("").alias("field"))
        self.store.row_log.add(ledger, rejected.select(REJECTS.names()).cast(REJECTS))
        self.store.account.settle(by_row_outcomes)


RESPONSE_OUTCOMES = pl.Schema(
    {
        "prompt_id": pl.UInt128(),
        "response_id": pl.UInt128(),
        "reason": pl.String(),
        "pair": pl.String(),
    }
)
COMPARISON_OUTCOMES = pl.Schema(
    {
        "case": pl.UInt32(),
        "reason": pl.String(),
        "detail": pl.String(),
        "raw": pl.String(),
        "pair": pl.String(),
    }
)
"""What became of a comparison; of none, where no two responses of a bucket were compared."""

ZERO = pl.lit(0, pl.Int64).alias("n")


def _comparison_records(part: pl.DataFrame, decisions: Sequence[PairDecision]) -> pl.DataFrame:
    """The comparisons of a part with what was said of them, as `Comparison` records."""
    kind = pl.Schema(pl.DataFrame(Comparison.arrow_schema().empty_table()).schema)["verdicts"]
    verdicts = pl.Series("verdicts", [list(each.verdicts) for each in decisions], kind)
    frame = part.with_columns(verdicts, hexed(part["prompt_id"]), pl.col("origin").alias("source"))
    return frame.with_columns(
        as_messages(frame[name]) for name in ("prompt", "response_a", "response_b")
    )


def _judged_pairs(part: pl.DataFrame, decisions: Sequence[PairDecision], *, by_rank: bool) -> pl.DataFrame:
    """The pairs that the verdicts of a part give, with their texts.

    Args:
        part: comparisons with their texts.
        decisions: what became of each.
        by_rank: whether responses that are ranked are paired by that, and not here.
    """
    keep = pl.Series([each.reason == reasons.KEPT for each in decisions], dtype=pl.Boolean)
    keep &= ~(part["ranked"] & by_rank)
    decisions_with_pair = [each for each, keep in zip(decisions, keep, strict=True) if keep]
    a_won = pl.Series("a_won", [each.winner == "a" for each in decisions_with_pair], pl.Boolean)
    frame = part.filter(keep).drop("id").with_columns(a_won, *_score_columns(decisions_with_pair))
    for side, a, b in (("chosen", "a", "b"), ("rejected", "b", "a")):
        names = (side, f"model_{side}", f"{side}_id")
        frame = frame.with_columns(
            pl.when("a_won").then(column.format(a)).otherwise(column.format(b)).alias(name)
            for name, column in zip(names, ("response_{}", "model_{}", "{}_id"), strict=True)
        )
    return frame


def _score_columns(won: Sequence[PairDecision]) -> list[pl.Series]:
    """Scores only where they do not contradict the verdict; a margin of log-odds goes before."""
    scores = [
        (each.chosen, each.rejected)
        if each.chosen is not None and each.rejected is not None and each.chosen >= each.rejected
        else (None, None)
        for each in won
    ]
    margins = [
        each.margin if each.margin is not None else None if c is None or r is None else c - r
        for each, (c, r) in zip(won, scores, strict=True)
    ]
    return [
        pl.Series("score_chosen", [chosen for chosen, _ in scores], pl.Float64),
        pl.Series("score_rejected", [rejected for _, rejected in scores], pl.Float64),
        pl.Series("margin", margins, pl.Float64),
        pl.Series("votes", [each.votes for each in won], pl.Int64),
        pl.Series("agreement", [each.agreement for each in won], pl.Float64),
    ]


def _ranked_pairs(part: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Pairs that follow from a ranking, with their texts."""
    return part.with_columns(
        ratings["prompt"].gather(part["at_chosen"]),
        ratings["response"].gather(part["at_chosen"]).alias("chosen"),
        ratings["response"].gather(part["at_rejected"]).alias("rejected"),
        pl.lit(None, pl.Int64).alias("votes"),
        pl.lit(None, pl.Float64).alias("agreement"),
    )


def _ranking_rows(part: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Ranked responses with their texts, as rows of `RANKINGS`."""
    return part.with_columns(
        hexed(part["prompt_id"]),
        as_messages(ratings["prompt"].gather(part["at"])),
        as_messages(ratings["response"].gather(part["at"])),
        pl.col("origin").alias("source"),
        pl.col("strength").alias("score"),
    )


def _kept_responses(rows: pl.DataFrame) -> pl.DataFrame:
    """Each response of some pairs, with the id of its pair."""
    return pl.concat(
        rows.select(
            pl.col("prompt_number").alias("prompt_id"),
            pl.col(f"{side}_id").alias("response_id"),
            pl.lit(reasons.KEPT).alias("reason"),
            pl.col("id").alias("pair"),
        )
        for side in ("chosen", "rejected")
    )


def _comparison_outcomes(part: pl.DataFrame, decisions: Sequence[PairDecision], rows: pl.DataFrame) -> pl.DataFrame:
    """What became of each comparison: the columns of `COMPARISON_OUTCOMES`."""
    texts = part.select(pl.struct("prompt", a="response_a", b="response_b").struct.json_encode())
    outcomes = part.select("case").with_columns(
        pl.Series("reason", [each.reason for each in decisions], pl.String),
        pl.Series("detail", [each.detail for each in decisions], pl.String),
        texts.to_series().alias("raw"),
    )
    outcomes = outcomes.with_columns(pl.when(pl.col("reason") != reasons.KEPT).then("raw").alias("raw"))
    ids = rows.select("case", pl.col("id").alias("pair"))
    return outcomes.join(ids, on="case", how="left", maintain_order="left")


def _outcomes_of_rows(rows: pl.DataFrame, outcomes: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows with what became of the comparisons that they are in.

    A row of a comparison that an earlier row has made a pair of is merged with that one.
    """
    all_outcomes = pl.concat([pl.DataFrame(schema=COMPARISON_OUTCOMES), *outcomes])
    rows = rows.join(all_outcomes, on="case", how="left", maintain_order="left")
    later = pl.col("case").is_duplicated() & ~pl.col("case").is_first_distinct() & ~pl.col("rated")
    again = later & (pl.col("reason") == reasons.KEPT)
    without = (
        pl.when(pl.col("n") > 1).then(pl.lit(reasons.NOT_JUDGED)).otherwise(pl.lit(reasons.ALONE))
    )
    return rows.with_columns(
        pl.when(again)
        .then(pl.lit(reasons.DUPLICATE))
        .otherwise(pl.coalesce("reason", without))
        .alias("reason")
    )


def _outcomes_of_responses(rows: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """The account of ranked responses: the pairs that each went into, or why it is in none."""
    place = ["source", "row", "line", "item"]
    on = ["prompt_id", "response_id"]
    responses = rows.select(*place, *on).unique(place, keep="first", maintain_order=True)
    return as_outcomes(responses.join(outcomes, on=on, how="left", maintain_order="left"), rated=True)
