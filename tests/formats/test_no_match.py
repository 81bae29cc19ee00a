"""What is said of a source that no format fits leads somewhere: its lines are copied and run."""

from __future__ import annotations

import csv
import io
import json
import pickle
import re
import shlex
import zipfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from prefdata.cli.options import read_options_from
from prefdata.conversion.convert import convert
from prefdata.errors import InputError, PrefdataError, UsageError
from prefdata.formats.no_match import near_misses
from prefdata.formats.sample import Sample
from tests.roundtrip import Converted, Row, converted, jsonl

Q = [f"Why is the sky of colour {n}?" for n in range(4)]
GOOD = [f"A good answer, number {n}." for n in range(4)]
BAD = [f"A bad answer, number {n}." for n in range(4)]
EACH = list(zip(Q, GOOD, BAD, strict=True))


def turns(prompt: str, answer: str) -> list[Row]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def error_of(source: Path) -> PrefdataError:
    with pytest.raises(PrefdataError) as caught:
        converted(source, test_size=0.0)
    return caught.value


def filled(text: str, words: Sequence[str]) -> str:
    """A line or a file with words in place of its question marks, in their order."""
    for word in words:
        text = re.sub(r"'\?'|\?", word, text, count=1)
    return text


def run_hint(source: Path, hint: str, words: Sequence[str]) -> Converted:
    """Do what a hint says."""
    if "--format" in hint:
        text = filled(hint.partition("\n")[2], words)
        path = source.parent / "my.yaml"
        path.write_text(text, encoding="utf-8")
        return converted(source, format=str(path), test_size=0.0)
    line = filled(hint[hint.index("--map") :], words)
    options: dict[str, list[str]] = {"--map": [], "--winner": [], "--label": []}
    given = shlex.split(line)
    for option, value in zip(given[::2], given[1::2], strict=True):
        options[option].append(value)
    read_options = read_options_from(options["--map"], options["--winner"], options["--label"], "")
    return converted(source, read_options=read_options, test_size=0.0)


PAIRS: dict[str, list[Row]] = {
    f"{better}, {worse}": [{"prompt": q, better: g, worse: b} for q, g, b in EACH]
    for better, worse in (
        *(("win", "lose"), ("winner", "loser"), ("positive", "negative"), ("good", "bad")),
        *(("better", "worse"), ("y_w", "y_l"), ("chosen", "reject"), ("best", "worst")),
        *(("pos_answer", "neg_answer"), ("accepted text", "rejected text"), ("Best", "Worst")),
        ("liked_reply", "disliked_reply"),
    )
}
PAIRS |= {
    "conversations": [
        {"chosen_conversations": turns(q, g), "rejected_conversations": turns(q, b)}
        for q, g, b in EACH
    ],
    "objects": [
        {
            "conversation_input": turns(q, g)[:1],
            "chosen": {"m": "x", "answer": g},
            "reject": {"m": "y", "answer": b},
        }
        for q, g, b in EACH
    ],
    "deep objects": [
        {"data": {"question": q, "better": {"text": g}, "worse": {"text": b}}} for q, g, b in EACH
    ],
    "commas in names": [{"the prompt, please": q, "good": g, "bad": b} for q, g, b in EACH],
    "dots in names": [{"prompt": q, "answer.good": g, "answer.bad": b} for q, g, b in EACH],
}


@pytest.mark.parametrize("case", list(PAIRS))
def test_the_hint_for_pairs_works(tmp_path: Path, case: str) -> None:
    """As ``--map`` where columns say it all, else as a file; nothing is left to fill in."""
    source = jsonl(tmp_path / "in.jsonl", PAIRS[case])
    error = error_of(source)
    assert "?" not in error.hint
    made = run_hint(source, error.hint, [])
    assert made.pairs == set(EACH)


def sided(a: str, b: str, **verdicts: Sequence[object]) -> list[Row]:
    """Comparisons; the first answer is better in rows 0 and 2, the second in the others."""
    return [
        {
            "prompt": q,
            a: g if n % 2 == 0 else bad,
            b: bad if n % 2 == 0 else g,
            **{name: values[n % 2] for name, values in verdicts.items()},
        }
        for n, (q, g, bad) in enumerate(EACH)
    ]


