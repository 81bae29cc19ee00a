"""The formats in YAML under examples/formats, on rows written by hand.

The real files that they describe are converted and counted in `tests.conversion.test_real`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.formats.spec.load import load_format
from tests.roundtrip import Converted, Reject, Row, converted, jsonl

EXAMPLES = Path(__file__).parents[2] / "examples" / "formats"


def convert_rows(folder: Path, name: str, *rows: Row) -> Converted:
    return converted(jsonl(folder / "rows.jsonl", rows), format=str(EXAMPLES / f"{name}.yaml"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_under_15_lines_and_loads(path: Path) -> None:
    """A source that nobody foresaw is described in a few lines."""
    assert len(path.read_text("utf-8").splitlines()) < 15
    assert load_format(path).name == path.stem


def test_all_examples_are_there() -> None:
    """A glob that finds nothing would test nothing."""
    names = {"auto-j", "oasst-rm", "pandalm", "qlora"}
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == names


def panda(question: str, first: object, second: object, *votes: object) -> dict[str, object]:
    verdicts = {f"annotator{number}": vote for number, vote in enumerate(votes, 1)}
    return {
        "instruction": question,
        "input": "",
        "response1": first,
        "response2": second,
        **verdicts,
    }


def test_pandalm_takes_the_majority_of_three_people(tmp_path: Path) -> None:
    """1 is the first, 2 the second, 0 a tie; a response that is true or empty is refused."""
    outcome = convert_rows(
        tmp_path,
        "pandalm",
        panda("One?", "good", "bad", 1, 1, 2),
        {**panda("Two?", "bad", "good", 2, 2, 2), "input": "With this."},
        panda("Three?", "x", "y", 0, 0, 1),
        panda("Four?", "x", "y", 0, 1, 2),
        panda("Five?", "good", True, 1, 1, 1),
        panda("Six?", "good", "", 1, 1, 1),
        panda("Seven?", "good", "bad", 1, None, 7),
    )
    assert outcome.pairs == {
        ("One?", "good", "bad"),
        ("Two?\nWith this.", "good", "bad"),
        ("Seven?", "good", "bad"),
    }
    votes = {row["prompt"]: row["votes"] for row in outcome.rows}
    assert votes == {"One?": 3, "Two?\nWith this.": 3, "Seven?": 1}
    assert {each.line: each.reason for each in outcome.refused} == {
        3: "tie",
        4: "verdicts contradict each other",
        5: "wrong type",
        6: "text is empty",
    }


def test_auto_j_has_the_first_at_0_and_the_second_at_1(tmp_path: Path) -> None:
    """2 is a tie, and any other number is no verdict."""

    def judged(question: str, first: str, second: str, label: object) -> dict[str, object]:
        return {"prompt": question, "response 1": first, "response 2": second, "label": label}

    outcome = convert_rows(
        tmp_path,
        "auto-j",
        judged("One?", "good", "bad", 0),
        judged("Two?", "bad", "good", 1),
        judged("Three?", "x", "y", 2),
        judged("Four?", "x", "y", 3),
    )
    assert outcome.pairs == {("One?", "good", "bad"), ("Two?", "good", "bad")}
    assert {each.line: each.reason for each in outcome.refused} == {
        3: "tie",
        4: "winner is not one of the known words",
    }


def test_qlora_cancels_verdicts_that_turn_with_the_order(tmp_path: Path) -> None:
    """The same two answers in both orders: 1 is whichever stands first, 3 a tie."""

    def verdict(question: str, first: str, second: str, score: object) -> dict[str, object]:
        sides = {"response_1": first, "response_2": second, "model_1": "n", "model_2": "s"}
        return {"prompt": question, **sides, "score": score, "judge": "gpt-4"}

    outcome = convert_rows(
        tmp_path,
        "qlora",
        verdict("One?", "good", "bad", 1),
        verdict("One?", "bad", "good", 2),
        verdict("Two?", "x", "y", 1),
        verdict("Two?", "y", "x", 1),
        verdict("Three?", "x", "y", 3),
        verdict("Four?", "x", "y", 0),
    )
    assert outcome.pairs == {("One?", "good", "bad")}
    (row,) = outcome.rows
    assert (row["votes"], row["model_chosen"], row["model_rejected"]) == (2, "n", "s")
    assert [each[:3] for each in outcome.refused] == [
        (3, "", "verdicts contradict each other"),
        (4, "", "verdicts contradict each other"),
        (5, "", "tie"),
        (6, "score", "winner is not one of the known words"),
    ]


def test_oasst_rm_ranks_answers_by_their_place(tmp_path: Path) -> None:
    """The first is the best, the last the worst; the history stands before the question."""
    outcome = convert_rows(
        tmp_path,
        "oasst-rm",
        {"instruction": "One?", "input": "", "output": ["good", "so-so", "bad"], "history": []},
        {
            "instruction": "Two?",
            "input": "With this.",
            "output": ["good", "bad"],
            "history": [["Hi", "Hello"]],
        },
        {"instruction": "Three?", "input": "", "output": ["alone"], "history": []},
        {"instruction": "Four?", "input": "", "output": [], "history": []},
        {"instruction": "Five?", "input": "", "output": "text", "history": []},
        {"instruction": "Six?", "input": "", "output": ["good", ""], "history": None},
    )
    assert outcome.pairs == {
        ("One?", "good", "bad"),
        ("Hi | Hello | Two?\nWith this.", "good", "bad"),
    }
    assert [reject for reject in outcome.refused if reject.line in (4, 5)] == [
        Reject(4, "output[]", "fewer than two responses", "the list is empty"),
        Reject(5, "output[]", "field is missing", "expected a list"),
    ]
