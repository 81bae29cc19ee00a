"""Meaning comes from all rows: codes, flags, words, probabilities and codes among scores."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefdata.agreement.agree import agree
from prefdata.conversion.convert import convert
from prefdata.errors import QuestionError, UsageError
from prefdata.formats import ReadOptions
from prefdata.formats.sample import SAMPLE_ROWS
from tests.roundtrip import Converted, Row, converted, jsonl

MANY = SAMPLE_ROWS + 500


def votes(winners: Sequence[object], **more: object) -> list[Row]:
    """Comparisons with these winners."""
    return [
        {"prompt": f"{i}?", "response_a": f"a {i}", "response_b": f"b {i}", "winner": w, **more}
        for i, w in enumerate(winners)
    ]


def unsaid(winners: Sequence[object]) -> list[Row]:
    """As many comparisons without a winner."""
    return [{k: v for k, v in row.items() if k != "winner"} for row in votes(winners)]


def rated(column: str, values: Sequence[object], **more: object) -> list[Row]:
    """Two answers to each prompt, with numbers in their order."""
    return [
        {"prompt": f"{i // 2}?", "response": f"answer {i}", column: value, **more}
        for i, value in enumerate(values)
    ]


def flags(a: Sequence[object], b: Sequence[object]) -> list[Row]:
    return [
        {"prompt": f"{i}?", "response_a": "x", "response_b": "y", "winner_a": one, "winner_b": two}
        for i, (one, two) in enumerate(zip(a, b, strict=True))
    ]


def asked(path: Path, options: ReadOptions | None = None) -> QuestionError:
    """What is asked about a source, before anything is written."""
    with pytest.raises(QuestionError) as error:
        converted(path, read_options=options)
    assert not (path.parent / "out").exists()
    return error.value


def questions(error: QuestionError) -> list[dict[str, Any]]:
    """The questions as objects."""
    return [dict(each) for each in error.questions]


def values_of(error: QuestionError) -> dict[str, int]:
    """The values that are asked about, with their counts."""
    return {v["value"]: v["rows"] for each in questions(error) for v in each["values"]}


def as_csv(folder: Path, rows: Sequence[Row]) -> Path:
    pl.DataFrame(rows, strict=False, infer_schema_length=None).write_csv(folder / "rows.csv")
    return folder / "rows.csv"


def as_parquet(folder: Path, rows: Sequence[Row]) -> Path:
    frame = pl.DataFrame(rows, strict=False, infer_schema_length=None)
    frame.write_parquet(folder / "rows.parquet", row_group_size=700)
    return folder / "rows.parquet"


def as_jsonl(folder: Path, rows: Sequence[Row]) -> Path:
    return jsonl(folder / "rows.jsonl", rows)


def as_gzip(folder: Path, rows: Sequence[Row]) -> Path:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return folder / "rows.jsonl.gz"


WRITERS = [as_jsonl, as_csv, as_parquet, as_gzip]

ODD: dict[str, tuple[list[Row], list[Row], bool]] = {
    "a code of its own": (votes([1, 2] * MANY), votes([0, 0]), True),
    "a word that repeats": (votes(["a", "b"] * MANY), votes(["meh", "meh"]), True),
    "a word that stands alone": (votes(["a", "b"] * MANY), votes(["meh"]), False),
    "a value of a flag": (flags([1, 0] * MANY, [0, 1] * MANY), flags([2], [1]), True),
    "a half among 0 and 1": (votes([0.0, 1.0] * MANY), votes([0.5, 0.5]), True),
    "a code among scores": (rated("score", [3, 4, 5, 3] * MANY), rated("score", [-1, 4]), True),
    "a zero among scores": (rated("score", [3, 4, 5, 3] * MANY), rated("score", [0, 4]), True),
    "99 among scores": (rated("score", [1, 2, 5, 3] * MANY), rated("score", [99, 4]), True),
    "a code in another spelling": (
        rated("score", ["3", "4", "5", "3"] * MANY),
        rated("score", [" -1.00", "4"]),
        True,
    ),
    "a zero among ranks": (rated("rank", [1, 2, 1, 3] * MANY), rated("rank", [0, 1]), True),
}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(("rows", "odd", "asks"), ODD.values(), ids=ODD)
def test_the_outcome_does_not_depend_on_the_place_of_the_odd_row(
    rows: list[Row],
    odd: list[Row],
    asks: bool,
    write: Callable[[Path, Sequence[Row]], Path],
    tmp_path: Path,
) -> None:
    """First or last, in every kind of file: the same question, or the same pairs."""
    outcomes: list[object] = []
    for name, both in (("first", [*odd, *rows]), ("last", [*rows, *odd])):
        folder = tmp_path / name
        folder.mkdir()
        path = write(folder, both)
        if asks:
            outcomes.append(values_of(asked(path)))
        else:
            outcome = converted(path)
            outcomes.append((outcome.ids, [reject.reason for reject in outcome.refused]))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("value", [["a"], ["b", "b", "a"], {"x": "a"}, True, 1])
def test_a_winner_of_another_type_is_read_alike_first_and_last(
    value: object, tmp_path: Path
) -> None:
    """A list is votes; what is not a winner is refused, with the same reason."""
    rows = votes(["a", "b"] * MANY)
    outcomes: list[object] = []
    for name in ("first", "last"):
        odd = {**rows[0], "prompt": "odd?", "winner": value}
        (tmp_path / name).mkdir()
        path = as_jsonl(tmp_path / name, [odd, *rows] if name == "first" else [*rows, odd])
        outcome = converted(path)
        outcomes.append((outcome.ids, [reject.reason for reject in outcome.refused]))
    assert outcomes[0] == outcomes[1]


def test_words_that_come_late_by_standard_input(tmp_path: Path, monkeypatch: Any) -> None:  # noqa: ANN401
    """A source that can be read once only is asked about all the same."""
    path = as_jsonl(tmp_path, [*votes(["a", "b"] * MANY), *votes(["meh", "meh"])])
    with path.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        with pytest.raises(QuestionError) as error:
            convert("-", tmp_path / "out")
    assert values_of(error.value) == {"meh": 2}


def test_what_carries_no_preference_is_left_over(tmp_path: Path) -> None:
    """Its rows are no rejects, and count as used."""
    path = as_jsonl(tmp_path, votes(["a", "b", "unsure", "unsure", "later"]))
    options = ReadOptions(winner={"unsure": "none", "later": "none"})
    outcome = converted(path, read_options=options)
    assert len(outcome.rows) == 2
    assert not outcome.refused
    assert outcome.manifest["outcomes"]["left over"] == {"no preference given": 3}
    assert outcome.manifest["rows_rejected"] == 0


def test_a_word_that_is_not_declared_is_asked_about_until_both_sides_are(tmp_path: Path) -> None:
    """One side alone would lose the wins of the other; after both, what is left is rejected."""
    path = as_jsonl(tmp_path, votes(["top", "bottom", "top", "bottom", "meh", "meh"]))
    assert values_of(asked(path, ReadOptions(winner={"top": "a"}))) == {"bottom": 2, "meh": 2}
    outcome = converted(path, read_options=ReadOptions(winner={"top": "a", "bottom": "b"}))
    assert outcome.pairs == {(f"{i}?", f"{x} {i}", f"{y} {i}") for i, x, y in FIRST_AND_SECOND}
    assert [reject.detail for reject in outcome.refused] == ["found meh", "found meh"]


FIRST_AND_SECOND = [(0, "a", "b"), (1, "b", "a"), (2, "a", "b"), (3, "b", "a")]

NAMES: dict[str, tuple[list[str], list[int], str]] = {
    "b first": (["model_b", "model_a", "tie"], [1, 0, 2], "ab-"),
    "a first": (["A", "B"], [0, 1, 1], "abb"),
    "ties first": (["tie", "first", "second"], [2, 1, 0], "ba-"),
    "three": (["left", "right", "both bad"], [0, 1, 2], "ab-"),
    "missing": (["b", "a"], [-1, 0, 1], "-ba"),
    "arrows": (["B>A", "A>B", "A=B"], [0, 1, 2], "ba-"),
}


@pytest.mark.parametrize("write", ["parquet", "arrow"])
@pytest.mark.parametrize(("names", "codes", "sides"), NAMES.values(), ids=NAMES)
def test_the_names_that_a_file_gives_its_codes_go_first(
    names: list[str], codes: list[int], sides: str, write: str, tmp_path: Path
) -> None:
    """Class labels, as the library datasets stores them in the schema."""
    path = with_class_names(tmp_path / f"rows.{write}", votes(codes), {"winner": names})
    outcome = converted(path)
    assert outcome.pairs == {
        (f"{i}?", f"{side} {i}", f"{'b' if side == 'a' else 'a'} {i}")
        for i, side in enumerate(sides)
        if side != "-"
    }


def with_class_names(path: Path, rows: Sequence[Row], names: dict[str, list[str]]) -> Path:
    features = {name: {"names": each, "_type": "ClassLabel"} for name, each in names.items()}
    table = pa.Table.from_pylist([dict(row) for row in rows])
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = table.replace_schema_metadata(metadata)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    return path


def test_a_class_name_without_a_meaning_is_asked_about(tmp_path: Path) -> None:
    """And --winner may take the name, or the code."""
    rows = votes([0, 1, 2, 2])
    path = with_class_names(tmp_path / "rows.parquet", rows, {"winner": ["a", "b", "meh"]})
    assert values_of(asked(path)) == {"2": 2}
    for word in ("meh", "2"):
        outcome = converted(path, read_options=ReadOptions(winner={word: "none"}))
        assert outcome.manifest["outcomes"]["left over"] == {"no preference given": 2}


def test_labels_with_class_names(tmp_path: Path) -> None:
    """0 is good where the file says so."""
    rows = [{"prompt": f"{i}?", "completion": "c", "label": i % 2} for i in range(4)]
    path = with_class_names(tmp_path / "rows.parquet", rows, {"label": ["good", "bad"]})
    assert converted(path).labels == {(f"{i}?", "c", i % 2 == 0) for i in range(4)}


ODD_FLAGS = [2, -1, "yes", "A", 0.5, 5, "won", 10, "x", "left"]


@pytest.mark.parametrize("odd", ODD_FLAGS, ids=map(str, ODD_FLAGS))
def test_a_column_that_stands_for_one_outcome_holds_0_and_1_only(
    odd: object, tmp_path: Path
) -> None:
    """Anything else is named, with its column and count; in a described source too."""
    rows = flags([1, 0, 1, 0, odd], [0, 1, 0, 1, 1])
    error = asked(as_csv(tmp_path, rows))
    assert values_of(error) == {str(odd).lower(): 1}
    assert questions(error)[0]["columns"] == ("winner_a",)
    described = tmp_path / "flags.yaml"
    described.write_text(
        "kind: comparisons\n"
        "fields: {prompt: prompt, response_a: response_a, response_b: response_b,\n"
        "         winner_a: winner_a, winner_b: winner_b}\n"
    )
    with pytest.raises(UsageError, match=r"winner_a holds .* in 1 of 5 rows"):
        convert(tmp_path / "rows.csv", tmp_path / "out", format=described)


@pytest.mark.parametrize(("on", "off"), [(1, 0), (True, False), ("true", "false"), ("True", "0")])
def test_flags_in_every_spelling(on: object, off: object, tmp_path: Path) -> None:
    """An empty cell is no outcome."""
    rows = flags([on, off, off], [off, on, None])
    outcome = converted(as_jsonl(tmp_path, rows))
    assert outcome.pairs == {("0?", "x", "y"), ("1?", "y", "x")}
    assert [reject.reason for reject in outcome.refused] == ["no verdict"]


OTHER = {"a": "b", "b": "a", "A": "B", "B": "A"}
SIDE = re.compile(r"(?<![a-zA-Z])[abAB](?![a-zA-Z])")
SWAPPED: dict[str, list[Row]] = {
    "words": votes(["a", "B", "model_a", "b is much better", "tie", "A slightly", "both bad"]),
    "arrows": votes(["A>B", "B>A", "A>>B", "B>>>A", "A=B", "[[A<B]]", "B<A"]),
    "codes": votes([1, 2, 1, 1]),
    "models": [
        {**row, "model_a": "north", "model_b": "south", "winner": w}
        for row, w in zip(votes("abc"), ("north", "south", "North"), strict=True)
    ],
    "flags": [
        {"prompt": f"{i}?", "response_a": f"a {i}", "response_b": "b", "win_a": a, "win_b": 1 - a}
        for i, a in enumerate((1, 0, 1))
    ],
    "p_a": [
        {"prompt": f"{i}?", "response_a": f"a {i}", "response_b": "b", "p_a": p}
        for i, p in enumerate((0.9, 0.1, 0.5, 0.7))
    ],
}


def swapped(row: Row) -> Row:
    """The same row, seen from the other side."""
    columns = {
        name: f"{name[:-1]}{OTHER[name[-1]]}" if name[-2:] in ("_a", "_b") else name for name in row
    }
    turned = {columns[name]: value for name, value in row.items()}
    if "winner" in turned and "model_a" not in turned:
        turned["winner"] = swapped_word(turned["winner"])
    return turned


def swapped_word(word: object) -> object:
    """A verdict from the other side: each letter or number of a side becomes the other."""
    if isinstance(word, int):
        return 3 - word
    return re.sub(
        r"(?<![a-z])[ab](?![a-z])", lambda side: OTHER[side[0]], str(word), flags=re.IGNORECASE
    )


@pytest.mark.parametrize("rows", SWAPPED.values(), ids=SWAPPED)
def test_swapping_both_sides_changes_nothing(rows: list[Row], tmp_path: Path) -> None:
    """Columns, words, arrows, codes, flags, models and probabilities."""
    outcomes = []
    for name, each in (("one", rows), ("other", [swapped(row) for row in rows])):
        folder = tmp_path / name
        folder.mkdir()
        outcome = converted(as_jsonl(folder, each))
        outcomes.append((outcome.ids, len(outcome.refused)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0]


def test_a_probability_is_a_winner_with_its_agreement(tmp_path: Path) -> None:
    """More than a half is a win, and a half is a tie."""
    shares = (0.9, 0.25, 0.5, 1.0)
    rows = [{**row, "prob_b": p} for row, p in zip(unsaid("abcd"), shares, strict=True)]
    outcome = converted(as_jsonl(tmp_path, rows))
    assert outcome.pairs == {("0?", "b 0", "a 0"), ("1?", "a 1", "b 1"), ("3?", "b 3", "a 3")}
    assert {row["prompt"]: row["agreement"] for row in outcome.rows} == {
        "0?": 0.9,
        "1?": 0.75,
        "3?": 1.0,
    }
    assert [reject.reason for reject in outcome.refused] == ["tie"]


@pytest.mark.parametrize(
    "column",
    ["preference_probability", "preference", "winner", "label", "soft_label", "win_prob", "choice"],
)
def test_whose_probability_it_is_is_asked(column: str, tmp_path: Path) -> None:
    """Both lines are there, and each settles it."""
    shares = (0.9, 0.2, 0.6)
    rows = [{**row, column: p} for row, p in zip(unsaid("abc"), shares, strict=True)]
    path = as_jsonl(tmp_path, rows)
    lines = [line for each in questions(asked(path)) for line in each["lines"]]
    assert lines == ["--winner a=probability", "--winner b=probability"]
    columns = {"winner": (column,)}
    for side, first in (("a", "a 0"), ("b", "b 0")):
        options = ReadOptions(columns, winner={"probability": side})
        outcome = converted(path, read_options=options)
        assert {row["chosen"] for row in outcome.rows if row["prompt"] == "0?"} == {first}


@pytest.mark.parametrize("name", ["p_a", "prob_a", "p_response_1", "prob_model_a", "p_1", "a_prob"])
def test_a_name_that_says_whose_probability_it_is(name: str, tmp_path: Path) -> None:
    """The first side's."""
    rows = [{**row, name: 0.8} for row in unsaid("ab")]
    assert {row["chosen"] for row in converted(as_jsonl(tmp_path, rows)).rows} == {"a 0", "a 1"}


