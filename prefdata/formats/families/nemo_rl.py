"""NeMo-RL (NVIDIA): its own format for preferences, which other sets are written to."""

from __future__ import annotations

from itertools import combinations

from prefdata.formats.numbers import number_of
from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.paths import parse_path, value_at
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.records import reasons

MEASURED = (parse_path("completions[].rank"), parse_path("completions[].reward"))


def _in_order(row: RawRow) -> RawRow:
    """Hold the rewards, where there are any, against the ranks."""
    ranks, rewards = (value_at(row, path) for path in MEASURED)
    if not isinstance(ranks, list) or not isinstance(rewards, list):
        return row
    both = [(number_of(x), number_of(y)) for x, y in zip(ranks, rewards, strict=True)]
    complete = [(rank, reward) for rank, reward in both if rank is not None and reward is not None]
    for (rank, reward), (other, second) in combinations(complete, 2):
        if (rank - other) * (reward - second) > 0:
            detail = f"rank {min(rank, other):g} has the lower reward"
            raise InvalidRow(reasons.SCORES_DISAGREE, "completions", detail)
    return row


FORMATS = (
    format_of(
        FormatSpec(
            name="nemo-rl",
            kind="ratings",
            summary="one row per prompt: a context and completions with their ranks",
            fields={
                "prompt": "context",
                "response": "completions[].completion",
                "rank": "completions[].rank",
            },
            needs=("context", "completions[0].completion", "completions[0].rank"),
            prepare=_in_order,
            polarity="a lower rank is better",
            ties="equal ranks",
            licence="that of the data set that was written so",
            notes="A reward, where there is one, is held against the ranks: a row in which the "
            "better rank has the lower reward is rejected. Margins are differences of rank.",
            example={
                "context": [{"role": "user", "content": "What is 2 + 2?"}],
                "completions": [
                    {"rank": 0, "completion": [{"role": "assistant", "content": "4"}]},
                    {"rank": 1, "completion": [{"role": "assistant", "content": "5"}]},
                ],
            },
        )
    ),
)
