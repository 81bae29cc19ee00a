"""The splits that sources have already: kept, told, and never leaking into each other."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
import yaml

from prefdata import convert
from prefdata.conversion.inspect import inspect
from prefdata.conversion.source_splits import name_splits
from prefdata.errors import QuestionError, UsageError
from prefdata.records import reasons
from prefdata.records.splits import split_of
from tests.roundtrip import Converted, Row, converted, jsonl, labelled, make, pair, rated, read

SHAPES: dict[str, Callable[[str, str], list[Row]]] = {
    "pairs": lambda prompt, split: [{**pair("good", "bad", prompt), "split": split}],
    "ratings": lambda prompt, split: [
        {**rated("good", 2, prompt), "split": split},
        {**rated("bad", 1, prompt), "split": split},
    ],
    "labels": lambda prompt, split: [{**labelled("good", True, prompt), "split": split}],
}
"""Rows of each kind on one prompt, which say their split."""


def sides(made: Converted) -> dict[str, str]:
    """The split of each prompt."""
    return {str(row["prompt"]): str(row["split"]) for row in made.rows}


def kept(folder: Path, *sources: Sequence[Row], **options: object) -> Converted:
    return make(folder, *sources, **{"test_size": None, **options})  # type: ignore[arg-type]


def files(folder: Path, sources: Mapping[str, Sequence[Row]]) -> list[Path]:
    """Write sources under names of their own."""
    for name, rows in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        jsonl(folder / name, rows)
    return [folder / name for name in sources]


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("train", "train"),
        ("TRAIN", "train"),
        (" training ", "train"),
        ("train_prefs", "train"),
        ("test_prefs", "test"),
        ("test-sft", "test"),
        ("Testing", "test"),
        ("dev", "validation"),
        ("val", "validation"),
        ("valid", "validation"),
        ("valid1", "validation"),
        ("Validation", "validation"),
        ("eval", "validation"),
        ("evaluation", "validation"),
        ("latest", ""),
        ("easy", ""),
        ("0", ""),
        ("", ""),
        ("contrast", ""),
    ],
)
def test_words_name_splits(word: str, split: str) -> None:
    """In any case, with what follows where a data set has several kinds of rows."""
    assert split_of(word) == split


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train.jsonl", "test.jsonl"], ["train", "test"]),
        (["a/train.csv.gz", "a/dev.csv.gz"], ["train", "validation"]),
        (["qa_train.json", "qa_test.json"], ["train", "test"]),
        (["train-00000-of-00002.parquet", "eval-00000-of-00001.parquet"], ["train", "validation"]),
        (["d/qa-test-00000-of-00001-0a1b2c.parquet", "d/x.csv"], ["test", ""]),
        (["test_prefs-00000-of-00001.parquet", "train_prefs.parquet"], ["test", "train"]),
        (["in/train/0.jsonl", "in/test/0.jsonl"], ["train", "test"]),
        (["in/split=train/p.parquet", "in/split=test/p.parquet"], ["train", "test"]),
        (["test/a.jsonl", "test/b.jsonl"], ["", ""]),
        (["/home/dev/a.jsonl", "/home/dev/b/train.jsonl"], ["", "train"]),
        (["test/train.jsonl"], ["train"]),
        (["latest.jsonl", "contest.jsonl"], ["", ""]),
        (["train", "test"], ["train", "test"]),
        (["validation.arrow", "train.arrow", "test.arrow"], ["validation", "train", "test"]),
        (["hf://datasets/a/b/data/train-00000-of-00001.parquet"], ["train"]),
        (["stdin"], [""]),
    ],
)
def test_names_say_splits(names: list[str], splits: list[str]) -> None:
    """Of files and of folders, but not of those that all sources lie in."""
    assert name_splits(names) == splits


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("seed", [0, 7])
def test_rows_keep_the_split_that_a_column_says(tmp_path: Path, shape: str, seed: int) -> None:
    """Whatever the seed, and whatever kind of feedback it is."""
    words = ["train", "dev", "TEST", "train_prefs"]
    rows = [row for n in range(40) for row in SHAPES[shape](f"q{n}", words[n % 4])]
    made = kept(tmp_path, rows, seed=seed)
    expected = ["train", "validation", "test", "train"]
    assert sides(made) == {f"q{n}": expected[n % 4] for n in range(40)}
    per_prompt = len(SHAPES[shape]("q", ""))
    counts = f"train {20 * per_prompt}, validation {10 * per_prompt}, test {10 * per_prompt} rows"
    assert made.report.split_why == f"split by the column split ({counts})"
    assert made.manifest["split_why"] == made.report.split_why
    assert {name: each["prompts"] for name, each in made.report.splits.items()} == {
        "train": 20,
        "validation": 10,
        "test": 10,
    }


@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_prompt_stays_on_the_most_held_out_side(tmp_path: Path, shape: str) -> None:
    """Its other rows are left out, with that reason."""
    rows = [
        *(row for n in range(20) for row in SHAPES[shape](f"q{n}", "train")),
        *(row for n in range(5) for row in SHAPES[shape](f"q{n}", "validation")),
        *(row for n in range(3) for row in SHAPES[shape](f"q{n}", "test")),
    ]
    made = kept(tmp_path, rows)
    expected = ["test"] * 3 + ["validation"] * 2 + ["train"] * 15
    assert sides(made) == {f"q{n}": split for n, split in enumerate(expected)}
    per_prompt = len(SHAPES[shape]("q", ""))
    assert made.manifest["outcomes"]["left over"] == {reasons.HELD_OUT: (5 + 3) * per_prompt}
    assert made.became(1) == [("left over", reasons.HELD_OUT)]
    again = kept(tmp_path / "again", rows[::-1])
    assert (again.ids, sides(again)) == (made.ids, sides(made))


@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_conversation_stays_on_the_most_held_out_side(tmp_path: Path, shape: str) -> None:
    """Where the split goes by conversation, another prompt of it decides."""

    def prompt(n: int, depth: int) -> str:
        more = "\n\nAssistant: yes\n\nHuman: on" * depth
        return f"\n\nHuman: first {n}{more}\n\nAssistant:"

    rows = [
        row
        for n in range(30)
        for depth in range(2)
        for row in SHAPES[shape](prompt(n, depth), "test" if n < 4 and depth else "train")
    ]
    made = kept(tmp_path, rows, split_by="conversation")
    by_side = {name: each["conversations"] for name, each in made.report.splits.items()}
    assert by_side == {"train": 26, "test": 4}
    per_prompt = len(SHAPES[shape]("q", ""))
    assert made.manifest["outcomes"]["left over"] == {reasons.HELD_OUT: 4 * per_prompt}


def test_files_and_folders_say_it_too(tmp_path: Path) -> None:
    """train.jsonl beside test.jsonl, and folders of these names; the card lists every split."""
    names = {"train": "train.jsonl", "validation": "dev.jsonl", "test": "test.jsonl"}
    for folder, pattern in (("flat", "{}"), ("deep", "{}/part.jsonl")):
        sources = {
            (pattern.format(name) if folder == "flat" else pattern.format(split)): [
                pair("good", "bad", f"{split} {n}") for n in range(4)
            ]
            for split, name in names.items()
        }
        files(tmp_path / folder, sources)
        made = converted(tmp_path / folder, tmp_path / f"{folder}-out")
        assert sides(made) == {f"{split} {n}": split for split in names for n in range(4)}
        assert "the file names" in made.report.split_why
    card = (tmp_path / "flat-out" / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(card.split("---")[1])
    listed = [each["split"] for each in header["configs"][0]["data_files"]]
    assert listed == ["train", "validation", "test"]
    assert "Split by the file names (train 4, validation 4, test 4 rows)." in card


def test_splits_in_memory_are_kept(tmp_path: Path) -> None:
    """A mapping of splits to frames, as a DatasetDict is."""
    frames = {
        name: pl.DataFrame([pair("good", "bad", f"{name} {n}") for n in range(3)])
        for name in ("train", "test")
    }
    convert(frames, tmp_path / "out")
    assert sides(read(tmp_path / "out")) == {f"{s} {n}": s for s in frames for n in range(3)}


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_every_kind_of_file_keeps_its_splits(tmp_path: Path, kind: str) -> None:
    """The column may stand first, and have capitals."""
    rows = [{"Split": ["train", "test"][n % 2], **pair("good", "bad", f"q{n}")} for n in range(9)]
    path = tmp_path / f"votes.{kind}"
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        pl.DataFrame(rows).write_parquet(path)
    assert sides(converted(path)) == {f"q{n}": ["train", "test"][n % 2] for n in range(9)}


def test_a_split_that_only_late_rows_say_is_kept(tmp_path: Path) -> None:
    """Files are often sorted by it."""
    rows = [{**pair("good", "bad", f"q{n}"), "split": "train"} for n in range(1500)]
    rows += [{**pair("good", "bad", f"t{n}"), "split": "test"} for n in range(10)]
    made = kept(tmp_path, rows)
    assert {name: each["rows"] for name, each in made.report.splits.items()} == {
        "train": 1500,
        "test": 10,
    }


def test_a_test_size_splits_anew_and_says_so(tmp_path: Path) -> None:
    """As without the column; beside --split keep it is an error."""
    rows = [{**pair("good", "bad", f"q{n}"), "split": ["train", "test"][n % 2]} for n in range(30)]
    plain = [pair("good", "bad", f"q{n}") for n in range(30)]
    made = make(tmp_path, rows, test_size=0.3)
    assert sides(made) == sides(make(tmp_path / "plain", plain, test_size=0.3))
    assert made.report.split_why == (
        "split anew, as --test-size asks, and not by the column split (train 15, test 15 rows)"
    )
    anew = kept(tmp_path / "anew", rows, split="anew")
    assert sides(anew) == sides(kept(tmp_path / "default", plain))
    with pytest.raises(UsageError, match="--test-size asks for a new split"):
        make(tmp_path / "both", rows, test_size=0.3, split="keep")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("test.jsonl", "there is nothing to train on"),
        ("qa_test.jsonl", "there is nothing to train on"),
        ("dev.jsonl", "there is nothing to train on"),
        ("train.jsonl", "nothing is held out"),
        ("votes.jsonl", ""),
    ],
)
def test_one_split_alone_is_split_anew(tmp_path: Path, name: str, why: str) -> None:
    """As it always was, and one line says so."""
    rows = [pair("good", "bad", f"q{n}") for n in range(40)]
    made = converted(files(tmp_path, {name: rows}))
    assert sides(made) == sides(kept(tmp_path / "plain", rows))
    assert why in made.report.split_why
    assert bool(made.report.split_why) == bool(why)


def test_a_column_of_one_split_is_split_anew(tmp_path: Path) -> None:
    """All rows of a file are often one split of a larger set."""
    rows = [{**pair("good", "bad", f"q{n}"), "split": "test"} for n in range(40)]
    made = kept(tmp_path, rows)
    assert set(sides(made).values()) == {"train", "test"}
    assert made.report.split_why == (
        "split anew: by the column split (test 40 rows) there is nothing to train on"
    )
    with pytest.raises(UsageError, match="leaves nothing to train on"):
        kept(tmp_path / "keep", rows, split="keep")


@pytest.mark.parametrize(
    "more",
    [
        {"split": ["easy", "hard"]},
        {"split": [0, 1]},
        {"split": [None, None]},
        {"subset": ["train", "chat"]},
        {"fold": ["1", "2"]},
        {"partition": ["test", "a"]},
        {"topic": ["train", "test"]},
        {"split": [["train"], ["test"]]},
    ],
)
def test_other_columns_say_no_split(tmp_path: Path, more: dict[str, list[object]]) -> None:
    """A fold, a partition or a subset may be anything: all of its values must name a split."""
    ((name, values),) = more.items()
    rows = [{**pair("good", "bad", f"q{n}"), name: values[n % 2]} for n in range(40)]
    plain = [pair("good", "bad", f"q{n}") for n in range(40)]
    made = kept(tmp_path, rows)
    assert sides(made) == sides(kept(tmp_path / "plain", plain))
    told = "split anew: the column split (easy 20, hard 20) names no split"
    assert made.report.split_why == (told if "easy" in values else "")


@pytest.mark.parametrize("name", ["_split", "fold", "partition", "subset", "datasplit"])
def test_columns_of_other_names_say_it_too(tmp_path: Path, name: str) -> None:
    """Where all of their values name a split, wherever an odd one stands."""
    rows = [{**pair("good", "bad", f"q{n}"), name: ["train", "test"][n % 2]} for n in range(1200)]
    made = kept(tmp_path, rows)
    assert set(sides(made).items()) == {(f"q{n}", ["train", "test"][n % 2]) for n in range(1200)}
    if name in ("fold", "partition", "subset"):
        odd = [*rows, {**pair("good", "bad", "odd"), name: "chat"}]
        assert kept(tmp_path / "odd", odd).report.split_why == ""


def test_rows_that_say_no_split_beside_others_are_asked_about(tmp_path: Path) -> None:
    """Both answers can be copied; nothing is written before."""
    rows: list[Row] = [
        {**pair("good", "bad", f"q{n}"), "split": ["train", "test", None][n % 3]} for n in range(9)
    ]
    with pytest.raises(QuestionError, match=r"train 3, test 3\), others do not") as caught:
        kept(tmp_path, rows)
    (question,) = caught.value.questions
    assert question["lines"] == ("--split keep", "--split anew")
    assert question["values"] == ({"value": "", "rows": 3, "example": ""},)
    assert not (tmp_path / "out").exists()
    made = kept(tmp_path / "keep", rows, split="keep")
    expected = ["train", "test", "train"]
    assert sides(made) == {f"q{n}": expected[n % 3] for n in range(9)}
    assert kept(tmp_path / "anew", rows, split="anew").report.split_why == ""


def test_a_file_of_no_split_beside_a_test_file_is_asked_about(tmp_path: Path) -> None:
    """The others go to train, and never with a prompt of the test file."""
    sources = {
        "votes.jsonl": [pair("good", "bad", f"q{n}") for n in range(5)],
        "votes_test.jsonl": [pair("good", "bad", f"q{n}") for n in range(4, 8)],
    }
    paths = files(tmp_path, sources)
    with pytest.raises(QuestionError, match="others do not"):
        converted(paths)
    with pytest.raises(UsageError, match="leaves nothing to train on"):
        converted(paths[1:], split="keep")
    (tmp_path / "train.jsonl").write_text(json.dumps(pair("good", "bad", "t")), encoding="utf-8")
    made = converted([*paths, tmp_path / "train.jsonl"], split="keep")
    assert {p for p, s in sides(made).items() if s == "test"} == {f"q{n}" for n in range(4, 8)}
    assert made.became(5, "votes.jsonl") == [("left over", reasons.HELD_OUT)]


def test_keep_without_any_split_is_an_error(tmp_path: Path) -> None:
    """Nothing would be held out, which the user does not expect."""
    with pytest.raises(UsageError, match="does not say which split"):
        kept(tmp_path, [pair("good", "bad")], split="keep")


def test_inspect_names_the_split_of_the_rows(tmp_path: Path) -> None:
    """And the column is not listed as unused."""
    rows = [{**pair("good", "bad", f"q{n}"), "split": "train"} for n in range(3)]
    (found,) = inspect(jsonl(tmp_path / "in.jsonl", rows))
    assert found.own_splits == "the column split (train 3 rows)"
    assert found.unused == ()


def test_a_converted_data_set_keeps_its_splits(tmp_path: Path) -> None:
    """Converted once more, validation included."""
    words = ["train", "train", "valid", "test"]
    rows = [{**pair("good", "bad", f"q{n}"), "split": words[n % 4]} for n in range(12)]
    first = kept(tmp_path, rows)
    second = converted(tmp_path / "out", tmp_path / "again")
    assert sides(second) == sides(first)


@pytest.mark.parametrize("others", [[], ["test"]])
def test_a_word_that_names_no_split_is_asked_about(tmp_path: Path, others: list[str]) -> None:
    """Beside train alone too: it may well be what is held out."""
    rows = [
        {**pair("good", "bad", f"Q{n}"), "split": word}
        for n, word in enumerate(["train", "holdout", "train", *others])
    ]
    with pytest.raises(QuestionError, match="others do not") as error:
        kept(tmp_path / "asked", rows)
    assert "holdout 1" in error.value.hint
    made = kept(tmp_path / "kept", rows, split="keep")
    assert "1 row without one in train" in made.report.split_why
    assert len({row["split"] for row in kept(tmp_path / "anew", rows, split="anew").rows}) >= 1


def test_a_column_of_splits_that_names_none_is_told(tmp_path: Path) -> None:
    """By its words, and that the rows are split anew."""
    rows = [{**pair("good", "bad", f"Q{n}"), "split": f"fold{n % 2}"} for n in range(5)]
    why = kept(tmp_path, rows).report.split_why
    assert why == "split anew: the column split (fold0 3, fold1 2) names no split"
