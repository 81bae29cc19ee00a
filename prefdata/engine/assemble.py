"""The second half of a conversion: records on disk to pairs in Parquet, bucket by bucket."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from prefdata.errors import PrefdataError
from prefdata.io.dataset import SCHEMAS, number_shards, readable, write_parquet
from prefdata.io.spool import Spool
from prefdata.io.trail import Trail
from prefdata.transforms import bucket
from prefdata.transforms.account import Account
from prefdata.transforms.bucket import Made
from prefdata.transforms.ledger import by_row
from prefdata.transforms.options import Options
from prefdata.transforms.split import SPLITS

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


def assemble(
    folder: Path,
    kind: str,
    options: Options,
    *,
    spool: Spool,
    trail: Trail,
    account: Account,
    progress: Callable[[int, int], None],
) -> Assembled:
    """Write the data set's files.

    Buckets are worked out and compressed side by side, and taken up in their order.

    Args:
        folder: the data set directory that is being made.
        kind: ``"pairs"`` or ``"unpaired"``.
        options: how pairs are made.
        spool: holds the records.
        trail: takes the account of every row.
        account: is told what became of each row.
        progress: is told how many buckets are done, of how many.
    """
    (folder / "data").mkdir()
    result = Assembled()

    def work(number: int) -> Made:
        made = _made(kind, number, spool, options)
        for split, part in made.data.items():
            if part.height:
                write_parquet(
                    part, folder / "data" / f"{split}-{number:06d}.parquet", SCHEMAS[kind]
                )
        return made

    for number, made in enumerate(_in_order(work, spool.buckets)):
        trail.add(made.ledger, made.rejects)
        account.settle(by_row(made.ledger))
        _count(made.data, result)
        progress(number + 1, spool.buckets)
    for split in SPLITS:
        number_shards(folder / "data", split)
    return result


def _made(kind: str, number: int, spool: Spool, options: Options) -> Made:
    if kind == "unpaired":
        return bucket.unpaired(spool.get("unpaired", number), options)
    return bucket.pairs(spool.get("ratings", number), spool.get("comparisons", number), options)


def _in_order(work: Callable[[int], Made], count: int) -> Iterator[Made]:
    """Results in order, with no more at hand than there are workers."""
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque[Future[Made]] = deque()
        for number in range(count):
            waiting.append(pool.submit(work, number))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _count(data: dict[str, pl.DataFrame], result: Assembled) -> None:
    """Add up a bucket, and hold that no prompt stands in both splits."""
    shared = data["train"].join(data["test"], on="prompt_id", how="semi").height
    if shared:
        raise PrefdataError(
            f"{shared:,} prompts are in both splits; nothing was written",
            hint="This is a defect of prefdata: please report it.",
        )
    for split, part in data.items():
        result.rows[split] += part.height
        result.prompts[split] += part["prompt_id"].n_unique()
        if not result.example and part.height:
            result.example = readable(part.head(1))
