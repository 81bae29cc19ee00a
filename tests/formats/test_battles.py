"""Sources with two answers and a winner: what their samples alone do not show."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefdata.conversion.detect_sources import detect_sources
from prefdata.conversion.read_records import read_records
from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats import FORMATS, ReadOptions
from prefdata.io.readers.sources import open_sources
from tests.roundtrip import Converted, Row, converted, jsonl

SAMPLES = Path(__file__).parent / "samples"


def sample_rows(name: str) -> list[dict[str, object]]:
    return [
        json.loads(line) for line in (SAMPLES / f"{name}.jsonl").read_text("utf-8").splitlines()
    ]


def format_of(outcome: Converted) -> object:
    return outcome.format


def record(folder: Path, row: Row, read_options: ReadOptions | None = None) -> dict[str, object]:
    """The one record that a row gives."""
    path = jsonl(folder / "one.jsonl", [row])
    with open_sources([str(path)]) as files:
        _, records = next(
            read_records(detect_sources(files, read_options or ReadOptions())[0], 0, "")
        )
    (only,) = records.to_dicts()
    return only


def as_csv(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def as_parquet(path: Path, rows: Sequence[Row]) -> Path:
    names = dict.fromkeys(name for row in rows for name in row)
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), path)
    return path


def rejected(outcome: Converted) -> list[tuple[str, str]]:
    return [(each.field, each.reason) for each in outcome.refused]


@pytest.mark.parametrize("name", ["arena-55k", "arena-100k", "alpaca-eval"])
def test_votes_in_csv_are_the_same_as_in_json(name: str, tmp_path: Path) -> None:
    """Lists of turns in cells, conversations in cells, numbers as text."""
    rows = sample_rows(name)
    plain = converted(jsonl(tmp_path / "rows.jsonl", rows))
    cells = converted(as_csv(tmp_path / "rows.csv", rows))
    assert format_of(cells) == name
    assert cells.ids == plain.ids
    assert cells.pairs == plain.pairs
    empty = {"text is empty": "field is missing"}  # a cell cannot tell one from the other
    matched, expected = (
        [empty.get(reason, reason) for _, reason in rejected(each)] for each in (cells, plain)
    )
    assert matched == expected


@pytest.mark.parametrize(
    "name", ["arena-33k", "arena-55k", "arena-100k", "arena-140k", "pku-saferlhf"]
)
def test_votes_in_parquet_are_the_same_as_in_json(name: str, tmp_path: Path) -> None:
    """Blocks in messages in rows are columns of lists of structures there."""
    rows = sample_rows(name)
    plain = converted(jsonl(tmp_path / "rows.jsonl", rows))
    columns = converted(as_parquet(tmp_path / "rows.parquet", rows))
    assert format_of(columns) == name
    assert columns.ids == plain.ids
    assert rejected(columns) == rejected(plain)


def test_plain_texts_beside_one_column_per_winner_are_read_as_any_comparison(
    tmp_path: Path,
) -> None:
    """The columns of 55k with texts instead of lists of turns."""
    row = {
        "prompt": "One?",
        "response_a": "good",
        "response_b": "bad",
        "winner_model_a": 1,
        "winner_model_b": 0,
        "winner_tie": 0,
    }
    outcome = converted(jsonl(tmp_path / "rows.jsonl", [row]))
    assert format_of(outcome) == "comparisons"
    assert outcome.pairs == {("One?", "good", "bad")}


def test_an_answer_that_is_null_is_named_with_its_turn(tmp_path: Path) -> None:
    """Kaggle's lists of turns hold nulls."""
    row = {**sample_rows("arena-55k")[3], "response_b": '["Yes", null]'}
    outcome = converted(jsonl(tmp_path / "rows.jsonl", [*sample_rows("arena-55k")[:1], row]))
    assert outcome.refused[0][1:] == ("response_b", "field is missing", "turn 2 is null")


def test_the_turns_before_a_vote_stand_in_the_prompt(tmp_path: Path) -> None:
    """140k: conversation_a begins with this vote, so that it lacks what was said before."""
    outcome = converted(jsonl(tmp_path / "rows.jsonl", sample_rows("arena-140k")))
    prompts = {prompt for prompt, _, _ in outcome.pairs}
    assert "Five? | Yes | And?" in prompts
    assert "And?" not in prompts


def test_a_verdict_on_the_first_turn_is_on_nothing_after_it(tmp_path: Path) -> None:
    """MT-Bench rows hold both turns, whichever was judged."""
    outcome = converted(jsonl(tmp_path / "rows.jsonl", sample_rows("mt-bench")))
    assert ("One?", "good", "bad") in outcome.pairs
    first = next(row for row in outcome.rows if row["votes"] == 2)
    assert first["agreement"] == 1.0


def test_a_judge_that_is_a_list_is_one_annotator(tmp_path: Path) -> None:
    """As raw MT-Bench files name a model and its prompt."""
    row = {**sample_rows("mt-bench")[0], "judge": ["gpt-4", "pair-v2"]}
    assert record(tmp_path, row)["annotator"] == "gpt-4 pair-v2"


