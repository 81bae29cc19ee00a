"""Views that need more than one row at a time: labelled answers, mixed, and best answers.

Rows lie on disk in buckets by a hash of their content, and each bucket is worked out by itself: the
memory that it takes does not grow with the data, and the result does not depend on the order.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, cast

import orjson

from prefdata.exporting.accounting import ExportAccount
from prefdata.exporting.base import DatasetRow, Refusal, Turn, template_columns
from prefdata.exporting.checks import BOTH_LABELS

BUCKET_BYTES = 32 << 20
MOST_BUCKETS = 256

REPEATED = "the same answer stands in another row"
WORSE = "another answer to the prompt is better"
AS_GOOD = "another good answer to the prompt was taken"
NOT_GOOD = "the answer is not a good one"

KEY = 32
"""Bytes of a key, with which a row's line begins; what follows begins with the row's id."""

PATIENCE = 1000
"""Rows that wait for a neighbour with another prompt."""


def label_answers(rows: Iterable[DatasetRow]) -> Iterator[DatasetRow]:
    """Turn pairs into labelled answers: the chosen one is good, the rejected one bad."""
    for row in rows:
        for side, turns in (("chosen", row["chosen"]), ("rejected", row["rejected"])):
            answer: DatasetRow = {
                "id": row["id"],
                "prompt_id": row["prompt_id"],
                "prompt": row["prompt"],
                "completion": turns,
                "label": side == "chosen",
            }
            yield cast("DatasetRow", {**answer, **template_columns(row)})


def shuffle_answers(
    rows: Iterable[DatasetRow],
    *,
    seed: int,
    folder: Path,
    size: int,
    split: str,
    account: ExportAccount,
) -> Iterator[DatasetRow]:
    """Put labelled answers into random order, each once, no two to one prompt side by side.

    KTO reads rows in their order: a block of one class teaches it nothing. And it compares an
    answer with the one beside it, which must therefore be the answer to another prompt.

    Args:
        rows: labelled answers in any order.
        seed: of the order.
        folder: for the buckets.
        size: bytes of the rows, about.
        split: theirs, for the rejects.
        account: counts answers that stand there twice, or with both labels.
    """
    buckets = RowBuckets(folder, size)
    for row in rows:
        buckets.add(digest(seed, row["prompt"], row["completion"], **template_columns(row)), row)
    return separate_prompts(_once(buckets.groups(), split, account))


def _once(
    groups: Iterable[list[DatasetRow]], split: str, account: ExportAccount
) -> Iterator[DatasetRow]:
    for same in groups:
        if len({row["label"] for row in same}) > 1:
            for row in same:
                account.refuse(row, split, Refusal(BOTH_LABELS))
            continue
        account.merged[REPEATED] += len(same) - 1
        yield same[0]


def separate_prompts(rows: Iterable[DatasetRow]) -> Iterator[DatasetRow]:
    """Keep the order of rows, but where two neighbours have the same prompt the second waits.

    Example:
        >>> rows = [{"prompt": [], "prompt_id": prompt} for prompt in "aabc"]
        >>> "".join(row["prompt_id"] for row in separate_prompts(rows))
        'abac'
    """
    waiting: deque[DatasetRow] = deque()
    last = ""
    for row in rows:
        queue = [row]
        while queue:
            each = queue.pop()
            if each["prompt_id"] == last and len(waiting) < PATIENCE:
                waiting.append(each)
                continue
            last = each["prompt_id"]
            yield each
            if waiting and waiting[0]["prompt_id"] != last:
                queue.append(waiting.popleft())
    yield from waiting


class RankedAnswer(NamedTuple):
    """An answer to a prompt: a row with it, its score, and its wins and losses in all pairs."""

    row: DatasetRow
    score: float | None
    wins: int
    losses: int


def best_answers(
    rows: Iterable[DatasetRow], *, folder: Path, size: int, account: ExportAccount
) -> Iterator[DatasetRow]:
    """Choose the best answer to each prompt.

    Of pairs it is the one with the highest score; without scores the one that lost least often.
    Of labelled answers it is the good one with the highest weight.

    Args:
        rows: pairs or labelled answers, in any order.
        folder: for the buckets.
        size: bytes of the rows, about.
        account: counts the others.
    """
    buckets = RowBuckets(folder, size)
    for row in rows:
        buckets.add(digest(0, row["prompt"], **template_columns(row)), row)
    for same in buckets.groups():
        yield from _best(same, account)


def _best(same: Sequence[DatasetRow], account: ExportAccount) -> Iterator[DatasetRow]:
    """The best of the rows of one prompt."""
    if "completion" in same[0]:
        good = [row for row in same if row["label"]]
        account.left_over[NOT_GOOD] += len(same) - len(good)
        if good:
            account.left_over[AS_GOOD] += len(good) - 1
            yield min(good, key=lambda row: (-(row.get("weight") or 0), row["id"]))
        return
    winner = _winner(same)
    again = [row for row in same if row["chosen"] == winner["chosen"]]
    account.merged[REPEATED] += len(again) - 1
    account.left_over[WORSE] += len(same) - len(again)
    yield {**winner, "completion": winner["chosen"]}


def _winner(same: Sequence[DatasetRow]) -> DatasetRow:
    losses = Counter(digest(0, row["rejected"]) for row in same)
    answers: dict[bytes, RankedAnswer] = {}
    for row in same:
        key = digest(0, row["chosen"])
        answer = answers.get(key) or RankedAnswer(row, None, 0, losses[key])
        scores = [s for s in (answer.score, row.get("score_chosen")) if s is not None]
        answers[key] = answer._replace(score=max(scores, default=None), wins=answer.wins + 1)
    scored = all(each.score is not None for each in answers.values())

    def rank(each: RankedAnswer) -> tuple[float, int, int, str]:
        by_score = -(each.score or 0.0) if scored else 0.0
        return by_score, each.losses, -each.wins, each.row["id"]

    return min(answers.values(), key=rank).row


def digest(seed: int, *turns: Sequence[Turn], **template: str) -> bytes:
    """A hash of messages that is the same everywhere, and random from seed to seed."""
    text = orjson.dumps([seed, *turns, *([template] if template else [])])
    return hashlib.blake2b(text, digest_size=16).hexdigest().encode()


class RowBuckets:
    """Rows on disk, in buckets by their key.

    Args:
        folder: for the buckets, which does not exist yet.
        size: bytes of all rows, about.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.count = min(MOST_BUCKETS, max(1, size // BUCKET_BYTES))
        self.paths = [folder / f"{number:03d}" for number in range(self.count)]
        folder.mkdir()
        self.stack = ExitStack()
        self.files = [self.stack.enter_context(path.open("wb")) for path in self.paths]

    def add(self, key: bytes, row: DatasetRow) -> None:
        """Add a row."""
        file = self.files[int(key[:8], 16) * self.count >> 32]
        file.write(key + orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def groups(self) -> Iterator[list[DatasetRow]]:
        """The rows with the same key, in the order of the keys and of their ids.

        One bucket is in memory at a time, as text; it is deleted behind.
        """
        self.stack.close()
        for path in self.paths:
            with path.open("rb") as file:
                lines = sorted(file)
            path.unlink()
            for _, group in groupby(lines, key=lambda line: line[:KEY]):
                yield [cast("DatasetRow", orjson.loads(line[KEY:])) for line in group]