LISTS: dict[str, tuple[object, int, str]] = {
    "two of three": (["a", "b", "a"], 3, "a"),
    "one": (["b"], 1, "b"),
    "codes": ([2, 2, 1], 3, "b"),
    "arrows": (["A>B", "B<A", "B>A"], 3, "a"),
    "names": (["response_b", "response_b"], 2, "b"),
    "with a tie": (["a", "tie", "a"], 3, "a"),
    "with none": (["b", None], 1, "b"),
    "even": (["a", "b"], 0, ""),
    "ties": (["tie", "tie"], 0, ""),
    "empty": ([], 0, ""),
}


@pytest.mark.parametrize(("verdicts", "count", "side"), LISTS.values(), ids=LISTS)
def test_a_list_of_verdicts_is_several_votes(
    verdicts: object, count: int, side: str, tmp_path: Path
) -> None:
    """As many as it holds, however many each row has."""
    rows = votes([verdicts, [1, 1] if verdicts == [2, 2, 1] else ["b", "b"]])
    outcome = converted(as_jsonl(tmp_path, rows))
    pairs = [row for row in outcome.rows if row["prompt"] == "0?"]
    assert [(row["votes"], row["chosen"]) for row in pairs] == [(count, f"{side} 0")] * bool(count)


NESTED = {
    "an object": ({"selected": "left"}, "winner: winner.selected"),
    "a list of objects": ([{"by": "x", "vote": "a"}], "winner: winner[].vote"),
    "an object in a cell": ('{"pick": "A"}', "winner: winner.pick"),
    "a list in a cell": ('["a", "b"]', "winner: winner[]"),
}


