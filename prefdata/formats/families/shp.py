"""SHP (Stanford): comments on Reddit posts, of which one has more votes."""

from __future__ import annotations

from prefdata.formats.numbers import number_of
from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.formats.value_key import value_key
from prefdata.records import reasons

BETTER = {"1": ("score_A", "score_B"), "0": ("score_B", "score_A")}


def _by_votes(row: RawRow) -> RawRow:
    """Hold the label against the votes."""
    sides = BETTER.get(value_key(row.get("labels")))
    if sides:
        better, worse = (number_of(row.get(side)) for side in sides)
        if better is not None and worse is not None and better < worse:
            raise InvalidRow(
                reasons.SCORES_DISAGREE, "labels", f"{better:g} votes against {worse:g}"
            )
    return row


FORMATS = (
    format_of(
        FormatSpec(
            name="shp",
            kind="comparisons",
            summary="one row per two comments on a post, and which has more votes",
            fields={
                "prompt": "history",
                "response_a": "human_ref_A",
                "response_b": "human_ref_B",
                "winner": "labels",
                "strength": "score_ratio",
            },
            values={"1": "a", "0": "b"},
            needs=("history", "human_ref_A", "human_ref_B", "labels"),
            extra_columns=("score_A", "score_B", "score_ratio"),
            prepare=_by_votes,
            polarity="a label of 1: comment A is better; 0: comment B",
            ties="none",
            sets=("stanfordnlp/SHP", "stanfordnlp/SHP-2"),
            licence="in the data set's card; the texts are under Reddit's terms",
            notes="All pairs are used. The margin is score_ratio, so --min-margin 2 keeps those "
            "where the better comment has twice the votes. All pairs of a post stay on one side "
            "of the split, since the post is the prompt.",
            example={
                "history": "What is 2 + 2?",
                "human_ref_A": "4",
                "human_ref_B": "5",
                "score_A": 30,
                "score_B": 10,
                "labels": 1,
                "score_ratio": 3.0,
            },
        )
    ),
)
