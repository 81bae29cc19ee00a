"""Laws of every target, on whatever conversations there may be: the sum holds, nothing crashes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.errors import InputError
from prefdata.exporting import reader, views
from prefdata.exporting.registry import TARGETS
from prefdata.schemas import PreferencePair
from tests.exporting.conversations import PAIRS
from tests.exporting.made import dataset, exported, pair, refused, with_tools, written
from tests.schemas.strategies import pairs


def as_stored(pair: PreferencePair) -> dict[str, Any]:
    return pair.model_dump(include={"prompt", "chosen", "rejected"})


DRAWN = st.lists(pairs.map(as_stored), min_size=1, max_size=4)
"""Any pairs: tools, answers of many messages, turns in any order, every character."""

FINE = [pair(f"Question {n}?", f"The answer {n}.", f"No answer {n}.") for n in range(10)]


@pytest.mark.parametrize("target", list(TARGETS))
@settings(max_examples=12)
@given(drawn=DRAWN)
def test_every_row_is_accounted_for(
    target: str, drawn: list[dict[str, list[dict[str, object]]]]
) -> None:
    """Written, merged, left over, or refused with reason and remedy; `exported` holds the sum."""
    with tempfile.TemporaryDirectory() as folder:
        source = with_tools(Path(folder) / "tools", [*drawn, *FINE])
        report, output = exported(source, target)
        assert report.rows_read == len(drawn) + len(FINE)
        assert len(written(output)) == report.written >= len(FINE)
        assert all(entry["reason"] and entry["remedy"] for entry in refused(output))


@pytest.mark.parametrize("target", ["llama-factory", "axolotl", "ms-swift", "csv"])
@settings(max_examples=6)
@given(drawn=DRAWN)
def test_pairs_taken_apart_are_accounted_for(
    target: str, drawn: list[dict[str, list[dict[str, object]]]]
) -> None:
    """Two labelled answers for each pair."""
    with tempfile.TemporaryDirectory() as folder:
        source = with_tools(Path(folder) / "tools", [*drawn, *FINE])
        report, output = exported(source, target, unpaired=True)
        assert report.items == 2 * report.rows_read
        assert len(written(output)) == report.written


@pytest.mark.parametrize("target", ["trl", "kto", "sft", "csv", "llama-factory"])
def test_batches_and_buckets_change_nothing(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little is held in memory at a time, the files are the same."""
    source = dataset(tmp_path, PAIRS)
    whole = written(exported(source, target)[1])
    monkeypatch.setattr(reader, "LARGEST_BATCH", 3)
    monkeypatch.setattr(views, "BUCKET_BYTES", 200)
    monkeypatch.setattr(views, "MOST_BUCKETS", 7)
    assert written(exported(source, target)[1]) == whole


@pytest.mark.parametrize("target", ["trl", "kto"])
def test_a_damaged_data_set_is_one_message(target: str, tmp_path: Path) -> None:
    """Bytes in the middle that are no Parquet: which file, and the remedy."""
    source = dataset(tmp_path, FINE)
    (path,) = (source / "data").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(400) + whole[500:])
    with pytest.raises(InputError, match=r"train-00000-of-00001\.parquet is damaged: ") as raised:
        exported(source, target)
    assert raised.value.hint == "Convert the source again."


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    """An export that cannot be made does not take the place of an older one."""
    _, output = exported(dataset(tmp_path, FINE), "openai")
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    with pytest.raises(InputError):
        exported(dataset(tmp_path, FINE[:3]), "openai")
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before
    assert not list(tmp_path.glob(".for*"))
