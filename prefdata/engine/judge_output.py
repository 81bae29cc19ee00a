"""The last part of a judging run: pairs, comparisons and calls as Parquet, every row settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from prefdata.engine.cases import Buckets, parts
from prefdata.engine.job import by_split
from prefdata.engine.ruling import Collected, Counts, Decision, Judge, Ruling, decide
from prefdata.formats import reasons
from prefdata.formats.base import as_messages
from prefdata.formats.ids import hexed, joined_ids
from prefdata.io.dataset import number_shards, readable, stored, write_parquet
from prefdata.io.trail import Trail
from prefdata.judge.journal import Journal
from prefdata.schemas import Comparison
from prefdata.transforms.account import Account
from prefdata.transforms.ledger import REJECTS, by_row, entries
from prefdata.transforms.split import SPLITS, in_test

PAIRS = stored("pairs")
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


def write(
    folder: Path,
    buckets: Buckets,
    judges: Sequence[Judge],
    ruling: Ruling,
    journal: Journal,
    *,
    trail: Trail,
    account: Account,
    progress: Callable[[int, int], None],
) -> Collected:
    """Write pairs, comparisons and calls, and settle every row.

    Args:
        folder: the data set directory that is being made.
        buckets: hold the comparisons.
        judges: who was asked.
        ruling: what makes a verdict a pair.
        journal: holds the replies.
        trail: takes the account of every row.
        account: is told what became of each row.
        progress: is told how many buckets are done, of how many.
    """
    for name in ("data", "comparisons", "calls"):
        (folder / name).mkdir()
    done = Collected(alone={judge.name: Counts() for judge in judges})
    for bucket in range(len(buckets)):
        told = []
        for number, part in enumerate(parts(buckets, bucket)):
            decisions, calls = decide(part, judges, ruling, journal, done)
            name = f"{bucket:06d}-{number:06d}.parquet"
            _write_comparisons(part, decisions, folder / "comparisons" / f"comparisons-{name}")
            if calls:
                table = pa.Table.from_pylist(calls, schema=CALLS)
                write_parquet(pl.DataFrame(table), folder / "calls" / f"calls-{name}", CALLS)
            rows = _pairs(part, decisions, ruling)
            for split, these in by_split(rows).items():
                if these.height:
                    write_parquet(these, folder / "data" / f"{split}-{name}", PAIRS)
                    done.made.example = done.made.example or readable(these)
            told.append(_told(part, decisions, rows))
            done.made.count(rows)
        _settle(buckets, bucket, told, trail, account)
        progress(bucket + 1, len(buckets))
    if not done.made.rows:
        empty = pl.DataFrame(PAIRS.empty_table())
        write_parquet(empty, folder / "data" / "train-0.parquet", PAIRS)
    for split in SPLITS:
        number_shards(folder / "data", split)
    for name in ("comparisons", "calls"):
        number_shards(folder / name, name)
    return done


def _write_comparisons(part: pl.DataFrame, decisions: Sequence[Decision], path: Path) -> None:
    schema = Comparison.arrow_schema()
    kind = pl.Schema(pl.DataFrame(schema.empty_table()).schema)["verdicts"]
    verdicts = pl.Series("verdicts", [list(each.verdicts) for each in decisions], kind)
    frame = part.with_columns(verdicts, hexed(part["prompt_id"]), pl.col("origin").alias("source"))
    frame = frame.with_columns(
        as_messages(frame[name]) for name in ("prompt", "response_a", "response_b")
    )
    write_parquet(frame, path, schema)


def _pairs(part: pl.DataFrame, decisions: Sequence[Decision], ruling: Ruling) -> pl.DataFrame:
    """The pairs of a part, with their texts."""
    kept = [each.reason == reasons.KEPT for each in decisions]
    frame = part.filter(pl.Series(kept, dtype=pl.Boolean))
    won = [each for each, keep in zip(decisions, kept, strict=True) if keep]
    a_won = pl.Series("a_won", [each.winner == "a" for each in won], pl.Boolean)
    frame = frame.with_columns(a_won, *_figures(won))
    either = {"chosen": ("a", "b"), "rejected": ("b", "a")}
    for name, (yes, no) in either.items():
        for made, column in ((name, "response_"), (f"model_{name}", "model_"), (f"{name}_id", "")):
            ends = ("_id", "_id") if not column else ("", "")
            frame = frame.with_columns(
                pl.when("a_won")
                .then(f"{column}{yes}{ends[0]}")
                .otherwise(f"{column}{no}{ends[1]}")
                .alias(made)
            )
    frame = joined_ids(frame.drop("id"), ["prompt_id", "chosen_id", "rejected_id"], "id")
    frame = frame.with_columns(
        hexed(frame["id"]), hexed(frame["prompt_id"]), pl.col("origin").alias("source")
    )
    return frame.with_columns(
        in_test(frame["prompt_id"], ruling.test_size, ruling.seed).alias("test")
    )


def _figures(won: Sequence[Decision]) -> list[pl.Series]:
    """Scores only where they do not contradict the verdict; a margin of log-odds goes before."""
    right = [
        each.chosen is not None and each.rejected is not None and each.chosen >= each.rejected
        for each in won
    ]
    chosen = [each.chosen if ok else None for each, ok in zip(won, right, strict=True)]
    rejected = [each.rejected if ok else None for each, ok in zip(won, right, strict=True)]
    margins = [
        each.margin
        if each.margin is not None
        else c - r
        if c is not None and r is not None
        else None
        for each, c, r in zip(won, chosen, rejected, strict=True)
    ]
    return [
        pl.Series("score_chosen", chosen, pl.Float64),
        pl.Series("score_rejected", rejected, pl.Float64),
        pl.Series("margin", margins, pl.Float64),
        pl.Series("votes", [each.votes for each in won], pl.Int64),
        pl.Series("agreement", [each.agreement for each in won], pl.Float64),
    ]


def _told(part: pl.DataFrame, decisions: Sequence[Decision], rows: pl.DataFrame) -> pl.DataFrame:
    """What became of each comparison: the reason, the detail, and the id of its pair."""
    texts = part.select(pl.struct("prompt", a="response_a", b="response_b").struct.json_encode())
    told = part.select("case").with_columns(
        pl.Series("reason", [each.reason for each in decisions], pl.String),
        pl.Series("detail", [each.detail for each in decisions], pl.String),
        texts.to_series().alias("raw"),
    )
    told = told.with_columns(pl.when(pl.col("reason") != reasons.KEPT).then("raw").alias("raw"))
    ids = rows.select("case", pl.col("id").alias("pair"))
    return told.join(ids, on="case", how="left", maintain_order="left")


def _settle(
    buckets: Buckets, bucket: int, told: Sequence[pl.DataFrame], trail: Trail, account: Account
) -> None:
    """Say of each row of a bucket what became of it."""
    links = buckets.get("links", bucket)
    if links is None:
        return
    rows = links.join(pl.concat(told), on="case", how="left", maintain_order="left")
    later = pl.col("case").is_duplicated() & ~pl.col("case").is_first_distinct() & ~pl.col("rated")
    again = later & (pl.col("reason") == reasons.KEPT)
    rows = rows.with_columns(
        pl.when(again)
        .then(pl.lit(reasons.DUPLICATE))
        .otherwise(pl.coalesce("reason", pl.lit(reasons.ALONE)))
        .alias("reason")
    )
    ledger = pl.concat(
        [
            entries(rows.filter(pl.col("rated")), rated=True),
            entries(rows.filter(~pl.col("rated")), rated=False),
        ]
    )
    best = by_row(ledger)
    lost = best.filter(pl.col("outcome") == "rejected").select("source", "row", "line", "reason")
    said = rows.unique(["source", "row"], keep="first").select("source", "row", "detail", "raw")
    lost = lost.join(said, on=["source", "row"], how="left", maintain_order="left")
    refused = lost.with_columns(pl.lit("").alias("field"))
    trail.add(ledger, refused.select(REJECTS.names()).cast(REJECTS))
    account.settle(best)
