"""The usual column names of each field."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

ALIASES: dict[str, tuple[str, ...]] = {
    "prompt": (
        "prompt",
        "instruction",
        "question",
        "query",
        "conversations",
        "conversation",
        "messages",
        "input",
        "context",
        "history",
        "user_prompt",
        "user",
        "request",
        "post",
        "problem",
    ),
    "system": (
        "system",
        "system_prompt",
        "custom_system_prompt",
        "system_message",
        "system_instruction",
        "system_instructions",
        "sys",
        "sys_prompt",
        "developer_message",
        "developer_prompt",
        "developer",
    ),
    "chosen": (
        "chosen",
        "chosen_response",
        "chosen_messages",
        "preferred",
        "preferred_output",
        "preferred_response",
        "accepted",
        "winning_response",
        "better_response",
        "response_chosen",
    ),
    "rejected": (
        "rejected",
        "rejected_response",
        "rejected_messages",
        "non_preferred",
        "dispreferred",
        "non_preferred_output",
        "dispreferred_response",
        "losing_response",
        "worse_response",
        "response_rejected",
        "rejected_output",
    ),
    "response": (
        "response",
        "answer",
        "completion",
        "output",
        "generation",
        "reply",
        "model_response",
        "model_output",
        "text",
        "generated_text",
        "assistant",
    ),
    "completion": (
        "completion",
        "response",
        "answer",
        "output",
        "messages",
        "conversations",
        "conversation",
        "generation",
        "reply",
    ),
    "score": (
        "score",
        "rating",
        "stars",
        "star_rating",
        "overall_score",
        "overall_rating",
        "points",
        "reward",
        "quality",
        "grade_score",
        "mean_score",
        "average_rating",
        "avg_rating",
        "helpfulness",
    ),
    "rank": ("rank", "ranking", "place"),
    "unclear": ("grade", "position", "level", "order", "mark"),
    "label": (
        "label",
        "thumbs",
        "thumbs_up",
        "feedback",
        "is_good",
        "liked",
        "desirable",
        "accepted",
        "is_preferred",
        "good",
        "kto_tag",
    ),
    "winner": (
        "winner",
        "preference",
        "preferred",
        "choice",
        "better",
        "verdict",
        "vote",
        "label",
        "result",
        "chosen",
        "score",
        "better_response",
        "better_response_id",
        "overall_preference",
        "preference_strength",
        "human_preference",
        "human_label",
        "selected",
    ),
    "annotator": (
        "annotator",
        "annotator_id",
        "evaluator",
        "user",
        "user_id",
        "rater",
        "rater_id",
        "worker",
        "worker_id",
        "labeler",
        "labeller",
        "judge",
        "voter",
    ),
    "model": ("model", "model_name", "generator", "policy", "llm", "generated_by"),
    "dimension": ("dimension", "criterion", "aspect", "attribute", "rating_type"),
    "score_chosen": (
        "score_chosen",
        "chosen_score",
        "chosen_rating",
        "rating_chosen",
        "chosen_avg_rating",
    ),
    "score_rejected": (
        "score_rejected",
        "rejected_score",
        "rejected_rating",
        "rating_rejected",
        "rejected_avg_rating",
    ),
    "model_chosen": ("model_chosen", "chosen_model"),
    "model_rejected": ("model_rejected", "rejected_model"),
    "margin": ("margin",),
    "votes": ("votes",),
    "agreement": ("agreement",),
    "weight": ("weight",),
    "list": ("list_id", "ranking_id"),
    "source": ("source",),
}
"""Field to column names, the most telling first; compared as `plain` writes them."""

SIDED_TOO: dict[str, tuple[str, ...]] = {"response": ("conversation", "messages", "summary")}
"""Names that stand for a field only where they come once per side, as in conversation_a."""

SIDE = r"(?P<side>[a-h]|first|second|left|right|\d{1,2})"
SIDED = re.compile(rf"(?P<stem>.*?)[ _]?{SIDE}")
INSIDE = re.compile(rf"(?:response|answer|completion|output|model)?_?{SIDE}_(?P<stem>\w+)")


def plain(name: str) -> str:
    """A column name in the spelling in which names are compared.

    Example:
        >>> plain("Chosen-Rating ")
        'chosen_rating'
    """
    return re.sub(r"[\s-]+", "_", name.strip().lower())


TURK = re.compile(r"^(?:input|answer)\.")
"""What Mechanical Turk puts before the columns of a task and of its answer."""


def lookup(names: Collection[str], field: str) -> str:
    """The column that stands for a field, or ``""``.

    Example:
        >>> lookup(["Question", "Stars"], "prompt")
        'Question'
    """
    by_plain = {TURK.sub("", plain(name)): name for name in names}
    by_plain |= {plain(name): name for name in names}
    by_plain |= {name: name for name in names if name in by_plain}
    return next((by_plain[alias] for alias in ALIASES[field] if alias in by_plain), "")


def sided(names: Iterable[str], field: str) -> dict[str, str]:
    """Columns that hold a field once per side: side to column.

    Example:
        >>> sided(["response_a", "response_b", "score"], "response")
        {'a': 'response_a', 'b': 'response_b'}

    The sides are in their own order, whatever that of the columns:

        >>> list(sided(["answer_2", "answer_1"], "response"))
        ['1', '2']
    """
    columns_by_stem: dict[str, dict[str, str]] = {}
    stems = (*ALIASES[field], *SIDED_TOO.get(field, ()))
    for name in names:
        for pattern in (SIDED, INSIDE):
            if (match := pattern.fullmatch(plain(name))) and match["stem"] in stems:
                columns_by_stem.setdefault(match["stem"], {})[match["side"]] = name
    complete = [sides for sides in columns_by_stem.values() if len(sides) > 1]
    largest = max(complete, key=len, default={})
    return {side: largest[side] for side in sorted(largest, key=lambda side: (len(side), side))}


def plural(names: Iterable[str], field: str) -> str:
    """The column that holds a list of a field, such as ``responses``, or ``""``.

    Example:
        >>> plural(["prompt", "Answers"], "response")
        'Answers'
    """
    by_plain = {plain(name): name for name in names}
    return next(
        (by_plain[many] for alias in ALIASES[field] for many in (alias + "s",) if many in by_plain),
        "",
    )