@pytest.mark.parametrize(("value", "line"), NESTED.values(), ids=NESTED)
def test_a_nested_winner_is_asked_for_its_path(value: object, line: str, tmp_path: Path) -> None:
    """Not for the meaning of its words."""
    error = asked(as_jsonl(tmp_path, votes([value, value])))
    assert questions(error)[0]["lines"] == (line,)
    assert "--winner" not in error.hint


def test_columns_of_verdicts_are_asked_about_by_what_they_hold(tmp_path: Path) -> None:
    """The line that is asked for reads them as votes."""
    verdicts = [("A", "A", "B"), ("B", "B", "B")]
    rows = [
        {k: v for k, v in row.items() if k != "winner"}
        | {f"rater_{n}": v for n, v in enumerate(vs)}
        for row, vs in zip(votes("ab"), verdicts, strict=True)
    ]
    path = as_csv(tmp_path, rows)
    error = asked(path)
    assert questions(error)[0]["lines"] == ("--map winner=rater_0+rater_1+rater_2",)
    assert "YAML" in error.hint
    columns = {"winner": ("rater_0", "rater_1", "rater_2")}
    outcome = converted(path, read_options=ReadOptions(columns))
    assert {(row["chosen"], row["votes"]) for row in outcome.rows} == {("a 0", 3), ("b 1", 3)}


