"""Several dimensions: which of two responses is better, what a veto refuses, what is counted."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.conversion.convert import convert
from prefdata.conversion.convert_options import ConvertOptions, convert_config
from prefdata.conversion.inspect import inspect
from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats import ReadOptions
from prefdata.io.readers import json as reading
from prefdata.io.readers import reader
from prefdata.records import reasons
from prefdata.schemas import PreferencePair
from prefdata.transforms.options import ALL
from tests.roundtrip import Converted, Row, converted, jsonl, make, rated

ASPECTS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
FEW = settings(max_examples=12)


def scored(response: str, helpfulness: float, correctness: float, prompt: str = "Q") -> Row:
    """A row as HelpSteer has it; what is not named is the same for all."""
    same = {"coherence": 3, "complexity": 3, "verbosity": 3}
    return {
        "prompt": prompt,
        "response": response,
        "helpfulness": helpfulness,
        "correctness": correctness,
        **same,
    }


def sides(row: dict[str, object], name: str) -> tuple[float | None, float | None]:
    """What the chosen and the rejected response of a pair scored."""
    listed = row["dimensions"]
    assert isinstance(listed, list)
    return next((d["chosen"], d["rejected"]) for d in listed if d["dimension"] == name)


KIND = [scored("kind", 4, 1), scored("right", 2, 3)]
"""Two answers of which each is better on one dimension."""


def long(rows: Sequence[Row], names: Sequence[str] = ASPECTS) -> list[Row]:
    """The same ratings, one to a row."""
    return [
        rated(str(row["response"]), row[name], str(row["prompt"]), dimension=name)
        for row in rows
        for name in names
        if row[name] is not None
    ]


@pytest.mark.parametrize(
    ("how", "pairs"),
    [
        (ConvertOptions(), [("kind", "right")]),
        (ConvertOptions(weights={"helpfulness": 0.4, "correctness": 0.6}), [("right", "kind")]),
        (ConvertOptions(weights={"helpfulness": 7, "correctness": 3}), [("kind", "right")]),
        (ConvertOptions(weights={"helpfulness": -1}), [("right", "kind")]),
        (
            ConvertOptions(lexicographic=("coherence", "correctness", "helpfulness")),
            [("right", "kind")],
        ),
        (ConvertOptions(lexicographic=("coherence", "helpfulness")), [("kind", "right")]),
        (ConvertOptions(pareto=("helpfulness", "coherence")), [("kind", "right")]),
    ],
)
@pytest.mark.parametrize("shape", ["a column each", "a row each"])
def test_the_rule_decides(
    tmp_path: Path, how: ConvertOptions, pairs: list[tuple[str, str]], shape: str
) -> None:
    """What a reader would choose by the rule is chosen, whichever way the ratings are written."""
    made = make(tmp_path, KIND if shape == "a column each" or not how else long(KIND), **how)
    assert made.answers == pairs
    assert sides(made.only, "helpfulness") == ((4, 2) if pairs[0][0] == "kind" else (2, 4))
    assert made.only["margin"] > 0


def test_the_score_is_on_the_scale_of_the_source(tmp_path: Path) -> None:
    """Weights are shares: a mean of 4 and 1 by 3 to 1 is 3.25, and so is it by 0.3 to 0.1."""
    for scale in (1.0, 0.1):
        weights = {"helpfulness": 3 * scale, "correctness": scale}
        row = make(tmp_path / str(scale), KIND, weights=weights).only
        assert (row["score_chosen"], row["score_rejected"]) == (3.25, 2.25)


def test_the_margin_of_an_order_is_that_of_the_dimension_that_decides(tmp_path: Path) -> None:
    """Equal on the first: the second decides, with its own scores."""
    row = make(tmp_path, KIND, lexicographic=("coherence", "correctness")).only
    assert (row["score_chosen"], row["score_rejected"], row["margin"]) == (3, 1, 2)
    small = make(
        tmp_path / "x",
        [*KIND, scored("a", 1, 3, "R"), scored("b", 1, 0, "R")],
        lexicographic=("coherence", "correctness"),
        min_margin=2.5,
    )
    assert small.answers == [("a", "b")]
    assert small.became(1) == [("left over", reasons.SMALL_MARGIN)]


def test_better_on_one_and_worse_on_another_is_no_pair(tmp_path: Path) -> None:
    """Where neither dominates there is a reason, also where the means are equal."""
    rows = [
        *KIND,
        scored("best", 4, 4, "R"),
        scored("worst", 1, 1, "R"),
        scored("up", 4, 2, "S"),
        scored("down", 1, 3, "S"),
    ]
    made = make(tmp_path, rows, pareto=ALL)
    assert made.answers == [("best", "worst")]
    for line in (1, 2, 5, 6):
        assert made.became(line) == [("left over", reasons.NOT_PARETO)]


@pytest.mark.parametrize("write", [list, long])
def test_a_veto_refuses_what_is_worse(tmp_path: Path, write: type[list[Row]]) -> None:
    """The chosen answer must be as good at least on the dimension that has the veto."""
    rows = write([*KIND, scored("good", 4, 3, "R"), scored("bad", 1, 3, "R")])
    made = make(tmp_path, rows, weights={"helpfulness": 1}, veto=("correctness",))
    assert made.answers == [("good", "bad")]
    assert ("left over", reasons.VETOED) in made.became(1)


@pytest.mark.parametrize("how", [{"weights": {"help": 1}, "veto": ("safe",)}, {"pareto": ALL}])
def test_what_is_refused_is_made_up_for_by_no_other_pair(
    tmp_path: Path, how: ConvertOptions
) -> None:
    """The strategy has chosen before; the one that makes all pairs leaves those that stand."""
    of_each = {"best": (9, 2), "middle": (5, 5), "worst": (1, 4)}
    rows: list[Row] = [
        {"prompt": "Q", "response": response, "score": score, "dimension": name}
        for response, scores in of_each.items()
        for name, score in zip(("help", "safe"), scores, strict=True)
    ]
    with pytest.raises(InputError, match="gave a pair"):
        make(tmp_path / "1", rows, **how)
    every: ConvertOptions = {**how, "strategy": "all"}
    made = make(tmp_path / "2", rows, **every)
    assert made.answers == [("middle", "worst")]


def test_a_veto_goes_with_the_one_dimension_that_counts(tmp_path: Path) -> None:
    """Ratings of other dimensions are left over, but what they say is heard and kept."""
    rows = long([*KIND, scored("good", 4, 3, "R"), scored("bad", 1, 3, "R")])
    made = make(
        tmp_path, rows, read_options=ReadOptions(dimension="helpfulness"), veto=("correctness",)
    )
    assert made.answers == [("good", "bad")]
    assert sides(made.only, "correctness") == (3, 3)
    assert made.became(2) == [("left over", reasons.OTHER_DIMENSION)]


def test_a_response_without_a_score_that_is_needed_is_in_no_pair(tmp_path: Path) -> None:
    """A mean over other dimensions is another mean: such a response is compared with none."""
    rows = long([*KIND, {**scored("half", 4, 0), "correctness": None}])
    weighed = ConvertOptions(weights={"helpfulness": 3, "correctness": 1})
    for how in (weighed, ConvertOptions(lexicographic=("helpfulness", "correctness"))):
        made = make(tmp_path, rows, **how)
        assert "half" not in str(made.answers)
        assert made.became(11) == [("left over", reasons.MISSING_DIMENSION)]


def labelled(better: int, safer: int, prompt: str) -> Row:
    """A pair of a data set made before, with a label for each dimension."""
    both = [("help", better), ("safety", safer)]
    return {
        "prompt": prompt,
        "chosen": "left",
        "rejected": "right",
        "dimensions": [
            {"dimension": name, "chosen": 1.0 - side, "rejected": float(side)}
            for name, side in both
        ],
    }


def test_two_labels_are_weighed_and_vetoed_like_ratings(tmp_path: Path) -> None:
    """A verdict that the rule turns round is turned round; one that a veto hits is refused."""
    rows = [labelled(0, 0, "both left"), labelled(1, 1, "both right"), labelled(0, 1, "divided")]
    by_help = make(tmp_path / "1", rows, weights={"help": 1}, veto=("safety",))
    assert by_help.answers == [("left", "right"), ("right", "left")]
    assert by_help.became(3) == [("rejected", reasons.VETOED)]
    first = make(tmp_path / "2", rows, lexicographic=("safety", "help"))
    assert first.answers == [("left", "right"), ("right", "left"), ("right", "left")]
    strict = make(tmp_path / "3", rows, pareto=ALL)
    assert strict.became(3) == [("rejected", reasons.NOT_PARETO)]


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
    assert len(inspect(paths, weights={"helpfulness": 0.4, "correctness": 0.6})) == 2
    with pytest.raises(UnknownNameError, match="unknown dimension 'safety'"):
        convert(paths, tmp_path / "no", weights={"safety": 1})


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
        convert([source], tmp_path / "out", dimension="helpfulness")


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
            dimension="fiar",
            progress=progress,
        )
    assert list(told) == ["reading (none on fiar so far, but on kind)"]
    with pytest.raises(UnknownNameError, match=r"'fiar' in the first 200 rows of .*kind\.jsonl"):
        inspect([source], dimension="fiar")
    told.clear()
    rows = [{**row, "score": int(row["response"] == "good")} for row in fair]
    both = [source, jsonl(tmp_path / "later.jsonl", rows)]
    convert(both, tmp_path / "out", dimension="fair", progress=progress)
    assert list(told)[:2] == ["reading (none on fair so far, but on kind)", "reading"]


@pytest.mark.parametrize("write", [list, long])
def test_a_dimension_that_is_not_there_is_answered_with_those_that_are(
    tmp_path: Path, write: type[list[Row]]
) -> None:
    """A slip of the pen decides nothing."""
    source = jsonl(tmp_path / "in.jsonl", write(KIND))
    for how in (
        ConvertOptions(weights={"helpfulnes": 1}),
        ConvertOptions(pareto=ALL, veto=("helpfulnes",)),
    ):
        with pytest.raises(UnknownNameError, match="unknown dimension 'helpfulnes'") as caught:
            convert([source], tmp_path / "out", **how)
        assert "Did you mean 'helpfulness'?" in caught.value.hint
        with pytest.raises(UnknownNameError):
            inspect([source], **how)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (ConvertOptions(weights={"a": 1}, pareto=ALL), "cannot both decide"),
        (ConvertOptions(weights={"a": 0}), "the weight of a is 0"),
        (ConvertOptions(weights={"a": float("nan")}), "the weight of a is nan"),
        (ConvertOptions(veto=("a", "a")), "names a twice"),
    ],
)
def test_rules_that_make_no_sense_are_refused(how: ConvertOptions, says: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match=says):
        convert_config(how)


def test_a_source_without_dimensions_has_no_rule(tmp_path: Path) -> None:
    """What cannot be decided by the rule is not decided by something else."""
    source = jsonl(tmp_path / "in.jsonl", [rated("a", 1), rated("b", 2)])
    with pytest.raises(UsageError, match="no scores by dimension, which --weights needs"):
        convert([source], tmp_path / "out", weights={"a": 1})
    both = jsonl(tmp_path / "both.jsonl", long(KIND))
    with pytest.raises(UsageError, match="--dimension and --weights cannot both decide"):
        convert(
            [both],
            tmp_path / "out",
            weights={"helpfulness": 1},
            dimension="correctness",
        )


NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 0.1, 0.7])
ROWS = st.lists(
    st.builds(scored, st.sampled_from("abcdef"), NUMBERS, NUMBERS, st.sampled_from(["P", "Q"])),
    min_size=2,
    max_size=10,
)
RULES = st.sampled_from(
    [
        ConvertOptions(),
        ConvertOptions(weights={"helpfulness": 0.7, "correctness": 0.3}),
        ConvertOptions(weights={"helpfulness": 1, "correctness": -0.5}),
        ConvertOptions(lexicographic=("helpfulness", "correctness")),
        ConvertOptions(pareto=("helpfulness", "correctness")),
        ConvertOptions(pareto=ALL),
    ]
)
STRATEGY = st.sampled_from(["best-worst", "best-rest", "adjacent", "all", "best-random"])
ANCHOR = [scored("yes", 4, 4, "?"), scored("no", 0, 0, "?")]


def outcome(made: Converted) -> dict[object, object]:
    names = ("score_chosen", "score_rejected", "margin", "votes", "agreement", "dimensions")
    return {row["id"]: [row[name] for name in names] for row in made.rows}


@FEW
@given(rows=ROWS, how=RULES, strategy=STRATEGY, veto=st.booleans(), as_long=st.booleans())
def test_laws_of_every_rule(
    rows: list[Row], how: ConvertOptions, strategy: str, *, veto: bool, as_long: bool
) -> None:
    """The order of rows does not matter, chosen is above rejected, and a veto holds."""
    rows = [*ANCHOR, *rows]
    asked: ConvertOptions = {**how, "strategy": strategy}  # type: ignore[typeddict-item]
    if veto:
        asked["veto"] = ("helpfulness",)
    written = long(rows) if as_long and how else rows
    with tempfile.TemporaryDirectory() as work:
        made = make(Path(work) / "one", written, **asked)
        back = make(Path(work) / "two", written[::-1], **asked)
    assert outcome(made) == outcome(back)
    assert made.report.outcomes == back.report.outcomes
    assert made.report.rows_read == made.report.rows_used + made.report.rows_rejected
    for row in made.rows:
        assert row["score_chosen"] > row["score_rejected"]
        helpful, correct = sides(row, "helpfulness"), sides(row, "correctness")
        if veto:
            assert helpful[0] >= helpful[1]  # type: ignore[operator]
        if how.get("pareto"):
            each = [helpful, correct]
            assert all(a >= b for a, b in each)  # type: ignore[operator]
            assert any(a > b for a, b in each)  # type: ignore[operator]
        if how.get("lexicographic"):
            a, b = helpful if helpful[0] != helpful[1] else correct
            assert (row["score_chosen"], row["score_rejected"]) == (a, b)


@FEW
@given(rows=ROWS, scale=st.sampled_from([0.1, 3, 1000, 1 / 3]))
def test_only_the_proportion_of_weights_counts(rows: list[Row], scale: float) -> None:
    """Seven to three is the same as 0.7 to 0.3."""
    weights = {"helpfulness": 0.7, "correctness": 0.3, "verbosity": -0.2}
    rows = [*ANCHOR, *rows]
    with tempfile.TemporaryDirectory() as work:
        made = make(Path(work) / "one", rows, weights=weights)
        scaled = {name: weight * scale for name, weight in weights.items()}
        other = make(Path(work) / "two", rows, weights=scaled)
    assert [row["id"] for row in made.rows] == [row["id"] for row in other.rows]
    for one, two in zip(made.rows, other.rows, strict=True):
        assert one["margin"] == pytest.approx(two["margin"])
    assert made.report.outcomes == other.report.outcomes
    assert json.dumps(made.report.dimensions) == json.dumps(other.report.dimensions)
