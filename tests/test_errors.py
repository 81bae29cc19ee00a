"""Errors travel between processes, with what they say and the remedy."""

from __future__ import annotations

import pickle

import pytest

from prefdata.errors import (
    InputError,
    JudgeError,
    MissingExtraError,
    PrefdataError,
    RecipeError,
    TrainingError,
    UnknownNameError,
    UsageError,
)

ERRORS = [
    InputError("rows.csv is empty", hint="Check the export that made it."),
    UsageError("-o is missing", hint="Name a folder."),
    UnknownNameError("format", "pair", ["pairs", "ratings"], where="--format"),
    MissingExtraError("train", needed_for="pref train"),
    JudgeError("the judge does not answer"),
    RecipeError("beta is -1", hint="Choose a positive one."),
    TrainingError("the loss is not a number"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_is_the_same_after_a_pickle(error: PrefdataError, protocol: int) -> None:
    """A worker process raises it, and the command prints it."""
    copy = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 (it was made here)
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert (copy.hint, copy.exit_code) == (error.hint, error.exit_code)


def test_a_hint_that_was_changed_later_is_kept() -> None:
    """As commands do, to name an option."""
    error = UnknownNameError("format", "pair", ["pairs"])
    error.hint = "Leave --format out."
    assert pickle.loads(pickle.dumps(error)).hint == "Leave --format out."  # noqa: S301 (as above)