COMPARISONS: dict[str, tuple[list[Row], list[str]]] = {
    "codes": (sided("text_1", "text_2", outcome=["x", "y"]), ["x", "y"]),
    "words": (sided("candidate a", "candidate b", outcome=["left", "right"]), []),
    "numbers": (sided("story1", "story2", pick=[7, 8]), ["7", "8"]),
    "a list of verdicts": (
        sided("text_1", "text_2", votes=[[7, 7, 8], [8, 8, 7]]),
        ["7", "8"],
    ),
    "a verdict in an object": (
        sided("answer1", "answer2", cmp=[{"selected": "left"}, {"selected": "right"}]),
        [],
    ),
    "raters of their own words": (
        sided("response_a", "response_b", rater1=["yay", "nay"], rater2=["yay", "nay"]),
        ["a", "b"],
    ),
    "a labelling tool": (
        [
            {
                "data": {"prompt": row["prompt"], "answer1": row["one"], "answer2": row["two"]},
                "annotations": [{"result": [{"value": {"selected": row["pick"]}}]}],
            }
            for row in sided("one", "two", pick=["left", "right"])
        ],
        [],
    ),
    "another labelling tool": (
        [
            {
                "fields": {
                    "prompt": row["prompt"],
                    "response1": row["one"],
                    "response2": row["two"],
                },
                "responses": {"preference": [{"value": row["pick"], "user_id": "u1"}]},
            }
            for row in sided("one", "two", pick=["response1", "response2"])
        ],
        [],
    ),
}


@pytest.mark.parametrize("case", list(COMPARISONS))
def test_the_hint_for_comparisons_works(tmp_path: Path, case: str) -> None:
    """It has no polarity of its own: where the words are unknown, only a ``?`` stands there."""
    rows, words = COMPARISONS[case]
    source = jsonl(tmp_path / "in.jsonl", rows)
    error = error_of(source)
    assert len(re.findall(r"=\?|: '\?'", error.hint)) == len(words)
    made = run_hint(source, error.hint, words)
    assert made.pairs == set(EACH)


OTHERS: dict[str, tuple[Sequence[Row], list[str], str]] = {
    "rated answers in a list": (
        [
            {"prompt": q, "answers": [{"text": g, "score": 5}, {"text": b, "score": 1}]}
            for q, g, b in EACH
        ],
        [],
        "pairs",
    ),
    "ranked candidates": (
        [
            {"task": q, "candidates": [{"content": b, "rank": 2}, {"content": g, "rank": 1}]}
            for q, g, b in EACH
        ],
        [],
        "pairs",
    ),
    "answers in an order": (
        [{"instruction": q, "input": "", "output": [g, b]} for q, g, b in EACH],
        ["best-first"],
        "pairs",
    ),
    "a score of another name": (
        [
            {"q": q, "reply": text, "n_hearts": hearts}
            for q, g, b in EACH
            for text, hearts in ((g, 4 + len(q) % 2), (b, 1 + len(g) % 2))
        ]
        + [{"q": Q[0], "reply": "The worst of all.", "n_hearts": 0}],
        [],
        "pairs",
    ),
    "traces with scores": (
        [
            {
                "input": {"messages": turns(q, g)[:1]},
                "output": {"role": "assistant", "content": text},
                "scores": [{"name": "feedback", "value": value}],
            }
            for q, g, b in EACH
            for text, value in ((g, 1), (b, 0))
        ],
        ["'true'", "'false'"],
        "labels",
    ),
    "a code for each answer": (
        [
            {"question": q, "reply": text, "mood": value}
            for q, g, b in EACH
            for text, value in ((g, "smile"), (b, "frown"))
        ],
        ["smile", "frown"],
        "labels",
    ),
}


@pytest.mark.parametrize("case", list(OTHERS))
def test_the_hint_for_ratings_and_labels_works(tmp_path: Path, case: str) -> None:
    """Lists of answers too."""
    rows, words, gives = OTHERS[case]
    source = jsonl(tmp_path / "in.jsonl", rows)
    made = run_hint(source, error_of(source).hint, words)
    if gives == "labels":
        labels = {(q, text, good) for q, g, b in EACH for text, good in ((g, True), (b, False))}
        assert made.labels == labels
    else:
        chosen = {(q, g) for q, g, _ in EACH}
        assert {(prompt.strip(), best) for prompt, best, _ in made.pairs} == chosen


