"""The last part of a judging run: pairs, comparisons, calls and rankings as Parquet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from prefdata.conversion.conversation_groups import ConversationGroups
from prefdata.conversion.plan import ConvertTotals
from prefdata.io.dataset.dataset_writer import (
    dataset_schema,
    first_row,
    number_shards,
    schema_options,
    write_parquet,
)
from prefdata.judging.client.journal import Journal
from prefdata.judging.comparison_store import ComparisonStore
from prefdata.judging.comparisons import MIN_RANKED, PART, parts, records_with_comparisons
from prefdata.judging.decide import (
    Judge,
    PairDecision,
    PartDecisions,
    VerdictPolicy,
    decide,
    decided_frame,
)
from prefdata.judging.pairing import pair_records, ranking_records, verdict_records
from prefdata.judging.rank import DECIDED, RankResult, rank_responses
from prefdata.judging.totals import JudgeTotals, VerdictCounts
from prefdata.records import reasons
from prefdata.records.frames import TEMPLATE, as_messages
from prefdata.records.ids import hexed
from prefdata.records.splits import SPLITS
from prefdata.schemas import Comparison
from prefdata.transforms.make_pairs import PairResult
from prefdata.transforms.mixing import limits, match_sources, place_rows
from prefdata.transforms.row_outcomes import REJECTS, as_outcomes, best_by_row
from prefdata.transforms.split import by_split

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


def rankings_schema(pairs: pa.Schema) -> pa.Schema:
    """The columns of ``rankings/``: one row per response of a prompt with three or more.

    Its strength in log-odds by the model of Bradley and Terry, the standard error of that, how
    often it was compared, and the number of the group of cycles that it is in.

    Args:
        pairs: the columns of the pairs, whose messages are of the same type.
    """
    return pa.schema(
        [
            ("prompt_id", pa.string()),
            pairs.field("prompt"),
            pa.field("response", pairs.field("chosen").type),
            ("model", pa.string()),
            ("source", pa.string()),
            ("score", pa.float64()),
            ("error", pa.float64()),
            ("compared", pa.int32()),
            ("cycle", pa.int32()),
        ]
    )


FOLDERS = ("comparisons", "calls", "rankings")

COUNTED = ("prompt_id", "group_id", "split")
"""What is counted of pairs."""


@dataclass
class OutputTotals:
    """What a run wrote.

    Attributes:
        pairs: the pairs.
        judged: how the comparisons ended.
        ranked: prompts whose responses were ranked.
        cycles: those of them with responses that beat each other in a circle.
    """

    pairs: ConvertTotals
    judged: JudgeTotals
    ranked: int = 0
    cycles: int = 0


class JudgedPart(NamedTuple):
    """The comparisons of a part, what the judges say of them, and the pairs.

    Attributes:
        part: comparisons with their texts.
        result: what became of each.
        records: those of them that are paired here, as `prefdata.judging.pairing` has them.
        pairs: the pairs, and the account of the records.
    """

    part: pl.DataFrame
    result: PartDecisions
    records: pl.DataFrame
    pairs: PairResult


class RankedPart(NamedTuple):
    """Pairs that follow from rankings: as records, as rows, and the account of the records."""

    records: pl.DataFrame
    pairs: PairResult


@dataclass
class OutputWriter:
    """Writes pairs, comparisons, calls and rankings.

    Args:
        folder: the data set directory that is being written.
        store: the comparisons.
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
        pairs = ConvertTotals(groups=groups, splits=self.store.splits)
        self.totals = OutputTotals(pairs, JudgeTotals(by_judge=by_judge))
        self.carried = [*self.store.carried, *(["split"] if self.store.splits.keeps else [])]
        extensions = self.store.extensions
        self.schema = dataset_schema("pairs", extensions=extensions, keep=self.store.keep)
        self.comparisons = Comparison.arrow_schema(**schema_options(extensions))
        self.ends: Mapping[int, int] = {}

    def write(self, on_progress: Callable[[int, int], None]) -> OutputTotals:
        """Write all files, and account for every row.

        Args:
            on_progress: called with the number of buckets that are done, and of all.
        """
        for name in ("data", *FOLDERS):
            (self.folder / name).mkdir()
        self.ends = self._source_ends()
        for bucket in range(len(self.store.buckets)):
            self._write_bucket(bucket)
            on_progress(bucket + 1, len(self.store.buckets))
        pairs = self.totals.pairs
        if not pairs.rows:
            empty = pl.DataFrame(self.schema.empty_table())
            self._write(self.schema, empty, "data/train-0.parquet")
        if pairs.groups:
            pairs.conversations = pairs.groups.count()
        for split in SPLITS:
            number_shards(self.folder / "data", split)
        for name in FOLDERS:
            number_shards(self.folder / name, name)
        return self.totals

    def _write(self, schema: pa.Schema, frame: pl.DataFrame, name: str) -> None:
        write_parquet(frame, self.folder / name, schema)

    @property
    def _pairs_by_rank(self) -> bool:
        """Whether responses are paired by their ranking."""
        return self.policy.strategy != "judged"

    def _source_ends(self) -> Mapping[int, int]:
        """Where the rows of each source end, by its cap or share: decides everything once more."""
        options = self.policy.pairing
        matches = match_sources(options, [each.source.name for each in self.store.sources])
        if not (matches.caps or matches.mix):
            return {}
        places: dict[int, list[np.ndarray]] = defaultdict(list)
        for bucket in range(len(self.store.buckets)):
            for rows in self._pair_ids(bucket):
                placed = place_rows(rows, options.seed)
                for (source,), part in placed.partition_by("from_source", as_dict=True).items():
                    places[int(str(source))].append(part["place"].to_numpy())
        whole = {source: np.concatenate(parts) for source, parts in places.items()}
        return limits(whole, matches, options)

    def _pair_ids(self, bucket: int) -> Iterator[pl.DataFrame]:
        """The ids and sources of all pairs of a bucket."""
        decided = []
        for judged in self._judged_parts(bucket):
            decided.append(_decided(judged))
            yield judged.pairs.rows.select("id", "from_source")
        if ranking := self._ranking(bucket, decided):
            for ranked in self._ranked_parts(bucket, ranking):
                yield ranked.pairs.rows.select("id", "from_source")

    def _judged_parts(self, bucket: int) -> Iterator[JudgedPart]:
        """Decide and pair the comparisons of a bucket, a part at a time."""
        for part in parts(self.store.buckets, bucket, keep=self.carried):
            result = decide(part, self.judges, self.policy, self.journal)
            records = verdict_records(part, result.decisions, self.carried)
            if self._pairs_by_rank:
                own = part.filter(~pl.col("ranked"))["comparison"]
                records = records.filter(pl.col("comparison").is_in(own.implode()))
            yield JudgedPart(part, result, records, self._pair(records))

    def _ranking(self, bucket: int, decided: Sequence[pl.DataFrame]) -> RankResult | None:
        """Rank the responses of a bucket; None where no response stands by itself."""
        responses = self.store.buckets.get("responses", bucket)
        if responses is None:
            return None
        return rank_responses(
            responses,
            pl.concat([pl.DataFrame(schema=DECIDED), *decided]),
            self.policy.strategy,
            max_comparisons=self.store.max_comparisons,
            drop_flagged=self.policy.drop_flagged,
        )

    def _ranked_parts(self, bucket: int, ranking: RankResult) -> Iterator[RankedPart]:
        """Make pairs of rankings, a part at a time."""
        ratings = self.store.buckets.require("ratings", bucket)
        for part in ranking.pairs.iter_slices(PART):
            records = ranking_records(part, ratings, self.carried)
            pairs = self._pair(records)
            rows = pairs.rows.with_columns(votes=None, agreement=None)  # a ranking has no votes
            yield RankedPart(records, pairs._replace(rows=rows))

    def _pair(self, records: pl.DataFrame) -> PairResult:
        options, grouped = self.policy.pairing, self.store.grouped
        return pair_records(records, options, self.carried, grouped=grouped, ends=self.ends)

    def _write_bucket(self, bucket: int) -> None:
        """Write everything about the comparisons of a bucket, and account for its rows."""
        decided, comparisons, pairs = [], [], []
        for number, judged in enumerate(self._judged_parts(bucket)):
            self._write_judged(judged, f"{bucket:06d}-{number:06d}.parquet")
            decided.append(_decided(judged))
            comparisons.append(_comparison_outcomes(judged))
            pairs.append(judged.pairs.rows.select(COUNTED))
        responses = [pl.DataFrame(schema=RESPONSE_OUTCOMES)]
        if ranking := self._ranking(bucket, decided):
            self._write_rankings(bucket, ranking)
            responses.append(ranking.unpaired.with_columns(pl.lit(None, pl.String).alias("pair")))
            for number, ranked in enumerate(self._ranked_parts(bucket, ranking)):
                self._write_pairs(ranked.pairs.rows, f"ranked-{bucket:06d}-{number:06d}.parquet")
                responses.append(_response_outcomes(ranked))
                pairs.append(ranked.pairs.rows.select(COUNTED))
        if pairs:
            self.totals.pairs.count(pl.concat(pairs))
        self._account(bucket, comparisons, _without_refused(pl.concat(responses)))

    def _write_judged(self, judged: JudgedPart, name: str) -> None:
        """Write a part: comparisons, calls and pairs."""
        self.totals.judged.add(judged.result.totals)
        records = _comparison_records(judged.part, judged.result.decisions)
        self._write(self.comparisons, records, f"comparisons/comparisons-{name}")
        if judged.result.calls:
            calls = pl.DataFrame(pa.Table.from_pylist(judged.result.calls, schema=CALLS))
            self._write(CALLS, calls, f"calls/calls-{name}")
        self._write_pairs(judged.pairs.rows, f"judged-{name}")

    def _write_rankings(self, bucket: int, ranking: RankResult) -> None:
        self.totals.ranked += ranking.prompts
        self.totals.cycles += ranking.cycles
        ratings = self.store.buckets.require("ratings", bucket)
        for number, part in enumerate(ranking.responses.iter_slices(PART)):
            name = f"rankings/rankings-{bucket:06d}-{number:06d}.parquet"
            self._write(rankings_schema(self.schema), _ranking_rows(part, ratings), name)

    def _write_pairs(self, rows: pl.DataFrame, name: str) -> None:
        """Write pairs, each into its split."""
        for split, part in by_split(rows).items():
            if part.height:
                self._write(self.schema, part, f"data/{split}-{name}")
                example = first_row(part, self.schema.names)
                self.totals.pairs.example = self.totals.pairs.example or example

    def _account(
        self, bucket: int, comparisons: Sequence[pl.DataFrame], responses: pl.DataFrame
    ) -> None:
        """Record what became of each row of a bucket.

        Args:
            bucket: which.
            comparisons: frames of `COMPARISON_OUTCOMES`.
            responses: a frame of `RESPONSE_OUTCOMES`.
        """
        rows = records_with_comparisons(self.store.buckets, bucket)
        if rows is None:
            return
        rows = rows.with_columns(pl.col("n").fill_null(0) if "n" in rows.columns else ZERO)
        by_ranking = (pl.col("n") >= MIN_RANKED) & self._pairs_by_rank
        compared = _outcomes_of_rows(rows.filter(~by_ranking), comparisons)
        outcomes = [
            as_outcomes(compared.filter("rated"), rated=True),
            as_outcomes(compared.filter(~pl.col("rated")), rated=False),
        ]
        if self._pairs_by_rank and "prompt_id" in rows.columns:
            outcomes.append(_outcomes_of_responses(rows.filter(by_ranking), responses))
        ledger = pl.concat(outcomes)
        best = best_by_row(ledger)
        rejected = best.filter(pl.col("outcome") == "rejected")
        texts = compared.unique(["source", "row"], keep="first").select(
            "source", "row", "detail", "raw"
        )
        rejects = (
            rejected.select("source", "row", "line", "reason")
            .join(texts, on=["source", "row"], how="left", maintain_order="left")
            .with_columns(pl.lit("").alias("field"))
        )
        self.store.row_log.add(ledger, rejects.select(REJECTS.names()).cast(REJECTS))
        self.store.account.settle(best)