CODES = {
    "-1": ([3, 4, 5, 2, -1, 4], {"-1": 1}),
    "-1 twice": ([1, 5, -1, -1, 3, 4], {"-1": 2}),
    "0 below 3": ([0, 3, 4, 5, 4, 3], {"0": 1}),
    "99": ([1, 2, 99, 5], {"99": 1}),
    "999": ([60, 70, 999, 80], {"999": 1}),
    "-999": ([1.5, 2.5, -999, 5], {"-999": 1}),
    "-99 as text": (["1", "2", "-99", "4"], {"-99": 1}),
    "as a float": ([1.0, 4.0, -1.0, 5.0], {"-1": 1}),
    "two codes": ([1, 2, 3, -1, 99, 4], {"-1": 1, "99": 1}),
    "with 0": ([0, 1, 2, 3, 4, -1], {"-1": 1}),
}
SOUND = {
    "from 0": [0, 1, 2, 3, 4, 5],
    "thumbs": [-1, 1, 1, -1],
    "signed": [-3, -1, 0, 2],
    "shares": [0, 0.5, 0.99, 1],
    "three": [-1, 0, 1, 0],
    "of 100": [0, 20, 55, 99, 100, 80],
    "two": [0, 5, 5, 0],
    "rewards": [-0.3, -1.0, 2.7, 0.4],
    "large": [99, 120, 150, 80],
    "one": [4, 4, 5, 4],
}


