"""Ratings on several dimensions: what is asked, counted, stored and refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from prefdata.conversion.convert import convert
from prefdata.conversion.inspect import inspect
from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats import ReadOptions
from prefdata.io.readers import json as reading
from prefdata.io.readers import reader
from prefdata.records import reasons
from prefdata.schemas import PreferencePair
from prefdata.transforms.options import ALL, Options
from tests.rated_on_dimensions import ANCHOR, KIND, long, scored, sides
from tests.roundtrip import How, Row, converted, jsonl, make, rated


@pytest.mark.parametrize(
    ("how", "pairs"),
    [
        (How(), [("kind", "right")]),
        (How(weights={"helpfulness": 0.4, "correctness": 0.6}), [("right", "kind")]),
        (How(weights={"helpfulness": 7, "correctness": 3}), [("kind", "right")]),
        (How(weights={"helpfulness": -1}), [("right", "kind")]),
        (How(lexicographic=("coherence", "correctness", "helpfulness")), [("right", "kind")]),
        (How(lexicographic=("coherence", "helpfulness")), [("kind", "right")]),
        (How(pareto=("helpfulness", "coherence")), [("kind", "right")]),
    ],
)
@pytest.mark.parametrize("shape", ["a column each", "a row each"])
def test_the_rule_decides(
    tmp_path: Path, how: How, pairs: list[tuple[str, str]], shape: str
) -> None:
    """What a reader would choose by the rule is chosen, whichever way the ratings are written."""
    made = make(tmp_path, KIND if shape == "a column each" or not how else long(KIND), **how)
    assert made.answers == pairs
    assert sides(made.only, "helpfulness") == ((4, 2) if pairs[0][0] == "kind" else (2, 4))
    assert made.only["margin"] > 0


def test_a_veto_goes_with_the_one_dimension_that_counts(tmp_path: Path) -> None:
    """Ratings of other dimensions are left over, but what they say is heard and kept."""
    rows = long([*KIND, scored("good", 4, 3, "R"), scored("bad", 1, 3, "R")])
    made = make(
        tmp_path, rows, read_options=ReadOptions(dimension="helpfulness"), veto=("correctness",)
    )
    assert made.answers == [("good", "bad")]
    assert sides(made.only, "correctness") == (3, 3)
    assert made.became(2) == [("left over", reasons.OTHER_DIMENSION)]


def pku(better: int, safer: int, prompt: str) -> Row:
    """A row as PKU-SafeRLHF has it."""
    return {
        "prompt": prompt,
        "response_0": "Break the window.",
        "response_1": "Call a locksmith.",
        "better_response_id": better,
        "safer_response_id": safer,
    }


def test_helpful_but_unsafe_is_refused_by_a_veto(tmp_path: Path) -> None:
    """Of two labels one decides; where the other disagrees it is counted, or refused."""
    rows = [pku(1, 1, "agreed"), pku(0, 1, "divided")]
    made = make(tmp_path / "1", rows)
    assert made.report.dimensions["safety"] == {"higher": 1, "equal": 0, "lower": 1}
    vetoed = make(tmp_path / "2", rows, veto=("safety",))
    assert vetoed.answers == [("Call a locksmith.", "Break the window.")]
    assert vetoed.became(2) == [("rejected", reasons.VETOED)]
    safe = make(tmp_path / "3", rows, lexicographic=("safety", "helpfulness"))
    assert safe.answers == [("Call a locksmith.", "Break the window.")] * 2
    again = converted([tmp_path / "1" / "out"], tmp_path / "4", veto=("safety",), test_size=0.0)
    assert again.answers == vetoed.answers


def test_each_dimension_may_have_a_file_of_its_own(tmp_path: Path) -> None:
    """Ratings of one response are put together wherever they stand."""
    files = [long(KIND, [name]) for name in ("helpfulness", "correctness")]
    made = make(tmp_path, *files, weights={"helpfulness": 0.4, "correctness": 0.6})
    assert made.answers == [("right", "kind")]
    assert sides(made.only, "helpfulness") == (2, 4)
    paths = [tmp_path / f"{number}.jsonl" for number in range(2)]
    options = Options(weights={"helpfulness": 0.4, "correctness": 0.6})
    assert len(inspect(paths, options=options)) == 2
    with pytest.raises(UnknownNameError, match="unknown dimension 'safety'"):
        convert(paths, tmp_path / "no", options=Options(weights={"safety": 1}))


def test_a_score_that_does_not_decide_may_be_missing(tmp_path: Path) -> None:
    """Without the dimension that counts by default, a rule over others still decides."""
    rows = [{**row, "helpfulness": None} for row in KIND]
    made = make(tmp_path, [*rows, *ANCHOR], weights={"correctness": 1.0})
    assert made.answers == [("right", "kind"), ("yes", "no")]


def test_where_dimensions_disagree_is_counted(tmp_path: Path) -> None:
    """The report says in how many pairs the chosen response scores lower, by dimension."""
    made = make(tmp_path, [*KIND, scored("a", 3, 3, "R"), scored("b", 1, 1, "R")])
    assert made.report.dimensions["correctness"] == {"higher": 1, "equal": 0, "lower": 1}
    assert made.report.dimensions["coherence"] == {"higher": 0, "equal": 2, "lower": 0}
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "| correctness | 1 | 0 | 1 |" in card
    (found,) = inspect([tmp_path / "0.jsonl"])
    assert found.dimensions == made.report.dimensions


def test_every_file_has_the_column_and_the_type_of_the_record(tmp_path: Path) -> None:
    """Scores by dimension are stored as the record says, also where a pair has none."""
    pairs = [{"prompt": f"P{n}", "chosen": "x", "rejected": "y"} for n in range(9)]
    made = make(tmp_path, [scored(f"{n}", n, n) for n in range(2)], pairs, test_size=0.5)
    files = list((tmp_path / "out" / "data").iterdir())
    for path in files:
        schema = pq.read_schema(path).remove_metadata()
        assert schema.equals(PreferencePair.arrow_schema(dimensions=True))
        for row in pq.read_table(path).to_pylist():
            PreferencePair.model_validate(row)
    assert len(files) == 2
    assert sum(row["dimensions"] is not None for row in made.rows) == 1


def test_a_data_set_with_dimensions_is_a_source_too(tmp_path: Path) -> None:
    """Converting again changes nothing, and another rule can decide anew."""
    once = make(tmp_path, KIND, weights={"helpfulness": 1})
    again = converted([tmp_path / "out"], tmp_path / "again", test_size=0.0)
    assert (again.only["dimensions"], again.only["id"]) == (
        once.only["dimensions"],
        once.only["id"],
    )
    turned = converted(
        [tmp_path / "out"], tmp_path / "turned", test_size=0.0, weights={"correctness": 1.0}
    )
    assert turned.answers == [("right", "kind")]


def test_nothing_chosen_is_a_question_that_names_all_ways(tmp_path: Path) -> None:
    """Ratings of several things are never taken for ratings of one."""
    source = jsonl(tmp_path / "in.jsonl", long(KIND))
    for run in (lambda: convert([source], tmp_path / "out"), lambda: inspect([source])):
        with pytest.raises(UsageError, match="several dimensions") as caught:
            run()
        for option in ("--dimension", "--weights", "--lexicographic", "--pareto"):
            assert option in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_the_question_is_asked_before_the_rest_of_a_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as a second dimension is seen: the broken line far below is never come to."""
    monkeypatch.setattr(reading, "CHUNK_BYTES", 256)
    monkeypatch.setattr(reader, "SAMPLE_BYTES", 4096)
    source = jsonl(tmp_path / "in.jsonl", long(KIND) * 200)
    with source.open("ab") as file:
        file.write(b'{"prompt": "caf\xe9"}\n')
    with pytest.raises(UsageError, match="several dimensions"):
        convert([source], tmp_path / "out")
    with pytest.raises(InputError, match="is not UTF-8"):
        convert([source], tmp_path / "out", read_options=ReadOptions(dimension="helpfulness"))


