"""What each target writes, what it cannot hold, and what is said of it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdata.errors import InputError
from prefdata.exporting.notes import class_weights
from prefdata.exporting.registry import TARGETS
from tests.exporting.conversations import CALLS
from tests.exporting.made import (
    Row,
    answer,
    dataset,
    exported,
    labelled,
    pair,
    refused,
    stored,
    turns,
    with_tools,
    written,
)

SKY = pair("Why is the sky blue?", "It scatters light.", "It is painted.", margin=2.0)
ASKED = turns("Why is the sky blue?")
GOOD, BAD = answer("It scatters light."), answer("It is painted.")

WRITTEN: dict[str, Row] = {
    "trl": {"prompt": ASKED, "chosen": GOOD, "rejected": BAD},
    "trl-reward": {"prompt": ASKED, "chosen": GOOD, "rejected": BAD, "margin": 2.0},
    "sft": {"prompt": ASKED, "completion": GOOD},
    "llama-factory": {
        "conversations": [{"from": "human", "value": "Why is the sky blue?"}],
        "chosen": {"from": "gpt", "value": "It scatters light."},
        "rejected": {"from": "gpt", "value": "It is painted."},
    },
    "axolotl": {"messages": ASKED, "chosen": GOOD[0], "rejected": BAD[0]},
    "ms-swift": {
        "messages": [*ASKED, *GOOD],
        "rejected_messages": [*ASKED, *BAD],
        "margin": 2.0,
    },
    "nemo-rl": {
        "context": ASKED,
        "completions": [{"rank": 0, "completion": GOOD}, {"rank": 1, "completion": BAD}],
    },
    "openrlhf": {"prompt": ASKED, "chosen": GOOD, "rejected": BAD, "margin": 2.0},
}
"""The better answer is the one that any reader would choose."""


@pytest.mark.parametrize("target", list(WRITTEN))
def test_a_pair_as_each_target_has_it(target: str, tmp_path: Path) -> None:
    """Field by field, and the better answer where the target looks for it."""
    _, output = exported(dataset(tmp_path, [SKY]), target)
    assert written(output) == [WRITTEN[target]]


def test_a_pair_as_openai_has_it(tmp_path: Path) -> None:
    """Ten rows at least; no field but the three that it knows."""
    rows = [SKY, *(pair(f"{n}?", "Yes.", "No.") for n in range(9))]
    _, output = exported(dataset(tmp_path, rows), "openai")
    wanted = {"input": {"messages": ASKED}, "preferred_output": GOOD, "non_preferred_output": BAD}
    assert wanted in written(output)


def test_a_pair_as_csv_has_it(tmp_path: Path) -> None:
    """Bare text where all rows are one turn."""
    _, output = exported(dataset(tmp_path, [SKY]), "csv")
    (row,) = written(output)
    assert [row[name] for name in ("prompt", "chosen", "rejected", "margin")] == [
        *("Why is the sky blue?", "It scatters light.", "It is painted.", "2.0")
    ]


@pytest.mark.parametrize(
    ("prompt", "chosen", "counts"),
    [
        ("=1+1", "Two.", True),
        ("=cmd|' /C calc'!A0", "No.", True),
        ("One?", "+1", True),
        ("One?", "- a\n- b", True),
        ("@SUM(A1)", "No.", True),
        ("\t=1", "No.", True),
        ("1 = 1?", "a-b", False),
        ("'=1", "(=1)", False),
        ("a@b.c", "#1", False),
        ([*ASKED, *GOOD, *ASKED], "=1", True),
    ],
)
def test_csv_says_what_a_spreadsheet_would_run(
    tmp_path: Path, prompt: str | list[dict[str, Any]], chosen: str, counts: bool
) -> None:
    """The texts stay as they are, so that they are read back as they were."""
    report, output = exported(dataset(tmp_path, [pair(prompt, chosen, "Never.")]), "csv")
    notes = [note for note in report.notes if "takes for a formula" in note]
    assert len(notes) == counts
    (row,) = written(output)
    if isinstance(prompt, str):
        assert (row["prompt"], row["chosen"]) == (prompt, chosen)


LABELS: dict[str, Row] = {
    "kto": {"prompt": ASKED, "completion": GOOD, "label": True},
    "llama-factory": {
        "conversations": [
            {"from": "human", "value": "Why is the sky blue?"},
            {"from": "gpt", "value": "It scatters light."},
        ],
        "label": True,
    },
    "axolotl": {"completion": [*ASKED, *GOOD], "label": True},
    "ms-swift": {"messages": [*ASKED, *GOOD], "label": True},
}


@pytest.mark.parametrize("target", list(LABELS))
def test_a_pair_taken_apart_as_each_target_has_it(target: str, tmp_path: Path) -> None:
    """The chosen answer is the good one, and the rejected the bad one."""
    report, output = exported(dataset(tmp_path, [SKY]), target, unpaired=target != "kto")
    rows = written(output)
    assert LABELS[target] in rows
    assert sorted(bool(row["label"]) for row in rows) == [False, True]
    assert (report.rows_read, report.items, report.written) == (1, 2, 2)


def test_every_target_is_shown_here() -> None:
    """A new one needs a row whose better answer is plain to a reader."""
    assert {*WRITTEN, *LABELS, "openai", "csv"} == set(TARGETS)


LONG_ANSWER: Row = {**SKY, "chosen": [*GOOD, {"role": "user", "content": "Oh?"}, *answer("Yes.")]}
TWO_ASK = pair([*turns("Hi"), *turns("Anyone?")], "Yes, hello.", "No, go away.")
LATE = pair([*turns("Hi", "Hello!"), {"role": "system", "content": "Be kind."}, *turns("Bye")],
            "Goodbye, then.", "Finally, go.")  # fmt: skip
SHORT = pair("Who speaks?", "assistant", "It is the user who speaks.")

REFUSED = [
    ("llama-factory", LONG_ANSWER, "an answer of several messages", "chosen has 3 messages"),
    ("axolotl", LONG_ANSWER, "an answer of several messages", "chosen has 3 messages"),
    ("nemo-rl", LONG_ANSWER, "an answer of several messages", "chosen has 3 messages"),
    ("openai", LONG_ANSWER, "an answer of several messages", "chosen has 3 messages"),
    (
        *("llama-factory", TWO_ASK, "turns do not alternate"),
        "turn 2 of the prompt is the user's",
    ),
    ("llama-factory", LATE, "a system turn that is not the first", "turn 3 of the prompt"),
    ("axolotl", SHORT, "the answer may be found in the template", "chosen is 'assistant'"),
]


@pytest.mark.parametrize(("target", "row", "reason", "detail"), REFUSED)
def test_what_a_target_cannot_hold_is_refused_with_the_reason(
    target: str, row: Row, reason: str, detail: str, tmp_path: Path
) -> None:
    """Counted, and written down with the row and the remedy; all other rows are there."""
    fine = [pair(f"Question {n}?", f"The answer {n}.", f"No answer {n}.") for n in range(12)]
    source = dataset(tmp_path, [row, *fine])
    report, output = exported(source, target)
    assert (report.rows_read, report.written, report.refused) == (13, 12, {reason: 1})
    (entry,) = refused(output)
    assert (entry["reason"], entry["detail"], entry["split"]) == (reason, detail, "train")
    assert entry["remedy"]
    assert entry["row"] == stored(source)[str(entry["id"])]


@pytest.mark.parametrize("target", ["axolotl", "nemo-rl", "openrlhf"])
def test_calls_of_tools_are_refused_where_they_would_be_lost(target: str, tmp_path: Path) -> None:
    """These keep role and content of a message only."""
    more = {**SKY, "prompt": turns("Other?")}
    source = with_tools(tmp_path / "tools", [*CALLS, more])
    report, output = exported(source, target)
    assert report.written == 1
    assert sum(report.refused.values()) == 2
    assert all("tool_calls" not in json.dumps(row) for row in written(output))


def test_calls_of_tools_reach_trl_and_openai_as_they_are(tmp_path: Path) -> None:
    """Their arguments an object, which templates write, or text, as the API has it."""
    rows = [CALLS[1], *({**CALLS[1], "prompt": turns(f"{n}?")} for n in range(9))]
    source = with_tools(tmp_path / "tools", rows)
    arguments = {"trl": {"city": "Rome"}, "openai": '{"city": "Rome"}'}
    for target, expected in arguments.items():
        report, output = exported(source, target)
        assert report.seen["tools"] == 1
        first: Any = written(output)[0]
        prompt = first["prompt"] if target == "trl" else first["input"]["messages"]
        messages = [json.loads(each) if isinstance(each, str) else each for each in prompt]
        assert messages[1]["tool_calls"][0]["function"]["arguments"] == expected
        assert "null" not in json.dumps(messages)


def test_what_does_not_reach_a_target_is_named(tmp_path: Path) -> None:
    """Columns with the number of rows that have a value there; ids are no information."""
    extra = {"score_chosen": 5, "score_rejected": 1, "model_chosen": "heron"}
    rows = [pair("Q?", "a", "b", **extra), pair("R?", "a", "b")]
    report, _ = exported(dataset(tmp_path, rows), "llama-factory")
    assert report.lost == {
        "score_chosen": 1,
        "score_rejected": 1,
        "margin": 1,
        "votes": 2,
        "agreement": 2,
        "model_chosen": 1,
        "source": 2,
    }


@pytest.mark.parametrize("target", ["trl-reward", "ms-swift", "openrlhf"])
def test_rows_without_a_margin_get_0_and_are_counted(target: str, tmp_path: Path) -> None:
    """Their loss is then the plain one; where no row has a margin there is no such column."""
    source = dataset(tmp_path / "some", [SKY, pair("Q?", "a", "b")])
    report, output = exported(source, target)
    assert sorted(str(row["margin"]) for row in written(output)) == ["0.0", "2.0"]
    assert report.notes[0] == "1 row has no margin: 0 is written there, which is the plain loss"
    report, output = exported(dataset(tmp_path / "none", [pair("Q?", "a", "b")]), target)
    assert "margin" not in written(output)[0]


def test_the_best_answer_has_the_highest_score(tmp_path: Path) -> None:
    """Of all chosen ones; the other pairs of the prompt are merged or left over."""
    rows = [
        pair("Q?", "good", "bad", score_chosen=4, score_rejected=1),
        pair("Q?", "best", "good", score_chosen=5, score_rejected=4),
        pair("Q?", "best", "bad", score_chosen=5, score_rejected=1),
        pair("R?", "fine", "bad"),
    ]
    report, output = exported(dataset(tmp_path, rows), "sft")
    assert sorted(row["completion"][0]["content"] for row in written(output)) == ["best", "fine"]  # type: ignore[index]
    assert report.merged == {"the same answer stands in another row": 1}
    assert report.left_over == {"another answer to the prompt is better": 1}


def test_without_scores_the_best_answer_lost_least_often(tmp_path: Path) -> None:
    """The one that was never rejected, whatever the order of the rows."""
    rows = [pair("Q?", "good", "bad"), pair("Q?", "best", "good"), pair("Q?", "good", "worse")]
    _, output = exported(dataset(tmp_path, rows), "sft")
    (row,) = written(output)
    assert row["completion"] == answer("best")


def test_of_labelled_answers_only_a_good_one_is_a_best_one(tmp_path: Path) -> None:
    """One for each prompt that has a good answer."""
    rows = [
        labelled("Q?", "good", label=True, weight=1.0),
        labelled("Q?", "better", label=True, weight=2.0),
        labelled("Q?", "bad", label=False),
        labelled("R?", "bad", label=False),
    ]
    report, output = exported(dataset(tmp_path, rows), "sft")
    (row,) = written(output)
    assert row["completion"] == answer("better")
    assert report.left_over == {
        "the answer is not a good one": 2,
        "another good answer to the prompt was taken": 1,
    }


MANY = [pair(f"{n}?", f"Yes {n}.", f"No {n}.") for n in range(200)]


def test_kto_rows_are_mixed_and_no_neighbours_share_a_prompt(tmp_path: Path) -> None:
    """No block of one class, and the answer beside a row is to another prompt."""
    _, output = exported(dataset(tmp_path, MANY), "kto")
    rows = written(output)
    labels = [row["label"] for row in rows]
    assert (len(labels), sum(map(bool, labels))) == (400, 200)
    assert all(len(set(labels[at : at + 20])) == 2 for at in range(380))
    assert all(one["prompt"] != two["prompt"] for one, two in pairwise(rows))


def test_the_order_of_kto_rows_follows_the_seed_and_not_the_order_of_the_data(
    tmp_path: Path,
) -> None:
    """The same seed gives the same file, another seed another order of the same rows."""
    there, back = dataset(tmp_path / "a", MANY), dataset(tmp_path / "b", MANY[::-1])
    one, other, third = (
        written(exported(source, "kto", seed=seed)[1])
        for source, seed in ((there, 0), (back, 0), (there, 1))
    )
    assert one == other
    assert one != third
    assert sorted(map(str, one)) == sorted(map(str, third))


def test_an_answer_with_both_labels_is_refused(tmp_path: Path) -> None:
    """Chosen over one and rejected for another, it is neither good nor bad."""
    rows = [pair("Q?", "good", "bad"), pair("Q?", "best", "good"), pair("Q?", "best", "bad")]
    report, output = exported(dataset(tmp_path, rows), "kto")
    assert {(row["completion"][0]["content"], row["label"]) for row in written(output)} == {  # type: ignore[index]
        ("best", True),
        ("bad", False),
    }
    assert report.items == 6
    assert report.merged == {"the same answer stands in another row": 2}
    assert report.refused == {"the answer is chosen in one pair and rejected in another": 2}


@pytest.mark.parametrize("good", [1, 3, 50, 99, 100, 133, 134, 135, 1000])
@pytest.mark.parametrize("bad", [1, 100, 101, 997])
def test_class_weights_lie_where_trl_wants_them(good: int, bad: int) -> None:
    """Inside both bounds that TRL's KTO trainer computes, rounding included."""
    desirable, undesirable = class_weights(good, bad)
    low, high = (round(bad * undesirable / good * by, 2) for by in (1, 1.33))
    under, over = (round(good * desirable / bad / by, 2) for by in (1.33, 1))
    assert low <= desirable <= high or under <= undesirable <= over