@pytest.mark.parametrize(("scores", "counts"), CODES.values(), ids=CODES)
def test_a_number_outside_the_scores_is_asked_about(
    scores: list[object], counts: dict[str, int], tmp_path: Path
) -> None:
    """Both lines are there; that which says that it is a score settles it."""
    path = as_jsonl(tmp_path, rated("score", scores))
    error = asked(path)
    assert values_of(error) == counts
    (question,) = questions(error)
    assert question["lines"][0] == f"--missing={','.join(counts)}"
    assert question["lines"][1] == "--map score=score"
    assert converted(path, read_options=ReadOptions({"score": ("score",)})).rows


@pytest.mark.parametrize("scores", SOUND.values(), ids=SOUND)
def test_scores_that_hold_together_are_not_asked_about(
    scores: list[object], tmp_path: Path
) -> None:
    """A scale may begin at 0, or have two sides."""
    assert converted(as_jsonl(tmp_path, rated("score", scores))).rows is not None


@pytest.mark.parametrize("ranks", [[1, 5, 5, 0], [0, 1, 2, 0], [0, 1], ["1", "2", "0", "3"]])
def test_a_rank_of_0_is_asked_about(ranks: list[object], tmp_path: Path) -> None:
    """It may be the best, or none; --map says that it is the best."""
    path = as_jsonl(tmp_path, rated("rank", ranks))
    assert list(values_of(asked(path))) == ["0"]
    options = ReadOptions({"rank": ("rank",)})
    assert converted(path, read_options=options).rows


