"""Chatbot Arena and MT-Bench (LMSYS, LMArena): battles of two models, and who won them."""

from __future__ import annotations

from collections.abc import Mapping

from prefdata.formats.generic.column_names import sided
from prefdata.formats.sample import Sample
from prefdata.formats.spec.as_format import format_of, refused_format
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.formats.text_shapes import parse_cell
from prefdata.formats.value_key import value_key
from prefdata.records import reasons

Turns = list[Mapping[str, object]]

SIDES = ("conversation_a", "conversation_b")
WINNERS = {"model_a": "a", "model_b": "b", "tie": "tie"}
BATTLE = {
    "response_a": "conversation_a",
    "response_b": "conversation_b",
    "winner": "winner",
    "model_a": "model_a",
    "model_b": "model_b",
}
POLARITY = "winner names the side that was better: model_a or model_b"
OWN_ANSWERS = (
    "Conversations of several turns are rejected where the two models gave different earlier "
    "answers: what was compared then has two different prompts."
)


def _user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}


def _assistant(text: str) -> dict[str, object]:
    return {"role": "assistant", "content": text}


def _blocks(turn: dict[str, object]) -> dict[str, object]:
    return {"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]}


ASKED, GOOD, BAD = _user("What is 2 + 2?"), _assistant("4"), _assistant("5")
EXAMPLE = {
    "model_a": "north",
    "model_b": "south",
    "winner": "model_a",
    "conversation_a": [ASKED, GOOD],
    "conversation_b": [ASKED, BAD],
}


def _list(row: RawRow, name: str) -> list[object]:
    """A list that stands in a column, or in a cell as JSON or Python text."""
    value = row.get(name)
    if isinstance(value, str):
        content = parse_cell(value)
        if content is None:
            raise InvalidRow(reasons.BROKEN_JSON, name, "in a cell")
        value = content
    if value is None:
        raise InvalidRow(reasons.MISSING, name)
    if not isinstance(value, list):
        raise InvalidRow(reasons.WRONG_TYPE, name, "expected a list")
    return value


def _turns(row: RawRow, name: str) -> Turns:
    turns = [turn for turn in _list(row, name) if isinstance(turn, Mapping)]
    if len(turns) != len(_list(row, name)):
        raise InvalidRow(reasons.WRONG_TYPE, name, "expected messages")
    return turns


def _from_lists(row: RawRow) -> RawRow:
    """55k: what was asked and what each side answered, each a list with one text per turn."""
    return {**row, **{side: _conversation(row, side) for side in ("response_a", "response_b")}}


def _conversation(row: RawRow, side: str) -> list[dict[str, object]]:
    questions, answers = _texts(row, "prompt"), _texts(row, side)
    if len(questions) != len(answers):
        detail = f"{len(questions)} turns in prompt, {len(answers)} in {side}"
        raise InvalidRow(reasons.WRONG_TYPE, side, detail)
    return [
        turn
        for question, answer in zip(questions, answers, strict=True)
        for turn in (_user(question), _assistant(answer))
    ]


def _texts(row: RawRow, name: str) -> list[str]:
    texts: list[str] = []
    for number, text in enumerate(_list(row, name), 1):
        if text is None:
            raise InvalidRow(reasons.MISSING, name, f"turn {number} is null")
        if not isinstance(text, str):
            raise InvalidRow(reasons.WRONG_TYPE, name, f"turn {number} is not text")
        texts.append(text)
    return texts


def _has_lists(rows: list[RawRow]) -> bool:
    """Whether prompts are lists of turns, as they are in 55k and not in other votes."""
    prompts = [row["prompt"] for row in rows if row.get("prompt") is not None]
    lists = [v for v in prompts if isinstance(v, list) or (isinstance(v, str) and v[:1] == "[")]
    return len(lists) > 0.5 * len(prompts)


def _in_session(row: RawRow) -> RawRow:
    """140k: a vote later in a session goes on from turns that stand in the full conversation."""
    full = _turns(row, "full_conversation")
    questions = [turn for turn in _turns(row, SIDES[0]) if turn.get("role") == "user"]
    before = len(full) - len(questions)
    last = [_text_of(turn.get("user")) for turn in full[max(before, 0) :]]
    if before < 0 or last != [_text_of(turn) for turn in questions]:
        detail = "it does not end with the turns of this vote"
        raise InvalidRow(reasons.BAD_TURNS, "full_conversation", detail)
    conversations = {}
    for side, key in zip(SIDES, ("model_side_a", "model_side_b"), strict=True):
        conversations[side] = [
            turn[who] for turn in full[:before] for who in ("user", key) if who in turn
        ]
        conversations[side] += _turns(row, side)
    return {**row, **conversations}


def _text_of(turn: object) -> str:
    """The text of a message whose content is text, or blocks."""
    content = turn.get("content") if isinstance(turn, Mapping) else None
    blocks = content if isinstance(content, list) else [{"text": content}]
    return "".join(str(b.get("text") or "") for b in blocks if isinstance(b, Mapping)).strip()


def _until_the_judged_turn(row: RawRow) -> RawRow:
    """MT-Bench: conversations hold both turns; what follows the judged one is cut off."""
    turn = value_key(row.get("turn"))
    if turn not in ("1", "2"):
        raise InvalidRow(reasons.WRONG_TYPE, "turn", f"expected 1 or 2, found {turn}")
    judge = row.get("judge")
    return {
        **row,
        **{side: _up_to_turn(_turns(row, side), int(turn), side) for side in SIDES},
        "judge": " ".join(map(str, judge)) if isinstance(judge, list) else judge,
    }


def _up_to_turn(turns: Turns, number: int, side: str) -> Turns:
    answers = [index for index, turn in enumerate(turns) if turn.get("role") == "assistant"]
    if len(answers) < number:
        raise InvalidRow(reasons.NO_ANSWER, side, f"there is no answer in turn {number}")
    return turns[: answers[number - 1] + 1]


def _without_texts(sample: Sample) -> bool:
    return not sided(sample.names, "response")


FORMATS = (
    format_of(
        FormatSpec(
            name="arena-55k",
            kind="comparisons",
            summary="one row per vote in Chatbot Arena: lists of turns in cells, a column a winner",
            fields={
                "response_a": "response_a",
                "response_b": "response_b",
                "winner_a": "winner_model_a",
                "winner_b": "winner_model_b",
                "winner_tie": "winner_tie",
                "model_a": "model_a",
                "model_b": "model_b",
            },
            needs=(
                *("prompt", "response_a", "response_b"),
                *("winner_model_a", "winner_model_b", "winner_tie"),
            ),
            extra_columns=("model_a", "model_b"),
            accepts=_has_lists,
            prepare=_from_lists,
            polarity="winner_model_a is 1: the first is better; winner_model_b is 1: the second",
            ties="winner_tie is 1; 'both bad' is among them",
            absent="all three are 0",
            sets=(
                "lmsys/lmsys-arena-human-preference-55k",
                "lmarena-ai/arena-human-preference-55k",
            ),
            licence="Apache-2.0, in the data set's card",
            notes=f"Turns that are null are rejected. {OWN_ANSWERS}",
            example={
                "id": 1,
                "model_a": "north",
                "model_b": "south",
                "prompt": '["What is 2 + 2?"]',
                "response_a": '["4"]',
                "response_b": '["5"]',
                "winner_model_a": 1,
                "winner_model_b": 0,
                "winner_tie": 0,
            },
        )
    ),
    format_of(
        FormatSpec(
            name="arena-140k",
            kind="comparisons",
            summary="one row per vote in LMArena: content in blocks, several votes to a session",
            fields=BATTLE,
            values={**WINNERS, "both_bad": "tie"},
            needs=(
                *("model_a", "model_b", "winner", "evaluation_session_id"),
                *("conversation_a", "conversation_b", "full_conversation"),
            ),
            prepare=_in_session,
            polarity=POLARITY,
            ties="'tie' and 'both_bad'",
            group="conversation",
            sets=("lmarena-ai/arena-human-preference-140k",),
            licence="prompts CC-BY-4.0, answers under their providers' terms, in the set's card",
            notes="A vote later in a session gets the turns before it from full_conversation; "
            f"rows with images are rejected. {OWN_ANSWERS}",
            example={
                "id": "1",
                **EXAMPLE,
                "conversation_a": [_blocks(ASKED), _blocks(GOOD)],
                "conversation_b": [_blocks(ASKED), _blocks(BAD)],
                "evaluation_session_id": "s1",
                "evaluation_order": 1,
                "full_conversation": [
                    {
                        "user": _blocks(ASKED),
                        "model_side_a": _blocks(GOOD),
                        "model_side_b": _blocks(BAD),
                    }
                ],
            },
        )
    ),
    format_of(
        FormatSpec(
            name="mt-bench",
            kind="comparisons",
            summary="one row per verdict on MT-Bench: two conversations, which won in which turn",
            fields={**BATTLE, "annotator": "judge"},
            values={**WINNERS, "tie (inconsistent)": "tie"},
            needs=(
                *("question_id", "model_a", "model_b", "winner", "judge", "turn"),
                *("conversation_a", "conversation_b"),
            ),
            prepare=_until_the_judged_turn,
            polarity=POLARITY,
            ties="'tie', and 'tie (inconsistent)': a judge whose verdict changed with the order",
            group="conversation",
            sets=("lmsys/mt_bench_human_judgments",),
            licence="CC-BY-4.0, in the data set's card",
            notes="Conversations are cut after the turn that was judged. Verdicts on the second "
            "turn are rejected where the models gave different first answers.",
            example={"question_id": 81, **EXAMPLE, "judge": "expert_1", "turn": 1},
        )
    ),
    refused_format(
        "mt-bench-votes",
        "one row per verdict on MT-Bench, without the conversations",
        ("question_id", "model_a", "model_b", "winner", "judge", "turn"),
        "Votes without texts give no pairs. 'pref agree' says how far the annotators agree; "
        "lmsys/mt_bench_human_judgments has the conversations.",
        accepts=_without_texts,
    ),
)
