"""The second half of a conversion with ratings: records on disk to pairs in Parquet.

The two texts of a pair may stand anywhere in the sources, so all texts lie on disk by bucket of
prompts, and each bucket is worked out by itself.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import polars as pl

from prefdata.errors import PrefdataError
from prefdata.io.dataset import SCHEMAS, number_shards, readable, write_parquet
from prefdata.io.spool import Spool
from prefdata.io.trail import Trail
from prefdata.transforms import bucket
from prefdata.transforms.account import Account
from prefdata.transforms.ledger import by_row, lost, refused
from prefdata.transforms.options import Options
from prefdata.transforms.split import SPLITS

Result = TypeVar("Result")

WORKERS = min(4, os.cpu_count() or 1)


@dataclass
class Assembled:
    """What was written.

    Attributes:
        rows: rows by split.
        prompts: distinct prompts by split.
        example: the first row, with its texts.
    """

    rows: Counter[str] = field(default_factory=Counter)
    prompts: Counter[str] = field(default_factory=Counter)
    example: dict[str, object] = field(default_factory=dict)


class Made(NamedTuple):
    """What a bucket gives: rows without texts, the account of its records, and what was refused."""

    rows: pl.DataFrame
    ledger: pl.DataFrame
    rejects: pl.DataFrame
    example: dict[str, object]


def assemble(
    folder: Path,
    options: Options,
    *,
    spool: Spool,
    trail: Trail,
    account: Account,
    spread: frozenset[int],
    progress: Callable[[int, int], None],
) -> Assembled:
    """Write the data set's files.

    Buckets are worked out and compressed side by side, and taken up in their order.

    Args:
        folder: the data set directory that is being made.
        options: how pairs are made.
        spool: holds the records with their texts.
        trail: takes the account of every row.
        account: is told what became of each row.
        spread: the sources whose rows answer several prompts, and so lie in several buckets.
        progress: is told how many buckets are done, of how many.
    """
    (folder / "data").mkdir()
    result = Assembled()
    late: list[pl.DataFrame] = []

    def work(number: int) -> Made:
        return _made(number, folder / "data", spool, options)

    for number, made in enumerate(in_order(work, spool.buckets)):
        trail.add(made.ledger, made.rejects)
        here = pl.col("source").is_in(sorted(spread))
        account.settle(by_row(made.ledger.filter(~here)))
        late.append(by_row(made.ledger.filter(here)))
        count(made.rows, result)
        result.example = result.example or made.example
        progress(number + 1, spool.buckets)
    account.settle(by_row(pl.concat(late)))
    for split in SPLITS:
        number_shards(folder / "data", split)
    return result


def _made(number: int, folder: Path, spool: Spool, options: Options) -> Made:
    ratings, comparisons = spool.get("ratings", number), spool.get("comparisons", number)
    decided = bucket.pairs(ratings, comparisons, options)
    example: dict[str, object] = {}
    for split, rows in by_split(decided.rows).items():
        if rows.height:
            part = bucket.with_texts(rows, ratings, comparisons)
            write_parquet(part, folder / f"{split}-{number:06d}.parquet", SCHEMAS["pairs"])
            example = example or readable(part)
    gone = lost(decided.ledger)
    said = comparisons.unique(["source", "row"], keep="first").select(
        "source",
        "row",
        pl.struct("prompt", "a", "b", "winner", "annotator").struct.json_encode().alias("raw"),
    )
    gone = gone.join(said, on=["source", "row"], how="left", maintain_order="left")
    rejects = refused(gone.drop("raw"), gone["raw"])
    return Made(decided.rows, decided.ledger, rejects, example)


def by_split(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each split."""
    return {"train": rows.filter(~pl.col("test")), "test": rows.filter("test")}


def in_order(work: Callable[[int], Result], count: int) -> Iterator[Result]:
    """Results in order, with no more at hand than there are workers."""
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque[Future[Result]] = deque()
        for number in range(count):
            waiting.append(pool.submit(work, number))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def count(rows: pl.DataFrame, result: Assembled) -> None:
    """Add up the rows of a bucket, and hold that no prompt stands in both splits."""
    parts = by_split(rows)
    shared = parts["train"].join(parts["test"], on="prompt_id", how="semi").height
    if shared:
        raise PrefdataError(
            f"{shared:,} prompts are in both splits; nothing was written",
            hint="This is a defect of prefdata: please report it.",
        )
    for split, part in parts.items():
        result.rows[split] += part.height
        result.prompts[split] += part["prompt_id"].n_unique()