@pytest.mark.parametrize("column", ["ranking", "rankings", "order"])
@pytest.mark.parametrize("ranks", [[2, 3, 1], [2, 0, 1]])
def test_a_list_that_is_ranks_or_an_order_is_asked_about(
    column: str, ranks: list[int], tmp_path: Path
) -> None:
    """The line reads it as the rank of each response."""
    row = {"prompt": "?", "responses": ["soap", "basil", "mint"], column: ranks}
    path = as_jsonl(tmp_path, [row])
    assert questions(asked(path))[0]["lines"] == (f"--map ranks={column}",)
    outcome = converted(path, read_options=ReadOptions({"ranks": (column,)}))
    best = ["soap", "basil", "mint"][ranks.index(min(ranks))]
    assert {row["chosen"] for row in outcome.rows} == {best}


def notes(outcome: Converted) -> list[str]:
    return [note["text"] for each in outcome.manifest["sources"] for note in each["notes"]]


def by(annotators: dict[str, list[object]]) -> list[Row]:
    """Each annotator's scores of the same responses, two to a prompt."""
    return [
        {"prompt": f"{i // 2}?", "response": f"answer {i}", "score": score, "annotator": name}
        for name, scores in annotators.items()
        for i, score in enumerate(scores)
    ]


SCALES: dict[str, tuple[dict[str, list[object]], list[str]]] = {
    "0 to 1 beside 1 to 5": ({"ida": [0.9, 0.1, 1], "olaf": [3, 5, 2]}, ["ida 0.1 to 1", "olaf"]),
    "1 to 5 beside 1 to 10": (
        {"ida": [1, 2, 3, 4, 5] * 4, "olaf": [2, 4, 6, 8, 10] * 4},
        ["ida 1 to 5", "olaf 2 to 10"],
    ),
    "1 to 5 beside 0 to 100": (
        {"ida": [1, 2, 3, 4, 5] * 4, "olaf": [20, 40, 60, 80, 100] * 4},
        ["ida 1 to 5", "olaf 20 to 100"],
    ),
    "the same": ({"ida": [1, 5, 3], "olaf": [3, 5, 2]}, []),
    "a strict one": ({"ida": [1, 2, 3] * 2, "olaf": [3, 5, 2] * 2}, []),
    "shares": ({"ida": [0.1, 0.5], "olaf": [0.3, 0.9]}, []),
    "halves": ({"ida": [0.5, 1], "olaf": [3, 5]}, []),
}


