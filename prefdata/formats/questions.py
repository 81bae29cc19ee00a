"""What only the user can decide: each question with what raised it and the line that settles it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from prefdata.errors import QuestionError


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
        hint="; ".join(each.text for each in questions),
        questions=[{"source": name, **asdict(each)} for each in questions],
    )


def joined_errors(errors: Sequence[QuestionError]) -> QuestionError:
    """The questions of several sources as one error."""
    if len(errors) == 1:
        return errors[0]
    return QuestionError(
        "; ".join(map(str, errors)),
        hint="; ".join(each.hint for each in errors),
        questions=[question for each in errors for question in each.questions],
    )
