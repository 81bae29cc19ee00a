"""The journal's threads: one writes and gives signs of life, the one that asks only reads."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from prefdata.judging.client import journal_writer
from prefdata.judging.client.journal import Journal, JournalEntry
from prefdata.judging.client.journal_writer import JournalWriter
from prefdata.judging.prompting.reply import Completion


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "a #1?.journal")) as opened:
        yield opened


def entry(key: str) -> JournalEntry:
    return JournalEntry(key, 0, "judge", Completion("text"), None, 10)


def test_what_is_handed_in_is_on_disk_when_it_is_counted(journal: Journal) -> None:
    """Sooner or later, in a hurry or not; replies that come together share a commit."""

    async def kept() -> list[int]:
        writer = JournalWriter(journal)
        found = []
        with journal.reader() as reader:
            for hand_in in (writer.commit_soon, writer.commit):
                keys = [f"{hand_in.__name__} {i}" for i in range(20)]
                jobs = [partial(Journal.record, entry=entry(key)) for key in keys]
                await asyncio.gather(*map(hand_in, jobs))
                found.append(len(reader.completions(keys)))
        await writer.close()
        return found

    assert asyncio.run(kept()) == [20, 20]


def test_what_is_in_the_middle_of_being_written_is_not_read(journal: Journal) -> None:
    """A reader sees whole commits, and waits for none."""
    with journal.reader() as reader:
        with journal.transaction():
            journal.record(entry("k"))
            assert reader.completions(["k"]) == {}
        assert reader.completions(["k"]) == {"k": [Completion("text")]}


def test_the_thread_that_asks_can_write_nothing_and_no_other_can_use_its_reader(
    journal: Journal,
) -> None:
    """SQLite itself holds it."""
    refused: list[str] = []

    def elsewhere(reader: Journal) -> None:
        with pytest.raises(sqlite3.ProgrammingError) as error:
            reader.completions(["k"])
        refused.append(str(error.value))

    with journal.reader() as reader:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.record(entry("k"))
        thread = threading.Thread(target=elsewhere, args=[reader])
        thread.start()
        thread.join()
    assert "thread" in refused[0]


def test_a_run_lives_however_busy_its_loop_is(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing a large tournament takes longer than a claim lasts."""
    monkeypatch.setattr(journal_writer, "HEARTBEAT", 0.01)
    lasts = "SELECT until FROM owners"

    async def busy() -> tuple[float, float]:
        writer = JournalWriter(journal)
        with journal.reader() as reader:
            first = last = reader.database.execute(lasts).fetchone()[0]
            while last == first:
                last = reader.database.execute(lasts).fetchone()[0]
        await writer.close()
        return first, last

    first, last = asyncio.run(busy())
    assert last > first
