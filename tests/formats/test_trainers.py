"""Files written for other trainers: what their samples alone do not show."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.conversion.inspect import inspect
from prefdata.formats import FORMATS
from tests.formats.test_battles import as_parquet, format_of, rejected, sample_rows
from tests.roundtrip import Converted, Row, converted, jsonl

TURN = {"role": "assistant", "content": "good"}


def convert_rows(folder: Path, *rows: Row) -> Converted:
    return converted(jsonl(folder / "rows.jsonl", rows))


def question(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize("name", ["llama-factory", "rlhflow"])
def test_a_set_that_is_known_by_its_name_is_read_the_same_without_it(
    name: str, tmp_path: Path
) -> None:
    """The columns are everybody's: elsewhere they are pairs, and give the same pairs."""
    hub = FORMATS[name].facts.sets[0].replace("/", "--")
    (tmp_path / hub).mkdir()
    (tmp_path / "mine").mkdir()
    rows = sample_rows(name)
    by_name = converted(jsonl(tmp_path / hub / "rows.jsonl", rows))
    plain = converted(jsonl(tmp_path / "mine" / "rows.jsonl", rows))
    assert (format_of(by_name), format_of(plain)) == (name, "pairs")
    assert by_name.ids == plain.ids
    assert rejected(by_name) == rejected(plain)


def test_a_row_with_an_image_is_refused_where_its_trainer_is_known(tmp_path: Path) -> None:
    """The answer is on more than the text."""
    rows = sample_rows("llama-factory")[:1]
    (tmp_path / "LLaMA-Factory").mkdir()
    path = tmp_path / "LLaMA-Factory" / "rows.jsonl"
    outcome = converted(jsonl(path, [*rows, {**rows[0], "images": ["a.png"]}]))
    assert rejected(outcome) == [("images", "images and audio are not covered")]


def test_each_rejected_response_of_a_list_gives_its_own_pair(tmp_path: Path) -> None:
    """One row, two pairs, each with its own text."""
    row = {"messages": [question("One?"), TURN], "rejected_response": ["bad", "bad too"]}
    outcome = convert_rows(tmp_path, row)
    assert outcome.pairs == {("One?", "good", "bad"), ("One?", "good", "bad too")}
    assert outcome.manifest["rows_used"] == 1


def test_a_rejected_response_stands_in_for_all_after_the_question(tmp_path: Path) -> None:
    """Also where the better answer has two messages."""
    row = {"messages": [question("One?"), TURN, TURN], "rejected_response": "bad"}
    assert convert_rows(tmp_path, row).pairs == {("One?", "good | good", "bad")}


def test_a_margin_of_ms_swift_is_kept(tmp_path: Path) -> None:
    """As the margin of the pair."""
    row = {"messages": [question("One?"), TURN], "rejected_response": "bad", "margin": 0.5}
    assert convert_rows(tmp_path, row).rows[0]["margin"] == 0.5


def test_messages_with_a_label_beside_a_pair_are_a_pair(tmp_path: Path) -> None:
    """Columns of UltraFeedback, and a label of one's own."""
    row = {
        "prompt": "One?",
        "messages": [question("One?"), TURN],
        "chosen": [question("One?"), TURN],
        "rejected": [question("One?"), {**TURN, "content": "bad"}],
        "label": True,
    }
    outcome = convert_rows(tmp_path, row)
    assert format_of(outcome) == "pairs"
    assert outcome.pairs == {("One?", "good", "bad")}


@pytest.mark.parametrize("label", ["kto_tag", "label"])
def test_labels_of_conversations_are_read_by_either_name(label: str, tmp_path: Path) -> None:
    """LLaMA-Factory lets both columns be named at will."""
    for column in ("messages", "conversations"):
        row = {column: [question("One?"), TURN], label: True}
        assert convert_rows(tmp_path, row).labels == {("One?", "good", True)}


