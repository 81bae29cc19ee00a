"""From files of verdicts to agreement: joined on what was compared, whichever way it stands."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefdata.agreement.agree import AgreeReport, agree
from prefdata.agreement.agreement import AnnotatorAgreement
from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats import ReadOptions
from prefdata.io.dataset.dataset_writer import write_parquet
from prefdata.records import reasons
from prefdata.schemas import Comparison, Verdict
from tests.roundtrip import Row, jsonl, judged, pickled


def figures(report: AgreeReport, name: str) -> AnnotatorAgreement:
    return next(each for each in report.agreement.annotators if each.annotator == name)


def right(report: AgreeReport, name: str) -> tuple[float | None, float]:
    accuracy = figures(report, name).accuracy
    return accuracy.hits, accuracy.n


def votes(annotator: str, winners: str, *, turned: bool = False) -> list[Row]:
    """A verdict of one annotator on each of some comparisons, the responses in either order."""
    other = {"a": "b", "b": "a"}
    rows = []
    for number, winner in enumerate(winners):
        texts = (f"short {number}", f"the longer one {number}")
        a, b = reversed(texts) if turned else texts
        said = other.get(winner, winner) if turned else winner
        word = {"t": "tie", "-": None}.get(said, said)
        rows.append(judged(a, b, word, prompt=f"Question {number}", annotator=annotator))
    return rows


def test_files_join_on_texts_in_either_order(tmp_path: Path) -> None:
    """The second file has all responses the other way round."""
    people = jsonl(tmp_path / "people.jsonl", votes("anna", "aabb"))
    judge = jsonl(tmp_path / "judge.jsonl", votes("gpt-4", "aaba", turned=True))
    report = agree([people, judge])
    assert right(report, "gpt-4") == (3, 4)
    assert report.agreement.comparisons == 4
    assert report.agreement.people == ("anna",)
    assert report.people_from == "their names"


def test_the_order_of_the_files_changes_nothing(tmp_path: Path) -> None:
    """Not even kappa, which is about sides."""
    people = jsonl(tmp_path / "people.jsonl", votes("anna", "aabbab") + votes("bert", "abbaab"))
    judge = jsonl(tmp_path / "judge.jsonl", votes("gpt-4", "aabatb", turned=True))
    one, other = agree([people, judge]), agree([judge, people])
    assert one.agreement == other.agreement


def test_both_orders_in_a_file_show_who_flips(tmp_path: Path) -> None:
    """Twice the first answer: a flip, no verdict, and a taste for the first place."""
    rows = [*votes("anna", "aab"), *votes("gpt-4", "aaa"), *votes("gpt-4", "bab", turned=True)]
    gpt = figures(agree([jsonl(tmp_path / "v.jsonl", rows)]), "gpt-4")
    assert (gpt.flips.hits, gpt.flips.n) == (2, 3)
    assert (gpt.accuracy.hits, gpt.accuracy.n, gpt.coverage.n) == (1, 1, 3)
    assert (gpt.first_slot.hits, gpt.first_slot.n) == (5, 6)


def test_an_unusable_verdict_costs_coverage(tmp_path: Path) -> None:
    """An empty cell and an unknown word are no verdict, counted by reason."""
    rows = [*votes("anna", "aaaa"), *votes("gpt-4", "aa-x")]
    report = agree([jsonl(tmp_path / "v.jsonl", rows)])
    gpt = figures(report, "gpt-4")
    assert (gpt.coverage.hits, gpt.coverage.n) == (2, 4)
    (source,) = report.sources
    assert source.no_verdict == {reasons.NO_WINNER: 1, reasons.UNKNOWN_WINNER: 1}


def test_rows_of_no_use_are_counted_with_their_reason(tmp_path: Path) -> None:
    """Rows read are rows used and rows left out."""
    odd: list[Row | str] = [judged("", "x", "a"), judged("x", "x", "a"), '{"prompt": ']
    report = agree(
        [jsonl(tmp_path / "v.jsonl", [*votes("anna", "ab"), *votes("bert", "ab"), *odd])]
    )
    (source,) = report.sources
    assert source.rows == 7
    assert source.left_out == {reasons.EMPTY: 1, reasons.IDENTICAL: 1, reasons.BROKEN_JSON: 1}


def test_a_file_without_annotators_is_one(tmp_path: Path) -> None:
    """It has the name of the file."""
    rows = [{k: v for k, v in row.items() if k != "annotator"} for row in votes("", "aab")]
    one = jsonl(tmp_path / "anna.jsonl", rows)
    other = jsonl(tmp_path / "gpt.jsonl", rows[:2])
    report = agree([one, other])
    assert {each.annotator for each in report.agreement.annotators} == {"anna.jsonl", "gpt.jsonl"}
    assert report.agreement.people == ("anna.jsonl",)


def test_several_winner_columns_are_several_annotators(tmp_path: Path) -> None:
    """Each has the name of its column; a mapping may name columns of other files."""
    rows = [
        {"prompt": f"Q{n}", "left": "x", "right": "y", "ann": a, "bob": b}
        for n, (a, b) in enumerate([("1", "2"), ("1", "1"), ("2", "2")])
    ]
    read_options = ReadOptions(
        columns={
            "response_a": ("left",),
            "response_b": ("right",),
            "winner": ("ann", "bob", "elsewhere"),
        },
        winner={"1": "a", "2": "b"},
    )
    other = jsonl(tmp_path / "other.jsonl", [{**rows[0], "elsewhere": "2"}])
    report = agree([jsonl(tmp_path / "v.jsonl", rows), other], read_options=read_options)
    assert right(report, "ann") == (2, 4)
    assert {each.annotator for each in report.agreement.annotators} == {"ann", "bob", "elsewhere"}


def test_a_pair_is_the_verdict_of_who_made_it(tmp_path: Path) -> None:
    """Chosen stands first by convention: nothing is said about places."""
    pairs = [
        {"prompt": f"Question {n}", "chosen": f"short {n}", "rejected": f"the longer one {n}"}
        for n in range(3)
    ]
    labels = jsonl(tmp_path / "labels.jsonl", pairs)
    report = agree([labels, jsonl(tmp_path / "v.jsonl", votes("gpt-4", "aab"))])
    assert right(report, "gpt-4") == (2, 3)
    assert figures(report, "labels.jsonl").first_slot.n == 0
    assert figures(report, "gpt-4").first_slot.n == 3


def test_ids_join_what_has_no_texts(tmp_path: Path) -> None:
    """Models say which response is which, in either order."""
    people = [
        {"q": 1, "turn": 1, "model_a": "x", "model_b": "y", "winner": "model_a", "judge": "anna"},
        {"q": 1, "turn": 2, "model_a": "x", "model_b": "y", "winner": "model_b", "judge": "anna"},
    ]
    judge = [
        {
            "q": "1",
            "turn": 1,
            "model_a": "y",
            "model_b": "x",
            "winner": "model_b",
            "judge": "gpt-4",
        },
        {
            "q": "1",
            "turn": 2,
            "model_a": "y",
            "model_b": "x",
            "winner": "model_b",
            "judge": "gpt-4",
        },
    ]
    paths = [jsonl(tmp_path / "p.jsonl", people), jsonl(tmp_path / "j.jsonl", judge)]
    report = agree(paths, ids=("q", "turn"))
    assert right(report, "gpt-4") == (1, 2)
    assert report.agreement.longer_baseline is None


def test_ids_alone_take_sides_as_they_stand(tmp_path: Path) -> None:
    """Also where only one of the files has the texts, whichever order their ids have."""
    texts = [{**row, "id": n} for n, row in enumerate(votes("anna", "ab" * 10))]
    bare = [{"id": n, "verdict": "ab"[n % 2]} for n in range(20)]
    paths = [jsonl(tmp_path / "t.jsonl", texts), jsonl(tmp_path / "gpt.jsonl", bare)]
    report = agree(paths, ids=("id",))
    assert right(report, "gpt.jsonl") == (20, 20)
    assert figures(report, "gpt.jsonl").longer.n == 20


def test_ids_must_tell_comparisons_apart(tmp_path: Path) -> None:
    """Else verdicts on different answers would be held against each other."""
    rows = [{**row, "id": 7} for row in votes("anna", "ab") + votes("bert", "ab")]
    with pytest.raises(InputError) as raised:
        agree([jsonl(tmp_path / "v.jsonl", rows)], ids=("id",))
    assert str(raised.value) == ("1 of 1 values of id stand for different comparisons, such as 7")


def test_ids_need_models_in_all_files_or_in_none(tmp_path: Path) -> None:
    """With names in one only, which response is which would be a guess."""
    named = [{"id": 1, "model_a": "y", "model_b": "x", "winner": "model_a", "judge": "anna"}]
    bare = [{"id": 1, "winner": "a", "judge": "gpt"}]
    paths = [jsonl(tmp_path / "named.jsonl", named), jsonl(tmp_path / "bare.jsonl", bare)]
    with pytest.raises(UsageError, match="which response is which cannot be told by --id alone"):
        agree(paths, ids=("id",))


def test_models_can_be_left_out(tmp_path: Path) -> None:
    """Then sides are as they stand, in all files."""
    named = [{"id": 1, "model_a": "y", "model_b": "x", "winner": "model_a", "judge": "anna"}]
    bare = [{"id": 1, "winner": "a", "judge": "gpt"}]
    paths = [jsonl(tmp_path / "named.jsonl", named), jsonl(tmp_path / "bare.jsonl", bare)]
    read_options = ReadOptions(columns={"model_a": (), "model_b": ()})
    assert right(agree(paths, read_options=read_options, ids=("id",)), "gpt") == (1, 1)


def test_an_annotator_s_number_is_the_same_in_every_file(tmp_path: Path) -> None:
    """1 in JSON is 1 in CSV."""
    numbered = [{**row, "annotator": 1} for row in votes("", "ab")]
    lines = [f"{row['prompt']},{row['response_a']},{row['response_b']},a,2" for row in numbered]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["prompt,response_a,response_b,winner,annotator", *lines]))
    report = agree([jsonl(tmp_path / "j.jsonl", numbered), table])
    assert report.agreement.people == ("1", "2")


def test_the_same_annotator_twice_in_one_order_is_told(tmp_path: Path) -> None:
    """A verdict that differs from an earlier one takes both back."""
    rows = [*votes("anna", "ab"), *votes("gpt-4", "ab"), *votes("gpt-4", "aa")]
    report = agree([jsonl(tmp_path / "v.jsonl", rows)])
    assert right(report, "gpt-4") == (1, 1)
    assert (
        "2 comparisons were judged more than once by one annotator in one order: where the "
        "verdicts differ, none counts."
    ) in report.remarks


def records(kinds: bool = True) -> list[Comparison]:
    """Records as a judge and a page for people write them."""
    return [
        Comparison(
            id=f"{n}",
            prompt_id=f"{n}",
            prompt=f"Question {n}",
            response_a=f"short {n}",
            response_b=f"the longer one {n}",
            verdicts=[
                Verdict(winner="a", annotator="anna", annotator_kind="person" if kinds else None),
                Verdict(winner=w, annotator="x1", annotator_kind="model" if kinds else None),
            ],
        )
        for n, w in enumerate(["a", "b", "tie", "none"])
    ]


def stored(folder: Path, rows: Sequence[Comparison]) -> Path:
    """A data set directory with comparisons."""
    (folder / "comparisons").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "manifest.json").write_text(json.dumps({"program": "prefdata"}))
    schema = Comparison.arrow_schema()
    frame = pl.DataFrame([row.model_dump() for row in rows], infer_schema_length=None)
    frame = frame.with_columns(
        pl.col("verdicts").list.eval(
            pl.struct(
                *(
                    pl.element().struct.field(name)
                    for name in ("winner", "annotator", "annotator_kind")
                ),
                pl.lit(None, pl.Float64).alias("strength"),
                pl.lit(
                    None,
                    pl.List(pl.Struct({"dimension": pl.String, "a": pl.Float64, "b": pl.Float64})),
                ).alias("scores"),
                pl.lit(None, pl.String).alias("evidence"),
            )
        ),
        *(
            pl.col(name).list.eval(
                pl.struct(pl.element().struct.field("role"), pl.element().struct.field("content"))
            )
            for name in ("prompt", "response_a", "response_b")
        ),
        *(pl.lit(None, pl.String).alias(name) for name in ("model_a", "model_b", "source")),
    )
    write_parquet(frame, folder / "comparisons" / "c-0.parquet", schema)
    return folder


def test_a_data_set_directory_gives_its_comparisons(tmp_path: Path) -> None:
    """Who is a person stands in the data; what was shown first does not."""
    report = agree([stored(tmp_path / "judged", records())])
    assert right(report, "x1") == (1, 2)
    x1 = figures(report, "x1")
    assert (x1.coverage.hits, x1.coverage.n) == (2, 4)
    assert x1.first_slot.n == 0
    assert report.people_from == "the data"
    assert report.sources[0].rows == 4


def test_the_calls_of_a_judge_show_its_flips(tmp_path: Path) -> None:
    """Where a data set directory tells what came back in each order; the last round counts."""
    folder = stored(tmp_path / "judged", records())
    (folder / "calls").mkdir()
    said = [("0", "aa"), ("1", "bb"), ("2", "ab"), ("3", "a-")]
    words = {"-": "none"}
    calls = [
        ("x1", case, order, 0, words.get(winner, winner))
        for case, winners in said
        for order, winner in zip(("ab", "ba"), winners, strict=True)
    ]
    calls += [("x1", "2", "ab", 1, "a"), ("x1", "2", "ba", 1, "tie")]
    names = ["judge", "comparison", "order", "round", "winner"]
    pl.DataFrame(calls, names, orient="row").write_parquet(folder / "calls" / "calls-0.parquet")
    x1 = figures(agree([folder]), "x1")
    assert x1.verdicts == 8
    assert (x1.accuracy.hits, x1.accuracy.n, x1.coverage.n) == (1, 2, 4)
    assert (x1.flips.hits, x1.flips.n) == (1, 3)
    assert (x1.first_slot.hits, x1.first_slot.n) == (4, 6)


def test_records_as_json_lines_join_with_other_files(tmp_path: Path) -> None:
    """The published schema of a comparison is read as it is."""
    path = tmp_path / "records.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in records(kinds=False)))
    report = agree([path, jsonl(tmp_path / "v.jsonl", votes("bert", "aaaa", turned=True))])
    assert right(report, "bert") == (5, 6)
    assert report.agreement.comparisons == 4


def test_categories_may_stand_in_one_file(tmp_path: Path) -> None:
    """They are those of the comparison."""
    people = [{**row, "kind": "abc"[n // 2]} for n, row in enumerate(votes("anna", "aabba"))]
    paths = [
        jsonl(tmp_path / "p.jsonl", people),
        jsonl(tmp_path / "j.jsonl", votes("gpt-4", "abbbb", turned=True)),
    ]
    report = agree(paths, by="kind")
    found = {name: each.judges[0].accuracy for name, each in report.agreement.categories.items()}
    assert {name: (share.hits, share.n) for name, share in found.items()} == {
        "a": (1, 2),
        "b": (2, 2),
        "c": (0, 1),
    }


@pytest.mark.parametrize("name", ["item", "row", "line", "winner_id", "reason", "source", "@id"])
def test_a_column_of_ids_may_have_any_name(tmp_path: Path, name: str) -> None:
    """It is in the way of nothing."""
    rows = [{**row, name: f"x{n % 4}"} for n, row in enumerate(votes("anna", "aabb"))]
    rows += [{**row, name: f"x{n % 4}"} for n, row in enumerate(votes("gpt-4", "aabt"))]
    path = jsonl(tmp_path / "v.jsonl", rows)
    assert right(agree([path], ids=(name,)), "gpt-4") == (3, 3)
    assert len(agree([path], by=name).agreement.categories) == 4


def test_transcripts_of_a_known_layout_are_verdicts_too(tmp_path: Path) -> None:
    """HH-RLHF labels as one annotator, held against a judge on the same pairs."""
    said = [("4", "5"), ("Hello!", "Go away.")]
    pairs = [
        {
            "chosen": f"\n\nHuman: Q {n}\n\nAssistant: {good}",
            "rejected": f"\n\nHuman: Q {n}\n\nAssistant: {bad}",
        }
        for n, (good, bad) in enumerate(said)
    ]
    judge = [
        judged(bad, good, "b", prompt=f"Q {n}", annotator="gpt-4")
        for n, (good, bad) in enumerate(said)
    ]
    paths = [jsonl(tmp_path / "hh.jsonl", pairs), jsonl(tmp_path / "j.jsonl", judge)]
    report = agree(paths)
    assert right(report, "gpt-4") == (2, 2)
    assert figures(report, "hh.jsonl").first_slot.n == 0


def test_who_is_a_person_can_be_said(tmp_path: Path) -> None:
    """By name or pattern; the others are held against them."""
    rows = [*votes("rater_1", "aa"), *votes("rater_2", "aa"), *votes("bot", "ab")]
    report = agree([jsonl(tmp_path / "v.jsonl", rows)], people=["rater_*"])
    assert report.agreement.people == ("rater_1", "rater_2")
    assert [each.annotator for each in report.agreement.judges] == ["bot"]
    with pytest.raises(UnknownNameError, match="unknown annotator 'expert_"):
        agree([tmp_path / "v.jsonl"], people=["expert_*"])


def test_one_judge_alone_shows_its_flips(tmp_path: Path) -> None:
    """There is nobody to agree with, and still something to see."""
    rows = [*votes("gpt-4", "aa"), *votes("gpt-4", "ab", turned=True)]
    report = agree([jsonl(tmp_path / "v.jsonl", rows)])
    gpt = figures(report, "gpt-4")
    assert (gpt.flips.hits, gpt.flips.n) == (1, 2)
    assert gpt.accuracy.n == 0
    assert "There is one annotator: how far others agree is not known." in report.remarks


def test_sources_that_share_no_comparison_are_refused(tmp_path: Path) -> None:
    """With who judged what, and the two ways out."""
    with pytest.raises(InputError) as raised:
        agree([jsonl(tmp_path / "v.jsonl", votes("anna", "ab"))])
    assert str(raised.value) == (
        "no two annotators judged the same comparison (2 comparisons; 1 annotator: anna)"
    )
    assert "--id question_id,turn" in raised.value.hint


LLMBAR = {
    ("MT-Bench", "GPT-4"): (149, 174, 200),
    ("MT-Bench", "ChatGPT"): (100, 115, 200),
    ("MT-Bench", "PaLM2"): (114, 140, 200),
    ("Natural", "GPT-4"): (92, 97, 100),
    ("Natural", "ChatGPT"): (63, 68, 100),
    ("Natural", "PaLM2"): (74, 81, 100),
}


@pytest.mark.shared
def test_recorded_judges_have_the_agreement_that_is_known(data: Path, tmp_path: Path) -> None:
    """Accuracy and coverage where both orders agree, for each set and judge."""
    with gzip.open(data / "llmbar" / "recorded-judgments.jsonl.gz", "rt", encoding="utf-8") as file:
        recorded = [json.loads(line) for line in file]
    path = jsonl(tmp_path / "v.jsonl", [row for each in recorded for row in _as_shown(each)])
    report = agree([path], ids=("item",), by="set", people=["human"])
    for (name, judge), (hits, decided, asked) in LLMBAR.items():
        inside = report.agreement.categories[name]
        found = next(each for each in inside.annotators if each.annotator == judge)
        assert (found.accuracy.hits, found.accuracy.n, found.coverage.n) == (hits, decided, asked)


def _as_shown(each: dict[str, Any]) -> list[Row]:
    """A recorded reply and the label, the responses as they were shown."""
    first, second = each["shown"].split("-")
    sides = {first: "a", second: "b"}
    row = {
        "prompt": each["prompt"],
        "response_a": each[f"response_{first}"],
        "response_b": each[f"response_{second}"],
        **{name: each[name] for name in ("set", "item")},
    }
    return [
        {**row, "annotator": each["judge"], "winner": sides.get(each["winner"])},
        {**row, "annotator": "human", "winner": sides[str(each["human_label"])]},
    ]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("turn", "ties", "judge", "people"),
    [
        ("1", False, (727, 859), (388, 479)),
        ("1", True, (886, 1343), (454, 721)),
        ("2", False, (731, 864), (388, 474)),
        ("2", True, (871, 1325), (471, 707)),
    ],
)
def test_mt_bench_is_that_of_its_paper(
    data: Path, turn: str, judge: tuple[int, int], people: tuple[int, int], *, ties: bool
) -> None:
    """Zheng et al. (2023), table 5: 85 % and 81 % in setup S2, 66 % and 63 % in S1, turn one."""
    sources = [data / "mt-bench-human" / name for name in ("human.jsonl", "gpt4_pair.jsonl")]
    report = agree(sources, ids=("question_id", "turn"), by="turn", people=["expert_*"])
    found = report.agreement.categories[turn]
    (gpt,) = (each for each in found.annotators if each.annotator == "gpt4_pair")
    accuracy, ceiling = (
        (gpt.accuracy_with_ties, found.ceiling_with_ties) if ties else (gpt.accuracy, found.ceiling)
    )
    assert (accuracy.hits, accuracy.n) == judge
    assert (ceiling.hits, ceiling.n) == people


PANDALM = ReadOptions(
    columns={
        "prompt": ("instruction", "input"),
        "response_a": ("response1",),
        "response_b": ("response2",),
        "winner": ("annotator1", "annotator2", "annotator3", "gpt_result"),
    },
    winner={"1": "a", "2": "b", "0": "tie"},
)


@pytest.mark.shared
def test_pandalm_is_what_a_plain_count_gives(data: Path) -> None:
    """Three people, and a judge that stands in another file, without texts."""
    people = data / "pandalm" / "testset-v1.json"
    judge = data / "pandalm" / "gpt-3.5-turbo-testset-v1.json"
    report = agree(
        [people, judge],
        read_options=PANDALM,
        ids=["idx"],
        people=["annotator*"],
        against="majority",
    )
    replies = {r["idx"]: r["gpt_result"] for r in json.loads(judge.read_text(encoding="utf-8"))}
    rows = json.loads(people.read_text(encoding="utf-8"))
    read = [row for row in rows if _readable(row)]
    assert sum(report.sources[0].left_out.values()) == len(rows) - len(read)
    assert report.sources[1].no_verdict == {reasons.UNKNOWN_WINNER: 25}
    hits = decided = 0
    for row in read:
        said = [row[f"annotator{n}"] for n in (1, 2, 3)]
        (top,) = [v for v in set(said) if said.count(v) > 1] or [0]
        if top and replies[row["idx"]] in "12":
            decided += 1
            hits += replies[row["idx"]] == str(top)
    name = "gpt-3.5-turbo-testset-v1.json"
    assert right(report, name) == (hits, decided)
    assert figures(report, name).accuracy.value == pytest.approx(0.81, abs=0.01)


def _readable(row: dict[str, Any]) -> bool:
    """Whether both responses are texts, and not blank."""
    texts = [row["response1"], row["response2"]]
    return all(isinstance(text, str) and text.strip() for text in texts)


@pytest.mark.shared
def test_pandalm_people_agree_as_a_plain_count_says(data: Path) -> None:
    """Pair by pair, on the raw columns; kappa about 0.85, as the paper reports."""
    paths = [data / "pandalm" / "testset-v1.json"]
    read_options = {**PANDALM.columns, "winner": PANDALM.columns["winner"][:3]}
    report = agree(paths, read_options=ReadOptions(read_options, PANDALM.winner), ids=["idx"])
    rows = [r for r in json.loads(paths[0].read_text(encoding="utf-8")) if _readable(r)]
    pairs = [
        (row[f"annotator{m}"], row[f"annotator{n}"])
        for row in rows
        for m, n in ((1, 2), (1, 3), (2, 3))
    ]
    same = sum(one == other for one, other in pairs)
    found = report.agreement
    assert (found.ceiling_with_ties.hits, found.ceiling_with_ties.n) == (same, len(pairs))
    assert [each.kappa for each in found.annotators] == [
        pytest.approx(0.86, abs=0.02) for _ in range(3)
    ]


@pytest.mark.shared
def test_a_judge_in_both_orders_flips_as_often_as_counted(data: Path) -> None:
    """2,240 pairs: 13 verdicts cannot be read, and 860 of the others change with the order."""
    path = data / "qlora" / "vicuna-gpt4-pairs.jsonl.gz"
    gpt = figures(
        agree([path], read_options=ReadOptions(winner={"1": "a", "2": "b", "3": "tie"})), "gpt-4"
    )
    assert (gpt.flips.hits, gpt.flips.n) == (860, 2227)
    assert gpt.first_slot.value == pytest.approx(0.65, abs=0.001)


def test_records_in_either_order_are_one_comparison() -> None:
    """They are a source as they are; the verdict is turned with the responses."""
    one = Comparison(
        prompt="2+2?",
        response_a="4",
        response_b="It is 5.",
        verdicts=[Verdict(winner="a", annotator="anna", annotator_kind="person")],
    )
    gpt = Verdict(winner="a", annotator="gpt", annotator_kind="model")
    other = one.model_copy(update={"verdicts": [gpt]}).swapped()
    report = agree([one, other])
    assert (report.agreement.comparisons, report.agreement.verdicts) == (1, 2)
    assert right(report, "gpt") == (1, 1)
    assert figures(report, "gpt").longer.hits == 0


def test_frames_are_sources(tmp_path: Path) -> None:
    """Of Polars here, beside a file, and a list of rows; all give what files would."""
    people, judge = votes("anna", "aabb"), votes("gpt-4", "aaba", turned=True)
    as_files = agree([jsonl(tmp_path / "a.jsonl", people), jsonl(tmp_path / "b.jsonl", judge)])
    mixed: list[pl.DataFrame | Path] = [pl.DataFrame(people), tmp_path / "b.jsonl"]
    as_frames = agree(mixed)
    assert as_frames.agreement == as_files.agreement
    assert as_frames.source_names == ("DataFrame", str(tmp_path / "b.jsonl"))
    assert agree([*people, *judge]).agreement == as_files.agreement


def test_a_report_and_an_error_can_be_pickled() -> None:
    """As a process pool has it."""
    rows = [*votes("anna", "ab"), *votes("gpt-4", "aa")]
    report = agree(rows)
    again = pickled(report)
    assert again == report
    assert json.dumps(again.to_dict()) == json.dumps(report.to_dict())
    with pytest.raises(InputError) as caught:
        agree(votes("anna", "ab"))
    error = pickled(caught.value)
    assert (str(error), error.hint) == (str(caught.value), caught.value.hint)
