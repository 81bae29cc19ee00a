"""The exceptions of prefdata: each says what, where and what was expected, and has a remedy.

PrefdataError
├── InputError            (ValueError)    a file or its rows cannot be used
│   └── UsageError                        what was asked for cannot be done: an option, a path
│       └── QuestionError                 a source that can be read in two ways
├── UnknownNameError      (LookupError)   a name that is not in a registry or a file
├── MissingExtraError     (ImportError)   an optional dependency that is not installed
├── JudgeError            (RuntimeError)  a judge that cannot be asked
├── RecipeError           (ValueError)    a training recipe that cannot be run
└── TrainingError         (RuntimeError)  a training run that had to stop
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

MOST_NAMES = 40
"""How many names a hint lists."""

LONGEST_NAME, LONGEST_LIST = 60, 1000
"""Characters of one of them, and of all."""


class PrefdataError(Exception):
    """Root of every error that prefdata raises on purpose.

    Args:
        message: what is wrong, where, and what was expected.
        hint: the remedy, one sentence; shown after ``Hint:``.

    Example:
        >>> error = PrefdataError("ratings.csv is empty", hint="Check the export that made it.")
        >>> error.hint
        'Check the export that made it.'
    """

    exit_code = 1
    """What the command line exits with: 1 the data or the run failed, 2 wrong usage."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), str(self), self.__dict__)


def _restore(kind: type[PrefdataError], message: str, state: Mapping[str, object]) -> PrefdataError:
    """Rebuild a pickled error from its message, since some errors compose theirs from arguments."""
    error = kind.__new__(kind)
    PrefdataError.__init__(error, message)
    error.__dict__.update(state)
    return error


class InputError(PrefdataError, ValueError):
    """A file, or what it holds, that cannot be used as it is."""


class UsageError(InputError):
    """A request that cannot be met as it was made: an option, a path, a combination of them."""

    exit_code = 2


class QuestionError(UsageError):
    """A source that can be read in two ways: the run stops and asks, before anything is written.

    Args:
        message: which source, and what it looks like.
        hint: the questions, in words.
        questions: the questions as objects, each with its ``source``, ``text``, ``columns``,
            ``values`` and the ``lines`` that settle it.
    """

    def __init__(
        self, message: str, *, hint: str = "", questions: Iterable[Mapping[str, object]] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.questions = tuple(questions)


class UnknownNameError(PrefdataError, LookupError):
    """A name that does not exist, with the nearest names that do.

    Args:
        kind: what the name stands for, such as ``"format"`` or ``"column"``.
        name: the name that was asked for.
        names: the names that would have been accepted.
        where: where the name was looked up, such as a file.

    Example:
        >>> print(UnknownNameError("format", "pair", ["pairs", "ratings"]).hint)
        Did you mean 'pairs'? Known: pairs, ratings.
    """

    exit_code = 2

    def __init__(self, kind: str, name: str, names: Iterable[str], *, where: str = "") -> None:
        names = list(names)
        short = [each for each in names if len(each) <= LONGEST_NAME]
        near = difflib.get_close_matches(name[: 2 * LONGEST_NAME], short, n=2)
        guess = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
        place = f" in {where}" if where else ""
        known_names = f"Known: {_listed(names) or 'none'}."
        super().__init__(f"unknown {kind} {name[:LONGEST_NAME]!r}{place}", hint=guess + known_names)


def _listed(names: list[str]) -> str:
    """As many names as fit into a message, and how many more there are."""
    first: list[str] = []
    for name in names[:MOST_NAMES]:
        first.append(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…")
        if sum(map(len, first)) > LONGEST_LIST:
            break
    more = f", and {len(names) - len(first)} more" if len(names) > len(first) else ""
    return ", ".join(first) + more


class MissingExtraError(PrefdataError, ImportError):
    """An optional dependency that the asked-for command needs.

    Args:
        extra: the extra of prefdata that holds it, such as ``"train"``.
        needed_for: what needs it, such as ``"pref train"``.

    Example:
        >>> print(MissingExtraError("train", needed_for="pref train").hint)
        Install it with: pip install 'prefdata[train]'
    """

    exit_code = 2

    def __init__(self, extra: str, *, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the extra '{extra}', which is not installed",
            hint=f"Install it with: pip install 'prefdata[{extra}]'",
        )


class JudgeError(PrefdataError, RuntimeError):
    """A judge that cannot be asked, or whose answers cannot be used."""


class RecipeError(PrefdataError, ValueError):
    """A training recipe that cannot be run as it is written."""

    exit_code = 2


class TrainingError(PrefdataError, RuntimeError):
    """A training run that had to stop before it was done."""


class Interrupted(KeyboardInterrupt):
    """The user stopped a run that can go on: its text says where it stands and how."""


def error_to_dict(error: PrefdataError | Interrupted) -> dict[str, object]:
    """An error as another program reads it: its type, its message and its hint.

    A `QuestionError` has its ``questions`` too.

    Example:
        >>> error_to_dict(InputError("ratings.csv is empty"))
        {'type': 'InputError', 'message': 'ratings.csv is empty', 'hint': ''}
    """
    kinds = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == __name__)
    fields: dict[str, object] = {"type": next(kinds), "message": str(error)}
    fields["hint"] = getattr(error, "hint", "")
    return fields | ({"questions": error.questions} if isinstance(error, QuestionError) else {})


def error_from_dict(fields: Mapping[str, Any]) -> PrefdataError | Interrupted:
    """The error that `error_to_dict` has written: of the same type, in the same words.

    Example:
        >>> error_from_dict(error_to_dict(UnknownNameError("format", "pair", ["pairs"])))
        UnknownNameError("unknown format 'pair'")
    """
    kind: type[PrefdataError | Interrupted] = globals()[fields["type"]]
    if issubclass(kind, Interrupted):
        return kind(fields["message"])
    state = {name: value for name, value in fields.items() if name not in ("type", "message")}
    return _restore(kind, fields["message"], state)