def test_class_weights_stand_in_the_configuration(tmp_path: Path) -> None:
    """Two good answers to one bad one: the bad one counts twice."""
    rows = [labelled(f"{n}?", f"Answer {n}.", label=n % 3 > 0) for n in range(30)]
    source = dataset(tmp_path, rows)
    keys = {
        "kto": ("kto.yaml", "desirable_weight", "undesirable_weight"),
        "llama-factory": ("train.yaml", "kto_chosen_weight", "kto_rejected_weight"),
        "axolotl": ("axolotl.yaml", "kto_desirable_weight", "kto_undesirable_weight"),
        "ms-swift": ("swift.yaml", "desirable_weight", "undesirable_weight"),
    }
    for target, (name, desirable, undesirable) in keys.items():
        report, output = exported(source, target)
        config = yaml.safe_load((output / name).read_text(encoding="utf-8"))
        assert (config[desirable], config[undesirable]) == (1.0, 2.0)
        assert "20 good and 10 bad answers to train on: weights 1 and 2" in report.notes


def test_openai_wants_ten_examples(tmp_path: Path) -> None:
    """Fewer are refused before anything is written."""
    with pytest.raises(InputError, match="takes 10 examples or more; the train split gives 2"):
        exported(dataset(tmp_path, MANY[:2]), "openai")
    assert not (tmp_path / "for openai").exists()