@pytest.mark.parametrize(("scores", "told"), SCALES.values(), ids=SCALES)
def test_annotators_on_scales_of_their_own_are_told(
    scores: dict[str, list[object]], told: list[str], tmp_path: Path
) -> None:
    """With their names and ranges, in one note."""
    outcome = converted(as_csv(tmp_path, by(scores)))
    texts = [text for text in notes(outcome) if "different scales" in text]
    assert len(texts) == bool(told)
    assert all(part in texts[0] for part in told)


@pytest.mark.parametrize("column", ["score_scale", "scale", "max_score", "out_of"])
def test_a_column_that_names_several_scales_is_told(column: str, tmp_path: Path) -> None:
    """Scores of 5 beside 100 are compared as they are, and that is said."""
    rows = [{**row, column: 5} for row in rated("score", [4, 5, 3])]
    assert not notes(converted(as_csv(tmp_path, rows)))
    rows.append({**rows[0], "response": "other", "score": 70, column: 100})
    (tmp_path / "b").mkdir()
    (text,) = notes(converted(as_csv(tmp_path / "b", rows)))
    assert text.endswith("5 (3), 100 (1)")


INVERTED: dict[str, tuple[dict[str, list[object]], list[str]]] = {
    "one of three": (
        {"A": [5, 1, 4, 2] * 3, "B": [4, 2, 5, 1] * 3, "C": [1, 5, 2, 4] * 3},
        ["C"],
    ),
    "one of four": (
        {
            "A": [5, 1, 4, 2] * 3,
            "B": [5, 1, 4, 2] * 3,
            "C": [1, 5, 1, 4] * 3,
            "D": [5, 2, 4, 1] * 3,
        },
        ["C"],
    ),
    "two of two": ({"A": [5, 1, 4, 2] * 3, "B": [2, 5, 2, 4] * 3}, ["A", "B"]),
    "none": ({"A": [5, 1, 4, 2] * 3, "B": [4, 2, 5, 1] * 3, "C": [5, 1, 5, 1] * 3}, []),
    "too few": ({"A": [5, 1], "B": [4, 2], "C": [1, 5]}, []),
    "always the same": ({"A": [5, 1, 4, 2] * 3, "B": [3, 3, 3, 3] * 3}, []),
}


@pytest.mark.parametrize(("scores", "told"), INVERTED.values(), ids=INVERTED)
def test_an_annotator_whose_scores_are_inverted_is_told(
    scores: dict[str, list[object]], told: list[str], tmp_path: Path
) -> None:
    """Who it is, and how far, in one line."""
    outcome = converted(as_csv(tmp_path, by(scores)))
    texts = [text for text in notes(outcome) if "run against" in text]
    assert [text.split(" ")[3] for text in sorted(texts)] == told
    assert all("(correlation -" in text for text in texts)


@pytest.mark.parametrize("texts", [True, False])
def test_agreement_asks_about_a_code_that_comes_late(texts: bool, tmp_path: Path) -> None:
    """With texts, or with ids in their place."""
    rows = [{**row, "judge": "x", "item": i} for i, row in enumerate(votes([1, 2] * MANY + [0]))]
    if not texts:
        keep = ("winner", "judge", "item")
        rows = [{name: row[name] for name in keep} for row in rows]
    ids = [] if texts else ["item"]
    with pytest.raises(QuestionError) as error:
        agree([as_jsonl(tmp_path, rows)], ids=ids)
    assert values_of(error.value) == {"0": 1, "1": MANY, "2": MANY}