def test_a_labelled_conversation_without_an_answer_says_so(tmp_path: Path) -> None:
    """There is one conversation, so that it cannot differ from another."""
    good = {"messages": [question("One?"), TURN], "label": True}
    outcome = convert_rows(tmp_path, good, {**good, "messages": [question("One?")]})
    assert rejected(outcome) == [("messages", "the last turn is not the assistant's")]


def test_weights_are_what_tells_v1_and_other_messages_are_pairs(tmp_path: Path) -> None:
    """The same columns without weights, read the same."""
    row = sample_rows("llama-factory-v1")[0]
    bare = {
        side: [{k: v for k, v in turn.items() if k != "loss_weight"} for turn in row[side]]  # type: ignore[attr-defined]
        for side in ("chosen_messages", "rejected_messages")
    }
    weighted, plain = convert_rows(tmp_path, row), convert_rows(tmp_path, bare)
    assert (format_of(weighted), format_of(plain)) == ("llama-factory-v1", "pairs")
    assert weighted.ids == plain.ids


@pytest.mark.parametrize("type_", ["tool_use", "tool_call", "tools"])
def test_a_block_that_is_a_tool_is_not_called_an_image(type_: str, tmp_path: Path) -> None:
    """Each refusal says what was found."""
    odd = [{"role": "user", "content": [{"type": type_, "text": "x"}]}]
    good = {"prompt": [question("One?")], "chosen": [TURN], "rejected": [{**TURN, "content": "b"}]}
    outcome = convert_rows(tmp_path, good, {**good, "prompt": odd})
    assert rejected(outcome) == [("prompt", "tools or calls cannot be read")]


def test_a_block_whose_type_is_no_word_is_refused(tmp_path: Path) -> None:
    """Not a defect of the program."""
    odd = [{"role": "user", "content": [{"type": ["x"], "text": "x"}]}]
    good = {"prompt": [question("One?")], "chosen": [TURN], "rejected": [{**TURN, "content": "b"}]}
    outcome = convert_rows(tmp_path, good, {**good, "prompt": odd})
    assert rejected(outcome) == [("prompt", "images and audio are not covered")]


@pytest.mark.parametrize("name", ["ms-swift", "openai-preference", "llama-factory-sharegpt"])
def test_rows_of_parquet_are_the_same_as_of_json(name: str, tmp_path: Path) -> None:
    """Whatever is nested there."""
    rows = [row for row in sample_rows(name) if not _odd(row)]
    plain = converted(jsonl(tmp_path / "rows.jsonl", rows))
    columns = converted(as_parquet(tmp_path / "rows.parquet", rows))
    assert format_of(columns) == name
    assert columns.ids == plain.ids


def _odd(row: Row) -> bool:
    """Whether a row gives a field a second type, which Parquet cannot hold."""
    return any(word in str(row) for word in ("tool", "image", "bad too"))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("dpo_en_demo.json", "llama-factory-sharegpt"),
        ("v1_dpo_demo.jsonl", "llama-factory-v1"),
        ("kto_en_demo.json", "kto-messages"),
    ],
)
def test_real_files_are_recognised_by_name(name: str, format: str, data: Path) -> None:
    """Without a flag; what they give is counted beside the other real files."""
    assert inspect([data / "llama-factory" / name])[0].format == format


@pytest.mark.parametrize(
    ("name", "field", "odd"),
    [
        ("llama-factory-v1", "chosen_messages", 3),
        ("rlhflow", "chosen", "text"),
        ("llama-factory-sharegpt", "conversations", {"a": 1}),
    ],
)
def test_one_odd_row_changes_no_other(name: str, field: str, odd: object, tmp_path: Path) -> None:
    """A number or a text where the others have messages."""
    rows = sample_rows(name)
    hub = next(iter(FORMATS[name].facts.sets), "set").replace("/", "--")
    (tmp_path / hub).mkdir()
    plain = converted(jsonl(tmp_path / hub / "plain.jsonl", rows))
    mixed = converted(jsonl(tmp_path / hub / "mixed.jsonl", [*rows, {**rows[0], field: odd}]))
    assert format_of(mixed) == name
    assert mixed.pairs == plain.pairs
    assert rejected(mixed)[:-1] == rejected(plain)
