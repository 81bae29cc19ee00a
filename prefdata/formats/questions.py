"""What only the user can decide: each question with what raised it and the line that settles it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

from prefdata.errors import QuestionError

MOST_SOURCES = 5
"""How many sources a message names."""

LONGEST_HINT = 1300
"""Characters of all questions together; those beyond are asked by the next run."""


@dataclass(frozen=True)
class ValueCount:
    """A value that a column holds.

    Attributes:
        value: the value, as text.
        rows: how many rows hold it, of those that were read.
        example: a row that holds it, cut short, or ``""``.
    """

    value: str
    rows: int
    example: str = ""


@dataclass(frozen=True)
class Question:
    """Something in a source that can be understood in two ways.

    Attributes:
        text: what is unclear, and how to settle it, in one or two sentences.
        columns: the columns that it is about.
        values: the values that it is about, the most frequent first.
        lines: the options that settle it, to be copied; ``?`` stands where only the user knows.
    """

    text: str
    columns: tuple[str, ...] = ()
    values: tuple[ValueCount, ...] = ()
    lines: tuple[str, ...] = ()


def question_error(name: str, format: str, questions: Sequence[Question]) -> QuestionError:
    """The error that asks.

    Args:
        name: the source.
        format: the format that it looks like.
        questions: all that is open.

    Example:
        >>> print(question_error("votes.csv", "comparisons", [Question("is 1 the first?")]).hint)
        is 1 the first?
    """
    return QuestionError(
        f"{name} looks like {format}, but can be read in two ways",
        hint=_listed([each.text for each in questions]),
        questions=[{"source": name, **asdict(each)} for each in questions],
    )


def joined_errors(errors: Sequence[QuestionError]) -> QuestionError:
    """The questions of several sources as one error."""
    if len(errors) == 1:
        return errors[0]
    questions = [question for each in errors for question in each.questions]
    first = "; ".join(map(str, errors[:MOST_SOURCES]))
    more = f"; and {len(errors) - MOST_SOURCES} more" if len(errors) > MOST_SOURCES else ""
    texts = {str(each["text"]): f"{each['source']}: {each['text']}" for each in questions[::-1]}
    return QuestionError(
        first + more,
        hint=_listed(list(texts.values())[::-1]),
        questions=questions,
    )


def _listed(texts: Sequence[str]) -> str:
    """Questions for a message, each on a line where there are several."""
    most = max(1, sum(length <= LONGEST_HINT for length in accumulate(map(len, texts))))
    more = len(texts) - most
    then = [f"(and {more} more question{'s' if more > 1 else ''})"] if more else []
    return "\n".join([*texts[:most], *then])
