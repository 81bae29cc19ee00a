"""What the known sets hold besides which answer won: scores, votes, strengths, dimensions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefdata.formats import ReadOptions
from tests.roundtrip import Converted, Row, converted, jsonl

SAMPLES = Path(__file__).parent / "samples"


def rows(name: str) -> list[dict[str, object]]:
    """The rows of a format's sample."""
    return [
        json.loads(line) for line in (SAMPLES / f"{name}.jsonl").read_text("utf-8").split("\n")[:-1]
    ]


def of(outcome: Converted, prompt: str) -> Row:
    """The one pair whose prompt ends with that."""
    (match,) = [row for row in outcome.rows if row["prompt"].endswith(prompt)]
    return match


def test_ultrafeedback_takes_the_mean_of_the_ratings_that_are_there(tmp_path: Path) -> None:
    """5, N/A, 5, 5 is 5; N/A is no -1 in the mean, and no 0 (open-instruct took -1)."""
    outcome = converted(jsonl(tmp_path / "u.jsonl", rows("ultrafeedback")))
    pair = of(outcome, "Three?")
    assert (pair["score_chosen"], pair["score_rejected"]) == (5.0, 4.75)


def test_ultrafeedback_names_the_model_of_the_answer(tmp_path: Path) -> None:
    """By the answer itself: the list of models may be in another order."""
    pair = of(converted(jsonl(tmp_path / "u.jsonl", rows("ultrafeedback"))), "Two?")
    assert (pair["model_chosen"], pair["model_rejected"]) == ("gpt-4", "alpaca")


def test_ultrafeedback_turned_scores_of_1_into_10_which_count_by_overall_only(
    tmp_path: Path,
) -> None:
    """The bogus 10 wins where overall is asked for, and only there."""
    read_options = ReadOptions(dimension="overall")
    outcome = converted(
        jsonl(tmp_path / "u.jsonl", rows("ultrafeedback")), read_options=read_options
    )
    bogus = of(outcome, "Six?")
    assert bogus["score_chosen"] == 10.0
    assert bogus["chosen"] == "bad"
    assert of(outcome, "One?")["score_chosen"] == 9.0


@pytest.mark.parametrize(
    ("prompt", "votes", "agreement", "margin"), [("One?", 3, 1.0, 3.0), ("Two?", 3, 2 / 3, 1.0)]
)
def test_helpsteer3_counts_its_annotators(
    tmp_path: Path, prompt: str, votes: int, agreement: float, margin: float
) -> None:
    """The overall preference decides; who agrees with it is counted."""
    pair = of(converted(jsonl(tmp_path / "h.jsonl", rows("helpsteer3-preference"))), prompt)
    assert (pair["votes"], pair["margin"]) == (votes, margin)
    assert pair["agreement"] == pytest.approx(agreement)


def test_helpsteer2_disagreements_can_be_resolved_by_the_median(tmp_path: Path) -> None:
    """The ratings of all annotators are there: 4, 0, 1 has a mean of 5/3 and a median of 1."""
    source = jsonl(tmp_path / "d.jsonl", rows("helpsteer2-disagreements"))
    assert of(converted(source), "Two?")["score_rejected"] == pytest.approx(5 / 3)
    median = converted(source, aggregate="median")
    assert of(median, "Two?")["score_rejected"] == 1.0


def test_shp_keeps_pairs_by_the_ratio_of_votes(tmp_path: Path) -> None:
    """--min-margin 2: twice the votes, as DPO was trained on."""
    source = jsonl(tmp_path / "s.jsonl", rows("shp"))
    assert {row["margin"] for row in converted(source).rows} == {3.0, 5 / 3, 4.0}
    strong = converted(source, min_margin=2.0)
    assert {row["margin"] for row in strong.rows} == {3.0, 4.0}


def test_webgpt_takes_the_score_as_margin(tmp_path: Path) -> None:
    """A score of 0.5 is weaker than one of 1."""
    outcome = converted(jsonl(tmp_path / "w.jsonl", rows("webgpt")))
    assert {row["prompt"]: row["margin"] for row in outcome.rows} == {
        "One?": 0.5,
        "Two?": 1.0,
    }


def test_summaries_are_rated_by_the_axis_that_is_asked_for(tmp_path: Path) -> None:
    """The summary that is worse overall is the more accurate one."""
    source = jsonl(tmp_path / "a.jsonl", rows("summarize-axis"))
    overall = converted(source)
    accuracy = converted(source, read_options=ReadOptions(dimension="accuracy"))
    assert [row["chosen"] for row in overall.rows] == ["good", "good"]
    assert [row["chosen"] for row in accuracy.rows] == ["bad"]
    assert {row["score_chosen"] for row in overall.rows} == {6.0}


def test_nectar_takes_the_best_rank_whatever_the_order(tmp_path: Path) -> None:
    """Seven answers, shuffled: rank 1 over rank 7 (axolotl took the worst rank as chosen)."""
    order = [4, 7, 1, 6, 2, 5, 3]
    row = {
        "prompt": "\n\nHuman: Which?\n\nAssistant: ",
        "answers": [{"answer": f"rank {n}", "model": f"m{n}", "rank": float(n)} for n in order],
    }
    pair = of(converted(jsonl(tmp_path / "n.jsonl", [row])), "Which?")
    assert pair["chosen"] == "rank 1"
    assert pair["rejected"] == "rank 7"
    assert (pair["model_chosen"], pair["model_rejected"]) == ("m1", "m7")


def test_an_answer_in_a_csv_that_is_json_stays_text(tmp_path: Path) -> None:
    """Only columns that mostly hold lists are read as lists."""
    (tmp_path / "h.csv").write_text(
        "prompt,response,helpfulness,correctness,coherence,complexity,verbosity\n"
        'Five as JSON?,"[""5""]",4,4,4,0,0\n'
        "Five as JSON?,no,0,0,0,0,0\n"
        "Six?,6,4,4,4,0,0\n"
        "Six?,no,0,0,0,0,0\n",
        "utf-8",
    )
    outcome = converted(tmp_path / "h.csv")
    assert outcome.pairs == {("Five as JSON?", '["5"]', "no"), ("Six?", "6", "no")}
