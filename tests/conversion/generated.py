"""Small sources of every kind, with repeats, conflicts, ties and rows that nobody can read."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.roundtrip import Row, judged, labelled, pair, rated

PROMPTS = st.sampled_from(["What is 2 + 2?", " What is 2 + 2?\n", "Say hi.", "Écris un mot."])
RESPONSES = st.sampled_from(["4", "4 ", "5", "Hi!", "un\nmot", "I do not know."])
SCORES = st.sampled_from([1, 2, 3, 4.5, -2, 0.1, 0.2, 0.3])
ANNOTATORS = st.sampled_from(["anna", "ben", None])
BAD_TEXTS = st.sampled_from([None, "", " \n", "a\x00b"])
WINNERS = st.sampled_from(["a", "b", "tie"])

UNREADABLE = st.sampled_from(
    ['{"prompt": "cut', "[]", "7", "null", '{"prompt": 1, "prompt": 2}', "{}"]
)


def _lists(responses: list[str], scores: list[float], prompt: str) -> Row:
    return {"prompt": prompt, "responses": responses, "scores": scores[: len(responses)]}


def _wide(a: str, x: object, b: str, y: object, prompt: str) -> Row:
    return {"prompt": prompt, "response_a": a, "score_a": x, "response_b": b, "score_b": y}


SOUND: dict[str, st.SearchStrategy[Row]] = {
    "pairs": st.one_of(
        st.builds(pair, RESPONSES, RESPONSES, PROMPTS),
        st.builds(
            pair,
            RESPONSES,
            RESPONSES,
            PROMPTS,
            votes=st.integers(1, 5),
            agreement=st.sampled_from([0.1, 0.2, 0.3, 0.6, 1.0, None]),
            score_chosen=st.one_of(SCORES, st.none()),
            score_rejected=st.one_of(SCORES, st.none()),
        ),
    ),
    "comparisons": st.builds(judged, RESPONSES, RESPONSES, WINNERS, PROMPTS, annotator=ANNOTATORS),
    "long": st.builds(rated, RESPONSES, SCORES, PROMPTS, annotator=ANNOTATORS),
    "wide": st.builds(_wide, RESPONSES, SCORES, RESPONSES, SCORES, PROMPTS),
    "lists": st.builds(
        _lists,
        st.lists(RESPONSES, min_size=2, max_size=4),
        st.lists(SCORES, min_size=4, max_size=4),
        PROMPTS,
    ),
    "unpaired": st.builds(labelled, RESPONSES, st.booleans(), PROMPTS, weight=SCORES),
}
"""Rows of each kind, most of them sound."""

BAD: dict[str, st.SearchStrategy[Row]] = {
    "pairs": st.builds(pair, BAD_TEXTS, RESPONSES, PROMPTS),
    "comparisons": st.builds(judged, RESPONSES, BAD_TEXTS, st.sampled_from(["a", "?", None])),
    "long": st.one_of(
        st.builds(rated, RESPONSES, st.sampled_from(["N/A", "", None, "many"]), PROMPTS),
        st.builds(rated, BAD_TEXTS, SCORES, PROMPTS),
    ),
    "wide": st.builds(_wide, RESPONSES, st.sampled_from(["N/A", None]), RESPONSES, SCORES, PROMPTS),
    "lists": st.builds(
        _lists, st.lists(RESPONSES, max_size=3), st.lists(SCORES, min_size=2, max_size=2), PROMPTS
    ),
    "unpaired": st.builds(labelled, RESPONSES, st.sampled_from(["", None]), PROMPTS),
}
"""Rows that are JSON, and of which little or nothing can be used."""

ANCHOR: dict[str, list[Row]] = {
    "pairs": [pair("yes", "no", "?")],
    "comparisons": [judged("yes", "no", "a", "?"), judged("yes", "no", "b", "??")],
    "long": [rated("yes", 1, "?"), rated("no", 0, "?")],
    "wide": [_wide("yes", 1, "no", 0, "?")],
    "lists": [_lists(["yes", "no"], [1, 0], "?")],
    "unpaired": [labelled("yes", True, "?"), labelled("no", False, "?")],
}
"""Rows by which each kind is recognised, and which always give something."""


def sources(kind: str, *, garbage: bool = True) -> st.SearchStrategy[list[Row | str]]:
    """Up to a dozen rows of a kind, in any order."""
    rows: st.SearchStrategy[Row | str] = SOUND[kind]
    if garbage:
        rows = st.one_of(rows, rows, rows, BAD[kind], UNREADABLE)
    drawn = st.lists(rows, max_size=12)
    return drawn.flatmap(lambda found: st.permutations([*ANCHOR[kind], *found]))