def test_votes_with_texts_are_not_refused_for_having_none(tmp_path: Path) -> None:
    """The same columns, and answers beside them."""
    votes = sample_rows("mt-bench-votes")[0]
    row = {**votes, "prompt": "One?", "response_a": "bad", "response_b": "good"}
    outcome = converted(jsonl(tmp_path / "rows.jsonl", [row]))
    assert format_of(outcome) == "comparisons"
    assert outcome.pairs == {("One?", "good", "bad")}


def test_votes_without_texts_name_the_command_that_uses_them(tmp_path: Path) -> None:
    """The exact words."""
    with pytest.raises(InputError) as error:
        converted(jsonl(tmp_path / "votes.jsonl", sample_rows("mt-bench-votes")))
    assert str(error.value).endswith(
        "is mt-bench-votes: one row per verdict on MT-Bench, without the conversations"
    )
    assert error.value.hint == (
        "Votes without texts give no pairs. 'pref agree' says how far the annotators agree; "
        "lmsys/mt_bench_human_judgments has the conversations."
    )


@pytest.mark.shared
@pytest.mark.parametrize("name", ["human.jsonl", "gpt4_pair.jsonl"])
def test_real_votes_without_texts_are_refused(name: str, data: Path, tmp_path: Path) -> None:
    """Nothing is written."""
    from prefdata import convert

    with pytest.raises(InputError) as error:
        convert([data / "mt-bench-human" / name], tmp_path / "out")
    assert error.value.hint == FORMATS["mt-bench-votes"].facts.refusal
    assert not (tmp_path / "out").exists()


def test_alpaca_farm_without_an_input_column_is_read(tmp_path: Path) -> None:
    """Input is a part of the prompt where it is there."""
    rows = [{k: v for k, v in row.items() if k != "input"} for row in sample_rows("alpaca-farm")]
    outcome = converted(jsonl(tmp_path / "rows.jsonl", rows))
    assert format_of(outcome) == "alpaca-farm"
    assert ("Two?", "good", "bad") in outcome.pairs


def test_preferences_of_0_and_1_are_asked_about(tmp_path: Path) -> None:
    """The columns of AlpacaFarm, with numbers of one's own: nothing says which is the first."""
    rows = [
        {"instruction": f"{i}?", "output_1": "x", "output_2": "y", "preference": i % 2}
        for i in range(4)
    ]
    with pytest.raises(UsageError, match="two ways") as error:
        converted(jsonl(tmp_path / "rows.jsonl", rows))
    assert error.value.hint.startswith("preference holds 0 (2 rows")


def test_the_strength_of_a_verdict_is_its_distance_from_the_middle(tmp_path: Path) -> None:
    """AlpacaEval: 1.25 prefers the first output by a quarter."""
    row = {**sample_rows("alpaca-eval")[0], "preference": 1.25}
    verdict = record(tmp_path, row)
    assert (verdict["winner"], verdict["strength"]) == (1, 0.25)
    assert (verdict["model_a"], verdict["annotator"], verdict["origin"]) == (
        "north",
        "weighted_judge",
        "koala",
    )


def test_safety_takes_the_safer_answer(tmp_path: Path) -> None:
    """PKU: the rows in which the two labels disagree turn round, the others stay."""
    path = jsonl(tmp_path / "rows.jsonl", sample_rows("pku-saferlhf"))
    outcome = converted(path, read_options=ReadOptions(dimension="safety"))
    assert outcome.pairs == {
        ("One?", "good", "bad"),
        ("Two?", "good", "bad"),
        ("Three?", "bad, if safe", "good, if unsafe"),
        ("Four?", "bad, if safe", "good, if unsafe"),
        ("Five?", "y", "x"),
        ("Six?", "y", "x"),
    }


def test_both_labels_stay_with_a_row_whichever_counts(tmp_path: Path) -> None:
    """The one that does not count is there to see that they disagree."""
    row = sample_rows("pku-saferlhf")[2]
    scores = [
        {"dimension": "helpfulness", "a": 1.0, "b": 0.0},
        {"dimension": "safety", "a": 0.0, "b": 1.0},
    ]
    for dimension, winner in (("", 1), ("helpfulness", 1), ("safety", -1)):
        verdict = record(tmp_path, row, ReadOptions(dimension=dimension))
        assert (verdict["winner"], verdict["dimensions"]) == (winner, scores)


def test_a_dimension_that_there_is_not_is_named_with_its_neighbour(tmp_path: Path) -> None:
    """Not read as no choice."""
    path = jsonl(tmp_path / "rows.jsonl", sample_rows("pku-saferlhf"))
    with pytest.raises(UnknownNameError) as error:
        converted(path, read_options=ReadOptions(dimension="safty"))
    assert "safety" in error.value.hint


def test_images_in_parquet_are_refused_and_not_read(tmp_path: Path) -> None:
    """Their bytes are no text, and nothing chokes on them."""
    rows = [{**sample_rows("saferlhf-v")[0], "image": {"bytes": b"\xff\xd8\x00", "path": "x"}}]
    with pytest.raises(InputError) as error:
        converted(as_parquet(tmp_path / "rows.parquet", rows))
    assert error.value.hint == "Only text is covered: rows with images or audio give no pairs."
