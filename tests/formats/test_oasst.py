"""OpenAssistant trees and messages: the same answers, however the file is laid out."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from prefdata import inspect
from prefdata.errors import InputError
from prefdata.io.readers import chunks as pieces
from prefdata.io.readers import json as lines
from prefdata.io.store import bucket_store
from tests.roundtrip import Converted, Reject, Row, converted, jsonl

SAMPLES = Path(__file__).parent / "samples"


def tree(name: str, prompt: str, *answers: str, deeper: Row | None = None) -> Row:
    """A first message, answers to it with the best first, and what follows the best."""
    replies: list[dict[str, object]] = [
        {"message_id": f"{name}-{n}", "parent_id": name, "role": "assistant", "text": a, "rank": n}
        for n, a in enumerate(answers)
    ]
    if deeper:
        replies[0]["replies"] = [deeper["prompt"]]
    first = {"message_id": name, "role": "prompter", "text": prompt, "replies": replies}
    return {"message_tree_id": name, "tree_state": "ready_for_export", "prompt": first}


def flat(trees: Sequence[Row]) -> list[Row]:
    """All messages of trees, one to a row, as the flat export has them."""

    def walk(message: dict[str, object], of: Row) -> Iterator[Row]:
        replies = message.get("replies") or []
        fields = {name: value for name, value in message.items() if name != "replies"}
        state = {"message_tree_id": of["message_tree_id"], "tree_state": of["tree_state"]}
        yield {"parent_id": None, "rank": None, **fields, **state}
        assert isinstance(replies, list)
        for reply in replies:
            yield from walk(reply, of)

    return [row for each in trees for row in walk(each["prompt"], each)]  # type: ignore[arg-type]


def sample_trees() -> list[Row]:
    text = (SAMPLES / "oasst-trees.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def scores(outcome: Converted) -> dict[object, tuple[object, ...]]:
    names = ("split", "score_chosen", "score_rejected", "margin", "votes")
    return {row["id"]: tuple(row.get(name) for name in names) for row in outcome.rows}


def test_messages_give_the_same_pairs_as_their_trees(tmp_path: Path) -> None:
    """Shuffled, reversed or in order: what decides is who answers whom."""
    trees = sample_trees()
    expected = scores(converted(jsonl(tmp_path / "trees.jsonl", trees)))
    rows = flat(trees)
    for number, order in enumerate((rows, rows[::-1], rows[1::2] + rows[::2])):
        (tmp_path / str(number)).mkdir()
        outcome = converted(jsonl(tmp_path / str(number) / "messages.jsonl", order))
        assert outcome.format == "oasst-messages"
        assert scores(outcome) == expected


def test_messages_as_csv_give_the_same_pairs(tmp_path: Path) -> None:
    """True, False and ranks as text mean what they mean as values."""
    trees = sample_trees()
    rows = flat(trees)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (tmp_path / "messages.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    expected = converted(jsonl(tmp_path / "trees.jsonl", trees)).pairs
    assert converted(tmp_path / "messages.csv").pairs == expected


def test_a_turn_of_the_user_is_left_over(tmp_path: Path) -> None:
    """It is part of the answers' prompts: neither used by itself nor refused."""
    rows = flat([tree("t", "2 + 2?", "4", "5")])
    outcome = converted(jsonl(tmp_path / "messages.jsonl", rows))
    assert outcome.pairs == {("2 + 2?", "4", "5")}
    assert outcome.manifest["outcomes"] == {
        "kept": {"kept": 2},
        "left over": {"a turn of the user": 1},
    }
    assert outcome.refused == []


def test_inspect_counts_turns_of_the_user_as_left_over(tmp_path: Path) -> None:
    """They are no problem of the file."""
    rows = flat([tree("t", "2 + 2?", "4", "5")])
    (report,) = inspect([jsonl(tmp_path / "messages.jsonl", rows)])
    assert report.problems == ()
    assert report.outcomes["left over"] == {"a turn of the user": 1}


def test_ranks_of_two_trees_do_not_mix(tmp_path: Path) -> None:
    """The same question in two trees: rank 0 of one says nothing of rank 1 of the other."""
    trees = [tree("t", "2 + 2?", "4", "5"), tree("u", "2 + 2?", "four", "five")]
    for name, rows in (("trees", trees), ("messages", flat(trees))):
        outcome = converted(jsonl(tmp_path / f"{name}.jsonl", rows))
        assert outcome.pairs == {("2 + 2?", "4", "5"), ("2 + 2?", "four", "five")}


def test_a_tree_in_several_buckets_is_accounted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers of a large tree lie far apart on disk; its row is still one row."""
    trees = [
        tree(f"t{n}", f"{n} + 1?", "good", "bad", deeper=tree(f"d{n}", "And?", "good too", "bad"))
        for n in range(40)
    ]
    source = jsonl(tmp_path / "trees.jsonl", trees)
    expected = scores(converted(source))
    monkeypatch.setattr(bucket_store, "BUCKET_BYTES", 1 << 12)
    outcome = converted(source)
    assert len(outcome.rows) == 80
    assert scores(outcome) == expected
    assert outcome.manifest["outcomes"] == {"kept": {"kept": 40}}


def test_a_reject_of_a_source_in_pieces_shows_its_own_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read in many pieces and put together, rows keep their lines and texts."""
    rows = flat([tree(f"t{n}", f"{n} + 1?", "good " * 20, "bad") for n in range(40)])
    orphan = {**rows[1], "message_id": "lost", "parent_id": "nowhere"}
    monkeypatch.setattr(lines, "CHUNK_BYTES", 1 << 10)
    outcome = converted(jsonl(tmp_path / "messages.jsonl", [*rows, orphan, *rows[:1]]))
    assert len(outcome.rows) == 40
    assert outcome.refused == [
        Reject(121, "parent_id", "field is missing", "there is no message nowhere")
    ]


def test_a_message_that_follows_itself_is_refused(tmp_path: Path) -> None:
    """A circle has no beginning."""
    rows = flat([tree("t", "2 + 2?", "4", "5")])
    circle = [
        {**rows[0], "message_id": "x", "parent_id": "y", "role": "prompter"},
        {**rows[1], "message_id": "y", "parent_id": "x"},
    ]
    outcome = converted(jsonl(tmp_path / "messages.jsonl", [*rows, *circle]))
    assert outcome.pairs == {("2 + 2?", "4", "5")}
    assert [(r.line, r.reason) for r in outcome.refused] == [(5, "turns cannot be told apart")]


def test_a_source_that_is_too_large_for_one_piece_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said how to split it, before the memory is full."""
    monkeypatch.setattr(pieces, "MOST_AT_ONCE", 2 << 20)
    rows = flat([tree("t", "2 + 2?", "4" * (3 << 20), "5")])
    with pytest.raises(InputError) as error:
        converted(jsonl(tmp_path / "messages.jsonl", rows))
    assert str(error.value) == (
        f"{tmp_path}/messages.jsonl has more than 2 MB of text; it must be read in one piece, "
        "since its rows are answers to each other"
    )
    assert error.value.hint == (
        "Split it into files so that each conversation is whole in one of them, and name them all."
    )
