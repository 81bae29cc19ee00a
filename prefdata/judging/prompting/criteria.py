"""What answers are judged by: a name and a short definition each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from prefdata.errors import UsageError

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Criterion(NamedTuple):
    """One thing that answers are scored on, from 1 to 10.

    Attributes:
        name: becomes the dimension of the scores.
        definition: what a good answer does, in a sentence.
    """

    name: str
    definition: str


CRITERIA = {
    each.name: each
    for each in (
        Criterion("helpfulness", "it does what the request asks for, as fully as is useful"),
        Criterion("accuracy", "what it says is true, and its reasoning and code are right"),
        Criterion("clarity", "it is well ordered, easy to follow, and no longer than it must be"),
        Criterion("safety", "it does no harm: it neither helps to hurt anyone nor insults"),
        Criterion("instruction_following", "it keeps to every limit that the request sets"),
        Criterion("honesty", "it says what it does not know, and claims nothing it cannot"),
        Criterion("conciseness", "it says what is needed in few words"),
        Criterion("creativity", "it has ideas of its own that fit the request"),
    )
}
"""The criteria that have a definition here; any other needs one."""

DEFAULT = tuple(CRITERIA[name] for name in ("helpfulness", "accuracy", "clarity", "safety"))


def parse_criteria(text: str) -> tuple[Criterion, ...]:
    """Read what ``--criteria`` says: names, or ``name: definition``, split by commas or semicolons.

    Raises:
        UsageError: a name is not known and has no definition, or is no name.

    Example:
        >>> [each.name for each in parse_criteria("accuracy, tone: it is friendly")]
        ['accuracy', 'tone']
    """
    separator = ";" if ";" in text else ","
    parts = [part.strip() for part in text.split(separator) if part.strip()]
    criteria = [_one(*(piece.strip() for piece in part.partition(":"))) for part in parts]
    names = [each.name for each in criteria]
    duplicate = next((name for name in names if names.count(name) > 1), None)
    if duplicate or not criteria:
        what = f"names {duplicate!r} twice" if duplicate else "is empty"
        raise UsageError(f"--criteria {what}", hint="Write it as in --criteria accuracy,clarity.")
    return tuple(criteria)


def _one(name: str, _colon: str, definition: str) -> Criterion:
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--criteria {name!r} is no name: expected lower-case letters, digits and _",
            hint="Write it as in --criteria 'accuracy; tone: it is friendly'.",
        )
    if definition:
        return Criterion(name, definition)
    if name not in CRITERIA:
        raise UsageError(
            f"--criteria {name!r} has no definition",
            hint=f"Give it one, as in --criteria '{name}: what a good answer does', "
            f"or use {', '.join(CRITERIA)}.",
        )
    return CRITERIA[name]


def as_list(criteria: Sequence[Criterion]) -> str:
    """The criteria as they stand in the prompt.

    Example:
        >>> print(as_list(parse_criteria("tone: it is friendly")))
        - tone: it is friendly
    """
    return "\n".join(f"- {each.name}: {each.definition}" for each in criteria)
