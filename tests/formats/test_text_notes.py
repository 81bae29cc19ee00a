"""What texts hold that a user should know of: counted in notes, refused, or taken off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prefdata.conversion.inspect import inspect
from prefdata.formats.repeated_prompts import LEFT, ONE_SIDE, TAKEN_OFF
from prefdata.formats.text_marks import END_NOTE, NOTES, USER_NOTE, WORD_NOTE
from prefdata.records import reasons
from tests.roundtrip import Converted, Row, jsonl, labelled, make, pair, rated

TEMPLATE, TRANSCRIPT, PLACEHOLDER = NOTES
DEEPSEEK = "<\uff5cUser\uff5c>"

APPLIED = [
    "<|im_start|>user\nName a tool.<|im_end|>\n<|im_start|>assistant\n",
    "<s>[INST] Name a tool. [/INST]",
    "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nName a tool. [/INST]",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nName a tool.<|eot_id|>",
    "<bos><start_of_turn>user\nName a tool.<end_of_turn>",
    "<|user|>\nName a tool.</s>\n<|assistant|>\n",
    f"{DEEPSEEK}Name a tool.",
    "Below is a task.\n\n### Instruction:\nName a tool.\n\n### Response:\n",
    "### Human: Name a tool.",
    "<|START_OF_TURN_TOKEN|>Name a tool.",
    "Name a tool.</s>",
]
NOT_APPLIED = [
    "What is a<b and b|>c in R?",
    "Strike it: <s>old</s> and new.",
    "a <| b is F#'s pipe",
    "#### Instruction manual",
    "What do the <story> and </story> tags say?",
    "if x</s/.test(y)",
]
PICTURES = [
    "<image>\nName a tool.",
    "Name a tool.\n<image>",
    "<image><image> Which is older?",
    "Look:\n<image>\nName a tool.",
    "<audio>\nWhat is said?",
    "<video> What happens?",
    "<|vision_start|><|image_pad|><|vision_end|>Name a tool.",
    "<|image_1|>\nName a tool.",
    "<image 1> Name a tool.",
    "![a](data:image/png;base64," + "iVBORw0KGgo" * 9 + ") Name a tool.",
]
ABOUT_PICTURES = [
    "What does the tag <image> mean in LLaVA?",
    "<image>\n<url>a.png</url>\n</image>\nIs this RSS?",
    "How do I write ![](data:image/png;base64,…) in Markdown?",
    "Is <video> better than <embed> in HTML?",
]


def notes_of(result: Converted) -> dict[tuple[str, str], tuple[int, str]]:
    """The notes on the only source: text and column to rows and example."""
    notes: list[dict[str, Any]] = result.manifest["sources"][0]["notes"]
    return {(each["text"], each["column"]): (each["rows"], each["example"]) for each in notes}


def plain(count: int) -> list[Row]:
    return [pair("An awl.", "A cloud.", f"Name tool {i}.") for i in range(count)]


def test_templates_that_were_applied_are_counted(tmp_path: Path) -> None:
    """Each of the usual ones, in prompts; other angles and brackets are none."""
    prompts = [*APPLIED, *NOT_APPLIED]
    result = make(tmp_path, [*plain(5), *(pair("An awl.", "A cloud.", each) for each in prompts)])
    assert notes_of(result) == {(TEMPLATE, "prompt"): (len(APPLIED), APPLIED[0][:200])}
    assert len(result.rows) == 5 + len(prompts)


@pytest.mark.parametrize("kind", ["ratings", "unpaired", "messages"])
def test_templates_in_other_kinds_of_feedback(tmp_path: Path, kind: str) -> None:
    """In answers that are rated, labelled, or messages."""
    answer = "An awl.<|im_end|>"
    rows: dict[str, list[Row]] = {
        "ratings": [rated(answer, 5), rated("A cloud.", 1)],
        "unpaired": [labelled(answer, True), labelled("A cloud.", False)],
        "messages": [
            {
                "prompt": [{"role": "user", "content": "Name a tool."}],
                "response": [{"role": "assistant", "content": answer}],
                "score": 5,
            },
            {
                "prompt": [{"role": "user", "content": "Name a tool."}],
                "response": [{"role": "assistant", "content": "A cloud."}],
                "score": 1,
            },
        ],
    }
    column = "completion" if kind == "unpaired" else "response"
    assert notes_of(make(tmp_path, rows[kind])) == {(TEMPLATE, column): (1, answer)}


@pytest.mark.parametrize(
    "mark",
    ["</s>", "<|endoftext|>", "<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<eos>", " </s>\n"],
)
def test_end_marks_on_one_side(tmp_path: Path, mark: str) -> None:
    """Are counted for each side; marks on both sides give nothing away."""
    rows = [
        pair("An awl." + mark, "A cloud.", "one"),
        pair("An awl." + mark, "A cloud.", "two"),
        pair("An awl.", "A cloud." + mark, "three"),
        pair("An awl." + mark, "A cloud." + mark, "four"),
        *plain(3),
    ]
    notes = notes_of(make(tmp_path, rows))
    assert notes[END_NOTE, "chosen"][0] == 2
    assert notes[END_NOTE, "rejected"][0] == 1


@pytest.mark.parametrize("prompt", PICTURES)
def test_prompts_with_pictures_are_refused(tmp_path: Path, prompt: str) -> None:
    """The picture is part of the question, and is not there."""
    result = make(tmp_path, [*plain(2), pair("An awl.", "A cloud.", prompt)])
    assert [(r.field, r.reason) for r in result.refused] == [("prompt", reasons.NOT_TEXT)]


def test_prompts_about_pictures_are_noted(tmp_path: Path) -> None:
    """A tag inside a sentence, or one that is closed, may be what the question is about."""
    result = make(tmp_path, [pair("An awl.", "A cloud.", each) for each in ABOUT_PICTURES])
    assert not result.rejects
    assert notes_of(result)[PLACEHOLDER, "prompt"][0] >= 3


def test_answers_that_are_a_picture_are_refused(tmp_path: Path) -> None:
    """And such that have one in them are noted."""
    rows = [*plain(3), pair("<image>", "No.", "Draw."), pair("<image>\nAn awl.", "No.", "Show.")]
    result = make(tmp_path, rows)
    assert [(r.field, r.detail) for r in result.refused] == [("chosen", "found <image>")]
    assert notes_of(result)[PLACEHOLDER, "chosen"][0] == 1


def test_prompts_that_all_answers_repeat_are_taken_off(tmp_path: Path) -> None:
    """Where nearly all rows do; what separates them goes too."""
    rows = [pair(f"Q{i}? A.", f"Q{i}?\nB.", f"Q{i}?") for i in range(19)]
    result = make(tmp_path, [*rows, pair("A.", "B.", "Q19?")])
    assert result.pairs == {(f"Q{i}?", "A.", "B.") for i in range(20)}
    assert notes_of(result)[TAKEN_OFF, "chosen and rejected"] == (19, "Q0?")


@pytest.mark.parametrize("place", ["first", "last", "middle"])
@pytest.mark.parametrize(("count", "gone"), [(90, True), (85, False)])
def test_all_rows_decide_wherever_they_stand(
    tmp_path: Path, place: str, count: int, gone: bool
) -> None:
    """The share of the whole source, not that of its first rows."""
    repeated = [pair(f"Q{i}? A.", f"Q{i}? B.", f"Q{i}?") for i in range(count * 15)]
    others = [pair("A.", "B.", f"R{i}?") for i in range((100 - count) * 15)]
    half = len(repeated) // 2
    rows = {
        "first": [*others, *repeated],
        "last": [*repeated, *others],
        "middle": [*repeated[:half], *others, *repeated[half:]],
    }[place]
    result = make(tmp_path, rows)
    assert ({row["chosen"] for row in result.rows} == {"A."}) == gone
    note = TAKEN_OFF if gone else LEFT
    assert notes_of(result)[note, "chosen and rejected"][0] == count * 15


def test_few_rows_that_repeat_their_prompt_are_left(tmp_path: Path) -> None:
    """It may be chance, as in an answer to a greeting."""
    rows = [pair("Hi, you.", "Hi!", "Hi"), pair("Ho!", "No.", "Ho"), *plain(8)]
    result = make(tmp_path, rows)
    assert ("Hi", "Hi, you.", "Hi!") in result.pairs
    notes = notes_of(result)
    assert notes[LEFT, "chosen and rejected"][0] == 1
    assert notes[ONE_SIDE, "chosen and rejected"][0] == 1


def test_repeated_prompts_of_messages_and_ratings(tmp_path: Path) -> None:
    """Whichever way the texts are written."""
    talk: list[Row] = [
        {
            "prompt": [{"role": "user", "content": f"Q{i}?"}],
            "chosen": [{"role": "assistant", "content": f"Q{i}? A."}],
            "rejected": [{"role": "assistant", "content": f"Q{i}? B."}],
        }
        for i in range(6)
    ]
    assert make(tmp_path / "talk", talk).answers == [("A.", "B.")] * 6
    rows = [rated(f"Q{i}? {a}", s, f"Q{i}?") for i in range(4) for a, s in (("A.", 2), ("B.", 1))]
    assert make(tmp_path / "rated", rows).answers == [("A.", "B.")] * 4


def test_an_inspection_takes_prompts_off_too(tmp_path: Path) -> None:
    """It shows what a conversion would give."""
    rows = [pair(f"Q{i}? A.", f"Q{i}? B.", f"Q{i}?") for i in range(9)]
    (inspection,) = inspect(jsonl(tmp_path / "rows.jsonl", rows))
    chosen: Any = inspection.example["chosen"]
    assert chosen[0]["content"] == "A."
    assert [each.text for each in inspection.notes] == [TAKEN_OFF]


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ("Yes.\nUser: And then?\nAssistant: No.", True),
        ("Yes.\n\nHuman: And then?", True),
        ("Yes. User: why", False),
        ("Users: many", False),
        ("\nUser: Hi", False),
        ("A user\nsaid: no", False),
    ],
)
def test_turns_of_the_user_inside_answers(tmp_path: Path, answer: str, counts: bool) -> None:
    """At the beginning of a line after the first."""
    result = make(tmp_path, [*plain(3), pair(answer, "A cloud.", "Go on.")])
    assert ((USER_NOTE, "chosen") in notes_of(result)) == counts
    assert len(result.rows) == 4


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("User: Hi\nAssistant: Hello\nUser: Bye", True),
        ("USER: Hi\n  ASSISTANT: Hello", True),
        ("System: be kind\nUser: Hi\nAssistant:", True),
        ("User: Hi", False),
        ("Usher: Hi\nAssistant: Hello", False),
    ],
)
def test_likely_transcripts_among_texts(tmp_path: Path, text: str, counts: bool) -> None:
    """They stay texts, and are counted."""
    result = make(tmp_path, [*plain(19), pair("Bye.", "No.", text)])
    assert ((TRANSCRIPT, "prompt") in notes_of(result)) == counts
    assert text in {row["prompt"] for row in result.rows}


@pytest.mark.parametrize("word", ["null", "None", "nan", "N/A", "-", "NA"])
def test_words_that_may_stand_for_none_are_counted(tmp_path: Path, word: str) -> None:
    """In typed sources too, where only null is missing."""
    result = make(tmp_path, [*plain(3), pair(word, "A cloud.", "Any left?")])
    assert notes_of(result) == {(WORD_NOTE, "chosen"): (1, word)}
    assert ("Any left?", word, "A cloud.") in result.pairs


def test_plain_texts_have_no_notes(tmp_path: Path) -> None:
    """Nor is anything else said of them."""
    result = make(
        tmp_path, [*plain(4), pair("1 < 2 | 3", "[ ]", "- a\n- b"), pair("#1", "{}", "x")]
    )
    assert not notes_of(result)
    assert len(result.rows) == 6
