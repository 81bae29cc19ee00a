"""What went wrong in other projects, each with a row that would show it here."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.errors import UsageError
from prefdata.formats import ReadOptions
from tests.roundtrip import Converted, Row, judged, labelled, make, pair, rated

GOOD = pair("good", "bad", "another prompt")


def messages(*texts: str) -> list[dict[str, str]]:
    """Turns by user and assistant, one after the other."""
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]


def why(made: Converted, line: int = 1) -> list[object]:
    return [reject["reason"] for reject in made.rejects if reject["line"] == line]


def test_axolotl_took_the_worst_rank_of_nectar_as_chosen(tmp_path: Path) -> None:
    """Rank 1 is best (axolotl took the worst rank as chosen)."""
    row = {"prompt": "2 + 2?", "responses": ["6", "4", "5"], "ranks": [3, 1, 2]}
    assert make(tmp_path, [row]).answers == [("4", "6")]


def test_open_instruct_drew_better_answers_as_rejected(tmp_path: Path) -> None:
    """Whatever is drawn is worse than what is chosen (open-instruct drew from all the others)."""
    answers = [f"rank {n}" for n in range(1, 8)]
    rows = [
        {"prompt": f"prompt {n}", "responses": answers, "ranks": list(range(1, 8))}
        for n in range(40)
    ]
    made = make(tmp_path, rows, strategy="best-random")
    assert len(made.rows) == 40
    assert {str(row["chosen"]) for row in made.rows} == {"rank 1"}
    assert len({str(row["rejected"]) for row in made.rows}) > 3


@pytest.mark.parametrize("missing", ["N/A", "", None, "nan", "-"])
def test_open_instruct_read_not_available_as_minus_one(tmp_path: Path, missing: str | None) -> None:
    """A missing rating is missing: it enters no mean and makes no pair (open-instruct: -1)."""
    rows = [rated("x", 2), rated("x", missing), rated("y", 1), rated("z", missing)]
    made = make(tmp_path, rows)
    assert made.answers == [("x", "y")]
    assert made.only["score_chosen"] == 2.0
    assert why(made, 2) == why(made, 4) == ["field is missing"]


def test_open_instruct_shifted_answers_behind_a_bad_row(tmp_path: Path) -> None:
    """Rows behind an unreadable one keep their own prompts (open-instruct shifted all answers)."""
    rows = [pair(f"good {n}", f"bad {n}", f"prompt {n}") for n in range(6)]
    made = make(tmp_path, [*rows[:3], '{"prompt": "cut', rated("", "N/A"), *rows[3:]])
    assert len(made.rows) == 6
    for row in made.rows:
        number = str(row["prompt"]).split()[1]
        assert (row["chosen"], row["rejected"]) == (f"good {number}", f"bad {number}")


def test_distilabel_paired_an_answer_with_itself_when_all_tied(tmp_path: Path) -> None:
    """Equal ratings give no pair of equal texts (distilabel)."""
    made = make(tmp_path, [rated("x", 3), rated("y", 3), rated("p", 2, "P"), rated("q", 1, "P")])
    assert made.answers == [("p", "q")]


def test_nemo_rl_and_alpaca_farm_made_identical_pairs_of_ties(tmp_path: Path) -> None:
    """A tie is an outcome of its own (NeMo-RL, alpaca_farm wrote chosen = rejected)."""
    made = make(tmp_path, [judged("x", "y", "tie"), judged("p", "q", "b")])
    assert made.answers == [("q", "p")]
    assert why(made) == ["tie"]


@pytest.mark.parametrize("reply", ["error", "N/A", "", None])
def test_evals_and_reward_bench_counted_no_verdict_for_b(tmp_path: Path, reply: str | None) -> None:
    """An unusable verdict is no verdict (evals, RewardBench counted it for B or as half a win)."""
    made = make(tmp_path, [judged("x", "y", reply), judged("p", "q", "a")])
    assert made.answers == [("p", "q")]
    assert why(made) == ["no verdict"]


def test_trl_judges_unflipped_a_failure_to_two(tmp_path: Path) -> None:
    """A failure marked as -1 is asked about, not read as a side (TRL's judges made it a 2)."""
    with pytest.raises(UsageError, match="can be read in two ways"):
        make(tmp_path, [judged("x", "y", -1), judged("p", "q", 1), judged("r", "s", 0)])


def test_trl_trained_on_the_prompt_inside_the_completion(tmp_path: Path) -> None:
    """A prompt beside full conversations is taken off them (TRL trained on it twice)."""
    row = {
        "prompt": messages("Hi"),
        "chosen": messages("Hi", "Hello!"),
        "rejected": messages("Hi", "Go."),
    }
    only = make(tmp_path, [row]).only
    assert (only["prompt"], only["chosen"], only["rejected"]) == ("Hi", "Hello!", "Go.")


def test_trl_crashed_on_a_text_prompt_with_message_answers(tmp_path: Path) -> None:
    """The ultrafeedback_binarized shape (TRL crashed, or not, by the hash seed)."""
    row = {"prompt": "Hi", "chosen": messages("Hi", "Hello!"), "rejected": messages("Hi", "Go.")}
    only = make(tmp_path, [row]).only
    assert (only["prompt"], only["chosen"], only["rejected"]) == ("Hi", "Hello!", "Go.")


def test_trl_extract_prompt_took_letters_off_a_prefix_pair(tmp_path: Path) -> None:
    """Paris against Paris, France: both whole (TRL's extract_prompt moved letters)."""
    rows = [pair("Paris, France", "Paris", "Capital?"), pair("Paris", "Paris, Texas", "City?")]
    assert make(tmp_path, rows).answers == [("Paris", "Paris, Texas"), ("Paris, France", "Paris")]


def test_trl_extract_prompt_cut_inside_a_turn(tmp_path: Path) -> None:
    """The shared beginning is cut between turns, never inside one."""
    row = {"chosen": messages("City?", "Paris, France"), "rejected": messages("City?", "Paris")}
    only = make(tmp_path, [row]).only
    assert (only["prompt"], only["chosen"], only["rejected"]) == (
        "City?",
        "Paris, France",
        "Paris",
    )


def test_trl_extract_prompt_raised_on_an_empty_answer(tmp_path: Path) -> None:
    """An empty string has its line in the rejects (TRL raised an index error)."""
    assert why(make(tmp_path, [pair("", "bad"), GOOD])) == ["text is empty"]


@pytest.mark.parametrize("turns", [3, 5, 7])
def test_axolotl_argilla_chat_made_chosen_equal_rejected(tmp_path: Path, turns: int) -> None:
    """Of long conversations the last answer is what differs (axolotl argilla_chat)."""
    shared = [f"turn {n}" for n in range(turns)]
    row = {"chosen": messages(*shared, "good"), "rejected": messages(*shared, "bad")}
    only = make(tmp_path, [row]).only
    assert (only["prompt"], only["chosen"], only["rejected"]) == (
        " | ".join(shared),
        "good",
        "bad",
    )


@pytest.mark.parametrize("words", [(True, False), (1, 0), ("true", "false"), ("True", "False")])
def test_llama_factory_dropped_labels_of_zero_and_one(
    tmp_path: Path, words: tuple[object, object]
) -> None:
    """Bool, 0 and 1, words: all are labels (LLaMA-Factory dropped 0 and 1)."""
    made = make(tmp_path, [labelled("x", words[0]), labelled("y", words[1])])
    assert {row["completion"]: row["label"] for row in made.rows} == {"x": True, "y": False}


def test_llama_factory_injected_a_system_prompt(tmp_path: Path) -> None:
    """No system prompt that the source does not have (LLaMA-Factory's openai format)."""
    row = {"prompt": messages("Hi"), "chosen": messages("Hi", "A")[1:], "rejected": "B"}
    made = make(tmp_path, [{**row, "rejected": messages("Hi", "B")[1:]}])
    assert made.only["prompt"] == "Hi"


def test_hh_readers_raised_on_a_transcript_inside_another(tmp_path: Path) -> None:
    """One row is refused with the reason, the others convert (HH readers raised)."""
    begin = "\n\nHuman: Hi\n\nAssistant: Hello"
    rows = [
        {"chosen": begin, "rejected": f"{begin}\n\nHuman: Why?\n\nAssistant: So."},
        {"chosen": f"{begin}!", "rejected": f"{begin}?"},
    ]
    made = make(tmp_path, rows)
    assert made.answers == [("Hello!", "Hello?")]
    assert why(made) == ["chosen and rejected answer different prompts"]


def test_several_took_the_prompt_of_chosen_for_both(tmp_path: Path) -> None:
    """Answers to different prompts are no pair (several projects take the prompt of chosen)."""
    row = {"chosen": messages("Hi", "Hello!"), "rejected": messages("Bye", "Go.")}
    whole = {"chosen": messages("Hi", "Hello!"), "rejected": messages("Hi", "Go.")}
    made = make(tmp_path, [row, whole])
    assert made.answers == [("Hello!", "Go.")]
    assert why(made) == ["chosen and rejected answer different prompts"]


def test_rlhflow_evaluated_on_rows_of_the_training_set(tmp_path: Path) -> None:
    """One prompt in two spellings and two files is in one split (RLHFlow evaluated on training)."""
    one = [pair("x", "y", f"prompt {n}") for n in range(50)]
    two = [pair("x", "z", f"prompt {n}\n") for n in range(50)]
    made = make(tmp_path, one, two, test_size=0.5)
    both = {(str(row["prompt"]).strip(), row["split"]) for row in made.rows}
    assert len(both) == 50
    assert len({split for _, split in both}) == 2


def test_ms_swift_lost_half_of_a_million_rows(tmp_path: Path) -> None:
    """Each line of a file is named with what became of it (ms-swift lost half of a million)."""
    rows: list[Row | str] = ["{", pair("x", "y"), "", pair("x", "y"), pair("same", "same")]
    rows += ["[]", {"prompt": "Q", "chosen": "a", "rejected": None}]
    made = make(tmp_path, rows)
    assert {entry["line"]: entry["reason"] for entry in made.ledger} == {
        1: "not valid JSON",
        2: "kept",
        4: "duplicate of a pair",
        5: "both responses are the same",
        6: "not a JSON object",
        7: "field is missing",
    }


def test_a_line_that_says_null_is_one_line(tmp_path: Path) -> None:
    """At the beginning it ended the process inside of pyarrow; elsewhere it became an empty row."""
    made = make(tmp_path, ["null", " null ", pair("x", "y"), "null"])
    assert made.answers == [("x", "y")]
    assert [(r["line"], r["reason"]) for r in made.rejects] == [
        (line, "not a JSON object") for line in (1, 2, 4)
    ]


def test_llama_factory_left_ranked_lists_to_the_user(tmp_path: Path) -> None:
    """A ranked list is a source as it is (LLaMA-Factory: convert to pairs yourself)."""
    row = {"prompt": "Q", "output": ["best", "middle", "worst"]}
    made = make(
        tmp_path, [row], read_options=ReadOptions(columns={"ranked": ("output",)}), strategy="all"
    )
    assert made.answers == [("best", "middle"), ("best", "worst"), ("middle", "worst")]


@pytest.mark.parametrize("score", ["inf", "-inf", "nan", "1e308", 1e308])
def test_scores_that_nobody_gave(tmp_path: Path, score: object) -> None:
    """Infinite, undefined and absurd scores are refused and enter no mean."""
    made = make(tmp_path, [rated("x", 2), rated("x", score), rated("y", 1), rated("y", score)])
    assert (made.only["chosen"], made.only["margin"]) == ("x", 1.0)
    assert len(made.rejects) == 2
