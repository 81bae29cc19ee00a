"""HelpSteer (NVIDIA): ratings on five dimensions, and graded preferences between two answers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from prefdata.formats.numbers import number_of
from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.records import reasons

ASPECTS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
LICENCE = "CC-BY-4.0, in the data set's card"
TURN = re.compile(r"\s*<extra_id_1>(User|Assistant)\s*")
MARK = "<extra_id_"
MERIT = "complexity and verbosity are no merit as such"
TURNS = "Prompts of several turns are taken apart at their <extra_id_1> marks."


def _in_turns(row: RawRow) -> RawRow:
    """The row with its prompt as messages, where it holds several turns."""
    prompt = row.get("prompt")
    if not isinstance(prompt, str) or MARK not in prompt:
        return row
    first, *rest = TURN.split(prompt)
    pieces = ["User", first, *rest] if first.strip() else rest
    turns = [
        {"role": role.lower(), "content": text}
        for role, text in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    usual = ["user", "assistant"] * len(turns)
    if any(MARK in turn["content"] for turn in turns) or any(
        turn["role"] != role for turn, role in zip(turns, usual, strict=False)
    ):
        raise InvalidRow(reasons.BAD_TURNS, "prompt", f"at its marks {MARK}…>")
    return {**row, "prompt": turns}


def _with_votes(row: RawRow) -> RawRow:
    """The row with the number of its annotators, and the share that agrees with the verdict."""
    votes = row.get("individual_preference")
    listed = votes if isinstance(votes, list) else []
    scores = [number_of(each.get("score")) for each in listed if isinstance(each, Mapping)]
    signs = [(score > 0) - (score < 0) for score in scores if score is not None]
    overall = number_of(row.get("overall_preference"))
    if not signs or overall is None:
        return row
    same = signs.count((overall > 0) - (overall < 0))
    return {**row, "votes": len(signs), "agreement": same / len(signs)}


def _listed(rows: list[RawRow]) -> bool:
    return any(isinstance(row.get("helpfulness"), list) for row in rows)


def _single(rows: list[RawRow]) -> bool:
    return not _listed(rows)


FORMATS = (
    format_of(
        FormatSpec(
            name="helpsteer",
            kind="ratings",
            summary="one row per response: five ratings from 0 to 4",
            fields={
                "prompt": "prompt",
                "response": "response",
                "score": {name: name for name in ASPECTS},
            },
            needs=("prompt", "response", *ASPECTS),
            accepts=_single,
            prepare=_in_turns,
            dimensions={"helpfulness": 1.0},
            polarity=f"a higher rating is better; {MERIT}",
            ties="equal ratings",
            sets=("nvidia/HelpSteer", "nvidia/HelpSteer2"),
            licence=LICENCE,
            notes=f"Pairs rest on helpfulness, unless --dimension or --weights says otherwise. "
            f"{TURNS}",
            example={
                "prompt": "What is 2 + 2?",
                "response": "4",
                "helpfulness": 4,
                "correctness": 4,
                "coherence": 4,
                "complexity": 0,
                "verbosity": 0,
            },
        )
    ),
    format_of(
        FormatSpec(
            name="helpsteer2-disagreements",
            kind="ratings",
            summary="one row per response: five lists, with the rating of each annotator",
            fields={
                "prompt": "prompt",
                "response": "response",
                "score": {name: f"{name}[]" for name in ASPECTS},
            },
            needs=("prompt", "response", *ASPECTS),
            accepts=_listed,
            prepare=_in_turns,
            dimensions={"helpfulness": 1.0},
            polarity=f"a higher rating is better; {MERIT}",
            ties="equal means",
            sets=("nvidia/HelpSteer2",),
            licence=LICENCE,
            notes="Each annotator's rating counts; --aggregate says how they become one score. "
            f"Who gave which is not told. {TURNS}",
            example={
                "prompt": "What is 2 + 2?",
                "response": "4",
                "helpfulness": [4, 3, 4],
                "correctness": [4, 4, 4],
                "coherence": [4, 4, 4],
                "complexity": [0, 0, 1],
                "verbosity": [0, 1, 0],
            },
        )
    ),
    format_of(
        FormatSpec(
            name="helpsteer2-preference",
            kind="comparisons",
            summary="one row per two responses: a strength from -3 to 3",
            fields={
                "prompt": "prompt",
                "response_a": "response_1",
                "response_b": "response_2",
                "winner": "preference_strength",
            },
            values={"-100": "none", "negative": "a", "positive": "b"},
            needs=("prompt", "response_1", "response_2", "preference_strength"),
            prepare=_in_turns,
            polarity="a negative strength: the first is better; a positive one: the second",
            ties="a strength of 0",
            absent="a strength of -100: neither response is valid",
            sets=("nvidia/HelpSteer2",),
            licence=LICENCE,
            notes=TURNS,
            example={
                "prompt": "What is 2 + 2?",
                "response_1": "4",
                "response_2": "5",
                "preference_strength": -3,
            },
        )
    ),
    format_of(
        FormatSpec(
            name="helpsteer3-preference",
            kind="comparisons",
            summary="one row per two responses to a conversation: a preference from -3 to 3",
            fields={
                "prompt": "context",
                "response_a": "response1",
                "response_b": "response2",
                "winner": "overall_preference",
                "votes": "votes",
                "agreement": "agreement",
            },
            values={"-100": "none", "negative": "a", "positive": "b"},
            needs=("context", "response1", "response2", "overall_preference"),
            extra_columns=("individual_preference",),
            prepare=_with_votes,
            polarity="a negative preference: the first is better; a positive one: the second",
            ties="a preference of 0",
            absent="no preference",
            sets=("nvidia/HelpSteer3",),
            licence=LICENCE,
            notes="overall_preference decides. individual_preference says how many annotators "
            "there were and what share of them agrees with it.",
            example={
                "context": [{"role": "user", "content": "What is 2 + 2?"}],
                "response1": "4",
                "response2": "5",
                "overall_preference": -2,
                "individual_preference": [{"score": -2}, {"score": -3}, {"score": 1}],
            },
        )
    ),
)