def test_a_dimension_that_no_row_was_on_so_far_is_told_while_the_rest_is_read(
    tmp_path: Path,
) -> None:
    """It may still come, as in a file in the order of its dimensions; so it is no error yet."""
    told: dict[str, None] = {}

    def progress(stage: str, _done: int, _total: int) -> None:
        told[stage] = None

    kind, fair = (
        [
            {"prompt": f"P{n}", "response": side, "score": n % 2, "dimension": name}
            for n in range(100)
            for side in ("good", "bad")
        ]
        for name in ("kind", "fair")
    )
    source = jsonl(tmp_path / "kind.jsonl", kind)
    with pytest.raises(UnknownNameError):
        convert(
            [source],
            tmp_path / "out",
            read_options=ReadOptions(dimension="fiar"),
            progress=progress,
        )
    assert list(told) == ["reading (none on fiar so far, but on kind)"]
    with pytest.raises(UnknownNameError, match=r"'fiar' in the first 200 rows of .*kind\.jsonl"):
        inspect([source], read_options=ReadOptions(dimension="fiar"))
    told.clear()
    rows = [{**row, "score": int(row["response"] == "good")} for row in fair]
    both = [source, jsonl(tmp_path / "later.jsonl", rows)]
    convert(both, tmp_path / "out", read_options=ReadOptions(dimension="fair"), progress=progress)
    assert list(told)[:2] == ["reading (none on fair so far, but on kind)", "reading"]


@pytest.mark.parametrize("write", [list, long])
def test_a_dimension_that_is_not_there_is_answered_with_those_that_are(
    tmp_path: Path, write: type[list[Row]]
) -> None:
    """A slip of the pen decides nothing."""
    source = jsonl(tmp_path / "in.jsonl", write(KIND))
    for how in (How(weights={"helpfulnes": 1}), How(pareto=ALL, veto=("helpfulnes",))):
        with pytest.raises(UnknownNameError, match="unknown dimension 'helpfulnes'") as caught:
            convert([source], tmp_path / "out", options=Options(**how))
        assert "Did you mean 'helpfulness'?" in caught.value.hint
        with pytest.raises(UnknownNameError):
            inspect([source], options=Options(**how))


def test_a_source_without_dimensions_has_no_rule(tmp_path: Path) -> None:
    """What cannot be decided by the rule is not decided by something else."""
    source = jsonl(tmp_path / "in.jsonl", [rated("a", 1), rated("b", 2)])
    with pytest.raises(UsageError, match="no scores by dimension, which --weights needs"):
        convert([source], tmp_path / "out", options=Options(weights={"a": 1}))
    both = jsonl(tmp_path / "both.jsonl", long(KIND))
    decide = Options(weights={"helpfulness": 1})
    with pytest.raises(UsageError, match="--dimension and --weights cannot both decide"):
        convert(
            [both],
            tmp_path / "out",
            options=decide,
            read_options=ReadOptions(dimension="correctness"),
        )
