"""Answers to prompts, before and after training: what is read, what is said, what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefdata.errors import InputError, UsageError
from prefdata.schemas import Comparison
from prefdata.training import Prompting, TrainingResult, evaluate
from prefdata.training.data.prompts import read_prompts
from prefdata.training.evaluation.candidates import (
    answer_prompts,
    write_candidates,
    write_generations,
)

ASKED = [{"role": "user", "content": "Tell me of the river."}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", "Tell me of the river.\n\nTell me of the river.\n"),
        ("p.jsonl", '{"prompt": "Tell me of the river."}\n'),
        ("p.json", '[{"prompt": [{"role": "user", "content": "Tell me of the river."}]}]'),
        ("p.csv", 'id,prompt\n1,"Tell me of the river."\n'),
    ],
)
def test_prompts_are_read_from_any_file(name: str, text: str, tmp_path: Path) -> None:
    """Text or messages; each prompt once."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_prompts(tmp_path / name) == [ASKED]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", "One\u2028two.\n"),
        ("p.jsonl", '{"prompt": "One\u2028two."}\n'),
        ("p.csv", 'prompt\n"One\u2028two."\n'),
    ],
)
def test_only_a_line_feed_ends_a_line(name: str, text: str, tmp_path: Path) -> None:
    """Other separators stand inside of texts."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_prompts(tmp_path / name) == [[{"role": "user", "content": "One\u2028two."}]]


def test_a_prompt_in_csv_keeps_its_lines(tmp_path: Path) -> None:
    """A quoted cell may hold several, and be longer than Python's reader takes by itself."""
    text = "One.\n\n" + "Two. " * 40_000
    (tmp_path / "p.csv").write_text(f'prompt\n"{text}"\n', encoding="utf-8")
    assert read_prompts(tmp_path / "p.csv") == [[{"role": "user", "content": text}]]


def test_the_prompts_of_a_data_set_are_the_held_out_ones(pairs: Path) -> None:
    """As many as are asked for."""
    found = read_prompts(pairs, most=5)
    assert len(found) == 5
    assert found[0][0]["content"].startswith("Tell me of the")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.jsonl", '{"question": "Why?"}\n', "row 1 holds no prompt"),
        ("p.jsonl", '{"prompt": [{"role": "assistant", "content": "x"}]}\n', "row 1 holds no"),
        ("p.jsonl", "{", "not what its name says"),
        ("p.parquet", "x", "not what its name says"),
        ("p.txt", "\n", "holds no prompt"),
    ],
)
def test_a_file_without_prompts_is_told(name: str, text: str, message: str, tmp_path: Path) -> None:
    """In one message, with what is expected."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_prompts(tmp_path / name)
    assert caught.value.hint


def test_prompts_that_are_not_there_are_told_before_a_model_is_loaded(
    trained: TrainingResult, pairs: Path, tmp_path: Path
) -> None:
    """And so is a file of another kind."""
    said: list[str] = []
    for name, message in (("none.txt", "no such file of prompts"), ("p.pdf", "not read from .pdf")):
        (tmp_path / "p.pdf").touch()
        how = Prompting(tmp_path / name)
        with pytest.raises(UsageError, match=message):
            evaluate(trained.output, data=pairs, prompting=how, say=said.append)
    assert said == []


def test_a_trained_model_answers_as_it_learned(
    trained: TrainingResult, pairs: Path, tmp_path: Path
) -> None:
    """Greedy answers are the same for any batch size; both answers of a prompt are one record."""
    how = [Prompting(most=5, max_new_tokens=12) for _ in range(2)]
    found, other = (
        evaluate(trained.output, data=pairs, prompting=one, batch_size=size)
        for one, size in zip(how, (2, 5), strict=True)
    )
    assert [one.after for one in found.generations] == [one.after for one in other.generations]
    assert len(found.generations) == 5
    assert found.estimates["sampled_kl"].n == 5
    assert (found.estimates["sampled_kl"].value or 0) > 0
    write_generations(found.generations, tmp_path / "generations.jsonl")
    lines = (tmp_path / "generations.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row, one in zip(rows, found.generations, strict=True):
        record = Comparison.model_validate(row)
        assert (record.model_a, record.model_b) == ("before", "after")
        assert record.response_b[0].content == one.after or one.after == ""
        assert bool(record.verdicts) == (one.before == one.after)


def test_several_answers_differ_and_a_seed_repeats_them(
    trained: TrainingResult, pairs: Path, tmp_path: Path
) -> None:
    """Sampled at a temperature; the candidates of a prompt are written together, each once."""
    how = Prompting(most=2, answers=3, max_new_tokens=8, temperature=1.0, seed=5)
    found, again = (evaluate(trained.output, data=pairs, prompting=how) for _ in range(2))
    assert found.generations == again.generations
    assert len({one.after for one in found.generations}) > 2
    write_candidates(found.generations, tmp_path / "candidates.jsonl")
    lines = (tmp_path / "candidates.jsonl").read_text("utf-8").splitlines()
    assert [len(json.loads(line)["responses"]) for line in lines] == [
        len({one.after for one in found.generations[at : at + 3]}) for at in (0, 3)
    ]


def test_candidates_need_prompts_that_are_named(chat_model: Path) -> None:
    """There is no data set here whose held-out prompts could stand in."""
    with pytest.raises(UsageError, match="no prompts are named to answer"):
        answer_prompts(str(chat_model), Prompting(), say=print)
