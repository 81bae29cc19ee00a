"""Formats that are also read come back the same: exporting and converting again loses no pair."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.exporting import TARGETS
from tests.exporting.made import (
    Row,
    Turns,
    again,
    answer,
    dataset,
    exported,
    labelled,
    pair,
    refused,
    stored,
    turns,
)

READ = {
    "pairs": (
        "trl",
        "trl-reward",
        "llama-factory",
        "axolotl",
        "openrlhf",
        "csv",
        "ms-swift",
        "nemo-rl",
        "openai",
    ),
    "unpaired": ("kto", "llama-factory", "axolotl", "csv", "ms-swift"),
}
"""Targets whose shape the registry of formats reads, by what is exported."""

NOT_FEEDBACK = ("sft",)
"""Targets that hold no comparison and no label, so that nothing can be read from them."""

ODD = ["", " ", "\n", "\t", '"', "'", ",", ";", "\\", "\r\n", "é", "🎉", "世界", "\u2028", "{", "["]
words = st.lists(
    st.sampled_from([*ODD, "Paris", "4", "yes", "User:", "null", "a b"]), min_size=1, max_size=5
).map("".join)
texts = words.filter(str.strip)


@st.composite
def prompts(draw: st.DrawFn) -> Turns:
    """One to five turns, with a system prompt, an empty one, or none."""
    made = [draw(texts) for _ in range(draw(st.sampled_from([1, 3, 5])))]
    system = draw(st.sampled_from([None, None, "", "Be brief.", "Sei\nkurz. 🎉"]))
    said = turns(*made)
    return said if system is None else [{"role": "system", "content": system}, *said]


@st.composite
def pairs(draw: st.DrawFn) -> Row:
    chosen, rejected = draw(
        st.tuples(texts, texts).filter(lambda sides: sides[0].strip() != sides[1].strip())
    )
    margin = draw(st.sampled_from([None, 0.5, 3]))
    extra = {} if margin is None else {"margin": margin}
    return pair(draw(prompts()), chosen, rejected, **extra)


labels = st.builds(labelled, prompts(), texts, st.booleans())
ANCHORS: dict[str, list[Row]] = {
    "pairs": [
        pair(f"What is {n} + {n}?", f"It is {2 * n}, I think.", f"It is {2 * n + 1}, I think.")
        for n in range(10)
    ],
    "unpaired": [labelled("What?", "That is right.", True), labelled("Why?", "No idea.", False)],
}


def test_every_target_is_in_the_table() -> None:
    """A new target comes back, or is listed as one that holds no feedback."""
    named = {*NOT_FEEDBACK}
    named |= {name for names in READ.values() for name in names}
    assert named == set(TARGETS)


@pytest.mark.parametrize("target", READ["pairs"])
@settings(max_examples=12)
@given(rows=st.lists(pairs(), max_size=6))
def test_pairs_come_back_with_the_same_ids(target: str, rows: list[Row]) -> None:
    """All that were written, none else; where some rows have no margin, margins are left out."""
    _same([*ANCHORS["pairs"], *rows], target)


@pytest.mark.parametrize("target", READ["unpaired"])
@settings(max_examples=12)
@given(rows=st.lists(labels, max_size=6))
def test_labelled_answers_come_back_with_the_same_ids(target: str, rows: list[Row]) -> None:
    """All that were written, none else."""
    _same([*ANCHORS["unpaired"], *rows], target)


def _same(rows: Sequence[Row], target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = dataset(Path(folder), rows)
        report, output = exported(source, target)
        gone = {entry["id"] for entry in refused(output)}
        columns = {"margin": ()} if report.seen.get("no margin") else {}
        back = again(output, columns=columns)
        assert set(back) == set(stored(source)) - gone
        for key, row in back.items():
            assert row.get("label") == stored(source)[key].get("label")


def test_pairs_taken_apart_come_back_as_labelled_answers(tmp_path: Path) -> None:
    """The chosen answers are the good ones."""
    source = dataset(tmp_path, [pair(f"{n}?", f"right {n}", f"wrong {n}") for n in range(9)])
    _, output = exported(source, "kto")
    found = {(r["completion"][0]["content"], r["label"]) for r in again(output).values()}  # type: ignore[index]
    assert found == {(f"{w} {n}", w == "right") for n in range(9) for w in ("right", "wrong")}


def test_a_csv_holds_all_columns_and_gives_them_back(tmp_path: Path) -> None:
    """Scores, votes and models too, and conversations of several turns."""
    extra = {"score_chosen": 4.5, "score_rejected": 1.0, "votes": 3, "model_chosen": "gpt, 4"}
    talk = turns("Hi", "Hello!\n\nHow are you?", 'Say "yes"', system="Be brief; be kind.")
    source = dataset(
        tmp_path, [pair(talk, "Yes, dear", "No,\r\nnever", **extra), pair("Q?", "a", "b")]
    )
    _, output = exported(source, "csv")
    assert again(output) == stored(source)


@pytest.mark.parametrize("text", ["User: who?\n\nAssistant: me", '[{"role": "user"}]', "{}", "a,b"])
def test_text_that_looks_like_a_conversation_stays_text_in_csv(tmp_path: Path, text: str) -> None:
    """It goes into JSON cells, which can be read in one way only."""
    rows = [pair(f"{text} {n}", f"{text} yes {n}", f"{text} no {n}") for n in range(12)]
    source = dataset(tmp_path, rows)
    _, output = exported(source, "csv")
    assert set(again(output)) == set(stored(source))


def test_plain_text_comes_back_where_no_text_looks_like_a_turn(tmp_path: Path) -> None:
    """The speakers are told by their names, and the answers stand by themselves."""
    talk = turns("Hi", "Hello!", "And now?", system="Be brief.")
    source = dataset(tmp_path, [pair(talk, "Bye.", "Go."), pair("Q?", "a", "b")])
    _, output = exported(source, "trl", plain=True)
    assert set(again(output)) == set(stored(source))


def test_answers_of_several_messages_come_back(tmp_path: Path) -> None:
    """Where the target has messages for answers."""
    said = [*answer("Let me look."), {"role": "tool", "content": "21 °C"}, *answer("It is warm.")]
    source = dataset(tmp_path, [{**pair("Warm?", "", "No."), "chosen": said}])
    for target in ("trl", "openrlhf", "csv"):
        _, output = exported(source, target)
        assert set(again(output)) == set(stored(source))
