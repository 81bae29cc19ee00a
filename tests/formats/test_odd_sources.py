"""Known sources beyond their samples: names of folders, odd columns, several right answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.formats.no_match import near_misses
from prefdata.formats.sample import Sample
from tests.roundtrip import Row, converted, jsonl


def user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}


def bot(text: str) -> dict[str, object]:
    return {"role": "assistant", "content": text}


def talk(prompt: str, good: str = "good", bad: str = "bad") -> Row:
    return {"chosen": [user(prompt), bot(good)], "rejected": [user(prompt), bot(bad)]}


def placed(folder: Path, where: str, rows: list[Row]) -> Path:
    """Write rows into a folder of that name."""
    path = folder / where / "train-00000-of-00001.jsonl"
    path.parent.mkdir(parents=True)
    return jsonl(path, rows)


@pytest.mark.parametrize(
    "where",
    [
        "datasets--argilla--dpo-mix-7k/snapshots/0123abcd/data",
        "argilla/dpo-mix-7k/data",
        "argilla_dpo-mix-7k",
    ],
)
def test_a_data_set_is_known_by_the_name_of_its_folder(where: str, tmp_path: Path) -> None:
    """As the hub's cache, a download and a person write it."""
    outcome = converted(placed(tmp_path, where, [{"dataset": "one", **talk("a?")}]))
    assert outcome.format == "dpo-mix"
    assert outcome.pairs == {("a?", "good", "bad")}


def test_the_name_alone_makes_no_source_of_it(tmp_path: Path) -> None:
    """Intel's name stands in that of Argilla's set, whose columns are others."""
    row = {"system": "", "input": "a?", "chosen": "good", "rejected": "bad"}
    judged = {**row, "status": "unchanged", "chosen_score": 9.0, "in_gsm8k_train": False}
    outcome = converted(placed(tmp_path, "argilla/distilabel-intel-orca-dpo-pairs", [judged]))
    assert outcome.format == "orca-dpo-pairs-judged"


def test_a_format_that_the_user_names_needs_no_name_of_a_folder(tmp_path: Path) -> None:
    """What --format says goes before what the name says."""
    source = jsonl(tmp_path / "rows.jsonl", [{"dataset": "one", **talk("a?")}])
    assert converted(source).format == "pairs"
    outcome = converted(source, format="dpo-mix")
    assert outcome.format == "dpo-mix"
    assert [row["source"] for row in outcome.rows] == ["one"]


def test_nothing_is_nearly_a_set_that_is_refused_or_known_by_its_name() -> None:
    """No column would make it that; the hint would send the user the wrong way."""
    misses = near_misses(Sample(["question", "chosen", "rejected"], []))
    assert not {"rlaif-v", "orca-dpo-pairs", "tulu-3-preference"} & {each.format for each in misses}


def test_columns_of_a_known_source_may_mix_text_and_messages(tmp_path: Path) -> None:
    """Each prompt is read as itself, and none becomes JSON."""
    rows: list[Row] = [
        {"id": "1", "prompt": "a?", **talk("a?")},
        {"id": "2", "prompt": [user("b?")], **talk("b?")},
    ]
    where = "allenai/llama-3.1-tulu-3-8b-preference-mixture"
    outcome = converted(placed(tmp_path, where, rows))
    assert outcome.format == "tulu-3-preference"
    assert outcome.pairs == {("a?", "good", "bad"), ("b?", "good", "bad")}


def test_each_right_answer_is_better_than_each_wrong_one(tmp_path: Path) -> None:
    """With the strategy all; no two right answers are paired."""
    row = {
        "prompt": "a?",
        "chosen": ["good", "good too"],
        "rejected": ["bad", "bad too"],
        "num_correct": 2,
        "total_completions": 4,
        "subset": "Ties",
    }
    outcome = converted(jsonl(tmp_path / "rows.jsonl", [row]), strategy="all")
    assert outcome.pairs == {
        ("a?", good, bad) for good in ("good", "good too") for bad in ("bad", "bad too")
    }


def test_capybara_pairs_of_several_turns_are_not_identical(tmp_path: Path) -> None:
    """Axolotl's argilla_chat takes the second message as the answer: chosen equals rejected."""
    before = [user("Hi"), bot("Hello"), user("b?")]
    row = {
        "prompt": "b?",
        "chosen": [*before, bot("good")],
        "rejected": [*before, bot("bad")],
        "rating_chosen": 5,
        "rating_rejected": 2,
    }
    outcome = converted(placed(tmp_path, "argilla/distilabel-capybara-dpo-7k-binarized", [row]))
    assert outcome.pairs == {("Hi | Hello | b?", "good", "bad")}


def test_distilabel_ratings_that_are_missing_or_tied_make_no_pair(tmp_path: Path) -> None:
    """Distilabel's pair formatter crashes on a missing rating, and pairs a text with itself."""
    rows: list[Row] = [
        {"instruction": "a?", "generations": ["good", "bad"], "ratings": [5, 1]},
        {"instruction": "b?", "generations": ["one", "other"], "ratings": [None, 4]},
        {"instruction": "c?", "generations": ["one", "other"], "ratings": [4, 4]},
        {"instruction": "d?", "generations": ["one", "other"], "ratings": ["N/A", "N/A"]},
    ]
    outcome = converted(jsonl(tmp_path / "rows.jsonl", rows))
    assert outcome.format == "distilabel"
    assert outcome.pairs == {("a?", "good", "bad")}
