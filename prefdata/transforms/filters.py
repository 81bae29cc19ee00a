"""Filters: named rules that refuse pairs, or labelled answers, which should not be trained on.

A filter is one entry of `FILTERS`; its option, its account and its remedy follow from that. This
module is loaded by the command line, so it does without Polars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from prefdata.errors import UnknownNameError, UsageError
from prefdata.records import reasons

if TYPE_CHECKING:
    import polars as pl
    from polars.functions.col import Col

MEASURES: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "chars": lambda text: text.str.len_chars(),
    "words": lambda text: text.str.count_matches(r"\S+"),
}
"""What can be measured of a text. The text of several turns is that of all, joined by line breaks.

Rows are measured while they are read, and only what a chosen filter needs.
"""

SIDES = ("prompt", "chosen", "rejected")
"""The texts of a pair. A labelled answer is chosen where its label is true, else rejected."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A named rule that refuses pairs.

    Attributes:
        name: as in ``--filter NAME``.
        reason: the short phrase that is counted.
        remedy: what whoever owns the data can do about it.
        refuses: the rule: from the columns of a pair and the threshold to an expression that is
            true where the pair is refused. It may use what the filter needs, ``margin``,
            ``chosen_score``, ``rejected_score``, ``votes`` and ``agreement``.
        needs: what it needs to know of the texts: one of `SIDES` and one of `MEASURES`, such as
            ``chosen_chars``.
        threshold: the number that holds unless ``--filter NAME=N`` gives another; None where the
            rule has no number.
        answers: whether it is a rule on one answer, which labelled answers are held to as well.
            What it needs of the side that a labelled answer does not have is null.

    Example:
        >>> import polars as pl
        >>> empty = Filter(
        ...     name="short",
        ...     reason="the chosen response is very short",
        ...     remedy="Leave it out, or lower the number of --filter short.",
        ...     refuses=lambda pair, least: pair.chosen_words < least,
        ...     needs=("chosen_words",),
        ...     threshold=3,
        ...     answers=True,
        ... )
        >>> pl.DataFrame({"chosen_words": [2, 30]}).select(empty.refuses(pl.col, 3)).rows()
        [(True,), (False,)]
    """

    name: str
    reason: str
    remedy: str
    refuses: Callable[[Col, float], pl.Expr]
    needs: tuple[str, ...] = ()
    threshold: float | None = None
    answers: bool = False


FILTERS: tuple[Filter, ...] = ()
"""All filters, in the order in which they look at a pair; the first that refuses it is counted."""


def with_thresholds(filters: Mapping[str, float | None]) -> dict[str, float | None]:
    """The filters that were chosen, each with the threshold that holds.

    Args:
        filters: name to threshold; None for the filter's own.

    Raises:
        UnknownNameError: there is no such filter.
        UsageError: a threshold is no number, or the filter has none.
    """
    by_name = {each.name: each for each in FILTERS}
    for name, threshold in filters.items():
        if name not in by_name:
            raise UnknownNameError("filter", name, by_name, where="--filter")
        if threshold is None:
            continue
        if by_name[name].threshold is None:
            raise UsageError(
                f"the filter {name} takes no number", hint=f"Write it as in --filter {name}."
            )
        if not isfinite(threshold):
            raise UsageError(
                f"the threshold of {name} is {threshold:g}; expected a number",
                hint=f"Write it as in --filter {name}={by_name[name].threshold:g}.",
            )
    own = {name: by_name[name].threshold for name in filters}
    return {name: own[name] if value is None else value for name, value in filters.items()}


def chosen_filters(filters: Mapping[str, float | None]) -> list[Filter]:
    """The entries of the filters that were chosen, in the order of `FILTERS`."""
    return [each for each in FILTERS if each.name in filters]


def needed_columns(filters: Mapping[str, float | None]) -> tuple[str, ...]:
    """What the chosen filters need to know of the texts, each once."""
    needs = [column for each in chosen_filters(filters) for column in each.needs]
    return tuple(dict.fromkeys(needs))


def check_answers(filters: Mapping[str, float | None], name: str) -> None:
    """Refuse filters that look at two answers where each row has one.

    Args:
        filters: those that were chosen.
        name: the source of labelled answers.

    Raises:
        UsageError: one of them cannot be applied.
    """
    for each in chosen_filters(filters):
        if not each.answers:
            raise UsageError(
                f"the filter {each.name} looks at pairs; {name} holds one answer a row",
                hint=f"Leave out --filter {each.name}.",
            )


def remedies() -> dict[str, str]:
    """Every reason why a row gave no pair, those of filters among them, with its remedy."""
    return {**reasons.REMEDIES, **{each.reason: each.remedy for each in FILTERS}}