def test_values_stand_with_their_counts() -> None:
    """Up to five of them, and how many more there are."""
    rows = [
        {"prompt": f"Why {n}?", "text_1": f"an {n} a", "text_2": f"an {n} b"} for n in range(20)
    ]
    marks = ["x"] * 9 + ["y"] * 5 + ["z", "u", "v", "w", "q", "p"]
    rows = [{**row, "mark": mark} for row, mark in zip(rows, marks, strict=True)]
    with pytest.raises(InputError) as caught:
        convert(rows, "never")
    assert "mark holds x (9), y (5), z (1), u (1), v (1), and 3 more" in caught.value.hint


UNREAD: dict[str, tuple[object, str, str]] = {
    "prompts": ([{"prompt": q} for q in Q], "prompts only: nothing to compare yet", "pref judge"),
    "prompts as messages": (
        [{"prompt": turns(q, g)[:1], "answer": str(n)} for n, (q, g, _) in enumerate(EACH)],
        "prompts only (and an answer to each, in answer)",
        "two or more answers",
    ),
    "steps": (
        [{"prompt": q, "completions": [g, b], "labels": [True, False]} for q, g, b in EACH],
        "a label for each step of an answer (labels beside completions)",
        "process reward model",
    ),
    "marks of steps": (
        [{"input": f"{q} Step 1: add ки", "label": f"{q} Step 1: add + Step 2: 2 -"} for q in Q],
        "a mark after each step",
        "process reward model",
    ),
    "a rubric": (
        [
            {
                "prompt": q,
                "response_a": g,
                "response_b": b,
                "rubric": [{"criterion": "right", "weight": 5}],
                "scores_a": [1],
                "scores_b": [0],
            }
            for q, g, b in EACH
        ],
        "grades by the criteria of a rubric (rubric; scores_a, scores_b)",
        "columns prompt, response, score",
    ),
    "graded lists": (
        [
            {
                "prompt": q,
                "responses": [g, b],
                "rubrics": [{"criterion": "right", "points": 5}],
                "grades": [[True], [False]],
            }
            for q, g, b in EACH
        ],
        "grades by the criteria of a rubric (rubrics; grades)",
        "columns prompt, response, score",
    ),
    "candidates at each turn": (
        [
            {
                "conversation": [
                    {"role": "user", "candidates": [{"user": q}]},
                    {"role": "bot", "candidates": [{"bot": g, "rank": 1}, {"bot": b, "rank": 2}]},
                ]
            }
            for q, g, b in EACH
        ],
        "several candidates, with rank, at each turn of conversation",
        "a row for each candidate",
    ),
    "votes": (
        [{"item": n, "system_1": "x", "system_2": "y", "winner": 1 + n % 2} for n in range(8)],
        "votes without the texts of the answers (winner holds 1 (4), 2 (4))",
        "pref agree",
    ),
    "a row for each person": (
        [
            {
                "Timestamp": "10:00",
                f"Which is better? [{Q[0]}]": "A",
                f"Which is better? [{Q[1]}]": "B",
            }
            for _ in range(3)
        ],
        "a row for each person",
        "pandas.melt",
    ),
    "lists by split": (
        {"train": [{"prompt": q} for q in Q], "test": [{"prompt": Q[0]}]},
        "a list of rows for each split: train (4), test (1)",
        "jq -c '.train[]'",
    ),
    "rows under keys": (
        {str(n): {"prompt": q, "chosen": g, "rejected": b} for n, (q, g, b) in enumerate(EACH)},
        "a row under each key",
        "jq -c '.[]'",
    ),
    "a table as pandas splits it": (
        {"columns": ["prompt", "chosen", "rejected"], "index": [0, 1], "data": [list(EACH[0])] * 2},
        "orient='split'",
        "orient='split'",
    ),
    "columns of lists": (
        {"q": Q, "win": GOOD, "lose": BAD},
        "a list for each column: q, win, lose",
        "to_json('rows.jsonl', orient='records', lines=True)",
    ),
    "columns under keys": (
        {name: dict(enumerate(values)) for name, values in (("prompt", Q), ("chosen", GOOD))},
        "a column under each key: prompt, chosen",
        "pandas.read_json",
    ),
    "the rows of an API": (
        {
            "features": [{"name": "prompt"}],
            "rows": [{"row_idx": n, "row": {"prompt": q}} for n, q in enumerate(Q)],
        },
        "an answer of the data set viewer's API",
        "jq -c '.rows[].row'",
    ),
    "rows inside of rows": (
        [{"row_idx": n, "row": {"prompt": q}} for n, q in enumerate(Q)],
        "inside of the column row",
        "jq -c '.row'",
    ),
    "texts as keys": (
        {f"Write about topic {n}. {'Be careful. ' * 50}": {"a": [1], "b": [2]} for n in range(20)},
        "20 texts as keys, such as 'Write about topic 0.",
        "to_entries[]",
    ),
}