RESPONSE_OUTCOMES = pl.Schema(
    {
        "prompt_id": pl.UInt128(),
        "response_id": pl.UInt128(),
        "reason": pl.String(),
        "pair": pl.String(),
    }
)
"""Each ranked response with a pair that it is in, or the reason why it is in none."""

COMPARISON_OUTCOMES = pl.Schema(
    {
        "comparison": pl.UInt32(),
        "reason": pl.String(),
        "detail": pl.String(),
        "raw": pl.String(),
        "pair": pl.String(),
    }
)
"""Each comparison with a pair that it gives, or the reason why it gives none."""

ZERO = pl.lit(0, pl.Int64).alias("n")


def _comparison_records(part: pl.DataFrame, decisions: Sequence[PairDecision]) -> pl.DataFrame:
    """The comparisons of a part with their verdicts, as `Comparison` records."""
    dtype = pl.Schema(pl.DataFrame(Comparison.arrow_schema().empty_table()).schema)["verdicts"]
    verdicts = pl.Series("verdicts", [list(each.verdicts) for each in decisions], dtype)
    frame = part.with_columns(verdicts, hexed(part["prompt_id"]), pl.col("origin").alias("source"))
    first = {f"{name}_a": name for name in TEMPLATE if f"{name}_a" in frame.columns}
    frame = frame.rename(first)
    return frame.with_columns(
        as_messages(frame[name]) for name in ("prompt", "response_a", "response_b")
    )


