"""The journal of calls: what was paid for is on disk before it is counted, and never paid twice.

It is an SQLite file, not an append-only log, for three reasons. A resumed run must know of each of
100,000 requests whether it was answered, which is an index and not a scan. Two processes may work
on one journal at a time, which takes locks that somebody else has tested. And a commit is whole or
not there, so a kill at any moment leaves nothing half written to be repaired. It runs in WAL mode
with ``synchronous=FULL``: each commit reaches the disk, many calls share one commit, and readers
do not wait. A network file system cannot hold it while it is in use; it can be copied anywhere
once the run has ended.

A request is claimed before it is sent. A claim belongs to an owner, one run of one process, and
falls to the next who asks as soon as that owner is gone: at once where its process is known to
have ended, after `LEASE` seconds without a heartbeat otherwise.

What no journal can know is whether a request was answered whose sender was killed before the reply
came: chat completions have no key by which a server would know a request again, and no way to ask
for a reply that was missed. Such a request is sent again. There are no more of them than requests
under way at the kill, and a run says how many it took over from another that is gone.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import orjson

from prefdata.errors import InputError
from prefdata.io.dataset.dir_lock import boot_id
from prefdata.judging.prompting.reply import Completion, Usage

VERSION = 1
LEASE = 90.0
"""Seconds after its last heartbeat that an owner counts as gone."""

TABLES = """
CREATE TABLE IF NOT EXISTS calls (
  key TEXT NOT NULL, try INTEGER NOT NULL, lane TEXT NOT NULL, reply TEXT NOT NULL,
  cost REAL, estimated INTEGER, settled INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (key, try)
);
CREATE INDEX IF NOT EXISTS standing ON calls (key, settled);
CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, why TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (id TEXT PRIMARY KEY, process TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS styles (lane TEXT NOT NULL, asked TEXT NOT NULL, style TEXT NOT NULL,
  PRIMARY KEY (lane, asked));
CREATE TABLE IF NOT EXISTS batches (mark TEXT PRIMARY KEY, name TEXT, lane TEXT NOT NULL,
  owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batched (key TEXT PRIMARY KEY, mark TEXT NOT NULL, try INTEGER NOT NULL,
  tokens INTEGER NOT NULL, most REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of_batch ON batched (mark);
CREATE TABLE IF NOT EXISTS drawn (tournament TEXT NOT NULL, prompt TEXT NOT NULL, x TEXT NOT NULL,
  y TEXT NOT NULL, PRIMARY KEY (tournament, prompt, x, y));
"""


class JournalEntry(NamedTuple):
    """A call that was paid for.

    Attributes:
        key: of the request.
        attempt: 0 for the first; more where the same request was sent again for a better reply.
        judge: endpoint and model.
        completion: what came back.
        cost: in dollars, or None where the price is not known.
        estimated_tokens: the tokens that the request was thought to have.
        is_final: whether it can be used, or another try would be no better.
    """

    key: str
    attempt: int
    judge: str
    completion: Completion
    cost: float | None
    estimated_tokens: int
    is_final: bool = True


class BatchedRequest(NamedTuple):
    """A request that is in a batch.

    Attributes:
        key: of the request.
        attempt: as in `JournalEntry`.
        tokens: an estimate of its tokens.
        max_cost: the most that it can cost, in dollars.
    """

    key: str
    attempt: int
    tokens: int
    max_cost: float


class DrawnPair(NamedTuple):
    """A comparison that a tournament has drawn, by the ids of its prompt and responses."""

    prompt: str
    x: str
    y: str


class Spending(NamedTuple):
    """What all calls to one judge, or to all judges, cost.

    Attributes:
        calls: how many.
        usage: their tokens.
        cost: in dollars, of the calls whose price is known.
        unpriced_calls: calls whose price is not known.
    """

    calls: int
    usage: Usage
    cost: float
    unpriced_calls: int


class Journal:
    """An open journal, for one thread at a time; another thread reads by `reader`.

    Args:
        path: the file; made if it is not there.

    Raises:
        InputError: it cannot be opened, or is no journal of this program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.owner = uuid.uuid4().hex
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.database = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self.database.execute("PRAGMA journal_mode=WAL")
            self.database.execute("PRAGMA synchronous=FULL")
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise InputError(
                f"the journal {path} cannot be opened: {error}",
                hint="Name another with --journal, or move it away to begin anew.",
            ) from error
        with self.transaction():
            self.heartbeat()

    def _prepare(self) -> None:
        with self.transaction():
            version = self.database.execute("PRAGMA user_version").fetchone()[0]
            has_tables = self.database.execute("SELECT 1 FROM sqlite_master").fetchone()
            if version != (VERSION if has_tables else 0):
                raise sqlite3.DatabaseError("it was not written by this version of prefdata")
            for statement in TABLES.split(";"):
                self.database.execute(statement)
            self.database.execute(f"PRAGMA user_version={VERSION}")

    @contextlib.contextmanager
    def reader(self) -> Iterator[Self]:
        """The same journal for the thread that asks: what is on disk, and nothing can be written.

        It goes by a connection of its own, which SQLite refuses to any other thread.
        """
        reader = copy.copy(self)
        where = f"{self.path.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(where, timeout=60, uri=True)) as reader.database:
            yield reader

    def transaction(self) -> _Transaction:
        """A block whose changes are one commit."""
        return _Transaction(self.database)

    def heartbeat(self) -> None:
        """Extend the lease of this run, and remove owners that are gone."""
        now = time.time()
        owners = self.database.execute("SELECT id, process, until FROM owners").fetchall()
        dead = [(i,) for i, process, until in owners if until < now or _has_ended(process)]
        self.database.executemany("DELETE FROM owners WHERE id = ?", dead)
        self.database.execute(
            "INSERT OR REPLACE INTO owners VALUES (?, ?, ?)",
            (self.owner, _this_process(), now + LEASE),
        )

    def close(self) -> None:
        """Give up all claims, and close the file."""
        with self.transaction():
            self.database.execute("DELETE FROM claims WHERE owner = ?", (self.owner,))
            self.database.execute("DELETE FROM owners WHERE id = ?", (self.owner,))
        self.database.close()

    def completions(self, keys: Sequence[str]) -> dict[str, list[Completion]]:
        """The completions of each request that has any, in the order of their attempts."""
        rows = self.database.execute(
            "SELECT key, reply FROM calls WHERE key IN (SELECT value FROM json_each(?)) "
            "ORDER BY key, try",
            (json.dumps(keys),),
        )
        completions: dict[str, list[Completion]] = {}
        for key, text in rows:
            completions.setdefault(key, []).append(_from_json(text))
        return completions

    def attempts(self, keys: Sequence[str]) -> dict[str, tuple[int, bool]]:
        """Of requests with replies: how many, and whether one of them settles it."""
        rows = self.database.execute(
            "SELECT key, count(*), max(settled) FROM calls "
            "WHERE key IN (SELECT value FROM json_each(?)) GROUP BY key",
            (json.dumps(sorted(keys)),),
        )
        return {key: (count, bool(is_final)) for key, count, is_final in rows}

    def orphaned(self, keys: Sequence[str]) -> int:
        """How many of some requests a run has claimed that is gone.

        It may have sent them, and they may have been answered, and paid for, with nobody there to
        note it. Servers know no way to ask: such a request is sent again.
        """
        query = (
            "SELECT count(*) FROM claims WHERE key IN (SELECT value FROM json_each(?)) "
            "AND owner NOT IN (SELECT id FROM owners)"
        )
        return int(self.database.execute(query, (json.dumps(keys),)).fetchone()[0])

    def claim(self, keys: Sequence[str]) -> set[str]:
        """Claim requests for this run, and say which of them are its to send.

        What another living run has claimed, or a batch holds, is not.
        """
        rows = self.database.execute(
            "INSERT INTO claims SELECT value, :me FROM json_each(:keys) "
            "WHERE value NOT IN (SELECT key FROM batched) "
            "ON CONFLICT (key) DO UPDATE SET owner = excluded.owner "
            "WHERE claims.owner NOT IN (SELECT id FROM owners) OR claims.owner = excluded.owner "
            "RETURNING key",
            {"me": self.owner, "keys": json.dumps(keys)},
        )
        return {key for (key,) in rows}

    def record(self, entry: JournalEntry) -> None:
        """Keep a reply, and give up the claim on its request."""
        self.database.execute(
            "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*entry[:3], _to_json(entry.completion), *entry[4:], time.time()),
        )
        self.database.execute("DELETE FROM failures WHERE key = ?", (entry.key,))
        self.release([entry.key])

    def mark_failed(self, key: str, reason: str) -> None:
        """Note why a request failed, and give up the claim on it; another run asks again."""
        self.database.execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", (key, reason))
        self.release([key])

    def failures(self, keys: Sequence[str]) -> dict[str, str]:
        """Why requests failed that have no reply yet."""
        parameters = (json.dumps(keys),)
        query = "SELECT key, why FROM failures WHERE key IN (SELECT value FROM json_each(?))"
        return dict(self.database.execute(query, parameters).fetchall())

    def release(self, keys: Sequence[str]) -> None:
        """Give up claims without a reply."""
        self.database.executemany(
            "DELETE FROM claims WHERE key = ? AND owner = ?", [(key, self.owner) for key in keys]
        )

    def spending(self, judge: str = "") -> Spending:
        """Add up what was paid, for all judges or for one."""
        row = self.database.execute(
            "SELECT count(*), total(cost), count(*) - count(cost), "
            "total(reply ->> '$.usage[0]'), total(reply ->> '$.usage[1]'), "
            "total(reply ->> '$.usage[2]'), total(reply ->> '$.usage[3]') "
            "FROM calls WHERE :lane IN ('', lane)",
            {"lane": judge},
        ).fetchone()
        return Spending(row[0], Usage(*map(int, row[3:])), row[1], row[2])

    def token_ratio(self, judge: str) -> float | None:
        """How many tokens a request had for each that was estimated; None before there are ten."""
        count, tokens, estimate = self.database.execute(
            "SELECT count(*), total(reply ->> '$.usage[0]'), total(estimated) FROM calls "
            "WHERE lane = ? AND reply ->> '$.usage[0]' > 0",
            (judge,),
        ).fetchone()
        return tokens / estimate if count >= 10 and estimate else None

    def reply_tokens(self, judge: str) -> float | None:
        """The mean tokens of a reply; None before there are ten."""
        count, tokens = self.database.execute(
            "SELECT count(*), total(reply ->> '$.usage[1]') FROM calls "
            "WHERE lane = ? AND reply ->> '$.usage[1]' > 0",
            (judge,),
        ).fetchone()
        return tokens / count if count >= 10 else None

    def capabilities(self, judge: str, prompt: str) -> dict[str, object] | None:
        """What a probe found out about a judge, for prompts of this fingerprint."""
        row = self.database.execute(
            "SELECT style FROM styles WHERE lane = ? AND asked = ?", (judge, prompt)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def save_capabilities(
        self, judge: str, prompt: str, capabilities: Mapping[str, object]
    ) -> None:
        """Keep what a probe found out."""
        self.database.execute(
            "INSERT OR REPLACE INTO styles VALUES (?, ?, ?)",
            (judge, prompt, json.dumps(capabilities)),
        )

    def add_batch(self, mark: str, judge: str, requests: Sequence[BatchedRequest]) -> None:
        """Note that requests are about to be sent as a batch."""
        self.database.execute(
            "INSERT INTO batches VALUES (?, NULL, ?, ?)", (mark, judge, self.owner)
        )
        self.database.executemany(
            "INSERT INTO batched VALUES (?, ?, ?, ?, ?)",
            [(each.key, mark, each.attempt, each.tokens, each.max_cost) for each in requests],
        )
        keys = [each.key for each in requests]
        self.database.executemany("DELETE FROM failures WHERE key = ?", [(key,) for key in keys])
        self.release(keys)

    def name_batch(self, mark: str, name: str) -> None:
        """Note how the service calls a batch; one without a name was never sent."""
        if not name:
            self.remove_batch(mark)
        self.database.execute("UPDATE batches SET name = ? WHERE mark = ?", (name, mark))

    def unnamed_batches(self, judge: str) -> list[str]:
        """The marks of batches whose run ended before it could note their names."""
        query = (
            "SELECT mark FROM batches WHERE lane = ? AND name IS NULL "
            "AND owner NOT IN (SELECT id FROM owners)"
        )
        return [mark for (mark,) in self.database.execute(query, (judge,))]

    def batches(self, judge: str) -> list[tuple[str, str]]:
        """Mark and name of the batches that are under way."""
        query = "SELECT mark, name FROM batches WHERE lane = ? AND name IS NOT NULL"
        return self.database.execute(query, (judge,)).fetchall()

    def batch_requests(self, mark: str) -> list[BatchedRequest]:
        """The requests of a batch."""
        query = "SELECT key, try, tokens, most FROM batched WHERE mark = ?"
        return [BatchedRequest(*row) for row in self.database.execute(query, (mark,))]

    def reserved(self, judge: str) -> float:
        """The most that the batches under way can cost, in dollars."""
        query = "SELECT total(most) FROM batched JOIN batches USING (mark) WHERE lane = ?"
        return float(self.database.execute(query, (judge,)).fetchone()[0])

    def add_drawn_pairs(self, tournament: str, pairs: Sequence[DrawnPair]) -> None:
        """Note comparisons that a tournament has drawn, before any of them is asked about."""
        self.database.executemany(
            "INSERT OR IGNORE INTO drawn VALUES (?, ?, ?, ?)",
            [(tournament, *each) for each in pairs],
        )

    def drawn_pairs(self, tournament: str, prompts: Sequence[str]) -> list[DrawnPair]:
        """What a tournament has drawn for some prompts, in the order of its rounds."""
        rows = self.database.execute(
            "SELECT prompt, x, y FROM drawn WHERE tournament = ? "
            "AND prompt IN (SELECT value FROM json_each(?)) ORDER BY rowid",
            (tournament, json.dumps(prompts)),
        )
        return [DrawnPair(*row) for row in rows]

    def remove_batch(self, mark: str) -> None:
        """A batch has come to its end: what it left open may be asked again."""
        self.database.execute("DELETE FROM batched WHERE mark = ?", (mark,))
        self.database.execute("DELETE FROM batches WHERE mark = ?", (mark,))


class _Transaction:
    """One commit; what fails inside is undone."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    def __enter__(self) -> None:
        self.database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self.database.execute("ROLLBACK" if kind else "COMMIT")


def _to_json(completion: Completion) -> str:
    """A completion as the journal's files hold it, where ``has_usage`` is called ``known``."""
    fields = completion._asdict()
    known = fields.pop("has_usage")
    return orjson.dumps({**fields, "usage": list(completion.usage), "known": known}).decode()


def _from_json(text: str) -> Completion:
    fields = orjson.loads(text)
    usage, has_usage = Usage(*fields.pop("usage")), fields.pop("known")
    return Completion(**fields, usage=usage, has_usage=has_usage)


def _boot() -> str:
    """This start of this system, and the space in which its process numbers count."""
    boot = boot_id()
    try:
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}" if boot else ""
    except OSError:
        return ""


def _born(process: int) -> str:
    """When a process began, in the system's own count; ``""`` where there is none."""
    try:
        return (
            Path(f"/proc/{process}/stat")
            .read_text("ascii", "replace")
            .rpartition(")")[2]
            .split()[19]
        )
    except OSError:
        return ""


def _this_process() -> str:
    return f"{_boot()} {os.getpid()} {_born(os.getpid())}"


def _has_ended(process: str) -> bool:
    """Whether a process is known to have ended: it ran here, since this start, and is not there."""
    boot, number, born = process.split(" ")
    return bool(boot) and boot == _boot() and _born(int(number)) != born
