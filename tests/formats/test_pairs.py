"""Pairs, in every shape that people write them: 4 is always the right answer, 5 the wrong one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from prefdata.formats import ReadOptions
from tests.roundtrip import Reject, Row, converted, jsonl

ONE = {("What is 2 + 2?", "4", "5")}
ASKED = "What is 2 + 2?"


def user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}


def bot(text: str) -> dict[str, object]:
    return {"role": "assistant", "content": text}


SHAPES: dict[str, Row] = {
    "text": {"prompt": ASKED, "chosen": "4", "rejected": "5"},
    "messages": {"prompt": [user(ASKED)], "chosen": [bot("4")], "rejected": [bot("5")]},
    "implicit prompt": {"chosen": [user(ASKED), bot("4")], "rejected": [user(ASKED), bot("5")]},
    "ultrafeedback_binarized": {
        "prompt": ASKED,
        "chosen": [user(ASKED), bot("4")],
        "rejected": [user(ASKED), bot("5")],
        "messages": [user(ASKED), bot("4")],
        "score_chosen": 8.5,
        "score_rejected": 3.0,
    },
    "prompt messages and whole conversations": {
        "prompt": [user(ASKED)],
        "chosen": [user(ASKED), bot("4")],
        "rejected": [user(ASKED), bot("5")],
    },
    "from and value": {
        "conversations": [{"from": "human", "value": ASKED}],
        "chosen": {"from": "gpt", "value": "4"},
        "rejected": {"from": "gpt", "value": "5"},
    },
    "User and Assistant in one text": {
        "prompt": f"User: {ASKED}\nAssistant:",
        "chosen": "4",
        "rejected": "5",
    },
    "Human and Assistant in one text": {
        "prompt": f"\n\nHuman: {ASKED}\n\nAssistant:",
        "chosen": "4",
        "rejected": "5",
    },
    "HH transcripts": {
        "chosen": f"\n\nHuman: {ASKED}\n\nAssistant: 4",
        "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: 5",
    },
    "HH transcripts beside their prompt": {
        "prompt": f"\n\nHuman: {ASKED}\n\nAssistant:",
        "chosen": f"\n\nHuman: {ASKED}\n\nAssistant: 4",
        "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: 5",
    },
    "HH with the chosen answer once more": {
        "prompt": f"\n\nHuman: {ASKED}\n\nAssistant:",
        "response": "4",
        "chosen": "4",
        "rejected": "5",
    },
    "HH transcripts beside a bare question": {
        "prompt": ASKED,
        "chosen": f"\n\nHuman: {ASKED}\n\nAssistant: 4",
        "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: 5",
    },
    "question and answers": {"question": ASKED, "chosen": "4", "rejected": "5"},
    "hyphens and capitals": {
        "Prompt": ASKED,
        "Chosen": "4",
        "Rejected": "5",
        "chosen-rating": 5,
        "rejected-rating": 1,
    },
    "context of role and text": {
        "context": [{"role": "human", "text": ASKED}],
        "chosen": {"text": "4"},
        "rejected": {"text": "5"},
    },
    "blocks of text": {
        "prompt": [{"role": "user", "content": [{"type": "text", "text": ASKED}]}],
        "chosen": [bot("4")],
        "rejected": [bot("5")],
    },
    "keys that no message needs": {
        "prompt": [{**user(ASKED), "name": "Ann", "id": 7}],
        "chosen": [{**bot("4"), "weight": 1, "tool_calls": []}],
        "rejected": [{**bot("5"), "tool_calls": None}],
    },
    "messages as JSON in a cell": {
        "prompt": '[{"role": "user", "content": "What is 2 + 2?"}]',
        "chosen": '[{"role": "assistant", "content": "4"}]',
        "rejected": '[{"role": "assistant", "content": "5"}]',
    },
    "messages as Python in a cell": {
        "prompt": "[{'role': 'user', 'content': 'What is 2 + 2?'}]",
        "chosen": "[{'role': 'assistant', 'content': '4'}]",
        "rejected": "[{'role': 'assistant', 'content': '5', 'weight': None}]",
    },
}


@pytest.mark.parametrize("row", SHAPES.values(), ids=SHAPES)
def test_the_chosen_response_is_chosen(row: Row, tmp_path: Path) -> None:
    """Whatever the shape, the pair is the same: prompt, 4 over 5, nothing repeated."""
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", [row]))
    assert outcome.pairs == ONE
    assert outcome.refused == []


MANY_TURNS: dict[str, Row] = {
    "text prompt that is the last question": {
        "prompt": "And 3 + 3?",
        "chosen": [user(ASKED), bot("4"), user("And 3 + 3?"), bot("6")],
        "rejected": [user(ASKED), bot("4"), user("And 3 + 3?"), bot("7")],
    },
    "text prompt that is the first question": {
        "prompt": ASKED,
        "chosen": [user(ASKED), bot("4"), user("And 3 + 3?"), bot("6")],
        "rejected": [user(ASKED), bot("4"), user("And 3 + 3?"), bot("7")],
    },
    "markers at line beginnings": {
        "prompt": f"User: {ASKED}\nAssistant: 4\nUser: And 3 + 3?",
        "chosen": "6",
        "rejected": "7",
    },
    "HH transcripts": {
        "chosen": f"\n\nHuman: {ASKED}\n\nAssistant: 4\n\nHuman: And 3 + 3?\n\nAssistant: 6",
        "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: 4\n\nHuman: And 3 + 3?\n\nAssistant: 7",
    },
    "HH transcripts beside their prompt": {
        "prompt": f"\n\nHuman: {ASKED}\n\nAssistant: 4\n\nHuman: And 3 + 3?\n\nAssistant:",
        "chosen": f"\n\nHuman: {ASKED}\n\nAssistant: 4\n\nHuman: And 3 + 3?\n\nAssistant: 6",
        "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: 4\n\nHuman: And 3 + 3?\n\nAssistant: 7",
    },
    "HH prompt beside bare answers": {
        "prompt": f"\n\nHuman: {ASKED}\n\nAssistant: 4\n\nHuman: And 3 + 3?\n\nAssistant:",
        "chosen": "6",
        "rejected": "7",
    },
    "history of exchanges": {
        "history": [[ASKED, "4"]],
        "prompt": "And 3 + 3?",
        "chosen": "6",
        "rejected": "7",
    },
}


@pytest.mark.parametrize("row", MANY_TURNS.values(), ids=MANY_TURNS)
def test_earlier_turns_belong_to_the_prompt(row: Row, tmp_path: Path) -> None:
    """With three turns and more, the completion holds only the last answer."""
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", [row]))
    assert outcome.pairs == {("What is 2 + 2? | 4 | And 3 + 3?", "6", "7")}
    (prompt,) = pl.read_parquet(tmp_path / "out" / "data" / "*.parquet")["prompt"].to_list()
    assert [turn["role"] for turn in prompt] == ["user", "assistant", "user"]


SYSTEM: dict[str, Row] = {
    "beside a text prompt": {
        "system": "Be brief.",
        "prompt": ASKED,
        "chosen": "4",
        "rejected": "5",
    },
    "beside whole conversations": {
        "system": "Be brief.",
        "chosen": [user(ASKED), bot("4")],
        "rejected": [user(ASKED), bot("5")],
    },
    "inside whole conversations": {
        "prompt": ASKED,
        "chosen": [{"role": "system", "content": "Be brief."}, user(ASKED), bot("4")],
        "rejected": [{"role": "system", "content": "Be brief."}, user(ASKED), bot("5")],
    },
}


@pytest.mark.parametrize("row", SYSTEM.values(), ids=SYSTEM)
def test_a_system_text_leads_the_prompt(row: Row, tmp_path: Path) -> None:
    """A system text is kept, wherever it stands, once."""
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", [row]))
    assert outcome.pairs == {("Be brief. | What is 2 + 2?", "4", "5")}


def test_an_empty_system_text_is_no_turn(tmp_path: Path) -> None:
    """Where the system column is empty or null, the prompt begins with the user."""
    rows: list[Row] = [
        {"system": "", "prompt": "a?", "chosen": "4", "rejected": "5"},
        {"system": None, "prompt": "b?", "chosen": "4", "rejected": "5"},
        {"system": "Be brief.", "prompt": "c?", "chosen": "4", "rejected": "5"},
    ]
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", rows))
    assert outcome.pairs == {("a?", "4", "5"), ("b?", "4", "5"), ("Be brief. | c?", "4", "5")}


def test_an_instruction_and_its_input_are_one_prompt(tmp_path: Path) -> None:
    """An empty input leaves no line behind."""
    rows = [
        {"instruction": "Add.", "input": "2 + 2", "chosen": "4", "rejected": "5"},
        {"instruction": "Say 4.", "input": "", "chosen": "4", "rejected": "5"},
    ]
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", rows))
    assert outcome.pairs == {("Add.\n2 + 2", "4", "5"), ("Say 4.", "4", "5")}


def test_parts_of_a_prompt_may_be_messages(tmp_path: Path) -> None:
    """Columns joined with + follow each other, as text or as turns."""
    row = {"talk": [user("Hi"), bot("Hello")], "q": ASKED, "chosen": "4", "rejected": "5"}
    source = jsonl(tmp_path / "pairs.jsonl", [row])
    outcome = converted(source, read_options=ReadOptions(columns={"prompt": ("talk", "q")}))
    assert outcome.pairs == {("Hi | Hello | What is 2 + 2?", "4", "5")}


def test_text_and_messages_may_be_mixed(tmp_path: Path) -> None:
    """A column may hold text here, messages there and blocks elsewhere; each is read as itself."""
    blocks = [{"role": "user", "content": [{"type": "text", "text": "c?"}]}]
    rows: list[Row] = [
        {"prompt": "a?", "chosen": "4", "rejected": "5"},
        {"prompt": [user("b?")], "chosen": [bot("4")], "rejected": "5"},
        {"prompt": blocks, "chosen": "4", "rejected": [bot("5")]},
    ]
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", rows))
    assert outcome.pairs == {("a?", "4", "5"), ("b?", "4", "5"), ("c?", "4", "5")}


REFUSED: dict[str, tuple[Row, Reject]] = {
    "the scores say otherwise": (
        {"prompt": "x?", "chosen": "4", "rejected": "5", "score_chosen": 1, "score_rejected": 9},
        Reject(2, "score_chosen", "the rejected response has the higher score", ""),
    ),
    "the scores are equal": (
        {"prompt": "x?", "chosen": "4", "rejected": "5", "score_chosen": 5, "score_rejected": 5},
        Reject(2, "score_chosen", "tie", ""),
    ),
    "both are the same": (
        {"prompt": "x?", "chosen": "4", "rejected": "4", "score_chosen": 5, "score_rejected": 1},
        Reject(2, "", "both responses are the same", ""),
    ),
}


@pytest.mark.parametrize(("row", "reject"), REFUSED.values(), ids=REFUSED)
def test_a_pair_that_contradicts_itself_is_refused(
    row: Row, reject: Reject, tmp_path: Path
) -> None:
    """The column names say one thing and the row another: it is a reject, not a guess."""
    sound = {
        "prompt": ASKED,
        "chosen": "4",
        "rejected": "5",
        "score_chosen": 5,
        "score_rejected": 1,
    }
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", [sound, row]))
    assert outcome.pairs == ONE
    assert outcome.refused == [reject]


TALKS: dict[str, tuple[object, object, Reject]] = {
    "tool call": (
        [user("x?"), {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
        [user("x?"), bot("5")],
        Reject(2, "chosen", "tools or calls cannot be read", "a call without a name"),
    ),
    "image": (
        [{"role": "user", "content": [{"type": "image_url", "image_url": "x.png"}]}, bot("4")],
        [user("x?"), bot("5")],
        Reject(2, "chosen", "images and audio are not covered", "found image_url"),
    ),
    "other question": (
        [user("x?"), bot("4")],
        [user("y?"), bot("5")],
        Reject(
            2,
            "rejected",
            "chosen and rejected answer different prompts",
            "they differ from turn 1 on",
        ),
    ),
    "other second question": (
        [user("x?"), bot("4"), user("y?"), bot("6")],
        [user("x?"), bot("4"), user("z?"), bot("7")],
        Reject(
            2,
            "rejected",
            "chosen and rejected answer different prompts",
            "they differ from turn 3 on",
        ),
    ),
    "one is the beginning of the other": (
        [user("x?"), bot("4")],
        [user("x?"), bot("4"), user("y?"), bot("7")],
        Reject(
            2,
            "rejected",
            "chosen and rejected answer different prompts",
            "one conversation is the beginning of the other",
        ),
    ),
    "last turn is the user's": (
        [user("x?"), bot("4"), user("Thanks")],
        [user("x?"), bot("5")],
        Reject(2, "chosen", "the last turn is not the assistant's", ""),
    ),
    "unknown role": (
        [user("x?"), {"role": "wizard", "content": "4"}],
        [user("x?"), bot("5")],
        Reject(2, "chosen", "turns cannot be told apart", ""),
    ),
    "empty answer": (
        [user("x?"), bot(" ")],
        [user("x?"), bot("5")],
        Reject(2, "chosen", "text is empty", ""),
    ),
    "no messages": ([], [user("x?"), bot("5")], Reject(2, "chosen", "text is empty", "")),
}


@pytest.mark.parametrize(("chosen", "rejected", "reject"), TALKS.values(), ids=TALKS)
def test_a_conversation_that_cannot_be_a_pair_is_refused_with_its_reason(
    chosen: object, rejected: object, reject: Reject, tmp_path: Path
) -> None:
    """Each is named with its line, its field and what was found; the sound row beside it stays."""
    rows: list[Row] = [
        {"chosen": [user(ASKED), bot("4")], "rejected": [user(ASKED), bot("5")]},
        {"chosen": chosen, "rejected": rejected},
    ]
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", rows))
    assert outcome.pairs == ONE
    (refused,) = outcome.refused
    assert refused[:3] == reject[:3]
    assert not reject.detail or refused.detail == reject.detail


TRANSCRIPTS = {
    "misspelt marker": (
        "\n\nHum: x?\n\nAssistant: 4",
        "it does not begin with Human:, User: or System:",
    ),
    "marker broken later": ("\n\nHuman: x?\n\nAssistant: 4\n\nHum: y?", "found 'Hum:'"),
    "two turns of one speaker": (
        "\n\nHuman: x?\n\nHuman: y?\n\nAssistant: 4",
        "turns 1 and 2 are both the user's",
    ),
}


@pytest.mark.parametrize(("chosen", "detail"), TRANSCRIPTS.values(), ids=TRANSCRIPTS)
def test_a_transcript_that_does_not_parse_is_refused(
    chosen: str, detail: str, tmp_path: Path
) -> None:
    """No later turn stays inside an answer as raw text."""
    sound = "\n\nHuman: What is 2 + 2?\n\nAssistant: "
    rows = [
        *({"chosen": f"{sound}4", "rejected": f"{sound}{n}"} for n in range(5, 15)),
        {"chosen": chosen, "rejected": f"{sound}5"},
    ]
    outcome = converted(jsonl(tmp_path / "hh.jsonl", rows))
    assert len(outcome.pairs) == 10
    assert outcome.refused == [Reject(11, "chosen", "turns cannot be told apart", detail)]


def test_a_list_of_texts_without_roles_is_refused(tmp_path: Path) -> None:
    """Who said which of several texts is not guessed."""
    rows: list[Row] = [
        {"prompt": ASKED, "chosen": ["4"], "rejected": ["5"]},
        {"prompt": "x?", "chosen": ["4"], "rejected": ["5", "6", "7"]},
    ]
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", rows))
    assert outcome.pairs == ONE
    assert outcome.refused == [
        Reject(2, "rejected", "turns cannot be told apart", "found 3 texts, and not who said which")
    ]


def test_a_history_that_cannot_be_read_refuses_the_row(tmp_path: Path) -> None:
    """The prompt is never passed on without the turns that stood before it."""
    rows: list[Row] = [
        {"history": [["Hi", "Hello"]], "prompt": ASKED, "chosen": "4", "rejected": "5"},
        {"history": [["Hi", 5]], "prompt": ASKED, "chosen": "4", "rejected": "5"},
    ]
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", rows))
    assert outcome.pairs == {("Hi | Hello | What is 2 + 2?", "4", "5")}
    assert outcome.refused == [
        Reject(2, "history", "wrong type", "expected text or messages, found a number")
    ]


def test_a_prompt_that_the_conversations_do_not_hold_is_refused(tmp_path: Path) -> None:
    """A prompt beside whole conversations must be what they begin with."""
    talk = {"chosen": [user(ASKED), bot("4")], "rejected": [user(ASKED), bot("5")]}
    rows: list[Row] = [{"prompt": ASKED, **talk}, {"prompt": "Who are you?", **talk}]
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", rows))
    assert outcome.pairs == ONE
    assert outcome.refused == [
        Reject(
            2,
            "prompt",
            "chosen and rejected answer different prompts",
            "the prompt is not what the conversations begin with",
        )
    ]


def test_a_prompt_may_be_left_out_where_conversations_hold_it(tmp_path: Path) -> None:
    """An empty prompt costs a row only where the answers are bare."""
    talk = {"chosen": [user(ASKED), bot("4")], "rejected": [user(ASKED), bot("5")]}
    bare = {"chosen": [bot("4")], "rejected": [bot("5")]}
    rows: list[Row] = [
        {"prompt": "b?", **bare},
        {"prompt": None, **talk},
        {"prompt": None, **bare},
        {"prompt": " ", **bare},
        {"prompt": None, "chosen": talk["chosen"], "rejected": bare["rejected"]},
    ]
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", rows))
    assert outcome.pairs == {("b?", "4", "5"), *ONE}
    assert [(each.line, each.field, each.reason) for each in outcome.refused] == [
        (3, "prompt", "field is missing"),
        (4, "prompt", "text is empty"),
        (5, "prompt", "field is missing"),
    ]


@pytest.mark.parametrize("score", [2**63, -(2**63) - 1, 10**30, 10**500])
def test_a_number_of_any_size_costs_at_most_its_row(score: int, tmp_path: Path) -> None:
    """Also where lines are read one by one, since another line is broken."""
    source = tmp_path / "pairs.jsonl"
    rows = [f'{{"prompt": "{n}?", "chosen": "4", "rejected": "5", "margin": 1}}' for n in range(3)]
    odd = f'{{"prompt": "3?", "chosen": "4", "rejected": "5", "margin": {score}}}'
    source.write_text("\n".join([*rows, odd, "{"]) + "\n", "utf-8")
    outcome = converted(source)
    assert {(f"{n}?", "4", "5") for n in range(3)} <= outcome.pairs
    assert [each.line for each in outcome.refused] in ([5], [4, 5])


def test_answers_that_are_json_are_texts(tmp_path: Path) -> None:
    """An object that is no message is what the model said, to the letter."""
    row = {"prompt": '{"ask": 1}', "chosen": '{"a": [1, "x"]}', "rejected": '{"a": 2}'}
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", [row]))
    assert outcome.pairs == {('{"ask": 1}', '{"a": [1, "x"]}', '{"a": 2}')}


@pytest.mark.parametrize("broken", ['[{"role": "user"', r'[{"role": "user", "content": "\ud800"}]'])
def test_a_broken_cell_costs_only_its_row(broken: str, tmp_path: Path) -> None:
    """It does not turn the sound cells beside it into raw text, however few they are."""
    cells = {name: f'[{{"role": "assistant", "content": "{name}"}}]' for name in ("4", "5")}
    rows = [
        {"prompt": prompt, "chosen": cells["4"], "rejected": cells["5"]}
        for prompt in ('[{"role": "user", "content": "What is 2 + 2?"}]', broken)
    ]
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", rows))
    assert outcome.pairs == ONE
    assert outcome.refused == [Reject(2, "prompt", "not valid JSON", "in a cell")]


def test_columns_may_have_the_names_that_the_program_uses_itself(tmp_path: Path) -> None:
    """A source with columns called row, line and reason is a source like any other."""
    source = jsonl(tmp_path / "pairs.jsonl", [{"row": ASKED, "line": "4", "reason": "5"}])
    columns = {"prompt": ("row",), "chosen": ("line",), "rejected": ("reason",)}
    assert converted(source, read_options=ReadOptions(columns=columns)).pairs == ONE
    columns = {"prompt": ("row",), "chosen": ("reason",), "rejected": ("line",)}
    other = converted(source, read_options=ReadOptions(columns=columns))
    assert other.pairs == {(ASKED, "5", "4")}


def test_the_exact_name_goes_before_its_look_alikes(tmp_path: Path) -> None:
    """Of prompt and Prompt, prompt is the prompt, whichever comes first."""
    row = {"prompt": ASKED, "Prompt": "other", "chosen": "4", "rejected": "5"}
    outcome = converted(jsonl(tmp_path / "pairs.jsonl", [row]))
    assert outcome.pairs == ONE


@pytest.mark.parametrize("odd", [["x"], {"role": "user", "content": "x"}, 3])
def test_one_odd_part_of_a_prompt_changes_no_other_row(odd: object, tmp_path: Path) -> None:
    """Instruction and input are one turn, whatever another row has for an input."""
    row = {"instruction": "One?", "input": "With this.", "chosen": "good", "rejected": "bad"}
    plain = converted(jsonl(tmp_path / "plain.jsonl", [row, {**row, "input": ""}]))
    rows: list[Row] = [row, {**row, "input": ""}, {**row, "instruction": "Two?", "input": odd}]
    mixed = converted(jsonl(tmp_path / "mixed.jsonl", rows))
    assert set(plain.ids) <= set(mixed.ids)
    assert ("One?\nWith this.", "good", "bad") in mixed.pairs


@pytest.mark.parametrize(
    ("name", "odd", "reason"),
    [
        ("input", {"note": "x"}, "field is missing"),
        ("system", {"note": "x"}, "field is missing"),
        ("history", [["Hi", ""]], "text is empty"),
        ("history", [["Hi", None]], "field is missing"),
    ],
)
def test_what_may_be_left_out_may_not_be_broken(
    name: str, odd: object, reason: str, tmp_path: Path
) -> None:
    """A prompt is not made of what is left of it."""
    row: Row = {"instruction": "One?", "chosen": "good", "rejected": "bad", name: []}
    outcome = converted(jsonl(tmp_path / "rows.jsonl", [row, {**row, name: odd}]))
    assert outcome.pairs == {("One?", "good", "bad")}
    assert [each[:3] for each in outcome.refused] == [(2, name, reason)]


def test_a_number_beyond_64_bits_inside_a_message_is_a_row_like_any_other(tmp_path: Path) -> None:
    """A note of 30 digits beside the text, in a file that is read with care."""
    turns = [{"role": "assistant", "content": "good", "value": 3.5}]
    row: Row = {"prompt": "One?", "chosen": turns, "rejected": "bad"}
    large = [{**turns[0], "value": 10**30}]
    rows = [row, {**row, "prompt": "Two?", "chosen": large}, {**row, "prompt": 3}]
    outcome = converted(jsonl(tmp_path / "rows.jsonl", rows))
    assert outcome.pairs == {("One?", "good", "bad"), ("Two?", "good", "bad")}