@pytest.mark.parametrize("case", list(UNREAD))
def test_what_is_not_read_says_what_it_is(tmp_path: Path, case: str) -> None:
    """And not something near it; the remedy fits."""
    content, what, remedy = UNREAD[case]
    source = tmp_path / "in.json"
    source.write_text(json.dumps(content), encoding="utf-8")
    error = error_of(source)
    assert what in str(error)
    assert remedy in error.hint
    assert len(str(error)) + len(error.hint) < 2000


@pytest.mark.parametrize(
    ("names", "near"),
    [
        (["question", "chosen", "rejected"], {"orca-dpo-pairs"}),
        (["instruction", "input", "output"], set()),
        (["chosen", "rejected"], set()),
        (["prompt", "response_a", "response_b", "annotator_1"], set()),
        (["prompt", "response_1", "response_2"], set()),
    ],
)
def test_no_format_is_near_whose_decisive_columns_are_missing(
    names: list[str], near: set[str]
) -> None:
    """A label, a winner or the whole conversation is not what a source almost has."""
    found = {each.format for each in near_misses(Sample(names, []))}
    assert found <= near
    assert not {"llama-factory-kto", "llama-factory-sharegpt", "arena-55k"} & found


HOSTILE = [
    "x" * 3_000,
    "a\nb\tc\x1b[31m",
    "'; rm -rf /; '",
    "$(reboot)",
    '"quoted"',
    "a=b,c+d",
    "?",
    "{x}[y]",
    "\u202eright to left",
    "",
]


@pytest.mark.parametrize("count", [1, 40, 1000])
def test_messages_stay_short_whatever_columns_are_called(tmp_path: Path, count: int) -> None:
    """Under 2,000 characters, and without control characters."""
    names = [f"{HOSTILE[n % len(HOSTILE)]}{n}" for n in range(count)]
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps(dict.fromkeys(names, "some text of words")), encoding="utf-8")
    error = error_of(path)
    text = str(error).replace(str(path), "") + error.hint
    assert len(text) < 2000
    assert all(c.isprintable() or c == "\n" for c in text)
    with pytest.raises(PrefdataError) as caught:
        converted(path, columns={"prompt": "nothing"})
    assert len(str(caught.value) + caught.value.hint) < 2000


@pytest.mark.parametrize("name", HOSTILE[:-1])
def test_a_hint_with_any_name_can_be_copied(tmp_path: Path, name: str) -> None:
    """As ``--map`` or as a file; where no path can say the name, none is given."""
    rows = [{name: q, "win": g, "lose": b} for q, g, b in EACH]
    source = jsonl(tmp_path / "in.jsonl", rows)
    hint = error_of(source).hint
    assert len(hint) < 2000
    if "?" not in hint:
        assert run_hint(source, hint, []).pairs == set(EACH)


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return buffer.getvalue()


FILES: dict[str, tuple[bytes, str, str]] = {
    "in.zip": (zipped("pairs.jsonl", "b.csv"), "(inside: pairs.jsonl, b.csv)", "Unpack it"),
    "rows.jsonl": (zipped(*(f"{n}.csv" for n in range(9))), "4.csv, …)", "Unpack it"),
    "in.xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Office file", "as CSV"),
    "in.pt": (zipped("archive/data.pkl", "archive/version"), "a file of PyTorch", "JSONL"),
    "in.pkl": (pickle.dumps([{"prompt": "a"}]), "a pickle of Python", "could run any code"),
    "in.pdf": (b"%PDF-1.7\n", "a PDF document", "export it as CSV"),
    "in.db": (b"SQLite format 3\x00", "an SQLite database", "sqlite3 -header -csv"),
    "in.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1", "an .xls spreadsheet", "Save it as CSV"),
    "in.xml": (b'<?xml version="1.0"?><a/>', "an XML file", "pandas.read_xml"),
    "in.npy": (b"\x93NUMPY\x01\x00", "an array of NumPy", "Parquet"),
    "in.bz2": (b"BZh91AY&SY", "packed with bzip2", "bunzip2"),
    "in.tar": (b"a.csv".ljust(257, b"\x00") + b"ustar\x0000", "a tar archive", "tar -xf"),
    "in.bin": (bytes(range(32)) * 40, "a binary file", "JSON, JSONL"),
}


