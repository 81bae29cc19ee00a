"""The public names."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
import types
from pathlib import Path

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
        "QuestionError",
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


CALL_ALL = """
import importlib, pkgutil, sys
import prefdata
from prefdata.errors import PrefdataError

for module in pkgutil.walk_packages(prefdata.__path__, "prefdata."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # of an extra that is not installed
            assert not (error.name or "").startswith("prefdata"), error
rows = [{"prompt": "2+2?", "chosen": "4", "rejected": "5"}]
votes = [
    {"prompt": "2+2?", "response_a": "4", "response_b": "5", "winner": "a", "annotator": name}
    for name in ("ann", "bob")
]
message = {"role": "user", "content": "2+2?"}
sides = {"prompt": "2+2?", "response_a": "4", "response_b": "5"}
results = {
    "Comparison": prefdata.Comparison(**sides, verdicts=[]),
    "Message": prefdata.Message(**message),
    "PreferencePair": prefdata.PreferencePair(**rows[0]),
    "RatedResponses": prefdata.RatedResponses(prompt="2+2?", responses=[]),
    "UnpairedPreference": prefdata.UnpairedPreference(prompt="2+2?", completion="4", label=True),
    "Verdict": prefdata.Verdict(winner="a"),
    "convert": prefdata.convert(rows, sys.argv[1]),
    "inspect": prefdata.inspect(rows),
    "agree": prefdata.agree(votes),
}
try:
    prefdata.judge(rows, sys.argv[1] + "-judged")
except prefdata.UsageError as error:
    results["judge"] = error
assert str(results["judge"]) == "no judge is named", results["judge"]
assert results["convert"].rows == 1, results["convert"].rows
for name in prefdata.__all__:
    value = getattr(prefdata, name)
    if isinstance(value, type) and issubclass(value, PrefdataError):
        results[name] = value("train", **CALLS.get(name, {}))
print(*sorted({"__version__", *results}))
"""


def test_every_public_name_can_be_called_when_every_module_is_loaded(tmp_path: Path) -> None:
    """No module takes the place of a function or a class of its name."""
    calls = {
        "UnknownNameError": {"name": "trian", "names": ["train"]},
        "MissingExtraError": {"needed_for": "pref train"},
    }
    result = subprocess.run(
        [sys.executable, "-c", f"CALLS = {calls}\n{CALL_ALL}", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    assert result.stdout.split() == sorted(prefdata.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="module 'prefdata' has no attribute 'konvert'"):
        prefdata.konvert  # noqa: B018 - reading it is the test


def test_the_package_is_typed() -> None:
    """Type checkers of other projects read our annotations."""
    assert importlib.resources.files("prefdata").joinpath("py.typed").is_file()
