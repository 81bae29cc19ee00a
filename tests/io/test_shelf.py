"""Frames that wait to be taken up again."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from prefdata.io.shelf import Room, Shelf

FRAME = pl.DataFrame(
    {"row": [1, 2], "text": ["a long text, longer than a view", None], "nothing": [None, None]},
    schema={"row": pl.UInt64, "text": pl.String, "nothing": pl.List(pl.Float64)},
)


@pytest.mark.parametrize(("size", "files"), [(0, 3), (100, 1), (1 << 20, 0)])
def test_frames_come_back_as_they_were(tmp_path: Path, size: int, files: int) -> None:
    """In the order they came, columns of nothing included, whether memory or a disk held them."""
    shelf = Shelf(tmp_path / "shelf", Room(size))
    frames = [FRAME, FRAME.clear(), FRAME.select("row", "nothing"), FRAME.reverse()]
    for frame in frames:
        shelf.put("key", frame)
    assert len(list((tmp_path / "shelf").iterdir())) == files
    for one, other in zip(shelf.get("key"), frames, strict=True):
        assert_frame_equal(one, other)
    assert shelf.get("another key") == []


def test_what_is_dropped_leaves_memory_and_disk(tmp_path: Path) -> None:
    """Its room is free for the next."""
    room = Room(100)
    shelf = Shelf(tmp_path / "shelf", room)
    for _ in range(3):
        shelf.put("key", FRAME)
    assert list((tmp_path / "shelf").iterdir())
    shelf.drop("key")
    assert room.left == 100
    assert not list((tmp_path / "shelf").iterdir())
    assert shelf.get("key") == []


def test_a_row_of_nothing_stays_a_row(tmp_path: Path) -> None:
    """A frame of which every cell is null keeps its height."""
    shelf = Shelf(tmp_path / "shelf")
    shelf.put("key", FRAME.select("nothing"))
    assert_frame_equal(shelf.get("key")[0], FRAME.select("nothing"))