def test_openai_is_told_of_long_rows_and_of_earlier_turns(tmp_path: Path) -> None:
    """What it would cut off, and what it does not train on."""
    talk = turns("Hi", "Hello!", "And?")
    rows = [*MANY[:10], pair("Long?", "word " * 20_000, "no"), pair(talk, "Well.", "No.")]
    report, _ = exported(dataset(tmp_path, rows), "openai")
    long, several = report.notes[2], report.notes[1]
    assert several == "1 row has earlier turns: only the last answer is trained on"
    assert long == (
        "1 row has more than 65,536 bytes, and perhaps more than the 65,536 tokens of an example: "
        "what is beyond is cut off"
    )


def test_every_line_stays_one_line(tmp_path: Path) -> None:
    """Line separators of Unicode are escaped: many readers break lines there."""
    rows = [pair("Q\u2028?", "a\u2029b\x85c", "d")]
    _, output = exported(dataset(tmp_path, rows), "llama-factory")
    text = (output / "data" / "train.jsonl").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1
    assert written(output)[0]["chosen"] == {"from": "gpt", "value": "a\u2029b\x85c"}


STANZAS = {"trl", "llama-factory", "axolotl", "openrlhf", "ms-swift", "nemo-rl"}
"""Targets whose configuration names the file, or the split, that is measured while training."""


@pytest.mark.parametrize("target", sorted(STANZAS))
def test_a_validation_split_is_what_is_measured_while_training(target: str, tmp_path: Path) -> None:
    """The test split is written, and left for the end."""
    splits = ["train", "validation", "test"]
    rows = [
        pair(f"q{n}", "Splendid indeed.", "Rather poor.", split=splits[n % 3]) for n in range(6)
    ]
    source = dataset(tmp_path, rows, test_size=None)
    report, output = exported(source, target)
    assert report.splits == {"train": 2, "validation": 2, "test": 2}
    stanzas = [
        path.read_text(encoding="utf-8")
        for path in output.iterdir()
        if path.suffix in (".yaml", ".sh")
    ]
    named = [text.replace("data set", "").replace("test_", "") for text in stanzas]
    assert stanzas
    assert all("validation" in text for text in named)
    assert not any("test.jsonl" in text or "test.parquet" in text for text in named)