def _ranking_rows(part: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Ranked responses with their texts, as rows of `rankings_schema`."""
    return part.with_columns(
        hexed(part["prompt_id"]),
        as_messages(ratings["prompt"].gather(part["at"])),
        as_messages(ratings["response"].gather(part["at"])),
        pl.col("origin").alias("source"),
        pl.col("strength").alias("score"),
    )


def _with_outcomes(part: JudgedPart | RankedPart) -> pl.DataFrame:
    """The records of a part with the ``reason`` and the ``pair`` of each."""
    outcomes = part.pairs.outcomes.sort("row").select("reason", "pair")
    return pl.concat([part.records, outcomes], how="horizontal")


def _decided(judged: JudgedPart) -> pl.DataFrame:
    """What a ranking must know of a part, with the reasons that the maker of pairs gave."""
    records = _with_outcomes(judged)
    kept_first = records.sort(pl.col("reason") != reasons.KEPT, maintain_order=True)
    final = dict(kept_first.unique("comparison", keep="first")["comparison", "reason"].rows())
    decisions = zip(judged.part["comparison"], judged.result.decisions, strict=True)
    final_reasons = [final.get(comparison, each.reason) for comparison, each in decisions]
    return decided_frame(judged.part, judged.result.decisions, final_reasons)


def _response_outcomes(part: RankedPart) -> pl.DataFrame:
    """Each response of ranked pairs, with its pair or the reason why that is none."""
    records = _with_outcomes(part)
    return pl.concat(
        records.select("prompt_id", pl.col(f"{side}_id").alias("response_id"), "reason", "pair")
        for side in "ab"
    )


def _without_refused(outcomes: pl.DataFrame) -> pl.DataFrame:
    """All pairs of each response; of those in no pair, the last reason."""
    key = ["prompt_id", "response_id"]
    paired = outcomes.filter(pl.col("reason") == reasons.KEPT)
    others = outcomes.join(paired, on=key, how="anti", maintain_order="left")
    return pl.concat([others.unique(key, keep="last", maintain_order=True), paired])


def _comparison_outcomes(judged: JudgedPart) -> pl.DataFrame:
    """What became of each comparison: the columns of `COMPARISON_OUTCOMES`."""
    part, decisions = judged.part, judged.result.decisions
    texts = part.select(pl.struct("prompt", a="response_a", b="response_b").struct.json_encode())
    outcomes = part.select("comparison").with_columns(
        pl.Series("decided", [each.reason for each in decisions], pl.String),
        pl.Series("detail", [each.detail for each in decisions], pl.String),
        texts.to_series().alias("raw"),
    )
    records = _with_outcomes(judged).select("comparison", "reason", "pair")
    outcomes = outcomes.join(records, on="comparison", how="left", maintain_order="left")
    outcomes = outcomes.with_columns(pl.coalesce("reason", "decided").alias("reason"))
    changed = pl.col("reason") != pl.col("decided")
    return outcomes.with_columns(
        pl.when(~changed).then("detail").otherwise(pl.lit("")).alias("detail"),
        pl.when(pl.col("reason") != reasons.KEPT).then("raw").alias("raw"),
    ).select(list(COMPARISON_OUTCOMES))


def _outcomes_of_rows(rows: pl.DataFrame, comparisons: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows with what became of the comparisons that they are in.

    A row of a comparison that an earlier row has made a pair of is merged with that one.
    """
    later = pl.col("comparison").is_duplicated() & ~pl.col("comparison").is_first_distinct()
    rows = rows.with_columns((later & ~pl.col("rated")).alias("later"))
    outcomes = pl.concat([pl.DataFrame(schema=COMPARISON_OUTCOMES), *comparisons])
    rows = rows.join(outcomes, on="comparison", how="left", maintain_order="left")
    merged = pl.col("later") & (pl.col("reason") == reasons.KEPT)
    no_comparison = (
        pl.when(pl.col("n") > 1).then(pl.lit(reasons.NOT_JUDGED)).otherwise(pl.lit(reasons.ALONE))
    )
    return rows.with_columns(
        pl.when(merged)
        .then(pl.lit(reasons.DUPLICATE))
        .otherwise(pl.coalesce("reason", no_comparison))
        .alias("reason")
    )


def _outcomes_of_responses(rows: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """The account of ranked responses: the pairs that each went into, or why it is in none."""
    position = ["source", "row", "line", "item"]
    key = ["prompt_id", "response_id"]
    rows = rows.select(*position, *key).unique(position, keep="first", maintain_order=True)
    rows = rows.join(responses, on=key, how="left", maintain_order="left")
    return as_outcomes(rows, rated=True)