@pytest.mark.parametrize("name", list(FILES))
def test_other_files_say_what_they_are(tmp_path: Path, name: str) -> None:
    """By their first bytes, whatever they are called."""
    content, what, remedy = FILES[name]
    (tmp_path / name).write_bytes(content)
    error = error_of(tmp_path / name)
    assert what in f"{error} {error.hint}"
    assert remedy in error.hint or remedy in str(error)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("stats.json", {"rows": 2}),
        ("dataset_infos.json", {"default": {}}),
        ("notes.json", {"author": "me", "date": "today"}),
        ("schema.json", {"fields": [1, 2], "more": [3]}),
        ("about.csv", None),
    ],
)
def test_a_stray_file_in_a_folder_comes_with_the_glob_of_the_others(
    tmp_path: Path, name: str, content: object
) -> None:
    """The glob reads them."""
    folder = tmp_path / "in"
    (folder / "data").mkdir(parents=True)
    rows = [{"prompt": q, "chosen": g, "rejected": b} for q, g, b in EACH]
    jsonl(folder / "data" / "a.jsonl", rows[:2])
    jsonl(folder / "data" / "b.jsonl", rows[2:])
    text = "when,what\n1,2\n" if content is None else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")
    hint = error_of(folder).hint
    pattern = re.search(r"name the other files alone: '([^']+)'", hint)
    assert pattern
    convert(pattern[1], tmp_path / "out", test_size=0.0)


def test_what_datasets_saved_is_read_by_its_arrow_files(tmp_path: Path) -> None:
    """A data set, and splits of one; the glob that is named reads them."""
    rows = [{"prompt": q, "chosen": g, "rejected": b} for q, g, b in EACH]
    for folder in (tmp_path / "one", tmp_path / "splits" / "train", tmp_path / "splits" / "test"):
        folder.mkdir(parents=True)
        pl.DataFrame(rows).write_ipc(folder / "data-00000-of-00001.arrow")
        for name in ("state.json", "dataset_info.json"):
            (folder / name).write_text("{}", encoding="utf-8")
    (tmp_path / "splits" / "dataset_dict.json").write_text('{"splits": []}', encoding="utf-8")
    for name in ("one", "splits"):
        with pytest.raises(UsageError, match="save_to_disk") as caught:
            convert(tmp_path / name, tmp_path / "out")
        pattern = caught.value.hint.partition("'")[2].rstrip("'")
        convert(pattern, tmp_path / f"{name}-out", test_size=0.0)


def test_one_object_a_file_says_how_to_join_them(tmp_path: Path) -> None:
    """However it is indented."""
    for n, (q, g, b) in enumerate(EACH):
        row = {"prompt": q, "chosen": g, "rejected": b}
        (tmp_path / f"{n}.json").write_text(json.dumps(row, indent=2), encoding="utf-8")
    error = error_of(tmp_path)
    assert "is one JSON object (keys prompt, chosen, rejected)" in str(error)
    assert f"jq -c . {tmp_path}/*.json > rows.jsonl" in error.hint


def test_a_label_in_the_name_of_a_folder_is_named(tmp_path: Path) -> None:
    """And how it becomes a column."""
    for value in ("true", "false"):
        folder = tmp_path / f"label={value}"
        folder.mkdir()
        pl.DataFrame({"prompt": Q, "completion": GOOD}).write_parquet(folder / "p.parquet")
    error = error_of(tmp_path)
    assert "has label in the name of its folder (label=false)" in str(error)
    code = re.search(r"polars(\.read_parquet\(.*?\))\.write_parquet", error.hint)
    assert code
    frame = eval(f"pl{code[1]}", {"pl": pl})  # noqa: S307 - the hint is code to run
    assert "label" in frame.columns


def test_a_table_of_texts_names_its_columns(tmp_path: Path) -> None:
    """Where nothing can be guessed, the hint says which columns hold what."""
    path = tmp_path / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([["when", "what"], ["1", "2"], ["3", "4"]])
    error = error_of(path)
    assert "numbers in when, what" in error.hint
    assert "YAML" in error.hint
