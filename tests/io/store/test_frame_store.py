"""Frames that wait to be taken up again."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from prefdata.io.store import bucket_store
from prefdata.io.store.bucket_store import BucketStore
from prefdata.io.store.frame_store import FrameStore, MemoryBudget
from prefdata.records.ids import VIEW

FRAME = pl.DataFrame(
    {"row": [1, 2], "text": ["a long text, longer than a view", None], "nothing": [None, None]},
    schema={"row": pl.UInt64, "text": pl.String, "nothing": pl.List(pl.Float64)},
)


@pytest.mark.parametrize(("size", "files"), [(0, 3), (100, 1), (1 << 20, 0)])
def test_frames_come_back_as_they_were(tmp_path: Path, size: int, files: int) -> None:
    """In the order they came, columns of nothing included, whether memory or a disk held them."""
    store = FrameStore(tmp_path / "shelf", MemoryBudget(size))
    frames = [FRAME, FRAME.clear(), FRAME.select("row", "nothing"), FRAME.reverse()]
    for frame in frames:
        store.put("key", frame)
    assert len(list((tmp_path / "shelf").iterdir())) == files
    for one, other in zip(store.get("key"), frames, strict=True):
        assert_frame_equal(one, other)
    assert not list(store.get("another key"))


def test_what_is_dropped_leaves_memory_and_disk(tmp_path: Path) -> None:
    """Its room is free for the next."""
    budget = MemoryBudget(100)
    frames = FrameStore(tmp_path / "shelf", budget)
    for _ in range(3):
        frames.put("key", FRAME)
    assert list((tmp_path / "shelf").iterdir())
    frames.drop("key")
    assert budget.available == 100
    assert not list((tmp_path / "shelf").iterdir())
    assert not list(frames.get("key"))


def test_a_row_of_nothing_stays_a_row(tmp_path: Path) -> None:
    """A frame of which every cell is null keeps its height."""
    frames = FrameStore(tmp_path / "shelf")
    frames.put("key", FRAME.select("nothing"))
    assert_frame_equal(next(frames.get("key")), FRAME.select("nothing"))


def test_what_stands_for_a_text_takes_room(tmp_path: Path) -> None:
    """Many short texts take more than their bytes, in lists too."""
    words = pl.DataFrame(
        {"word": ["a"] * 100, "turns": [[{"role": "b", "content": "c"}] * 2] * 100}
    )
    budget = MemoryBudget(1 << 20)
    FrameStore(tmp_path / "shelf", budget).put("key", words)
    assert (1 << 20) - budget.available >= 5 * 100 * (VIEW + 1)


@pytest.mark.parametrize("size", [0, 4 * bucket_store.BUCKET_BYTES])
def test_texts_of_rows_that_were_left_out_do_not_stay_in_memory(tmp_path: Path, size: int) -> None:
    """Few rows of many keep their own texts alone, whatever the number of buckets."""
    turns = [[{"role": "user", "content": f"{number:0200}"}] for number in range(1000)]
    read = pl.DataFrame(
        {
            "prompt_id": pl.Series([at << 118 for at in range(1000)], dtype=pl.UInt128),
            "text": [f"{number:0100}" for number in range(1000)],
            "turns": [*turns[:-1], None],
            "score": [1.5] * 1000,
        }
    )
    few = read.filter(pl.int_range(pl.len()) % 37 == 0)
    taken = BucketStore(tmp_path / "taken", size)
    taken.put("few", few)
    found = [taken.get("few", number) for number in range(len(taken))]
    parts = [part for part in found if part is not None]
    assert len(parts) == len(taken) == (4 if size else 1)
    assert_frame_equal(pl.concat(parts), few)
    assert all(_held(part) < 3 * few.estimated_size() < _held(few) / 3 for part in parts)


def _held(frame: pl.DataFrame) -> int:
    texts = frame.select("text", "turns").to_arrow(compat_level=pl.CompatLevel.newest())
    return int(texts.get_total_buffer_size())
