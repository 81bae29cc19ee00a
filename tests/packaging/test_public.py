"""The public names."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
import types

import pytest

import prefdata
from prefdata import errors


def test_the_public_names() -> None:
    """A name comes or goes on purpose only."""
    assert prefdata.__all__ == [
        "Comparison",
        "InputError",
        "JudgeError",
        "Message",
        "MissingExtraError",
        "PrefdataError",
        "PreferencePair",
        "RatedResponses",
        "RecipeError",
        "TrainingError",
        "UnknownNameError",
        "UnpairedPreference",
        "UsageError",
        "Verdict",
        "__version__",
        "agree",
        "convert",
        "inspect",
        "judge",
    ]


@pytest.mark.parametrize("name", prefdata.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """None of them is a module that happens to have the same name."""
    assert not isinstance(getattr(prefdata, name), types.ModuleType)
    assert name in dir(prefdata)


def test_every_error_is_public() -> None:
    """Who catches an error can name it."""
    tree = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.PrefdataError)
    }
    assert tree == {name for name in prefdata.__all__ if name.endswith("Error")}


@pytest.mark.parametrize("name", ["agree", "convert", "inspect", "judge"])
def test_a_function_stays_one_whatever_was_imported_before(name: str) -> None:
    """The module that holds it does not take its place: it must have another name."""
    home = getattr(prefdata, name).__module__
    code = f"import {home}, prefdata; assert callable(prefdata.{name}), prefdata.{name}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="module 'prefdata' has no attribute 'konvert'"):
        prefdata.konvert  # noqa: B018 - reading it is the test


def test_the_package_is_typed() -> None:
    """Type checkers of other projects read our annotations."""
    assert importlib.resources.files("prefdata").joinpath("py.typed").is_file()
