"""What is compared with what, and sources that are not plain files."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from prefdata.conversion.convert import convert
from prefdata.errors import InputError
from tests.roundtrip import make

RANKED = [
    {"prompt": "Q", "responses": ["a1", "a2"], "ranks": [1, 2]},
    {"prompt": "Q", "responses": ["b1", "b2", "b3"], "ranks": [1, 2, 3]},
]


def test_ranks_of_two_lists_are_not_compared(tmp_path: Path) -> None:
    """Nobody said that a1 is better than b3, though its rank is smaller."""
    assert make(tmp_path, RANKED).answers == [("a1", "a2"), ("b1", "b3")]


def test_ranks_side_by_side_are_lists_of_their_own(tmp_path: Path) -> None:
    """The same holds where a row names its responses and ranks one by one."""
    rows = [
        {"prompt": "Q", "response_a": "a1", "rank_a": 1, "response_b": "a2", "rank_b": 2},
        {"prompt": "Q", "response_a": "b1", "rank_a": 2, "response_b": "b2", "rank_b": 4},
    ]
    assert make(tmp_path, rows).answers == [("a1", "a2"), ("b1", "b2")]


def test_a_ranking_given_twice_is_one_pair_with_two_votes(tmp_path: Path) -> None:
    """Two people who rank alike speak for the same pair."""
    made = make(tmp_path, [RANKED[0], RANKED[0]])
    assert (made.answers, made.only["votes"]) == ([("a1", "a2")], 2)


def test_scores_of_two_rows_are_compared(tmp_path: Path) -> None:
    """A score means the same wherever it stands: the best of both rows meets the worst."""
    rows = [
        {"prompt": "Q", "responses": ["a1", "a2"], "scores": [9, 5]},
        {"prompt": "Q", "responses": ["b1", "b2"], "scores": [7, 1]},
    ]
    assert make(tmp_path, rows).answers == [("a1", "b2")]


def test_a_source_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    """What was decided by the old text is not written with the new one, nor half of it."""
    source = tmp_path / "pairs.jsonl"
    source.write_text('{"prompt": "Q", "chosen": "A", "rejected": "B"}\n', encoding="utf-8")

    def edit(stage: str, _done: int, _total: int) -> None:
        if stage == "reading":
            source.write_text('{"prompt": "Q", "chosen": "X", "rejected": "Y"}\n', encoding="utf-8")
            os.utime(source, ns=(1, 1))

    with pytest.raises(InputError, match="changed while it was read; nothing was written"):
        convert([source], tmp_path / "out", progress=edit)
    assert not (tmp_path / "out").exists()


def test_a_named_pipe_is_read_like_standard_input(tmp_path: Path) -> None:
    """What can be read only once is kept while it is needed."""
    pipe = tmp_path / "votes"
    os.mkfifo(pipe)
    text = '{"prompt": "Q", "response": "good", "score": 5}\n'
    text += '{"prompt": "Q", "response": "bad", "score": 1}\n'
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    report = convert([pipe], tmp_path / "out")
    writer.join()
    assert (report.rows_read, report.rows) == (2, 1)


def test_a_run_that_fails_while_it_writes_leaves_nothing(tmp_path: Path) -> None:
    """The threads that write files stop before their folder is taken away."""
    rows = (f'{{"prompt": "Q{n}", "chosen": "A", "rejected": "B"}}\n' for n in range(20_000))
    source = tmp_path / "pairs.jsonl"
    source.write_text("".join(rows), encoding="utf-8")

    def stop(stage: str, _done: int, _total: int) -> None:
        if stage == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert([source], tmp_path / "out", progress=stop)
    assert list(tmp_path.iterdir()) == [source]
